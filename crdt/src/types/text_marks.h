// What edits of a text do to its marks.
#pragma once

#include "store/store.h"

namespace rejoin {

inline const TextSequence* text_of(const Store* store, NodeIndex index) {
  if (index == no_node || !store->node(index).extra) return nullptr;
  return store->node(index).extra->text.get();
}

inline bool has_marks(const Store& store, NodeIndex text) {
  return store.node(text).first_child != no_node;
}

// Takes away the marks that cover nothing, as writes of the open transaction.
void drop_empty_marks(Store& store, NodeIndex text);

// `out_of_range` at a text of `size` code points.
Error beyond_text(const Store& store, NodeIndex text, std::size_t index, std::size_t size);

}  // namespace rejoin
