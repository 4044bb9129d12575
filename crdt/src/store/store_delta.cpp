// State-based catching up: what another replica lacks, as cells; and the causal join.
#include <algorithm>
#include <optional>
#include <span>
#include <type_traits>

#include "rejoin/crdt/assert.h"
#include "rejoin/crdt/limits.h"
#include "rejoin/crdt/mutant.h"
#include "store/cell_codec.h"
#include "store/change.h"
#include "store/packing.h"
#include "store/sequence_blocks.h"

namespace rejoin {

namespace {

// How many bytes two names have in common at their beginning, in whole code points.
std::size_t common_name(std::string_view a, std::string_view b) {
  std::size_t n = 0;
  while (n < a.size() && n < b.size() && a[n] == b[n]) ++n;
  while (n > 0 && n < b.size() && is_utf8_continuation(b[n])) --n;
  return n;
}

}  // namespace

std::vector<NodeIndex> Store::touched_since(const std::vector<Sequence>& since) const {
  std::vector<NodeIndex> nodes;
  for (ReplicaIndex r = 0; r < writers_.size(); ++r) {
    const std::vector<IndexItem>& index = writers_[r].index;
    const Sequence seen = REJOIN_MUTANT(delta_skips_the_first_write, since[r], since[r] + 1);
    auto it = std::upper_bound(index.begin(), index.end(), seen,
                               [](Sequence s, const IndexItem& item) { return s < item.sequence; });
    for (; it != index.end(); ++it) {
      if (index_item_valid(r, *it)) nodes.push_back(it->node.index);
    }
  }
  std::sort(nodes.begin(), nodes.end());
  nodes.erase(std::unique(nodes.begin(), nodes.end()), nodes.end());
  return nodes;
}

// Siblings beside each other and, unless there are very many, by name, so that paths shorten well.
void Store::sort_for_paths(std::vector<NodeIndex>& nodes) const {
  constexpr std::size_t by_name_max = 100'000;
  const bool by_name = nodes.size() <= by_name_max;
  std::sort(nodes.begin(), nodes.end(), [&](NodeIndex a, NodeIndex b) {
    if (node(a).parent != node(b).parent) return node(a).parent < node(b).parent;
    if (by_name && node(a).key != node(b).key) return node(a).key < node(b).key;
    return a < b;
  });
}

// `encode_key` writes the key of the step at a depth, while `previous` is still the path before.
template <class EncodeKey>
void Store::encode_steps(NodeIndex index, std::vector<NodeIndex>& previous, Writer& out,
                         EncodeKey encode_key) const {
  NodeIndex chain[limits::path_depth_max];
  const std::size_t depth = depth_of(index);
  for (std::size_t i = depth; i-- > 0; index = node(index).parent) chain[i] = index;
  std::size_t shared = 0;
  while (shared < depth && shared < previous.size() && previous[shared] == chain[shared]) ++shared;
  out.varint(shared);
  out.varint(depth - shared);
  for (std::size_t i = shared; i < depth; ++i) {
    out.u8(static_cast<std::uint8_t>(node(chain[i]).type));
    encode_key(i, node(chain[i]).key);
  }
  previous.assign(chain, chain + depth);
}

void Store::encode_node_path(NodeIndex index, std::vector<NodeIndex>& previous, Writer& out) const {
  encode_steps(index, previous, out, [&](std::size_t, const Value& key) { key.encode(out); });
}

// Names of siblings are told without what they have in common with the name before.
void Store::encode_delta_path(NodeIndex index, std::vector<NodeIndex>& previous,
                              Writer& out) const {
  encode_steps(index, previous, out, [&](std::size_t i, const Value& key) {
    std::size_t common = 0;
    if (i < previous.size() && key.is_string() && node(previous[i]).key.is_string()) {
      common = common_name(node(previous[i]).key.as_string(), key.as_string());
    }
    out.varint(common);
    (common == 0 ? key : Value(key.as_string().substr(common))).encode(out);
  });
}

namespace {

std::size_t content_bytes(std::string_view text) { return text.size(); }
std::size_t content_bytes(std::span<const Value> values) {
  std::size_t bytes = 0;
  for (const Value& value : values) bytes += 10 + value.contents().size();
  return bytes;
}

}  // namespace

// A subtree's removal takes along what told that something below it had been overwritten before.
// And its clock does not name ids that were retired where it was written, but for those of which
// something was left there. One who has an overwritten write of such an id would keep it.
bool Store::tells_since(const Clock& base) const {
  const auto names_all = [&](const SubtreeRemoval& removal, const Clock& ids) {
    return std::ranges::all_of(ids, [&](const auto& entry) {
      return removal.clock.get(entry.first) != 0 || entry.first == writers_[removal.dot.replica].id;
    });
  };
  const auto may_spare = [&](const SubtreeRemoval& removal) {
    // All that retired ids wrote is there.
    const bool is_news =
        !writers_[removal.dot.replica].retired && !base.includes(to_dot(removal.dot));
    return is_news && !(names_all(removal, base) && names_all(removal, retired_));
  };
  if (!base.includes(floor_)) return false;
  return REJOIN_MUTATED(subtree_removals_are_told_alone) ||
         std::ranges::none_of(removals_, may_spare);
}

Clock Store::delta_base(const Clock& base) const {
  Clock known = base;
  known.meet(clock_);
  return known;
}

std::size_t Store::delta_bytes_estimate(const Clock& reported) const {
  return bytes_estimate(tells_since(reported) ? dense_with_retired(delta_base(reported))
                                              : std::vector<Sequence>(writers_.size(), 0));
}

std::size_t Store::whole_bytes_estimate() const {
  return bytes_estimate(std::vector<Sequence>(writers_.size(), 0)) + 24 * retired_.size();
}

std::size_t Store::bytes_estimate(const std::vector<Sequence>& since) const {
  std::size_t bytes = 64;
  for (NodeIndex index : touched_since(since)) {
    const Node& n = node(index);
    bytes += 8 + n.key.contents().size();
    if (const auto* counters = std::get_if<CounterEntries>(&n.cell)) {
      bytes += counters->size() * 24;
    } else {
      for (const Entry& e : std::get<Entries>(n.cell)) bytes += 20 + e.value.contents().size();
    }
    with_existing_sequence(n, [&](const auto& sequence) {
      sequence.for_each_piece_since(since, [&](const auto& piece) {
        bytes += 16 + content_bytes(piece.content) + (piece.holder ? piece.count * 24 : 0);
      });
      sequence.for_each_removal_since(since, [&](ReplicaIndex, const auto&) { bytes += 12; });
    });
  }
  for (const SubtreeRemoval& removal : removals_) bytes += 32 + removal.clock.size() * 8;
  return bytes + writers_.size() * 16 + (forgotten_.size() + floor_.size()) * 12;
}

Delta Store::delta_since(const Clock& base) const {
  if (!tells_since(base)) return whole(false);
  Delta delta;
  delta.base = delta_base(base);
  delta.clock = clock_;
  delta.retired_hash = retired_hash_;
  const std::vector<Sequence> since = dense_with_retired(delta.base);
  encode_body(delta, touched_since(since), since, since, {}, {});
  return delta;
}

Delta Store::whole(bool with_retired) const {
  Delta delta;
  delta.scope = Delta::Scope::whole;
  delta.clock = clock_;
  delta.retired_hash = retired_hash_;
  if (with_retired) delta.retired = retired_;
  const std::vector<Sequence> none(writers_.size(), 0);
  encode_body(delta, touched_since(none), none, none, floor_, element_floor_);
  return delta;
}

void Store::encode_body(Delta& delta, std::vector<NodeIndex> nodes,
                        const std::vector<Sequence>& since,
                        const std::vector<Sequence>& removed_since, const Clock& floor,
                        const Clock& element_floor) const {
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
    if (REJOIN_MUTATED(delta_leaves_out_subtree_removals)) continue;
    if (removal.dot.sequence > removed_since[removal.dot.replica]) removals.push_back(&removal);
  }
  const auto encode_clock = [&](const Clock& clock) {
    out.varint(clock.size());
    for (const auto& [id, sequence] : clock) {
      out.varint(number(find_replica(id)));
      out.varint(sequence);
    }
  };
  const auto encode_floor = [&](const Clock& clock) {
    if (clock.empty()) return out.varint(0);
    std::vector<ReplicaId> lower;
    for (const auto& [id, sequence] : delta.clock) {
      if (clock.get(id) < sequence) lower.push_back(id);
    }
    out.varint(1 + lower.size());
    for (const ReplicaId& id : lower) {
      out.varint(number(find_replica(id)));
      out.varint(clock.get(id));
    }
  };
  encode_floor(REJOIN_MUTANT(floor_is_not_sent, floor, Clock()));
  encode_floor(element_floor);
  encode_clock(forgotten_);
  out.varint(removals.size());
  for (const SubtreeRemoval* removal : removals) {
    encode_node_path(removal->node, previous, out);
    out.varint(number(removal->dot.replica));
    out.varint(removal->dot.sequence);
    out.u8(removal->keep_self ? 1 : 0);
    encode_clock(removal->clock);
  }
  sort_for_paths(nodes);
  out.varint(nodes.size());
  std::string columns[5];
  Writer paths(columns[0]), shapes(columns[1]), ids(columns[2]), times(columns[3]),
      contents(columns[4]);
  CellWriters cell{shapes, ids, times, contents, {}};
  previous.clear();
  for (NodeIndex index : nodes) {
    encode_delta_path(index, previous, paths);
    encode_cell(node(index), &since, number, cell);
  }
  for (const std::string& column : columns) out.bytes(column);
  delta.cells = removals.size() + nodes.size();

  std::string plain;
  Writer body(plain);
  body.varint(table.size());
  for (ReplicaIndex r : table) body.replica(replica_id(r));
  body.raw(cells);
  delta.body = packed(plain);
}

std::vector<Document::CellHash> Store::cell_hashes(std::uint64_t seed) const {
  std::vector<Document::CellHash> cells;
  for (NodeIndex index = 0; index < node_end_; ++index) {
    if (!node(index).in_use) continue;
    const StateHash content = content_hash(index);
    if (content == StateHash{}) continue;
    const StateHash& place = node(index).path_hash;
    std::string bytes;
    Writer out(bytes);
    for (const std::uint64_t word : {place.low, place.high, content.low, content.high}) {
      out.fixed64(word);
    }
    cells.push_back({place.low, hash_bytes(bytes, seed).low});
  }
  return cells;
}

std::vector<NodeIndex> Store::nodes_at(std::vector<std::uint64_t> places) const {
  std::sort(places.begin(), places.end());
  std::vector<NodeIndex> nodes;
  for (NodeIndex index = 0; index < node_end_; ++index) {
    if (node(index).in_use &&
        std::binary_search(places.begin(), places.end(), node(index).path_hash.low)) {
      nodes.push_back(index);
    }
  }
  return nodes;
}

std::optional<Delta> Store::delta_of(const std::vector<std::uint64_t>& places,
                                     std::uint64_t comparison, const Clock& compared,
                                     bool with_retired) const {
  if (!tells_since(compared)) return std::nullopt;
  Delta delta;
  delta.scope = Delta::Scope::cells;
  delta.clock = clock_;
  delta.retired_hash = retired_hash_;
  if (with_retired) delta.retired = retired_;
  delta.comparison = comparison;
  const std::vector<Sequence> since = dense_with_retired(compared);
  std::vector<NodeIndex> nodes = touched_since(since);
  const std::vector<NodeIndex> differing = nodes_at(places);
  nodes.insert(nodes.end(), differing.begin(), differing.end());
  std::sort(nodes.begin(), nodes.end());
  nodes.erase(std::unique(nodes.begin(), nodes.end()), nodes.end());
  // Of removals in cells that differ no more the receiver hears nothing, not even of those that are
  // remembered here: it cannot pass them on.
  encode_body(delta, std::move(nodes), std::vector<Sequence>(writers_.size(), 0), since, compared,
              compared);
  return delta;
}

Result<Applied> Store::join(const Delta& delta) {
  REJOIN_ASSERT(!in_transaction());
  if (!includes(delta.base)) return Applied::missing;
  std::optional<Clock> retired = delta.retired;
  if (retired->empty()) retired = retired_there(delta.clock, delta.retired_hash);
  if (!retired) return Applied::missing;
  if (includes(delta.clock) && includes(*retired)) {
    return adopt_retired(delta.retired) ? Applied::applied : Applied::duplicate;
  }
  const auto seen_by_them = [&](const ReplicaId& id) {
    const Sequence listed = delta.clock.get(id);
    return listed != 0 ? listed : retired->get(id);
  };

  // Decode all of it before anything changes.
  const Result<std::string> plain = unpacked(delta.body, "delta");
  if (!plain.ok()) return plain.error();
  Reader in(*plain);
  const auto malformed = [&](const char* what) {
    return make_error(ErrorCode::malformed, std::string("delta: ") + what + " near byte " +
                                                std::to_string(in.position()));
  };
  std::vector<ReplicaId> table;
  std::vector<Sequence> seen;
  for (std::uint64_t n = in.varint_at_most(in.remaining() / 16); n > 0 && in.ok(); --n) {
    table.push_back(in.replica());
    seen.push_back(seen_by_them(table.back()));
    if (seen.back() == 0) return malformed("a replica beyond its clock");
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
  std::vector<std::string> names;  // along the path before
  const auto read_delta_path = [&](Reader& paths, std::size_t& shared, std::vector<Step>& steps) {
    shared = static_cast<std::size_t>(paths.varint_at_most(types.size()));
    types.resize(shared);
    const std::size_t depth =
        shared + static_cast<std::size_t>(paths.varint_at_most(limits::path_depth_max - shared));
    for (std::size_t i = shared; i < depth && paths.ok(); ++i) {
      const std::uint8_t type = paths.u8();
      const auto common =
          static_cast<std::size_t>(paths.varint_at_most(i < names.size() ? names[i].size() : 0));
      Result<Value> key = Value::decode(paths);
      if (key.ok() && common > 0) {
        if (!key->is_string()) paths.fail();
        if (paths.ok()) key = Value(names[i].substr(0, common) + std::string(key->as_string()));
      }
      if (!paths.ok() || !key.ok() || !is_known_type(type) ||
          !may_contain(types.empty() ? Type::map : types.back(), static_cast<Type>(type), *key) ||
          (key->is_string() && common > 0 && !is_valid_utf8(key->as_string()))) {
        paths.fail();
        return;
      }
      if (names.size() <= i) names.resize(i + 1);
      names[i] = key->is_string() ? std::string(key->as_string()) : std::string();
      steps.push_back({static_cast<Type>(type), *std::move(key)});
      types.push_back(static_cast<Type>(type));
    }
    names.resize(std::min(names.size(), depth));
  };
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
    if (s > seen[r]) beyond = true;
  };
  const auto read_clock = [&] {
    Clock clock;
    for (std::uint64_t n = in.varint_at_most(in.remaining()); n > 0 && in.ok(); --n) {
      const auto replica = static_cast<std::size_t>(in.varint());
      const Sequence sequence = in.varint_at_most(limits::sequence_max);
      if (replica >= table.size() || sequence == 0) in.fail();
      if (!in.ok()) break;
      check_dot(static_cast<ReplicaIndex>(replica), sequence);
      clock.set(table[replica], sequence);
    }
    return clock;
  };
  const auto read_floor = [&] {
    const std::uint64_t form = in.varint_at_most(in.remaining());
    if (form == 0) return Clock{};
    Clock floor = delta.clock;
    for (std::uint64_t n = form - 1; n > 0 && in.ok(); --n) {
      const auto replica = static_cast<std::size_t>(in.varint());
      const Sequence sequence = in.varint_at_most(limits::sequence_max);
      if (replica >= table.size()) in.fail();
      if (!in.ok()) break;
      check_dot(static_cast<ReplicaIndex>(replica), sequence);
      floor.set(table[replica], sequence);
    }
    return floor;
  };
  const Clock floor = read_floor();
  const Clock element_floor = read_floor();
  const bool complete = delta.scope != Delta::Scope::since;
  if (!complete && !(floor.empty() && element_floor.empty())) {
    return malformed("what was forgotten, and a base");
  }
  const Clock forgotten = read_clock();
  for (std::uint64_t n = in.varint_at_most(in.remaining()); n > 0 && in.ok(); --n) {
    DecodedRemoval& r = removals.emplace_back();
    read_path(r.shared, r.steps);
    if (table.empty()) in.fail();
    if (!in.ok()) break;
    r.dot.replica = static_cast<ReplicaIndex>(in.varint_at_most(table.size() - 1));
    r.dot.sequence = in.varint_at_most(limits::sequence_max);
    r.keep_self = in.varint_at_most(1) != 0;
    if (!is_container(types.empty() ? Type::map : types.back()) || r.dot.sequence == 0) in.fail();
    r.clock = read_clock();
    if (in.ok()) check_dot(r.dot.replica, r.dot.sequence);
  }
  const std::uint64_t cell_count = in.varint();
  const auto column = [&] { return Reader(in.bytes(in.remaining())); };
  Reader paths = column(), shapes = column(), ids = column(), times = column(), contents = column();
  CellReaders cell{shapes, ids, times, contents, table.size(), {}};
  types.clear();
  for (std::uint64_t n = cell_count; n > 0 && in.ok(); --n) {
    DecodedNode& d = cells.emplace_back();
    read_delta_path(paths, d.shared, d.steps);
    const Type type = types.empty() ? Type::map : types.back();
    const Type parent = types.size() < 2 ? Type::map : types[types.size() - 2];
    if (!paths.ok() || !decode_cell(cell, type, parent, d.cell)) {
      in.fail();
      break;
    }
    d.cell.for_each_dot([&](ReplicaIndex& r, Sequence s) { check_dot(r, s); });
  }
  if (!paths.at_end() || !shapes.at_end() || !ids.at_end() || !times.at_end() ||
      !contents.at_end()) {
    in.fail();
  }
  if (!in.ok() || !in.at_end()) return malformed("it does not parse");
  if (beyond) return malformed("a dot beyond its clock");

  // From here on nothing fails.
  std::vector<ReplicaIndex> local;
  for (const ReplicaId& id : table) local.push_back(intern(id));
  for (const auto& [id, sequence] : delta.clock) intern(id);
  std::vector<Sequence> ours, theirs;
  for (const Writer_& writer : writers_) {
    ours.push_back(writer.clock);
    theirs.push_back(seen_by_them(writer.id));
  }
  NewItems items;
  std::vector<NodeIndex> path;
  std::vector<NodeIndex> below_lists;
  const auto walk = [&](std::size_t shared, const std::vector<Step>& steps) {
    path.resize(shared);
    for (const Step& step : steps) {
      path.push_back(find_or_create_child(path.empty() ? root : path.back(), step.type, step.key));
    }
    const auto in_list = [&](NodeIndex i) { return parent_type(node(i)) == Type::list; };
    if (std::any_of(path.begin(), path.end(), in_list)) below_lists.push_back(path.back());
    return path.empty() ? root : path.back();
  };
  for (DecodedRemoval& r : removals) {
    const NodeIndex index = walk(r.shared, r.steps);
    const LocalDot dot{local[r.dot.replica], r.dot.sequence};
    if (dot.sequence <= ours[dot.replica]) continue;
    items.push_back({dot.replica, {dot.sequence, ref(index)}});
    apply_subtree_removal({dot, index, std::move(r.clock), r.keep_self});
  }
  std::vector<NodeRef> told;
  for (DecodedNode& d : cells) {
    if (REJOIN_MUTATED(join_leaves_out_the_last_cell) && &d == &cells.back()) break;
    const NodeIndex index = walk(d.shared, d.steps);
    d.cell.for_each_dot([&](ReplicaIndex& r, Sequence) { r = local[r]; });
    join_cell(index, d.cell, complete, ours, theirs, items);
    if (complete) told.push_back(ref(index));
  }
  if (complete && !REJOIN_MUTATED(whole_state_removes_no_cells)) {
    join_absent(std::move(told), delta, ours, theirs, items);
  }
  // Only now it is known which elements are there.
  for (const NodeIndex index : below_lists) {
    if (is_below_orphan(index)) drop(index);
  }
  for (const auto& [id, sequence] : delta.clock) advance(intern(id), sequence);
  if (!REJOIN_MUTATED(join_does_not_tell_what_is_forgotten)) forgotten_.join(forgotten);
  if (!REJOIN_MUTATED(join_does_not_raise_the_floor)) floor_.join(floor);
  element_floor_.join(element_floor);
  // What only they leave out of their clock lies within their floors; what is left out here has no
  // place in any.
  for (const auto& [id, sequence] : *retired) {
    if (clock_.get(id) == 0) continue;
    if (!floor.empty()) floor_.advance({id, sequence});
    if (!element_floor.empty()) element_floor_.advance({id, sequence});
  }
  for (const auto& [id, sequence] : delta.clock) {
    if (clock_.get(id) != 0) continue;
    floor_.set(id, 0);
    element_floor_.set(id, 0);
  }
  adopt_retired(delta.retired);
  if (!REJOIN_MUTATED(join_does_not_index)) index_sorted_insert(std::move(items));
  for (ReplicaIndex r = 0; r < writers_.size(); ++r) {
    if (writers_[r].stale * 2 > writers_[r].index.size() + 64) compact_index(r);
  }
  sweep_doomed();
  return Applied::applied;
}

namespace {

// Visits the numbers of pieces so that each comes after the others that hold its origins.
template <class Pieces, class Visit>
void for_each_after_origins(const Pieces& pieces, Visit visit) {
  const PieceIndex<Pieces> index(pieces);
  enum class State : char { fresh, waiting, done };
  std::vector<State> states(pieces.size(), State::fresh);
  std::vector<std::size_t> stack;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    if (states[i] == State::fresh) stack.push_back(i);
    while (!stack.empty()) {
      const std::size_t top = stack.back();
      if (states[top] == State::fresh) {
        states[top] = State::waiting;
        for (const ElementId origin : {pieces[top].left, pieces[top].right}) {
          const std::optional<std::size_t> other = index.find(origin);
          // A circle comes from no honest writer; it is broken where it closes.
          if (other && states[*other] == State::fresh) stack.push_back(*other);
        }
        continue;
      }
      stack.pop_back();
      if (states[top] == State::done) continue;
      states[top] = State::done;
      visit(top);
    }
  }
}

}  // namespace

// The causal join of one cell (Almeida, Shoker, Baquero 2018, section 7.2): what both hold stays;
// what one holds stays unless the other has seen its dot and holds it no more.
void Store::join_cell(NodeIndex index, DecodedCell& cell, bool complete,
                      const std::vector<Sequence>& ours, const std::vector<Sequence>& theirs,
                      NewItems& items) {
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
      if (REJOIN_MUTATED(join_keeps_a_forgotten_counter)) continue;
      ++writers_[e.replica].stale;  // they forgot it: a reset took it away, and was stable
      mine.erase(mine.begin() + static_cast<std::ptrdiff_t>(i));
    }
    for (const CounterEntry& t : cell.counters) {
      const auto held = std::find_if(mine.begin(), mine.end(),
                                     [&](const CounterEntry& e) { return e.replica == t.replica; });
      const bool mine_too = held != mine.end();
      const bool forgotten = !mine_too && we_saw(t.replica, t.sequence);
      if (forgotten && !REJOIN_MUTATED(join_brings_a_counter_back)) continue;  // we forgot it
      // (A later part that we should have seen comes from nobody honest; it is indexed like
      // others.)
      if (!we_saw(t.replica, t.sequence) || (mine_too && t.sequence > held->sequence)) {
        items.push_back({t.replica, {t.sequence, ref(index)}});
        subsume_touches(index, t.replica);
      }
      apply_counter(index, t);
      if (!t.live()) remember_for_prune(index);
    }
  } else {
    erase_entries(index, [&](LocalDot d) {
      return REJOIN_MUTANT(join_misses_a_last_removal, they_saw(d.replica, d.sequence),
                           they_saw(d.replica, d.sequence + 1)) &&
             std::none_of(cell.entries.begin(), cell.entries.end(),
                          [&](const Entry& t) { return t.dot() == d; });
    });
    const bool remove_wins = removal_wins(node(index));
    for (Entry& t : cell.entries) {
      if (REJOIN_MUTANT(join_brings_an_entry_back, we_saw(t.replica, t.sequence),
                        we_saw(t.replica, t.sequence + 1))) {
        continue;
      }
      items.push_back({t.replica, {t.sequence, ref(index)}});
      subsume_touches(index, t.replica);
      if (remove_wins && !t.value.as_bool()) remember_for_prune(index);
      std::get<Entries>(node(index).cell).push_back(std::move(t));
    }
    if (!cell.sequence.pieces.empty() || !cell.sequence.removals.empty()) {
      join_sequence(index, cell.sequence, ours, items);
    }
    if (complete && !REJOIN_MUTATED(whole_state_removes_no_elements)) {
      remove_untold(index, cell.sequence, theirs);
    }
  }
  for (const LocalDot& touch : cell.touches) {
    if (REJOIN_MUTATED(join_drops_touches) || we_saw(touch.replica, touch.sequence)) continue;
    items.push_back({touch.replica, {touch.sequence, ref(index)}});
    add_touch(index, touch);
  }
  doom(index);
}

// What somebody who knows nothing of these cells has seen of them is gone.
void Store::join_absent(std::vector<NodeRef> told, const Delta& delta,
                        const std::vector<Sequence>& ours, const std::vector<Sequence>& theirs,
                        NewItems& items) {
  std::sort(told.begin(), told.end());
  std::vector<NodeIndex> judged;
  if (delta.scope == Delta::Scope::cells) {
    judged = nodes_at(delta.judged);
  } else {
    for (NodeIndex index = root + 1; index < node_end_; ++index) {
      if (node(index).in_use) judged.push_back(index);
    }
  }
  std::vector<NodeRef> absent;
  for (const NodeIndex index : judged) {
    if (!std::binary_search(told.begin(), told.end(), ref(index))) absent.push_back(ref(index));
  }
  DecodedCell nothing;
  for (const NodeRef& at : absent) {
    // A list's element takes along what is below it.
    if (const NodeIndex index = resolve(at); index != no_node) {
      join_cell(index, nothing, true, ours, theirs, items);
    }
  }
}

// Removes the elements that were seen there and do not live there: of their removal nothing may be
// left that tells of it.
void Store::remove_untold(NodeIndex index, const DecodedSequence& decoded,
                          const std::vector<Sequence>& theirs) {
  const auto lives = [](const auto& piece) { return (piece.live || piece.away) && !piece.holder; };
  std::vector<ElementRange> alive;
  for (const DecodedSequence::Piece& piece : decoded.pieces) {
    if (lives(piece)) alive.push_back({piece.id, piece.count});
  }
  std::sort(alive.begin(), alive.end(),
            [](const ElementRange& a, const ElementRange& b) { return a.id < b.id; });
  std::vector<ElementRange> gone;
  with_existing_sequence(node(index), [&](const auto& sequence) {
    sequence.for_each_piece([&](const auto& piece) {
      if (!lives(piece)) return;
      const ReplicaIndex replica = piece.id.replica;
      Sequence from = piece.id.sequence;
      const Sequence end = std::min(from + piece.count, theirs[replica] + 1);
      auto next = std::partition_point(alive.begin(), alive.end(), [&](const ElementRange& range) {
        return range.id.replica < replica ||
               (range.id.replica == replica && range.id.sequence + range.count <= from);
      });
      while (from < end) {
        const bool more = next != alive.end() && next->id.replica == replica;
        const Sequence until = more ? std::min(end, next->id.sequence) : end;
        if (from < until) gone.push_back({{replica, from}, until - from});
        from = more ? next->id.sequence + next->count : end;
        if (more) ++next;
      }
    });
  });
  if (gone.empty()) return;
  remember_for_prune(index);
  for (const ElementRange& range : gone) remove_elements(index, range.id, range.count);
}

// What is new here of a sequence: elements, each after those that it names; then removals.
void Store::join_sequence(NodeIndex index, DecodedSequence& decoded,
                          const std::vector<Sequence>& ours, NewItems& items) {
  // One index item says up to which dot a replica wrote here.
  std::vector<std::pair<ReplicaIndex, Sequence>> last;
  const auto wrote = [&](ReplicaIndex replica, Sequence sequence) {
    for (auto& [r, s] : last) {
      if (r != replica) continue;
      s = std::max(s, sequence);
      return;
    }
    last.push_back({replica, sequence});
  };
  if (!decoded.removals.empty()) remember_for_prune(index);
  const SequenceContext context = context_of(index);
  with_sequence(index, [&](auto& sequence) {
    using Tree = std::remove_cvref_t<decltype(sequence)>;
    const auto content_of = [&](const DecodedSequence::Piece& piece) {
      if constexpr (std::is_same_v<Tree, TextSequence>) {
        return std::string_view(decoded.text).substr(piece.begin, piece.units);
      } else {
        return std::span<const Value>(decoded.values).subspan(piece.begin, piece.units);
      }
    };
    // What is not known yet of a piece.
    const auto part_of = [&](const DecodedSequence::Piece& piece) {
      typename Tree::Piece part{piece.id,     piece.count,   piece.left,
                                piece.right,  piece.live,    piece.away,
                                piece.holder, piece.settled, content_of(piece)};
      if (piece.id.sequence <= ours[piece.id.replica]) {
        const Sequence known = ours[piece.id.replica] - piece.id.sequence + 1;
        part = Tree::rest_of(part, std::min(known, piece.count));
      }
      if (part.count > 0) wrote(part.id.replica, part.id.sequence + (part.count - 1));
      return part;
    };
    struct Moved {
      const DecodedSequence::Piece* piece;
      std::uint64_t offset;
      std::uint64_t count;
    };
    std::vector<Moved> moved;
    const auto note_moved = [&](const DecodedSequence::Piece& piece, const auto& part) {
      if (!piece.away && !piece.holder) return;
      moved.push_back({&piece, part.id.sequence - piece.id.sequence, part.count});
    };
    const auto put = [&](const DecodedSequence::Piece& piece, ElementId block, ElementId before) {
      typename Tree::Piece part = part_of(piece);
      // What is here already came from no honest writer twice; it is left as it is.
      while (part.count > 0) {
        const std::uint64_t fresh = sequence.absent(part.id, part.count);
        if (fresh > 0) {
          const auto first = Tree::first_of(part, fresh);
          hash_ += block.is_boundary() ? sequence.integrate(context, first)
                                       : sequence.integrate_in_block(context, first, block, before);
          before = first.id.plus(first.count - 1);
          note_moved(piece, first);
        }
        if (fresh == part.count) return;
        part = Tree::rest_of(part, std::max<std::uint64_t>(fresh, 1));
      }
    };
    std::vector<typename Tree::Piece> parts;
    if (sequence.empty()) {
      parts.reserve(decoded.pieces.size());
      for (const DecodedSequence::Piece& piece : decoded.pieces) {
        const auto part = part_of(piece);
        if (part.count == 0) continue;
        parts.push_back(part);
        note_moved(piece, part);
      }
    }
    if (!sequence.empty() || !sequence.load(context, parts, hash_)) {
      moved.clear();
      const auto is_settled = [](const DecodedSequence::Piece& piece) { return piece.settled; };
      std::vector<ElementId> roots(decoded.pieces.size());
      if (std::any_of(decoded.pieces.begin(), decoded.pieces.end(), is_settled)) {
        // The whole of a sequence. Blocks of which nothing is here come as they are: not all of
        // their elements have origins any more by which their places could be found.
        if (!REJOIN_MUTATED(blocks_are_put_together_anew)) roots = block_roots(decoded.pieces);
        for (std::size_t i = 0; i < roots.size(); ++i) {
          const DecodedSequence::Piece& piece = decoded.pieces[i];
          if (roots[i].sequence <= ours[roots[i].replica]) {
            if (!piece.settled) roots[i] = {};
            continue;
          }
          const bool goes_on = i > 0 && roots[i - 1] == roots[i];
          put(piece, roots[i], goes_on ? decoded.pieces[i - 1].last() : ElementId{});
        }
      }
      for_each_after_origins(decoded.pieces,
                             [&](std::size_t i) { put(decoded.pieces[i], roots[i], {}); });
    }
    for (auto [replica, removal] : decoded.removals) {
      const Sequence known = ours[replica];
      if (removal.by + (removal.count - 1) <= known) continue;
      if (removal.by <= known) removal = removal.without_first(known - removal.by + 1);
      wrote(replica, removal.by + (removal.count - 1));
      sequence.note_removal(replica, removal);
      remove_elements(index, removal.first(), removal.count);
    }
    // Only now it is known which elements are there, and may be held.
    if constexpr (std::is_same_v<Tree, ListSequence>) {
      const auto for_each_moved = [&](auto visit) {
        for (const Moved& part : moved) {
          for (std::uint64_t i = part.offset; i < part.offset + part.count; ++i) {
            visit(*part.piece, part.piece->id.plus(i), i);
          }
        }
      };
      for_each_moved([&](const DecodedSequence::Piece& piece, ElementId id, std::uint64_t i) {
        if (!piece.holder) return;
        remember_for_prune(index);
        const ListSequence::Holder& holder = decoded.holders[piece.holders + i];
        if (piece.live) {
          hash_ += sequence.admit(context, id, holder, [](const auto&) {});
        } else {
          sequence.note_dropped(id, holder.element);
        }
      });
      for_each_moved([&](const DecodedSequence::Piece& piece, ElementId id, std::uint64_t) {
        if (piece.away) sequence.settle_away(id);
      });
    }
  });
  for (const auto& [replica, sequence] : last) {
    items.push_back({replica, {sequence, ref(index)}});
  }
}

}  // namespace rejoin
