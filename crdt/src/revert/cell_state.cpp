#include "revert/cell_state.h"

#include <utility>

#include "types/counter_sum.h"
#include "utf8.h"

namespace rejoin::reverting {
namespace {

void add_items(const ListSequence& list, const Store& store, std::vector<Item>& items) {
  list.for_each_live(0, list.live_count(), [&](const ListSequence::Piece& piece) {
    for (std::uint64_t i = 0; i < piece.count; ++i) {
      const ElementId id = list.element_at(piece.id.plus(i));
      items.push_back({store.to_dot({id.replica, id.sequence}), piece.content[i]});
    }
  });
}

void add_items(const TextSequence& text, const Store& store, std::vector<Item>& items) {
  text.for_each_live(0, text.live_count(), [&](const TextSequence::Piece& piece) {
    Dot element = store.to_dot({piece.id.replica, piece.id.sequence});
    for (std::size_t at = 0; at < piece.content.size();) {
      std::size_t end = at + 1;
      while (end < piece.content.size() && is_utf8_continuation(piece.content[end])) ++end;
      items.push_back({element, Value(piece.content.substr(at, end - at))});
      ++element.sequence;
      at = end;
    }
  });
}

void add_cells(Store& store, NodeIndex index, Cells& cells) {
  const Node& node = store.node(index);
  if (node.type == Type::bounded_counter) {
    if (node.live == 0) return;
    const BoundedCounterView counter(&store, store.ref(index));
    cells[store.path_of(index)].bounded = {counter.value(), counter.bound()};
    return;
  }
  CellState state = state_of(store, index);
  if (!state.entries.empty() || !state.parts.empty() || !state.items.empty()) {
    cells.emplace(store.path_of(index), std::move(state));
  }
  store.for_each_child(index, [&](NodeIndex child) { add_cells(store, child, cells); });
}

}  // namespace

CellState state_of(const Store& store, NodeIndex index) {
  CellState state;
  if (index == no_node) return state;
  const Node& node = store.node(index);
  if (const auto* parts = std::get_if<CounterEntries>(&node.cell)) {
    for (const CounterEntry& entry : *parts) {
      if (!entry.live()) continue;
      state.parts[store.replica_id(entry.replica)] = {sum_of({entry}), entry.base_sequence,
                                                      entry.sequence};
    }
  } else {
    for (const Entry& entry : std::get<Entries>(node.cell)) {
      state.entries.push_back({store.to_dot(entry.dot()), entry.time, entry.value});
    }
  }
  if (node.extra && node.extra->list) add_items(*node.extra->list, store, state.items);
  if (node.extra && node.extra->text) add_items(*node.extra->text, store, state.items);
  return state;
}

Cells cells_of(Store& store, const Path& place) {
  Cells cells;
  if (const NodeIndex index = store.find(place); index != no_node) add_cells(store, index, cells);
  return cells;
}

}  // namespace rejoin::reverting
