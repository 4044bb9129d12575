// Sums that may pass 64 bits on the way.
#pragma once

#include <cstdint>
#include <limits>

namespace rejoin {

__extension__ using WideSum = __int128;

// The nearest that an int64 can say.
inline std::int64_t saturate(WideSum sum) {
  constexpr std::int64_t max = std::numeric_limits<std::int64_t>::max();
  constexpr std::int64_t min = std::numeric_limits<std::int64_t>::min();
  return sum > max ? max : sum < min ? min : static_cast<std::int64_t>(sum);
}

}  // namespace rejoin
