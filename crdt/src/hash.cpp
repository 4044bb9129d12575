#include "rejoin/crdt/hash.h"

// Inlined here and nowhere else: short inputs, nearly all of ours, then cost no call. The algorithm
// gives the same result whichever vector instructions it is compiled for.
#define XXH_INLINE_ALL
#include <xxhash.h>

namespace rejoin {

StateHash hash_bytes(std::string_view bytes, std::uint64_t seed) {
  const XXH128_hash_t hash = XXH3_128bits_withSeed(bytes.data(), bytes.size(), seed);
  return StateHash{hash.low64, hash.high64};
}

std::string StateHash::to_string() const {
  constexpr char digits[] = "0123456789abcdef";
  std::string text(32, '0');
  for (std::size_t i = 0; i < 16; ++i) {
    text[i] = digits[high >> (60 - 4 * i) & 15];
    text[16 + i] = digits[low >> (60 - 4 * i) & 15];
  }
  return text;
}

}  // namespace rejoin
