#include "rejoin/crdt/types/set.h"

#include <algorithm>

#include "rejoin/crdt/limits.h"
#include "store/store.h"
#include "types/check.h"

namespace rejoin {

bool SetView::contains(const Value& element) const {
  const NodeIndex i = index();
  if (i == no_node) return false;
  const NodeIndex child = store_->find_child(i, Type::element, element);
  return child != no_node && store_->node(child).live > 0;
}

std::vector<Value> SetView::elements() const {
  std::vector<Value> out;
  const NodeIndex i = index();
  if (i == no_node) return out;
  store_->for_each_child(i, [&](NodeIndex c) {
    if (store_->node(c).live > 0) out.push_back(store_->node(c).key);
  });
  std::sort(out.begin(), out.end());
  return out;
}

std::size_t SetView::size() const {
  std::size_t count = 0;
  const NodeIndex i = index();
  if (i == no_node) return count;
  store_->for_each_child(i, [&](NodeIndex c) { count += store_->node(c).live > 0; });
  return count;
}

Status SetRef::add(const Value& element) {
  Result<std::uint32_t> i = writable();
  if (!i.ok()) return i.error();
  Status valid = check_value(element, limits::key_bytes_max, *store_, *i);
  if (!valid.ok()) return valid;
  const NodeIndex child = store_->find_or_create_child(*i, Type::element, element);
  valid = store_->check_writable(child);
  if (!valid.ok()) return valid;
  store_->put(child, store_->node(*i).type == Type::remove_wins_set ? Value(true) : Value());
  return {};
}

Status SetRef::remove(const Value& element) {
  Result<std::uint32_t> i = writable();
  if (!i.ok()) return i.error();
  if (store_->node(*i).type == Type::remove_wins_set) {
    Status valid = check_value(element, limits::key_bytes_max, *store_, *i);
    if (!valid.ok()) return valid;
    const NodeIndex child = store_->find_or_create_child(*i, Type::element, element);
    valid = store_->check_writable(child);
    if (!valid.ok()) return valid;
    store_->put(child, Value(false));
    return {};
  }
  const NodeIndex child = store_->find_child(*i, Type::element, element);
  if (child != no_node && store_->node(child).live > 0) store_->remove_entries(child);
  return {};
}

}  // namespace rejoin
