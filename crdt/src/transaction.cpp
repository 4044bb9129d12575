#include "rejoin/crdt/transaction.h"

#include <utility>

#include "rejoin/crdt/assert.h"
#include "store/store.h"

namespace rejoin {

Transaction::Transaction(Transaction&& other) noexcept
    : store_(std::exchange(other.store_, nullptr)) {}

Transaction::~Transaction() { abort(); }

MapRef Transaction::root() { return {store_, store_->ref(Store::root)}; }

NodeRef Transaction::place(CellHandle& handle) {
  if (store_->resolve(handle.node_) == no_node) {
    Type parent = Type::map;
    for (const Step& step : handle.path_.steps()) {
      REJOIN_ASSERT(may_contain(parent, step.type, step.key));
      parent = step.type;
    }
    handle.node_ = store_->ref(store_->find_or_create(handle.path_));
  }
  return handle.node_;
}

CounterRef Transaction::counter(CounterHandle& handle) {
  REJOIN_ASSERT(handle.path().type() == Type::counter);
  return {store_, place(handle)};
}

RegisterRef Transaction::reg(CellHandle& handle) {
  REJOIN_ASSERT(is_register(handle.path().type()));
  return {store_, place(handle)};
}

std::size_t Transaction::size() const { return store_->transaction_size(); }
std::size_t Transaction::savepoint() { return store_->savepoint(); }
void Transaction::rollback_to(std::size_t savepoint) { store_->rollback_to(savepoint); }

EventPtr Transaction::commit() { return std::exchange(store_, nullptr)->commit(); }

void Transaction::abort() {
  if (store_ != nullptr) std::exchange(store_, nullptr)->end_transaction();
}

}  // namespace rejoin
