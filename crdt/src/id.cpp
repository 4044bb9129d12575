#include "rejoin/crdt/id.h"

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

std::string Dot::to_string() const { return replica.short_name() + ":" + std::to_string(sequence); }

}  // namespace rejoin
