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
    const microseconds smallest(std::uint64_t{8'192'000'000} / bandwidth);
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
    EXPECT_LT(slowest_event_during_transfer(w, seconds(3)), milliseconds(20)) << "seed " << seed;
    const double took = static_cast<double>((w.now - begun).count()) / 1e6;
    EXPECT_LT(took, 4 + 1.5 * static_cast<double>(size) / static_cast<double>(budget));
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

// ---- Which way ----

// What one that missed `writes` of a's is sent, and what it has then.
struct CaughtUp {
  std::uint64_t events_size = 0;  // what it lacks, encoded one way and the other
  std::uint64_t delta_size = 0;
  std::uint64_t sent = 0;  // by a, in events, chunks and sketches
  std::uint64_t catchups = 0, deltas = 0, comparisons = 0;
  std::string state;  // of the cells that were written
};

CaughtUp catch_up(int writes, int cells, std::size_t value_size, const Adjust& adjust = {},
                  int writes_an_event = 1) {
  World w(1);
  w.check_gate = false;
  w.add_mesh({"a", "b"}, adjust);
  w.run_for(seconds(1));
  fill(w, "a", 1'000);
  EXPECT_TRUE(w.converge());
  w.run_for(seconds(2));
  w.cut("a", "b");
  CaughtUp outcome;
  Dice values(2);  // whatever the world has thrown until here
  const auto count = [&](const Committed& committed) {
    outcome.events_size += committed.event->encoded().size();
  };
  count(w.write("a", [](Transaction& t) { return t.root().remove("k999", Type::reg); }));
  for (int i = 0; i < writes;) {
    count(w.write("a", [&](Transaction& t) {
      for (int n = 0; n < writes_an_event && i < writes; ++n, ++i) {
        Status set = t.root().reg("k" + std::to_string(i % cells)).set(text(values, value_size));
        if (!set.ok()) return set;
      }
      return Status();
    }));
  }
  w.run_for(seconds(20));
  outcome.delta_size = w.document("a").delta_since(w.document("b").clock()).encoded().size();
  const CoreCounters before = w.core("a").counters();
  w.forget_traffic();
  w.heal();
  EXPECT_TRUE(w.converge());
  const CoreCounters& after = w.core("a").counters();
  outcome.catchups = after.event_catchups_sent - before.event_catchups_sent;
  outcome.deltas = after.deltas_sent - before.deltas_sent;
  outcome.comparisons = after.comparisons - before.comparisons;
  for (const char* kind : {"events", "chunk", "sketch"}) outcome.sent += w.bytes_sent[{"a", kind}];
  for (int i = 0; i < cells; ++i) {
    outcome.state += w.document("b").root().reg("k" + std::to_string(i)).get()->as_string();
  }
  EXPECT_FALSE(w.document("b").root().reg("k999").exists());
  w.check_everything();
  return outcome;
}

void touches_are_gone(CoreOptions& o) {
  o.member_away_after = seconds(5);
  o.recent_bytes_max = 1;
}

// Deltas are estimated before they are packed: that is what the factor allows.
TEST(CoreTransferPace, of_events_and_cells_what_is_less_is_sent) {
  bool events = false, cells = false;
  for (const auto& [value_size, an_event] : {std::pair{4u, 1}, {4u, 100}, {200u, 1}, {200u, 100}}) {
    for (const int touched : {300, 200, 150, 100, 60, 30, 5}) {
      const CaughtUp c = catch_up(300, touched, value_size, {}, an_event);
      EXPECT_EQ(c.comparisons, 0u);
      EXPECT_EQ((c.catchups > 0) + (c.deltas > 0), 1);
      EXPECT_LT(c.sent, 2 * std::min(c.events_size, c.delta_size) + 1'500)
          << touched << " cells of " << value_size << " bytes, " << an_event
          << " writes an event: " << c.events_size << " bytes of events, " << c.delta_size
          << " of cells";
      events |= c.catchups > 0;
      cells |= c.deltas > 0;
    }
  }
  EXPECT_TRUE(events);
  EXPECT_TRUE(cells);
}

// Around the size from which states are compared, with few cells that differ and with all.
TEST(CoreTransferPace, whole_state_is_sent_or_compared_whichever_is_less) {
  for (const int touched : {1, 30, 300, 900}) {
    const CaughtUp compared = catch_up(touched, touched, 16, touches_are_gone);
    const CaughtUp whole = catch_up(touched, touched, 16, [](CoreOptions& o) {
      touches_are_gone(o);
      o.compare_from_bytes = std::size_t{1} << 30;
    });
    EXPECT_EQ(compared.comparisons, 1u);
    EXPECT_EQ(whole.comparisons, 0u);
    EXPECT_TRUE(compared.state == whole.state);
    if (touched <= 30) {
      EXPECT_LT(compared.sent, whole.sent / 2);
    } else {
      EXPECT_LT(compared.sent, 2 * whole.sent);  // too much differed for it to pay
    }
  }
}

TEST(CoreTransferPace, every_way_gives_the_same_state) {
  const CaughtUp events = catch_up(100, 100, 200, {}, 100);
  const CaughtUp cells = catch_up(
      100, 100, 200, [](CoreOptions& o) { o.recent_bytes_max = 1; }, 100);
  const CaughtUp compared = catch_up(100, 100, 200, touches_are_gone, 100);
  EXPECT_EQ(events.catchups + cells.deltas + compared.comparisons, 3u);
  EXPECT_EQ(events.deltas + cells.comparisons, 0u);
  EXPECT_TRUE(events.state == cells.state);
  EXPECT_TRUE(events.state == compared.state);
}

}  // namespace
}  // namespace rejoin::node::testing
