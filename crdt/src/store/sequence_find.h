// Part of sequence.cpp: finding elements by index and by id, and where in the order they belong.
#pragma once

#include <algorithm>

#include "rejoin/crdt/mutant.h"
#include "store/sequence_tree.h"

namespace rejoin {

// ---- Finding ----

template <class Buffer>
auto Sequenced<Buffer>::edge_leaf(bool last) const -> Leaf* {
  Node* node = root_;
  while (!node->is_leaf) {
    node = static_cast<Inner*>(node)->children[last ? node->count - 1 : 0];
  }
  return static_cast<Leaf*>(node);
}

template <class Buffer>
auto Sequenced<Buffer>::find_live(std::size_t index, std::size_t& leaf_start) const -> Place {
  Node* node = root_;
  std::size_t rest = index;
  while (!node->is_leaf) {
    const auto* inner = static_cast<const Inner*>(node);
    std::size_t i = 0;
    while (rest >= inner->sums[i].live) rest -= inner->sums[i++].live;
    node = inner->children[i];
  }
  auto* leaf = static_cast<Leaf*>(node);
  leaf_start = index - rest;
  std::uint32_t slot = 0;
  for (;; ++slot) {
    const Run& run = leaf->runs[slot];
    if (!run.live) continue;
    if (rest < run.length) break;
    rest -= run.length;
  }
  return {leaf, slot, static_cast<std::uint32_t>(rest)};
}

template <class Buffer>
auto Sequenced<Buffer>::go_to_live(std::size_t index) -> Place {
  if (cursor_.leaf != nullptr && index >= cursor_.leaf_start &&
      index - cursor_.leaf_start < sums_of(cursor_.leaf).live) {
    const std::size_t wanted = index - cursor_.leaf_start;
    if (wanted < cursor_.run_start) {
      cursor_.slot = 0;
      cursor_.run_start = 0;
      cursor_.unit = 0;
    }
    for (std::size_t rest = wanted - cursor_.run_start;; ++cursor_.slot) {
      const Run& run = cursor_.leaf->runs[cursor_.slot];
      if (!run.live) continue;
      if (rest < run.length) return {cursor_.leaf, cursor_.slot, static_cast<std::uint32_t>(rest)};
      rest -= run.length;
      cursor_.run_start += run.length;
      cursor_.unit += cursor_.leaf->extents[cursor_.slot];
    }
  }
  const Place place = find_live(index, cursor_.leaf_start);
  cursor_.leaf = place.leaf;
  cursor_.slot = place.slot;
  cursor_.run_start = index - cursor_.leaf_start - place.offset;
  cursor_.unit = place.leaf->unit_of(place.slot);
  return place;
}

template <class Buffer>
auto Sequenced<Buffer>::find(ElementId id) const -> Place {
  Leaf* leaf = index_.find(id);
  if (leaf == nullptr) return {};
  for (std::uint32_t slot = 0; slot < leaf->count; ++slot) {
    const Run& run = leaf->runs[slot];
    if (run.replica == id.replica && id.sequence - run.first < run.length) {
      return {leaf, slot, static_cast<std::uint32_t>(id.sequence - run.first)};
    }
  }
  return {};
}

template <class Buffer>
bool Sequenced<Buffer>::is_live(ElementId id) const {
  const Place place = find(id);
  return place.leaf != nullptr && place.leaf->runs[place.slot].live;
}

template <class Buffer>
bool Sequenced<Buffer>::lives(ElementId id) const {
  const Place place = find(id);
  if (place.leaf == nullptr) return false;
  const Run& run = place.leaf->runs[place.slot];
  return run.away || (run.live && !run.holder);
}

template <class Buffer>
std::uint64_t Sequenced<Buffer>::absent(ElementId id, std::uint64_t count) const {
  if (id.sequence > index_.last(id.replica)) return count;
  const Sequence end = id.sequence + count;
  Sequence nearest = end;
  for (ElementId at = id; at.sequence != 0 && at.sequence < nearest;
       at.sequence = index_.next(at)) {
    const Leaf* leaf = index_.find(at);
    if (leaf == nullptr) continue;
    for (std::size_t slot = 0; slot < leaf->count; ++slot) {
      const Run& run = leaf->runs[slot];
      if (run.replica != id.replica || run.first + run.length <= id.sequence) continue;
      nearest = std::min(nearest, std::max(run.first, id.sequence));
    }
  }
  return nearest - id.sequence;
}

template <class Buffer>
std::size_t Sequenced<Buffer>::leaf_rank(const Leaf* leaf) const {
  std::size_t rank = 0;
  for (const Node* node = leaf; node->parent != nullptr; node = node->parent) {
    for (std::size_t i = 0; i < node->slot; ++i) rank += node->parent->sums[i].total;
  }
  return rank;
}

template <class Buffer>
std::size_t Sequenced<Buffer>::rank(const Place& place) const {
  std::size_t rank = leaf_rank(place.leaf) + place.offset;
  for (std::size_t s = 0; s < place.slot; ++s) rank += place.leaf->runs[s].length;
  return rank;
}

template <class Buffer>
auto Sequenced<Buffer>::standing(ElementId id) const -> std::optional<Standing> {
  const Place place = find(id);
  if (place.leaf == nullptr) return std::nullopt;
  const Run& run = place.leaf->runs[place.slot];
  Standing standing{rank(place), run.live ? place.offset : 0u, run.live};
  for (std::size_t s = 0; s < place.slot; ++s) {
    if (place.leaf->runs[s].live) standing.live_before += place.leaf->runs[s].length;
  }
  for (const Node* node = place.leaf; node->parent != nullptr; node = node->parent) {
    for (std::size_t i = 0; i < node->slot; ++i) {
      standing.live_before += node->parent->sums[i].live;
    }
  }
  return standing;
}

template <class Buffer>
ElementId Sequenced<Buffer>::live_before(const Place& place) const {
  if (place.offset > 0 && place.leaf->runs[place.slot].live) {
    return place.leaf->runs[place.slot].id(place.offset - 1);
  }
  const auto last_in = [](const Leaf* leaf, std::uint32_t end) -> ElementId {
    for (std::uint32_t slot = end; slot-- > 0;) {
      if (leaf->runs[slot].live) return leaf->runs[slot].last();
    }
    return {};
  };
  if (const ElementId found = last_in(place.leaf, place.slot); !found.is_boundary()) return found;
  for (const Node* node = place.leaf; node->parent != nullptr; node = node->parent) {
    for (std::size_t i = node->slot; i-- > 0;) {
      if (node->parent->sums[i].live == 0) continue;
      const Node* below = node->parent->children[i];
      while (!below->is_leaf) {
        const auto* inner = static_cast<const Inner*>(below);
        std::size_t child = inner->count - 1u;
        while (inner->sums[child].live == 0) --child;
        below = inner->children[child];
      }
      return last_in(static_cast<const Leaf*>(below), below->count);
    }
  }
  return {};
}

template <class Buffer>
ElementId Sequenced<Buffer>::live_from(const Place& place) const {
  const auto first_in = [](const Leaf* leaf, std::uint32_t begin) -> ElementId {
    for (std::uint32_t slot = begin; slot < leaf->count; ++slot) {
      if (leaf->runs[slot].live) return leaf->runs[slot].id();
    }
    return {};
  };
  std::uint32_t slot = place.slot;
  if (place.offset > 0) {
    const Run& run = place.leaf->runs[slot];
    if (run.live && place.offset < run.length) return run.id(place.offset);
    ++slot;
  }
  if (const ElementId found = first_in(place.leaf, slot); !found.is_boundary()) return found;
  for (const Node* node = place.leaf; node->parent != nullptr; node = node->parent) {
    for (std::size_t i = node->slot + 1u; i < node->parent->count; ++i) {
      if (node->parent->sums[i].live == 0) continue;
      const Node* below = node->parent->children[i];
      while (!below->is_leaf) {
        const auto* inner = static_cast<const Inner*>(below);
        std::size_t child = 0;
        while (inner->sums[child].live == 0) ++child;
        below = inner->children[child];
      }
      return first_in(static_cast<const Leaf*>(below), 0);
    }
  }
  return {};
}

template <class Buffer>
ElementId Sequenced<Buffer>::next_id(const Place& place) const {
  std::uint32_t slot = place.slot;
  if (slot < place.leaf->count) {
    const Run& run = place.leaf->runs[slot];
    if (place.offset < run.length) return run.id(place.offset);
    ++slot;
  }
  if (slot < place.leaf->count) return place.leaf->runs[slot].id();
  for (const Leaf* leaf = place.leaf->next; leaf != nullptr; leaf = leaf->next) {
    if (leaf->count > 0) return leaf->runs[0].id();
  }
  return {};
}

// ---- Order ----

template <class Buffer>
auto Sequenced<Buffer>::place_in_order(const SequenceContext& context, const Piece& piece,
                                       Place at) const -> Place {
  // Positions shifted by one, so that the beginning is 0 and an element with rank r is r + 1.
  const std::size_t end = root_sums_.total + 1;
  const auto position = [&](ElementId id, std::size_t boundary) {
    if (id.is_boundary()) return boundary;
    const Place place = find(id);
    return place.leaf == nullptr ? boundary : rank(place) + 1;
  };
  const std::size_t left = position(piece.left, 0);
  const std::size_t right = position(piece.right, end);
  Place destination = at;
  bool scanning = false;
  for (std::size_t i = left;;) {
    if (!scanning) destination = at;
    if (i + 1 == end || i + 1 == right) return destination;
    while (at.slot >= at.leaf->count || at.offset == at.leaf->runs[at.slot].length) {
      if (at.slot + 1 < at.leaf->count) {
        at = {at.leaf, at.slot + 1, 0};
      } else {
        at = {at.leaf->next, 0, 0};
      }
    }
    const Run& run = at.leaf->runs[at.slot];
    // What is settled stands where the root of its block does.
    const ElementId other = run.settled && !REJOIN_MUTATED(settled_element_stands_by_its_own_id)
                                ? run.left
                                : run.id(at.offset);
    const ElementId other_left = run.settled ? ElementId{} : run.left_of(at.offset);
    const std::size_t other_left_position =
        other_left == piece.left ? left : position(other_left, 0);
    if (other_left_position < left) return destination;
    if (other_left_position == left) {
      // A sibling. (The elements of a run behind its first, like others, are below a sibling.)
      const std::size_t other_right = run.right == piece.right ? right : position(run.right, end);
      const bool first = context.less(piece.id, other) || REJOIN_MUTATED(last_arrival_stands_first);
      if (other_right == right && first) return destination;
      scanning = other_right < right && !REJOIN_MUTATED(insertion_stops_at_a_nearer_right);
    }
    const std::size_t step = std::min<std::size_t>(run.length - at.offset, right - 1 - i);
    i += step;
    at.offset += static_cast<std::uint32_t>(step);
  }
}

// ---- Reading ----

template <class Buffer>
void Sequenced<Buffer>::look_at(ElementId id, Visit visit) const {
  const Place place = find(id);
  visit(place.leaf->piece(place.slot, place.offset, 1, place.leaf->unit_of(place.slot)));
}

template <class Buffer>
void Sequenced<Buffer>::for_each_live(std::size_t index, std::size_t count, Visit visit) const {
  if (count == 0) return;
  std::size_t leaf_start = 0;
  Place at = find_live(index, leaf_start);
  std::size_t unit = at.leaf->unit_of(at.slot);
  for (;;) {
    const Run& run = at.leaf->runs[at.slot];
    if (at.slot < at.leaf->count && run.live) {
      const auto n =
          static_cast<std::uint32_t>(std::min<std::size_t>(count, run.length - at.offset));
      visit(at.leaf->piece(at.slot, at.offset, n, unit));
      count -= n;
      if (count == 0) return;
    }
    if (at.slot < at.leaf->count) unit += at.leaf->extents[at.slot];
    at.offset = 0;
    if (++at.slot >= at.leaf->count) {
      at = {at.leaf->next, 0, 0};
      unit = 0;
    }
  }
}

template <class Buffer>
void Sequenced<Buffer>::for_each_piece(Visit visit) const {
  for (const Leaf* leaf = edge_leaf(false); leaf != nullptr; leaf = leaf->next) {
    std::size_t unit = 0;
    for (std::size_t s = 0; s < leaf->count; ++s) {
      visit(leaf->piece(s, 0, leaf->runs[s].length, unit));
      unit += leaf->extents[s];
    }
  }
}

template <class Buffer>
StateHash Sequenced<Buffer>::hash(const SequenceContext& context) const {
  StateHash sum;
  ElementId before;
  for_each_piece([&](const Piece& piece) {
    if (!piece.live) return;
    sum += hash_between<Buffer>(context, before, {}, piece.id, piece.count, piece.content);
    before = piece.id.plus(piece.count - 1);
  });
  return sum;
}

template <class Buffer>
void Sequenced<Buffer>::for_each_piece_since(const std::vector<Sequence>& base, Visit visit) const {
  std::vector<std::pair<std::size_t, const Leaf*>> leaves;
  const Leaf* previous = nullptr;
  index_.for_each_replica([&](std::uint32_t replica) {
    index_.for_each_since(replica, base[replica], [&](const Leaf* leaf) {
      if (leaf != previous) leaves.push_back({leaf_rank(leaf), leaf});
      previous = leaf;
    });
  });
  std::sort(leaves.begin(), leaves.end());
  leaves.erase(std::unique(leaves.begin(), leaves.end()), leaves.end());
  for (const auto& [rank, leaf] : leaves) {
    std::size_t unit = 0;
    for (std::size_t s = 0; s < leaf->count; ++s) {
      const Run& run = leaf->runs[s];
      const Sequence known = base[run.replica];
      if (run.last().sequence > known) {
        const auto offset =
            static_cast<std::uint32_t>(run.first > known ? 0 : known - run.first + 1);
        visit(leaf->piece(s, offset, run.length - offset, unit));
      }
      unit += leaf->extents[s];
    }
  }
}

template <class Buffer>
void Sequenced<Buffer>::for_each_removal_since(
    const std::vector<Sequence>& base,
    FunctionRef<void(std::uint32_t replica, const SequenceRemoval& removal)> visit) const {
  for (const RemovalsOf& of : removals_) {
    const Sequence known = base[of.replica];
    auto it = std::upper_bound(of.removals.begin(), of.removals.end(), known,
                               [](Sequence s, const SequenceRemoval& r) { return s < r.by; });
    if (it != of.removals.begin() && std::prev(it)->by + std::prev(it)->count > known + 1) {
      visit(of.replica, std::prev(it)->without_first(known + 1 - std::prev(it)->by));
    }
    for (; it != of.removals.end(); ++it) visit(of.replica, *it);
  }
}

}  // namespace rejoin
