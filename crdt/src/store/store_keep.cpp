// Changes for watchers, cells for the disk, the canonical state, and the check of all invariants.
#include <algorithm>

#include "rejoin/crdt/assert.h"
#include "rejoin/crdt/limits.h"
#include "rejoin/crdt/mutant.h"
#include "store/cell_codec.h"

namespace rejoin {

namespace {
constexpr std::uint8_t header_format = 2;
constexpr std::uint8_t header_format_without_retired = 1;
}  // namespace

// ---- Changes ----

void Store::track_changes(bool enabled) {
  tracking_ = enabled;
  if (!enabled) (void)take_changes();
}

std::vector<Path> Store::take_changes() {
  std::vector<Path> paths;
  for (const NodeRef& ref : changed_nodes_) {
    const NodeIndex index = resolve(ref);
    if (index == no_node) continue;  // its parent, or the removal's place, stands for it
    node(index).changed = false;
    paths.push_back(path_of(index));
  }
  changed_nodes_.clear();
  std::sort(paths.begin(), paths.end());
  std::vector<Path> tops;
  for (Path& path : paths) {
    if (tops.empty() || !path.starts_with(tops.back())) tops.push_back(std::move(path));
  }
  return tops;
}

// ---- Stored cells ----

std::string Store::stored_key(NodeIndex index) const {
  std::string key;
  Writer out(key);
  NodeIndex chain[limits::path_depth_max];
  const std::size_t depth = depth_of(index);
  for (std::size_t i = depth; i-- > 0; index = node(index).parent) chain[i] = index;
  for (std::size_t i = 0; i < depth; ++i) {
    out.u8(static_cast<std::uint8_t>(node(chain[i]).type));
    node(chain[i]).key.encode(out);
  }
  return key;
}

bool Store::has_content(const Node& n) const {
  if (const auto* counters = std::get_if<CounterEntries>(&n.cell)) {
    if (!counters->empty()) return true;
  } else if (!std::get<Entries>(n.cell).empty()) {
    return true;
  }
  if (!n.extra) return false;
  bool content = !n.extra->touches.empty();
  with_existing_sequence(n, [&](const auto& sequence) { content |= !sequence.empty(); });
  return content;
}

void Store::take_dirty(const std::function<void(Document::StoredCell)>& sink) {
  REJOIN_ASSERT(!in_transaction());
  for (std::string& key : deleted_keys_) sink({std::move(key), {}});
  deleted_keys_.clear();
  for (const NodeRef& ref : dirty_) {
    const NodeIndex index = resolve(ref);
    if (index == no_node) continue;
    Node& n = node(index);
    n.dirty = false;
    if (!has_content(n)) {
      if (n.stored) sink({stored_key(index), {}});
      n.stored = false;
      continue;
    }
    std::string bytes;
    Writer out(bytes);
    CellWriters column{out, out, out, out, {}};
    encode_cell(
        n, nullptr, [](ReplicaIndex r) { return std::uint64_t{r}; }, column);
    n.stored = true;
    sink({stored_key(index), std::move(bytes)});
  }
  dirty_.clear();
}

std::string Store::header() const {
  std::string bytes;
  Writer out(bytes);
  out.u8(header_format);
  out.varint(writers_.size());
  for (const Writer_& writer : writers_) {
    out.replica(writer.id);
    out.varint(REJOIN_MUTANT(checkpoint_without_its_clock, writer.clock, 0u));
  }
  REJOIN_MUTANT(checkpoint_without_its_retired, retired_, Clock()).encode(out);
  forgotten_.encode(out);
  REJOIN_MUTANT(checkpoint_without_its_floor, floor_, Clock()).encode(out);
  element_floor_.encode(out);
  out.varint(removals_.size());
  for (const SubtreeRemoval& removal : removals_) {
    out.bytes(stored_key(removal.node));
    out.varint(removal.dot.replica);
    out.varint(removal.dot.sequence);
    out.u8(removal.keep_self ? 1 : 0);
    removal.clock.encode(out);
  }
  return bytes;
}

namespace {

// Steps until the end of `key`; false when it does not parse.
bool decode_key(std::string_view key, std::vector<Step>& steps) {
  Reader in(key);
  while (in.ok() && !in.at_end()) {
    steps.push_back(decode_step(in, steps.empty() ? Type::map : steps.back().type));
    if (steps.size() > limits::path_depth_max) return false;
  }
  return in.ok();
}

}  // namespace

Status Store::load_header(std::string_view bytes) {
  REJOIN_ASSERT(clock_.empty() && nodes_in_use_ == 1);
  loading_ = true;
  const ReplicaId self_id = self();
  const auto corrupt = [] { return make_error(ErrorCode::corrupt, "the header does not parse"); };
  Reader in(bytes);
  const std::uint8_t format = in.u8();
  if (in.ok() && format != header_format && format != header_format_without_retired) {
    return make_error(ErrorCode::unsupported_version, "header format " + std::to_string(format) +
                                                          ", this build reads up to " +
                                                          std::to_string(header_format));
  }
  // Cells name replicas by their number in this list.
  writers_.clear();
  replica_by_id_.clear();
  for (std::uint64_t n = in.varint_at_most(in.remaining() / 16); n > 0 && in.ok(); --n) {
    const ReplicaId id = in.replica();
    const Sequence sequence = in.varint_at_most(limits::sequence_max);
    if (in.ok() && id.is_nil() && sequence == 0 && format == header_format) {
      free_writers_.push_back(static_cast<ReplicaIndex>(writers_.size()));
      writers_.push_back({});
      writers_.back().changed_since_commit = false;
      continue;
    }
    if (!in.ok() || id.is_nil() || find_replica(id) != no_replica) return corrupt();
    replica_by_id_.emplace(id, static_cast<ReplicaIndex>(writers_.size()));
    writers_.push_back({});
    set_id(writers_.back(), id);
    writers_.back().clock = sequence;
    if (sequence > 0) clock_.set(id, sequence);
  }
  if (format == header_format) {
    Result<Clock> retired = Clock::decode(in);
    if (!retired.ok()) return corrupt();
    for (const auto& [id, sequence] : *retired) {
      const ReplicaIndex known = find_replica(id);
      if (known == no_replica) continue;
      if (writers_[known].clock != sequence) return corrupt();
      writers_[known].retired = true;
      clock_.set(id, 0);
    }
    retired_ = std::move(*retired);
    retired_hash_ = retired_.fingerprint();
  }
  for (Clock* kept : {&forgotten_, &floor_, &element_floor_}) {
    Result<Clock> clock = Clock::decode(in);
    if (!clock.ok() || !includes(*clock)) return corrupt();
    *kept = std::move(*clock);
  }
  for (std::uint64_t n = in.varint_at_most(in.remaining()); n > 0 && in.ok(); --n) {
    std::vector<Step> steps;
    const std::string_view key = in.bytes(in.remaining());
    SubtreeRemoval removal{};
    const std::uint64_t replica = in.varint();
    removal.dot.sequence = in.varint_at_most(limits::sequence_max);
    removal.keep_self = in.varint_at_most(1) != 0;
    Result<Clock> clock = Clock::decode(in);
    if (!in.ok() || !clock.ok() || !decode_key(key, steps) || replica >= writers_.size()) {
      return corrupt();
    }
    removal.dot.replica = static_cast<ReplicaIndex>(replica);
    removal.clock = std::move(*clock);
    // A removal is a write within the clock, of what had been seen by then.
    const Sequence known = writers_[removal.dot.replica].clock;
    if (removal.dot.sequence == 0 || removal.dot.sequence > known || !includes(removal.clock) ||
        !is_container(steps.empty() ? Type::map : steps.back().type)) {
      return corrupt();
    }
    removal.node = find_or_create(Path(std::move(steps)));
    ++extra(node(removal.node)).subtree_removals;
    writers_[removal.dot.replica].index.push_back({removal.dot.sequence, ref(removal.node)});
    removals_.push_back(std::move(removal));
  }
  if (!in.ok() || !in.at_end()) return corrupt();
  self_ = intern(self_id);
  return {};
}

Status Store::load_cell(std::string_view key, std::string_view bytes) {
  loading_ = true;
  const auto corrupt = [&](const char* what) {
    return make_error(ErrorCode::corrupt, std::string("stored cell: ") + what);
  };
  std::vector<Step> steps;
  if (!decode_key(key, steps)) return corrupt("its key does not parse");
  const Type type = steps.empty() ? Type::map : steps.back().type;
  const Type parent = steps.size() < 2 ? Type::map : steps[steps.size() - 2].type;
  DecodedCell cell;
  Reader in(bytes);
  CellReaders column{in, in, in, in, writers_.size(), {}};
  if (!decode_cell(column, type, parent, cell) || !in.at_end()) {
    return make_error(ErrorCode::corrupt, "stored cell does not parse",
                      Path(std::move(steps)).to_string());
  }
  bool beyond = false;
  cell.for_each_dot([&](ReplicaIndex& r, Sequence s) { beyond |= s > writers_[r].clock; });
  if (beyond) {
    return make_error(ErrorCode::corrupt, "stored cell holds a write beyond the stored clock",
                      Path(std::move(steps)).to_string());
  }
  NodeIndex index = root;
  for (const Step& step : steps) index = find_or_create_child(index, step.type, step.key);
  Node& n = node(index);
  if (n.stored) {
    return make_error(ErrorCode::corrupt, "stored cell is there twice", path_of(index).to_string());
  }
  n.stored = true;
  const auto add_item = [&](ReplicaIndex r, Sequence s) {
    writers_[r].index.push_back({s, ref(index)});
  };
  for (const LocalDot& d : cell.touches) {
    add_item(d.replica, d.sequence);
    add_touch(index, d);
  }
  if (is_counter(type)) {
    for (const CounterEntry& e : cell.counters) {
      add_item(e.replica, e.sequence);
      if (!e.live()) remember_for_prune(index);
    }
    n.cell = std::move(cell.counters);
  } else {
    const bool remove_wins = is_remove_wins(type, parent);
    for (const Entry& e : cell.entries) {
      add_item(e.replica, e.sequence);
      if (remove_wins && !e.value.as_bool()) remember_for_prune(index);
    }
    n.cell = std::move(cell.entries);
  }
  if (!cell.sequence.pieces.empty() || !cell.sequence.removals.empty()) {
    NewItems items;
    join_sequence(index, cell.sequence, std::vector<Sequence>(writers_.size(), 0), items);
    remember_for_settling(index);
    for (const auto& [replica, item] : items) writers_[replica].index.push_back(item);
  }
  hash_ += cell_hash(n);
  set_live(index, false, is_live(n));
  return {};
}

Status Store::finish_load() {
  loading_ = false;
  for (ReplicaIndex r = 0; r < writers_.size(); ++r) {
    std::vector<IndexItem>& index = writers_[r].index;
    std::sort(index.begin(), index.end(), [](const IndexItem& a, const IndexItem& b) {
      return a.sequence != b.sequence ? a.sequence < b.sequence : a.node.index < b.node.index;
    });
    index.erase(std::unique(index.begin(), index.end(),
                            [](const IndexItem& a, const IndexItem& b) {
                              return a.sequence == b.sequence && a.node.index == b.node.index;
                            }),
                index.end());
    // What our last event depended on is not stored: the next one names all of it.
    if (!REJOIN_MUTATED(restart_forgets_dependencies)) note_changed_writer(r);
  }
  for (NodeIndex index = 0; index < node_end_; ++index) {
    if (!node(index).in_use || index == root || !is_orphan(index)) continue;
    return make_error(ErrorCode::corrupt, "stored cell lies below an element that is not there",
                      path_of(index).to_string());
  }
  return {};
}

// ---- Canonical state ----

std::string Store::canonical_state() const {
  std::string bytes;
  Writer out(bytes);
  const std::function<void(NodeIndex)> visit = [&](NodeIndex index) {
    const Node& n = node(index);
    if (is_live(n)) {
      out.bytes(stored_key(index));
      const auto put_dot = [&](ReplicaIndex r, Sequence s) {
        out.replica(replica_id(r));
        out.varint(s);
      };
      if (const auto* counters = std::get_if<CounterEntries>(&n.cell)) {
        std::vector<CounterEntry> sorted(counters->begin(), counters->end());
        std::erase_if(sorted, [](const CounterEntry& e) { return !e.live(); });
        std::sort(sorted.begin(), sorted.end(),
                  [&](const auto& a, const auto& b) { return replica_less(a.replica, b.replica); });
        out.varint(sorted.size());
        for (const CounterEntry& e : sorted) {
          put_dot(e.replica, e.sequence);
          out.zigzag(e.total);
          out.varint(e.base_sequence);
          out.zigzag(e.base);
        }
      } else {
        const Entries& entries = std::get<Entries>(n.cell);
        std::vector<const Entry*> sorted;
        for (const Entry& e : entries) sorted.push_back(&e);
        std::sort(sorted.begin(), sorted.end(), [&](const Entry* a, const Entry* b) {
          return a->replica != b->replica ? replica_less(a->replica, b->replica)
                                          : a->sequence < b->sequence;
        });
        out.varint(sorted.size());
        for (const Entry* e : sorted) {
          put_dot(e->replica, e->sequence);
          out.varint(e->time.value);
          e->value.encode(out);
        }
        if (is_sequence(n.type)) {
          std::uint64_t live = 0;
          std::string ids;
          std::string contents;
          Writer put(contents);
          std::string holders;
          with_existing_sequence(n, [&](const auto& sequence) {
            live = sequence.live_count();
            sequence.for_each_piece([&](const auto& piece) {
              if (!piece.live) return;
              Writer id(ids);
              for (std::uint64_t i = 0; i < piece.count; ++i) {
                id.replica(replica_id(piece.id.replica));
                id.varint(piece.id.sequence + i);
              }
              encode_content(piece.content, put);
              if constexpr (std::is_same_v<std::remove_cvref_t<decltype(sequence)>, ListSequence>) {
                for (std::uint64_t i = 0; piece.holder && i < piece.count; ++i) {
                  const ListSequence::Holder& holder = sequence.holder(piece.id.plus(i));
                  Writer held(holders);
                  held.replica(replica_id(holder.element.replica));
                  held.varint(holder.element.sequence);
                  held.varint(holder.stamp);
                }
              }
            });
          });
          out.varint(live);
          out.raw(ids);
          out.raw(contents);
          out.raw(holders);
        }
      }
    }
    std::vector<NodeIndex> children;
    for_each_child(index, [&](NodeIndex c) {
      if (node(c).live > 0) children.push_back(c);
    });
    std::sort(children.begin(), children.end(), [&](NodeIndex a, NodeIndex b) {
      if (const auto order = node(a).key <=> node(b).key; order != 0) return order < 0;
      return node(a).type < node(b).type;
    });
    for (NodeIndex c : children) visit(c);
  };
  visit(root);
  return bytes;
}

// ---- Invariants ----

Status Store::check_invariants() const {
  const auto broken = [&](std::string what, NodeIndex index) {
    return Status(make_error(ErrorCode::corrupt, std::move(what), path_of(index).to_string()));
  };
  StateHash sum;
  std::size_t in_use = 0;
  std::size_t touches = 0;
  std::vector<std::uint32_t> live(node_end_, 0);
  for (NodeIndex index = 0; index < node_end_; ++index) {
    const Node& n = node(index);
    if (!n.in_use) continue;
    ++in_use;
    sum += cell_hash(n);
    if (is_live(n)) {
      for (NodeIndex i = index; i != no_node; i = node(i).parent) ++live[i];
    }
    if (index != root) {
      if (is_orphan(index)) return broken("what lived below an element outlived it", index);
      if (find_child(n.parent, n.type, n.key) != index)
        return broken("a node cannot be found", index);
      if (is_empty(n)) return broken("an empty node was kept", index);
    }
    const auto indexed = [&](ReplicaIndex r, Sequence s) {
      if (s > writers_[r].clock) return false;
      const auto& items = writers_[r].index;
      const auto range = std::equal_range(
          items.begin(), items.end(), IndexItem{s, {}},
          [](const IndexItem& a, const IndexItem& b) { return a.sequence < b.sequence; });
      return std::any_of(range.first, range.second,
                         [&](const IndexItem& item) { return resolve(item.node) == index; });
    };
    if (const auto* counters = std::get_if<CounterEntries>(&n.cell)) {
      for (std::size_t i = 0; i < counters->size(); ++i) {
        const CounterEntry& e = (*counters)[i];
        if (!indexed(e.replica, e.sequence))
          return broken("a counter's write is not indexed", index);
        for (std::size_t j = 0; j < i; ++j) {
          if ((*counters)[j].replica == e.replica)
            return broken("a counter has a replica twice", index);
        }
      }
    } else {
      const Entries& entries = std::get<Entries>(n.cell);
      for (std::size_t i = 0; i < entries.size(); ++i) {
        if (!indexed(entries[i].replica, entries[i].sequence)) {
          return broken("a write is not indexed", index);
        }
        for (std::size_t j = 0; j < i; ++j) {
          if (entries[j].dot() == entries[i].dot()) return broken("a dot is there twice", index);
        }
      }
    }
    if (!n.extra) continue;
    touches += n.extra->touches.size();
    for (const LocalDot& d : n.extra->touches) {
      if (!indexed(d.replica, d.sequence)) return broken("a touch is not indexed", index);
    }
    const char* wrong = nullptr;
    with_existing_sequence(n, [&](const auto& sequence) {
      std::vector<Sequence> clock;
      for (const Writer_& writer : writers_) clock.push_back(writer.clock);
      wrong = sequence.check(clock);
      sum += sequence.hash(context_of(index));
    });
    if (wrong != nullptr) return broken(wrong, index);
  }
  if (sum != hash_) return broken("the state hash is wrong", root);
  if (in_use != nodes_in_use_) return broken("nodes are miscounted", root);
  if (touches != touch_count_) return broken("touches are miscounted", root);
  for (NodeIndex index = 0; index < node_end_; ++index) {
    if (node(index).in_use && node(index).live != live[index]) {
      return broken("live cells are miscounted", index);
    }
  }
  for (const Writer_& writer : writers_) {
    const Clock& listed = writer.retired ? retired_ : clock_;
    if (writer.clock != listed.get(writer.id)) return broken("the clocks differ", root);
    for (std::size_t i = 1; i < writer.index.size(); ++i) {
      if (writer.index[i - 1].sequence > writer.index[i].sequence) {
        return broken("an index is out of order", root);
      }
    }
  }
  for (const auto& [id, sequence] : retired_) {
    const ReplicaIndex known = find_replica(id);
    if (clock_.get(id) != 0 || (known != no_replica && !writers_[known].retired)) {
      return broken("a retired replica is in the clock", root);
    }
    if (floor_.get(id) != 0 || element_floor_.get(id) != 0) {
      return broken("a retired replica is in a floor", root);
    }
  }
  if (retired_.fingerprint() != retired_hash_) {
    return broken("the hash of retired replicas is wrong", root);
  }
  return {};
}

}  // namespace rejoin
