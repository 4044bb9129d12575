// Sets of values, with a fixed winner between concurrent add and remove of one element.
//
// set (add-wins): a removal takes away the additions it saw. A removes "x" while B adds "x": it is
// in. remove_wins_set: an element is in when it was added and no removal is there that no addition
// saw. The same two writes: it is out, until somebody who saw the removal adds it again.
#pragma once

#include <vector>

#include "rejoin/crdt/types/cell.h"
#include "rejoin/crdt/value.h"

namespace rejoin {

// For types set and remove_wins_set alike.
class SetView : public View {
 public:
  using View::View;
  bool contains(const Value& element) const;  // O(1)
  std::vector<Value> elements() const;        // in Value order
  std::size_t size() const;                   // O(elements)
};

class SetRef : public SetView {
 public:
  using SetView::SetView;
  // `limit_exceeded` for elements beyond limits::key_bytes_max, `invalid_argument` for invalid
  // UTF-8.
  Status add(const Value& element);     // writes even when present, to win over concurrent removals
  Status remove(const Value& element);  // nothing when an add-wins element is not there
};

}  // namespace rejoin
