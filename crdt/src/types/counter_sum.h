// What a counter's cell reads as.
#pragma once

#include "saturate.h"
#include "store/cell.h"

namespace rejoin {

inline std::int64_t sum_of(const CounterEntries& entries) {
  WideSum sum = 0;
  for (const CounterEntry& e : entries) {
    if (e.live()) sum += static_cast<WideSum>(e.total) - e.base;
  }
  return saturate(sum);
}

}  // namespace rejoin
