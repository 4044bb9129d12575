#include "store/list_sequence.h"

#include <algorithm>

#include "rejoin/crdt/assert.h"
#include "rejoin/crdt/mutant.h"
#include "store/store.h"

namespace rejoin {

ElementId ListSequence::element_at(ElementId id) const {
  const auto held = holders_.find(id);
  return held == holders_.end() ? id : held->second.element;
}

auto ListSequence::standing(ElementId element) const -> std::optional<Standing> {
  const auto held = held_by_.find(element);
  return Sequenced::standing(held == held_by_.end() ? element : held->second);
}

std::uint64_t ListSequence::next_stamp(ElementId element, std::uint64_t time) const {
  const auto held = held_by_.find(element);
  if (held == held_by_.end()) return time;
  const std::uint64_t next = holder(held->second).stamp + 1;
  return next == 0 ? 0 : std::max(time, next);
}

StateHash ListSequence::hash(const SequenceContext& context) const {
  StateHash sum = Sequenced::hash(context);
  for (const auto& [id, held] : holders_) sum += context.hold_hash(id, held.element, held.stamp);
  return sum;
}

void ListSequence::count_in(ElementId id, const Holder& holder) {
  holders_[id] = holder;
  held_by_[holder.element] = id;
}

StateHash ListSequence::drop(const SequenceContext& context, ElementId id, ElementId reason,
                             Visit visit) {
  StateHash hash;
  Dropped& dropped = dropped_[id] = {{}, reason};
  if (const auto held = holders_.find(id); held != holders_.end()) {
    dropped.holder = held->second;
    hash -= context.hold_hash(id, held->second.element, held->second.stamp);
    held_by_.erase(held->second.element);
    holders_.erase(held);
  }
  return hash += take_out(context, id, visit);
}

StateHash ListSequence::move(const SequenceContext& context, Piece piece, const Holder& holder,
                             Visit visit) {
  // The content is that of the element, wherever it is seen now.
  Value content;
  if (lives(holder.element)) {
    const auto held = held_by_.find(holder.element);
    look_at(held == held_by_.end() ? holder.element : held->second,
            [&](const Piece& seen) { content = seen.content[0]; });
  }
  piece.count = 1;
  piece.live = true;
  piece.holder = true;
  piece.content = {&content, 1};
  const StateHash inserted = integrate(context, piece);
  return admit(context, piece.id, holder, visit) += inserted;
}

StateHash ListSequence::admit(const SequenceContext& context, ElementId id, const Holder& holder,
                              Visit visit) {
  if (!lives(holder.element)) {
    // Of an element that is forgotten, or comes from no honest writer, nobody waits to hear.
    return drop(context, id, contains(holder.element) ? holder.element : id, visit);
  }
  StateHash hash;
  if (const auto held = held_by_.find(holder.element); held != held_by_.end()) {
    const ElementId other = held->second;
    const std::uint64_t stamp = holders_.at(other).stamp;
    const bool earlier = stamp != holder.stamp ? holder.stamp < stamp : context.less(id, other);
    if (earlier && !REJOIN_MUTATED(move_that_arrives_last_wins)) {
      return drop(context, id, other, visit);
    }
    hash = drop(context, other, id, visit);
  } else if (is_live(holder.element)) {
    hash = take_out(context, holder.element, visit);
    set_away(holder.element, true);
  }
  count_in(id, holder);
  return hash += context.hold_hash(id, holder.element, holder.stamp);
}

void ListSequence::settle_away(ElementId id) {
  if (!is_live(id) && lives(id) && !held_by_.contains(id)) set_away(id, false);
}

StateHash ListSequence::remove_ids(const SequenceContext& context, ElementId id,
                                   std::uint64_t count, Visit visit) {
  StateHash hash = Sequenced::remove_ids(context, id, count, visit);
  if (REJOIN_MUTATED(moved_element_survives_its_removal)) return hash;
  for (auto it = held_by_.lower_bound(id); it != held_by_.end() && it->first < id.plus(count);) {
    const auto [element, holder] = *it++;
    hash += drop(context, holder, element, visit);
  }
  return hash;
}

auto ListSequence::prune(const std::vector<Sequence>& stable) -> Pruned {
  Pruned pruned = Sequenced::prune(stable);
  for (auto it = dropped_.begin(); it != dropped_.end();) {
    const auto& [id, dropped] = *it;
    const ElementId reason = dropped.reason;
    if (reason.sequence > stable[reason.replica] || is_removal_noted(reason)) {
      pruned.pending = true;
      ++it;
      continue;
    }
    clear_holder(id);
    pruned.changed = true;
    it = dropped_.erase(it);
  }
  return pruned;
}

void ListSequence::erase(ElementId id, std::uint64_t count) {
  Sequenced::erase(id, count);
  for (auto it = holders_.lower_bound(id); it != holders_.end() && it->first < id.plus(count);) {
    // Undo has put the one before in its place, where there was one.
    const auto held = held_by_.find(it->second.element);
    if (held != held_by_.end() && held->second == it->first) held_by_.erase(held);
    it = holders_.erase(it);
  }
}

void ListSequence::restore(ElementId id, std::uint64_t count, Slice content) {
  Sequenced::restore(id, count, content);
  for (auto it = dropped_.lower_bound(id); it != dropped_.end() && it->first < id.plus(count);) {
    count_in(it->first, it->second.holder);
    it = dropped_.erase(it);
  }
}

const char* ListSequence::check(const std::vector<Sequence>& clock) const {
  if (const char* wrong = Sequenced::check(clock)) return wrong;
  std::size_t holders = 0;
  std::size_t away = 0;
  std::size_t dropped = 0;
  const char* wrong = nullptr;
  for_each_piece([&](const Piece& piece) {
    for (std::uint64_t i = 0; i < piece.count && (piece.holder || piece.away); ++i) {
      const ElementId id = piece.id.plus(i);
      if (piece.away) {
        ++away;
        const auto held = held_by_.find(id);
        if (held == held_by_.end() || !holders_.contains(held->second) ||
            holders_.at(held->second).element != id) {
          wrong = "nothing holds an element that is away";
        }
      } else if (piece.live) {
        ++holders;
        if (!holders_.contains(id)) wrong = "a holder holds nothing";
      } else {
        ++dropped;
        if (!dropped_.contains(id)) wrong = "a holder was dropped for no reason";
      }
    }
  });
  if (holders != holders_.size() || away != holders || away != held_by_.size() ||
      dropped != dropped_.size()) {
    return "holders are miscounted";
  }
  return wrong;
}

}  // namespace rejoin
