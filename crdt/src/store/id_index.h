// Where the element with an id is: for each replica, which leaf holds which of its sequences.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "store/element_id.h"

namespace rejoin {

// An entry says that all elements from its sequence up to the next entry's are in one leaf, if they
// are anywhere; so typing on, whatever it takes, adds none. 16 bytes an entry. Look-up costs
// O(log entries); a change behind the last entry moves those after it.
template <class Leaf>
class IdIndex {
 public:
  // The leaf that holds the id, if anything does; null when nothing can.
  Leaf* find(ElementId id) const {
    const Part* part = part_of(id.replica);
    if (part == nullptr) return nullptr;
    const auto after = upper(*part, id.sequence);
    return after == part->entries.begin() ? nullptr : std::prev(after)->leaf;
  }
  // The first sequence beyond `id` at which another leaf begins; 0 when there is none.
  Sequence next(ElementId id) const {
    const Part* part = part_of(id.replica);
    if (part == nullptr) return 0;
    const auto after = upper(*part, id.sequence);
    return after == part->entries.end() ? 0 : after->first;
  }
  // The greatest sequence ever put here for a replica; 0 when there is none.
  Sequence last(std::uint32_t replica) const {
    const Part* part = part_of(replica);
    return part == nullptr ? 0 : part->last;
  }

  // The elements [id, id + count) are in `leaf` from now on.
  void put(ElementId id, std::uint64_t count, Leaf* leaf) {
    Part& part = make_part(id.replica);
    std::vector<Entry>& entries = part.entries;
    const Sequence end = id.sequence + count;
    if (id.sequence > part.last) {
      if (entries.empty() || entries.back().leaf != leaf) entries.push_back({id.sequence, leaf});
      part.last = end - 1;
      return;
    }
    // What follows stays where it was.
    auto after = upper(part, end - 1);
    Leaf* const follower = after == entries.begin() ? nullptr : std::prev(after)->leaf;
    const bool gap = follower != nullptr && follower != leaf && end <= part.last &&
                     (after == entries.end() || after->first > end);
    part.last = std::max(part.last, end - 1);
    const auto begin = std::lower_bound(entries.begin(), entries.end(), id.sequence,
                                        [](const Entry& e, Sequence s) { return e.first < s; });
    const bool joins = begin != entries.begin() && std::prev(begin)->leaf == leaf;
    Entry fresh[2];
    std::size_t n = 0;
    if (!joins) fresh[n++] = {id.sequence, leaf};
    if (gap) fresh[n++] = {end, follower};
    const std::size_t at = static_cast<std::size_t>(begin - entries.begin());
    const std::size_t old = static_cast<std::size_t>(after - begin);
    const std::size_t over = std::min(n, old);
    std::copy_n(fresh, over, entries.begin() + static_cast<std::ptrdiff_t>(at));
    const auto middle = entries.begin() + static_cast<std::ptrdiff_t>(at + over);
    if (n < old) {
      entries.erase(middle, entries.begin() + static_cast<std::ptrdiff_t>(at + old));
    } else {
      entries.insert(middle, fresh + over, fresh + n);
    }
  }

  // Calls visit(leaf) for leaves that may hold elements of `replica` beyond `sequence`; a leaf may
  // come several times.
  template <class Visit>
  void for_each_since(std::uint32_t replica, Sequence sequence, Visit visit) const {
    const Part* part = part_of(replica);
    if (part == nullptr || part->last <= sequence) return;
    auto it = upper(*part, sequence);
    if (it != part->entries.begin()) --it;
    for (; it != part->entries.end(); ++it) visit(it->leaf);
  }
  template <class Visit>
  void for_each_replica(Visit visit) const {
    for (const Part& part : parts_) visit(part.replica);
  }

 private:
  struct Entry {
    Sequence first;
    Leaf* leaf;
  };
  struct Part {
    std::uint32_t replica;
    Sequence last = 0;
    std::vector<Entry> entries;
  };

  static auto upper(const Part& part, Sequence sequence) {
    const std::vector<Entry>& entries = part.entries;
    // Most ask for what was written last.
    if (entries.empty() || entries.back().first <= sequence) return entries.end();
    return std::upper_bound(entries.begin(), entries.end(), sequence,
                            [](Sequence s, const Entry& e) { return s < e.first; });
  }
  const Part* part_of(std::uint32_t replica) const {
    if (recent_ < parts_.size() && parts_[recent_].replica == replica) return &parts_[recent_];
    const auto it = std::lower_bound(parts_.begin(), parts_.end(), replica,
                                     [](const Part& p, std::uint32_t r) { return p.replica < r; });
    return it == parts_.end() || it->replica != replica ? nullptr : &*it;
  }
  Part& make_part(std::uint32_t replica) {
    if (recent_ < parts_.size() && parts_[recent_].replica == replica) return parts_[recent_];
    auto it = std::lower_bound(parts_.begin(), parts_.end(), replica,
                               [](const Part& p, std::uint32_t r) { return p.replica < r; });
    if (it == parts_.end() || it->replica != replica) {
      it = parts_.insert(it, Part{replica, 0, {}});
    }
    recent_ = static_cast<std::size_t>(it - parts_.begin());
    return *it;
  }

  std::vector<Part> parts_;  // by replica
  std::size_t recent_ = 0;   // the part that was changed last
};

}  // namespace rejoin
