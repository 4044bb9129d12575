#include "check/key_space.h"

namespace rejoin::simulation {

namespace {

constexpr Type leaf_types[] = {
    Type::list,
    Type::text,
    Type::set,
    Type::remove_wins_set,
    Type::reg,
    Type::multi_register,
    Type::max_register,
    Type::min_register,
    Type::counter,
    Type::enable_flag,
    Type::disable_flag,
    Type::log,
    Type::bounded_counter,
    Type::tree,
};

std::string numbered(std::string_view prefix, std::uint64_t number, std::string_view suffix = {}) {
  std::string name(prefix);
  name += std::to_string(number);
  name += suffix;
  return name;
}

}  // namespace

KeySpace::KeySpace(std::uint64_t names) {
  const auto data = static_cast<int>(add_container("data", -1));
  for (const char* name : {"m0", "m1"}) {
    const auto outer = static_cast<int>(add_container(name, data));
    add_container("sub", outer);
  }
  free_containers_ = containers_.size();
  for (ContainerIndex container = 0; container < free_containers_; ++container) {
    for (const Type type : leaf_types) {
      for (std::uint64_t i = 0; i < names; ++i) {
        add_leaf(container, numbered("k", i), type);
      }
    }
  }
  free_leaves_ = leaves_.size();
  const ContainerIndex together = add_container("pairs", -1);
  for (std::size_t pair = 0; pair < pairs; ++pair) {
    add_leaf(together, numbered("p", pair, "-first"), Type::reg);
    add_leaf(together, numbered("p", pair, "-second"), Type::reg);
  }
  removable_containers_ = containers_.size();
  const ContainerIndex shared = add_container("shared", -1);
  add_leaf(shared, "agenda", Type::list);
  add_leaf(shared, "notes", Type::text);
  add_leaf(shared, "plan", Type::tree);
  add_leaf(shared, "funds", Type::bounded_counter);
}

ContainerIndex KeySpace::add_container(const std::string& name, int parent) {
  Container container;
  container.name = name;
  container.parent = parent;
  if (parent >= 0) container.steps = containers_[static_cast<std::size_t>(parent)].steps;
  container.steps.push_back(name);
  containers_.push_back(std::move(container));
  return static_cast<ContainerIndex>(containers_.size() - 1);
}

void KeySpace::add_leaf(ContainerIndex container, const std::string& name, Type type) {
  std::string place;
  Path path;
  for (const auto& step : containers_[container].steps) {
    place += '/' + step;
    path = path.map(step);
  }
  path = path.child(type, Value(name));
  place += '/' + name + " (" + std::string(to_string(type)) + ')';
  leaves_.push_back(Leaf{container, name, type, std::move(place), std::move(path)});
}

std::optional<LeafIndex> KeySpace::find(const Path& path) const {
  for (LeafIndex leaf = 0; leaf < leaves_.size(); ++leaf) {
    if (leaves_[leaf].path == path) return leaf;
  }
  return std::nullopt;
}

bool KeySpace::is_below(ContainerIndex inner, ContainerIndex outer) const {
  int at = static_cast<int>(inner);
  while (at >= 0) {
    if (at == static_cast<int>(outer)) return true;
    at = containers_[static_cast<std::size_t>(at)].parent;
  }
  return false;
}

}  // namespace rejoin::simulation
