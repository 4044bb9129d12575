#include "types/tree_shape.h"

#include <algorithm>
#include <tuple>

#include "rejoin/crdt/mutant.h"

namespace rejoin {

TreeShape::TreeShape(std::vector<PlacedNode> nodes) : nodes_(std::move(nodes)) {
  std::sort(nodes_.begin(), nodes_.end(),
            [](const PlacedNode& a, const PlacedNode& b) { return a.name < b.name; });
  parents_.reserve(nodes_.size());
  for (const PlacedNode& node : nodes_) {
    // Below a node that was removed: back to where it was.
    const bool orphan = !node.parent.empty() && !find(node.parent);
    const bool back = orphan && !REJOIN_MUTATED(orphan_goes_to_the_top);
    parents_.push_back(index_or_top(back ? node.previous : node.parent));
    has_displaced_ |= orphan;
  }
  break_cycles();
  ordered_.resize(nodes_.size());
  for (std::size_t i = 0; i < ordered_.size(); ++i) ordered_[i] = i;
  const auto key = [&](std::size_t i) {
    return std::tuple(parents_[i], nodes_[i].position, nodes_[i].name);
  };
  std::sort(ordered_.begin(), ordered_.end(),
            [&](std::size_t a, std::size_t b) { return key(a) < key(b); });
}

std::optional<std::size_t> TreeShape::find(std::string_view name) const {
  const auto it = std::lower_bound(
      nodes_.begin(), nodes_.end(), name,
      [](const PlacedNode& node, std::string_view wanted) { return node.name < wanted; });
  if (it == nodes_.end() || it->name != name) return std::nullopt;
  return static_cast<std::size_t>(it - nodes_.begin());
}

std::size_t TreeShape::index_or_top(std::string_view name) const {
  return find(name).value_or(top);
}

std::vector<std::size_t> TreeShape::children(std::size_t parent) const {
  const auto first = std::partition_point(ordered_.begin(), ordered_.end(),
                                          [&](std::size_t i) { return parents_[i] < parent; });
  const auto last = std::partition_point(first, ordered_.end(),
                                         [&](std::size_t i) { return parents_[i] == parent; });
  return {first, last};
}

bool TreeShape::is_within(std::size_t i, std::size_t above) const {
  for (; i != top; i = parents_[i]) {
    if (i == above) return true;
  }
  return above == top;
}

// Every cycle loses its latest move. That node goes back to where it was, unless that lies below
// itself, then to the top. No cycle comes of it, so that one pass over the cycles there are is
// enough; which of two comes first is decided by the moves that they lose.
void TreeShape::break_cycles() {
  constexpr std::size_t unseen = ~std::size_t{0};
  std::vector<std::size_t> walk_of(nodes_.size(), unseen);
  std::vector<std::size_t> losers;
  const auto later = [&](std::size_t a, std::size_t b) {
    return std::tie(nodes_[a].time, nodes_[a].dot) < std::tie(nodes_[b].time, nodes_[b].dot);
  };
  for (std::size_t start = 0; start < nodes_.size(); ++start) {
    std::size_t i = start;
    while (i != top && walk_of[i] == unseen) {
      walk_of[i] = start;
      i = parents_[i];
    }
    if (i == top || walk_of[i] != start) continue;
    std::size_t loser = i;
    for (std::size_t j = parents_[i]; j != i; j = parents_[j]) {
      if (later(loser, j) && !REJOIN_MUTATED(any_move_of_a_cycle_is_undone)) loser = j;
    }
    losers.push_back(loser);
  }
  has_displaced_ |= !losers.empty();
  std::sort(losers.begin(), losers.end(), later);
  std::vector<std::size_t> visited(nodes_.size(), unseen);
  for (const std::size_t loser : losers) {
    const std::size_t before = index_or_top(nodes_[loser].previous);
    // Up from there, until the top, the loser, or round a cycle whose turn is yet to come.
    std::size_t i = before;
    while (i != top && i != loser && visited[i] != loser) {
      visited[i] = loser;
      i = parents_[i];
    }
    parents_[loser] = i == loser && !REJOIN_MUTATED(cycle_stays) ? top : before;
  }
}

}  // namespace rejoin
