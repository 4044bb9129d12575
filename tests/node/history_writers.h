// Events that went into an archive, or might have.
#pragma once

#include <gtest/gtest.h>

#include <random>

#include "history/archive.h"
#include "rejoin/crdt/document.h"
#include "rejoin/crdt/transaction.h"

namespace rejoin::node::history {

// Three replicas that write to a few places and exchange now and then; `events` in an order that
// respects what they depend on.
class Writers {
 public:
  explicit Writers(unsigned seed) : random_(seed) {
    for (unsigned i = 0; i < 3; ++i) {
      documents_.emplace_back(ReplicaId::from_words(i + 1, 7));
      given_.push_back(0);
    }
  }

  void run(unsigned steps) {
    for (unsigned i = 0; i < steps; ++i) {
      const std::size_t who = random_() % documents_.size();
      if (random_() % 4 == 0) catch_up(who);
      write(documents_[who]);
    }
  }

  std::vector<EventPtr> events;

 private:
  void catch_up(std::size_t who) {
    for (; given_[who] < events.size(); ++given_[who]) {
      ASSERT_TRUE(documents_[who].apply(*events[given_[who]]).ok());
    }
  }
  void write(Document& document) {
    now_ += random_() % 3;
    Transaction transaction =
        document.begin({HybridTime::from_millis(1000 + now_, ++logical_), "ann", ""});
    MapRef session = transaction.root().map("s" + std::to_string(random_() % 20));
    for (unsigned writes = 1 + random_() % 3; writes > 0; --writes) {
      switch (random_() % 5) {
        case 0:
          (void)session.counter("tokens").add(1 + random_() % 9);
          break;
        case 1:
          (void)session.list("turns").push(Value("turn " + std::to_string(random_())));
          break;
        case 2:
          (void)session.text("plan").insert(0, "ab");
          break;
        case 3:
          (void)session.reg("name").set(Value(static_cast<std::int64_t>(random_())));
          break;
        default:
          (void)session.map("steps").reg("a").set(Value(true));
          if (random_() % 4 == 0) (void)session.remove("steps", Type::map);
      }
    }
    events.push_back(transaction.commit());
    const std::size_t who = static_cast<std::size_t>(&document - documents_.data());
    if (given_[who] + 1 == events.size()) ++given_[who];
  }

  std::mt19937 random_;
  std::vector<Document> documents_;
  std::vector<std::size_t> given_;
  std::uint64_t now_ = 0;
  std::uint16_t logical_ = 0;
};

inline Clock clock_of(const std::vector<EventPtr>& events) {
  Clock clock;
  for (const EventPtr& event : events) clock.advance(event->id());
  return clock;
}

inline std::vector<EventPtr> all_of(const Archive& archive, const Archive::Places& places) {
  std::vector<EventPtr> events;
  for (const ChunkId id : places.chunks) {
    const std::vector<EventPtr> chunk = archive.chunk(id).value();
    events.insert(events.end(), chunk.begin(), chunk.end());
  }
  events.insert(events.end(), places.newest.begin(), places.newest.end());
  return events;
}

}  // namespace rejoin::node::history
