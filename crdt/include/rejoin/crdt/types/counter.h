// A counter that many replicas increase and decrease, and that can be reset.
//
// Reads as the sum of all increments that no reset has seen. A reset takes away exactly the
// increments that its replica had seen: increments made concurrently survive it, and two concurrent
// resets take away the same increments once. Removing a subtree resets the counters in it.
//
// Example: the counter is 5 at replicas A and B. A resets it while B adds 1. Both read 1.
//
// One entry a replica: (sequence, total since its first increment) with the (sequence, total) up to
// which a reset has seen it. Both pairs only grow in sequence, so entries join pairwise by the
// greater sequence.
#pragma once

#include <cstdint>

#include "rejoin/crdt/types/cell.h"

namespace rejoin {

class CounterView : public View {
 public:
  using View::View;
  // Saturates at the bounds of int64.
  std::int64_t value() const;
};

class CounterRef : public CounterView {
 public:
  using CounterView::CounterView;
  // `out_of_range` when this replica's own total would pass int64; nothing is written then. Adding
  // 0 creates the counter if it does not exist, and is otherwise nothing.
  Status add(std::int64_t amount);
  Status reset();  // nothing when no increment is visible
};

}  // namespace rejoin
