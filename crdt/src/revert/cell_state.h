// What cells hold, in names that mean the same in every document.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "rejoin/crdt/hybrid_time.h"
#include "rejoin/crdt/id.h"
#include "rejoin/crdt/path.h"
#include "rejoin/crdt/value.h"
#include "store/store.h"

namespace rejoin::reverting {

struct Given {
  Dot dot;
  HybridTime time;
  Value value;
};

// Of a counter: what one replica's increments come to that no reset has seen.
struct Part {
  std::int64_t sum = 0;
  Sequence reset = 0;  // up to which they were seen by one
  Sequence last = 0;
};

// Of a list or log a value, of a text one code point.
struct Item {
  Dot element;
  Value value;
};

struct Bounded {
  std::int64_t value;
  std::int64_t bound;
  friend bool operator==(const Bounded&, const Bounded&) = default;
};

struct CellState {
  std::vector<Given> entries;
  std::map<ReplicaId, Part> parts;
  std::vector<Item> items;
  std::optional<Bounded> bounded;  // a bounded counter is one cell
};

using Cells = std::map<Path, CellState>;

// Of one cell; of none where there is no node.
CellState state_of(const Store& store, NodeIndex index);
// All that is at a place and below it.
Cells cells_of(Store& store, const Path& place);

}  // namespace rejoin::reverting
