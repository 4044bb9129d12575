#include "rejoin/crdt/types/flag.h"

#include <algorithm>

#include "store/store.h"

namespace rejoin {

bool FlagView::get() const {
  const NodeIndex i = index();
  if (i == no_node) return false;
  const Node& n = store_->node(i);
  const Entries& entries = std::get<Entries>(n.cell);
  if (n.type == Type::enable_flag) return !entries.empty();
  return !entries.empty() && std::all_of(entries.begin(), entries.end(),
                                         [](const Entry& e) { return e.value.as_bool(); });
}

Status FlagRef::set(bool on) {
  Result<std::uint32_t> i = writable();
  if (!i.ok()) return i.error();
  const Node& n = store_->node(*i);
  if (n.type == Type::disable_flag) {
    store_->put(*i, Value(on));
  } else if (on) {
    store_->put(*i, Value());
  } else if (!std::get<Entries>(n.cell).empty()) {
    store_->remove_entries(*i);
  }
  return {};
}

}  // namespace rejoin
