#include "rejoin/crdt/types/counter.h"

#include "store/store.h"
#include "types/counter_sum.h"

namespace rejoin {

std::int64_t CounterView::value() const {
  const NodeIndex i = index();
  if (i == no_node) return 0;
  return sum_of(std::get<CounterEntries>(store_->node(i).cell));
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
