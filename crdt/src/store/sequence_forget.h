// Part of sequence.cpp: what need not be kept of removed elements once it is stable, and the check
// of what is.
#pragma once

#include <algorithm>
#include <iterator>

#include "rejoin/crdt/mutant.h"
#include "store/sequence_blocks.h"
#include "store/sequence_edit.h"

namespace rejoin {

// ---- Forgetting ----

template <class Buffer>
auto Sequenced<Buffer>::forgettable(const std::vector<Sequence>& stable, Kept kept,
                                    std::span<const ElementId> named, bool& pending) const
    -> std::vector<std::pair<ElementId, std::uint64_t>> {
  // Removals that are remembered are not stable: their elements stay.
  std::vector<std::pair<ElementId, std::uint64_t>> unstable;
  for (const RemovalsOf& of : removals_) {
    for (const SequenceRemoval& removal : of.removals) {
      unstable.push_back({removal.first(), removal.count});
    }
  }
  std::sort(unstable.begin(), unstable.end());
  // Ranges may overlap where two removed the same: up to where any so far reaches.
  for (std::size_t i = 1; i < unstable.size(); ++i) {
    auto& [id, count] = unstable[i];
    const auto& [earlier, length] = unstable[i - 1];
    if (earlier.replica != id.replica) continue;
    const Sequence end = std::max(id.sequence + count, earlier.sequence + length);
    count = end - id.sequence;
  }
  const auto is_unstable = [&](const Run& run) {
    if (run.holder || !run.is_within(stable)) return true;
    const auto after = std::upper_bound(unstable.begin(), unstable.end(), run.last(),
                                        [](ElementId id, const auto& u) { return id < u.first; });
    if (after == unstable.begin()) return false;
    const auto& [id, count] = *std::prev(after);
    return id.replica == run.replica && id.sequence + count > run.first;
  };

  std::vector<std::pair<ElementId, std::uint64_t>> gone;
  std::vector<std::pair<ElementId, std::uint64_t>> gap;
  bool gap_stable = true;
  // Those of a part that nobody names.
  const auto let_go = [&](std::pair<ElementId, std::uint64_t> part) {
    auto& [id, count] = part;
    for (auto it = std::lower_bound(named.begin(), named.end(), id);
         it != named.end() && *it < id.plus(count); ++it) {
      const std::uint64_t before = it->sequence - id.sequence;
      if (before > 0) gone.push_back({id, before});
      id = it->plus(1);
      count -= before + 1;
      pending = true;
    }
    if (count > 0) gone.push_back(part);
  };
  const auto end_gap = [&] {
    if (!gap.empty()) {
      // One element stays. Its first is what a later insertion here names as its right origin; its
      // last is what a log that ends here goes on from.
      if (gap_stable) {
        auto& [id, count] = kept == Kept::first ? gap.front() : gap.back();
        if (kept == Kept::first) id = id.plus(1);
        --count;
        for (const auto& part : gap) let_go(part);
      } else {
        pending = true;
      }
    }
    gap.clear();
    gap_stable = true;
  };
  for (const Leaf* leaf = edge_leaf(false); leaf != nullptr; leaf = leaf->next) {
    for (std::size_t s = 0; s < leaf->count; ++s) {
      const Run& run = leaf->runs[s];
      // Who has not heard of its move sees what is away as live.
      if (run.live || run.away) {
        end_gap();
        continue;
      }
      gap.push_back({run.id(), run.length});
      if (gap_stable) gap_stable = !is_unstable(run);
    }
  }
  end_gap();
  return gone;
}

template <class Buffer>
bool Sequenced<Buffer>::settle(const std::vector<Sequence>& stable, bool& pending) {
  struct Origins {
    ElementId id;
    std::uint64_t count;
    ElementId left;
    ElementId right;
    bool settled;
  };
  std::vector<Origins> all;
  bool any = false;
  for (const Leaf* leaf = edge_leaf(false); leaf != nullptr; leaf = leaf->next) {
    for (std::size_t r = 0; r < leaf->count; ++r) {
      const Run& run = leaf->runs[r];
      const bool is_stable = run.is_within(stable);
      any = any || (is_stable && !run.settled);
      pending = pending || !is_stable;
      all.push_back({run.id(), run.length, run.left, run.right, run.settled});
    }
  }
  if (!any) return false;
  const std::vector<ElementId> roots = block_roots(all);
  auto root = roots.begin();
  for (Leaf* leaf = edge_leaf(false); leaf != nullptr; leaf = leaf->next) {
    for (std::size_t r = 0; r < leaf->count; ++r, ++root) {
      Run& run = leaf->runs[r];
      if (!run.is_within(stable)) continue;
      run.left = *root;
      run.right = {};
      run.settled = true;
    }
    for (std::size_t r = leaf->count; r-- > 0;) merge_with_next(leaf, r);
  }
  cursor_.leaf = nullptr;
  return true;
}

template <class Buffer>
void Sequenced<Buffer>::rebuild() {
  std::vector<Piece> pieces;
  for_each_piece([&](const Piece& piece) { pieces.push_back(piece); });
  Sequenced fresh;
  fresh.append(pieces);
  std::swap(root_, fresh.root_);
  std::swap(root_sums_, fresh.root_sums_);
  std::swap(index_, fresh.index_);
  cursor_.leaf = nullptr;
}

template <class Buffer>
auto Sequenced<Buffer>::prune(const std::vector<Sequence>& stable) -> Pruned {
  Pruned pruned;
  for (RemovalsOf& of : removals_) {
    const Sequence known = stable[of.replica];
    pruned.changed |= std::erase_if(of.removals, [&](const SequenceRemoval& removal) {
                        return removal.by + (removal.count - 1) <= known;
                      }) > 0;
    pruned.pending |= !of.removals.empty();
  }
  return pruned;
}

template <class Buffer>
auto Sequenced<Buffer>::forget_elements(const std::vector<Sequence>& stable, Kept kept,
                                        std::vector<ElementId> named) -> Forgotten {
  if (!unpruned_) return {};
  for (const Leaf* leaf = edge_leaf(false); leaf != nullptr; leaf = leaf->next) {
    for (std::size_t s = 0; s < leaf->count; ++s) {
      const Run& run = leaf->runs[s];
      if (run.is_within(stable) || REJOIN_MUTATED(named_element_is_forgotten)) continue;
      named.push_back(run.left);
      named.push_back(run.right);
    }
  }
  std::sort(named.begin(), named.end());
  named.erase(std::unique(named.begin(), named.end()), named.end());
  bool later = false;
  const auto gone = forgettable(stable, kept, named, later);
  const bool settled = settle(stable, later);
  unpruned_ = later;
  std::uint64_t elements = 0;
  for (const auto& [id, count] : gone) {
    erase(id, count);
    elements += count;
  }
  if (elements > 0) rebuild();
  return {elements, settled, later};
}

// ---- Check ----

template <class Buffer>
const char* Sequenced<Buffer>::check_node(const Node* node, const Sums& sums,
                                          const Leaf*& expected) const {
  if (node->is_leaf) {
    const auto* leaf = static_cast<const Leaf*>(node);
    if (expected != leaf) return "the leaves are not chained in order";
    expected = leaf->next;
    if (leaf->sums() != sums) return "a leaf's elements are miscounted";
    std::size_t unit = 0;
    for (std::size_t s = 0; s < leaf->count; ++s) {
      const Run& run = leaf->runs[s];
      if (run.length == 0) return "a run is empty";
      const std::size_t extent = leaf->extents[s];
      if (unit + extent > leaf->content.size() || (!run.live && extent != 0) ||
          (run.live && Content<Buffer>::elements(leaf->slice(unit, extent)) != run.length)) {
        return "a run's contents are not those of its elements";
      }
      unit += extent;
    }
    return unit == leaf->content.size() ? nullptr : "contents of no run";
  }
  const auto* inner = static_cast<const Inner*>(node);
  Sums sum;
  for (std::size_t i = 0; i < inner->count; ++i) {
    const Node* child = inner->children[i];
    if (child->parent != inner || child->slot != i) return "a node does not know its place";
    sum += inner->sums[i];
    if (const char* wrong = check_node(child, inner->sums[i], expected)) return wrong;
  }
  return sum == sums ? nullptr : "an inner node's elements are miscounted";
}

template <class Buffer>
const char* Sequenced<Buffer>::check(const std::vector<Sequence>& clock) const {
  const Leaf* expected = edge_leaf(false);
  if (const char* wrong = check_node(root_, root_sums_, expected)) return wrong;
  if (expected != nullptr) return "a leaf outside the tree";
  for (Leaf* leaf = edge_leaf(false); leaf != nullptr; leaf = leaf->next) {
    for (std::uint32_t s = 0; s < leaf->count; ++s) {
      const Run& run = leaf->runs[s];
      if (!run.is_within(clock)) return "an element beyond the clock";
      for (const ElementId id : {run.id(), run.last()}) {
        const Place place = find(id);
        if (place.leaf != leaf || place.slot != s) return "an element cannot be found by its id";
      }
    }
  }
  return nullptr;
}

}  // namespace rejoin
