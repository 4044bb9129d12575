// A list of values and maps.
//
// Every element has an identity for life (the dot of its insertion), so an index is only how it is
// addressed at the moment of writing. Concurrent insertions at one place end up beside each other,
// run by run, in an order that all replicas agree on and that never interleaves them, forwards or
// backwards (FugueMax: Weidner, Kleppmann, "The Art of the Fugue", 2023). A removal takes away
// exactly the elements it named; removing the list's subtree keeps elements inserted concurrently.
//
// Example: A and B both see [1, 2]. A inserts "a","b" after 1, B inserts "x","y" after 1. Both read
// [1, a, b, x, y, 2] or [1, x, y, a, b, 2]: the same on both, and never mixed.
//
// An element may be moved. Of concurrent moves of one element the later one counts, so it is there
// once, at one place; a move that saw another counts over it, whatever the clocks said. Removing an
// element wins over moving it. What is written in a map is kept, wherever it is moved meanwhile.
//
// Example: A and B both see [1, 2, 3]. A moves 1 to the end while B, a moment later, moves it
// between 2 and 3. Both read [2, 1, 3]. Had B removed it, both would read [2, 3].
//
// An element is a value or a map, for life. Maps that were inserted concurrently are different
// maps. What is below a map in a list is there as long as its element: removing the element, or the
// list around it, removes all of it, also what others write below concurrently. (What lies below
// named maps survives such a removal. An element has no name under which it could be there again.)
//
// Example: A removes the first element, a map, while B writes "done" in that map. Neither has the
// element or "done" afterwards, whichever they heard of first.
#pragma once

#include <vector>

#include "rejoin/crdt/types/cell.h"
#include "rejoin/crdt/types/cursor.h"
#include "rejoin/crdt/value.h"

namespace rejoin {

class MapView;
class MapRef;

class ListView : public View {
 public:
  using View::View;
  std::size_t size() const;
  // Of a map: null. `out_of_range` names the size. O(log size).
  Result<Value> at(std::size_t index) const;
  std::vector<Value> values() const;  // null where a map is
  // The element that is a map. `out_of_range` names the size; `wrong_type` when it is a value.
  // O(log size).
  Result<MapView> map(std::size_t index) const;
  // A position that stays where it is while others edit (cursor.h): before the element at `index`,
  // or at the end. `out_of_range` names the size. O(log size).
  Result<Cursor> cursor(std::size_t index, Sticks sticks) const;
  // Where a cursor is now. `not_found` when its element has not come here yet, is none of this
  // list, or was removed and is forgotten (Document::forget_elements). O(log
  // size).
  Result<std::size_t> index_of(const Cursor& cursor) const;

 protected:
  Result<std::uint32_t> map_index(std::size_t index) const;
};

class ListRef : public ListView {
 public:
  using ListView::ListView;
  // Before the element now at `index`; `index` = size() appends. `out_of_range` beyond it.
  Status insert(std::size_t index, const Value& value);
  Status insert(std::size_t index, const std::vector<Value>& values);  // one run
  Status push(const Value& value);
  // Inserts an empty map there, and gives it. `limit_exceeded` where a path would have more than
  // limits::path_depth_max steps. O(log size).
  Result<MapRef> insert_map(std::size_t index);
  // To write in an element that is a map; errors as above. Once the element is removed, a write
  // there is refused as `not_found`.
  Result<MapRef> map(std::size_t index);
  // Moves the element at `from` so that it stands at `to` from then on: an index of the list
  // without it. Nothing is written when it stands there. `out_of_range` when either is not below
  // size(); `limit_exceeded` when somebody moved it by a clock that shows the last time there is.
  // O(log size).
  Status move(std::size_t from, std::size_t to);
  // With what is below those that are maps. `out_of_range` beyond the end.
  Status remove(std::size_t index, std::size_t count = 1);
};

}  // namespace rejoin
