#include "core/waiting_events.h"

#include <algorithm>
#include <utility>

namespace rejoin::node {

std::size_t WaitingEvents::cost(const Event& event) {
  // The encoding, and about as much as the parsed header and the nodes of the maps take.
  return event.encoded().size() + 256;
}

WaitingEvents::Run::iterator WaitingEvents::erase(Run& run, Run::iterator at) {
  bytes_ -= cost(*at->second.event);
  --count_;
  return run.erase(at);
}

bool WaitingEvents::add(EventPtr event, std::uint32_t from, std::chrono::microseconds now,
                        std::size_t bytes_max) {
  const std::size_t size = cost(*event);
  if (bytes_ + size > bytes_max) return false;
  const ReplicaId writer = event->writer();
  const Sequence first = event->first();
  if (runs_[writer].try_emplace(first, Item{std::move(event), from, now}).second) {
    bytes_ += size;
    ++count_;
  }
  return true;
}

std::optional<WaitingEvents::Item> WaitingEvents::take_ready(const Document& document) {
  for (auto it = runs_.begin(); it != runs_.end();) {
    Run& run = it->second;
    const Sequence known = document.seen(it->first);
    while (!run.empty() && run.begin()->second.event->last() <= known) erase(run, run.begin());
    if (run.empty()) {
      it = runs_.erase(it);
      continue;
    }
    const Event& head = *run.begin()->second.event;
    if (head.first() <= known + 1 && document.includes(head.dependencies())) {
      std::optional<Item> ready = run.begin()->second;
      erase(run, run.begin());
      return ready;
    }
    ++it;
  }
  return std::nullopt;
}

std::chrono::microseconds WaitingEvents::drop_older_than(std::chrono::microseconds limit) {
  auto oldest = std::chrono::microseconds::max();
  for (auto it = runs_.begin(); it != runs_.end();) {
    Run& run = it->second;
    for (auto item = run.begin(); item != run.end();) {
      if (item->second.arrived < limit) {
        item = erase(run, item);
        continue;
      }
      oldest = std::min(oldest, item->second.arrived);
      ++item;
    }
    it = run.empty() ? runs_.erase(it) : std::next(it);
  }
  return oldest;
}

void WaitingEvents::drop_from(std::uint32_t slot) {
  for (auto it = runs_.begin(); it != runs_.end();) {
    Run& run = it->second;
    for (auto item = run.begin(); item != run.end();) {
      item = item->second.from == slot ? erase(run, item) : std::next(item);
    }
    it = run.empty() ? runs_.erase(it) : std::next(it);
  }
}

}  // namespace rejoin::node
