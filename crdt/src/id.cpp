#include "rejoin/crdt/id.h"

namespace rejoin {
namespace {

constexpr char hex_digits[] = "0123456789abcdef";

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string to_hex(const std::uint8_t* bytes, std::size_t size) {
  std::string text(size * 2, '0');
  for (std::size_t i = 0; i < size; ++i) {
    text[2 * i] = hex_digits[bytes[i] >> 4];
    text[2 * i + 1] = hex_digits[bytes[i] & 15];
  }
  return text;
}

}  // namespace

ReplicaId ReplicaId::from_words(std::uint64_t high, std::uint64_t low) {
  ReplicaId id;
  for (std::size_t i = 0; i < 8; ++i) {
    id.bytes[i] = static_cast<std::uint8_t>(high >> (56 - 8 * i));
    id.bytes[8 + i] = static_cast<std::uint8_t>(low >> (56 - 8 * i));
  }
  return id;
}

Result<ReplicaId> ReplicaId::parse(std::string_view hex) {
  ReplicaId id;
  bool good = hex.size() == 2 * id.bytes.size();
  for (std::size_t i = 0; good && i < id.bytes.size(); ++i) {
    const int high = hex_value(hex[2 * i]);
    const int low = hex_value(hex[2 * i + 1]);
    good = high >= 0 && low >= 0;
    if (good) id.bytes[i] = static_cast<std::uint8_t>(high << 4 | low);
  }
  if (!good) {
    return make_error(ErrorCode::malformed, "a replica id is exactly 32 hexadecimal digits",
                      std::string(hex.substr(0, 64)));
  }
  return id;
}

std::string ReplicaId::to_string() const { return to_hex(bytes.data(), bytes.size()); }

std::string ReplicaId::short_name() const { return to_hex(bytes.data(), 4); }

std::string Dot::to_string() const { return replica.short_name() + ":" + std::to_string(sequence); }

}  // namespace rejoin
