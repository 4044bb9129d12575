// Under which key, below a list, what belongs to one of its elements is kept.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "rejoin/crdt/codec.h"
#include "rejoin/crdt/id.h"
#include "rejoin/crdt/value.h"

namespace rejoin {

inline constexpr std::size_t element_key_bytes = sizeof(ReplicaId) + sizeof(Sequence);

inline Value element_key(const Dot& element) {
  std::string bytes;
  Writer out(bytes);
  out.replica(element.replica);
  out.fixed64(element.sequence);
  return Value::bytes(bytes);
}

// Of a key of that many bytes.
inline Dot element_of_key(const Value& key) {
  Reader in(key.as_bytes());
  const ReplicaId replica = in.replica();
  return {replica, in.fixed64()};
}

}  // namespace rejoin
