// Names of writers and writes: ReplicaId, Sequence, Dot.
#pragma once

#include <array>
#include <bit>
#include <compare>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>

#include "rejoin/crdt/result.h"

namespace rejoin {

// 128 random bits naming one incarnation of one writer in one space. Never reused. The all-zero id
// names nobody. Ordered bytewise, the same on every machine.
struct ReplicaId {
  std::array<std::uint8_t, 16> bytes{};

  friend bool operator==(const ReplicaId& a, const ReplicaId& b) {
    return a.word(0) == b.word(0) && a.word(1) == b.word(1);
  }
  friend std::strong_ordering operator<=>(const ReplicaId& a, const ReplicaId& b) {
    if (auto order = a.word(0) <=> b.word(0); order != 0) return order;
    return a.word(1) <=> b.word(1);
  }
  bool is_nil() const { return *this == ReplicaId{}; }

  // Builds an id from 128 random bits (two words, big-endian in `bytes`).
  static ReplicaId from_words(std::uint64_t high, std::uint64_t low);
  // Exactly 32 lower- or upper-case hexadecimal digits; anything else is `malformed`.
  static Result<ReplicaId> parse(std::string_view hex);
  std::string to_string() const;   // 32 hexadecimal digits
  std::string short_name() const;  // the first 8 of them, for people

 private:
  // Eight of the bytes as a big-endian number: words compare as the bytes do.
  std::uint64_t word(std::size_t i) const {
    std::uint64_t v;
    std::memcpy(&v, bytes.data() + 8 * i, sizeof v);
    if constexpr (std::endian::native == std::endian::little) v = __builtin_bswap64(v);
    return v;
  }
};

// Counts the writes of one replica in one space, from 1. 0 means "none yet".
using Sequence = std::uint64_t;

// Names one write for ever.
struct Dot {
  ReplicaId replica;
  Sequence sequence = 0;

  friend auto operator<=>(const Dot&, const Dot&) = default;
  std::string to_string() const;  // "<short name>:<sequence>", for people
  // "<32 hexadecimal digits>:<sequence>", and back. Anything else, and a sequence of 0, is
  // `malformed`.
  std::string full_name() const;
  static Result<Dot> parse(std::string_view name);
};

}  // namespace rejoin

template <>
struct std::hash<rejoin::ReplicaId> {
  std::size_t operator()(const rejoin::ReplicaId& id) const noexcept {
    std::uint64_t words[2];
    std::memcpy(words, id.bytes.data(), sizeof words);
    return static_cast<std::size_t>(words[0] ^ (words[1] * 0x9E3779B97F4A7C15ull));
  }
};
