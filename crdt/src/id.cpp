#include "rejoin/crdt/id.h"

#include <charconv>

#include "hex.h"

namespace rejoin {
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
  if (!from_hex(hex, id.bytes)) {
    return make_error(ErrorCode::malformed, "a replica id is exactly 32 hexadecimal digits",
                      std::string(hex.substr(0, 64)));
  }
  return id;
}

std::string ReplicaId::to_string() const { return to_hex(bytes); }

std::string ReplicaId::short_name() const { return to_hex(std::span(bytes).first(4)); }

std::string Dot::full_name() const { return replica.to_string() + ":" + std::to_string(sequence); }

Result<Dot> Dot::parse(std::string_view name) {
  const std::size_t colon = name.find(':');
  const Result<ReplicaId> replica = ReplicaId::parse(name.substr(0, colon));
  Dot dot;
  const char* const end = name.data() + name.size();
  if (replica && colon != std::string_view::npos) {
    const auto number = std::from_chars(name.data() + colon + 1, end, dot.sequence);
    if (number.ec != std::errc{} || number.ptr != end) dot.sequence = 0;
  }
  if (dot.sequence == 0) {
    return make_error(ErrorCode::malformed,
                      "a write's name is 32 hexadecimal digits, a colon and a number from 1",
                      std::string(name.substr(0, 64)));
  }
  dot.replica = *replica;
  return dot;
}

std::string Dot::to_string() const { return replica.short_name() + ":" + std::to_string(sequence); }

}  // namespace rejoin
