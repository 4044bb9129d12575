#include "rejoin/crdt/types/map.h"

#include <algorithm>

#include "rejoin/crdt/assert.h"
#include "store/store.h"

namespace rejoin {

NodeRef MapView::find(Type type, std::string_view name) const {
  const NodeIndex i = index();
  return i == no_node ? NodeRef{} : store_->ref(store_->find_child(i, type, Value(name)));
}

std::vector<Child> MapView::children() const {
  std::vector<Child> out;
  const NodeIndex i = index();
  if (i == no_node) return out;
  store_->for_each_child(i, [&](NodeIndex c) {
    const Node& n = store_->node(c);
    if (n.live > 0) out.push_back({std::string(n.key.as_string()), n.type});
  });
  std::sort(out.begin(), out.end());
  return out;
}

bool MapView::contains(std::string_view name, Type type) const {
  return View(store_, find(type, name)).exists();
}

MapView MapView::map(std::string_view name) const { return {store_, find(Type::map, name)}; }
ListView MapView::list(std::string_view name) const { return {store_, find(Type::list, name)}; }
LogView MapView::log(std::string_view name) const { return {store_, find(Type::log, name)}; }
TextView MapView::text(std::string_view name) const { return {store_, find(Type::text, name)}; }
TreeView MapView::tree(std::string_view name) const { return {store_, find(Type::tree, name)}; }
CounterView MapView::counter(std::string_view name) const {
  return {store_, find(Type::counter, name)};
}
BoundedCounterView MapView::bounded_counter(std::string_view name) const {
  return {store_, find(Type::bounded_counter, name)};
}
RegisterView MapView::reg(std::string_view name, Type type) const {
  REJOIN_ASSERT(is_register(type));
  return {store_, find(type, name)};
}
FlagView MapView::flag(std::string_view name, Type type) const {
  REJOIN_ASSERT(type == Type::enable_flag || type == Type::disable_flag);
  return {store_, find(type, name)};
}
SetView MapView::set(std::string_view name, Type type) const {
  REJOIN_ASSERT(type == Type::set || type == Type::remove_wins_set);
  return {store_, find(type, name)};
}

namespace {

// Calls step_down(step) along a path to a map.
template <class StepDown>
void walk_to_map(const Path& path, StepDown step_down) {
  Type above = Type::map;
  for (const Step& step : path.steps()) {
    REJOIN_ASSERT(step.type == Type::map
                      ? above != Type::list || may_contain(above, step.type, step.key)
                      : above == Type::map && (step.type == Type::tree || step.type == Type::list));
    step_down(step);
    above = step.type;
  }
  REJOIN_ASSERT(above == Type::map);
}

}  // namespace

MapView MapView::at(const Path& path) const {
  NodeIndex i = index();
  walk_to_map(path, [&](const Step& step) {
    if (i != no_node) i = store_->find_child(i, step.type, step.key);
  });
  return {store_, i == no_node ? NodeRef{} : store_->ref(i)};
}

NodeRef MapRef::child(Type type, std::string_view name) {
  REJOIN_ASSERT(store_ != nullptr && store_->in_transaction());
  const NodeIndex i = index();
  REJOIN_ASSERT(i != no_node);
  return store_->ref(store_->find_or_create_child(i, type, Value(name)));
}

MapRef MapRef::map(std::string_view name) { return {store_, child(Type::map, name)}; }
ListRef MapRef::list(std::string_view name) { return {store_, child(Type::list, name)}; }
LogRef MapRef::log(std::string_view name) { return {store_, child(Type::log, name)}; }
TextRef MapRef::text(std::string_view name) { return {store_, child(Type::text, name)}; }
TreeRef MapRef::tree(std::string_view name) { return {store_, child(Type::tree, name)}; }
CounterRef MapRef::counter(std::string_view name) { return {store_, child(Type::counter, name)}; }
BoundedCounterRef MapRef::bounded_counter(std::string_view name) {
  return {store_, child(Type::bounded_counter, name)};
}
RegisterRef MapRef::reg(std::string_view name, Type type) {
  REJOIN_ASSERT(is_register(type));
  return {store_, child(type, name)};
}
FlagRef MapRef::flag(std::string_view name, Type type) {
  REJOIN_ASSERT(type == Type::enable_flag || type == Type::disable_flag);
  return {store_, child(type, name)};
}
SetRef MapRef::set(std::string_view name, Type type) {
  REJOIN_ASSERT(type == Type::set || type == Type::remove_wins_set);
  return {store_, child(type, name)};
}

MapRef MapRef::at(const Path& path) {
  REJOIN_ASSERT(store_ != nullptr && store_->in_transaction());
  NodeIndex i = index();
  REJOIN_ASSERT(i != no_node);
  walk_to_map(path,
              [&](const Step& step) { i = store_->find_or_create_child(i, step.type, step.key); });
  return {store_, store_->ref(i)};
}

Dot MapRef::next_dot() const {
  REJOIN_ASSERT(store_ != nullptr && store_->in_transaction());
  return store_->next_dot();
}

Status MapRef::create() {
  Result<std::uint32_t> i = writable();
  if (!i.ok()) return i.error();
  store_->put(*i, Value());
  return {};
}

Status MapRef::remove(std::string_view name, Type type) {
  Result<std::uint32_t> i = writable();
  if (!i.ok()) return i.error();
  const NodeIndex target = store_->find_child(*i, type, Value(name));
  if (target == no_node || store_->node(target).live == 0) return {};
  Status fits = store_->check_writable(target);
  if (!fits.ok()) return fits;
  if (is_container(type)) {
    store_->remove_subtree(target, false);
  } else if (is_counter(type)) {
    store_->counter_reset(target);
  } else {
    store_->remove_entries(target);
  }
  return {};
}

Status MapRef::clear() {
  Result<std::uint32_t> i = writable();
  if (!i.ok()) return i.error();
  const Node& n = store_->node(*i);
  if (n.live > (store_->is_live(n) ? 1u : 0u)) store_->remove_subtree(*i, true);
  return {};
}

}  // namespace rejoin
