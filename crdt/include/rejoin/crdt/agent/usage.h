// What a session has used: tokens and calls.
#pragma once

#include <cstdint>

#include "rejoin/crdt/types/map.h"

namespace rejoin::agent {

struct Usage {
  std::int64_t tokens_in = 0;
  std::int64_t tokens_out = 0;
  std::int64_t calls = 0;
  friend bool operator==(const Usage&, const Usage&) = default;
};

// Three counters. Concurrent additions all count, each exactly once.
//
// Example: A and B both read 100 tokens and add 10 each. Both read 120.
class UsageView {
 public:
  explicit UsageView(MapView map) : map_(map) {}
  Usage get() const;

 private:
  MapView map_;
};

class UsageRef : public UsageView {
 public:
  explicit UsageRef(MapRef map) : UsageView(map), map_(map) {}
  // `invalid_argument` for a negative amount: use never shrinks. `out_of_range` when a counter
  // would pass int64; some counters may then have been written, so return the error from the
  // transaction.
  Status add(const Usage& used);

 private:
  MapRef map_;
};

}  // namespace rejoin::agent
