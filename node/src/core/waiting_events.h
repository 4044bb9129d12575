// Events of one space that came before what they depend on.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>

#include "rejoin/crdt/document.h"
#include "rejoin/crdt/event.h"

namespace rejoin::node {

// Bounded: what does not fit is refused, and comes again by clock exchange.
class WaitingEvents {
 public:
  struct Item {
    EventPtr event;
    std::uint32_t from = 0;  // the peer it came from
    std::chrono::microseconds arrived{0};
  };

  // False when it would take more than `bytes_max`. An event that is here already is accepted.
  bool add(EventPtr event, std::uint32_t from, std::chrono::microseconds now,
           std::size_t bytes_max);
  // Removes and returns one whose turn has come, and drops what is known on the way. O(writers that
  // wait).
  std::optional<Item> take_ready(const Document& document);
  // Drops what came before `limit`; returns when the oldest of the rest came (max(): nothing is
  // left).
  std::chrono::microseconds drop_older_than(std::chrono::microseconds limit);

  // Drops what came from the peer in this slot.
  void drop_from(std::uint32_t slot);

  bool empty() const { return count_ == 0; }
  std::size_t count() const { return count_; }
  std::size_t bytes() const { return bytes_; }

 private:
  using Run = std::map<Sequence, Item>;  // by first()
  static std::size_t cost(const Event& event);
  Run::iterator erase(Run& run, Run::iterator at);

  std::map<ReplicaId, Run> runs_;
  std::size_t bytes_ = 0;
  std::size_t count_ = 0;
};

}  // namespace rejoin::node
