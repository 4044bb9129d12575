// The open transaction: the event as far as it is written, and how to undo each write.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "store/store.h"

namespace rejoin {

// How to undo one step of a write, newest first. Small, because every write has one.
struct Store::Undo {
  // The whole cell as it was. `touches` is null when there were none.
  struct CellBefore {
    Cell cell;
    std::unique_ptr<Touches> touches;
  };
  // Our own part of a counter as it was; of sequence 0 when it was not there.
  struct OwnCountBefore {
    CounterEntry entry;
  };
  struct Inserted {
    ElementId id;
  };
  struct Removed {
    Element element;
  };
  // All records of removed subtrees.
  struct RemovalsBefore {
    std::vector<SubtreeRemoval> removals;
  };

  template <class Step>
  Undo(NodeIndex at, Step as) : node(at), step(std::in_place_type<Step>, std::move(as)) {}

  NodeIndex node;
  std::variant<CellBefore, OwnCountBefore, Inserted, Removed, RemovalsBefore> step;
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

  // Makes it as good as new, but for the memory that its vectors keep: most transactions are as
  // long as the one before.
  void reuse() {
    options = {};
    first = 0;
    effects.clear();
    replicas.clear();
    path.clear();
    undo.clear();
    writes.clear();
    if (effects.capacity() > bytes_kept_max) effects.shrink_to_fit();
    if (undo.capacity() * sizeof(Undo) > bytes_kept_max) undo.shrink_to_fit();
    if (writes.capacity() * sizeof(Write) > bytes_kept_max) writes.shrink_to_fit();
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
