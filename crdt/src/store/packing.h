// Compression of deltas and of blocks of events.
#pragma once

#include <string>
#include <string_view>

#include "rejoin/crdt/result.h"

namespace rejoin {

// A byte that says how, then the bytes: as they are, or compressed (Zstandard) where that is
// smaller. The same bytes give the same result with one version of the library only.
// `archive` is much slower than `exchange` and saves a sixth of typed text: for what is kept long.
enum class Effort { exchange, archive };
std::string packed(std::string_view plain, Effort effort = Effort::exchange);

// `malformed` when it was not packed so, or claims to become larger than limits::delta_bytes_max,
// or implausibly much larger than it is: memory is not given away for a claim. The
// error's text begins with `subject`, what the bytes are of.
Result<std::string> unpacked(std::string_view bytes, std::string_view subject);

}  // namespace rejoin
