// The part of a state that a peer with an older clock lacks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "rejoin/crdt/clock.h"
#include "rejoin/crdt/hash.h"

namespace rejoin {

// Cells as they are at `clock`, with the removals that are still remembered. May be joined into any
// replica whose clock includes `base`; afterwards that replica's clock includes `clock`. The body
// is opaque; docs/formats.md describes it.
struct Delta {
  enum class Scope : std::uint8_t {
    since,  // the cells touched since `base`; all others are the same
    whole,  // all cells; others are not there
    cells,  // some cells; those in `judged` that it does not name are not there, and all others are
            // the same
  };
  Scope scope = Scope::since;
  Clock base;
  Clock clock;
  // Of what `clock` leaves out because it is retired: a hash (Document::retired_hash), and the ids
  // themselves where somebody may lack any of it (Document::whole).
  StateHash retired_hash;
  Clock retired;
  // Of some cells: which comparison of two states they come from, and places (Document::CellHash).
  std::uint64_t comparison = 0;
  std::vector<std::uint64_t> judged;
  std::string body;
  std::size_t cells = 0;  // how many cells and removals the body names

  std::string encoded() const;
  static Result<Delta> decode(std::string_view bytes);
};

}  // namespace rejoin
