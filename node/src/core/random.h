// Random numbers that are the same on every machine: ids, incarnations and jitter of the protocol.
#pragma once

#include <cstdint>

namespace rejoin::node {

// xoshiro256** (Blackman, Vigna: "Scrambled linear pseudorandom number generators", 2021), its
// state filled by splitmix64. Not for secrets.
class Random {
 public:
  Random(std::uint64_t seed_a, std::uint64_t seed_b) {
    // Every word depends on both seeds: already the first number drawn must.
    std::uint64_t x = seed_a;
    std::uint64_t y = seed_b ^ splitmix(x);
    for (std::uint64_t& word : state_) word = splitmix(x) ^ splitmix(y);
  }

  std::uint64_t next() {
    const std::uint64_t result = rotate(state_[1] * 5, 7) * 9;
    const std::uint64_t t = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= t;
    state_[3] = rotate(state_[3], 45);
    return result;
  }

  // 0 .. bound - 1; the bias of the remainder does not matter for jitter.
  std::uint64_t below(std::uint64_t bound) { return bound == 0 ? 0 : next() % bound; }

 private:
  static std::uint64_t rotate(std::uint64_t x, int k) { return (x << k) | (x >> (64 - k)); }
  static std::uint64_t splitmix(std::uint64_t& x) {
    std::uint64_t z = (x += 0x9E3779B97F4A7C15ull);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
  }
  std::uint64_t state_[4];
};

}  // namespace rejoin::node
