#include "rejoin/crdt/types/list.h"

#include "rejoin/crdt/limits.h"
#include "store/store.h"
#include "types/check.h"

namespace rejoin {

namespace {

const ListSequence* elements_of(const Store* store, NodeIndex index) {
  if (index == no_node || !store->node(index).extra) return nullptr;
  return store->node(index).extra->list.get();
}

Error beyond(const Store& store, NodeIndex index, std::size_t at, std::size_t size) {
  return index_beyond(at, "a list of " + std::to_string(size), store, index);
}

}  // namespace

std::size_t ListView::size() const {
  const ListSequence* elements = elements_of(store_, index());
  return elements == nullptr ? 0 : elements->live_count();
}

Result<Value> ListView::at(std::size_t at) const {
  if (at >= size()) return beyond(*store_, index(), at, size());
  Value value;
  elements_of(store_, index())->for_each_live(at, 1, [&](const ListSequence::Piece& piece) {
    value = piece.content[0];
  });
  return value;
}

std::vector<Value> ListView::values() const {
  std::vector<Value> out;
  const ListSequence* elements = elements_of(store_, index());
  if (elements == nullptr) return out;
  out.reserve(elements->live_count());
  elements->for_each_live(0, elements->live_count(), [&](const ListSequence::Piece& piece) {
    out.insert(out.end(), piece.content.begin(), piece.content.end());
  });
  return out;
}

Status ListRef::insert(std::size_t at, const Value& value) {
  return insert(at, std::vector<Value>{value});
}

Status ListRef::insert(std::size_t at, const std::vector<Value>& values) {
  Result<std::uint32_t> i = writable_sequence();
  if (!i.ok()) return i.error();
  const std::size_t size = store_->sequence_size(*i);
  if (at > size) return beyond(*store_, *i, at, size);
  for (const Value& value : values) {
    Status valid = check_value(value, limits::value_bytes_max, *store_, *i);
    if (!valid.ok()) return valid;
  }
  if (!values.empty()) store_->list_insert(*i, at, values);
  return {};
}

Status ListRef::push(const Value& value) { return insert(size(), value); }

Status ListRef::remove(std::size_t at, std::size_t count) {
  Result<std::uint32_t> i = writable_sequence();
  if (!i.ok()) return i.error();
  const std::size_t size = store_->sequence_size(*i);
  if (at > size || count > size - at) return beyond(*store_, *i, at + count, size);
  if (count > 0) store_->sequence_remove(*i, at, count);
  return {};
}

}  // namespace rejoin
