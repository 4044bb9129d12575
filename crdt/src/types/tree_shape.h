// Which node of a tree is below which, once moves that contradict each other are resolved.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rejoin/crdt/hybrid_time.h"
#include "rejoin/crdt/id.h"

namespace rejoin {

// A node as its cell says. Its names must outlive the shape.
struct PlacedNode {
  std::string_view name;
  std::string_view parent;  // empty: at the top
  std::string_view previous;
  std::string position;
  HybridTime time;  // of the write of the place
  Dot dot;
};

class TreeShape {
 public:
  // Names must be distinct.
  explicit TreeShape(std::vector<PlacedNode> nodes);

  static constexpr std::size_t top = ~std::size_t{0};

  std::size_t size() const { return nodes_.size(); }
  const PlacedNode& node(std::size_t i) const { return nodes_[i]; }
  std::optional<std::size_t> find(std::string_view name) const;
  std::size_t parent(std::size_t i) const { return parents_[i]; }
  // Whether some node stands elsewhere than its cell says.
  bool has_displaced() const { return has_displaced_; }
  // In their order; of a node or of the top.
  std::vector<std::size_t> children(std::size_t parent) const;
  // Whether `i` is `above` or lies below it.
  bool is_within(std::size_t i, std::size_t above) const;

 private:
  std::size_t index_or_top(std::string_view name) const;
  void break_cycles();

  std::vector<PlacedNode> nodes_;  // by name
  std::vector<std::size_t> parents_;
  bool has_displaced_ = false;
  // All nodes by parent (the top last), then position, then name.
  std::vector<std::size_t> ordered_;
};

}  // namespace rejoin
