#include "store/cursor_codec.h"

#include "rejoin/crdt/hash.h"
#include "rejoin/crdt/limits.h"

namespace rejoin {
namespace {

constexpr std::uint8_t cursor_format = 1;

enum PositionFlag : std::uint8_t {
  sticks_right = 1,
  at_element = 2,  // its dot follows; otherwise the beginning or the end
  all_flags = 3,
};

// So that a turned bit does not pass for another place in the text.
void append_checksum(std::string& bytes) {
  const std::uint64_t sum = hash_bytes(bytes).low;
  for (int shift = 0; shift < 32; shift += 8) bytes += static_cast<char>(sum >> shift);
}

}  // namespace

void encode_position(const Cursor& cursor, Writer& out) {
  const bool has_element = cursor.element.sequence != 0;
  out.u8(static_cast<std::uint8_t>((cursor.sticks == Sticks::right ? sticks_right : 0) |
                                   (has_element ? at_element : 0)));
  if (!has_element) return;
  out.replica(cursor.element.replica);
  out.varint(cursor.element.sequence);
}

Cursor decode_position(Reader& in) {
  Cursor cursor;
  const std::uint8_t flags = in.u8();
  if (flags > all_flags) in.fail();
  cursor.sticks = (flags & sticks_right) != 0 ? Sticks::right : Sticks::left;
  if ((flags & at_element) == 0) return cursor;
  cursor.element.replica = in.replica();
  cursor.element.sequence = in.varint_at_most(limits::sequence_max);
  if (cursor.element.sequence == 0) in.fail();
  return cursor;
}

std::string Cursor::encoded() const {
  std::string bytes;
  Writer out(bytes);
  out.u8(cursor_format);
  encode_position(*this, out);
  append_checksum(bytes);
  return bytes;
}

Result<Cursor> Cursor::decode(std::string_view bytes) {
  Reader in(bytes);
  const std::uint8_t format = in.u8();
  if (in.ok() && format > cursor_format) {
    return make_error(ErrorCode::unsupported_version, "cursor format " + std::to_string(format) +
                                                          ", this build reads " +
                                                          std::to_string(cursor_format));
  }
  const Cursor cursor = decode_position(in);
  // There is one encoding of each.
  if (!in.ok() || cursor.encoded() != bytes) {
    return make_error(ErrorCode::malformed, "these bytes are not those of a cursor");
  }
  return cursor;
}

}  // namespace rejoin
