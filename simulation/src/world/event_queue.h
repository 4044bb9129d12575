// What happens when, in virtual time.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "rejoin/simulation/scenario.h"

namespace rejoin::simulation {

// Actions in the order of their times; those of one time in the order in which they came.
class EventQueue {
 public:
  using Action = std::function<void()>;

  Duration now() const { return now_; }
  bool empty() const { return heap_.empty(); }

  // A time that has passed means now.
  void at(Duration when, Action action) {
    heap_.push_back(Entry{std::max(when, now_), next_order_++, std::move(action)});
    std::push_heap(heap_.begin(), heap_.end(), later);
  }
  void after(Duration delay, Action action) { at(now_ + delay, std::move(action)); }

  // Moves the time to the next action and hands it out. The queue must not be empty.
  Action pop() {
    std::pop_heap(heap_.begin(), heap_.end(), later);
    Entry entry = std::move(heap_.back());
    heap_.pop_back();
    now_ = entry.when;
    return std::move(entry.action);
  }

 private:
  struct Entry {
    Duration when;
    std::uint64_t order;
    Action action;
  };
  static bool later(const Entry& a, const Entry& b) {
    return a.when != b.when ? a.when > b.when : a.order > b.order;
  }

  std::vector<Entry> heap_;
  std::uint64_t next_order_ = 0;
  Duration now_{0};
};

}  // namespace rejoin::simulation
