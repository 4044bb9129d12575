// What priorities of causal chains do that latencies do not.
#include "world/priority_schedule.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "world/network.h"

namespace rejoin::simulation {
namespace {

using std::chrono::milliseconds;

// Three nodes: a and b play ping-pong, and each message of c to a is answered. Tells in which order
// messages arrive: 'p' for a hop of the ping-pong, 'c' and 'r' for c's message and the answer.
std::string order_of_arrivals(std::uint64_t seed, bool by_priority, std::uint64_t changes) {
  constexpr int hops = 10;
  EventQueue queue;
  PrioritySchedule schedule(queue);
  Trace trace(nullptr, false, nullptr);
  std::string order;
  int hop = 0;
  NetworkOptions options;
  options.delay = Range<Duration>::of(milliseconds(20));
  Network* network = nullptr;
  const auto deliver = [&](NodeIndex from, NodeIndex to, const std::string& bytes) {
    order += bytes;
    if (bytes == "p" && ++hop < hops) network->send(to, from, "p", "ping");
    if (bytes == "c") network->send(to, from, "r", "answer");
    return true;
  };
  Network made(options, {"a", "b", "c"}, Random(seed), queue, schedule, trace, deliver);
  network = &made;
  if (by_priority) {
    schedule.begin({0, 1, 2}, {milliseconds(1), hops + 2, changes}, Random(seed));
  }
  network->send(0, 1, "p", "ping");
  network->send(2, 0, "c", "question");
  while (!queue.empty()) queue.pop()();
  EXPECT_EQ(order.size(), hops + 2u);
  return order;
}

int times(const std::string& order, int seeds, bool by_priority, std::uint64_t changes) {
  int found = 0;
  for (int seed = 0; seed < seeds; ++seed) {
    found += order_of_arrivals(static_cast<std::uint64_t>(seed), by_priority, changes) == order;
  }
  return found;
}

// Two chains of 12 messages in all, n = 2 and k = 12. The bound of the paper is 1 / (n k^(d-1));
// here each order has but one way to come up, so that it is the rate as well.
TEST(PrioritySchedule, chain_overtakes_another_as_a_whole_in_every_second_run) {
  const std::string all_before = "ppppppppppcr";  // d = 1
  EXPECT_NEAR(times(all_before, 1'000, true, 0), 500, 65);
  EXPECT_LE(times(all_before, 1'000, false, 0), 10);  // one slow message does that, too
}

TEST(PrioritySchedule, order_that_needs_several_slow_messages_comes_up_as_often_as_promised) {
  const std::string interleaved = "pppppcpppppr";  // d = 3: c waits for five hops, and so does r
  constexpr int seeds = 20'000;
  constexpr int promised = seeds / (2 * 12 * 12);
  constexpr int three_deviations = 25;
  EXPECT_GE(times(interleaved, seeds, true, 2), promised - three_deviations);
  EXPECT_EQ(times(interleaved, seeds, false, 2), 0);
}

class Releases : public testing::Test {
 protected:
  void hold(PrioritySchedule::Channel channel, char what) {
    schedule.hold(channel, queue.now(), [this, what] {
      order += what;
      latest = queue.now();
    });
  }
  void run() {
    while (!queue.empty()) queue.pop()();
  }

  EventQueue queue;
  PrioritySchedule schedule{queue};
  std::string order;
  Duration latest{0};
};

TEST_F(Releases, channel_keeps_its_order_whatever_the_priorities) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    order.clear();
    schedule.begin({0}, {milliseconds(1), 8, 3}, Random(seed));
    for (const char what : std::string("abcdef")) hold({0, 1}, what);
    schedule.end({0});
    EXPECT_TRUE(schedule.holds({0, 1})) << "what comes now must not overtake what is held";
    EXPECT_FALSE(schedule.holds({0, 2}));
    run();
    EXPECT_EQ(order, "abcdef");
    EXPECT_FALSE(schedule.holds({0, 1}));
  }
}

// Far more is held than can be released in time.
TEST_F(Releases, nothing_is_held_for_longer_than_is_stated) {
  schedule.begin({0}, {milliseconds(100), 8, 0}, Random(1));
  for (NodeIndex to = 1; to <= 200; ++to) hold({0, to}, 'm');
  run();
  EXPECT_EQ(order.size(), 200u);
  EXPECT_EQ(latest, PrioritySchedule::held_max);
}

TEST_F(Releases, nothing_of_others_is_held_and_two_stretches_end_with_the_second) {
  schedule.begin({0, 1}, {}, Random(1));
  schedule.begin({1}, {}, Random(2));
  EXPECT_TRUE(schedule.holds({0, 2}));
  EXPECT_FALSE(schedule.holds({2, 0}));
  schedule.end({0, 1});
  EXPECT_FALSE(schedule.holds({0, 2}));
  EXPECT_TRUE(schedule.holds({1, 1}));
  schedule.end({1});
  EXPECT_FALSE(schedule.holds({1, 1}));
}

}  // namespace
}  // namespace rejoin::simulation
