// Replicas that exchange agent state, for the tests of the views.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "rejoin/crdt/agent/session.h"
#include "rejoin/crdt/document.h"
#include "rejoin/crdt/transaction.h"

namespace rejoin::agent {

inline Turn turn_by(std::string author, std::string content, Role role = Role::user) {
  Turn turn;
  turn.role = role;
  turn.author = std::move(author);
  turn.content = std::move(content);
  return turn;
}

class Replica {
 public:
  // `ahead`: how far this replica's clock is ahead of the true time.
  explicit Replica(std::uint64_t n, std::uint64_t ahead = 0)
      : document(ReplicaId::from_words(n, ~n)), time_(ahead) {}

  // Commits what `write` does to the session.
  template <class Write>
  EventPtr commit(Write write, std::string_view session = "s") {
    Transaction transaction = document.begin({HybridTime{++time_}, "", ""});
    SessionRef reference(transaction, session);
    write(reference);
    return transaction.commit();
  }
  EventPtr say(const Turn& turn) {
    return commit([&](SessionRef& s) { ASSERT_TRUE(s.append(turn).ok()); });
  }
  void pull(const Replica& other) {
    const auto joined = document.join(other.document.delta_since(document.clock()));
    ASSERT_TRUE(joined.ok());
  }
  SessionView session() const { return SessionView(document, "s"); }
  std::vector<std::string> contents() const {
    std::vector<std::string> all;
    for (const Turn& turn : session().turns()) all.push_back(turn.content.value_or(""));
    return all;
  }

  Document document;

 private:
  std::uint64_t time_;
};

inline void exchange(Replica& a, Replica& b) {
  a.pull(b);
  b.pull(a);
  ASSERT_EQ(a.document.hash(), b.document.hash());
  ASSERT_EQ(a.document.canonical_state(), b.document.canonical_state());
}

}  // namespace rejoin::agent
