// A list of values.
//
// Every element has an identity for life (the dot of its insertion), so an index is only how it is
// addressed at the moment of writing. Concurrent insertions at one place end up beside each other,
// run by run, in an order that all replicas agree on and that never interleaves them, forwards or
// backwards (FugueMax: Weidner, Kleppmann, "The Art of the Fugue", 2023). A removal takes away
// exactly the elements it named; removing the list's subtree keeps elements inserted concurrently.
//
// Example: A and B both see [1, 2]. A inserts "a","b" after 1, B inserts "x","y" after 1. Both read
// [1, a, b, x, y, 2] or [1, x, y, a, b, 2]: the same on both, and never mixed.
#pragma once

#include <vector>

#include "rejoin/crdt/types/cell.h"
#include "rejoin/crdt/value.h"

namespace rejoin {

class ListView : public View {
 public:
  using View::View;
  std::size_t size() const;
  Result<Value> at(std::size_t index) const;  // `out_of_range` names the size
  std::vector<Value> values() const;
};

class ListRef : public ListView {
 public:
  using ListView::ListView;
  // Before the element now at `index`; `index` = size() appends. `out_of_range` beyond it.
  Status insert(std::size_t index, const Value& value);
  Status insert(std::size_t index, const std::vector<Value>& values);  // one run
  Status push(const Value& value);
  Status remove(std::size_t index, std::size_t count = 1);
};

}  // namespace rejoin
