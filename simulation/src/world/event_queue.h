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
    std::size_t slot = actions_.size();
    if (free_.empty()) {
      actions_.push_back(std::move(action));
    } else {
      slot = free_.back();
      free_.pop_back();
      actions_[slot] = std::move(action);
    }
    heap_.push_back(Entry{std::max(when, now_), next_order_++, slot});
    std::push_heap(heap_.begin(), heap_.end(), later);
  }
  void after(Duration delay, Action action) { at(now_ + delay, std::move(action)); }

  // Moves the time to the next action and hands it out. The queue must not be empty.
  Action pop() {
    std::pop_heap(heap_.begin(), heap_.end(), later);
    const Entry entry = heap_.back();
    heap_.pop_back();
    now_ = entry.when;
    free_.push_back(entry.slot);
    return std::exchange(actions_[entry.slot], nullptr);
  }

 private:
  struct Entry {
    Duration when;
    std::uint64_t order;
    std::size_t slot;  // of its action, which stays where it is while the heap turns
  };
  static bool later(const Entry& a, const Entry& b) {
    return a.when != b.when ? a.when > b.when : a.order > b.order;
  }

  std::vector<Entry> heap_;
  std::vector<Action> actions_;
  std::vector<std::size_t> free_;
  std::uint64_t next_order_ = 0;
  Duration now_{0};
};

}  // namespace rejoin::simulation
