#include "rejoin/crdt/hybrid_time.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <limits>

namespace rejoin {
namespace {

using std::chrono::milliseconds;

TEST(hybrid_time, follows_the_physical_clock_forward) {
  HybridClock clock;
  EXPECT_EQ(clock.tick(1000), HybridTime::from_millis(1000));
  EXPECT_EQ(clock.tick(1007), HybridTime::from_millis(1007));
}

TEST(hybrid_time, counts_on_when_the_physical_clock_stands_or_goes_back) {
  HybridClock clock;
  clock.tick(1000);
  EXPECT_EQ(clock.tick(1000), HybridTime::from_millis(1000, 1));
  EXPECT_EQ(clock.tick(10), HybridTime::from_millis(1000, 2));
}

TEST(hybrid_time, a_full_logical_counter_carries_into_the_milliseconds) {
  HybridClock clock;
  clock.restore(HybridTime::from_millis(1000, 0xFFFF));
  EXPECT_EQ(clock.tick(999), HybridTime::from_millis(1001, 0));
}

TEST(hybrid_time, a_remote_time_within_the_bound_is_overtaken) {
  HybridClock clock(milliseconds(500));
  clock.tick(1000);
  EXPECT_TRUE(clock.observe(HybridTime::from_millis(1500, 3), 1000));
  EXPECT_EQ(clock.tick(1000), HybridTime::from_millis(1500, 4));
}

TEST(hybrid_time, a_remote_time_beyond_the_bound_changes_nothing) {
  HybridClock clock(milliseconds(500));
  clock.tick(1000);
  EXPECT_FALSE(clock.observe(HybridTime::from_millis(1501), 1000));
  EXPECT_FALSE(clock.observe(HybridTime{~0ull}, 1000));
  EXPECT_EQ(clock.last(), HybridTime::from_millis(1000));
}

TEST(hybrid_time, an_older_remote_time_changes_nothing) {
  HybridClock clock;
  clock.tick(1000);
  EXPECT_TRUE(clock.observe(HybridTime::from_millis(1), 1000));
  EXPECT_EQ(clock.last(), HybridTime::from_millis(1000));
}

TEST(hybrid_time, restoring_never_goes_back) {
  HybridClock clock;
  clock.restore(HybridTime::from_millis(50));
  clock.restore(HybridTime::from_millis(40));
  EXPECT_EQ(clock.last(), HybridTime::from_millis(50));
}

TEST(hybrid_time, no_physical_clock_exhausts_the_range) {
  HybridClock clock(milliseconds::max());
  HybridTime before = clock.tick(~0ull);
  for (int i = 0; i < 3; ++i) {
    const HybridTime next = clock.tick(~0ull);
    EXPECT_GT(next, before);
    before = next;
  }
  EXPECT_FALSE(clock.observe(HybridTime{~0ull}, ~0ull));
  EXPECT_GT(clock.tick(0), before);
}

RC_GTEST_PROP(hybrid_time, is_strictly_increasing_and_after_all_that_was_observed, ()) {
  const auto ahead_max = *rc::gen::inRange<std::int64_t>(0, 100);
  HybridClock clock{milliseconds(ahead_max)};
  HybridTime last;
  const auto steps =
      *rc::gen::container<std::vector<std::tuple<bool, std::uint64_t, std::uint64_t>>>(
          rc::gen::tuple(rc::gen::arbitrary<bool>(), rc::gen::inRange<std::uint64_t>(0, 200),
                         rc::gen::inRange<std::uint64_t>(0, 400)));
  for (const auto& [is_tick, now, remote_millis] : steps) {
    if (is_tick) {
      const HybridTime time = clock.tick(now);
      RC_ASSERT(time > last);
      RC_ASSERT(time >= HybridTime::from_millis(now));
      last = time;
    } else {
      const HybridTime remote = HybridTime::from_millis(remote_millis, 9);
      const bool adopted = clock.observe(remote, now);
      RC_ASSERT(
          adopted ==
          (static_cast<std::int64_t>(remote_millis) - static_cast<std::int64_t>(now) <= ahead_max));
      if (adopted) last = std::max(last, remote);
      RC_ASSERT(clock.last() == last);
    }
  }
}

TEST(hybrid_time, prints_both_parts) {
  EXPECT_EQ(HybridTime::from_millis(1700000000000, 42).to_string(), "1700000000000.42");
}

}  // namespace
}  // namespace rejoin
