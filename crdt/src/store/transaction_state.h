// The open transaction: the event as far as it is written, and how to undo each write.
#pragma once

#include <string>
#include <vector>

#include "store/store.h"

namespace rejoin {

// How one cell was before a write. Lists undo element by element.
struct Store::Undo {
  enum class Kind { cell, list_insert, list_remove, removal };
  Kind kind = Kind::cell;
  NodeIndex node = no_node;
  Cell cell;                             // cell
  Touches touches;                       // cell
  Element element;                       // list_insert: its id; list_remove: as it was
  std::vector<SubtreeRemoval> removals;  // removal: all records as they were
};

struct Store::TransactionState {
  TransactionOptions options;
  Sequence first = 0;
  std::string effects;
  std::vector<ReplicaIndex> replicas;  // named by effects; the index in the event is one more
  std::vector<NodeIndex> path;         // of the last effect, root excluded
  std::vector<Undo> undo;

  // Where each write began.
  struct Write {
    std::size_t effects;
    std::size_t undo;
    std::size_t index;  // length of our own index
    NodeIndex node;
    Sequence sequence;
    StateHash hash;
  };
  std::vector<Write> writes;

  std::uint32_t replica(ReplicaIndex replica, ReplicaIndex self) {
    if (replica == self) return 0;
    for (std::size_t i = 0; i < replicas.size(); ++i) {
      if (replicas[i] == replica) return static_cast<std::uint32_t>(i + 1);
    }
    replicas.push_back(replica);
    return static_cast<std::uint32_t>(replicas.size());
  }
};

}  // namespace rejoin
