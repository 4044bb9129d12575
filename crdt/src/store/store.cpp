// The tree, its hash table, the state hash, the clock and the index.
#include "store/store.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "rejoin/crdt/assert.h"
#include "rejoin/crdt/limits.h"
#include "rejoin/crdt/mutant.h"
#include "store/change.h"
#include "store/element_key.h"
#include "store/transaction_state.h"

namespace rejoin {

namespace {

// A buffer on the stack for the short inputs of hashes; longer contents are hashed first.
class HashInput {
 public:
  void add(const void* data, std::size_t n) {
    std::memcpy(buffer_ + size_, data, n);
    size_ += n;
  }
  void add(std::uint64_t v) {
    if constexpr (std::endian::native == std::endian::big) v = __builtin_bswap64(v);
    add(&v, sizeof v);
  }
  void add(const StateHash& h) {
    add(h.low);
    add(h.high);
  }
  void add(const Value& value) {
    buffer_[size_++] = static_cast<char>(value.kind());
    switch (value.kind()) {
      case Value::Kind::null:
        break;
      case Value::Kind::boolean:
        buffer_[size_++] = value.as_bool() ? 1 : 0;
        break;
      case Value::Kind::integer:
        add(static_cast<std::uint64_t>(value.as_integer()));
        break;
      case Value::Kind::real: {
        std::uint64_t bits;
        const double real = value.as_real();
        std::memcpy(&bits, &real, sizeof bits);
        add(bits);
        break;
      }
      case Value::Kind::string:
      case Value::Kind::bytes: {
        const std::string_view contents = value.contents();
        add(static_cast<std::uint64_t>(contents.size()));
        if (contents.size() <= contents_max) {
          add(contents.data(), contents.size());
        } else {
          add(hash_bytes(contents));
        }
      }
    }
  }
  StateHash hash(std::uint64_t seed = 0) const {
    return hash_bytes(std::string_view(buffer_, size_), seed);
  }

 private:
  static constexpr std::size_t contents_max = 64;
  char buffer_[192];
  std::size_t size_ = 0;
};

}  // namespace

Store::Store(ReplicaId self) {
  self_ = intern(self);
  table_.assign(64, Slot{0, no_node});
  const StateHash root_hash = hash_bytes("rejoin root");
  const NodeIndex index = new_node(no_node, Type::map, Value(), root_hash);
  REJOIN_ASSERT(index == root);
}

Store::~Store() = default;

// ---- Replicas, clock, index ----

void Store::set_id(Writer_& writer, const ReplicaId& id) {
  writer.id = id;
  writer.id_hash =
      hash_bytes(std::string_view(reinterpret_cast<const char*>(id.bytes.data()), id.bytes.size()));
  // Not among our next event's dependencies before it has written something.
  writer.changed_since_commit = false;
}

ReplicaIndex Store::intern(const ReplicaId& id) {
  const auto fresh =
      free_writers_.empty() ? static_cast<ReplicaIndex>(writers_.size()) : free_writers_.back();
  const auto [it, added] = replica_by_id_.try_emplace(id, fresh);
  if (!added) return it->second;
  if (free_writers_.empty()) {
    writers_.push_back({});
  } else {
    free_writers_.pop_back();
  }
  Writer_& writer = writers_[fresh];
  set_id(writer, id);
  writer.clock = retired_.get(id);
  writer.retired = writer.clock != 0;
  return fresh;
}

ReplicaIndex Store::find_replica(const ReplicaId& id) const {
  const auto it = replica_by_id_.find(id);
  return it == replica_by_id_.end() ? no_replica : it->second;
}

void Store::become(ReplicaId self) {
  REJOIN_ASSERT(!in_transaction());
  self_ = intern(self);
  // The new id's first event depends on everything here.
  if (REJOIN_MUTATED(new_id_depends_on_nothing)) return;
  for (ReplicaIndex r = 0; r < writers_.size(); ++r) note_changed_writer(r);
}

void Store::note_changed_writer(ReplicaIndex replica) {
  Writer_& writer = writers_[replica];
  if (writer.changed_since_commit || writer.clock == 0) return;
  writer.changed_since_commit = true;
  changed_since_commit_.push_back(replica);
}

void Store::advance(ReplicaIndex replica, Sequence sequence) {
  Writer_& writer = writers_[replica];
  if (sequence <= writer.clock) return;
  if (writer.retired) list_again(replica);
  writer.clock = sequence;
  clock_.set(writer.id, sequence);
  if (replica != self_ && !REJOIN_MUTATED(dependencies_are_left_out)) note_changed_writer(replica);
}

void Store::index_append(ReplicaIndex replica, Sequence sequence, NodeIndex index) {
  Writer_& writer = writers_[replica];
  if (is_sequence(node(index).type)) {
    // One item says all: up to which dot something was written there.
    if (!writer.index.empty() && writer.index.back().node == ref(index)) {
      writer.index.back().sequence = sequence;
      return;
    }
    ++writer.stale;  // an earlier item, if there is one
  }
  writer.index.push_back({sequence, ref(index)});
  if (!in_transaction() && writer.stale * 2 > writer.index.size() + 64) compact_index(replica);
}

bool Store::index_item_valid(ReplicaIndex replica, const IndexItem& item) const {
  const Node& n = node(item.node.index);
  if (!n.in_use || n.generation != item.node.generation) return false;
  const LocalDot dot{replica, item.sequence};
  if (const auto* counters = std::get_if<CounterEntries>(&n.cell)) {
    for (const CounterEntry& e : *counters) {
      if (e.replica == replica && e.sequence == item.sequence) return true;
    }
  } else {
    for (const Entry& e : std::get<Entries>(n.cell)) {
      if (e.dot() == dot) return true;
    }
  }
  if (!n.extra) return false;
  if (n.extra->list || n.extra->text) return true;  // they know what they hold
  const Touches& touches = n.extra->touches;
  return std::find(touches.begin(), touches.end(), dot) != touches.end();
}

void Store::compact_index(ReplicaIndex replica) {
  Writer_& writer = writers_[replica];
  std::vector<IndexItem>& items = writer.index;
  // The nodes lie all over memory: ask for each some time before it is looked at.
  constexpr std::size_t ahead = 8;
  std::size_t kept = 0;
  std::unordered_map<NodeIndex, std::size_t> sequences;  // the last item of each
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (i + ahead < items.size()) {
      const Node& n = node(items[i + ahead].node.index);
      __builtin_prefetch(&n.in_use);
      __builtin_prefetch(&n.cell);
    }
    if (!index_item_valid(replica, items[i])) continue;
    if (is_sequence(node(items[i].node.index).type)) sequences[items[i].node.index] = kept;
    items[kept++] = items[i];
  }
  items.resize(kept);
  if (!sequences.empty()) {
    std::size_t at = 0;
    std::erase_if(items, [&](const IndexItem& item) {
      const std::size_t position = at++;
      const auto last = sequences.find(item.node.index);
      return last != sequences.end() && last->second != position;
    });
  }
  writer.stale = 0;
}

void Store::index_sorted_insert(std::vector<std::pair<ReplicaIndex, IndexItem>> items) {
  std::sort(items.begin(), items.end(), [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first < b.first : a.second.sequence < b.second.sequence;
  });
  const auto by_sequence = [](const IndexItem& a, const IndexItem& b) {
    return a.sequence < b.sequence;
  };
  for (std::size_t i = 0; i < items.size();) {
    const ReplicaIndex replica = items[i].first;
    std::vector<IndexItem>& index = writers_[replica].index;
    const auto middle = static_cast<std::ptrdiff_t>(index.size());
    for (; i < items.size() && items[i].first == replica; ++i) index.push_back(items[i].second);
    std::inplace_merge(index.begin(), index.begin() + middle, index.end(), by_sequence);
  }
}

// ---- Tree ----

StateHash Store::child_hash(const StateHash& parent, Type type, const Value& key) const {
  if (key.is_string() || key.is_bytes()) {
    // One pass over the name, seeded by where it stands.
    const std::uint64_t seed = parent.low ^ (parent.high * 0x9E3779B97F4A7C15ull) ^
                               (static_cast<std::uint64_t>(type) << 56) ^
                               (static_cast<std::uint64_t>(key.kind()) << 48);
    return hash_bytes(key.contents(), seed);
  }
  HashInput in;
  in.add(parent);
  in.add(static_cast<std::uint64_t>(type));
  in.add(key);
  return in.hash();
}

NodeIndex Store::find_child_hashed(NodeIndex parent, Type type, const Value& key,
                                   const StateHash& hash) const {
  const std::size_t mask = table_.size() - 1;
  for (std::size_t slot = hash.low & mask;; slot = (slot + 1) & mask) {
    const NodeIndex candidate = table_[slot].node;
    if (candidate == no_node) return no_node;
    if (table_[slot].hash != static_cast<std::uint32_t>(hash.high)) continue;
    const Node& n = node(candidate);
    if (n.path_hash == hash && n.parent == parent && n.type == type && n.key == key) {
      return candidate;
    }
  }
}

NodeIndex Store::find_child(NodeIndex parent, Type type, const Value& key) const {
  return find_child_hashed(parent, type, key, child_hash(node(parent).path_hash, type, key));
}

NodeIndex Store::find_or_create_child(NodeIndex parent, Type type, const Value& key) {
  const StateHash hash = child_hash(node(parent).path_hash, type, key);
  const NodeIndex found = find_child_hashed(parent, type, key, hash);
  return found != no_node ? found : new_node(parent, type, key, hash);
}

NodeIndex Store::find(const Path& path) const {
  NodeIndex index = root;
  for (const Step& step : path.steps()) {
    index = find_child(index, step.type, step.key);
    if (index == no_node) return no_node;
  }
  return index;
}

NodeIndex Store::find_or_create(const Path& path) {
  NodeIndex index = root;
  for (const Step& step : path.steps()) index = find_or_create_child(index, step.type, step.key);
  return index;
}

NodeIndex Store::resolve(NodeRef ref) const {
  if (ref.index >= node_end_) return no_node;
  const Node& n = node(ref.index);
  return n.in_use && n.generation == ref.generation ? ref.index : no_node;
}

NodeIndex Store::find_element_map(NodeIndex list, ElementId element) const {
  if (node(list).first_child == no_node) return no_node;
  return find_child(list, Type::map, element_key(to_dot({element.replica, element.sequence})));
}

Path Store::path_of(NodeIndex index) const {
  std::vector<Step> steps(depth_of(index));
  for (std::size_t i = steps.size(); i-- > 0; index = node(index).parent) {
    steps[i] = Step{node(index).type, node(index).key};
  }
  return Path(std::move(steps));
}

std::size_t Store::depth_of(NodeIndex index) const {
  std::size_t depth = 0;
  for (; index != root; index = node(index).parent) ++depth;
  return depth;
}

Type Store::parent_type(const Node& n) const {
  return n.parent == no_node ? Type::map : node(n.parent).type;
}

NodeIndex Store::new_node(NodeIndex parent, Type type, const Value& key, const StateHash& hash) {
  NodeIndex index = free_;
  if (index != no_node) {
    free_ = node(index).next_sibling;
  } else {
    index = node_end_++;
    if ((index >> chunk_bits) >= chunks_.size()) {
      chunks_.push_back(std::make_unique<Node[]>(std::size_t{1} << chunk_bits));
    }
  }
  Node& n = node(index);  // as new: free_node resets it
  n.next_sibling = no_node;
  n.path_hash = hash;
  n.parent = parent;
  n.type = type;
  n.key = key;
  if (is_counter(type)) n.cell.emplace<CounterEntries>();
  if (parent != no_node) {
    Node& p = node(parent);
    n.next_sibling = p.first_child;
    if (p.first_child != no_node) node(p.first_child).previous_sibling = index;
    p.first_child = index;
    if ((table_used_ + 1) * 3 > table_.size() * 2) grow_table();
    table_insert(index);
  }
  n.in_use = true;
  ++nodes_in_use_;
  // A node made for a write that then fails must not stay.
  if (!loading_ && parent != no_node) doom(index);
  return index;
}

void Store::table_insert(NodeIndex index) {
  const std::size_t mask = table_.size() - 1;
  const StateHash& hash = node(index).path_hash;
  std::size_t slot = hash.low & mask;
  while (table_[slot].node != no_node) slot = (slot + 1) & mask;
  table_[slot] = {static_cast<std::uint32_t>(hash.high), index};
  ++table_used_;
}

void Store::table_erase(NodeIndex index) {
  const std::size_t mask = table_.size() - 1;
  std::size_t slot = node(index).path_hash.low & mask;
  while (table_[slot].node != index) slot = (slot + 1) & mask;
  // Backward-shift deletion: no tombstones.
  for (std::size_t next = (slot + 1) & mask; table_[next].node != no_node;
       next = (next + 1) & mask) {
    const std::size_t home = node(table_[next].node).path_hash.low & mask;
    if (((next - home) & mask) >= ((next - slot) & mask)) {
      table_[slot] = table_[next];
      slot = next;
    }
  }
  table_[slot].node = no_node;
  --table_used_;
}

void Store::grow_table() {
  table_.assign(table_.size() * 2, Slot{0, no_node});
  table_used_ = 0;
  for (NodeIndex i = 1; i < node_end_; ++i) {
    if (node(i).in_use) table_insert(i);
  }
}

bool Store::is_empty(const Node& n) const {
  if (n.first_child != no_node) return false;
  if (const auto* counters = std::get_if<CounterEntries>(&n.cell)) {
    if (!counters->empty()) return false;
  } else if (!std::get<Entries>(n.cell).empty()) {
    return false;
  }
  if (!n.extra) return true;
  return n.extra->touches.empty() && n.extra->subtree_removals == 0 &&
         (!n.extra->list || n.extra->list->empty()) && (!n.extra->text || n.extra->text->empty());
}

void Store::doom(NodeIndex index) {
  Node& n = node(index);
  if (n.doomed || index == root) return;
  n.doomed = true;
  doomed_.push_back(index);
}

void Store::sweep_doomed() {
  if (in_transaction()) return;
  while (!doomed_.empty()) {
    const NodeIndex index = doomed_.back();
    doomed_.pop_back();
    Node& n = node(index);
    if (!n.in_use) continue;
    n.doomed = false;
    if (is_empty(n)) free_node(index);
  }
}

void Store::free_node(NodeIndex index) {
  Node& n = node(index);
  if (n.stored && !REJOIN_MUTATED(deleted_cell_stays_on_disk)) {
    deleted_keys_.push_back(stored_key(index));
  }
  table_erase(index);
  Node& p = node(n.parent);
  if (n.previous_sibling != no_node) {
    node(n.previous_sibling).next_sibling = n.next_sibling;
  } else {
    p.first_child = n.next_sibling;
  }
  if (n.next_sibling != no_node) node(n.next_sibling).previous_sibling = n.previous_sibling;
  const NodeIndex parent = n.parent;
  if (n.changed) mark_changed(parent);  // its path goes with it
  const std::uint32_t generation = n.generation;
  n = Node{};
  n.generation = generation + 1;
  n.next_sibling = free_;
  free_ = index;
  --nodes_in_use_;
  if (is_empty(node(parent))) doom(parent);
}

// ---- What lives below elements ----

bool Store::element_lives(NodeIndex list, const Value& key) const {
  const Dot element = element_of_key(key);
  const ReplicaIndex replica = find_replica(element.replica);
  const Node& n = node(list);
  return replica != no_replica && n.extra && n.extra->list &&
         n.extra->list->lives({replica, element.sequence});
}

bool Store::is_below_orphan(NodeIndex index) const {
  for (; index != root; index = node(index).parent) {
    if (is_orphan(index)) return true;
  }
  return false;
}

void Store::drop(NodeIndex index) {
  for_each_child(index, [&](NodeIndex child) { drop(child); });
  if (node(index).extra && node(index).extra->subtree_removals > 0) {
    save_removals(index);
    std::erase_if(removals_, [&](const SubtreeRemoval& removal) {
      if (removal.node != index) return false;
      ++writers_[removal.dot.replica].stale;
      return true;
    });
    node(index).extra->subtree_removals = 0;
  }
  doom(index);
  if (!has_content(node(index))) return;
  Change change(*this, index);
  Node& n = node(index);
  if (auto* counters = std::get_if<CounterEntries>(&n.cell)) {
    for (const CounterEntry& e : *counters) ++writers_[e.replica].stale;
  } else {
    for (const Entry& e : std::get<Entries>(n.cell)) ++writers_[e.replica].stale;
  }
  with_existing_sequence(n,
                         [&](const auto& sequence) { hash_ -= sequence.hash(context_of(index)); });
  Undo undo{Undo::Kind::cell, index, std::move(n.cell), {}, {}, {}, {}, {}};
  n.cell = is_counter(n.type) ? Cell(CounterEntries()) : Cell(Entries());
  save_touches(n, undo);
  clear_touches(index);
  if (n.extra) {
    undo.list = std::move(n.extra->list);
    undo.text = std::move(n.extra->text);
  }
  if (in_transaction_) transaction_->undo.push_back(std::move(undo));
}

void Store::drop_maps_of(NodeIndex list, const std::vector<ElementRange>& gone) {
  for (const ElementRange& range : gone) {
    for (std::uint64_t i = 0; i < range.count; ++i) {
      const NodeIndex map = find_element_map(list, range.id.plus(i));
      if (map != no_node) drop(map);
    }
  }
}

void Store::remove_elements(NodeIndex index, ElementId id, std::uint64_t count) {
  const bool has_maps = node(index).type == Type::list && node(index).first_child != no_node;
  std::vector<ElementRange> gone;
  with_sequence(index, [&](auto& sequence) {
    hash_ += sequence.remove_ids(context_of(index), id, count, [&](const auto& piece) {
      if (in_transaction_) sequence_undo(index).note_removal(piece);
      if (has_maps) gone.push_back({piece.id, piece.count});
    });
  });
  if (!REJOIN_MUTATED(removed_element_keeps_its_map)) drop_maps_of(index, gone);
}

std::size_t Store::memory_bytes() const {
  std::size_t bytes = chunks_.size() * (sizeof(Node) << chunk_bits) + table_.size() * sizeof(Slot);
  for (const Writer_& writer : writers_) {
    bytes += sizeof(Writer_) + writer.index.capacity() * sizeof(IndexItem);
  }
  bytes += (clock_.size() + retired_.size()) * sizeof(std::pair<ReplicaId, Sequence>);
  return bytes;
}

// ---- Cells ----

CellExtra& Store::extra(Node& n) {
  if (!n.extra) n.extra = std::make_unique<CellExtra>();
  return *n.extra;
}

bool Store::is_live(const Node& n) const {
  if (const auto* counters = std::get_if<CounterEntries>(&n.cell)) {
    return std::any_of(counters->begin(), counters->end(),
                       [](const CounterEntry& e) { return e.live(); });
  }
  const Entries& entries = std::get<Entries>(n.cell);
  if (removal_wins(n)) {
    // A disable-wins flag that reads off is still a written flag; an element that is out is not
    // there.
    if (n.type == Type::disable_flag) return !entries.empty();
    const auto out = std::count_if(entries.begin(), entries.end(),
                                   [](const Entry& e) { return !e.value.as_bool(); });
    const auto size = static_cast<std::ptrdiff_t>(entries.size());
    return size > 0 && REJOIN_MUTANT(concurrent_add_wins, out == 0, out < size);
  }
  if (!entries.empty()) return true;
  bool live = false;
  with_existing_sequence(n, [&](const auto& sequence) { live = sequence.live_count() > 0; });
  return live;
}

StateHash Store::entry_hash(const Node& n, const Entry& entry) const {
  const StateHash& writer = writers_[entry.replica].id_hash;
  HashInput in;
  in.add(n.path_hash.high ^ writer.high);
  in.add(entry.sequence);
  in.add(entry.time.value);
  in.add(entry.value);
  return in.hash(n.path_hash.low ^ writer.low);
}

StateHash Store::counter_hash(const Node& n, const CounterEntry& entry) const {
  const StateHash& writer = writers_[entry.replica].id_hash;
  HashInput in;
  in.add(n.path_hash.high ^ writer.high);
  in.add(entry.sequence);
  in.add(static_cast<std::uint64_t>(entry.total));
  in.add(entry.base_sequence);
  in.add(static_cast<std::uint64_t>(entry.base));
  return in.hash(n.path_hash.low ^ writer.low);
}

StateHash Store::content_hash(NodeIndex index) const {
  const Node& n = node(index);
  StateHash sum;
  if (const auto* counters = std::get_if<CounterEntries>(&n.cell)) {
    for (const CounterEntry& e : *counters) sum += counter_hash(n, e);
    return sum;
  }
  for (const Entry& e : std::get<Entries>(n.cell)) sum += entry_hash(n, e);
  with_existing_sequence(n, [&](const auto& sequence) {
    sum += sequence.hash(context_of(index));
    // The removed elements, as they are told apart by nothing but their ids.
    std::vector<ElementRange> removed;
    sequence.for_each_piece([&](const auto& piece) {
      if (!piece.live) removed.push_back({piece.id, piece.count});
    });
    std::sort(removed.begin(), removed.end(),
              [](const ElementRange& a, const ElementRange& b) { return a.id < b.id; });
    for (std::size_t i = 0; i < removed.size();) {
      const ElementId id = removed[i].id;
      std::uint64_t count = 0;
      for (; i < removed.size() && removed[i].id == id.plus(count); ++i) count += removed[i].count;
      HashInput in;
      in.add(n.path_hash.high ^ writers_[id.replica].id_hash.high);
      in.add(id.sequence);
      in.add(count);
      sum += in.hash(n.path_hash.low ^ writers_[id.replica].id_hash.low);
    }
  });
  return sum;
}

StateHash Store::cell_hash(const Node& n) const {
  StateHash sum;
  if (const auto* counters = std::get_if<CounterEntries>(&n.cell)) {
    for (const CounterEntry& e : *counters) {
      if (e.live()) sum += counter_hash(n, e);
    }
    return sum;
  }
  // What a removal that wins has taken away is not part of the state: it goes when it is stable.
  if (n.type == Type::element && removal_wins(n) && !is_live(n)) return sum;
  for (const Entry& e : std::get<Entries>(n.cell)) sum += entry_hash(n, e);
  return sum;
}

void Store::mark_dirty(NodeIndex index) {
  Node& n = node(index);
  if (is_sequence(n.type)) remember_for_settling(index);
  if (n.dirty) return;
  n.dirty = true;
  dirty_.push_back({index, n.generation});
}

void Store::mark_changed(NodeIndex index) {
  Node& n = node(index);
  if (!tracking_ || n.changed) return;
  n.changed = true;
  changed_nodes_.push_back({index, n.generation});
}

void Store::set_live(NodeIndex index, bool was, bool is) {
  if (was == is) return;
  for (NodeIndex i = index; i != no_node; i = node(i).parent) node(i).live += is ? 1 : -1;
}

void Store::add_touch(NodeIndex index, LocalDot dot) {
  subsume_touches(index, dot.replica);
  extra(node(index)).touches.push_back(dot);
  ++touch_count_;
  remember_for_prune(index);
}

void Store::remember_for_prune(NodeIndex index) {
  Node& n = node(index);
  if (n.awaits_prune) return;
  n.awaits_prune = true;
  awaiting_prune_.push_back({index, n.generation});
}

void Store::remember_for_settling(NodeIndex index) {
  Node& n = node(index);
  if (n.awaits_settling) return;
  n.awaits_settling = true;
  awaiting_settling_.push_back({index, n.generation});
}

void Store::subsume_touches(NodeIndex index, ReplicaIndex replica) {
  Node& n = node(index);
  if (!n.extra) return;
  Touches& touches = n.extra->touches;
  for (std::size_t i = 0; i < touches.size(); ++i) {
    if (touches[i].replica != replica) continue;
    touches.erase(touches.begin() + static_cast<std::ptrdiff_t>(i));
    ++writers_[replica].stale;
    --touch_count_;
    return;
  }
}

void Store::clear_touches(NodeIndex index) {
  Node& n = node(index);
  if (!n.extra) return;
  for (const LocalDot& dot : n.extra->touches) ++writers_[dot.replica].stale;
  touch_count_ -= n.extra->touches.size();
  n.extra->touches.clear();
}

}  // namespace rejoin
