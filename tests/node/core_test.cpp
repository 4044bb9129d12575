// Commits, the gate, receipts, notices: what one core does, and two of them together.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "core_world.h"

namespace rejoin::node::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

TEST(Core, write_reaches_every_peer) {
  World w(1);
  w.add_mesh({"a", "b", "c"});
  w.run_for(milliseconds(100));
  w.put("a", "x", 1);
  ASSERT_TRUE(w.converge());
  EXPECT_EQ(w.document("c").root().reg("x").get()->as_integer(), 1);
  w.check_everything();
}

TEST(Core, write_arrives_by_push_and_not_by_the_next_exchange) {
  World w(2);
  w.add_mesh({"a", "b", "c"}, [](CoreOptions& o) { o.exchange_interval = std::chrono::hours(1); });
  w.run_for(milliseconds(100));
  const auto start = w.now;
  for (int i = 0; i < 20; ++i) {
    w.put("a", "x", i);
    w.put("b", "y", i);
  }
  ASSERT_TRUE(w.converge());
  EXPECT_LT(w.now - start, milliseconds(10));  // disk and network take at most 3.5 of it
  EXPECT_EQ(w.core("a").counters().event_catchups_sent, 0u);
  EXPECT_EQ(w.core("a").counters().deltas_sent, 0u);
}

TEST(Core, nothing_of_a_write_leaves_before_it_is_durable) {
  World w(3);
  w.add_mesh({"a", "b"});
  ASSERT_TRUE(w.run_until([&] { return w.core("a").status("s", w.now_of("a")).peers[0].alive; }));
  w.run_for(milliseconds(100));
  w.machine("a").disk_hangs = true;
  const Committed committed = w.put("a", "x", 1);
  w.run_for(std::chrono::seconds(4));  // World checks every message that a sends meanwhile
  EXPECT_FALSE(w.core("a").durable_here("s", committed.event->id()));
  EXPECT_TRUE(w.document("b").clock().empty());
  EXPECT_EQ(w.document("a").root().reg("x").get()->as_integer(), 1);
  w.machine("a").disk_hangs = false;
  ASSERT_TRUE(w.converge());
  EXPECT_TRUE(w.core("a").durable_here("s", committed.event->id()));
}

TEST(Core, many_commits_go_to_disk_and_to_peers_as_one) {
  World w(4);
  w.add_mesh({"a", "b"});
  w.run_for(milliseconds(100));
  const std::size_t batches = w.machine("a").disk.batches().size();
  const auto messages = w.messages_sent[{"a", "events"}];
  for (int i = 0; i < 100; ++i) w.put("a", "x", i);
  ASSERT_TRUE(w.converge());
  // The first commit alone, and what came while it was written together.
  EXPECT_EQ(w.machine("a").disk.batches().size(), batches + 2);
  EXPECT_EQ(w.messages_sent[(std::pair<std::string, std::string>("a", "events"))], messages + 2);
}

TEST(Core, failed_batch_is_handed_out_again_and_nothing_is_lost) {
  World w(5);
  w.add_mesh({"a", "b"});
  w.run_for(milliseconds(100));
  w.machine("a").disk_fails = true;
  w.put("a", "x", 1);
  w.run_for(std::chrono::seconds(1));
  w.put("a", "y", 2);
  w.run_for(std::chrono::seconds(2));
  EXPECT_GE(w.core("a").counters().storage_failures, 3u);
  EXPECT_LE(w.core("a").counters().storage_failures, 10u);  // with a growing pause
  EXPECT_TRUE(w.document("b").clock().empty());
  EXPECT_TRUE(std::ranges::any_of(w.machine("a").notices, [](const Notice& n) {
    return n.kind == Notice::Kind::storage_failed &&
           n.detail.find("no room left") != std::string::npos;
  }));
  w.machine("a").disk_fails = false;
  ASSERT_TRUE(w.converge());
  EXPECT_EQ(w.document("b").root().reg("y").get()->as_integer(), 2);
  w.check_everything();
}

TEST(Core, commits_are_refused_when_too_much_waits_for_the_disk) {
  World w(6);
  w.add("a", {}, [](CoreOptions& o) { o.persist_queue_bytes_max = 10'000; });
  w.machine("a").disk_hangs = true;
  int accepted = 0;
  Result<Committed> last = w.put("a", "first", 0);
  while (last.ok() && accepted < 10'000) {
    last = w.core("a").transact(
        "s", "", "", [&](Transaction& t) { return t.root().reg("x").set(accepted); },
        w.now_of("a"));
    ++accepted;
  }
  ASSERT_FALSE(last.ok());
  EXPECT_EQ(last.error().code, ErrorCode::busy);
  w.machine("a").disk_hangs = false;
  w.drain("a");
  w.run_for(std::chrono::seconds(1));
  w.put("a", "x", 1);
}

TEST(Core, receipts_say_who_keeps_a_write) {
  World w(7);
  w.add_mesh({"a", "b", "c"});
  w.run_for(milliseconds(100));
  w.machine("c").disk_hangs = true;
  const Dot dot = w.put("a", "x", 1).event->id();
  ASSERT_TRUE(w.run_until([&] { return !w.core("a").durable_at("s", dot).empty(); }));
  w.run_for(std::chrono::seconds(2));
  EXPECT_THAT(w.core("a").durable_at("s", dot), ElementsAre("b"));
  EXPECT_EQ(w.document("c").root().reg("x").get()->as_integer(), 1);  // applied, not kept
  w.machine("c").disk_hangs = false;
  ASSERT_TRUE(w.run_until([&] { return w.core("a").durable_at("s", dot).size() == 2; }));
  w.check_receipts("a", "s", dot);
}

// a and b agree on everything, also on what neither keeps yet.
TEST(Core, agreeing_with_a_peer_says_no_more_than_what_both_keep) {
  World w(10);
  w.add_mesh({"a", "b", "c"});
  w.run_for(milliseconds(100));
  w.machine("a").disk_hangs = w.machine("b").disk_hangs = true;
  const Dot dot = w.put("c", "x", 1).event->id();
  const auto shown = [&](const char* name) { return w.document(name).clock().includes(dot); };
  ASSERT_TRUE(w.run_until([&] { return shown("a") && shown("b"); }));
  w.run_for(std::chrono::seconds(5));
  EXPECT_FALSE(w.core("a").durable_here("s", dot));
  EXPECT_THAT(w.core("a").durable_at("s", dot), ElementsAre("c"));
  EXPECT_THAT(w.core("b").durable_at("s", dot), ElementsAre("c"));
  w.machine("a").disk_hangs = w.machine("b").disk_hangs = false;
  ASSERT_TRUE(w.run_until([&] { return w.core("a").durable_at("s", dot).size() == 2; }));
}

TEST(Core, receipts_resolve_although_every_acknowledgement_is_lost) {
  World w(8);
  w.add_mesh({"a", "b"});
  w.run_for(milliseconds(100));
  w.tap = [](const std::string&, const Send& send) { return std::string(send.kind) != "ack"; };
  const Dot dot = w.put("a", "x", 1).event->id();
  ASSERT_TRUE(w.run_until([&] { return !w.core("a").durable_at("s", dot).empty(); },
                          std::chrono::seconds(5)));
}

TEST(Core, ephemeral_space_needs_no_disk) {
  World w(9);
  w.add_mesh({"a", "b"}, {}, {{"s", false}});
  w.run_for(milliseconds(100));
  const Dot dot = w.put("a", "x", 1).event->id();
  EXPECT_TRUE(w.core("a").durable_here("s", dot));
  ASSERT_TRUE(
      w.run_until([&] { return !w.core("a").durable_at("s", dot).empty(); }, milliseconds(10)));
  EXPECT_THAT(w.machine("a").disk.batches(), IsEmpty());
}

TEST(Core, aborted_and_empty_transactions_leave_nothing) {
  World w(10);
  w.add("a", {});
  w.run_for(milliseconds(100));
  const Result<Committed> aborted = w.core("a").transact(
      "s", "", "",
      [](Transaction& t) -> Status {
        (void)t.root().reg("x").set(1);
        return make_error(ErrorCode::out_of_range, "changed my mind");
      },
      w.now_of("a"));
  ASSERT_FALSE(aborted.ok());
  EXPECT_EQ(aborted.error().code, ErrorCode::out_of_range);
  const Committed empty = w.write("a", [](Transaction&) { return Status(); });
  EXPECT_FALSE(empty.event);
  EXPECT_TRUE(w.document("a").clock().empty());
  EXPECT_FALSE(w.core("a").take_batch());
}

TEST(Core, wrong_arguments_are_named) {
  World w(11);
  w.add("a", {});
  Core& core = w.core("a");
  const Now now = w.now_of("a");
  const auto nothing = [](Transaction&) { return Status(); };
  const auto code = [](const auto& result) {
    return result.ok() ? std::string("ok") : std::string(to_string(result.error().code));
  };
  EXPECT_EQ(code(core.transact("absent", "", "", nothing, now)), "not_found");
  EXPECT_EQ(code(core.transact("s", std::string(257, 'x'), "", nothing, now)), "limit_exceeded");
  EXPECT_EQ(code(core.transact("s", "", std::string(4097, 'x'), nothing, now)), "limit_exceeded");
  EXPECT_EQ(code(core.transact("s", "\xFF", "", nothing, now)), "invalid_argument");
  EXPECT_EQ(code(core.open_space("", SpaceOptions{}, now)), "invalid_argument");
  EXPECT_EQ(code(core.open_space("s", SpaceOptions{.durable = false}, now)), "invalid_argument");
  EXPECT_EQ(code(core.open_space("s", SpaceOptions{.durable = true}, now)), "ok");
}

TEST(Core, changes_are_told_once_and_with_their_paths) {
  World w(12);
  w.add("a", {});
  Core& core = w.core("a");
  core.track_changes("s", true);
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(core.transact(
                        "s", "", "", [&](Transaction& t) { return t.root().reg("x").set(i); },
                        w.now_of("a"))
                    .ok());
  }
  std::vector<Path> paths;
  int told = 0;
  for (const Notice& notice : core.take_notices()) {
    if (notice.kind != Notice::Kind::changed) continue;
    ++told;
    paths = notice.paths;
  }
  EXPECT_EQ(told, 1);
  EXPECT_THAT(paths, ElementsAre(Path().child(Type::reg, "x")));
  EXPECT_THAT(core.take_notices(), IsEmpty());
}

TEST(Core, peers_come_and_go) {
  World w(13);
  w.add_mesh({"a", "b"});
  w.run_for(std::chrono::seconds(2));
  w.cut("a", "b");
  w.run_for(std::chrono::seconds(8));
  w.heal();
  w.run_for(std::chrono::seconds(3));
  std::vector<Notice::Kind> kinds;
  for (const Notice& notice : w.machine("a").notices) kinds.push_back(notice.kind);
  EXPECT_THAT(kinds,
              ElementsAre(Notice::Kind::peer_up, Notice::Kind::peer_down, Notice::Kind::peer_up));
}

TEST(Core, who_was_heard_last_is_named_first) {
  World world(3);
  world.add_mesh({"a", "b", "c"});
  world.put("a", "k", 1);
  ASSERT_TRUE(world.converge());
  for (const auto& [cut, kept] : {std::pair("b", "c"), std::pair("c", "b")}) {
    world.cut("a", cut);
    world.run_for(2 * world.machine("a").options.exchange_interval);
    EXPECT_EQ(world.core("a").heard("s"), (std::vector<std::string>{kept, cut}));
    world.heal();
    world.run_for(2 * world.machine("a").options.exchange_interval);
  }
}

TEST(Core, peer_that_is_added_later_takes_part) {
  World w(14);
  w.add("a", {});
  w.add("b", {});
  w.put("a", "x", 1);
  w.put("b", "y", 2);
  w.run_for(std::chrono::seconds(3));
  EXPECT_FALSE(w.converged());
  w.core("a").add_peer("b", w.now_of("a"));  // b answers although it does not know a
  ASSERT_TRUE(w.converge("s", std::chrono::seconds(3)));
  w.put("b", "z", 3);
  ASSERT_TRUE(w.converge("s", milliseconds(100)));
}

TEST(Core, writes_pass_through_a_line_of_nodes) {
  World w(15);
  w.add("a", {"b"});
  w.add("b", {"a", "c"});
  w.add("c", {"b", "d"});
  w.add("d", {"c"});
  w.run_for(std::chrono::seconds(2));
  w.put("a", "x", 1);
  ASSERT_TRUE(w.converge("s", std::chrono::seconds(2)));
  // A peer that needed relaying once gets the next ones at once.
  const auto start = w.now;
  w.put("a", "x", 2);
  ASSERT_TRUE(w.converge());
  EXPECT_LT(w.now - start, milliseconds(20));
  w.check_everything();
}

TEST(Core, full_mesh_sends_each_event_once_to_each_peer) {
  World w(16);
  w.network.latency_min = milliseconds(20);
  w.network.latency_max = milliseconds(160);
  w.network.in_order = true;
  w.add_mesh({"a", "b", "c", "d"});
  w.run_for(std::chrono::seconds(5));
  for (int i = 0; i < 300; ++i) {
    w.put(i % 2 ? "a" : "c", "x" + std::to_string(i % 7), i);
    w.run_for(milliseconds(10));
  }
  ASSERT_TRUE(w.converge());
  w.run_for(std::chrono::seconds(3));
  std::uint64_t duplicates = 0;
  for (const auto& [name, machine] : w.machines) {
    duplicates += machine.core->counters().events_duplicate;
  }
  EXPECT_LT(duplicates, 90u);  // of 900 deliveries
}

TEST(Core, clock_that_is_far_ahead_is_reported_and_does_not_drag_others) {
  World w(17);
  w.machines["a"].clock_skew_millis = 3'600'000;
  w.add_mesh({"a", "b"});
  w.run_for(milliseconds(100));
  w.put("a", "x", 1);
  ASSERT_TRUE(w.converge());
  EXPECT_EQ(w.core("b").counters().times_ahead, 1u);
  EXPECT_TRUE(std::ranges::any_of(w.machine("b").notices, [](const Notice& n) {
    return n.kind == Notice::Kind::clock_ahead && n.peer == "a";
  }));
  const Committed next = w.put("b", "y", 1);
  EXPECT_LE(next.event->time().millis(), w.now_of("b").wall_millis + 1);
}

TEST(Core, same_seed_gives_the_same_bytes) {
  const auto run = [](std::uint64_t seed) {
    World w(seed);
    w.network.loss = 0.05;
    w.network.duplication = 0.05;
    w.add_mesh({"a", "b", "c"});
    for (int i = 0; i < 200; ++i) {
      w.put(std::string(1, static_cast<char>('a' + w.dice.below(3))), "k", i);
      w.run_for(milliseconds(w.dice.below(30)));
    }
    EXPECT_TRUE(w.converge());
    return w.trace;
  };
  EXPECT_EQ(run(1), run(1));
  EXPECT_NE(run(1), run(2));
}

}  // namespace
}  // namespace rejoin::node::testing
