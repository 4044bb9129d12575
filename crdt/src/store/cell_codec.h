// A cell as bytes: in deltas, and in the store on disk. The format is in docs/formats.md.
#pragma once

#include <vector>

#include "store/store.h"

namespace rejoin {

// A cell that came as bytes. Replica numbers are those of the bytes until they are translated.
struct Store::DecodedCell {
  Touches touches;
  Entries entries;
  CounterEntries counters;
  std::vector<Element> elements;  // of lists; with `partial`, only the removal is told
  std::vector<bool> partial;

  // Calls `visit` with every replica number in it, as a reference.
  template <class Visit>
  void for_each_dot(Visit visit) {
    for (LocalDot& d : touches) visit(d.replica, d.sequence);
    for (Entry& e : entries) visit(e.replica, e.sequence);
    for (CounterEntry& e : counters) visit(e.replica, e.sequence);
    for (Element& e : elements) {
      for (ElementId* id : {&e.id, &e.left, &e.right, &e.removed_by}) {
        if (!id->is_boundary()) visit(id->replica, id->sequence);
      }
    }
  }
};

}  // namespace rejoin
