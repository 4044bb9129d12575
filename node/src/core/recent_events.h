// The events of one space that are still in memory, to be sent again.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "core/persist_queue.h"
#include "rejoin/crdt/clock.h"
#include "rejoin/crdt/event.h"

namespace rejoin::node {

// In the order in which they were applied here, which is a causal order. Of each writer it holds an
// unbroken run that ends with the last event applied. Beyond `bytes_max` the oldest go.
class RecentEvents {
 public:
  static constexpr std::uint32_t from_here = 0xFFFFFFFF;

  struct Entry {
    EventPtr event;     // null when forgotten
    Position gate = 0;  // of an own write: may be sent when this is durable
    std::chrono::microseconds arrived{0};
    std::uint32_t from = from_here;  // the peer it came from
    std::uint64_t writer_bytes = 0;  // of this writer's entries before this one, ever
  };

  explicit RecentEvents(std::size_t bytes_max) : bytes_max_(bytes_max) {}

  void add(EventPtr event, Position gate, std::uint32_t from, std::chrono::microseconds now);
  // A delta took this writer's clock further than the events here: they are no longer the last.
  void forget(const ReplicaId& writer);
  // The same of one that writes no more.
  void leave_out(const ReplicaId& writer);
  // Forgets every writer whose run does not end where `clock` says.
  void keep_only(const Clock& clock);

  // Bytes of the events beyond `base` up to `until`; nothing when one of them is not here any more,
  // or when `base` lies inside one. O(replicas * log events).
  std::optional<std::uint64_t> bytes_beyond(const Clock& base, const Clock& until) const;
  // Those events in causal order, as many as fit into `bytes_max` (at least one), without those
  // whose gate is not `durable`. Only where bytes_beyond() has a value.
  std::vector<EventPtr> collect(const Clock& base, const Clock& until, Position durable,
                                std::uint64_t bytes_max) const;

  // Entries by number: begin_number() .. end_number() - 1, in order of arrival.
  std::uint64_t begin_number() const { return begin_number_; }
  std::uint64_t end_number() const { return begin_number_ + entries_.size(); }
  const Entry& entry(std::uint64_t number) const { return entries_[number - begin_number_]; }

  std::size_t bytes() const { return bytes_; }

 private:
  struct Run {
    std::deque<std::uint64_t> numbers;
    std::uint64_t bytes = 0;  // of this writer's entries, ever
  };
  static std::uint64_t cost(const Event& event) { return event.encoded().size(); }
  void drop_oldest();
  // Index in the run of the event that begins right after `sequence`; the run's size when nothing
  // does.
  std::size_t find_after(const Run& run, Sequence sequence) const;

  std::size_t bytes_max_;
  std::size_t bytes_ = 0;
  std::uint64_t begin_number_ = 0;
  std::deque<Entry> entries_;
  std::map<ReplicaId, Run> runs_;
};

}  // namespace rejoin::node
