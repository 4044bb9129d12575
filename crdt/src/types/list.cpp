#include "rejoin/crdt/types/list.h"

#include "rejoin/crdt/assert.h"
#include "rejoin/crdt/types/map.h"
#include "types/cursors.h"
#include "types/elements.h"

namespace rejoin {

namespace {

Error beyond(const Store& store, NodeIndex index, std::size_t at, std::size_t size) {
  return index_beyond(at, "a list of " + std::to_string(size), store, index);
}

}  // namespace

std::size_t ListView::size() const { return sequence_size(); }

Result<Value> ListView::at(std::size_t at) const {
  if (at >= size()) return beyond(*store_, index(), at, size());
  Value value;
  elements_of(store_, index())->for_each_live(at, 1, [&](const ListSequence::Piece& piece) {
    value = piece.content[0];
  });
  return value;
}

std::vector<Value> ListView::values() const { return values_of(elements_of(store_, index())); }

Result<std::uint32_t> ListView::map_index(std::size_t at) const {
  if (at >= size()) return beyond(*store_, index(), at, size());
  NodeIndex map = no_node;
  elements_of(store_, index())->for_each_live(at, 1, [&](const ListSequence::Piece& piece) {
    // A dishonest writer may have put a map below a value.
    if (!piece.content[0].is_null()) return;
    map = store_->find_element_map(index(), elements_of(store_, index())->element_at(piece.id));
  });
  if (map != no_node && store_->node(map).live > 0) return map;
  return make_error(ErrorCode::wrong_type,
                    "the element at index " + std::to_string(at) + " of " + std::to_string(size()) +
                        " is a value, not a map",
                    store_->path_of(index()).to_string());
}

Result<MapView> ListView::map(std::size_t at) const {
  const Result<std::uint32_t> found = map_index(at);
  if (!found.ok()) return found.error();
  return MapView(store_, store_->ref(*found));
}

Result<MapRef> ListRef::map(std::size_t at) {
  REJOIN_ASSERT(store_ != nullptr && store_->in_transaction());
  const Result<std::uint32_t> found = map_index(at);
  if (!found.ok()) return found.error();
  return MapRef(store_, store_->ref(*found));
}

Result<MapRef> ListRef::insert_map(std::size_t at) {
  Result<std::uint32_t> i = writable_sequence();
  if (!i.ok()) return i.error();
  const std::size_t size = store_->sequence_size(*i);
  if (at > size) return beyond(*store_, *i, at, size);
  if (Status fits = store_->check_depth(store_->depth_of(*i) + 1, *i); !fits.ok()) {
    return std::move(fits).error();
  }
  return MapRef(store_, store_->ref(store_->list_insert_map(*i, at)));
}

Result<Cursor> ListView::cursor(std::size_t at, Sticks sticks) const {
  const NodeIndex i = index();
  if (at > size()) return beyond(*store_, i, at, size());
  return cursor_at(store_, elements_of(store_, i), at, sticks);
}

Result<std::size_t> ListView::index_of(const Cursor& cursor) const {
  const NodeIndex i = index();
  return find_cursor(store_, i, elements_of(store_, i), cursor);
}

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

Status ListRef::move(std::size_t from, std::size_t to) {
  Result<std::uint32_t> i = writable();
  if (!i.ok()) return i.error();
  const std::size_t size = store_->sequence_size(*i);
  if (from >= size || to >= size) return beyond(*store_, *i, from >= size ? from : to, size);
  if (from != to && !store_->list_move(*i, from, to)) {
    return make_error(ErrorCode::limit_exceeded,
                      "the element at index " + std::to_string(from) +
                          " was moved by a clock at its end, and stays for good",
                      store_->path_of(*i).to_string());
  }
  return {};
}

Status ListRef::remove(std::size_t at, std::size_t count) {
  Result<std::uint32_t> i = writable_sequence();
  if (!i.ok()) return i.error();
  const std::size_t size = store_->sequence_size(*i);
  if (at > size || count > size - at) return beyond(*store_, *i, at + count, size);
  if (count > 0) store_->sequence_remove(*i, at, count);
  return {};
}

}  // namespace rejoin
