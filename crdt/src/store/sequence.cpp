#include "store/sequence.h"

#include "store/sequence_forget.h"

namespace rejoin {

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

template class Sequenced<std::vector<Value>>;
template class Sequenced<std::string>;

}  // namespace rejoin
