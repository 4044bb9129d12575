#include "rejoin/crdt/codec.h"

namespace rejoin {

void Writer::fixed64(std::uint64_t v) {
  char buffer[8];
  for (std::size_t i = 0; i < 8; ++i) buffer[i] = static_cast<char>(v >> (8 * i));
  out_.append(buffer, sizeof buffer);
}

std::uint64_t Reader::long_varint() {
  std::uint64_t v = 0;
  for (unsigned shift = 0; shift < 70; shift += 7) {
    if (position_ == in_.size()) break;
    const auto byte = static_cast<std::uint8_t>(in_[position_++]);
    // The tenth byte holds the one bit that is left.
    if (shift == 63 && byte > 1) break;
    v |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
    if (byte < 0x80) {
      if (byte == 0 && shift != 0) break;  // not the shortest form
      return v;
    }
  }
  ok_ = false;
  return 0;
}

std::uint64_t Reader::fixed64() {
  const std::string_view bytes = raw(8);
  if (!ok_) return 0;
  std::uint64_t v = 0;
  for (std::size_t i = 0; i < 8; ++i) {
    v |= static_cast<std::uint64_t>(static_cast<std::uint8_t>(bytes[i])) << (8 * i);
  }
  return v;
}

}  // namespace rejoin
