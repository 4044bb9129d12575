// The order-free 128-bit hash of a space's state.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

namespace rejoin {

// A sum, modulo 2^128, of one hash per live entry (XXH3-128; a lighter one for elements of lists
// and texts, which also depends on the element before): adding or removing an entry is O(1) and the
// order does not matter. It certifies convergence; it is no defence against an adversary that
// is let in, for which there is mutual authentication.
struct StateHash {
  std::uint64_t low = 0;
  std::uint64_t high = 0;

  StateHash& operator+=(const StateHash& other) {
    const std::uint64_t before = low;
    low += other.low;
    high += other.high + (low < before ? 1 : 0);
    return *this;
  }
  StateHash& operator-=(const StateHash& other) {
    const std::uint64_t before = low;
    low -= other.low;
    high -= other.high + (low > before ? 1 : 0);
    return *this;
  }
  friend auto operator<=>(const StateHash&, const StateHash&) = default;
  std::string to_string() const;  // 32 hexadecimal digits, high word first
};

// XXH3-128 of `bytes`, seeded.
StateHash hash_bytes(std::string_view bytes, std::uint64_t seed = 0);

}  // namespace rejoin
