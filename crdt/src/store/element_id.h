// The identity of one element of a list or text.
#pragma once

#include <compare>
#include <cstdint>

#include "rejoin/crdt/id.h"

namespace rejoin {

// The dot of its insertion: interned replica and sequence. Sequence 0 is the beginning (as a left
// origin) or the end (as a right origin).
struct ElementId {
  std::uint32_t replica = 0;
  Sequence sequence = 0;
  bool is_boundary() const { return sequence == 0; }
  // Its `n`th successor among those that one replica inserted in one go.
  ElementId plus(std::uint64_t n) const { return {replica, sequence + n}; }
  // By replica index, so that ids can be sorted and looked up; it says nothing about their order in
  // a sequence.
  friend auto operator<=>(const ElementId&, const ElementId&) = default;
};

}  // namespace rejoin
