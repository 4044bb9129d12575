#include "rejoin/simulation/random.h"

#include <bit>

#include "rejoin/crdt/assert.h"

namespace rejoin::simulation {

namespace {

constexpr std::uint64_t one = std::uint64_t{1} << 32;  // 1.0 with 32 fractional bits
constexpr std::uint64_t ln2 = 2'977'044'472;           // ln 2 * 2^32
constexpr std::uint64_t saturated = std::uint64_t{1} << 62;

std::uint64_t splitmix(std::uint64_t& state) {
  std::uint64_t z = (state += 0x9E3779B97F4A7C15ull);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
  return z ^ (z >> 31);
}

// a * b / 2^32, saturating.
std::uint64_t scale(std::uint64_t a, std::uint64_t b) {
  const std::uint64_t a_high = a >> 32, a_low = a & (one - 1);
  const std::uint64_t b_high = b >> 32, b_low = b & (one - 1);
  if (a_high != 0 && b_high >= saturated / one / a_high) return saturated;
  return ((a_high * b_high) << 32) + a_high * b_low + a_low * b_high + ((a_low * b_low) >> 32);
}

}  // namespace

Random::Random(std::uint64_t seed) {
  for (auto& word : state_) word = splitmix(seed);
}

std::uint64_t Random::next() {
  const std::uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
  const std::uint64_t t = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= t;
  state_[3] = std::rotl(state_[3], 45);
  return result;
}

std::uint64_t Random::below(std::uint64_t bound) {
  REJOIN_ASSERT(bound > 0);
  if (bound <= one) return ((next() >> 32) * bound) >> 32;
  return next() % bound;  // the bias, below bound / 2^64, does not matter to a test
}

std::uint64_t Random::between(std::uint64_t low, std::uint64_t high) {
  REJOIN_ASSERT(low <= high);
  if (high - low == ~std::uint64_t{0}) return next();
  return low + below(high - low + 1);
}

std::int64_t Random::between_signed(std::int64_t low, std::int64_t high) {
  REJOIN_ASSERT(low <= high);
  const std::uint64_t width = static_cast<std::uint64_t>(high) - static_cast<std::uint64_t>(low);
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(low) + between(0, width));
}

std::uint64_t Random::exponential(std::uint64_t mean) {
  const std::uint64_t u = (next() >> 32) + 1;  // in (0, 2^32]: u / 2^32 is uniform in (0, 1]
  const std::uint64_t minus_log2 = (std::uint64_t{32} << 32) - fixed_log2(u);
  return scale(mean, scale(minus_log2, ln2));
}

std::uint64_t Random::lognormal(std::uint64_t median, std::uint32_t spread_ppm) {
  std::int64_t sum = 0;  // of 12 uniforms, minus 6: mean 0, variance 1
  for (int i = 0; i < 12; ++i) sum += static_cast<std::int64_t>(next() >> 32);
  sum -= std::int64_t{6} << 32;
  const std::uint64_t size = static_cast<std::uint64_t>(sum < 0 ? -sum : sum);
  const std::uint64_t factor = fixed_exp2(scale(size, (spread_ppm * one) / Share::whole));
  if (sum >= 0) return scale(median, factor);
  const std::uint64_t inverse = factor < one ? one : (~std::uint64_t{0}) / factor;
  return scale(median, inverse);
}

std::uint64_t Random::pareto(std::uint64_t minimum, std::uint32_t alpha_ppm) {
  REJOIN_ASSERT(alpha_ppm > 0);
  const std::uint64_t u = (next() >> 32) + 1;
  const std::uint64_t minus_log2 = (std::uint64_t{32} << 32) - fixed_log2(u);
  std::uint64_t exponent = scale(minus_log2, (Share::whole * one) / alpha_ppm);
  if (exponent > (std::uint64_t{12} << 32)) exponent = std::uint64_t{12} << 32;
  return scale(minimum, fixed_exp2(exponent));
}

std::uint64_t Random::log_uniform(std::uint64_t low, std::uint64_t high) {
  REJOIN_ASSERT(low <= high);
  if (low == high) return low;
  if (high - low < 4) return between(low, high);
  std::uint64_t from = low == 0 ? 0 : fixed_log2(low);
  const std::uint64_t to = fixed_log2(high);
  if (low == 0) {
    const std::uint64_t doublings = (to >> 32) + 1;
    if (below(doublings) == 0) return 0;
    from = 0;
  }
  const std::uint64_t value = fixed_exp2(from + below(to - from + 1)) >> 32;
  return value < low ? low : value > high ? high : value;
}

std::chrono::microseconds Random::draw(const Range<std::chrono::microseconds>& range) {
  const std::int64_t low = range.low.count(), high = range.high.count();
  if (low < 0) return std::chrono::microseconds(between_signed(low, high));
  return std::chrono::microseconds(static_cast<std::int64_t>(
      log_uniform(static_cast<std::uint64_t>(low), static_cast<std::uint64_t>(high))));
}

Share Random::draw(const Range<Share>& range) {
  return Share{static_cast<std::uint32_t>(between(range.low.ppm, range.high.ppm))};
}

Random Random::fork(std::uint64_t label) const {
  std::uint64_t mix = state_[0] ^ std::rotl(state_[3], 23) ^ (label * 0xD6E8FEB86659FD93ull);
  return Random(splitmix(mix));
}

// Bit by bit: squaring doubles the logarithm, so each squaring shows one more binary digit of it.
std::uint64_t fixed_log2(std::uint64_t x) {
  REJOIN_ASSERT(x > 0);
  const int whole = 63 - std::countl_zero(x);
  // m = x / 2^whole in [1, 2) with 31 fractional bits, so that m * m fits.
  std::uint64_t m = whole >= 31 ? x >> (whole - 31) : x << (31 - whole);
  std::uint64_t fraction = 0;
  for (int bit = 31; bit >= 8; --bit) {  // 24 digits are plenty
    m = (m * m) >> 31;
    if (m >= (std::uint64_t{1} << 32)) {
      m >>= 1;
      fraction |= std::uint64_t{1} << bit;
    }
  }
  return (static_cast<std::uint64_t>(whole) << 32) | fraction;
}

// 2^f for the fraction by a cubic through both ends (error below 0.02 %), then a shift.
std::uint64_t fixed_exp2(std::uint64_t exponent) {
  const std::uint64_t whole = exponent >> 32;
  const std::uint64_t f = exponent & (one - 1);
  if (whole >= 30) return saturated;
  constexpr std::uint64_t c1 = 2'988'000'000, c2 = 964'000'000;
  constexpr std::uint64_t c3 = one - c1 - c2;  // so that f = 1 gives exactly 2
  const std::uint64_t p = one + scale(f, c1 + scale(f, c2 + scale(f, c3)));
  return p << whole;
}

}  // namespace rejoin::simulation
