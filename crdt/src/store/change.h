// Brackets a change of one cell.
#pragma once

#include "rejoin/crdt/mutant.h"
#include "store/store.h"

namespace rejoin {

// Takes the cell's entries out of the hash, lets them change, and puts them back: keeps the state
// hash, the live counts, dirtiness and change reports in step with the entries. Elements of lists
// are accounted for one by one by whoever changes them.
class Store::Change {
 public:
  Change(Store& store, NodeIndex index) : store_(store), index_(index) {
    const Node& n = store_.node(index_);
    was_live_ = store_.is_live(n);
    store_.hash_ -= store_.cell_hash(n);
  }
  ~Change() {
    const Node& n = store_.node(index_);
    store_.hash_ += store_.cell_hash(n);
    store_.set_live(index_, was_live_, store_.is_live(n));
    if (!REJOIN_MUTATED(changed_cell_is_not_dirty)) store_.mark_dirty(index_);
    store_.mark_changed(index_);
  }
  Change(const Change&) = delete;
  Change& operator=(const Change&) = delete;

 private:
  Store& store_;
  NodeIndex index_;
  bool was_live_;
};

// The same for a change of nothing but a sequence, whose writes account for the hash.
class Store::SequenceChange {
 public:
  SequenceChange(Store& store, NodeIndex index)
      : store_(store), index_(index), was_live_(store.is_live(store.node(index))) {}
  ~SequenceChange() {
    store_.set_live(index_, was_live_, store_.is_live(store_.node(index_)));
    store_.mark_dirty(index_);
    store_.mark_changed(index_);
  }
  SequenceChange(const SequenceChange&) = delete;
  SequenceChange& operator=(const SequenceChange&) = delete;

 private:
  Store& store_;
  NodeIndex index_;
  bool was_live_;
};

}  // namespace rejoin
