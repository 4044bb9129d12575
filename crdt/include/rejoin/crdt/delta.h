// The part of a state that a peer with an older clock lacks.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "rejoin/crdt/clock.h"

namespace rejoin {

// The cells touched since `base`, as they are at `clock`, with the removals that are still
// remembered. May be joined into any replica whose clock includes `base`; afterwards that replica's
// clock includes `clock`. The body is an opaque canonical encoding (docs/formats.md).
struct Delta {
  Clock base;
  Clock clock;
  std::string body;
  std::size_t cells = 0;  // how many cells and removals the body names

  std::string encoded() const;
  static Result<Delta> decode(std::string_view bytes);
};

}  // namespace rejoin
