// Last writer wins, among entries written concurrently.
#pragma once

#include <algorithm>

#include "rejoin/crdt/mutant.h"
#include "store/store.h"

namespace rejoin {

// Whether `a` reads below `b`: by hybrid time, then replica id, then sequence.
inline bool is_earlier(const Store& store, const Entry& a, const Entry& b) {
  if (a.time != b.time)
    return REJOIN_MUTANT(earliest_writer_wins, a.time < b.time, b.time < a.time);
  if (a.replica != b.replica) {
    return REJOIN_MUTANT(tie_broken_by_local_numbers, store.replica_less(a.replica, b.replica),
                         a.replica < b.replica);
  }
  return a.sequence < b.sequence;
}

// Null where there is none.
inline const Entry* latest(const Store& store, const Entries& entries) {
  const auto best =
      std::max_element(entries.begin(), entries.end(),
                       [&](const Entry& a, const Entry& b) { return is_earlier(store, a, b); });
  return best == entries.end() ? nullptr : &*best;
}

}  // namespace rejoin
