#include "rejoin/simulation/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "world/luck.h"

namespace rejoin::simulation {
namespace {

// The reference implementations' output (Blackman and Vigna's xoshiro256starstar.c, its state
// filled by splitmix64.c from seed 0), so that the generator stays what it says it is.
TEST(Random, is_xoshiro256_starstar_seeded_by_splitmix64) {
  // splitmix64 from 0, as published with the reference code.
  const std::uint64_t state[4] = {0xE220A8397B1DCDAFull, 0x6E789E6AA1B965F4ull,
                                  0x06C45D188009454Full, 0xF88BB8A8724C81ECull};
  const auto rotl = [](std::uint64_t x, int k) { return (x << k) | (x >> (64 - k)); };
  Random random(0);
  EXPECT_EQ(random.next(), rotl(state[1] * 5, 7) * 9);
  const std::uint64_t second_word = state[1] ^ state[2] ^ state[0];
  EXPECT_EQ(random.next(), rotl(second_word * 5, 7) * 9);
}

TEST(Random, draws_stay_within_their_bounds_and_reach_both_ends) {
  Random random(1);
  bool low = false, high = false;
  for (int i = 0; i < 10'000; ++i) {
    const auto value = random.between(3, 10);
    ASSERT_GE(value, 3u);
    ASSERT_LE(value, 10u);
    low |= value == 3;
    high |= value == 10;
    const auto wide = random.log_uniform(0, 1'000'000);
    ASSERT_LE(wide, 1'000'000u);
    ASSERT_LT(random.below(std::uint64_t{1} << 40), std::uint64_t{1} << 40);
    ASSERT_GE(random.between_signed(-5, -2), -5);
  }
  EXPECT_TRUE(low && high);
  EXPECT_EQ(random.between_signed(INT64_MIN, INT64_MIN), INT64_MIN);
}

TEST(Random, a_chance_comes_as_often_as_it_says) {
  Random random(2);
  int hits = 0;
  for (int i = 0; i < 100'000; ++i) hits += random.chance(percent(25)) ? 1 : 0;
  EXPECT_NEAR(hits, 25'000, 600);
  EXPECT_FALSE(random.chance(Share{0}));
  EXPECT_TRUE(random.chance(Share{Share::whole}));
}

TEST(Random, fixed_point_logarithm_and_power_agree_with_libm) {
  for (const std::uint64_t x : {1ull, 2ull, 3ull, 1000ull, 123'456'789ull, 1ull << 40, ~0ull}) {
    EXPECT_NEAR(static_cast<double>(fixed_log2(x)) / 4294967296.0,
                std::log2(static_cast<double>(x)), 1e-5);
  }
  for (double e = 0; e < 20; e += 0.37) {
    const auto fixed = fixed_exp2(static_cast<std::uint64_t>(e * 4294967296.0));
    EXPECT_NEAR(static_cast<double>(fixed) / 4294967296.0 / std::exp2(e), 1.0, 5e-4);
  }
}

TEST(Random, exponential_draws_have_their_mean_and_spread) {
  Random random(3);
  double sum = 0, squares = 0;
  constexpr int count = 100'000;
  for (int i = 0; i < count; ++i) {
    const auto x = static_cast<double>(random.exponential(std::uint64_t{10'000}));
    sum += x;
    squares += x * x;
  }
  EXPECT_NEAR(sum / count, 10'000, 200);
  EXPECT_NEAR(std::sqrt(squares / count - (sum / count) * (sum / count)), 10'000, 300);
}

TEST(Random, lognormal_draws_have_their_median_and_spread) {
  Random random(4);
  std::vector<double> draws;
  for (int i = 0; i < 20'001; ++i) {
    draws.push_back(static_cast<double>(random.lognormal(10'000, 1'000'000)));
  }
  std::sort(draws.begin(), draws.end());
  EXPECT_NEAR(draws[10'000], 10'000, 400);
  // One standard deviation below and above: a factor of 2 each way.
  EXPECT_NEAR(draws[3'173], 5'000, 350);
  EXPECT_NEAR(draws[16'827], 20'000, 1'400);
}

TEST(Random, pareto_draws_have_a_heavy_tail_above_their_minimum) {
  Random random(5);
  int far = 0;
  for (int i = 0; i < 100'000; ++i) {
    const auto x = random.pareto(1'000, 1'000'000);
    ASSERT_GE(x, 999u);
    far += x > 10'000 ? 1 : 0;
  }
  EXPECT_NEAR(far, 10'000, 500);  // P(X > 10 min) = 1/10 for alpha = 1
}

TEST(Random, forks_with_one_label_are_equal_and_with_two_differ) {
  const Random parent(6);
  Random a = parent.fork(1), b = parent.fork(1), c = parent.fork(2);
  const auto first = a.next();
  EXPECT_EQ(first, b.next());
  EXPECT_NE(first, c.next());
}

TEST(Luck, depends_on_the_time_and_not_on_what_happened_at_others) {
  using std::chrono::milliseconds;
  Luck busy{Random(7)}, quiet{Random(7)};
  for (int i = 0; i < 100; ++i) busy.at(milliseconds(i));
  const std::uint64_t drawn = busy.at(milliseconds(2'001)).next();
  EXPECT_EQ(drawn, quiet.at(milliseconds(2'001)).next());
  EXPECT_NE(drawn, quiet.at(milliseconds(2'001)).next());  // another one at the same time
  EXPECT_NE(drawn, quiet.at(milliseconds(2'011)).next());
}

}  // namespace
}  // namespace rejoin::simulation
