// Transfers on links that are thin, budgeted or cut; and which way of catching up is chosen.
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>

#include "core/pace.h"
#include "core_world.h"

namespace rejoin::node::testing {
namespace {

using std::chrono::seconds;

// Two nodes of which b lacks what a holds, so much that it goes as one delta. Returns its size.
std::uint64_t diverge(World& w, int keys, std::size_t value_size, const Adjust& adjust = {},
                      SpaceList spaces = {{"s", true}}) {
  w.check_gate = false;
  w.add_mesh(
      {"a", "b"},
      [&](CoreOptions& o) {
        o.recent_bytes_max = 1'000;
        if (adjust) adjust(o);
      },
      std::move(spaces));
  w.run_for(seconds(2));
  w.cut("a", "b");
  fill(w, "a", keys, "k", value_size);
  w.run_for(seconds(10));
  return w.document("a").delta_since(w.document("b").clock()).encoded().size();
}

// As many chunks as a gigabyte has of the largest ones.
TEST(CoreTransferPace, cut_twenty_times_less_than_a_twentieth_is_sent_twice) {
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    World w(seed);
    const std::uint64_t size =
        diverge(w, 5'000, 1'400, [](CoreOptions& o) { o.chunk_bytes = 512; });
    ASSERT_GT(size, 4u << 20);
    w.network.latency_min = w.network.latency_max = milliseconds(5);
    std::set<std::uint64_t> cuts_at;
    while (cuts_at.size() < 20) cuts_at.insert(w.dice.below(size));
    std::uint64_t payload = 0;
    w.tap = [&](const std::string& from, const Send& send) {
      if (from != "a" || std::string(send.kind) != "chunk") return true;
      const auto message = transport::decode(send.bytes);
      payload += std::get<transport::Chunk>(message->body).bytes.size();
      return true;
    };
    w.heal();
    for (const std::uint64_t at : cuts_at) {
      ASSERT_TRUE(w.run_until([&] { return payload >= at || w.converged(); }));
      ASSERT_FALSE(w.converged());
      w.cut("a", "b");
      w.run_for(milliseconds(w.dice.below(15'000)));
      w.heal();
    }
    ASSERT_TRUE(w.converge());
    EXPECT_EQ(w.core("b").counters().deltas_joined, 1u);
    EXPECT_LT(payload, size + size / 20) << "seed " << seed << ", of " << size;
    w.check_everything();
  }
}

// How long an event of another space takes while the transfer is going on, at worst and once the
// window has found its size.
microseconds slowest_event_during_transfer(World& w, microseconds settling) {
  const microseconds begun = w.now;
  microseconds slowest{0};
  for (int i = 0; !w.converged(); ++i) {
    const microseconds put_at = w.now;
    w.put("a", "x", i, "urgent");
    const bool came = w.run_until([&] { return w.converged("urgent"); }, seconds(30));
    EXPECT_TRUE(came);
    if (!came) break;
    if (put_at - begun >= settling) slowest = std::max(slowest, w.now - put_at);
    w.run_for(milliseconds(250));
  }
  EXPECT_GT(w.now - begun, seconds(10)) << "the transfer is over too soon to tell";
  return slowest;
}

TEST(CoreTransferPace, urgent_events_overtake_a_transfer_on_a_thin_link) {
  for (const std::uint64_t bandwidth : {16'000, 64'000, 1'000'000}) {
    World w(bandwidth);
    w.network.in_order = true;  // what is sent later cannot come earlier
    const SpaceList spaces = {{"s", true}, {"urgent", true}};
    diverge(w, static_cast<int>(bandwidth / 50), 1'000, {}, spaces);
    w.network.latency_min = w.network.latency_max = milliseconds(20);
    w.network.bytes_per_second = bandwidth;
    w.heal();
    // Latency and disk, and behind it what is in flight: a tenth of a second and what the window
    // grows in the time until it shows, or at its smallest 8 KiB.
    const microseconds smallest(8'192 * 1'000'000 / bandwidth);
    EXPECT_LT(slowest_event_during_transfer(w, seconds(3)), milliseconds(400) + smallest)
        << bandwidth << " bytes a second";
    w.tap = {};
    ASSERT_TRUE(w.converge());
    EXPECT_EQ(w.core("a").counters().deltas_sent, 1u);
    w.check_everything();
  }
}

TEST(CoreTransferPace, fast_link_is_used_whole) {
  World w(1);
  const std::uint64_t size = diverge(w, 20'000, 1'000);
  w.network.latency_min = w.network.latency_max = milliseconds(20);
  w.network.bytes_per_second = 20'000'000;
  w.heal();
  const microseconds begun = w.now;
  ASSERT_TRUE(w.converge());
  // Twice the time that the bytes take alone, and what it takes to begin.
  EXPECT_LT(w.now - begun, 2 * microseconds(size / 20) + seconds(2));
}

// ---- The budget ----

TEST(CoreTransferPace, pace_lets_no_second_pass_its_budget_and_wastes_a_tenth) {
  Dice dice(7);
  for (int round = 0; round < 50; ++round) {
    const std::uint64_t budget = 8'192 + dice.below(10'000'000);
    Pace pace(budget);
    microseconds now{1'000'000 + static_cast<std::int64_t>(dice.below(1'000'000))};
    const microseconds begun = now;
    std::deque<std::pair<microseconds, std::uint64_t>> second;
    std::uint64_t within = 0, total = 0;
    for (int i = 0; i < 2'000; ++i) {
      const std::uint64_t bytes = 1 + dice.below(pace.burst());
      now += pace.wait(bytes, now);
      ASSERT_EQ(pace.wait(bytes, now).count(), 0);
      pace.spend(bytes, now);
      second.emplace_back(now, bytes);
      within += bytes;
      total += bytes;
      while (second.front().first <= now - seconds(1)) {
        within -= second.front().second;
        second.pop_front();
      }
      ASSERT_LE(within, budget);
    }
    EXPECT_GT(static_cast<double>(total), 0.89 * static_cast<double>(budget) *
                                              static_cast<double>((now - begun).count()) / 1e6);
  }
}

TEST(CoreTransferPace, budget_of_a_link_is_kept_in_any_second_and_events_do_not_wait_for_it) {
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    World w(seed);
    const std::uint64_t budget =
        seed == 1 ? link_bytes_per_second_min : 8'192 + w.dice.below(200'000);
    const SpaceList spaces = {{"s", true}, {"urgent", true}};
    const std::uint64_t size = diverge(
        w, static_cast<int>(budget / 64), 1'000,
        [&](CoreOptions& o) { o.link_bytes_per_second = budget; }, spaces);
    std::deque<std::pair<microseconds, std::uint64_t>> second;
    std::uint64_t within = 0;
    w.tap = [&](const std::string& from, const Send& send) {
      if (from != "a" || send.to != "b") return true;
      second.emplace_back(w.now, send.bytes.size());
      within += send.bytes.size();
      while (second.front().first <= w.now - seconds(1)) {
        within -= second.front().second;
        second.pop_front();
      }
      EXPECT_LE(within, budget) << "with a " << send.kind << ", seed " << seed;
      return true;
    };
    w.heal();
    const microseconds begun = w.now;
    EXPECT_LT(slowest_event_during_transfer(w, seconds(0)), milliseconds(20)) << "seed " << seed;
    const double took = static_cast<double>((w.now - begun).count()) / 1e6;
    EXPECT_LT(took, 2 + 1.5 * static_cast<double>(size) / static_cast<double>(budget));
    w.run_for(seconds(5));
    w.forget_traffic();
    w.run_for(seconds(10));
    for (const auto& [what, count] : w.messages_sent) EXPECT_EQ(what.second, "summary");
    w.check_everything();
  }
}

TEST(CoreTransferPace, transfers_that_share_a_budget_all_go_on) {
  World w(3);
  w.check_gate = false;
  SpaceList spaces;
  for (const char* name : {"p", "q", "r"}) spaces.emplace_back(name, true);
  w.add_mesh(
      {"a", "b"},
      [](CoreOptions& o) {
        o.recent_bytes_max = 1'000;
        o.link_bytes_per_second = 20'000;
        o.transfer_timeout = seconds(3);
      },
      spaces);
  w.run_for(seconds(2));
  w.cut("a", "b");
  for (const auto& [space, durable] : spaces) {
    for (int i = 0; i < 100; ++i) w.put("a", "k" + std::to_string(i), text(w.dice, 2'000), space);
  }
  w.run_for(seconds(10));
  w.heal();
  for (const auto& [space, durable] : spaces) ASSERT_TRUE(w.converge(space));
  EXPECT_EQ(w.core("a").counters().transfers_abandoned, 0u);
  EXPECT_EQ(w.core("a").counters().deltas_sent, 3u);
}

}  // namespace
}  // namespace rejoin::node::testing
