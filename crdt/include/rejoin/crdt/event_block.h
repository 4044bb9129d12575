// Events as one block: what many of them say alike is written once, like stands with like in
// columns, and the columns are compressed. For histories that are kept, backed up or handed on
// whole; a block is read whole.
//
// Of texts and lists, keystrokes mostly go on where the last one ended, so they cost little more
// than their characters. docs/formats.md has the format.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "rejoin/crdt/event.h"

namespace rejoin {

// Packs events of any writers in any order; decode_block gives them back in that order, byte for
// byte. Equal events in the same order give equal blocks with one version of the compression
// library. O(bytes of the events), dominated by compression: some 3 MB/s. `limit_exceeded` when the
// events have more than limits::block_bytes_max bytes together.
Result<std::string> encode_block(std::span<const EventPtr> events);

// `malformed` when it is no whole block, `unsupported_version` for a newer format,
// `limit_exceeded` when it claims more bytes of events than limits::block_bytes_max.
Result<std::vector<EventPtr>> decode_block(std::string_view bytes);

}  // namespace rejoin
