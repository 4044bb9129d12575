#include "rejoin/crdt/hybrid_time.h"

#include <algorithm>

#include "rejoin/crdt/assert.h"
#include "rejoin/crdt/mutant.h"

namespace rejoin {
namespace {

// Physical times beyond the year 6429 count as that: half of the range stays free for the logical
// counter, so that no clock, however wrong, can make the next tick wrap around.
constexpr std::uint64_t physical_millis_max = std::uint64_t{1} << 47;

}  // namespace

std::string HybridTime::to_string() const {
  return std::to_string(millis()) + "." + std::to_string(logical());
}

HybridTime HybridClock::tick(std::uint64_t now_millis) {
  REJOIN_ASSERT(last_.value != ~std::uint64_t{0});
  const HybridTime physical = HybridTime::from_millis(std::min(now_millis, physical_millis_max));
  last_ = REJOIN_MUTANT(time_goes_back_with_the_clock,
                        std::max(HybridTime{last_.value + 1}, physical), physical);
  return last_;
}

bool HybridClock::observe(HybridTime remote, std::uint64_t now_millis) {
  // Both operands are below 2^48, so their difference is an exact int64.
  const auto ahead = static_cast<std::int64_t>(remote.millis()) -
                     static_cast<std::int64_t>(std::min(now_millis, physical_millis_max));
  const bool too_far = ahead > ahead_max_.count() || remote.millis() > physical_millis_max;
  if (too_far && !REJOIN_MUTATED(skewed_time_wins)) return false;
  last_ = std::max(last_, remote);
  return true;
}

}  // namespace rejoin
