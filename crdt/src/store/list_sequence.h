// The elements of a list or log: a sequence whose elements may move.
//
// An element keeps its id, the dot of its insertion, for life. A move inserts a holder: one more
// element of the sequence, which stands for the one that moved and has its content from then on;
// that one itself goes away: it stays where it was inserted without content, to say that it is not
// removed. Of the holders of an element the one with the greatest stamp counts, then with the
// greatest dot. A stamp is the time of the move, or just after the stamp of the holder that the
// mover saw, where that is later. So a move is greater than all that it saw, and the greatest that
// is known is the same whatever came first: the others are dropped when they meet it, and so are
// all when the element is removed. What is shown is a function of the set of what is known, and
// nothing has to be told of what was dropped but why, so that nobody forgets it too early.
#pragma once

#include <map>
#include <vector>

#include "store/sequence.h"

namespace rejoin {

extern template class Sequenced<std::vector<Value>>;

class ListSequence : public Sequenced<std::vector<Value>> {
 public:
  struct Holder {
    ElementId element;
    std::uint64_t stamp = 0;
  };

  // ---- Reading ----
  bool has_moves() const { return !holders_.empty(); }
  // Which element is seen at a live element of the sequence: itself, or the one that it holds.
  ElementId element_at(ElementId id) const;
  // As that of a sequence, where the element is seen; where it was inserted if it was removed.
  std::optional<Standing> standing(ElementId element) const;
  // Of a holder that counts.
  const Holder& holder(ElementId id) const { return holders_.at(id); }
  // Of one that was dropped: the holder that is greater, or the element that was removed.
  ElementId dropped_for(ElementId id) const { return dropped_.at(id).reason; }
  // The stamp of a move of this element at `time`; 0 when none is left that is greater.
  std::uint64_t next_stamp(ElementId element, std::uint64_t time) const;
  StateHash hash(const SequenceContext& context) const;

  // ---- Writing: what goes is visited before, with its content ----
  // Inserts a holder where `piece` says (its id and origins).
  StateHash move(const SequenceContext& context, Piece piece, const Holder& holder, Visit visit);
  // Of a holder that was put into the sequence live: has it count, or drops it. O(log size).
  StateHash admit(const SequenceContext& context, ElementId id, const Holder& holder, Visit visit);
  // Of one that was put there dropped already.
  void note_dropped(ElementId id, ElementId reason) { dropped_[id] = {{}, reason}; }
  // Of an element that was put there away: removed, unless something holds it. (From no honest
  // writer.)
  void settle_away(ElementId id);
  // Removes those of [id, id + count) that are there, wherever they are seen.
  StateHash remove_ids(const SequenceContext& context, ElementId id, std::uint64_t count,
                       Visit visit);
  // Forgets, too, why holders were dropped when that is stable.
  Pruned prune(const std::vector<Sequence>& stable);
  void erase(ElementId id, std::uint64_t count);
  void restore(ElementId id, std::uint64_t count, Slice content);

  const char* check(const std::vector<Sequence>& clock) const;

 private:
  struct Dropped {
    Holder holder;  // for undo, where it counted
    ElementId reason;
  };
  void count_in(ElementId id, const Holder& holder);
  StateHash drop(const SequenceContext& context, ElementId id, ElementId reason, Visit visit);

  std::map<ElementId, Holder> holders_;     // those that count
  std::map<ElementId, ElementId> held_by_;  // element to holder
  std::map<ElementId, Dropped> dropped_;
};

}  // namespace rejoin
