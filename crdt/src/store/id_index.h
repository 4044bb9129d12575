// Where the element with an id is: for each replica, which leaf holds which of its sequences.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "store/element_id.h"

namespace rejoin {

// An entry says that all elements from its sequence up to the next entry's are in one leaf, if they
// are anywhere; so typing on, whatever it takes, adds none. 16 bytes an entry. Entries stand in
// chunks, so that a change in the middle moves few: O(log entries).
template <class Leaf>
class IdIndex {
 public:
  // The leaf that holds the id, if anything does; null when nothing can.
  Leaf* find(ElementId id) const {
    const Part* part = part_of(id.replica);
    return part == nullptr ? nullptr : leaf_of(*part, id.sequence);
  }
  // The first sequence beyond `id` at which another leaf begins; 0 when there is none.
  Sequence next(ElementId id) const {
    const Part* part = part_of(id.replica);
    if (part == nullptr) return 0;
    const Position after = from(*part, id.sequence + 1);
    return is_end(*part, after) ? 0 : entry(*part, after).first;
  }
  // The greatest sequence ever put here for a replica; 0 when there is none.
  Sequence last(std::uint32_t replica) const {
    const Part* part = part_of(replica);
    return part == nullptr ? 0 : part->last;
  }

  // The elements [id, id + count) are in `leaf` from now on.
  void put(ElementId id, std::uint64_t count, Leaf* leaf) {
    Part& part = make_part(id.replica);
    const Sequence end = id.sequence + count;
    if (id.sequence > part.last) {
      part.last = end - 1;
      if (part.chunks.empty() || part.chunks.back().back().leaf != leaf) {
        insert(part, end_of(part), {id.sequence, leaf});
      }
      return;
    }
    // What follows stays where it was.
    Leaf* const follower = leaf_of(part, end - 1);
    const bool has_follower = end <= part.last;
    part.last = std::max(part.last, end - 1);
    Position at = from(part, id.sequence);
    while (!is_end(part, at) && entry(part, at).first < end) at = erase(part, at);
    if (has_follower && follower != nullptr && follower != leaf &&
        (is_end(part, at) || entry(part, at).first > end)) {
      insert(part, at, {end, follower});
      at = from(part, id.sequence);
    }
    if (leaf_of(part, id.sequence) != leaf) insert(part, at, {id.sequence, leaf});
  }

  struct Range {
    ElementId id;
    std::uint64_t count;
    Leaf* leaf;
  };
  // Puts ranges, in ascending order, where nothing was put before. O(n).
  void build(const std::vector<Range>& ranges) {
    for (const Range& range : ranges) put(range.id, range.count, range.leaf);
  }

  // Calls visit(leaf) for leaves that may hold elements of `replica` beyond `sequence`; a leaf may
  // come several times.
  template <class Visit>
  void for_each_since(std::uint32_t replica, Sequence sequence, Visit visit) const {
    const Part* part = part_of(replica);
    if (part == nullptr || part->last <= sequence) return;
    if (Leaf* leaf = leaf_of(*part, sequence)) visit(leaf);
    for (Position at = from(*part, sequence + 1); !is_end(*part, at); at = after(*part, at)) {
      visit(entry(*part, at).leaf);
    }
  }
  // Forgets all of other replicas than these, by number.
  void keep_replicas(const std::vector<bool>& used) {
    std::erase_if(parts_, [&](const Part& part) { return !used[part.replica]; });
    recent_ = 0;
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
  static constexpr std::size_t chunk_max = 64;
  using Chunk = std::vector<Entry>;  // never empty
  struct Part {
    std::uint32_t replica;
    Sequence last = 0;
    std::vector<Chunk> chunks;
  };
  struct Position {
    std::size_t chunk = 0;  // the number of chunks at the end
    std::size_t slot = 0;
  };

  static const Entry& entry(const Part& part, Position at) {
    return part.chunks[at.chunk][at.slot];
  }
  static Position end_of(const Part& part) { return {part.chunks.size(), 0}; }
  static bool is_end(const Part& part, Position at) { return at.chunk == part.chunks.size(); }
  static Position after(const Part& part, Position at) {
    return ++at.slot < part.chunks[at.chunk].size() ? at : Position{at.chunk + 1, 0};
  }
  // The last chunk that begins at or before `sequence`; the first where none does.
  static std::size_t chunk_of(const Part& part, Sequence sequence) {
    const std::vector<Chunk>& chunks = part.chunks;
    // Most ask for what was written last.
    if (chunks.back().front().first <= sequence) return chunks.size() - 1;
    const auto behind =
        std::upper_bound(chunks.begin(), chunks.end(), sequence,
                         [](Sequence s, const Chunk& c) { return s < c.front().first; });
    return behind == chunks.begin() ? 0 : static_cast<std::size_t>(behind - chunks.begin() - 1);
  }
  // The first entry of `sequence` or beyond.
  static Position from(const Part& part, Sequence sequence) {
    if (part.chunks.empty()) return {};
    const std::size_t c = chunk_of(part, sequence);
    const Chunk& chunk = part.chunks[c];
    const auto it = std::lower_bound(chunk.begin(), chunk.end(), sequence,
                                     [](const Entry& e, Sequence s) { return e.first < s; });
    if (it == chunk.end()) return {c + 1, 0};
    return {c, static_cast<std::size_t>(it - chunk.begin())};
  }
  static Leaf* leaf_of(const Part& part, Sequence sequence) {
    if (part.chunks.empty()) return nullptr;
    const Chunk& chunk = part.chunks[chunk_of(part, sequence)];
    if (chunk.back().first <= sequence) return chunk.back().leaf;
    const auto behind = std::upper_bound(chunk.begin(), chunk.end(), sequence,
                                         [](Sequence s, const Entry& e) { return s < e.first; });
    return behind == chunk.begin() ? nullptr : std::prev(behind)->leaf;
  }
  // Puts an entry before the one at `at`.
  static void insert(Part& part, Position at, Entry fresh) {
    if (at.slot == 0 && at.chunk > 0) {
      --at.chunk;
      at.slot = part.chunks[at.chunk].size();
    }
    if (part.chunks.empty()) part.chunks.emplace_back();
    if (part.chunks[at.chunk].size() == chunk_max) {
      const auto behind = static_cast<std::ptrdiff_t>(at.chunk + 1);
      Chunk& full = *part.chunks.insert(part.chunks.begin() + behind, Chunk());
      Chunk& chunk = part.chunks[at.chunk];
      // What is appended goes on in a chunk of its own.
      const std::size_t keep = at.slot == chunk_max ? chunk_max : chunk_max / 2;
      full.assign(chunk.begin() + static_cast<std::ptrdiff_t>(keep), chunk.end());
      chunk.resize(keep);
      if (at.slot > keep || keep == chunk_max) at = {at.chunk + 1, at.slot - keep};
    }
    Chunk& chunk = part.chunks[at.chunk];
    chunk.insert(chunk.begin() + static_cast<std::ptrdiff_t>(at.slot), fresh);
  }
  // Gives the position of what followed.
  static Position erase(Part& part, Position at) {
    Chunk& chunk = part.chunks[at.chunk];
    chunk.erase(chunk.begin() + static_cast<std::ptrdiff_t>(at.slot));
    if (chunk.empty()) {
      part.chunks.erase(part.chunks.begin() + static_cast<std::ptrdiff_t>(at.chunk));
      return {at.chunk, 0};
    }
    return at.slot < chunk.size() ? at : Position{at.chunk + 1, 0};
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
