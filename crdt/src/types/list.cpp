#include "rejoin/crdt/types/list.h"

#include "types/elements.h"

namespace rejoin {

namespace {

Error beyond(const Store& store, NodeIndex index, std::size_t at, std::size_t size) {
  return index_beyond(at, "a list of " + std::to_string(size), store, index);
}

}  // namespace

std::size_t ListView::size() const { return size_of(elements_of(store_, index())); }

Result<Value> ListView::at(std::size_t at) const {
  if (at >= size()) return beyond(*store_, index(), at, size());
  Value value;
  elements_of(store_, index())->for_each_live(at, 1, [&](const ListSequence::Piece& piece) {
    value = piece.content[0];
  });
  return value;
}

std::vector<Value> ListView::values() const { return values_of(elements_of(store_, index())); }

Status ListRef::insert(std::size_t at, const Value& value) {
  return insert(at, std::vector<Value>{value});
}

Status ListRef::insert(std::size_t at, const std::vector<Value>& values) {
  Result<std::uint32_t> i = writable_sequence();
  if (!i.ok()) return i.error();
  const std::size_t size = store_->sequence_size(*i);
  if (at > size) return beyond(*store_, *i, at, size);
  if (Status valid = check_values(values, *store_, *i); !valid.ok()) return valid;
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
