#include "rejoin/crdt/assert.h"
#include "rejoin/crdt/limits.h"
#include "rejoin/crdt/types/cell.h"
#include "store/store.h"
#include "types/check.h"

namespace rejoin {

std::uint32_t View::index() const {
  if (store_ == nullptr) return no_node;
  store_->settle();
  return store_->resolve(node_);
}

bool View::exists() const {
  const NodeIndex i = index();
  return i != no_node && store_->node(i).live > 0;
}

Path View::path() const {
  const NodeIndex i = index();
  REJOIN_ASSERT(i != no_node);
  return store_->path_of(i);
}

ReplicaId View::self() const { return store_ == nullptr ? ReplicaId() : store_->self(); }

Result<std::uint32_t> View::writable() const {
  REJOIN_ASSERT(store_ != nullptr);
  store_->settle();
  return writable_sequence();
}

std::size_t View::sequence_size() const {
  const NodeIndex i = store_ == nullptr ? no_node : store_->resolve(node_);
  return i == no_node ? 0 : store_->sequence_size(i);
}

Result<std::uint32_t> View::writable_sequence() const {
  if (store_->edits_wait_at(node_)) return node_.index;
  REJOIN_ASSERT(store_ != nullptr && store_->in_transaction());
  const NodeIndex i = store_->resolve(node_);
  REJOIN_ASSERT(i != no_node);  // a reference outlived its transaction
  Status status = store_->check_writable(i);
  if (!status.ok()) return std::move(status).error();
  return i;
}

Status check_value(const Value& value, std::size_t bytes_max, const Store& store, NodeIndex at) {
  if (value.contents().size() > bytes_max) {
    return make_error(ErrorCode::limit_exceeded,
                      "a value here may have " + std::to_string(bytes_max) +
                          " bytes, this one has " + std::to_string(value.contents().size()),
                      store.path_of(at).to_string());
  }
  if (value.is_string() && !is_valid_utf8(value.as_string())) {
    return make_error(ErrorCode::invalid_argument,
                      "a string is not valid UTF-8; use Value::bytes for other contents",
                      store.path_of(at).to_string());
  }
  return {};
}

Error index_beyond(std::size_t index, const std::string& whole, const Store& store, NodeIndex at) {
  return make_error(ErrorCode::out_of_range, "index " + std::to_string(index) + " in " + whole,
                    at == no_node ? std::string() : store.path_of(at).to_string());
}

}  // namespace rejoin
