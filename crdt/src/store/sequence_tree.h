// Part of sequence.cpp: the B+tree in whose leaves runs stand, with their contents beside them.
#pragma once

#include <algorithm>

#include "rejoin/crdt/assert.h"
#include "store/sequence.h"
#include "store/sequence_content.h"

namespace rejoin {

// ---- Nodes ----

inline constexpr std::size_t runs_max = 32;  // a leaf

template <class Buffer>
struct Sequenced<Buffer>::Leaf : Node {
  Leaf* next = nullptr;
  Buffer content;  // of the live runs, one after the other
  // How much of it is each run's: apart from the runs, since it is summed up all the time.
  std::uint16_t extents[runs_max];
  Run runs[runs_max];

  Slice slice(std::size_t unit, std::size_t units) const {
    return Slice(content.data() + unit, units);
  }
  // Where a run's content begins.
  std::size_t unit_of(std::size_t run) const {
    std::uint32_t unit = 0;
    for (std::size_t s = 0; s < run; ++s) unit += extents[s];
    return unit;
  }
  // How much of a run's content, which begins at `unit`, its first elements take.
  std::size_t units(std::size_t run, std::size_t unit, std::size_t elements) const {
    if (!runs[run].live) return 0;
    if (extents[run] == runs[run].length) return elements;
    return Content<Buffer>::units(slice(unit, extents[run]), elements);
  }
  Sums sums() const {
    Sums sums;
    for (std::size_t s = 0; s < this->count; ++s) {
      sums.total += runs[s].length;
      if (runs[s].live) sums.live += runs[s].length;
    }
    sums.extent = content.size();
    sums.wide = Content<Buffer>::wide(content, sums.live);
    return sums;
  }
  // `n` elements of a run from `offset` on; the run's content begins at `unit`.
  Piece piece(std::size_t at, std::uint32_t offset, std::uint32_t n, std::size_t unit) const {
    const Run& run = runs[at];
    const std::size_t begin = units(at, unit, offset);
    const std::size_t end = offset + n == run.length ? extents[at] : units(at, unit, offset + n);
    return {run.id(offset), n,           run.left_of(offset),
            run.right,      run.live,    run.away,
            run.holder,     run.settled, slice(unit + begin, end - begin)};
  }
};

template <class Buffer>
struct Sequenced<Buffer>::Inner : Node {
  Node* children[children_max];
  Sums sums[children_max];
};

template <class Buffer>
auto Sequenced<Buffer>::first_of(const Piece& piece, std::uint64_t n) -> Piece {
  Piece first = piece;
  first.count = n;
  if (piece.live) {
    first.content = Slice(piece.content.data(), Content<Buffer>::units(piece.content, n));
  }
  return first;
}

template <class Buffer>
auto Sequenced<Buffer>::rest_of(const Piece& piece, std::uint64_t n) -> Piece {
  Piece rest = piece;
  rest.id = piece.id.plus(n);
  rest.count = piece.count - n;
  if (!piece.settled) rest.left = piece.id.plus(n - 1);
  if (piece.live) {
    const std::size_t units = Content<Buffer>::units(piece.content, n);
    rest.content = Slice(piece.content.data() + units, piece.content.size() - units);
  }
  return rest;
}

template <class Buffer>
Sequenced<Buffer>::Sequenced() : root_(new Leaf) {
  root_->is_leaf = true;
}

template <class Buffer>
Sequenced<Buffer>::~Sequenced() {
  destroy(root_);
}

template <class Buffer>
void Sequenced<Buffer>::destroy(Node* node) {
  if (node->is_leaf) {
    delete static_cast<Leaf*>(node);
    return;
  }
  auto* inner = static_cast<Inner*>(node);
  for (std::size_t i = 0; i < inner->count; ++i) destroy(inner->children[i]);
  delete inner;
}

template <class Buffer>
void Sequenced<Buffer>::add_sums(Node* node, const Sums& sums) {
  for (; node != nullptr; node = node->parent) sums_of(node) += sums;
}

template <class Buffer>
void Sequenced<Buffer>::subtract_sums(Node* node, const Sums& sums) {
  for (; node != nullptr; node = node->parent) sums_of(node) -= sums;
}

template <class Buffer>
Run Sequenced<Buffer>::run_of(const Piece& piece) {
  return {piece.id.sequence,
          piece.left,
          piece.right,
          piece.id.replica,
          static_cast<std::uint32_t>(piece.count),
          piece.live,
          piece.away,
          piece.holder,
          piece.settled};
}

// ---- Changing the tree ----

// Whatever changes at or behind the run of the cursor leaves it valid; before it, not.
template <class Buffer>
void Sequenced<Buffer>::changed_at(const Place& place) {
  if (cursor_.leaf != place.leaf) {
    cursor_.leaf = nullptr;
  } else if (place.slot < cursor_.slot || place.offset == 0) {
    cursor_.slot = 0;
    cursor_.run_start = 0;
    cursor_.unit = 0;
  }
}

template <class Buffer>
void Sequenced<Buffer>::open_slot(Leaf* leaf, std::size_t slot) {
  REJOIN_ASSERT(leaf->count < runs_max);
  std::move_backward(leaf->runs + slot, leaf->runs + leaf->count, leaf->runs + leaf->count + 1);
  std::move_backward(leaf->extents + slot, leaf->extents + leaf->count,
                     leaf->extents + leaf->count + 1);
  ++leaf->count;
}

template <class Buffer>
void Sequenced<Buffer>::close_slot(Leaf* leaf, std::size_t slot) {
  std::move(leaf->runs + slot + 1, leaf->runs + leaf->count, leaf->runs + slot);
  std::move(leaf->extents + slot + 1, leaf->extents + leaf->count, leaf->extents + slot);
  --leaf->count;
}

// True when the elements of `next`, which stands right behind `run`, were inserted as if typed on
// after its own, or both are settled in one block.
inline bool follows(const Run& run, const Run& next) {
  return run.replica == next.replica && run.first + run.length == next.first &&
         run.settled == next.settled && next.left == run.left_of(run.length) &&
         next.right == run.right;
}

// True when both can be one run.
inline bool continues(const Run& run, const Run& next) {
  return run.is_like(next) && follows(run, next) &&
         std::uint32_t{run.length} + next.length <= run_length_max;
}

template <class Buffer>
void Sequenced<Buffer>::merge_with_next(Leaf* leaf, std::size_t slot) {
  if (slot + 1 >= leaf->count) return;
  Run& run = leaf->runs[slot];
  const Run& next = leaf->runs[slot + 1];
  const std::size_t extent = std::size_t{leaf->extents[slot]} + leaf->extents[slot + 1];
  if (!continues(run, next) || extent > Content<Buffer>::run_max) return;
  run.length += next.length;
  leaf->extents[slot] = static_cast<std::uint16_t>(extent);
  close_slot(leaf, slot + 1);
}

template <class Buffer>
void Sequenced<Buffer>::add_sibling(Node* node, Node* fresh, const Sums& moved) {
  if (node->parent == nullptr) {
    auto* inner = new Inner;
    inner->count = 1;
    inner->children[0] = node;
    inner->sums[0] = root_sums_;
    node->parent = inner;
    node->slot = 0;
    root_ = inner;
  }
  Inner* into = node->parent;
  std::size_t at = node->slot + 1u;
  if (into->count == children_max) {
    // At the end the old node stays full: what is appended goes on there.
    const std::size_t keep = at == children_max ? children_max : children_max / 2;
    auto* half = new Inner;
    Sums half_sums;
    for (std::size_t i = keep; i < children_max; ++i) {
      half->children[half->count] = into->children[i];
      half->sums[half->count] = into->sums[i];
      into->children[i]->parent = half;
      into->children[i]->slot = half->count++;
      half_sums += into->sums[i];
    }
    into->count = static_cast<std::uint16_t>(keep);
    add_sibling(into, half, half_sums);
    if (at > keep || keep == children_max) {
      into = half;
      at -= keep;
    }
  }
  for (std::size_t i = into->count; i > at; --i) {
    into->children[i] = into->children[i - 1];
    into->sums[i] = into->sums[i - 1];
    into->children[i]->slot = static_cast<std::uint16_t>(i);
  }
  ++into->count;
  into->children[at] = fresh;
  into->sums[at] = Sums{};
  fresh->parent = into;
  fresh->slot = static_cast<std::uint16_t>(at);
  subtract_sums(node, moved);
  add_sums(fresh, moved);
}

template <class Buffer>
void Sequenced<Buffer>::split_leaf(Leaf* leaf, std::size_t at) {
  auto* fresh = new Leaf;
  fresh->is_leaf = true;
  const std::size_t unit = leaf->unit_of(at);
  fresh->content.assign(
      std::make_move_iterator(leaf->content.begin() + static_cast<std::ptrdiff_t>(unit)),
      std::make_move_iterator(leaf->content.end()));
  leaf->content.resize(unit);
  for (std::size_t s = at; s < leaf->count; ++s) {
    const Run& run = leaf->runs[s];
    fresh->extents[fresh->count] = leaf->extents[s];
    fresh->runs[fresh->count++] = run;
    index_.put(run.id(), run.length, fresh);
  }
  leaf->count = static_cast<std::uint16_t>(at);
  fresh->next = leaf->next;
  leaf->next = fresh;
  add_sibling(leaf, fresh, fresh->sums());
  cursor_.leaf = nullptr;
}

template <class Buffer>
auto Sequenced<Buffer>::make_room(Place place, std::size_t extra) -> Place {
  Leaf* leaf = place.leaf;
  const bool full = leaf->count + extra > runs_max;
  if (!full && leaf->content.size() <= Content<Buffer>::leaf_max) return place;
  std::size_t at = leaf->count / 2u;
  const bool at_end = place.slot == leaf->count || (place.slot + 1u == leaf->count &&
                                                    place.offset == leaf->runs[place.slot].length);
  if (at_end) {
    // Appending: leave this leaf full.
    split_leaf(leaf, leaf->count);
    return {leaf->next, 0, 0};
  }
  if (!full) {
    at = 1;
    for (std::size_t unit = leaf->extents[0];
         at + 1 < leaf->count && unit * 2 < leaf->content.size(); ++at) {
      unit += leaf->extents[at];
    }
  }
  split_leaf(leaf, at);
  if (place.slot < at) return place;
  return {leaf->next, static_cast<std::uint32_t>(place.slot - at), place.offset};
}

template <class Buffer>
auto Sequenced<Buffer>::split_run(Place place) -> Place {
  place = make_room(place, 1);
  Leaf* leaf = place.leaf;
  open_slot(leaf, place.slot + 1u);
  Run& run = leaf->runs[place.slot];
  Run& rest = leaf->runs[place.slot + 1];
  rest = run;
  const std::size_t units = leaf->units(place.slot, leaf->unit_of(place.slot), place.offset);
  leaf->extents[place.slot + 1] = static_cast<std::uint16_t>(leaf->extents[place.slot] - units);
  leaf->extents[place.slot] = static_cast<std::uint16_t>(units);
  rest.left = run.left_of(place.offset);
  run.length = place.offset;
  rest.first += place.offset;
  rest.length -= place.offset;
  changed_at({leaf, place.slot, 1});
  return {leaf, place.slot + 1, 0};
}

template <class Buffer>
template <class Each>
void Sequenced<Buffer>::in_short_runs(Run run, Slice content, Each each) {
  using C = Content<Buffer>;
  while (run.live && content.size() > C::run_max) {
    std::size_t elements = 0;
    std::size_t units = 0;
    if (content.size() == run.length) {
      units = elements = C::run_max;
    } else {
      while (units + C::width(content, units) <= C::run_max) {
        units += C::width(content, units);
        ++elements;
      }
    }
    Run part = run;
    part.length = static_cast<std::uint32_t>(elements);
    each(part, Slice(content.data(), units));
    content = Slice(content.data() + units, content.size() - units);
    run.left = run.left_of(elements);
    run.first += elements;
    run.length -= part.length;
  }
  if (run.length > 0) each(run, content);
}

template <class Buffer>
void Sequenced<Buffer>::put_run(Place place, Run run, Slice content) {
  const ElementId first = run.id();
  in_short_runs(run, content, [&](const Run& part, Slice part_content) {
    if (part.id() != first) {
      place = find({part.replica, part.first - 1});
      ++place.offset;
    }
    put_short_run(place, part, part_content);
  });
}

template <class Buffer>
void Sequenced<Buffer>::put_short_run(Place place, const Run& run, Slice content) {
  using C = Content<Buffer>;
  unpruned_ = true;
  const auto extent = static_cast<std::uint16_t>(content.size());
  const Sums sums{run.live ? run.length : 0u, run.length, extent, C::wide(content, run.length)};
  if (place.offset == 0 && place.slot > 0) {
    --place.slot;
    place.offset = place.leaf->runs[place.slot].length;
  }
  const auto types_on = [&] {
    if (place.slot >= place.leaf->count) return false;
    const Run& before = place.leaf->runs[place.slot];
    return place.offset == before.length && continues(before, run) &&
           std::size_t{place.leaf->extents[place.slot]} + extent <= C::run_max;
  };
  bool extends = types_on();
  if (!extends || place.leaf->content.size() > C::leaf_max) {
    place = make_room(place, 2);
    extends = types_on();
  }
  Leaf* leaf = place.leaf;
  std::size_t unit;
  if (extends) {
    Run& before = leaf->runs[place.slot];
    unit = leaf->unit_of(place.slot + 1u);
    before.length += run.length;
    leaf->extents[place.slot] = static_cast<std::uint16_t>(leaf->extents[place.slot] + extent);
    changed_at({leaf, place.slot, 1});
  } else {
    if (place.slot < leaf->count && place.offset > 0) {
      if (place.offset < leaf->runs[place.slot].length) {
        place = split_run(place);
      } else {
        place = {leaf, place.slot + 1, 0};
      }
    }
    leaf = place.leaf;
    open_slot(leaf, place.slot);
    leaf->runs[place.slot] = run;
    leaf->extents[place.slot] = extent;
    unit = leaf->unit_of(place.slot);
    changed_at(place.slot == 0 ? place : Place{leaf, place.slot - 1, 1});
  }
  leaf->content.insert(leaf->content.begin() + static_cast<std::ptrdiff_t>(unit), content.begin(),
                       content.end());
  if (unindexed_ != nullptr) {
    unindexed_->push_back({run.id(), run.length, leaf});
  } else {
    index_.put(run.id(), run.length, leaf);
  }
  add_sums(leaf, sums);
}

}  // namespace rejoin
