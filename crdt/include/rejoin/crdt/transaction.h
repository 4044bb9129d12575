// Writing to a document.
#pragma once

#include <memory>

#include "rejoin/crdt/document.h"
#include "rejoin/crdt/types/map.h"

namespace rejoin {

// Any number of writes in one space that commit as one event. Writes are visible to reads of this
// document at once (a transaction reads its own writes) and to nobody else before commit. A write
// that fails changes nothing and leaves the transaction usable. Destroying an uncommitted
// transaction undoes all of it.
//
// References obtained from it (MapRef, CounterRef, ...) are valid until it ends. One thread at a
// time. Not movable while references are held.
class Transaction {
 public:
  Transaction(Transaction&& other) noexcept;
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();

  MapRef root();
  // A handle's cell, without the walk from the root; O(1) while the cell exists.
  CounterRef counter(CounterHandle& handle);
  RegisterRef reg(CellHandle& handle);

  // Number of writes so far; commit() of an empty transaction gives no event.
  std::size_t size() const;
  // A mark to come back to: rollback_to(it) undoes every write since, and every later savepoint.
  std::size_t savepoint();
  void rollback_to(std::size_t savepoint);

  // Makes the writes one event and closes the transaction. Null when nothing was written.
  EventPtr commit();
  void abort();

 private:
  friend class Document;
  friend class Reverting;
  explicit Transaction(Store& store) : store_(&store) {}
  NodeRef place(CellHandle& handle);
  Store* store_;  // null once it ended
};

}  // namespace rejoin
