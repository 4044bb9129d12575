#include "core/recent_events.h"

#include <algorithm>
#include <utility>

#include "rejoin/crdt/assert.h"
#include "rejoin/crdt/mutant.h"

namespace rejoin::node {

void RecentEvents::add(EventPtr event, Position gate, std::uint32_t from,
                       std::chrono::microseconds now) {
  Run& run = runs_[event->writer()];
  if (!run.numbers.empty() && entry(run.numbers.back()).event->last() + 1 != event->first() &&
      !REJOIN_MUTATED(recent_events_have_a_hole)) {
    forget(event->writer());
  }
  Entry added{std::move(event), gate, now, from, run.bytes};
  run.bytes += cost(*added.event);
  bytes_ += cost(*added.event) + sizeof(Entry);
  run.numbers.push_back(end_number());
  entries_.push_back(std::move(added));
  while (bytes_ > bytes_max_ && entries_.size() > 1) drop_oldest();
}

void RecentEvents::forget(const ReplicaId& writer) {
  const auto it = runs_.find(writer);
  if (it == runs_.end()) return;
  for (const std::uint64_t number : it->second.numbers) {
    Entry& forgotten = entries_[number - begin_number_];
    bytes_ -= cost(*forgotten.event);
    forgotten.event.reset();
  }
  it->second.numbers.clear();
  while (!entries_.empty() && !entries_.front().event) drop_oldest();
}

void RecentEvents::leave_out(const ReplicaId& writer) {
  forget(writer);
  runs_.erase(writer);
}

void RecentEvents::keep_only(const Clock& clock) {
  for (const auto& [writer, run] : runs_) {
    if (run.numbers.empty()) continue;
    if (entry(run.numbers.back()).event->last() != clock.get(writer)) forget(writer);
  }
}

void RecentEvents::drop_oldest() {
  const Entry& oldest = entries_.front();
  if (oldest.event) {
    const auto it = runs_.find(oldest.event->writer());
    REJOIN_ASSERT(it != runs_.end() && it->second.numbers.front() == begin_number_);
    it->second.numbers.pop_front();
    bytes_ -= cost(*oldest.event);
  }
  bytes_ -= sizeof(Entry);
  entries_.pop_front();
  ++begin_number_;
}

std::size_t RecentEvents::find_after(const Run& run, Sequence sequence) const {
  const auto it = std::partition_point(
      run.numbers.begin(), run.numbers.end(),
      [&](std::uint64_t number) { return entry(number).event->first() <= sequence; });
  return static_cast<std::size_t>(it - run.numbers.begin());
}

std::optional<std::uint64_t> RecentEvents::bytes_beyond(const Clock& base,
                                                        const Clock& until) const {
  std::uint64_t bytes = 0;
  for (const auto& [writer, sequence] : until) {
    const Sequence known = base.get(writer);
    if (known >= sequence) continue;
    const auto it = runs_.find(writer);
    if (it == runs_.end()) return std::nullopt;
    const Run& run = it->second;
    const std::size_t index = find_after(run, known);
    if (index == run.numbers.size()) return std::nullopt;
    const Entry& first = entry(run.numbers[index]);
    if (first.event->first() != known + 1) return std::nullopt;
    bytes += run.bytes - first.writer_bytes;
  }
  return bytes;
}

std::vector<EventPtr> RecentEvents::collect(const Clock& base, const Clock& until, Position durable,
                                            std::uint64_t bytes_max) const {
  std::uint64_t number = end_number();
  for (const auto& [writer, sequence] : until) {
    const Sequence known = base.get(writer);
    if (known >= sequence) continue;
    const auto it = runs_.find(writer);
    if (it == runs_.end()) continue;
    const std::size_t index = find_after(it->second, known);
    if (index < it->second.numbers.size()) number = std::min(number, it->second.numbers[index]);
  }
  std::vector<EventPtr> found;
  std::uint64_t bytes = 0;
  for (; number < end_number(); ++number) {
    const Entry& candidate = entry(number);
    if (!candidate.event) continue;
    if (candidate.gate > durable && !REJOIN_MUTATED(unwritten_events_are_collected)) continue;
    if (candidate.event->last() <= base.get(candidate.event->writer())) continue;
    bytes += cost(*candidate.event);
    if (!found.empty() && bytes > bytes_max) break;
    found.push_back(candidate.event);
  }
  return found;
}

}  // namespace rejoin::node
