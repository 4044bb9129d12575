// Randomness that is the same everywhere: one seed, the same numbers from every compiler, build
// type and machine.
//
// The generator is xoshiro256** (Blackman, Vigna: "Scrambled linear pseudorandom number
// generators", 2018), its state filled by splitmix64. The distributions use integers alone: the
// standard ones differ between libraries, and log() and exp() in their last bit.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace rejoin::simulation {

// Probabilities and shares, in parts per million.
struct Share {
  std::uint32_t ppm = 0;
  static constexpr std::uint32_t whole = 1'000'000;
  friend auto operator<=>(const Share&, const Share&) = default;
};

constexpr Share percent(std::uint32_t p) { return Share{p * 10'000}; }

// An inclusive interval from which a run draws a value; low == high for a fixed one.
template <class T>
struct Range {
  T low{};
  T high{};
  bool fixed() const { return low == high; }
  static constexpr Range of(T value) { return Range{value, value}; }
  friend bool operator==(const Range&, const Range&) = default;
};

// A cheap value type; copies go on independently from the same point. One thread at a time.
//
// Never call it twice within one expression whose evaluation order is open (function arguments):
// compilers differ there, and the run with them.
class Random {
 public:
  explicit Random(std::uint64_t seed);

  std::uint64_t next();                                          // 64 uniform bits
  std::uint64_t below(std::uint64_t bound);                      // uniform in [0, bound); bound > 0
  std::uint64_t between(std::uint64_t low, std::uint64_t high);  // uniform, both included
  std::int64_t between_signed(std::int64_t low, std::int64_t high);
  bool chance(Share share) { return below(Share::whole) < share.ppm; }
  bool coin() { return (next() >> 63) != 0; }

  // Exponentially distributed with this mean.
  std::uint64_t exponential(std::uint64_t mean);
  std::chrono::microseconds exponential(std::chrono::microseconds mean) {
    return std::chrono::microseconds(exponential(static_cast<std::uint64_t>(mean.count())));
  }
  // Log-normal: half of the values below `median`; two thirds within a factor of 2^spread of it.
  // `spread` in parts per million. A sum of uniforms stands for the normal distribution.
  std::uint64_t lognormal(std::uint64_t median, std::uint32_t spread_ppm);
  // Pareto with exponent `alpha` (in ppm; 1.2 is heavy): at least `minimum`, cut at 2^12 times it.
  std::uint64_t pareto(std::uint64_t minimum, std::uint32_t alpha_ppm);
  // Uniform in the logarithm: as likely between 10 and 100 as between 100 and 1000. A low end of 0
  // is drawn as often as one doubling.
  std::uint64_t log_uniform(std::uint64_t low, std::uint64_t high);

  std::uint64_t draw(const Range<std::uint64_t>& range) {
    return log_uniform(range.low, range.high);
  }
  std::chrono::microseconds draw(const Range<std::chrono::microseconds>& range);
  Share draw(const Range<Share>& range);  // uniform

  // A generator of its own for one concern, so that drawing more here does not shift what is drawn
  // there. The same label gives the same generator.
  Random fork(std::uint64_t label) const;

 private:
  std::uint64_t state_[4];
};

// log2(x) for x > 0 and 2^x, as fixed-point numbers with 32 fractional bits; exp2 saturates.
std::uint64_t fixed_log2(std::uint64_t x);
std::uint64_t fixed_exp2(std::uint64_t exponent);

}  // namespace rejoin::simulation
