// Local writes: each changes the tree at once, is encoded into the open event, and can be undone.
#include <algorithm>
#include <type_traits>

#include "rejoin/crdt/assert.h"
#include "rejoin/crdt/limits.h"
#include "store/change.h"
#include "store/element_key.h"
#include "store/transaction_state.h"

namespace rejoin {

namespace {
constexpr std::size_t waiting_content_max = std::size_t{1} << 20;
}  // namespace

void Store::begin(TransactionOptions options) {
  REJOIN_ASSERT(!in_transaction_);
  if (!transaction_) transaction_ = std::make_unique<TransactionState>();
  transaction_->clear();
  transaction_->options = std::move(options);
  transaction_->first = writers_[self_].clock + 1;
  in_transaction_ = true;
  (void)savepoint();
}

std::size_t Store::savepoint() {
  settle();
  close_sequence_effect();
  TransactionState& t = *transaction_;
  const Writer_& writer = writers_[self_];
  t.savepoints.push_back({t.writes, t.effects.size(), t.undo.size(), writer.index.size(),
                          writer.index.empty() ? 0 : writer.index.back().sequence, writer.clock,
                          hash_, t.path});
  ++epoch_;
  return t.savepoints.size() - 1;
}

std::size_t Store::transaction_size() const {
  const bool waits = !transaction_->texts.empty() || !transaction_->values.empty();
  return transaction_->writes + (transaction_->open.node == no_node ? 0 : 1) + (waits ? 1 : 0);
}

HybridTime Store::transaction_time() const { return transaction_->options.time; }

Status Store::check_writable(NodeIndex index) const {
  const std::size_t bytes = transaction_->effects.size() + transaction_->open.content.size();
  if (bytes > limits::event_bytes_max / 2 || transaction_->writes >= limits::event_effects_max) {
    return make_error(ErrorCode::limit_exceeded, "the transaction is too large; commit it in parts",
                      path_of(index).to_string());
  }
  // What is there already was checked when it was written.
  if (node(index).live > 0) return {};
  if (Status fits = check_depth(depth_of(index), index); !fits.ok()) return fits;
  if (is_below_orphan(index)) {
    return make_error(ErrorCode::not_found, "the element of a list that this lies in was removed",
                      path_of(index).to_string());
  }
  for (NodeIndex i = index; i != root; i = node(i).parent) {
    const Value& key = node(i).key;
    if (key.contents().size() > limits::key_bytes_max) {
      return make_error(ErrorCode::limit_exceeded,
                        "a name or element may have " + std::to_string(limits::key_bytes_max) +
                            " bytes, this one has " + std::to_string(key.contents().size()),
                        path_of(node(i).parent).to_string());
    }
    if (node(i).live > 0) break;
    if (key.is_string() && !is_valid_utf8(key.as_string())) {
      return make_error(ErrorCode::invalid_argument, "a name is not valid UTF-8; use bytes",
                        path_of(node(i).parent).to_string());
    }
  }
  return {};
}

Status Store::check_depth(std::size_t depth, NodeIndex at) const {
  if (depth <= limits::path_depth_max) return {};
  return make_error(ErrorCode::limit_exceeded,
                    "a path may have " + std::to_string(limits::path_depth_max) +
                        " steps, this one has " + std::to_string(depth),
                    path_of(at).to_string());
}

void Store::encode_path(NodeIndex index, Writer& out) {
  std::vector<NodeIndex>& last = transaction_->path;
  // Nearly always the cell of the write before, or one beside it.
  if (!last.empty() && last.back() == index) {
    out.varint(last.size());
    out.varint(0);
    return;
  }
  const Node& n = node(index);
  if (!last.empty() && n.parent == node(last.back()).parent) {
    out.varint(last.size() - 1);
    out.varint(1);
    out.u8(static_cast<std::uint8_t>(n.type));
    n.key.encode(out);
    last.back() = index;
    return;
  }
  encode_node_path(index, last, out);
}

void Store::encode_dot(LocalDot dot, Writer& out) {
  out.varint(transaction_->replica(dot.replica, self_));
  out.varint(dot.sequence);
}

void Store::encode_origins(ElementId left, ElementId right, Writer& out) {
  for (const ElementId origin : {left, right}) {
    encode_dot({origin.is_boundary() ? self_ : origin.replica, origin.sequence}, out);
  }
}

Sequence Store::begin_write(EffectKind kind, NodeIndex index, Sequence dots) {
  settle();
  close_sequence_effect();
  Writer_& writer = writers_[self_];
  const Sequence first = writer.clock + 1;
  writer.clock += dots;
  ++transaction_->writes;
  Writer out(transaction_->effects);
  out.u8(static_cast<std::uint8_t>(kind));
  encode_path(index, out);
  index_append(self_, writer.clock, index);
  return first;
}

void Store::save_cell(NodeIndex index) {
  if (!in_transaction_) return;
  Node& n = node(index);
  if (n.saved_at == epoch_) return;
  n.saved_at = epoch_;
  save_touches(n, transaction_->undo.emplace_back(
                      Undo{Undo::Kind::cell, index, n.cell, {}, {}, {}, {}, {}}));
}

void Store::save_removals(NodeIndex index) {
  if (!in_transaction_) return;
  transaction_->undo.push_back(Undo{Undo::Kind::removal,
                                    index,
                                    {},
                                    {},
                                    {},
                                    std::make_unique<std::vector<SubtreeRemoval>>(removals_),
                                    {},
                                    {}});
}

void Store::save_touches(const Node& n, Undo& undo) const {
  if (n.extra && !n.extra->touches.empty()) {
    undo.touches = std::make_unique<Touches>(n.extra->touches);
  }
}

void Store::take_entries(NodeIndex index) {
  Node& n = node(index);
  Entries& entries = std::get<Entries>(n.cell);
  if (n.saved_at != epoch_) {
    n.saved_at = epoch_;
    save_touches(n, transaction_->undo.emplace_back(Undo{
                        Undo::Kind::cell, index, Cell(std::move(entries)), {}, {}, {}, {}, {}}));
  }
  entries.clear();
}

void Store::put(NodeIndex index, const Value& value) {
  const Sequence sequence = begin_write(EffectKind::put, index);
  Change change(*this, index);
  Entries& entries = std::get<Entries>(node(index).cell);
  Writer out(transaction_->effects);
  if (entries.empty() && node(index).type == Type::element && removal_wins(node(index))) {
    out.varint(forgotten_.size());
    for (const auto& [id, last] : forgotten_) encode_dot({find_replica(id), last}, out);
  } else {
    out.varint(entries.size());
    for (const Entry& e : entries) {
      encode_dot(e.dot(), out);
      ++writers_[e.replica].stale;
    }
  }
  value.encode(out);
  take_entries(index);
  entries.push_back(Entry{sequence, self_, transaction_->options.time, value});
  clear_touches(index);
  const Node& n = node(index);
  if (removal_wins(n) && !value.as_bool()) remember_for_prune(index);
}

void Store::remove_entries(NodeIndex index, const std::optional<Dot>& only) {
  const Sequence sequence = begin_write(EffectKind::remove, index);
  save_cell(index);
  Change change(*this, index);
  Entries& entries = std::get<Entries>(node(index).cell);
  const auto gone = std::partition(entries.begin(), entries.end(), [&](const Entry& e) {
    return only && to_dot(e.dot()) != *only;
  });
  Writer out(transaction_->effects);
  out.varint(static_cast<std::uint64_t>(entries.end() - gone));
  for (auto e = gone; e != entries.end(); ++e) {
    encode_dot(e->dot(), out);
    ++writers_[e->replica].stale;
  }
  entries.erase(gone, entries.end());
  clear_touches(index);
  add_touch(index, {self_, sequence});
}

bool Store::counter_would_overflow(NodeIndex index, std::int64_t amount) const {
  std::int64_t total = 0;
  for (const CounterEntry& e : std::get<CounterEntries>(node(index).cell)) {
    if (e.replica == self_) total = e.total;
  }
  std::int64_t sum;
  return __builtin_add_overflow(total, amount, &sum);
}

void Store::counter_add(NodeIndex index, std::int64_t amount) {
  const Sequence sequence = begin_write(EffectKind::counter_add, index);
  save_cell(index);
  Change change(*this, index);
  CounterEntries& entries = std::get<CounterEntries>(node(index).cell);
  CounterEntry* own = nullptr;
  for (CounterEntry& e : entries) {
    if (e.replica == self_) own = &e;
  }
  if (own == nullptr) {
    // Its base lies just before it, so that it takes over from whatever part of ours others
    // remember.
    entries.push_back(CounterEntry{sequence, self_, 0, sequence - 1, 0});
    own = &entries.back();
  } else {
    ++writers_[self_].stale;
  }
  own->sequence = sequence;
  own->total += amount;
  Writer out(transaction_->effects);
  out.zigzag(own->total);
  out.varint(own->base_sequence);
  out.zigzag(own->base);
  subsume_touches(index, self_);
}

void Store::counter_reset(NodeIndex index) {
  const Sequence sequence = begin_write(EffectKind::counter_reset, index);
  save_cell(index);
  Change change(*this, index);
  CounterEntries& entries = std::get<CounterEntries>(node(index).cell);
  Writer out(transaction_->effects);
  out.varint(static_cast<std::uint64_t>(
      std::count_if(entries.begin(), entries.end(), [](const auto& e) { return e.live(); })));
  for (CounterEntry& e : entries) {
    if (!e.live()) continue;
    encode_dot({e.replica, e.sequence}, out);
    out.zigzag(e.total);
    e.base_sequence = e.sequence;
    e.base = e.total;
  }
  clear_touches(index);
  add_touch(index, {self_, sequence});
}

void Store::remove_subtree(NodeIndex index, bool keep_self) {
  // A counter's entry cannot be split by a clock: what is removed of it is said explicitly.
  std::vector<NodeIndex> counters;
  const std::function<void(NodeIndex)> collect = [&](NodeIndex i) {
    if (is_counter(node(i).type) && is_live(node(i))) counters.push_back(i);
    for_each_child(i, collect);
  };
  collect(index);
  for (NodeIndex counter : counters) counter_reset(counter);

  Clock clock = clock_;
  if (writers_[self_].clock > 0) clock.set(self(), writers_[self_].clock);
  // Of retired replicas those of which anything is here: of the others tells_since() knows. And
  // those that were named before.
  for (const Writer_& writer : writers_) {
    if (writer.retired && !writer.index.empty() &&
        !REJOIN_MUTATED(subtree_removal_spares_the_retired)) {
      clock.set(writer.id, writer.clock);
    }
  }
  for (const ReplicaIndex r : transaction_->replicas) {
    if (writers_[r].retired) clock.set(writers_[r].id, writers_[r].clock);
  }
  const Sequence sequence = begin_write(EffectKind::remove_subtree, index);
  Writer out(transaction_->effects);
  out.varint(keep_self ? 1 : 0);
  out.varint(clock.size());
  for (const auto& [id, last] : clock) encode_dot({find_replica(id), last}, out);
  save_removals(index);
  apply_subtree_removal({{self_, sequence}, index, std::move(clock), keep_self});
}

// ---- Sequences ----

void Store::close_sequence_effect() {
  TransactionState::SequenceEffect& open = transaction_->open;
  if (open.node == no_node) return;
  ++transaction_->writes;
  Writer out(transaction_->effects);
  out.u8(static_cast<std::uint8_t>(open.kind));
  encode_path(open.node, out);
  if (open.kind == EffectKind::sequence_remove) {
    out.varint(open.removals.size());
    for (const SequenceRemoval& removal : open.removals) {
      encode_dot({removal.target.replica, removal.target.sequence}, out);
      out.varint(removal.count << 1 | (removal.descending ? 1 : 0));
    }
  } else {
    encode_origins(open.left, open.right, out);
    out.varint(open.kind == EffectKind::list_insert ? open.count : open.content.size());
    out.raw(open.content);
  }
  open.clear();
}

Sequence Store::take_sequence_dots(NodeIndex index, std::size_t count) {
  Writer_& writer = writers_[self_];
  const Sequence first = writer.clock + 1;
  writer.clock += count;
  index_append(self_, writer.clock, index);
  save_cell(index);
  return first;
}

Store::SequenceUndo& Store::sequence_undo(NodeIndex index) {
  std::vector<Undo>& undo = transaction_->undo;
  const std::size_t since = transaction_->savepoints.back().undo;
  if (undo.size() > since && undo.back().kind == Undo::Kind::sequence &&
      undo.back().node == index) {
    return *undo.back().sequence;
  }
  undo.push_back(
      Undo{Undo::Kind::sequence, index, {}, {}, std::make_unique<SequenceUndo>(), {}, {}, {}});
  return *undo.back().sequence;
}

template <class Buffer>
void Store::sequence_insert(NodeIndex index, std::size_t at, std::size_t count,
                            typename Sequenced<Buffer>::Slice content) {
  constexpr bool text = std::is_same_v<Buffer, std::string>;
  constexpr EffectKind kind = text ? EffectKind::text_insert : EffectKind::list_insert;
  Sequenced<Buffer>& sequence = sequence_of<Buffer>(index);
  const ElementId id{self_, take_sequence_dots(index, count)};
  const auto gap = node(index).type == Type::log ? sequence.gap_at_end() : sequence.gap_at(at);
  TransactionState::SequenceEffect& open = transaction_->open;
  const bool goes_on = open.node == index && open.kind == kind && open.next == id &&
                       gap.left == ElementId{self_, id.sequence - 1} && gap.right == open.right;
  if (!goes_on) {
    close_sequence_effect();
    open.node = index;
    open.kind = kind;
    open.left = gap.left;
    open.right = gap.right;
    open.count = 0;
  }
  open.next = id.plus(count);
  open.count += count;
  if constexpr (text) {
    open.content.append(content);
  } else {
    Writer out(open.content);
    for (const Value& value : content) value.encode(out);
  }
  sequence_undo(index).note_insertion(id, count);
  SequenceChange change(*this, index);
  hash_ += sequence.insert(context_of(index), gap, id, count, content);
}

template <class Buffer, class Edit>
void Store::let_wait(NodeIndex index, Edit edit) {
  Hunks<Buffer>& waiting = transaction_->waiting<Buffer>();
  if (waiting_at_.index != index || !edit(waiting)) {
    settle();
    waiting_at_ = ref(index);
    waiting_size_ = sequence_length(index);
    (void)edit(waiting);
  }
  // Limits are checked when the first of them comes.
  if (waiting.content_size() > waiting_content_max) settle();
}

void Store::list_insert(NodeIndex index, std::size_t at, std::span<const Value> values) {
  let_wait<std::vector<Value>>(
      index, [&](auto& edits) { return edits.insert(at, values.size(), values); });
  waiting_size_ += values.size();
}

bool Store::list_move(NodeIndex index, std::size_t from, std::size_t to) {
  settle();
  ListSequence& list = sequence_of<std::vector<Value>>(index);
  ListSequence::Holder holder;
  list.for_each_live(from, 1, [&](const ListSequence::Piece& piece) {
    holder.element = list.element_at(piece.id);
  });
  const std::uint64_t time = transaction_->options.time.value;
  holder.stamp = list.next_stamp(holder.element, time);
  if (holder.stamp < time) return false;
  const ElementId id{self_, begin_write(EffectKind::list_move, index)};
  save_cell(index);
  remember_for_prune(index);
  const auto gap = list.gap_at(from < to ? to + 1 : to);
  Writer out(transaction_->effects);
  encode_origins(gap.left, gap.right, out);
  encode_dot({holder.element.replica, holder.element.sequence}, out);
  out.varint(holder.stamp - time);
  SequenceUndo& undo = sequence_undo(index);
  undo.note_insertion(id, 1);
  SequenceChange change(*this, index);
  ListSequence::Piece piece;
  piece.id = id;
  piece.left = gap.left;
  piece.right = gap.right;
  hash_ += list.move(context_of(index), piece, holder,
                     [&](const ListSequence::Piece& gone) { undo.note_removal(gone); });
  return true;
}

NodeIndex Store::list_insert_map(NodeIndex index, std::size_t at) {
  const Dot element = next_dot();
  const Value none;
  list_insert(index, at, {&none, 1});
  settle();
  const NodeIndex map = find_or_create_child(index, Type::map, element_key(element));
  put(map, Value());
  return map;
}

void Store::text_insert(NodeIndex index, std::size_t at, std::string_view text, std::size_t count) {
  let_wait<std::string>(index, [&](auto& edits) { return edits.insert(at, count, text); });
  waiting_size_ += count;
}

bool Store::type_on(NodeRef text, std::size_t at, char ascii) {
  if (!edits_wait_at(text)) return false;
  Hunks<std::string>& waiting = transaction_->texts;
  if (waiting.content_size() == waiting_content_max || !waiting.type_on(at, ascii)) return false;
  ++waiting_size_;
  return true;
}

void Store::sequence_remove(NodeIndex index, std::size_t at, std::size_t count) {
  const auto remove = [&](auto& edits) { return edits.remove(at, count); };
  if (node(index).type == Type::text) {
    let_wait<std::string>(index, remove);
  } else {
    let_wait<std::vector<Value>>(index, remove);
  }
  waiting_size_ -= count;
  // Whoever holds on to a map that goes with its element is to hear of it at once.
  if (node(index).type == Type::list && node(index).first_child != no_node) settle();
}

template <class Buffer>
void Store::do_edits(NodeIndex index, Hunks<Buffer>& edits) {
  std::size_t longer = 0;
  for (const auto& hunk : edits.hunks()) {
    // Modulo 2^64, since edits may shorten as well.
    const std::size_t at = hunk.base + longer;
    if (hunk.inserted > 0) sequence_insert<Buffer>(index, at, hunk.inserted, hunk.content);
    if (hunk.removed > 0) do_sequence_remove(index, at + hunk.inserted, hunk.removed);
    longer += hunk.inserted - hunk.removed;
  }
  edits.clear();
}

void Store::do_waiting_edits() {
  const NodeIndex index = waiting_at_.index;
  waiting_at_ = {};
  if (node(index).type == Type::text) {
    do_edits(index, transaction_->texts);
  } else {
    do_edits(index, transaction_->values);
  }
}

std::size_t Store::sequence_size(NodeIndex index) const {
  return waiting_at_.index == index ? waiting_size_ : sequence_length(index);
}

std::size_t Store::sequence_length(NodeIndex index) const {
  std::size_t length = 0;
  with_existing_sequence(node(index),
                         [&](const auto& sequence) { length = sequence.live_count(); });
  return length;
}

void Store::do_sequence_remove(NodeIndex index, std::size_t at, std::size_t count) {
  Sequence by = take_sequence_dots(index, count);
  TransactionState::SequenceEffect& open = transaction_->open;
  if (open.node != index || open.kind != EffectKind::sequence_remove) {
    close_sequence_effect();
    open.node = index;
    open.kind = EffectKind::sequence_remove;
  }
  SequenceUndo& undo = sequence_undo(index);
  remember_for_prune(index);
  SequenceChange change(*this, index);
  with_sequence(index, [&](auto& sequence) {
    const auto note = [&](ElementId id, std::uint64_t n) {
      const SequenceRemoval removal{by, id, n, false};
      by += n;
      sequence.note_removal(self_, removal);
      if (open.removals.empty() || !extend(open.removals.back(), removal)) {
        open.removals.push_back(removal);
      }
    };
    if constexpr (std::is_same_v<decltype(sequence), ListSequence&>) {
      if (sequence.has_moves() || node(index).first_child != no_node) {
        // By their names, since what is seen at an index may be elsewhere, and have a map.
        std::vector<ElementRange> elements;
        sequence.for_each_live(at, count, [&](const auto& piece) {
          if (!piece.holder) return elements.push_back({piece.id, piece.count});
          for (std::uint64_t i = 0; i < piece.count; ++i) {
            elements.push_back({sequence.element_at(piece.id.plus(i)), 1});
          }
        });
        for (const ElementRange& range : elements) {
          note(range.id, range.count);
          remove_elements(index, range.id, range.count);
        }
        return;
      }
    }
    hash_ += sequence.remove(context_of(index), at, count, [&](const auto& piece) {
      undo.note_removal(piece);
      note(piece.id, piece.count);
    });
  });
}

void Store::rollback_to(std::size_t savepoint) {
  TransactionState& t = *transaction_;
  REJOIN_ASSERT(savepoint < t.savepoints.size());
  waiting_at_ = {};
  t.texts.clear();
  t.values.clear();
  t.open.clear();
  t.savepoints.resize(savepoint + 1);
  const TransactionState::Savepoint& to = t.savepoints.back();
  while (t.undo.size() > to.undo) {
    Undo undo = std::move(t.undo.back());
    t.undo.pop_back();
    switch (undo.kind) {
      case Undo::Kind::cell: {
        Change change(*this, undo.node);
        Node& n = node(undo.node);
        n.cell = std::move(undo.cell);
        if (n.extra) {
          touch_count_ -= n.extra->touches.size();
          n.extra->touches.clear();
        }
        if (undo.touches) {
          touch_count_ += undo.touches->size();
          extra(n).touches = std::move(*undo.touches);
          remember_for_prune(undo.node);
        }
        if (undo.list) extra(n).list = std::move(undo.list);
        if (undo.text) extra(n).text = std::move(undo.text);
        doom(undo.node);
        break;
      }
      case Undo::Kind::sequence: {
        Change change(*this, undo.node);
        with_sequence(undo.node, [&](auto& sequence) {
          undo.sequence->roll_back(sequence);
          sequence.forget_removals_from(self_, to.sequence + 1);
        });
        doom(undo.node);
        break;
      }
      case Undo::Kind::removal:
        for (const SubtreeRemoval& r : removals_) --node(r.node).extra->subtree_removals;
        for (const SubtreeRemoval& r : removals_) doom(r.node);
        removals_ = std::move(*undo.removals);
        for (const SubtreeRemoval& r : removals_) ++extra(node(r.node)).subtree_removals;
        break;
    }
  }
  // The hash of a sequence is not undone step by step; the whole hash is simply what it was.
  hash_ = to.hash;
  writers_[self_].clock = to.sequence;
  std::vector<IndexItem>& index = writers_[self_].index;
  index.resize(to.index);
  if (!index.empty()) index.back().sequence = to.index_last;
  t.effects.resize(to.effects);
  t.writes = to.writes;
  t.path = to.path;
  ++epoch_;
}

void Store::end_transaction() {
  rollback_to(0);
  in_transaction_ = false;
  sweep_doomed();
}

EventPtr Store::commit() {
  settle();
  close_sequence_effect();
  TransactionState* t = transaction_.get();
  in_transaction_ = false;
  if (t->writes == 0) {
    sweep_doomed();
    return nullptr;
  }
  Writer_& writer = writers_[self_];
  std::vector<std::pair<std::uint32_t, Sequence>> dependencies;
  for (ReplicaIndex r : changed_since_commit_) {
    writers_[r].changed_since_commit = false;
    if (r == self_) continue;
    writers_[r].depended_on = writers_[r].clock;
    dependencies.push_back({t->replica(r, self_), writers_[r].clock});
  }
  changed_since_commit_.clear();

  std::shared_ptr<Event> event(new Event());
  event->writer_ = writer.id;
  event->first_ = t->first;
  event->last_ = writer.clock;
  event->time_ = t->options.time;
  event->author_ = std::move(t->options.author);
  event->note_ = std::move(t->options.note);
  for (ReplicaIndex r : t->replicas) event->replicas_.push_back(replica_id(r));
  for (const auto& [index, sequence] : dependencies) {
    event->dependencies_.set(event->replicas_[index - 1], sequence);
  }
  std::string& bytes = event->bytes_;
  bytes.reserve(64 + event->author_.size() + event->note_.size() + 16 * event->replicas_.size() +
                12 * dependencies.size() + t->effects.size());
  Writer out(bytes);
  out.u8(event_format);
  out.replica(event->writer_);
  out.varint(event->first_);
  out.varint(event->last_ - event->first_ + 1);
  out.varint(event->time_.value);
  out.bytes(event->author_);
  out.bytes(event->note_);
  out.varint(event->replicas_.size());
  for (const ReplicaId& id : event->replicas_) out.replica(id);
  out.varint(dependencies.size());
  for (const auto& [index, sequence] : dependencies) {
    out.varint(index);
    out.varint(sequence);
  }
  event->effects_at_ = bytes.size();
  out.varint(t->writes);
  out.raw(t->effects);

  if (writer.retired) list_again(self_);
  clock_.set(writer.id, writer.clock);
  if (writer.stale * 2 > writer.index.size() + 64) compact_index(self_);
  sweep_doomed();
  return event;
}

}  // namespace rejoin
