// A cursor's position as bytes: alone, and in the keys of a text's marks.
#pragma once

#include "rejoin/crdt/codec.h"
#include "rejoin/crdt/types/cursor.h"

namespace rejoin {

void encode_position(const Cursor& cursor, Writer& out);
// Fails the reader on what encode_position does not write.
Cursor decode_position(Reader& in);

}  // namespace rejoin
