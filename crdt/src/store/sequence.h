// The elements of a list, log or text, in order, with those removed.
//
// Order: each element names the neighbours between which it was inserted (its origins). Elements
// inserted concurrently at one place are ordered by their right origins, then by id, subtree by
// subtree: the list order of FugueMax (Weidner, Kleppmann: "The Art of the Fugue", 2023, section 5)
// found by scanning, as in Gentle and Kleppmann, "Eg-walker" (EuroSys 2025, section 3.3). It
// depends on the set of elements alone, not on the order in which they came.
//
// Elements that one replica typed on are kept as one run. Runs stand in the leaves of a B+tree
// whose inner nodes count elements; contents stand beside them, one buffer a leaf; an index finds
// an element's leaf by its id. A local edit costs O(log n), near the last one less; a remote one
// O(log n) and the runs concurrent with it at its place. docs/sequence.md has the reasons.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "function_ref.h"
#include "rejoin/crdt/hash.h"
#include "rejoin/crdt/value.h"
#include "store/element_id.h"
#include "store/id_index.h"
#include "utf8.h"

namespace rejoin {

struct Writer_;

// What a sequence needs to know of its document.
struct SequenceContext {
  const Writer_* writers;  // by replica index
  StateHash path;          // of the cell
  // True when a comes before b by replica id, then sequence: indexes say nothing about order.
  bool less(ElementId a, ElementId b) const;
  // What it adds to the state hash that one element holds another.
  StateHash hold_hash(ElementId holder, ElementId element, std::uint64_t stamp) const;
};

// Consecutive ids in order: each element but the first was inserted just after the one before it,
// all with the same right origin, and all of them in the same state: live, removed, or away (see
// list_sequence.h); holders or no holders. Of settled elements the origins are forgotten, and
// `left` is the root of their block (docs/sequence.md).
struct Run {
  Sequence first = 0;
  ElementId left;  // origins of the first element
  ElementId right;
  std::uint32_t replica = 0;
  std::uint32_t length : 28 = 0;
  bool live : 1 = false;
  bool away : 1 = false;  // not live, and not removed: it is seen where a holder of it stands
  bool holder : 1 = false;
  bool settled : 1 = false;
  bool is_like(const Run& other) const {
    return live == other.live && away == other.away && holder == other.holder &&
           settled == other.settled;
  }
  ElementId id(std::uint64_t offset = 0) const { return {replica, first + offset}; }
  ElementId last() const { return id(length - 1); }
  ElementId left_of(std::uint64_t offset) const {
    return offset == 0 || settled ? left : id(offset - 1);
  }
  bool is_within(const std::vector<Sequence>& clock) const {
    return last().sequence <= clock[replica];
  }
};
static_assert(sizeof(Run) == 48);

// The elements of one run, at most.
inline constexpr std::uint32_t run_length_max = (std::uint32_t{1} << 28) - 1;

// The contents of a run: values, or the bytes of UTF-8 text, in which each code point is an
// element.
template <class Buffer>
struct SequenceContent;
template <>
struct SequenceContent<std::vector<Value>> {
  using Slice = std::span<const Value>;
};
template <>
struct SequenceContent<std::string> {
  using Slice = std::string_view;
};

// The removals of consecutive elements, as consecutive dots of one replica: the dot `by` + i
// removed element `target` + i, or `target` - i when descending.
struct SequenceRemoval {
  Sequence by = 0;
  ElementId target;
  std::uint64_t count = 0;
  bool descending = false;
  SequenceRemoval without_first(std::uint64_t n) const {
    const ElementId rest{target.replica, descending ? target.sequence - n : target.sequence + n};
    return {by + n, rest, count - n, descending && count - n > 1};
  }
  // The first of the elements in ascending order.
  ElementId first() const {
    return descending ? ElementId{target.replica, target.sequence - (count - 1)} : target;
  }
};
// Makes `next` part of `last` where it goes on with it, in either direction: deleting on, or
// backwards, is one removal.
bool extend(SequenceRemoval& last, const SequenceRemoval& next);

template <class Buffer>
class Sequenced {
 public:
  using Slice = typename SequenceContent<Buffer>::Slice;

  // Part of a run, or a run to insert.
  struct Piece {
    ElementId id;  // of its first element
    std::uint64_t count = 0;
    ElementId left;
    ElementId right;
    bool live = true;
    bool away = false;
    bool holder = false;
    bool settled = false;
    Slice content;
  };
  using Visit = FunctionRef<void(const Piece&)>;
  // The first `n` elements of a piece, and the others.
  static Piece first_of(const Piece& piece, std::uint64_t n);
  static Piece rest_of(const Piece& piece, std::uint64_t n);

  struct Leaf;

  Sequenced();
  ~Sequenced();
  Sequenced(const Sequenced&) = delete;
  Sequenced& operator=(const Sequenced&) = delete;

  std::size_t live_count() const { return root_sums_.live; }
  bool empty() const { return root_sums_.total == 0; }
  std::size_t extent() const { return root_sums_.extent; }  // bytes of text, number of values
  std::size_t utf16_count() const { return root_sums_.live + root_sums_.wide; }

  // ---- Reading ----
  // Live elements [index, index + count), piece by piece; the bounds must hold.
  void for_each_live(std::size_t index, std::size_t count, Visit visit) const;
  // All pieces in order.
  void for_each_piece(Visit visit) const;
  // The pieces beyond `base` (by replica index), in order. Costs in proportion to their leaves.
  void for_each_piece_since(const std::vector<Sequence>& base, Visit visit) const;
  // What was removed beyond `base`, a replica after the other, by dot.
  void for_each_removal_since(
      const std::vector<Sequence>& base,
      FunctionRef<void(std::uint32_t replica, const SequenceRemoval& removal)> visit) const;
  // How many of [id, id + count) are absent before the first that is here.
  std::uint64_t absent(ElementId id, std::uint64_t count) const;
  bool contains(ElementId id) const { return find(id).leaf != nullptr; }
  bool is_live(ElementId id) const;
  // The same for an element that may be away; never for a holder.
  bool lives(ElementId id) const;
  // What all elements are in the state hash.
  StateHash hash(const SequenceContext& context) const;
  // How many elements stand before one that is here, removed ones included, and how many of them
  // live. O(log n).
  struct Standing {
    std::size_t rank;
    std::size_t live_before;
    bool live;  // the element itself
  };
  std::optional<Standing> standing(ElementId id) const;
  // Which element is seen at a live one.
  ElementId element_at(ElementId id) const { return id; }

  // ---- Writing ----
  // Most give by how much the state hash changes.

  // Where a local insertion goes, and between which neighbours. Valid until the next change.
  struct Place {
    Leaf* leaf = nullptr;
    std::uint32_t slot = 0;    // of the run; the number of runs at the leaf's end
    std::uint32_t offset = 0;  // elements of the run before the place
  };
  struct Gap {
    ElementId left;
    ElementId right;
    ElementId live_left;  // the live elements beside it; boundary where there is none
    ElementId live_right;
    Place place;
  };
  Gap gap_at(std::size_t index);
  // Behind the last element, removed ones included: where a log goes on.
  Gap gap_at_end();
  StateHash insert(const SequenceContext& context, const Gap& gap, ElementId id,
                   std::uint64_t count, Slice content);
  // Inserts where the order puts it. Origins that are not here, or stand in the wrong order, come
  // from no honest writer: the same at every replica, so each may read them as beginning or end.
  StateHash integrate(const SequenceContext& context, Piece piece);
  // Inserts a piece where it stands within its block: behind `before`, or where that is not here,
  // behind all that is here of the block.
  StateHash integrate_in_block(const SequenceContext& context, const Piece& piece, ElementId root,
                               ElementId before);
  // Fills an empty sequence with stored pieces: they are stored in their order. False, and it stays
  // empty, when two of them name one element. O(n log n) in pieces.
  bool load(const SequenceContext& context, std::span<const Piece> pieces, StateHash& hash);
  // Removes `count` live elements from `index` on, after a visit to each piece of them.
  StateHash remove(const SequenceContext& context, std::size_t index, std::uint64_t count,
                   Visit visit);
  // The same with those of [id, id + count) that live. Those that are away have no content; holders
  // are not removed by name.
  StateHash remove_ids(const SequenceContext& context, ElementId id, std::uint64_t count,
                       Visit visit);
  void note_removal(std::uint32_t replica, const SequenceRemoval& removal);
  bool is_removal_noted(ElementId id) const;
  // Forgets the notes of removals that `stable` includes.
  struct Pruned {
    bool changed = false;
    bool pending = false;  // notes are left
  };
  Pruned prune(const std::vector<Sequence>& stable);
  // Forgets removed elements that nothing can refer to any more, and settles elements: forgets the
  // origins of those with which nothing can be concurrent any more but what knows none of them
  // (docs/sequence.md). The state hash stays. O(runs) after changes, until all of them are stable.
  // `kept` says which of the removed elements between two others stays: the one that later
  // insertions may name. Those in `named` stay as well.
  enum class Kept { first, last };
  struct Forgotten {
    std::uint64_t elements = 0;
    bool origins = false;
    bool pending = false;  // there is something that is not stable yet, or is named
  };
  Forgotten forget_elements(const std::vector<Sequence>& stable, Kept kept,
                            std::vector<ElementId> named);
  // Nothing is here of replicas that are not among these, by number.
  void keep_replicas(const std::vector<bool>& used) {
    index_.keep_replicas(used);
    std::erase_if(removals_, [&](const RemovalsOf& of) { return !used[of.replica]; });
  }
  // Undo insert, remove, and note_removal (of what was removed from the dot `by` on). The state
  // hash is the caller's.
  void erase(ElementId id, std::uint64_t count);
  void restore(ElementId id, std::uint64_t count, Slice content);
  void forget_removals_from(std::uint32_t replica, Sequence by);
  // Of elements that are not live.
  void set_away(ElementId id, bool away);

  // What is wrong, or null. Every id must be within `clock`.
  const char* check(const std::vector<Sequence>& clock) const;

 protected:
  void look_at(ElementId id, Visit visit) const;
  // Removes a live element, also a holder, after a visit to it.
  StateHash take_out(const SequenceContext& context, ElementId id, Visit visit);
  void clear_holder(ElementId id);

 private:
  struct Inner;
  struct Node {
    Inner* parent = nullptr;
    std::uint16_t slot = 0;  // in the parent
    std::uint16_t count = 0;
    bool is_leaf = false;
  };
  struct Sums {
    std::size_t live = 0;
    std::size_t total = 0;
    std::size_t extent = 0;
    std::size_t wide = 0;  // live elements that are two units of UTF-16
    Sums& operator+=(const Sums& other) {
      live += other.live;
      total += other.total;
      extent += other.extent;
      wide += other.wide;
      return *this;
    }
    Sums& operator-=(const Sums& other) {
      live -= other.live;
      total -= other.total;
      extent -= other.extent;
      wide -= other.wide;
      return *this;
    }
    friend bool operator==(const Sums&, const Sums&) = default;
  };
  static constexpr std::size_t children_max = 24;

  Sums& sums_of(const Node* node) {
    return node->parent == nullptr ? root_sums_ : node->parent->sums[node->slot];
  }
  void add_sums(Node* node, const Sums& sums);
  void subtract_sums(Node* node, const Sums& sums);

  // -- finding --
  Place find_live(std::size_t index, std::size_t& leaf_start) const;
  // The same, with the cursor set there.
  Place go_to_live(std::size_t index);
  Place find(ElementId id) const;  // leaf null when it is not here
  std::size_t leaf_rank(const Leaf* leaf) const;
  // The number of elements, removed ones included, before a place.
  std::size_t rank(const Place& place) const;
  Leaf* edge_leaf(bool last) const;
  // The nearest live elements before and from a place on; boundary when there is none.
  ElementId live_before(const Place& place) const;
  ElementId live_from(const Place& place) const;
  ElementId next_id(const Place& place) const;  // boundary at the end
  // Where a piece goes, between its origins and `at`, the place behind the left one.
  Place place_in_order(const SequenceContext& context, const Piece& piece, Place at) const;

  // -- changing --
  // Lengthens the run at the cursor when the insertion goes on there; false when it does not.
  bool type_on(const Gap& gap, ElementId id, std::uint32_t count, Slice content);
  static Run run_of(const Piece& piece);
  StateHash put_piece(const SequenceContext& context, const Place& place, const Piece& piece);
  void put_run(Place place, Run run, Slice content);
  // Calls each(run, content) for parts of a run that are short enough.
  template <class Each>
  static void in_short_runs(Run run, Slice content, Each each);
  // Puts pieces, none of which is here, at the end of an empty sequence.
  void append(std::span<const Piece> pieces);
  void put_short_run(Place place, const Run& run, Slice content);
  // Makes `extra` free slots and room in the buffer of the leaf; gives the place as it is then.
  Place make_room(Place place, std::size_t extra);
  void split_leaf(Leaf* leaf, std::size_t at);
  void add_sibling(Node* node, Node* fresh, const Sums& moved);
  // Divides the run at the place, which becomes the beginning of a run.
  Place split_run(Place place);
  void open_slot(Leaf* leaf, std::size_t slot);
  void close_slot(Leaf* leaf, std::size_t slot);
  void merge_with_next(Leaf* leaf, std::size_t slot);
  // Removes `count` elements of one live run from the place on.
  void mark_removed(Place place, std::uint32_t count);
  StateHash remove_piece(const SequenceContext& context, const Place& place, std::uint32_t count,
                         Visit visit);
  // The elements that may be forgotten now; `pending` when others may be later.
  std::vector<std::pair<ElementId, std::uint64_t>> forgettable(const std::vector<Sequence>& stable,
                                                               Kept kept,
                                                               std::span<const ElementId> named,
                                                               bool& pending) const;
  // Returns whether it settled any; `pending` when others may be settled later.
  bool settle(const std::vector<Sequence>& stable, bool& pending);
  void rebuild();
  // Isolates the run that holds [id, id + count) or its beginning; gives its place.
  Place isolate(ElementId id, std::uint64_t& count);
  // Has `change` change the state of the run of an element that is not live.
  template <class Change>
  void change_state(ElementId id, Change change);
  void changed_at(const Place& place);
  void destroy(Node* node);
  const char* check_node(const Node* node, const Sums& sums, const Leaf*& expected) const;

  Node* root_;
  Sums root_sums_;
  bool unpruned_ = false;  // something changed since the last look for what to forget
  IdIndex<Leaf> index_;
  // Where runs go instead of the index, while many come.
  std::vector<typename IdIndex<Leaf>::Range>* unindexed_ = nullptr;
  struct RemovalsOf {
    std::uint32_t replica;
    std::vector<SequenceRemoval> removals;  // by dot
  };
  std::vector<RemovalsOf> removals_;

  // Where the last local edit was: a leaf that begins at the live index `leaf_start`, and in it a
  // run that begins `run_start` live elements later.
  struct Cursor {
    Leaf* leaf = nullptr;
    std::size_t leaf_start = 0;
    std::uint32_t slot = 0;
    std::size_t run_start = 0;
    std::size_t unit = 0;  // where the run's contents begin
  };
  Cursor cursor_;
};

using TextSequence = Sequenced<std::string>;
extern template class Sequenced<std::string>;

}  // namespace rejoin
