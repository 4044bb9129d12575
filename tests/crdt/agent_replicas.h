// Replicas that exchange agent state, for the tests of the views.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "rejoin/crdt/agent/session.h"
#include "rejoin/crdt/document.h"
#include "rejoin/crdt/transaction.h"
#include "site.h"

namespace rejoin::agent {

inline Turn turn_by(std::string author, std::string content, Role role = Role::user) {
  Turn turn;
  turn.role = role;
  turn.author = std::move(author);
  turn.content = std::move(content);
  return turn;
}

class Replica : public Site {
 public:
  // `ahead`: how far this replica's clock is ahead of the true time.
  explicit Replica(std::uint64_t n, std::uint64_t ahead = 0)
      : Site(ReplicaId::from_words(n, ~n), ahead) {}

  // Commits what `write` does to the session.
  template <class Write>
  EventPtr commit(Write write, std::string_view session = "s") {
    Transaction transaction = begin();
    SessionRef reference(transaction, session);
    write(reference);
    return transaction.commit();
  }
  EventPtr say(const Turn& turn) {
    return commit([&](SessionRef& s) { ASSERT_TRUE(s.append(turn).ok()); });
  }
  SessionView session() const { return SessionView(document, "s"); }
  std::vector<std::string> contents() const {
    std::vector<std::string> all;
    for (const Turn& turn : session().turns()) all.push_back(turn.content.value_or(""));
    return all;
  }
};

}  // namespace rejoin::agent
