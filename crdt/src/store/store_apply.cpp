// Events of others, effect by effect.
#include <algorithm>
#include <boost/container/small_vector.hpp>
#include <type_traits>

#include "rejoin/crdt/assert.h"
#include "rejoin/crdt/mutant.h"
#include "store/change.h"
#include "store/mark_codec.h"
#include "store/transaction_state.h"

namespace rejoin {

// What an event's effects refer to: its writer and its table, in this document's numbers.
struct Store::EventContext {
  const Event& event;
  ReplicaIndex writer;
  std::vector<ReplicaIndex> replicas;  // no_replica where it is not known here

  LocalDot dot(EventDot d) const {
    return {d.replica == 0 ? writer : replicas[d.replica - 1], d.sequence};
  }
};

Result<Applied> Store::apply(const Event& event) {
  REJOIN_ASSERT(!in_transaction());
  const ReplicaIndex known = find_replica(event.writer());
  const Sequence have = known == no_replica ? retired_.get(event.writer()) : writers_[known].clock;
  if (event.last() <= have) return Applied::duplicate;
  if (event.first() > have + 1) return Applied::missing;
  if (event.first() <= have) {
    return make_error(ErrorCode::malformed,
                      "event " + event.id().to_string() + " overlaps writes that are here already");
  }
  const bool ready = includes(event.dependencies());
  if (!ready && !REJOIN_MUTATED(event_applied_before_what_it_depends_on)) return Applied::missing;

  apply_effects(event, nullptr);
  for (const auto& [id, sequence] : event.dependencies()) {
    const ReplicaIndex replica = find_replica(id);
    if (replica == no_replica || id == event.writer()) continue;
    writers_[replica].depended_on = std::max(writers_[replica].depended_on, sequence);
  }
  return Applied::applied;
}

void Store::replay(const Event& event, const Path& place) {
  REJOIN_ASSERT(!in_transaction());
  apply_effects(event, &place);
}

// Those at, below and above `place` alone, where one is given.
void Store::apply_effects(const Event& event, const Path* place) {
  EventContext context{event, intern(event.writer()), {}};
  context.replicas.reserve(event.replicas_.size());
  for (const ReplicaId& id : event.replicas_) context.replicas.push_back(find_replica(id));

  EffectReader effects(std::string_view(event.bytes_).substr(event.effects_at_),
                       event.replicas_.size(), event.first(), event.last());
  Effect effect;
  std::vector<Step> steps;
  boost::container::small_vector<NodeIndex, 8> path;
  std::size_t depth = 0;
  std::size_t same = 0;
  while (effects.next(effect)) {
    if (place != nullptr) {
      depth = effect.shared + effect.steps.size();
      same = steps_alike(same, effect, place->steps());
      steps.resize(effect.shared);
      steps.insert(steps.end(), effect.steps.begin(), effect.steps.end());
      if (same < std::min(depth, place->depth())) continue;
      effect.shared = 0;
      effect.steps = steps;
    }
    path.resize(effect.shared);
    for (const Step& step : effect.steps) {
      path.push_back(find_or_create_child(path.empty() ? root : path.back(), step.type, step.key));
    }
    const NodeIndex index = path.empty() ? root : path.back();
    if (std::any_of(path.begin(), path.end(), [&](NodeIndex i) { return is_orphan(i); })) continue;
    apply_effect(effect, index, context);
    if (REJOIN_MUTATED(event_is_not_indexed)) continue;
    index_append(context.writer, effect.first + effect.count - 1, index);
  }
  REJOIN_ASSERT(effects.ok());  // Event::decode has read them all once
  advance(context.writer, event.last());
  sweep_doomed();
}

Sequence Store::known_before(const Effect& effect, ReplicaIndex replica,
                             const EventContext& context) const {
  if (replica == no_replica) return 0;
  return replica == context.writer ? effect.first - 1 : writers_[replica].clock;
}

void Store::apply_effect(const Effect& effect, NodeIndex index, EventContext& context) {
  const LocalDot dot{context.writer, effect.first};
  const auto id = [&](EventDot d) {
    const LocalDot local = context.dot(d);
    return ElementId{local.replica, local.sequence};
  };
  switch (effect.kind) {
    case EffectKind::put:
      apply_put(index, effect, context);
      return;
    case EffectKind::remove: {
      Change change(*this, index);
      erase_entries(index, [&](LocalDot d) {
        return std::any_of(effect.dots.begin(), effect.dots.end(),
                           [&](const EventDot& e) { return context.dot(e) == d; });
      });
      if (!REJOIN_MUTATED(removal_leaves_no_touch)) add_touch(index, dot);
      return;
    }
    case EffectKind::remove_subtree: {
      Clock clock;
      for (const EventDot& d : effect.dots) {
        // Nobody honest has seen more than what came before.
        const LocalDot local = context.dot(d);
        const Sequence seen = std::min(d.sequence, known_before(effect, local.replica, context));
        if (seen > 0) clock.set(replica_id(local.replica), seen);
      }
      apply_subtree_removal({dot, index, std::move(clock), effect.keep_self});
      return;
    }
    case EffectKind::counter_add: {
      Change change(*this, index);
      apply_counter(index, CounterEntry{effect.first, context.writer, effect.total,
                                        effect.base_sequence, effect.base});
      subsume_touches(index, context.writer);
      return;
    }
    case EffectKind::counter_reset: {
      Change change(*this, index);
      for (const Effect::Reset& reset : effect.resets) {
        apply_counter_reset(index, context.dot(reset.dot), reset.total);
      }
      add_touch(index, dot);
      return;
    }
    case EffectKind::list_insert:
    case EffectKind::text_insert: {
      Change change(*this, index);
      with_sequence(index, [&](auto& sequence) {
        typename std::remove_cvref_t<decltype(sequence)>::Piece piece;
        piece.id = {context.writer, effect.first};
        piece.count = effect.count;
        piece.left = id(effect.left);
        piece.right = id(effect.right);
        if constexpr (requires { piece.content = effect.text; }) {
          piece.content = effect.text;
        } else {
          piece.content = effect.values;
        }
        hash_ += sequence.integrate(context_of(index), piece);
      });
      return;
    }
    case EffectKind::list_move: {
      remember_for_prune(index);
      Change change(*this, index);
      ListSequence::Piece piece;
      piece.id = {context.writer, effect.first};
      piece.left = id(effect.left);
      piece.right = id(effect.right);
      const std::uint64_t time = context.event.time().value;
      const std::uint64_t later =
          REJOIN_MUTANT(move_counts_by_its_time_alone, effect.later, std::uint64_t{0});
      const std::uint64_t stamp = time + std::min(later, ~time);  // at most the last time
      hash_ += sequence_of<std::vector<Value>>(index).move(
          context_of(index), piece, {id(effect.element), stamp}, [](const auto&) {});
      return;
    }
    case EffectKind::sequence_remove: {
      remember_for_prune(index);
      Change change(*this, index);
      with_sequence(index, [&](auto& sequence) {
        Sequence by = effect.first;
        for (const Effect::Range& range : effect.ranges) {
          const LocalDot target = context.dot(range.target);
          const SequenceRemoval removal{
              by, {target.replica, target.sequence}, range.count, range.descending};
          by += range.count;
          // Nobody honest removes what is not here.
          if (removal.first().sequence + (range.count - 1) >
              known_before(effect, target.replica, context)) {
            continue;
          }
          if (!REJOIN_MUTATED(element_removal_is_not_noted)) {
            sequence.note_removal(context.writer, removal);
          }
          remove_elements(index, removal.first(), range.count);
        }
      });
      return;
    }
  }
}

void Store::apply_put(NodeIndex index, const Effect& effect, EventContext& context) {
  Change change(*this, index);
  // Who saw a write saw all earlier ones of its writer. (They are not named where they are
  // forgotten.)
  erase_entries(index, [&](LocalDot d) {
    return std::any_of(effect.dots.begin(), effect.dots.end(), [&](const EventDot& e) {
      const LocalDot named = context.dot(e);
      return named.replica == d.replica &&
             REJOIN_MUTANT(put_overwrites_only_what_it_names, named.sequence >= d.sequence,
                           named.sequence == d.sequence);
    });
  });
  Node& n = node(index);
  std::get<Entries>(n.cell).push_back(
      Entry{effect.first, context.writer, context.event.time(), effect.value});
  subsume_touches(index, context.writer);
  if (removal_wins(n) && !effect.value.as_bool()) remember_for_prune(index);
}

// True when anything went. Within a Change.
bool Store::erase_entries(NodeIndex index, const std::function<bool(LocalDot)>& which) {
  Entries& entries = std::get<Entries>(node(index).cell);
  bool any = false;
  for (std::size_t i = entries.size(); i-- > 0;) {
    if (!which(entries[i].dot())) continue;
    ++writers_[entries[i].replica].stale;
    entries.erase(entries.begin() + static_cast<std::ptrdiff_t>(i));
    any = true;
    if (REJOIN_MUTATED(only_one_entry_is_overwritten)) break;
  }
  if (any) doom(index);
  return any;
}

void Store::apply_counter(NodeIndex index, const CounterEntry& entry) {
  CounterEntries& entries = std::get<CounterEntries>(node(index).cell);
  for (CounterEntry& e : entries) {
    if (e.replica != entry.replica) continue;
    // A writer that had forgotten its part counts from 0 again, with a base just before its first
    // increment: that may be the very sequence up to which a reset took the old part away.
    const bool newer = entry.sequence > e.sequence || REJOIN_MUTATED(counter_takes_an_older_total);
    if ((entry.base_sequence > e.base_sequence && !REJOIN_MUTATED(counter_ignores_a_newer_base)) ||
        (entry.base_sequence == e.base_sequence && newer)) {
      e.base_sequence = entry.base_sequence;
      e.base = entry.base;
    }
    if (newer) {
      e.sequence = entry.sequence;
      e.total = entry.total;
      ++writers_[e.replica].stale;
    }
    return;
  }
  entries.push_back(entry);
}

void Store::apply_counter_reset(NodeIndex index, LocalDot up_to, std::int64_t total) {
  for (CounterEntry& e : std::get<CounterEntries>(node(index).cell)) {
    if (e.replica != up_to.replica) continue;
    if (up_to.sequence <= e.base_sequence && !REJOIN_MUTATED(counter_reset_goes_back)) continue;
    e.base_sequence = up_to.sequence;
    e.base = total;
  }
}

// ---- Removal of a subtree ----

std::vector<Sequence> Store::dense(const Clock& clock) const {
  std::vector<Sequence> out(writers_.size(), 0);
  for (const auto& [id, sequence] : clock) {
    const ReplicaIndex r = find_replica(id);
    if (r != no_replica) out[r] = sequence;
  }
  return out;
}

void Store::apply_subtree_removal(SubtreeRemoval removal) {
  const std::vector<Sequence> clock = dense(removal.clock);
  remove_below(removal.node, removal, clock);
  drop_subsumed_removals(removal, clock);
  ++extra(node(removal.node)).subtree_removals;
  mark_changed(removal.node);
  removals_.push_back(std::move(removal));
}

void Store::remove_below(NodeIndex index, const SubtreeRemoval& removal,
                         const std::vector<Sequence>& clock) {
  for_each_child(index, [&](NodeIndex child) { remove_below(child, removal, clock); });
  const auto seen = [&](LocalDot d) {
    return d.sequence <= clock[d.replica] ||
           REJOIN_MUTATED(subtree_removal_takes_what_it_did_not_see);
  };
  Node& n = node(index);
  const bool this_cell =
      index != removal.node || !removal.keep_self || REJOIN_MUTATED(clearing_removes_the_container);
  if (this_cell && !is_counter(n.type)) {
    const Entries& entries = std::get<Entries>(n.cell);
    const bool any =
        std::any_of(entries.begin(), entries.end(), [&](const Entry& e) { return seen(e.dot()); });
    if (any) {
      save_cell(index);
      Change change(*this, index);
      erase_entries(index, seen);
    }
  }
  if (!n.extra) return;
  with_existing_sequence(n, [&](auto& sequence) {
    if (sequence.live_count() == 0) return;
    save_cell(index);
    Change change(*this, index);
    remember_for_prune(index);
    std::vector<ElementRange> seen_ones;
    sequence.for_each_piece([&](const auto& piece) {
      const Sequence up_to = clock[piece.id.replica];
      if (!(piece.live || piece.away) || piece.holder || piece.id.sequence > up_to) return;
      seen_ones.push_back({piece.id, std::min(piece.count, up_to - piece.id.sequence + 1)});
    });
    for (const ElementRange& range : seen_ones) remove_elements(index, range.id, range.count);
  });
  // Who lacks those removals lacks this one, and this one takes the same entries away; but counters
  // are not taken away by it.
  if (this_cell && !is_counter(n.type) &&
      std::any_of(n.extra->touches.begin(), n.extra->touches.end(), seen)) {
    save_cell(index);
    Touches& touches = n.extra->touches;
    for (std::size_t i = touches.size(); i-- > 0;) {
      if (!seen(touches[i])) continue;
      ++writers_[touches[i].replica].stale;
      --touch_count_;
      touches.erase(touches.begin() + static_cast<std::ptrdiff_t>(i));
    }
    mark_dirty(index);
    doom(index);
  }
}

void Store::drop_subsumed_removals(const SubtreeRemoval& removal,
                                   const std::vector<Sequence>& clock) {
  const auto below = [&](NodeIndex index) {
    while (index != removal.node && index != root) index = node(index).parent;
    return index == removal.node;
  };
  for (std::size_t i = removals_.size(); i-- > 0;) {
    const SubtreeRemoval& old = removals_[i];
    if (old.dot.sequence > clock[old.dot.replica] || !below(old.node)) continue;
    if (old.node == removal.node && removal.keep_self && !old.keep_self) continue;
    if (!removal.clock.includes(old.clock)) continue;  // from no honest writer
    ++writers_[old.dot.replica].stale;
    --node(old.node).extra->subtree_removals;
    doom(old.node);
    removals_.erase(removals_.begin() + static_cast<std::ptrdiff_t>(i));
  }
}

std::size_t Store::prune(const Clock& stable, const Clock& early, const Clock& elements) {
  REJOIN_ASSERT(!in_transaction());
  const std::vector<Sequence> all_have = dense_with_retired(stable);
  const std::vector<Sequence> known = dense_with_retired(early);
  const std::vector<Sequence> of_elements = dense_with_retired(elements);
  const Sequence too_far = REJOIN_MUTANT(prune_one_write_too_early, 0u, 1u);
  const auto is_stable = [&](LocalDot d) { return d.sequence <= all_have[d.replica] + too_far; };
  const std::size_t before = touch_count_ + removals_.size();
  bool any = false;
  bool elements_changed = false;
  std::vector<NodeRef> later;
  for (const NodeRef& ref : awaiting_prune_) {
    const NodeIndex index = resolve(ref);
    if (index == no_node) continue;
    Node& n = node(index);
    bool changed = false;
    bool pending = false;
    if (n.extra) {
      // Where a removal has a say in what comes later, it stays until nothing can come.
      const auto& enough = is_counter(n.type) || removal_wins(n) ? all_have : known;
      Touches& touches = n.extra->touches;
      for (std::size_t i = touches.size(); i-- > 0;) {
        if (touches[i].sequence > enough[touches[i].replica]) continue;
        ++writers_[touches[i].replica].stale;
        --touch_count_;
        touches.erase(touches.begin() + static_cast<std::ptrdiff_t>(i));
        changed = true;
      }
      pending = !touches.empty();
    }
    if (auto* counters = std::get_if<CounterEntries>(&n.cell)) {
      // A part that a reset took away whole is remembered only as long as the reset is. An
      // increment takes the place of its writer's touch, so it stands for a reset before it.
      const bool resets_stable =
          !pending && std::all_of(counters->begin(), counters->end(), [&](const CounterEntry& e) {
            return is_stable({e.replica, e.sequence}) && is_stable({e.replica, e.base_sequence});
          });
      for (std::size_t i = counters->size(); i-- > 0;) {
        const CounterEntry& e = (*counters)[i];
        if (e.live()) continue;
        if (!resets_stable && !REJOIN_MUTATED(prune_forgets_counter_parts_early)) {
          pending = true;
          continue;
        }
        ++writers_[e.replica].stale;
        counters->erase(counters->begin() + static_cast<std::ptrdiff_t>(i));
        changed = true;
      }
    } else if (n.type == Type::element && removal_wins(n)) {
      Entries& entries = std::get<Entries>(n.cell);
      const bool out = std::any_of(entries.begin(), entries.end(),
                                   [](const Entry& e) { return !e.value.as_bool(); });
      if (out && std::all_of(entries.begin(), entries.end(),
                             [&](const Entry& e) { return is_stable(e.dot()); })) {
        for (const Entry& e : entries) {
          ++writers_[e.replica].stale;
          if (!REJOIN_MUTATED(prune_keeps_no_account_of_elements)) {
            forgotten_.advance(to_dot(e.dot()));
          }
        }
        entries.clear();
        changed = true;
      } else {
        pending |= out;
      }
    }
    with_existing_sequence(n, [&](auto& sequence) {
      const auto pruned = sequence.prune(of_elements);
      changed |= pruned.changed;
      elements_changed |= pruned.changed;
      pending |= pruned.pending;
    });
    if (changed) {
      any = true;
      mark_dirty(index);
      doom(index);
    }
    n.awaits_prune = pending;
    if (pending) later.push_back(ref);
  }
  awaiting_prune_ = std::move(later);
  for (std::size_t i = removals_.size(); i-- > 0;) {
    const SubtreeRemoval& removal = removals_[i];
    if (removal.dot.sequence > known[removal.dot.replica]) continue;
    ++writers_[removal.dot.replica].stale;
    --node(removal.node).extra->subtree_removals;
    doom(removal.node);
    removals_.erase(removals_.begin() + static_cast<std::ptrdiff_t>(i));
    any = true;
  }
  if (any) raise_floor(early);
  if (elements_changed) raise_element_floor(elements);
  sweep_doomed();
  return before - touch_count_ - removals_.size();
}

void Store::raise_floor(Clock forgotten) {
  forgotten.meet(clock_);
  if (!REJOIN_MUTATED(prune_does_not_raise_the_floor)) floor_.join(forgotten);
}

void Store::raise_element_floor(Clock forgotten) {
  forgotten.meet(clock_);
  element_floor_.join(forgotten);
  raise_floor(std::move(forgotten));
}

std::vector<ElementId> Store::named_by_marks(NodeIndex text) const {
  std::vector<ElementId> named;
  for_each_child(text, [&](NodeIndex mark) {
    if (!is_live(node(mark))) return;
    const std::optional<MarkKey> key = decode_mark_key(node(mark).key.as_bytes());
    for (const Cursor& end : {key->begin, key->end}) {
      if (end.element.sequence != 0) named.push_back(to_element(end.element));
    }
  });
  return named;
}

std::uint64_t Store::forget_elements(const Clock& stable) {
  REJOIN_ASSERT(!in_transaction());
  // Of removals that were forgotten before all had them nothing tells any more that they are not
  // stable.
  if (!stable.includes(element_floor_) &&
      !REJOIN_MUTATED(elements_forgotten_before_their_removal)) {
    return 0;
  }
  const std::vector<Sequence> clock = dense_with_retired(stable);
  // The removal of a subtree may not be stable, and is not noted with the elements below.
  const auto removal_is_stable = [&](NodeIndex index) {
    for (NodeIndex i = index; i != no_node; i = node(i).parent) {
      if (!node(i).extra || node(i).extra->subtree_removals == 0) continue;
      const bool unstable =
          std::any_of(removals_.begin(), removals_.end(), [&](const SubtreeRemoval& removal) {
            return removal.node == i && removal.dot.sequence > clock[removal.dot.replica];
          });
      if (unstable) return false;
    }
    return true;
  };
  std::uint64_t gone = 0;
  bool any = false;
  std::vector<NodeRef> later;
  for (const NodeRef& ref : awaiting_settling_) {
    const NodeIndex index = resolve(ref);
    if (index == no_node) continue;
    Node& n = node(index);
    bool pending = false;
    with_existing_sequence(n, [&](auto& sequence) {
      pending = !removal_is_stable(index);
      if (pending) return;
      using Kept = typename std::remove_cvref_t<decltype(sequence)>::Kept;
      std::vector<ElementId> named =
          n.type == Type::text ? named_by_marks(index) : std::vector<ElementId>();
      const Kept kept = n.type == Type::log ? Kept::last : Kept::first;
      const auto forgotten = sequence.forget_elements(clock, kept, std::move(named));
      pending = forgotten.pending || n.awaits_prune;
      any = any || forgotten.elements > 0 || forgotten.origins;
      if (forgotten.elements == 0) return;
      gone += forgotten.elements;
      mark_dirty(index);
      doom(index);
    });
    n.awaits_settling = pending;
    if (pending) later.push_back(ref);
  }
  awaiting_settling_ = std::move(later);
  if (any && !REJOIN_MUTATED(settling_does_not_raise_the_floor)) raise_element_floor(stable);
  sweep_doomed();
  return gone;
}

}  // namespace rejoin
