#include "rejoin/crdt/types/counter.h"

#include <limits>

#include "store/store.h"

namespace rejoin {

std::int64_t CounterView::value() const {
  const NodeIndex i = index();
  if (i == no_node) return 0;
  __extension__ using Wide = __int128;
  Wide sum = 0;
  for (const CounterEntry& e : std::get<CounterEntries>(store_->node(i).cell)) {
    if (e.live()) sum += static_cast<Wide>(e.total) - e.base;
  }
  constexpr std::int64_t max = std::numeric_limits<std::int64_t>::max();
  constexpr std::int64_t min = std::numeric_limits<std::int64_t>::min();
  if (sum > max) return max;
  if (sum < min) return min;
  return static_cast<std::int64_t>(sum);
}

Status CounterRef::add(std::int64_t amount) {
  Result<std::uint32_t> i = writable();
  if (!i.ok()) return i.error();
  if (amount == 0 && exists()) return {};
  if (store_->counter_would_overflow(*i, amount)) {
    return make_error(
        ErrorCode::out_of_range,
        "adding " + std::to_string(amount) + " would take this replica's total beyond 64 bits",
        store_->path_of(*i).to_string());
  }
  store_->counter_add(*i, amount);
  return {};
}

Status CounterRef::reset() {
  Result<std::uint32_t> i = writable();
  if (!i.ok()) return i.error();
  if (exists()) store_->counter_reset(*i);
  return {};
}

}  // namespace rejoin
