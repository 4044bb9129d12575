// What a cell holds in memory.
#pragma once

#include <boost/container/small_vector.hpp>
#include <cstdint>
#include <memory>
#include <variant>

#include "rejoin/crdt/hybrid_time.h"
#include "rejoin/crdt/id.h"
#include "rejoin/crdt/value.h"
#include "store/list_sequence.h"

namespace rejoin {

// Replica ids are interned to small integers, in the order in which a document meets them. An index
// never leaves its document.
using ReplicaIndex = std::uint32_t;

struct LocalDot {
  ReplicaIndex replica = 0;
  Sequence sequence = 0;
  friend bool operator==(const LocalDot&, const LocalDot&) = default;
};

// One dotted entry. For containers it only says "exists" (null value); for a remove-wins element or
// a disable-wins flag the value is a boolean, false being the removal that wins.
struct Entry {
  Sequence sequence;
  ReplicaIndex replica;
  HybridTime time;
  Value value;
  LocalDot dot() const { return {replica, sequence}; }
};

// One replica's part of a counter: `total` of its increments up to `sequence`, of which a reset has
// seen `base`, up to `base_sequence`. Both pairs only grow in their sequence.
struct CounterEntry {
  Sequence sequence;
  ReplicaIndex replica;
  std::int64_t total;
  Sequence base_sequence;
  std::int64_t base;
  bool live() const { return sequence > base_sequence; }
};

// A cell has one entry nearly always.
using Entries = boost::container::small_vector<Entry, 1>;
using CounterEntries = boost::container::small_vector<CounterEntry, 1>;
using Cell = std::variant<Entries, CounterEntries>;
using Touches = boost::container::small_vector<LocalDot, 1>;

// What few cells have.
struct CellExtra {
  // Removals at this cell that some member may not have seen. At most one a replica: its latest.
  Touches touches;
  std::unique_ptr<ListSequence> list;  // of a list
  std::unique_ptr<TextSequence> text;  // of a text
  std::uint32_t subtree_removals = 0;  // records in Store::removals_ that name this node
};

}  // namespace rejoin
