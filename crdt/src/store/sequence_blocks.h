// Which elements of a sequence stand together whatever comes: its blocks (docs/sequence.md).
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <vector>

#include "rejoin/crdt/mutant.h"
#include "store/element_id.h"

namespace rejoin {

// Finds pieces (with `id`, of their first element, and `count`) by the ids of their elements.
template <class Pieces>
class PieceIndex {
 public:
  explicit PieceIndex(const Pieces& pieces) : pieces_(pieces), by_id_(pieces.size()) {
    for (std::size_t i = 0; i < by_id_.size(); ++i) by_id_[i] = i;
    std::sort(by_id_.begin(), by_id_.end(),
              [&](std::size_t a, std::size_t b) { return pieces[a].id < pieces[b].id; });
  }
  // The number of the piece that holds an element.
  std::optional<std::size_t> find(ElementId id) const {
    const auto after =
        std::upper_bound(by_id_.begin(), by_id_.end(), id,
                         [&](ElementId wanted, std::size_t i) { return wanted < pieces_[i].id; });
    if (id.is_boundary() || after == by_id_.begin()) return std::nullopt;
    const std::size_t i = *std::prev(after);
    const auto& piece = pieces_[i];
    const bool holds =
        piece.id.replica == id.replica && id.sequence - piece.id.sequence < piece.count;
    return holds ? std::optional(i) : std::nullopt;
  }

 private:
  const Pieces& pieces_;
  std::vector<std::size_t> by_id_;
};

// The root of each piece's block. Every element descends, by left origins or else by right ones,
// from a root: one whose origins are the beginning and the end. What descends from a root stands
// together. `pieces` are all of a sequence, in order. O(n log n).
template <class Pieces>
std::vector<ElementId> block_roots(const Pieces& pieces) {
  const PieceIndex<Pieces> index(pieces);
  std::vector<ElementId> roots(pieces.size());
  std::size_t rootless = 0;  // from here to the present piece all are of a block without root yet
  std::size_t reach = 0;     // the present block ends behind this piece
  ElementId root;            // of the present block; the boundary where it stands further right
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    const auto& piece = pieces[i];
    if (piece.settled) {
      root = piece.left;
    } else if (piece.left.is_boundary() && piece.right.is_boundary()) {
      root = piece.id;
    } else if (piece.left.is_boundary()) {
      if (i > reach && !REJOIN_MUTATED(block_takes_in_the_next)) root = {};
      reach = std::max(reach, index.find(piece.right).value_or(0));
    }
    if (root.is_boundary()) continue;
    for (; rootless <= i; ++rootless) roots[rootless] = root;
  }
  // From no honest writer: they descend from what is not here.
  for (; rootless < pieces.size(); ++rootless) roots[rootless] = pieces[rootless].id;
  return roots;
}

}  // namespace rejoin
