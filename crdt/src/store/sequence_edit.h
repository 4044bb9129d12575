// Part of sequence.cpp: elements come, go, and come back by undo.
#pragma once

#include <algorithm>
#include <iterator>

#include "rejoin/crdt/assert.h"
#include "store/sequence_find.h"

namespace rejoin {

// ---- Insertion ----

template <class Buffer>
auto Sequenced<Buffer>::gap_at(std::size_t index) -> Gap {
  Gap gap;
  if (index == 0) {
    gap.place = {edge_leaf(false), 0, 0};
  } else {
    gap.place = go_to_live(index - 1);
    const Run& run = gap.place.leaf->runs[gap.place.slot];
    gap.left = gap.live_left = run.id(gap.place.offset++);
    if (gap.place.offset < run.length) {
      gap.right = gap.live_right = run.id(gap.place.offset);
      return gap;
    }
  }
  gap.right = next_id(gap.place);
  gap.live_right = live_from(gap.place);
  return gap;
}

template <class Buffer>
auto Sequenced<Buffer>::gap_at_end() -> Gap {
  if (empty()) return gap_at(0);
  const Node* node = root_;
  while (!node->is_leaf) {
    const auto* inner = static_cast<const Inner*>(node);
    std::size_t child = inner->count - 1u;
    while (inner->sums[child].total == 0) --child;
    node = inner->children[child];
  }
  auto* leaf = const_cast<Leaf*>(static_cast<const Leaf*>(node));
  const std::uint32_t slot = leaf->count - 1u;
  const Run& run = leaf->runs[slot];
  if (run.live) return gap_at(live_count());  // where the cursor is
  Gap gap;
  gap.place = {leaf, slot, run.length};
  gap.left = run.last();
  gap.live_left = live_before(gap.place);
  return gap;
}

template <class Buffer>
bool Sequenced<Buffer>::type_on(const Gap& gap, ElementId id, std::uint32_t count, Slice content) {
  using C = Content<Buffer>;
  const Place& place = gap.place;
  Leaf* leaf = place.leaf;
  if (cursor_.leaf != leaf || cursor_.slot != place.slot || place.offset == 0) return false;
  Run& run = leaf->runs[place.slot];
  std::uint16_t& extent = leaf->extents[place.slot];
  if (!run.live || run.holder || run.settled || place.offset != run.length ||
      run.replica != id.replica || run.first + run.length != id.sequence ||
      !(run.right == gap.right) || extent + content.size() > C::run_max ||
      leaf->content.size() > C::leaf_max) {
    return false;
  }
  leaf->content.insert(leaf->content.begin() + static_cast<std::ptrdiff_t>(cursor_.unit + extent),
                       content.begin(), content.end());
  unpruned_ = true;
  run.length += count;
  extent = static_cast<std::uint16_t>(extent + content.size());
  index_.put(id, count, leaf);
  add_sums(leaf, {count, count, content.size(), C::wide(content, count)});
  return true;
}

template <class Buffer>
StateHash Sequenced<Buffer>::insert(const SequenceContext& context, const Gap& gap, ElementId id,
                                    std::uint64_t count, Slice content) {
  const auto length = static_cast<std::uint32_t>(count);
  if (!type_on(gap, id, length, content)) {
    put_run(gap.place,
            {id.sequence, gap.left, gap.right, id.replica, length, true, false, false, false},
            content);
  }
  return hash_between<Buffer>(context, gap.live_left, gap.live_right, id, count, content);
}

template <class Buffer>
StateHash Sequenced<Buffer>::integrate(const SequenceContext& context, Piece piece) {
  const Place left = find(piece.left);
  if (left.leaf == nullptr) piece.left = {};
  const Place at = left.leaf == nullptr ? Place{edge_leaf(false), 0, 0}
                                        : Place{left.leaf, left.slot, left.offset + 1};
  // Nearly always nothing is concurrent here.
  if (next_id(at) == piece.right) return put_piece(context, at, piece);
  const Place right = find(piece.right);
  if (right.leaf == nullptr || (left.leaf != nullptr && rank(left) >= rank(right))) {
    piece.right = {};
  }
  return put_piece(context, place_in_order(context, piece, at), piece);
}

template <class Buffer>
StateHash Sequenced<Buffer>::integrate_in_block(const SequenceContext& context, const Piece& piece,
                                                ElementId root, ElementId before) {
  Place at = find(before);
  if (at.leaf != nullptr) {
    ++at.offset;
  } else {
    Piece as_root = piece;
    as_root.id = root;
    as_root.left = as_root.right = {};
    at = place_in_order(context, as_root, {edge_leaf(false), 0, 0});
  }
  return put_piece(context, at, piece);
}

template <class Buffer>
void Sequenced<Buffer>::append(std::span<const Piece> pieces) {
  std::vector<typename IdIndex<Leaf>::Range> ranges;
  ranges.reserve(pieces.size());
  unindexed_ = &ranges;
  Leaf* leaf = edge_leaf(true);
  std::size_t units = 0;
  for (const Piece& piece : pieces) units += piece.content.size();
  if (units <= Content<Buffer>::leaf_max) leaf->content.reserve(units);
  for (const Piece& piece : pieces) {
    in_short_runs(run_of(piece), piece.content, [&](const Run& run, Slice content) {
      put_short_run({leaf, leaf->count, 0}, run, content);
      if (leaf->next != nullptr) leaf = leaf->next;
    });
  }
  unindexed_ = nullptr;
  std::sort(ranges.begin(), ranges.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
  index_.build(ranges);
}

template <class Buffer>
bool Sequenced<Buffer>::load(const SequenceContext& context, std::span<const Piece> pieces,
                             StateHash& hash) {
  std::vector<std::pair<ElementId, std::uint64_t>> ids;
  ids.reserve(pieces.size());
  for (const Piece& piece : pieces) ids.push_back({piece.id, piece.count});
  std::sort(ids.begin(), ids.end());
  for (std::size_t i = 1; i < ids.size(); ++i) {
    const auto& [id, count] = ids[i - 1];
    if (id.replica == ids[i].first.replica && id.sequence + count > ids[i].first.sequence) {
      return false;
    }
  }
  append(pieces);
  ElementId before;
  for (const Piece& piece : pieces) {
    if (!piece.live) continue;
    hash += hash_between<Buffer>(context, before, {}, piece.id, piece.count, piece.content);
    before = piece.id.plus(piece.count - 1);
  }
  return true;
}

template <class Buffer>
StateHash Sequenced<Buffer>::put_piece(const SequenceContext& context, const Place& place,
                                       const Piece& piece) {
  StateHash hash;
  if (piece.live) {
    hash = hash_between<Buffer>(context, live_before(place), live_from(place), piece.id,
                                piece.count, piece.content);
  }
  put_run(place, run_of(piece), piece.content);
  return hash;
}

// ---- Removal ----

template <class Buffer>
void Sequenced<Buffer>::mark_removed(Place place, std::uint32_t count) {
  Leaf* leaf = place.leaf;
  const auto at = [&]() -> Run& { return leaf->runs[place.slot]; };
  const bool from_begin = place.offset == 0;
  const bool to_end = place.offset + count == at().length;
  // Removed on both sides, or next to nothing that was removed: at most two runs more.
  const bool joins_next = to_end && !from_begin && place.slot + 1u < leaf->count && [&] {
    const Run& next = leaf->runs[place.slot + 1];
    return !next.live && !next.away && next.holder == at().holder && follows(at(), next) &&
           next.length + count <= run_length_max;
  }();
  if (!joins_next && !(from_begin && to_end)) {
    place = make_room(place, 2);
    leaf = place.leaf;
  }
  const std::size_t begin = leaf->unit_of(place.slot);
  const std::size_t all = leaf->extents[place.slot];
  const std::size_t skipped = leaf->units(place.slot, begin, place.offset);
  const std::size_t units =
      (to_end ? all : leaf->units(place.slot, begin, place.offset + count)) - skipped;
  const auto from = leaf->content.begin() + static_cast<std::ptrdiff_t>(begin + skipped);
  const Sums sums{count, 0, units,
                  Content<Buffer>::wide(leaf->slice(begin + skipped, units), count)};
  leaf->content.erase(from, from + static_cast<std::ptrdiff_t>(units));
  subtract_sums(leaf, sums);
  changed_at(place);
  if (joins_next) {
    Run& next = leaf->runs[place.slot + 1];
    next.first -= count;
    next.length += count;
    next.left = at().left_of(place.offset);
    at().length -= count;
    leaf->extents[place.slot] = static_cast<std::uint16_t>(all - units);
    return;
  }
  const Run whole = at();
  std::uint32_t slot = place.slot;
  if (!from_begin) {
    at().length = place.offset;
    leaf->extents[slot] = static_cast<std::uint16_t>(skipped);
    open_slot(leaf, ++slot);
  }
  leaf->runs[slot] = {whole.first + place.offset,
                      whole.left_of(place.offset),
                      whole.right,
                      whole.replica,
                      count,
                      false,
                      false,
                      whole.holder,
                      whole.settled};
  leaf->extents[slot] = 0;
  if (!to_end) {
    open_slot(leaf, slot + 1u);
    leaf->runs[slot + 1] = {whole.first + place.offset + count,
                            whole.left_of(place.offset + count),
                            whole.right,
                            whole.replica,
                            whole.length - place.offset - count,
                            true,
                            false,
                            whole.holder,
                            whole.settled};
    leaf->extents[slot + 1] = static_cast<std::uint16_t>(all - skipped - units);
  }
  merge_with_next(leaf, slot);
  if (slot > 0) merge_with_next(leaf, slot - 1u);
}

template <class Buffer>
StateHash Sequenced<Buffer>::remove_piece(const SequenceContext& context, const Place& place,
                                          std::uint32_t count, Visit visit) {
  const bool at_cursor = cursor_.leaf == place.leaf && cursor_.slot == place.slot;
  const Piece piece = place.leaf->piece(place.slot, place.offset, count,
                                        at_cursor ? cursor_.unit : place.leaf->unit_of(place.slot));
  const ElementId before = live_before(place);
  const ElementId after = live_from({place.leaf, place.slot, place.offset + count});
  StateHash hash;
  hash -= hash_between<Buffer>(context, before, after, piece.id, count, piece.content);
  visit(piece);
  mark_removed(place, count);
  return hash;
}

template <class Buffer>
StateHash Sequenced<Buffer>::remove(const SequenceContext& context, std::size_t index,
                                    std::uint64_t count, Visit visit) {
  StateHash hash;
  unpruned_ = true;
  while (count > 0) {
    const Place place = go_to_live(index);
    const auto n = static_cast<std::uint32_t>(
        std::min<std::uint64_t>(count, place.leaf->runs[place.slot].length - place.offset));
    hash += remove_piece(context, place, n, visit);
    count -= n;
  }
  return hash;
}

template <class Buffer>
StateHash Sequenced<Buffer>::remove_ids(const SequenceContext& context, ElementId id,
                                        std::uint64_t count, Visit visit) {
  StateHash hash;
  const Sequence end = id.sequence + count;
  while (id.sequence < end) {
    id.sequence += absent(id, end - id.sequence);
    if (id.sequence >= end) break;
    const Place place = find(id);
    const Run& run = place.leaf->runs[place.slot];
    const auto n = static_cast<std::uint32_t>(
        std::min<std::uint64_t>(end - id.sequence, run.length - place.offset));
    if (run.away) {
      visit(place.leaf->piece(place.slot, place.offset, n, 0));
      for (std::uint32_t i = 0; i < n; ++i) set_away(id.plus(i), false);
    } else if (run.live && !run.holder) {
      hash += remove_piece(context, place, n, visit);
    }
    unpruned_ = true;
    id.sequence += n;
  }
  return hash;
}

template <class Buffer>
void Sequenced<Buffer>::note_removal(std::uint32_t replica, const SequenceRemoval& removal) {
  auto it = std::find_if(removals_.begin(), removals_.end(),
                         [&](const RemovalsOf& of) { return of.replica == replica; });
  if (it == removals_.end()) it = removals_.insert(it, RemovalsOf{replica, {}});
  std::vector<SequenceRemoval>& removals = it->removals;
  if (removals.empty() || removals.back().by < removal.by) {
    if (!removals.empty() && extend(removals.back(), removal)) return;
    removals.push_back(removal);
    return;
  }
  removals.insert(std::lower_bound(removals.begin(), removals.end(), removal.by,
                                   [](const SequenceRemoval& r, Sequence by) { return r.by < by; }),
                  removal);
}

template <class Buffer>
bool Sequenced<Buffer>::is_removal_noted(ElementId id) const {
  return std::any_of(removals_.begin(), removals_.end(), [&](const RemovalsOf& of) {
    return std::any_of(of.removals.begin(), of.removals.end(), [&](const SequenceRemoval& removal) {
      return removal.target.replica == id.replica &&
             id.sequence - removal.first().sequence < removal.count;
    });
  });
}

template <class Buffer>
void Sequenced<Buffer>::forget_removals_from(std::uint32_t replica, Sequence by) {
  for (RemovalsOf& of : removals_) {
    if (of.replica != replica) continue;
    while (!of.removals.empty() && of.removals.back().by >= by) of.removals.pop_back();
    if (of.removals.empty()) return;
    SequenceRemoval& last = of.removals.back();
    last.count = std::min(last.count, by - last.by);
    last.descending &= last.count > 1;
  }
}

// ---- Undo ----

template <class Buffer>
auto Sequenced<Buffer>::isolate(ElementId id, std::uint64_t& count) -> Place {
  Place place = find(id);
  REJOIN_ASSERT(place.leaf != nullptr);
  if (place.offset > 0) place = split_run(place);
  const Run& run = place.leaf->runs[place.slot];
  if (run.length > count) {
    (void)split_run({place.leaf, place.slot, static_cast<std::uint32_t>(count)});
    place = find(id);
  }
  count = place.leaf->runs[place.slot].length;
  cursor_.leaf = nullptr;
  return place;
}

template <class Buffer>
void Sequenced<Buffer>::erase(ElementId id, std::uint64_t count) {
  while (count > 0) {
    std::uint64_t n = count;
    const Place place = isolate(id, n);
    Leaf* leaf = place.leaf;
    const Run run = leaf->runs[place.slot];
    const std::size_t unit = leaf->unit_of(place.slot);
    const std::uint16_t extent = leaf->extents[place.slot];
    const Sums sums{run.live ? run.length : 0u, run.length, extent,
                    Content<Buffer>::wide(leaf->slice(unit, extent), run.length)};
    const auto from = leaf->content.begin() + static_cast<std::ptrdiff_t>(unit);
    leaf->content.erase(from, from + extent);
    close_slot(leaf, place.slot);
    if (place.slot > 0) merge_with_next(leaf, place.slot - 1u);
    subtract_sums(leaf, sums);
    id.sequence += n;
    count -= n;
  }
}

template <class Buffer>
void Sequenced<Buffer>::restore(ElementId id, std::uint64_t count, Slice content) {
  while (count > 0) {
    std::uint64_t n = std::min<std::uint64_t>(count, Content<Buffer>::run_max / 4);
    const Place place = isolate(id, n);
    Leaf* leaf = place.leaf;
    Run& run = leaf->runs[place.slot];
    const std::size_t units = Content<Buffer>::units(content, n);
    const Slice part(content.data(), units);
    leaf->content.insert(
        leaf->content.begin() + static_cast<std::ptrdiff_t>(leaf->unit_of(place.slot)),
        part.begin(), part.end());
    run.live = true;
    run.away = false;
    leaf->extents[place.slot] = static_cast<std::uint16_t>(units);
    add_sums(leaf, {run.length, 0, units, Content<Buffer>::wide(part, run.length)});
    merge_with_next(leaf, place.slot);
    if (place.slot > 0) merge_with_next(leaf, place.slot - 1u);
    content = Slice(content.data() + units, content.size() - units);
    id.sequence += n;
    count -= n;
  }
}

// ---- States ----

template <class Buffer>
template <class Change>
void Sequenced<Buffer>::change_state(ElementId id, Change change) {
  std::uint64_t one = 1;
  const Place place = isolate(id, one);
  change(place.leaf->runs[place.slot]);
  merge_with_next(place.leaf, place.slot);
  if (place.slot > 0) merge_with_next(place.leaf, place.slot - 1u);
  unpruned_ = true;
}

template <class Buffer>
void Sequenced<Buffer>::set_away(ElementId id, bool away) {
  change_state(id, [&](Run& run) { run.away = away; });
}

template <class Buffer>
void Sequenced<Buffer>::clear_holder(ElementId id) {
  change_state(id, [](Run& run) { run.holder = false; });
}

template <class Buffer>
StateHash Sequenced<Buffer>::take_out(const SequenceContext& context, ElementId id, Visit visit) {
  unpruned_ = true;
  return remove_piece(context, find(id), 1, visit);
}

}  // namespace rejoin
