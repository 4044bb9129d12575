// Cursors of lists and texts: from an index and back. The sequence is null where nothing was
// inserted yet.
#pragma once

#include "rejoin/crdt/types/cursor.h"
#include "store/store.h"

namespace rejoin {

// The bounds must hold.
template <class Elements>
Cursor cursor_at(const Store* store, const Elements* elements, std::size_t index, Sticks sticks) {
  Cursor cursor{{}, sticks};
  const std::size_t size = elements == nullptr ? 0 : elements->live_count();
  if (index == (sticks == Sticks::left ? 0 : size)) return cursor;
  elements->for_each_live(sticks == Sticks::left ? index - 1 : index, 1, [&](const auto& piece) {
    const ElementId element = elements->element_at(piece.id);
    cursor.element = store->to_dot({element.replica, element.sequence});
  });
  return cursor;
}

template <class Elements>
Result<std::size_t> find_cursor(const Store* store, NodeIndex at, const Elements* elements,
                                const Cursor& cursor) {
  const bool left = cursor.sticks == Sticks::left;
  if (cursor.element.sequence == 0) {
    return left || elements == nullptr ? 0 : elements->live_count();
  }
  if (elements != nullptr) {
    if (const auto found = elements->standing(store->to_element(cursor.element))) {
      return found->live_before + (left && found->live ? 1 : 0);
    }
  }
  const bool seen =
      store != nullptr && cursor.element.sequence <= store->seen(cursor.element.replica);
  return make_error(
      ErrorCode::not_found,
      "the element " + cursor.element.to_string() + " of a cursor " +
          (seen ? "is not one of these, or was removed and is forgotten" : "has not come here yet"),
      at == no_node ? std::string() : store->path_of(at).to_string());
}

}  // namespace rejoin
