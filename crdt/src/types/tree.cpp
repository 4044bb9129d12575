#include "rejoin/crdt/types/tree.h"

#include <map>
#include <utility>

#include "rejoin/crdt/types/map.h"
#include "store/store.h"
#include "store/tree_place.h"
#include "types/check.h"
#include "types/latest.h"
#include "types/tree_shape.h"

namespace rejoin {

namespace {

// The place that counts, of a node's cell; null where the node has none.
const Entry* place_entry(const Store& store, NodeIndex cell) {
  return cell == no_node ? nullptr : latest(store, std::get<Entries>(store.node(cell).cell));
}

TreePlace place_of(const Entry* entry) {
  return entry == nullptr ? TreePlace{} : decode_tree_place(entry->value.as_bytes()).value();
}

// The place (element) or properties (map) of a node; no_node where there is none.
NodeIndex live_child(const Store& store, NodeIndex tree, Type type, const Value& name) {
  const NodeIndex child = store.find_child(tree, type, name);
  return child != no_node && store.node(child).live > 0 ? child : no_node;
}

// Calls `visit` once a node of the tree: with its place, or with its properties where it has no
// place, since it was removed while something was written in it.
template <class Visit>
void for_each_node(const Store& store, NodeIndex tree, Visit visit) {
  store.for_each_child(tree, [&](NodeIndex c) {
    const Node& child = store.node(c);
    if (child.live == 0) return;
    const bool named_by_place =
        child.type == Type::map && live_child(store, tree, Type::element, child.key) != no_node;
    if (!named_by_place) visit(c);
  });
}

// Valid until the document changes.
TreeShape shape_of(const Store* store, NodeIndex tree) {
  std::vector<PlacedNode> nodes;
  if (tree == no_node) return TreeShape(std::move(nodes));
  for_each_node(*store, tree, [&](NodeIndex c) {
    const Node& child = store->node(c);
    PlacedNode node;
    node.name = child.key.as_string();
    if (child.type == Type::element) {
      const Entry& entry = *place_entry(*store, c);
      const TreePlace place = place_of(&entry);
      node.parent = place.parent;
      node.previous = place.previous;
      node.position = place.position;
      node.time = entry.time;
      node.dot = store->to_dot(entry.dot());
    } else {
      node.position = tree_position_without_place(node.name);
    }
    nodes.push_back(std::move(node));
  });
  return TreeShape(std::move(nodes));
}

std::string name_or_top(const TreeShape& shape, std::size_t i) {
  return i == TreeShape::top ? std::string() : std::string(shape.node(i).name);
}

// Each node's parent.
std::map<std::string, std::string> parents_of(const TreeShape& shape) {
  std::map<std::string, std::string> out;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    out.emplace(shape.node(i).name, name_or_top(shape, shape.parent(i)));
  }
  return out;
}

Error no_such_node(const Store& store, NodeIndex tree, std::string_view name) {
  return make_error(ErrorCode::not_found,
                    "the tree has no node \"" + std::string(name) + "\"; create it first",
                    store.path_of(tree).to_string());
}

}  // namespace

// ---- Reading ----

std::vector<TreeItem> TreeView::items() const {
  const TreeShape shape = shape_of(store_, index());
  std::vector<TreeItem> out;
  out.reserve(shape.size());
  struct Level {
    std::vector<std::size_t> nodes;
    std::size_t next = 0;
  };
  std::vector<Level> levels{{shape.children(TreeShape::top)}};
  while (!levels.empty()) {
    Level& level = levels.back();
    if (level.next == level.nodes.size()) {
      levels.pop_back();
      continue;
    }
    const std::size_t i = level.nodes[level.next++];
    out.push_back(
        {std::string(shape.node(i).name), name_or_top(shape, shape.parent(i)), levels.size() - 1});
    levels.push_back({shape.children(i)});
  }
  return out;
}

std::vector<std::string> TreeView::children(std::string_view name) const {
  const TreeShape shape = shape_of(store_, index());
  std::vector<std::string> out;
  std::size_t parent = TreeShape::top;
  if (!name.empty()) {
    const std::optional<std::size_t> found = shape.find(name);
    if (!found) return out;
    parent = *found;
  }
  for (const std::size_t i : shape.children(parent)) out.emplace_back(shape.node(i).name);
  return out;
}

std::optional<std::string> TreeView::parent(std::string_view name) const {
  const TreeShape shape = shape_of(store_, index());
  const std::optional<std::size_t> i = shape.find(name);
  if (!i) return std::nullopt;
  return name_or_top(shape, shape.parent(*i));
}

bool TreeView::contains(std::string_view name) const {
  const NodeIndex tree = index();
  if (tree == no_node) return false;
  return live_child(*store_, tree, Type::element, Value(name)) != no_node ||
         live_child(*store_, tree, Type::map, Value(name)) != no_node;
}

std::size_t TreeView::size() const {
  const NodeIndex tree = index();
  if (tree == no_node) return 0;
  std::size_t count = 0;
  for_each_node(*store_, tree, [&](NodeIndex) { ++count; });
  return count;
}

MapView TreeView::properties(std::string_view name) const {
  const NodeIndex tree = index();
  if (tree == no_node) return {};
  return {store_, store_->ref(store_->find_child(tree, Type::map, Value(name)))};
}

// ---- Writing ----

MapRef TreeRef::properties(std::string_view name) {
  REJOIN_ASSERT(store_ != nullptr && store_->in_transaction() && !name.empty());
  const NodeIndex tree = index();
  REJOIN_ASSERT(tree != no_node);
  return {store_, store_->ref(store_->find_or_create_child(tree, Type::map, Value(name)))};
}

Status TreeRef::create(std::string_view name, std::string_view parent,
                       std::optional<std::size_t> at) {
  if (contains(name)) {
    return make_error(ErrorCode::invalid_argument,
                      "the tree has a node \"" + std::string(name) +
                          "\" already; move it, or choose another name",
                      path().to_string());
  }
  return place(name, parent, at);
}

Status TreeRef::move(std::string_view name, std::string_view parent,
                     std::optional<std::size_t> at) {
  Result<std::uint32_t> tree = writable();
  if (!tree.ok()) return tree.error();
  if (!contains(name)) return no_such_node(*store_, *tree, name);
  return place(name, parent, at);
}

Status TreeRef::place(std::string_view name, std::string_view parent,
                      std::optional<std::size_t> at) {
  Result<std::uint32_t> tree = writable();
  if (!tree.ok()) return tree.error();
  if (name.empty()) {
    return make_error(ErrorCode::invalid_argument, "a node of a tree has a name",
                      store_->path_of(*tree).to_string());
  }
  const NodeIndex cell = store_->find_or_create_child(*tree, Type::element, Value(name));
  Status fits = store_->check_writable(cell);
  if (!fits.ok()) return fits;

  const TreeShape shape = shape_of(store_, *tree);
  const std::optional<std::size_t> self = shape.find(name);
  std::size_t above = TreeShape::top;
  if (!parent.empty()) {
    const std::optional<std::size_t> found = shape.find(parent);
    if (!found) return no_such_node(*store_, *tree, parent);
    above = *found;
    if (self && shape.is_within(above, *self)) {
      return make_error(ErrorCode::invalid_argument,
                        "\"" + std::string(name) + "\" cannot be moved below \"" +
                            std::string(parent) + "\", which is the node itself or lies below it",
                        store_->path_of(*tree).to_string());
    }
  }
  std::vector<std::size_t> siblings = shape.children(above);
  if (self) std::erase(siblings, *self);
  const std::size_t index = at.value_or(siblings.size());
  if (index > siblings.size()) {
    return index_beyond(index, std::to_string(siblings.size()) + " siblings", *store_, *tree);
  }
  std::optional<std::string_view> left, right;
  if (index > 0) left = shape.node(siblings[index - 1]).position;
  if (index < siblings.size()) right = shape.node(siblings[index]).position;

  TreePlace next;
  next.parent = parent;
  if (self) {
    const std::size_t now = shape.parent(*self);
    const std::string_view now_below =
        now == TreeShape::top ? std::string_view() : shape.node(now).name;
    next.previous = now_below == parent ? place_of(place_entry(*store_, cell)).previous : now_below;
  }
  // Unique as the dot is, as far as 32 bits go.
  const Dot dot = store_->next_dot();
  const StateHash salt = hash_bytes(dot.replica.to_string(), dot.sequence);
  const std::string position =
      tree_position_between(left, right, static_cast<std::uint32_t>(salt.low));
  if (position.size() > tree_position_bytes_max) {
    return make_error(ErrorCode::limit_exceeded,
                      "too many nodes were put between the same two siblings of \"" +
                          std::string(name) + "\"; put it at the end",
                      store_->path_of(*tree).to_string());
  }
  next.position = position;
  std::map<std::string, std::string> others;
  if (shape.has_displaced()) others = parents_of(shape);
  store_->put(cell, Value::bytes(encode_tree_place(next)));
  keep_others(*tree, others, name);
  return {};
}

// Writes the places of nodes that have another parent now than in `parents`.
void TreeRef::keep_others(std::uint32_t tree, const std::map<std::string, std::string>& parents,
                          std::string_view except) {
  // What is written in one round may move others of those that stand elsewhere than they say.
  for (bool more = !parents.empty(); more;) {
    more = false;
    const TreeShape shape = shape_of(store_, tree);
    std::vector<std::pair<NodeIndex, std::string>> places;
    for (std::size_t i = 0; i < shape.size(); ++i) {
      const PlacedNode& node = shape.node(i);
      const auto before = parents.find(std::string(node.name));
      if (before == parents.end() || node.name == except ||
          name_or_top(shape, shape.parent(i)) == before->second) {
        continue;
      }
      places.emplace_back(store_->find_child(tree, Type::element, Value(node.name)),
                          encode_tree_place({before->second, node.previous, node.position}));
    }
    for (const auto& [cell, place] : places) {
      store_->put(cell, Value::bytes(place));
      more = true;
    }
  }
}

Status TreeRef::remove(std::string_view name) {
  Result<std::uint32_t> tree = writable();
  if (!tree.ok()) return tree.error();
  std::vector<std::string> gone;
  std::map<std::string, std::string> others;
  {
    const TreeShape shape = shape_of(store_, *tree);
    if (shape.has_displaced()) others = parents_of(shape);
    const std::optional<std::size_t> self = shape.find(name);
    if (!self) return no_such_node(*store_, *tree, name);
    std::vector<std::size_t> stack{*self};
    while (!stack.empty()) {
      const std::size_t i = stack.back();
      stack.pop_back();
      gone.emplace_back(shape.node(i).name);
      for (const std::size_t child : shape.children(i)) stack.push_back(child);
    }
  }
  for (const std::string& node : gone) {
    const NodeIndex cell = live_child(*store_, *tree, Type::element, Value(node));
    if (cell != no_node) store_->remove_entries(cell);
    const NodeIndex properties = live_child(*store_, *tree, Type::map, Value(node));
    if (properties != no_node) store_->remove_subtree(properties, false);
  }
  keep_others(*tree, others, {});
  return {};
}

}  // namespace rejoin
