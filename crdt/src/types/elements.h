// What lists and logs share: elements that are values.
#pragma once

#include <vector>

#include "rejoin/crdt/limits.h"
#include "store/store.h"
#include "types/check.h"

namespace rejoin {

// Null where nothing was inserted yet.
inline const ListSequence* elements_of(const Store* store, NodeIndex index) {
  if (index == no_node || !store->node(index).extra) return nullptr;
  return store->node(index).extra->list.get();
}

inline std::vector<Value> values_of(const ListSequence* elements) {
  std::vector<Value> out;
  if (elements == nullptr) return out;
  out.reserve(elements->live_count());
  elements->for_each_live(0, elements->live_count(), [&](const ListSequence::Piece& piece) {
    out.insert(out.end(), piece.content.begin(), piece.content.end());
  });
  return out;
}

// As check_value, for each.
inline Status check_values(const std::vector<Value>& values, const Store& store, NodeIndex at) {
  for (const Value& value : values) {
    Status valid = check_value(value, limits::value_bytes_max, store, at);
    if (!valid.ok()) return valid;
  }
  return {};
}

}  // namespace rejoin
