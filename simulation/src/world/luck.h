// Chance that depends on when something happens rather than on how often something happened before.
#pragma once

#include "rejoin/simulation/random.h"
#include "rejoin/simulation/scenario.h"

namespace rejoin::simulation {

// Gives each happening a generator of its own, chosen by the slice of time that it falls into and
// its place within that. So a run without some of them leaves most of the others their luck, which
// is what a failing run needs to stay a failing one while it shrinks.
class Luck {
 public:
  explicit Luck(const Random& base) : base_(base), of_slice_(base) {}

  Random at(Duration now) {
    constexpr std::int64_t slice_micros = 10'000;
    const std::int64_t slice = now.count() / slice_micros;
    if (slice != slice_) {
      slice_ = slice;
      place_ = 0;
      of_slice_ = base_.fork(static_cast<std::uint64_t>(slice));
    }
    return of_slice_.fork(place_++);
  }

 private:
  Random base_;
  Random of_slice_;
  std::int64_t slice_ = -1;
  std::uint64_t place_ = 0;
};

}  // namespace rejoin::simulation
