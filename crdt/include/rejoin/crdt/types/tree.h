// A movable tree: nodes with names, in order below each other, each with properties.
//
// For task trees, outlines and workflow graphs. A node has one parent at every replica, whatever
// was moved concurrently: no node is lost, none is there twice, and there is no cycle.
//
// Creating or moving a node writes its place (parent and position among the siblings). Of
// concurrent places of one node the later one counts (as in a register). Moves of different nodes
// that would make a cycle together are resolved the same way everywhere: the latest move of the
// cycle does not count, and its node stays where it was before (or at the top, where that lies
// below the node itself). The idea that a move may be skipped is that of Kleppmann, Mulligan,
// Gomes, Beresford, "A highly-available move operation for replicated trees" (2022); here it is
// decided when the tree is read, from the state alone, so that no log of moves is kept.
//
// Example: A moves "x" below "y" while B, a moment later, moves "y" below "x". Both read "x" below
// "y", and "y" where it was.
//
// A move that does not count is not forgotten by this alone, so a write through this interface also
// writes where such nodes stand, if they would otherwise come to stand elsewhere by it: what one
// sees move is what was moved.
//
// Removing a node takes away the nodes below it and their properties, as the remover saw them. A
// node concurrently moved out stays where it was moved to; one concurrently moved into what was
// removed stays where it was before, or at the top; a property that was written concurrently stays,
// in a node at the top. Two nodes created concurrently under one name are one node.
//
// Siblings are ordered by fractional positions: of those inserted concurrently at one place the
// order is the same everywhere, but two series may interleave.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rejoin/crdt/types/cell.h"

namespace rejoin {

class MapView;
class MapRef;

struct TreeItem {
  std::string name;
  std::string parent;     // empty: at the top
  std::size_t depth = 0;  // 0 at the top
  friend bool operator==(const TreeItem&, const TreeItem&) = default;
};

// Reading costs O(nodes log nodes), whatever is asked: to walk a tree, take items() once.
class TreeView : public View {
 public:
  using View::View;
  // Every node after its parent, siblings in their order, each followed by what is below it.
  std::vector<TreeItem> items() const;
  // Of a node, or of the top (""). Empty where there is no such node.
  std::vector<std::string> children(std::string_view name = {}) const;
  // Empty: at the top. Nothing when there is no such node.
  std::optional<std::string> parent(std::string_view name) const;
  bool contains(std::string_view name) const;  // O(1)
  std::size_t size() const;                    // O(nodes)
  // What is kept with a node. An empty view where there is nothing.
  MapView properties(std::string_view name) const;
};

class TreeRef : public TreeView {
 public:
  using TreeView::TreeView;
  // Before the sibling that is now at `index` below `parent` ("" for the top); at the end without
  // one. `invalid_argument` when the name is empty, not UTF-8 or taken, `limit_exceeded` when it is
  // longer than limits::key_bytes_max; `not_found` when the parent is not there; `out_of_range`
  // when the index is beyond the number of siblings. Errors name the path; the tree is unchanged
  // then.
  Status create(std::string_view name, std::string_view parent = {},
                std::optional<std::size_t> index = std::nullopt);
  // The same for a node that is there; the index counts its siblings without itself.
  // `invalid_argument` when `parent` is the node or lies below it.
  Status move(std::string_view name, std::string_view parent,
              std::optional<std::size_t> index = std::nullopt);
  // With everything below. `not_found` when it is not there.
  Status remove(std::string_view name);
  // To write what is kept with a node. Writing for a name without a node makes one at the top.
  MapRef properties(std::string_view name);

 private:
  Status place(std::string_view name, std::string_view parent, std::optional<std::size_t> index);
  void keep_others(std::uint32_t tree, const std::map<std::string, std::string>& parents,
                   std::string_view except);
};

}  // namespace rejoin
