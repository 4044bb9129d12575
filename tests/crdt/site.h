// A replica, for tests by example: it writes in transactions of its own and exchanges with others,
// through bytes, as peers would.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>

#include "rejoin/crdt/document.h"
#include "rejoin/crdt/transaction.h"

namespace rejoin {

class Site {
 public:
  // Its clock counts its transactions, from `ahead` on.
  explicit Site(ReplicaId id, std::uint64_t ahead = 0) : document(id), time(ahead) {}

  Transaction begin() { return document.begin({HybridTime{++time}, "", ""}); }
  // Commits what `write` does to the root.
  template <class Write>
  EventPtr commit(Write write) {
    Transaction transaction = begin();
    MapRef root = transaction.root();
    write(root);
    EventPtr event = transaction.commit();
    expect_sound();
    return event;
  }
  Applied receive(const EventPtr& event) {
    const Result<EventPtr> decoded = Event::decode(event->encoded());
    EXPECT_TRUE(decoded.ok());
    const Result<Applied> applied = document.apply(**decoded);
    EXPECT_TRUE(applied.ok());
    expect_sound();
    return *applied;
  }
  void pull(const Site& other) {
    const Result<Delta> delta =
        Delta::decode(other.document.delta_since(document.clock()).encoded());
    ASSERT_TRUE(delta.ok());
    ASSERT_TRUE(document.join(*delta).ok());
    expect_sound();
  }
  void expect_sound() const {
    const Status status = document.check_invariants();
    EXPECT_TRUE(status.ok()) << (status.ok() ? "" : status.error().to_string());
  }
  MapView root() const { return document.root(); }

  Document document;
  std::uint64_t time;
};

inline void expect_equal(const Site& a, const Site& b) {
  EXPECT_EQ(a.document.clock(), b.document.clock());
  EXPECT_EQ(a.document.canonical_state(), b.document.canonical_state());
  EXPECT_EQ(a.document.hash(), b.document.hash());
}

inline void exchange(Site& a, Site& b) {
  a.pull(b);
  b.pull(a);
  expect_equal(a, b);
}

}  // namespace rejoin
