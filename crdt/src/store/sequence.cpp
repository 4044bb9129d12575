#include "store/sequence.h"

#include <algorithm>
#include <iterator>

#include "rejoin/crdt/assert.h"
#include "store/sequence_content.h"

namespace rejoin {

namespace {

constexpr std::size_t runs_max = 32;  // a leaf

}  // namespace

bool extend(SequenceRemoval& last, const SequenceRemoval& next) {
  if (last.by + last.count != next.by || last.target.replica != next.target.replica) return false;
  const bool up = (last.count == 1 || !last.descending) && (next.count == 1 || !next.descending) &&
                  last.target.sequence + last.count == next.target.sequence;
  const bool down = (last.count == 1 || last.descending) && (next.count == 1 || next.descending) &&
                    last.target.sequence == next.target.sequence + last.count;
  if (!up && !down) return false;
  last.descending = down;
  last.count += next.count;
  return true;
}

bool SequenceContext::less(ElementId a, ElementId b) const {
  return a.replica == b.replica ? a.sequence < b.sequence
                                : writers[a.replica].id < writers[b.replica].id;
}

StateHash SequenceContext::hold_hash(ElementId holder, ElementId element,
                                     std::uint64_t stamp) const {
  return product(name_of(*this, holder) ^ 0x94D049BB133111EBull,
                 name_of(*this, element) +
                     multiply_fold(stamp ^ 0x9FB21C651E98DF25ull, 0xA24BAED4963EE407ull));
}

// ---- Nodes ----

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
    return {run.id(offset),
            n,
            offset == 0 ? run.left : run.id(offset - 1),
            run.right,
            run.live,
            run.away,
            run.holder,
            slice(unit + begin, end - begin)};
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
  rest.left = piece.id.plus(n - 1);
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
          piece.holder};
}

// ---- Finding ----

template <class Buffer>
auto Sequenced<Buffer>::edge_leaf(bool last) const -> Leaf* {
  Node* node = root_;
  while (!node->is_leaf) {
    node = static_cast<Inner*>(node)->children[last ? node->count - 1 : 0];
  }
  return static_cast<Leaf*>(node);
}

template <class Buffer>
auto Sequenced<Buffer>::find_live(std::size_t index, std::size_t& leaf_start) const -> Place {
  Node* node = root_;
  std::size_t rest = index;
  while (!node->is_leaf) {
    const auto* inner = static_cast<const Inner*>(node);
    std::size_t i = 0;
    while (rest >= inner->sums[i].live) rest -= inner->sums[i++].live;
    node = inner->children[i];
  }
  auto* leaf = static_cast<Leaf*>(node);
  leaf_start = index - rest;
  std::uint32_t slot = 0;
  for (;; ++slot) {
    const Run& run = leaf->runs[slot];
    if (!run.live) continue;
    if (rest < run.length) break;
    rest -= run.length;
  }
  return {leaf, slot, static_cast<std::uint32_t>(rest)};
}

template <class Buffer>
auto Sequenced<Buffer>::go_to_live(std::size_t index) -> Place {
  if (cursor_.leaf != nullptr && index >= cursor_.leaf_start &&
      index - cursor_.leaf_start < sums_of(cursor_.leaf).live) {
    const std::size_t wanted = index - cursor_.leaf_start;
    if (wanted < cursor_.run_start) {
      cursor_.slot = 0;
      cursor_.run_start = 0;
      cursor_.unit = 0;
    }
    for (std::size_t rest = wanted - cursor_.run_start;; ++cursor_.slot) {
      const Run& run = cursor_.leaf->runs[cursor_.slot];
      if (!run.live) continue;
      if (rest < run.length) return {cursor_.leaf, cursor_.slot, static_cast<std::uint32_t>(rest)};
      rest -= run.length;
      cursor_.run_start += run.length;
      cursor_.unit += cursor_.leaf->extents[cursor_.slot];
    }
  }
  const Place place = find_live(index, cursor_.leaf_start);
  cursor_.leaf = place.leaf;
  cursor_.slot = place.slot;
  cursor_.run_start = index - cursor_.leaf_start - place.offset;
  cursor_.unit = place.leaf->unit_of(place.slot);
  return place;
}

template <class Buffer>
auto Sequenced<Buffer>::find(ElementId id) const -> Place {
  Leaf* leaf = index_.find(id);
  if (leaf == nullptr) return {};
  for (std::uint32_t slot = 0; slot < leaf->count; ++slot) {
    const Run& run = leaf->runs[slot];
    if (run.replica == id.replica && id.sequence - run.first < run.length) {
      return {leaf, slot, static_cast<std::uint32_t>(id.sequence - run.first)};
    }
  }
  return {};
}

template <class Buffer>
bool Sequenced<Buffer>::is_live(ElementId id) const {
  const Place place = find(id);
  return place.leaf != nullptr && place.leaf->runs[place.slot].live;
}

template <class Buffer>
bool Sequenced<Buffer>::lives(ElementId id) const {
  const Place place = find(id);
  if (place.leaf == nullptr) return false;
  const Run& run = place.leaf->runs[place.slot];
  return run.away || (run.live && !run.holder);
}

template <class Buffer>
std::uint64_t Sequenced<Buffer>::absent(ElementId id, std::uint64_t count) const {
  if (id.sequence > index_.last(id.replica)) return count;
  const Sequence end = id.sequence + count;
  Sequence nearest = end;
  for (ElementId at = id; at.sequence != 0 && at.sequence < nearest;
       at.sequence = index_.next(at)) {
    const Leaf* leaf = index_.find(at);
    if (leaf == nullptr) continue;
    for (std::size_t slot = 0; slot < leaf->count; ++slot) {
      const Run& run = leaf->runs[slot];
      if (run.replica != id.replica || run.first + run.length <= id.sequence) continue;
      nearest = std::min(nearest, std::max(run.first, id.sequence));
    }
  }
  return nearest - id.sequence;
}

template <class Buffer>
std::size_t Sequenced<Buffer>::leaf_rank(const Leaf* leaf) const {
  std::size_t rank = 0;
  for (const Node* node = leaf; node->parent != nullptr; node = node->parent) {
    for (std::size_t i = 0; i < node->slot; ++i) rank += node->parent->sums[i].total;
  }
  return rank;
}

template <class Buffer>
std::size_t Sequenced<Buffer>::rank(const Place& place) const {
  std::size_t rank = leaf_rank(place.leaf) + place.offset;
  for (std::size_t s = 0; s < place.slot; ++s) rank += place.leaf->runs[s].length;
  return rank;
}

template <class Buffer>
auto Sequenced<Buffer>::standing(ElementId id) const -> std::optional<Standing> {
  const Place place = find(id);
  if (place.leaf == nullptr) return std::nullopt;
  const Run& run = place.leaf->runs[place.slot];
  Standing standing{rank(place), run.live ? place.offset : 0u, run.live};
  for (std::size_t s = 0; s < place.slot; ++s) {
    if (place.leaf->runs[s].live) standing.live_before += place.leaf->runs[s].length;
  }
  for (const Node* node = place.leaf; node->parent != nullptr; node = node->parent) {
    for (std::size_t i = 0; i < node->slot; ++i) {
      standing.live_before += node->parent->sums[i].live;
    }
  }
  return standing;
}

template <class Buffer>
ElementId Sequenced<Buffer>::live_before(const Place& place) const {
  if (place.offset > 0 && place.leaf->runs[place.slot].live) {
    return place.leaf->runs[place.slot].id(place.offset - 1);
  }
  const auto last_in = [](const Leaf* leaf, std::uint32_t end) -> ElementId {
    for (std::uint32_t slot = end; slot-- > 0;) {
      if (leaf->runs[slot].live) return leaf->runs[slot].last();
    }
    return {};
  };
  if (const ElementId found = last_in(place.leaf, place.slot); !found.is_boundary()) return found;
  for (const Node* node = place.leaf; node->parent != nullptr; node = node->parent) {
    for (std::size_t i = node->slot; i-- > 0;) {
      if (node->parent->sums[i].live == 0) continue;
      const Node* below = node->parent->children[i];
      while (!below->is_leaf) {
        const auto* inner = static_cast<const Inner*>(below);
        std::size_t child = inner->count - 1u;
        while (inner->sums[child].live == 0) --child;
        below = inner->children[child];
      }
      return last_in(static_cast<const Leaf*>(below), below->count);
    }
  }
  return {};
}

template <class Buffer>
ElementId Sequenced<Buffer>::live_from(const Place& place) const {
  const auto first_in = [](const Leaf* leaf, std::uint32_t begin) -> ElementId {
    for (std::uint32_t slot = begin; slot < leaf->count; ++slot) {
      if (leaf->runs[slot].live) return leaf->runs[slot].id();
    }
    return {};
  };
  std::uint32_t slot = place.slot;
  if (place.offset > 0) {
    const Run& run = place.leaf->runs[slot];
    if (run.live && place.offset < run.length) return run.id(place.offset);
    ++slot;
  }
  if (const ElementId found = first_in(place.leaf, slot); !found.is_boundary()) return found;
  for (const Node* node = place.leaf; node->parent != nullptr; node = node->parent) {
    for (std::size_t i = node->slot + 1u; i < node->parent->count; ++i) {
      if (node->parent->sums[i].live == 0) continue;
      const Node* below = node->parent->children[i];
      while (!below->is_leaf) {
        const auto* inner = static_cast<const Inner*>(below);
        std::size_t child = 0;
        while (inner->sums[child].live == 0) ++child;
        below = inner->children[child];
      }
      return first_in(static_cast<const Leaf*>(below), 0);
    }
  }
  return {};
}

template <class Buffer>
ElementId Sequenced<Buffer>::next_id(const Place& place) const {
  std::uint32_t slot = place.slot;
  if (slot < place.leaf->count) {
    const Run& run = place.leaf->runs[slot];
    if (place.offset < run.length) return run.id(place.offset);
    ++slot;
  }
  if (slot < place.leaf->count) return place.leaf->runs[slot].id();
  for (const Leaf* leaf = place.leaf->next; leaf != nullptr; leaf = leaf->next) {
    if (leaf->count > 0) return leaf->runs[0].id();
  }
  return {};
}

// ---- Order ----

template <class Buffer>
auto Sequenced<Buffer>::place_in_order(const SequenceContext& context, const Piece& piece,
                                       Place at) const -> Place {
  // Positions shifted by one, so that the beginning is 0 and an element with rank r is r + 1.
  const std::size_t end = root_sums_.total + 1;
  const auto position = [&](ElementId id, std::size_t boundary) {
    if (id.is_boundary()) return boundary;
    const Place place = find(id);
    return place.leaf == nullptr ? boundary : rank(place) + 1;
  };
  const std::size_t left = position(piece.left, 0);
  const std::size_t right = position(piece.right, end);
  Place destination = at;
  bool scanning = false;
  for (std::size_t i = left;;) {
    if (!scanning) destination = at;
    if (i + 1 == end || i + 1 == right) return destination;
    while (at.slot >= at.leaf->count || at.offset == at.leaf->runs[at.slot].length) {
      if (at.slot + 1 < at.leaf->count) {
        at = {at.leaf, at.slot + 1, 0};
      } else {
        at = {at.leaf->next, 0, 0};
      }
    }
    const Run& run = at.leaf->runs[at.slot];
    const ElementId other_left = at.offset == 0 ? run.left : run.id(at.offset - 1);
    const std::size_t other_left_position =
        other_left == piece.left ? left : position(other_left, 0);
    if (other_left_position < left) return destination;
    if (other_left_position == left) {
      // A sibling. (The elements of a run behind its first, like others, are below a sibling.)
      const std::size_t other_right = run.right == piece.right ? right : position(run.right, end);
      if (other_right == right && context.less(piece.id, run.id(at.offset))) return destination;
      scanning = other_right < right;
    }
    const std::size_t step = std::min<std::size_t>(run.length - at.offset, right - 1 - i);
    i += step;
    at.offset += static_cast<std::uint32_t>(step);
  }
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

namespace {

// True when the elements of `next`, which stands right behind `run`, were inserted as if typed on
// after its own.
bool follows(const Run& run, const Run& next) {
  return run.replica == next.replica && run.first + run.length == next.first &&
         next.left == run.last() && next.right == run.right;
}

// True when both can be one run.
bool continues(const Run& run, const Run& next) {
  return run.is_like(next) && follows(run, next) &&
         std::uint32_t{run.length} + next.length <= run_length_max;
}

}  // namespace

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
  run.length = place.offset;
  rest.first += place.offset;
  rest.length -= place.offset;
  rest.left = run.last();
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
    run.first += elements;
    run.length -= part.length;
    run.left = part.last();
  }
  if (run.length > 0) each(run, content);
}

template <class Buffer>
void Sequenced<Buffer>::put_run(Place place, Run run, Slice content) {
  const ElementId first = run.id();
  in_short_runs(run, content, [&](const Run& part, Slice part_content) {
    if (part.id() != first) {
      place = find(part.left);
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
  if (!run.live || run.holder || place.offset != run.length || run.replica != id.replica ||
      run.first + run.length != id.sequence || !(run.right == gap.right) ||
      extent + content.size() > C::run_max || leaf->content.size() > C::leaf_max) {
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
    put_run(gap.place, {id.sequence, gap.left, gap.right, id.replica, length, true, false, false},
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
void Sequenced<Buffer>::append(std::span<const Piece> pieces) {
  std::vector<typename IdIndex<Leaf>::Range> ranges;
  ranges.reserve(pieces.size());
  unindexed_ = &ranges;
  Leaf* leaf = edge_leaf(true);
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
    next.left = at().id(place.offset - 1);
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
                      from_begin ? whole.left : whole.id(place.offset - 1),
                      whole.right,
                      whole.replica,
                      count,
                      false,
                      false,
                      whole.holder};
  leaf->extents[slot] = 0;
  if (!to_end) {
    open_slot(leaf, slot + 1u);
    leaf->runs[slot + 1] = {whole.first + place.offset + count,
                            whole.id(place.offset + count - 1),
                            whole.right,
                            whole.replica,
                            whole.length - place.offset - count,
                            true,
                            false,
                            whole.holder};
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

// ---- Forgetting ----

template <class Buffer>
auto Sequenced<Buffer>::forgettable(const std::vector<Sequence>& stable, Kept kept,
                                    std::span<const ElementId> named, bool& pending) const
    -> std::vector<std::pair<ElementId, std::uint64_t>> {
  // Removals that are remembered are not stable: their elements stay.
  std::vector<std::pair<ElementId, std::uint64_t>> unstable;
  for (const RemovalsOf& of : removals_) {
    for (const SequenceRemoval& removal : of.removals) {
      unstable.push_back({removal.first(), removal.count});
    }
  }
  std::sort(unstable.begin(), unstable.end());
  // Ranges may overlap where two removed the same: up to where any so far reaches.
  for (std::size_t i = 1; i < unstable.size(); ++i) {
    auto& [id, count] = unstable[i];
    const auto& [earlier, length] = unstable[i - 1];
    if (earlier.replica != id.replica) continue;
    const Sequence end = std::max(id.sequence + count, earlier.sequence + length);
    count = end - id.sequence;
  }
  const auto is_unstable = [&](const Run& run) {
    if (run.holder || run.last().sequence > stable[run.replica]) return true;
    const auto after = std::upper_bound(unstable.begin(), unstable.end(), run.last(),
                                        [](ElementId id, const auto& u) { return id < u.first; });
    if (after == unstable.begin()) return false;
    const auto& [id, count] = *std::prev(after);
    return id.replica == run.replica && id.sequence + count > run.first;
  };

  std::vector<std::pair<ElementId, std::uint64_t>> gone;
  std::vector<std::pair<ElementId, std::uint64_t>> gap;
  bool gap_stable = true;
  // Those of a part that nobody names.
  const auto let_go = [&](std::pair<ElementId, std::uint64_t> part) {
    auto& [id, count] = part;
    for (auto it = std::lower_bound(named.begin(), named.end(), id);
         it != named.end() && *it < id.plus(count); ++it) {
      const std::uint64_t before = it->sequence - id.sequence;
      if (before > 0) gone.push_back({id, before});
      id = it->plus(1);
      count -= before + 1;
      pending = true;
    }
    if (count > 0) gone.push_back(part);
  };
  const auto end_gap = [&] {
    if (!gap.empty()) {
      // One element stays. Its first is what a later insertion here names as its right origin; its
      // last is what a log that ends here goes on from.
      if (gap_stable) {
        auto& [id, count] = kept == Kept::first ? gap.front() : gap.back();
        if (kept == Kept::first) id = id.plus(1);
        --count;
        for (const auto& part : gap) let_go(part);
      } else {
        pending = true;
      }
    }
    gap.clear();
    gap_stable = true;
  };
  for (const Leaf* leaf = edge_leaf(false); leaf != nullptr; leaf = leaf->next) {
    for (std::size_t s = 0; s < leaf->count; ++s) {
      const Run& run = leaf->runs[s];
      // Who has not heard of its move sees what is away as live.
      if (run.live || run.away) {
        end_gap();
        continue;
      }
      gap.push_back({run.id(), run.length});
      if (gap_stable) gap_stable = !is_unstable(run);
    }
  }
  end_gap();
  return gone;
}

template <class Buffer>
bool Sequenced<Buffer>::drop_origins(const std::vector<Sequence>& stable) {
  bool all = true;
  for (Leaf* leaf = edge_leaf(false); leaf != nullptr; leaf = leaf->next) {
    for (std::size_t s = 0; s < leaf->count; ++s) {
      Run& run = leaf->runs[s];
      if (run.last().sequence <= stable[run.replica]) {
        run.left = run.right = ElementId{};
      } else {
        all = false;
      }
    }
  }
  return all;
}

template <class Buffer>
void Sequenced<Buffer>::rebuild() {
  std::vector<Piece> pieces;
  for_each_piece([&](const Piece& piece) { pieces.push_back(piece); });
  Sequenced fresh;
  fresh.append(pieces);
  std::swap(root_, fresh.root_);
  std::swap(root_sums_, fresh.root_sums_);
  std::swap(index_, fresh.index_);
  cursor_.leaf = nullptr;
}

template <class Buffer>
auto Sequenced<Buffer>::prune(const std::vector<Sequence>& stable) -> Pruned {
  Pruned pruned;
  for (RemovalsOf& of : removals_) {
    const Sequence known = stable[of.replica];
    pruned.changed |= std::erase_if(of.removals, [&](const SequenceRemoval& removal) {
                        return removal.by + (removal.count - 1) <= known;
                      }) > 0;
    pruned.pending |= !of.removals.empty();
  }
  return pruned;
}

template <class Buffer>
bool Sequenced<Buffer>::forget_elements(const std::vector<Sequence>& stable, Kept kept,
                                        std::span<const ElementId> named) {
  if (!unpruned_) return false;
  bool later = false;
  const auto gone = forgettable(stable, kept, named, later);
  later |= !drop_origins(stable);
  unpruned_ = later;
  if (gone.empty()) return false;
  for (const auto& [id, count] : gone) erase(id, count);
  rebuild();
  return true;
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

// ---- Reading ----

template <class Buffer>
void Sequenced<Buffer>::look_at(ElementId id, Visit visit) const {
  const Place place = find(id);
  visit(place.leaf->piece(place.slot, place.offset, 1, place.leaf->unit_of(place.slot)));
}

template <class Buffer>
void Sequenced<Buffer>::for_each_live(std::size_t index, std::size_t count, Visit visit) const {
  if (count == 0) return;
  std::size_t leaf_start = 0;
  Place at = find_live(index, leaf_start);
  std::size_t unit = at.leaf->unit_of(at.slot);
  for (;;) {
    const Run& run = at.leaf->runs[at.slot];
    if (at.slot < at.leaf->count && run.live) {
      const auto n =
          static_cast<std::uint32_t>(std::min<std::size_t>(count, run.length - at.offset));
      visit(at.leaf->piece(at.slot, at.offset, n, unit));
      count -= n;
      if (count == 0) return;
    }
    if (at.slot < at.leaf->count) unit += at.leaf->extents[at.slot];
    at.offset = 0;
    if (++at.slot >= at.leaf->count) {
      at = {at.leaf->next, 0, 0};
      unit = 0;
    }
  }
}

template <class Buffer>
void Sequenced<Buffer>::for_each_piece(Visit visit) const {
  for (const Leaf* leaf = edge_leaf(false); leaf != nullptr; leaf = leaf->next) {
    std::size_t unit = 0;
    for (std::size_t s = 0; s < leaf->count; ++s) {
      visit(leaf->piece(s, 0, leaf->runs[s].length, unit));
      unit += leaf->extents[s];
    }
  }
}

template <class Buffer>
StateHash Sequenced<Buffer>::hash(const SequenceContext& context) const {
  StateHash sum;
  ElementId before;
  for_each_piece([&](const Piece& piece) {
    if (!piece.live) return;
    sum += hash_between<Buffer>(context, before, {}, piece.id, piece.count, piece.content);
    before = piece.id.plus(piece.count - 1);
  });
  return sum;
}

template <class Buffer>
void Sequenced<Buffer>::for_each_piece_since(const std::vector<Sequence>& base, Visit visit) const {
  std::vector<std::pair<std::size_t, const Leaf*>> leaves;
  const Leaf* previous = nullptr;
  index_.for_each_replica([&](std::uint32_t replica) {
    index_.for_each_since(replica, base[replica], [&](const Leaf* leaf) {
      if (leaf != previous) leaves.push_back({leaf_rank(leaf), leaf});
      previous = leaf;
    });
  });
  std::sort(leaves.begin(), leaves.end());
  leaves.erase(std::unique(leaves.begin(), leaves.end()), leaves.end());
  for (const auto& [rank, leaf] : leaves) {
    std::size_t unit = 0;
    for (std::size_t s = 0; s < leaf->count; ++s) {
      const Run& run = leaf->runs[s];
      const Sequence known = base[run.replica];
      if (run.last().sequence > known) {
        const auto offset =
            static_cast<std::uint32_t>(run.first > known ? 0 : known - run.first + 1);
        visit(leaf->piece(s, offset, run.length - offset, unit));
      }
      unit += leaf->extents[s];
    }
  }
}

template <class Buffer>
void Sequenced<Buffer>::for_each_removal_since(
    const std::vector<Sequence>& base,
    FunctionRef<void(std::uint32_t replica, const SequenceRemoval& removal)> visit) const {
  for (const RemovalsOf& of : removals_) {
    const Sequence known = base[of.replica];
    auto it = std::upper_bound(of.removals.begin(), of.removals.end(), known,
                               [](Sequence s, const SequenceRemoval& r) { return s < r.by; });
    if (it != of.removals.begin() && std::prev(it)->by + std::prev(it)->count > known + 1) {
      visit(of.replica, std::prev(it)->without_first(known + 1 - std::prev(it)->by));
    }
    for (; it != of.removals.end(); ++it) visit(of.replica, *it);
  }
}

// ---- Check ----

template <class Buffer>
const char* Sequenced<Buffer>::check_node(const Node* node, const Sums& sums,
                                          const Leaf*& expected) const {
  if (node->is_leaf) {
    const auto* leaf = static_cast<const Leaf*>(node);
    if (expected != leaf) return "the leaves are not chained in order";
    expected = leaf->next;
    if (leaf->sums() != sums) return "a leaf's elements are miscounted";
    std::size_t unit = 0;
    for (std::size_t s = 0; s < leaf->count; ++s) {
      const Run& run = leaf->runs[s];
      if (run.length == 0) return "a run is empty";
      const std::size_t extent = leaf->extents[s];
      if (unit + extent > leaf->content.size() || (!run.live && extent != 0) ||
          (run.live && Content<Buffer>::elements(leaf->slice(unit, extent)) != run.length)) {
        return "a run's contents are not those of its elements";
      }
      unit += extent;
    }
    return unit == leaf->content.size() ? nullptr : "contents of no run";
  }
  const auto* inner = static_cast<const Inner*>(node);
  Sums sum;
  for (std::size_t i = 0; i < inner->count; ++i) {
    const Node* child = inner->children[i];
    if (child->parent != inner || child->slot != i) return "a node does not know its place";
    sum += inner->sums[i];
    if (const char* wrong = check_node(child, inner->sums[i], expected)) return wrong;
  }
  return sum == sums ? nullptr : "an inner node's elements are miscounted";
}

template <class Buffer>
const char* Sequenced<Buffer>::check(const std::vector<Sequence>& clock) const {
  const Leaf* expected = edge_leaf(false);
  if (const char* wrong = check_node(root_, root_sums_, expected)) return wrong;
  if (expected != nullptr) return "a leaf outside the tree";
  for (Leaf* leaf = edge_leaf(false); leaf != nullptr; leaf = leaf->next) {
    for (std::uint32_t s = 0; s < leaf->count; ++s) {
      const Run& run = leaf->runs[s];
      if (run.last().sequence > clock[run.replica]) return "an element beyond the clock";
      for (const ElementId id : {run.id(), run.last()}) {
        const Place place = find(id);
        if (place.leaf != leaf || place.slot != s) return "an element cannot be found by its id";
      }
    }
  }
  return nullptr;
}

template class Sequenced<std::vector<Value>>;
template class Sequenced<std::string>;

}  // namespace rejoin
