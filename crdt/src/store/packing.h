// Compression of deltas.
#pragma once

#include <string>
#include <string_view>

#include "rejoin/crdt/result.h"

namespace rejoin {

// A byte that says how, then the bytes: as they are, or compressed (Zstandard) where that is
// smaller. The same bytes give the same result with one version of the library only.
std::string packed(std::string_view plain);

// `malformed` when it was not packed so, or claims to become larger than limits::delta_bytes_max,
// or implausibly much larger than it is: memory is not given away for a claim.
Result<std::string> unpacked(std::string_view bytes);

}  // namespace rejoin
