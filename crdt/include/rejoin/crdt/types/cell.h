// What views and references of all types share.
#pragma once

#include <cstdint>

#include "rejoin/crdt/id.h"
#include "rejoin/crdt/path.h"

namespace rejoin {

class Store;

// A place in a document's tree: an index into its node pool, with the node's generation so that a
// reused slot is noticed. `none` where nothing exists.
struct NodeRef {
  static constexpr std::uint32_t none = 0xFFFFFFFF;
  std::uint32_t index = none;
  std::uint32_t generation = 0;
  friend auto operator<=>(const NodeRef&, const NodeRef&) = default;
};

// A path whose place in the tree is remembered between transactions. Belongs to one document.
class CellHandle {
 public:
  explicit CellHandle(Path path) : path_(std::move(path)) {}
  const Path& path() const { return path_; }

 private:
  friend class Transaction;
  Path path_;
  NodeRef node_;
};

// A handle whose path must end in a counter.
class CounterHandle : public CellHandle {
 public:
  using CellHandle::CellHandle;
};

// Base of read-only views. Valid until the document changes; reading what does not exist gives the
// type's empty value.
class View {
 public:
  View() = default;
  View(Store* store, NodeRef node) : store_(store), node_(node) {}
  // True when the cell holds something: a register that was written, a set that has a member, a map
  // with anything below it.
  bool exists() const;
  Path path() const;  // of an existing cell
  // Under which id this document writes; nobody's where there is no document.
  ReplicaId self() const;

 protected:
  // The cell's index in the store, NodeRef::none when nothing is there.
  std::uint32_t index() const;
  // The same for a reference of an open transaction, if a write there keeps the limits.
  Result<std::uint32_t> writable() const;
  // The same for writes that may wait (Store::settle).
  Result<std::uint32_t> writable_sequence() const;
  // The number of elements, with those of writes that wait.
  std::size_t sequence_size() const;

  Store* store_ = nullptr;
  NodeRef node_;
};

}  // namespace rejoin
