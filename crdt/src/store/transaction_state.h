// The open transaction: the event as far as it is written, and how to undo each write.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "store/store.h"

namespace rejoin {

// How something was before a write.
struct Store::Undo {
  enum class Kind { cell, list_insert, list_remove, removal };
  Kind kind;
  NodeIndex node;
  Cell cell;                         // cell
  std::unique_ptr<Touches> touches;  // cell; null when there were none
  std::unique_ptr<Element> element;  // list_insert: its id; list_remove: as it was
  std::unique_ptr<std::vector<SubtreeRemoval>> removals;  // removal: all records as they were
};

struct Store::TransactionState {
  TransactionOptions options;
  Sequence first = 0;
  std::size_t writes = 0;
  std::string effects;
  std::vector<ReplicaIndex> replicas;  // named by effects; the index in the event is one more
  std::vector<NodeIndex> path;         // of the last effect, root excluded
  std::vector<Undo> undo;

  struct Savepoint {
    std::size_t writes;
    std::size_t effects;
    std::size_t undo;
    std::size_t index;  // length of our own index
    Sequence sequence;
    StateHash hash;
    std::vector<NodeIndex> path;
  };
  std::vector<Savepoint> savepoints;  // the first is the beginning

  void clear() {
    writes = 0;
    effects.clear();
    replicas.clear();
    path.clear();
    undo.clear();
    savepoints.clear();
    // A very large transaction's memory is not kept for small ones.
    if (effects.capacity() > bytes_kept_max) effects.shrink_to_fit();
    if (undo.capacity() * sizeof(Undo) > bytes_kept_max) undo.shrink_to_fit();
  }
  static constexpr std::size_t bytes_kept_max = 1u << 20;

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
