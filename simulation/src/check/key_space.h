// Which cells the built-in workload writes: a small tree with every type at every place.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "rejoin/crdt/path.h"

namespace rejoin::simulation {

using ContainerIndex = std::uint32_t;
using LeafIndex = std::uint32_t;

// A map that holds leaves and other maps.
struct Container {
  std::string name;
  std::vector<std::string> steps;  // names of maps from the root, its own last
  int parent = -1;                 // index; -1: the root of the space
};

struct Leaf {
  ContainerIndex container;
  std::string name;
  Type type;
  std::string place;  // "/data/m0/k0 (counter)", for people
  Path path;
};

// Indices are stable for a run.
class KeySpace {
 public:
  // `names`: children of each type in each map. Names repeat over types on purpose.
  explicit KeySpace(std::uint64_t names);

  const std::vector<Container>& containers() const { return containers_; }
  const std::vector<Leaf>& leaves() const { return leaves_; }
  bool is_below(ContainerIndex inner, ContainerIndex outer) const;  // or the same
  // Where random writes go; the leaves after these belong to pairs.
  std::size_t free_leaves() const { return free_leaves_; }
  std::size_t free_containers() const { return free_containers_; }
  // Two registers that are always written together.
  static constexpr std::size_t pairs = 3;
  LeafIndex pair_first(std::size_t pair) const {
    return static_cast<LeafIndex>(free_leaves_ + 2 * pair);
  }
  ContainerIndex pairs_container() const { return static_cast<ContainerIndex>(free_containers_); }
  // A list, a text, a tree and a bounded counter (bound 0) on which all work, in the one map that
  // is never removed; the last leaves.
  static constexpr std::size_t shared_leaves = 4;
  LeafIndex shared(std::size_t leaf) const {
    return static_cast<LeafIndex>(leaves_.size() - shared_leaves + leaf);
  }
  LeafIndex funds() const { return shared(shared_leaves - 1); }
  std::size_t removable_containers() const { return removable_containers_; }
  std::optional<LeafIndex> find(const Path& path) const;

 private:
  ContainerIndex add_container(const std::string& name, int parent);
  void add_leaf(ContainerIndex container, const std::string& name, Type type);

  std::vector<Container> containers_;
  std::vector<Leaf> leaves_;
  std::size_t free_leaves_ = 0;
  std::size_t free_containers_ = 0;
  std::size_t removable_containers_ = 0;
};

}  // namespace rejoin::simulation
