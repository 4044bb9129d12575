// State-based catching up: what another replica lacks, as cells; and the causal join.
#include <algorithm>
#include <unordered_map>

#include "rejoin/crdt/assert.h"
#include "rejoin/crdt/limits.h"
#include "store/cell_codec.h"
#include "store/change.h"

namespace rejoin {

std::vector<NodeIndex> Store::touched_since(const Clock& base) const {
  std::vector<NodeIndex> nodes;
  const std::vector<Sequence> since = dense(base);
  for (ReplicaIndex r = 0; r < writers_.size(); ++r) {
    const std::vector<IndexItem>& index = writers_[r].index;
    auto it = std::upper_bound(index.begin(), index.end(), since[r],
                               [](Sequence s, const IndexItem& item) { return s < item.sequence; });
    for (; it != index.end(); ++it) {
      if (index_item_valid(r, *it)) nodes.push_back(it->node.index);
    }
  }
  std::sort(nodes.begin(), nodes.end());
  nodes.erase(std::unique(nodes.begin(), nodes.end()), nodes.end());
  // Siblings beside each other, so that paths shorten well.
  std::sort(nodes.begin(), nodes.end(), [&](NodeIndex a, NodeIndex b) {
    return node(a).parent != node(b).parent ? node(a).parent < node(b).parent : a < b;
  });
  return nodes;
}

void Store::encode_node_path(NodeIndex index, std::vector<NodeIndex>& previous, Writer& out) const {
  NodeIndex chain[limits::path_depth_max];
  const std::size_t depth = depth_of(index);
  for (std::size_t i = depth; i-- > 0; index = node(index).parent) chain[i] = index;
  std::size_t shared = 0;
  while (shared < depth && shared < previous.size() && previous[shared] == chain[shared]) ++shared;
  out.varint(shared);
  out.varint(depth - shared);
  for (std::size_t i = shared; i < depth; ++i) {
    out.u8(static_cast<std::uint8_t>(node(chain[i]).type));
    node(chain[i]).key.encode(out);
  }
  previous.assign(chain, chain + depth);
}

std::size_t Store::delta_bytes_estimate(const Clock& base) const {
  std::size_t bytes = 64;
  for (NodeIndex index : touched_since(base)) {
    const Node& n = node(index);
    bytes += 8 + n.key.contents().size();
    if (const auto* counters = std::get_if<CounterEntries>(&n.cell)) {
      bytes += counters->size() * 24;
    } else {
      for (const Entry& e : std::get<Entries>(n.cell)) bytes += 20 + e.value.contents().size();
    }
    if (n.extra && n.extra->list) {
      // At most what was written since: elements are few beside what it costs to look at all.
      for (const Element& e : n.extra->list->elements()) {
        if (e.id.sequence > base.get(replica_id(e.id.replica))) {
          bytes += 24 + e.value.contents().size();
        }
      }
    }
  }
  for (const SubtreeRemoval& removal : removals_) bytes += 32 + removal.clock.size() * 8;
  return bytes + writers_.size() * 16 + forgotten_.size() * 12;
}

Delta Store::delta_since(const Clock& base) const {
  Delta delta;
  delta.base = base;
  delta.base.meet(clock_);
  delta.clock = clock_;
  const std::vector<Sequence> since = dense(delta.base);

  std::vector<ReplicaIndex> table;
  std::vector<std::uint32_t> numbers(writers_.size(), 0);
  const Numbering number = [&](ReplicaIndex r) -> std::uint64_t {
    if (numbers[r] == 0) {
      table.push_back(r);
      numbers[r] = static_cast<std::uint32_t>(table.size());
    }
    return numbers[r] - 1;
  };

  std::string cells;
  Writer out(cells);
  std::vector<NodeIndex> previous;
  std::vector<const SubtreeRemoval*> removals;
  for (const SubtreeRemoval& removal : removals_) {
    if (removal.dot.sequence > since[removal.dot.replica]) removals.push_back(&removal);
  }
  out.varint(forgotten_.size());
  for (const auto& [id, sequence] : forgotten_) {
    out.varint(number(find_replica(id)));
    out.varint(sequence);
  }
  out.varint(removals.size());
  for (const SubtreeRemoval* removal : removals) {
    encode_node_path(removal->node, previous, out);
    out.varint(number(removal->dot.replica));
    out.varint(removal->dot.sequence);
    out.u8(removal->keep_self ? 1 : 0);
    out.varint(removal->clock.size());
    for (const auto& [id, sequence] : removal->clock) {
      out.varint(number(find_replica(id)));
      out.varint(sequence);
    }
  }
  const std::vector<NodeIndex> nodes = touched_since(delta.base);
  out.varint(nodes.size());
  for (NodeIndex index : nodes) {
    encode_node_path(index, previous, out);
    encode_cell(node(index), &since, number, out);
  }
  delta.cells = removals.size() + nodes.size();

  Writer body(delta.body);
  delta.body.reserve(cells.size() + 16 * table.size() + 8);
  body.varint(table.size());
  for (ReplicaIndex r : table) body.replica(replica_id(r));
  body.raw(cells);
  return delta;
}

Result<Applied> Store::join(const Delta& delta) {
  REJOIN_ASSERT(!in_transaction());
  if (!clock_.includes(delta.base)) return Applied::missing;
  if (clock_.includes(delta.clock)) return Applied::duplicate;

  // Decode all of it before anything changes.
  Reader in(delta.body);
  const auto malformed = [&](const char* what) {
    return make_error(ErrorCode::malformed, std::string("delta: ") + what + " near byte " +
                                                std::to_string(in.position()));
  };
  std::vector<ReplicaId> table;
  for (std::uint64_t n = in.varint_at_most(in.remaining() / 16); n > 0 && in.ok(); --n) {
    table.push_back(in.replica());
    if (delta.clock.get(table.back()) == 0) return malformed("a replica beyond its clock");
  }
  struct DecodedRemoval {
    std::size_t shared;
    std::vector<Step> steps;
    LocalDot dot;
    Clock clock;
    bool keep_self;
  };
  struct DecodedNode {
    std::size_t shared;
    std::vector<Step> steps;
    DecodedCell cell;
  };
  std::vector<DecodedRemoval> removals;
  std::vector<DecodedNode> cells;
  std::vector<Type> types;
  const auto read_path = [&](std::size_t& shared, std::vector<Step>& steps) {
    shared = static_cast<std::size_t>(in.varint_at_most(types.size()));
    types.resize(shared);
    for (std::uint64_t n = in.varint_at_most(limits::path_depth_max - shared); n > 0 && in.ok();
         --n) {
      steps.push_back(decode_step(in, types.empty() ? Type::map : types.back()));
      types.push_back(steps.back().type);
    }
  };
  bool beyond = false;
  const auto check_dot = [&](ReplicaIndex r, Sequence s) {
    if (s > delta.clock.get(table[r])) beyond = true;
  };
  Clock forgotten;
  for (std::uint64_t n = in.varint_at_most(in.remaining()); n > 0 && in.ok(); --n) {
    const auto replica = static_cast<std::size_t>(in.varint());
    const Sequence sequence = in.varint_at_most(limits::sequence_max);
    if (replica >= table.size() || sequence == 0) in.fail();
    if (!in.ok()) break;
    check_dot(static_cast<ReplicaIndex>(replica), sequence);
    forgotten.set(table[replica], sequence);
  }
  for (std::uint64_t n = in.varint_at_most(in.remaining()); n > 0 && in.ok(); --n) {
    DecodedRemoval& r = removals.emplace_back();
    read_path(r.shared, r.steps);
    if (table.empty()) in.fail();
    if (!in.ok()) break;
    r.dot.replica = static_cast<ReplicaIndex>(in.varint_at_most(table.size() - 1));
    r.dot.sequence = in.varint_at_most(limits::sequence_max);
    r.keep_self = in.varint_at_most(1) != 0;
    if (!is_container(types.empty() ? Type::map : types.back()) || r.dot.sequence == 0) in.fail();
    for (std::uint64_t m = in.varint_at_most(in.remaining()); m > 0 && in.ok(); --m) {
      const auto replica = static_cast<std::size_t>(in.varint_at_most(table.size() - 1));
      const Sequence sequence = in.varint_at_most(limits::sequence_max);
      if (!in.ok()) break;
      check_dot(static_cast<ReplicaIndex>(replica), sequence);
      r.clock.set(table[replica], sequence);
    }
    if (in.ok()) check_dot(r.dot.replica, r.dot.sequence);
  }
  for (std::uint64_t n = in.varint_at_most(in.remaining()); n > 0 && in.ok(); --n) {
    DecodedNode& d = cells.emplace_back();
    read_path(d.shared, d.steps);
    const Type type = types.empty() ? Type::map : types.back();
    const Type parent = types.size() < 2 ? Type::map : types[types.size() - 2];
    if (!in.ok() || !decode_cell(in, type, parent, table.size(), d.cell)) break;
    d.cell.for_each_dot([&](ReplicaIndex& r, Sequence s) { check_dot(r, s); });
  }
  if (!in.ok() || !in.at_end()) return malformed("it does not parse");
  if (beyond) return malformed("a dot beyond its clock");

  // From here on nothing fails.
  std::vector<ReplicaIndex> local;
  for (const ReplicaId& id : table) local.push_back(intern(id));
  for (const auto& [id, sequence] : delta.clock) intern(id);
  const std::vector<Sequence> ours = dense(clock_);
  const std::vector<Sequence> theirs = dense(delta.clock);
  NewItems items;
  std::vector<NodeIndex> path;
  const auto walk = [&](std::size_t shared, const std::vector<Step>& steps) {
    path.resize(shared);
    for (const Step& step : steps) {
      path.push_back(find_or_create_child(path.empty() ? root : path.back(), step.type, step.key));
    }
    return path.empty() ? root : path.back();
  };
  for (DecodedRemoval& r : removals) {
    const NodeIndex index = walk(r.shared, r.steps);
    const LocalDot dot{local[r.dot.replica], r.dot.sequence};
    if (dot.sequence <= ours[dot.replica]) continue;
    items.push_back({dot.replica, {dot.sequence, ref(index)}});
    apply_subtree_removal({dot, index, std::move(r.clock), r.keep_self});
  }
  for (DecodedNode& d : cells) {
    const NodeIndex index = walk(d.shared, d.steps);
    d.cell.for_each_dot([&](ReplicaIndex& r, Sequence) { r = local[r]; });
    join_cell(index, d.cell, ours, theirs, items);
  }
  for (const auto& [id, sequence] : delta.clock) advance(intern(id), sequence);
  forgotten_.join(forgotten);
  index_sorted_insert(std::move(items));
  for (ReplicaIndex r = 0; r < writers_.size(); ++r) {
    if (writers_[r].stale * 2 > writers_[r].index.size() + 64) compact_index(r);
  }
  sweep_doomed();
  return Applied::applied;
}

// The causal join of one cell (Almeida, Shoker, Baquero 2018, section 7.2): what both hold stays;
// what one holds stays unless the other has seen its dot and holds it no more.
void Store::join_cell(NodeIndex index, DecodedCell& cell, const std::vector<Sequence>& ours,
                      const std::vector<Sequence>& theirs, NewItems& items) {
  Change change(*this, index);
  const auto we_saw = [&](ReplicaIndex r, Sequence s) { return s <= ours[r]; };
  const auto they_saw = [&](ReplicaIndex r, Sequence s) { return s <= theirs[r]; };
  if (is_counter(node(index).type)) {
    CounterEntries& mine = std::get<CounterEntries>(node(index).cell);
    for (std::size_t i = mine.size(); i-- > 0;) {
      const CounterEntry& e = mine[i];
      const bool theirs_too =
          std::any_of(cell.counters.begin(), cell.counters.end(),
                      [&](const CounterEntry& t) { return t.replica == e.replica; });
      if (theirs_too || !they_saw(e.replica, e.sequence)) continue;
      ++writers_[e.replica].stale;  // they forgot it: a reset took it away, and was stable
      mine.erase(mine.begin() + static_cast<std::ptrdiff_t>(i));
    }
    for (const CounterEntry& t : cell.counters) {
      const bool mine_too = std::any_of(
          mine.begin(), mine.end(), [&](const CounterEntry& e) { return e.replica == t.replica; });
      if (!mine_too && we_saw(t.replica, t.sequence)) continue;  // we forgot it
      if (!we_saw(t.replica, t.sequence)) {
        items.push_back({t.replica, {t.sequence, ref(index)}});
        subsume_touches(index, t.replica);
      }
      apply_counter(index, t);
      if (!t.live()) remember_for_prune(index);
    }
  } else {
    erase_entries(index, [&](LocalDot d) {
      return they_saw(d.replica, d.sequence) &&
             std::none_of(cell.entries.begin(), cell.entries.end(),
                          [&](const Entry& t) { return t.dot() == d; });
    });
    const bool remove_wins = removal_wins(node(index));
    for (Entry& t : cell.entries) {
      if (we_saw(t.replica, t.sequence)) continue;
      items.push_back({t.replica, {t.sequence, ref(index)}});
      subsume_touches(index, t.replica);
      if (remove_wins && !t.value.as_bool()) remember_for_prune(index);
      std::get<Entries>(node(index).cell).push_back(std::move(t));
    }
    if (!cell.elements.empty()) {
      std::vector<Element> fresh;
      for (std::size_t i = 0; i < cell.elements.size(); ++i) {
        Element& t = cell.elements[i];
        if (!we_saw(t.id.replica, t.id.sequence)) {
          if (!cell.partial[i]) fresh.push_back(std::move(t));
          continue;
        }
        if (t.live()) continue;
        if (!we_saw(t.removed_by.replica, t.removed_by.sequence)) {
          items.push_back({t.removed_by.replica, {t.removed_by.sequence, ref(index)}});
        }
        const std::size_t position = list(index).find(t.id);
        if (position != Sequenced::npos) {
          apply_list_remove(index, {position}, {t.removed_by.replica, t.removed_by.sequence});
        }
      }
      join_list(index, fresh, items);
    }
  }
  for (const LocalDot& touch : cell.touches) {
    if (we_saw(touch.replica, touch.sequence)) continue;
    items.push_back({touch.replica, {touch.sequence, ref(index)}});
    add_touch(index, touch);
  }
  doom(index);
}

// Elements that are new here, each after those that it names.
void Store::join_list(NodeIndex index, std::vector<Element>& elements, NewItems& items) {
  struct IdHash {
    std::size_t operator()(const std::pair<std::uint32_t, Sequence>& id) const {
      return id.second * 0x9E3779B97F4A7C15ull ^ id.first;
    }
  };
  for (const Element& e : elements) {
    items.push_back({e.id.replica, {e.id.sequence, ref(index)}});
    if (!e.live()) items.push_back({e.removed_by.replica, {e.removed_by.sequence, ref(index)}});
  }
  if (list(index).elements().empty()) {
    // They come in their order.
    for (Element& e : elements) {
      if (e.live()) hash_ += element_hash(node(index), e);
      list(index).append_stored(std::move(e));
    }
    return;
  }
  std::unordered_map<std::pair<std::uint32_t, Sequence>, std::size_t, IdHash> waiting;
  for (std::size_t i = 0; i < elements.size(); ++i) {
    waiting.emplace(std::pair(elements[i].id.replica, elements[i].id.sequence), i);
  }
  std::vector<std::size_t> stack;
  std::vector<char> state(elements.size(), 0);  // 0 new, 1 on the stack, 2 integrated
  for (std::size_t i = 0; i < elements.size(); ++i) {
    if (state[i] == 0) stack.push_back(i);
    while (!stack.empty()) {
      const std::size_t top = stack.back();
      if (state[top] == 2) {
        stack.pop_back();
        continue;
      }
      bool ready = true;
      if (state[top] == 0) {
        state[top] = 1;
        for (const ElementId& id : {elements[top].left, elements[top].right}) {
          if (id.is_boundary()) continue;
          const auto it = waiting.find({id.replica, id.sequence});
          // A circle comes from no honest writer; it is broken where it closes.
          if (it != waiting.end() && state[it->second] == 0) {
            stack.push_back(it->second);
            ready = false;
          }
        }
      }
      if (!ready) continue;
      stack.pop_back();
      state[top] = 2;
      const Element& e = elements[top];
      if (list(index).find(e.id) == Sequenced::npos) apply_list_insert(index, e);
    }
  }
}

}  // namespace rejoin
