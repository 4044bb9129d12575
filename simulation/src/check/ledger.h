// What a counter that is never removed must read, kept so that it can be asked after every step.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <vector>

#include "rejoin/crdt/clock.h"

namespace rejoin::simulation {

class Ledger {
 public:
  // `writer`'s events up to `last` have changed the counter by `amount` more.
  void add(const ReplicaId& writer, Sequence last, std::int64_t amount) {
    std::vector<Entry>& entries = by_writer_[writer];
    const std::int64_t before = entries.empty() ? 0 : entries.back().sum;
    entries.push_back({last, before + amount});
  }
  void lose(const ReplicaId& writer, Sequence kept) {
    std::vector<Entry>& entries = by_writer_[writer];
    while (!entries.empty() && entries.back().last > kept) entries.pop_back();
  }
  // The sum of what is in the clock. O(writers log writes).
  std::int64_t sum(const Clock& clock) const {
    std::int64_t sum = 0;
    for (const auto& [writer, entries] : by_writer_) {
      const auto after =
          std::upper_bound(entries.begin(), entries.end(), clock.get(writer),
                           [](Sequence upto, const Entry& entry) { return upto < entry.last; });
      if (after != entries.begin()) sum += std::prev(after)->sum;
    }
    return sum;
  }

 private:
  struct Entry {
    Sequence last;
    std::int64_t sum;  // of this writer's, with all before
  };
  std::map<ReplicaId, std::vector<Entry>> by_writer_;
};

}  // namespace rejoin::simulation
