// Input that no honest peer sends: counted, reported, dropped, and bounded in what it costs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "core_world.h"

namespace rejoin::node::testing {
namespace {

using std::chrono::seconds;
using transport::Message;

// A node "a" with a durable space "s", and a stranger in the place of its peer "b".
class CoreHostile : public ::testing::Test {
 protected:
  void SetUp() override {
    w.check_gate = false;
    w.add("a", {"b"});
    w.machines["b"].options.name = "b";  // never started
    w.put("a", "x", 1);
    w.run_for(seconds(1));
    ASSERT_TRUE(introduce(77));
  }

  Core& core() { return w.core("a"); }

  std::string message(transport::Body body, std::uint64_t sender = 77) {
    return transport::encode(Message{"rejoin", "b", sender, ours_, std::move(body)});
  }
  std::string hello(std::uint64_t sender, transport::Hello body, const std::string& from = "b") {
    return transport::encode(Message{"rejoin", from, sender, 0, body});
  }
  // What a asks of a process that says hello; 0: nothing. Learns a's incarnation, too.
  std::uint64_t challenge_to(std::uint64_t sender, const std::string& from = "b") {
    for (const Send& send : give(hello(sender, {.challenge = 1}, from), from)) {
      const auto decoded = transport::decode(send.bytes);
      const auto* reply = decoded.ok() ? std::get_if<transport::Hello>(&decoded->body) : nullptr;
      if (!reply || reply->answer != 1) continue;
      ours_ = decoded->incarnation;
      return reply->challenge;
    }
    ADD_FAILURE() << "a hello was not answered";
    return 0;
  }
  // A process of b's that a comes to know, as it does any. False when a asks nothing of it.
  bool introduce(std::uint64_t sender) {
    const std::uint64_t challenge = challenge_to(sender);
    give(hello(sender, {.answer = challenge}));
    return challenge != 0;
  }
  // Whether a listens to this process of b's.
  bool is_heard(std::uint64_t sender) {
    const std::uint64_t stale = core().counters().messages_stale;
    give(message(transport::Ack{"s", {}}, sender));
    return core().counters().messages_stale == stale;
  }
  // What a answers at once.
  std::vector<Send> give(const std::string& bytes, const std::string& from = "b") {
    core().receive(from, bytes, w.now_of("a"));
    std::vector<Send> sends = core().take_sends();
    w.drain("a");
    return sends;
  }
  std::vector<Send> say(transport::Body body) { return give(message(std::move(body))); }

  std::uint64_t malformed() { return core().counters().messages_malformed; }

  Clock clock(const ReplicaId& id, Sequence sequence) {
    Clock c;
    c.set(id, sequence);
    return c;
  }
  // An event of a writer that nobody knows, which needs `sequence` events before it.
  EventPtr stray_event(std::uint64_t writer, int at, std::size_t size = 100) {
    Document document(ReplicaId::from_words(writer, 1));
    EventPtr event;
    for (int i = 0; i < at; ++i) {
      Transaction t = document.begin({HybridTime::from_millis(1), "", ""});
      EXPECT_TRUE(t.root().reg("y").set(std::string(i + 1 == at ? size : 1, 'y')).ok());
      event = t.commit();
    }
    return event;
  }

  World w{1};

 private:
  std::uint64_t ours_ = 0;  // a's incarnation
};

TEST_F(CoreHostile, random_bytes_are_dropped_and_counted) {
  for (int i = 0; i < 2000; ++i) {
    std::string bytes(w.dice.below(300), '\0');
    for (char& c : bytes) c = static_cast<char>(w.dice.next());
    give(bytes);
  }
  EXPECT_EQ(malformed() + core().counters().messages_rejected, 2000u);
  EXPECT_TRUE(core().check_invariants().ok());
  EXPECT_EQ(core().buffered_bytes(), 0u);
  EXPECT_LT(w.machine("a").notices.size(), 10u);  // said once a second at most
}

TEST_F(CoreHostile, flipped_bits_and_cut_ends_never_harm) {
  const EventPtr event = stray_event(5, 1);
  const std::vector<transport::Body> bodies = {
      transport::Hello{},
      transport::Summary{StateHash{1, 2}, 3},
      transport::Digests{{{"s", {1, 2}, {3, 4}}, {"t", {}, {}}}},
      transport::ClockReport{"s", clock(event->writer(), 4), {}, {5, 6}, true, true},
      transport::Events{"s", {event}},
      transport::Ack{"s", clock(event->writer(), 1)},
      transport::Chunk{"s", 1, 500, 100, std::string(100, 'c')},
      transport::ChunkAck{"s", 1, 50},
      transport::Sketch{"s", 1, clock(event->writer(), 4), 1, 0, std::string(26, 's')},
      transport::SketchAnswer{"s", 1, 64, false, {}},
      transport::Neighbour{transport::Neighbour::Step::part},
      transport::Rumours{{{"b", 1, transport::Life::dead}}},
      transport::WantHistory{"s", {{event->writer(), 1, 4}}},
      transport::History{"s", {event}},
      transport::Reject{ErrorCode::invalid_argument, "no"}};
  for (const auto& body : bodies) {
    const std::string good = message(body);
    for (int i = 0; i < 400; ++i) {
      std::string bad = good;
      if (w.dice.chance(0.2)) bad.resize(w.dice.below(bad.size()));
      for (std::uint64_t flips = 1 + w.dice.below(3); flips > 0 && !bad.empty(); --flips) {
        bad[w.dice.below(bad.size())] ^= static_cast<char>(1 << w.dice.below(8));
      }
      give(bad);
      w.run_for(milliseconds(1));
    }
  }
  EXPECT_TRUE(core().check_invariants().ok());
  EXPECT_EQ(w.document("a").root().reg("x").get()->as_integer(), 1);
}

TEST_F(CoreHostile, other_cluster_is_told_so_once_a_second) {
  const std::string bytes = transport::encode(Message{"other", "c", 77, 0, transport::Hello{}});
  int answers = 0;
  for (int i = 0; i < 100; ++i) {
    for (const Send& send : give(bytes, "c")) answers += std::string(send.kind) == "reject";
  }
  EXPECT_EQ(answers, 1);
  EXPECT_EQ(core().counters().messages_rejected, 100u);
  EXPECT_EQ(core().status("s", w.now_of("a")).peers.size(), 1u);  // b
}

TEST_F(CoreHostile, reject_is_reported_and_never_answered) {
  const auto sends = give(transport::encode(
      Message{"other", "b", 77, 0, transport::Reject{ErrorCode::invalid_argument, "no"}}));
  EXPECT_TRUE(sends.empty());
  const auto& notices = w.machine("a").notices;
  EXPECT_TRUE(std::ranges::any_of(notices, [](const Notice& n) {
    return n.kind == Notice::Kind::rejected &&
           n.detail.find("not talk to us: no") != std::string::npos;
  }));
}

TEST_F(CoreHostile, sender_under_another_name_is_dropped) {
  const std::string bytes = hello(77, {.challenge = 1}, "c");
  EXPECT_TRUE(give(bytes, "b").empty());
  EXPECT_EQ(malformed(), 1u);
  EXPECT_TRUE(give(bytes, "a").empty());  // ourselves
  EXPECT_TRUE(give(bytes, "").empty());
  EXPECT_EQ(malformed(), 3u);
}

TEST_F(CoreHostile, claims_to_hold_our_future_writes_are_lies) {
  const ReplicaId self = w.document("a").self();
  for (int i = 0; i < 50; ++i) {
    say(transport::ClockReport{"s", clock(self, 1000), {}, {}, true, false});
    say(transport::Ack{"s", clock(self, 1000)});
  }
  EXPECT_EQ(malformed(), 100u);
  EXPECT_EQ(w.document("a").self(), self);
  EXPECT_EQ(core().counters().replica_ids_replaced, 0u);
}

TEST_F(CoreHostile, report_that_keeps_more_than_it_has_is_malformed) {
  const ReplicaId writer = ReplicaId::from_words(9, 9);
  say(transport::ClockReport{"s", clock(writer, 1), clock(writer, 2), {}, true, false});
  EXPECT_EQ(malformed(), 1u);
}

TEST_F(CoreHostile, reports_of_an_empty_clock_cost_a_bounded_number_of_deltas) {
  w.write("a", [&](Transaction& t) {
    for (int i = 0; i < 500; ++i) {
      if (Status s = t.root().reg("k" + std::to_string(i)).set(std::string(50, 'v')); !s.ok()) {
        return s;
      }
    }
    return Status();
  });
  // Overwritten, so that cells are cheaper than events.
  for (int i = 0; i < 1000; ++i) w.put("a", "x", i);
  w.run_for(seconds(1));
  std::uint64_t bytes = 0;
  for (int i = 0; i < 10'000; ++i) {
    for (const Send& send :
         say(transport::ClockReport{"s", {}, {}, {}, w.dice.chance(0.5), w.dice.chance(0.5)})) {
      bytes += send.bytes.size();
      const auto decoded = transport::decode(send.bytes);
      ASSERT_TRUE(decoded.ok());
      // It takes every delta, and says afterwards that it has nothing.
      if (const auto* chunk = std::get_if<transport::Chunk>(&decoded->body)) {
        say(transport::ChunkAck{"s", chunk->transfer, chunk->total_bytes});
      }
    }
    w.run_for(milliseconds(1));
  }
  EXPECT_LE(core().counters().deltas_sent, 10u);
  EXPECT_GE(core().counters().deltas_sent, 2u);
}

TEST_F(CoreHostile, clocks_of_invented_replicas_are_not_hoarded) {
  std::size_t largest = 0;
  for (std::uint64_t round = 0; round < 20; ++round) {
    Clock invented;
    for (std::uint64_t i = 1; i <= 1000; ++i) {
      invented.set(ReplicaId::from_words(round * 1000 + i, 7), 1);
    }
    say(transport::ClockReport{"s", invented, invented, {}, false, false});
    say(transport::Ack{"s", invented});
    const SpaceStatus status = core().status("s", w.now_of("a"));
    largest = std::max(largest, status.peers.at(0).applied.size());
  }
  EXPECT_LE(largest, 100u);
}

TEST_F(CoreHostile, events_that_never_fit_fill_a_bounded_buffer_and_leave_it_again) {
  core();
  for (std::uint64_t i = 1; i < 300; ++i) {
    say(transport::Events{"s", {stray_event(i, 2, 100'000)}});
  }
  EXPECT_GT(core().buffered_bytes(), 7u << 20);
  EXPECT_LE(core().buffered_bytes(), (8u << 20) + (1u << 10));
  EXPECT_GT(core().counters().events_waiting_dropped, 100u);
  EXPECT_TRUE(core().check_invariants().ok());
  w.run_for(seconds(30));
  EXPECT_EQ(core().buffered_bytes(), 0u);
}

TEST_F(CoreHostile, gaps_are_reported_at_a_bounded_rate) {
  int reports = 0;
  for (std::uint64_t i = 1; i <= 1000; ++i) {
    for (const Send& send : say(transport::Events{"s", {stray_event(i, 2)}})) {
      reports += std::string(send.kind) == "clock_report";
    }
    w.run_for(milliseconds(1));
  }
  EXPECT_LE(reports, 25);
}

TEST_F(CoreHostile, announced_length_takes_no_memory) {
  const std::uint64_t huge = std::uint64_t{3} << 30;
  for (std::uint64_t i = 1; i <= 100; ++i) {
    say(transport::Chunk{"s", i, huge, 0, std::string(1000, 'c')});
  }
  EXPECT_LE(core().buffered_bytes(), 2'000u);  // a new transfer ends the old one
  // Chunks from anywhere in it are not collected without end.
  for (std::uint64_t i = 1; i <= 3000; ++i) {
    say(transport::Chunk{"s", 100, huge, 1'000'000 + i * 1000, std::string(1000, 'c')});
  }
  EXPECT_LE(core().buffered_bytes(), 2u << 20);
  w.run_for(seconds(120));
  EXPECT_EQ(core().buffered_bytes(), 0u);
  EXPECT_GE(core().counters().transfers_abandoned, 100u);
}

TEST_F(CoreHostile, transfer_of_nonsense_changes_nothing) {
  const StateHash before = w.document("a").hash();
  const std::string nonsense(5000, 'z');
  say(transport::Chunk{"s", 1, nonsense.size(), 0, nonsense});
  EXPECT_EQ(malformed(), 1u);
  // A delta of a base that is not here.
  Document other(ReplicaId::from_words(4, 4));
  for (int i = 0; i < 2; ++i) {
    Transaction t = other.begin({HybridTime::from_millis(1), "", ""});
    ASSERT_TRUE(t.root().reg("z").set(i).ok());
    t.commit();
  }
  const std::string delta = other.delta_since(clock(other.self(), 1)).encoded();
  const auto sends = say(transport::Chunk{"s", 2, delta.size(), 0, delta});
  EXPECT_TRUE(std::ranges::any_of(
      sends, [](const Send& s) { return std::string(s.kind) == "clock_report"; }));
  EXPECT_EQ(w.document("a").hash(), before);
  EXPECT_TRUE(core().check_invariants().ok());
}

// ---- Incarnations ----

TEST_F(CoreHostile, messages_of_a_former_incarnation_are_dropped_however_late_they_come) {
  EXPECT_TRUE(is_heard(77));
  ASSERT_TRUE(introduce(78));
  const ReplicaId self = w.document("a").self();
  const Clock mine = clock(self, 1);
  for (const seconds later : {seconds(0), seconds(1), seconds(3600)}) {
    w.run_for(later);
    give(message(transport::ClockReport{"s", mine, mine, {}, false, false}, 77));
    EXPECT_FALSE(is_heard(77));
  }
  EXPECT_TRUE(core().durable_at("s", Dot{self, 1}).empty());
  EXPECT_TRUE(is_heard(78));
}

TEST_F(CoreHostile, process_counts_when_it_has_answered_and_no_earlier) {
  EXPECT_FALSE(is_heard(78));
  const std::uint64_t challenge = challenge_to(78);
  EXPECT_FALSE(is_heard(78));
  give(hello(78, {.answer = challenge + 1}));
  EXPECT_FALSE(is_heard(78));
  EXPECT_TRUE(is_heard(77));
  give(hello(78, {.answer = challenge}));
  EXPECT_TRUE(is_heard(78));
  EXPECT_FALSE(is_heard(77));
}

TEST_F(CoreHostile, answer_that_was_under_way_does_not_bring_a_former_incarnation_back) {
  const std::uint64_t of_78 = challenge_to(78);
  give(hello(79, {.answer = challenge_to(79)}));
  ASSERT_TRUE(is_heard(79));
  give(hello(78, {.answer = of_78}));
  EXPECT_TRUE(is_heard(79));
  // Nor one that comes when somebody is asked again.
  const std::uint64_t of_80 = challenge_to(80);
  EXPECT_NE(of_80, of_78);
  give(hello(78, {.answer = of_78}));
  EXPECT_TRUE(is_heard(79));
}

TEST_F(CoreHostile, who_says_more_than_hello_unknown_is_asked_at_a_bounded_rate) {
  int asked = 0;
  for (int i = 0; i < 1000; ++i) {
    for (const Send& send : give(message(transport::Ack{"s", {}}, 78))) {
      asked += std::string(send.kind) == "hello";
    }
    w.run_for(milliseconds(1));
  }
  EXPECT_GE(asked, 1);
  EXPECT_LE(asked, 3);
}

TEST_F(CoreHostile, what_was_sent_to_the_process_before_is_dropped) {
  const std::string late = message(transport::Events{"s", {stray_event(5, 1)}});
  w.crash("a");
  w.start("a");
  ASSERT_TRUE(introduce(77));
  give(late);
  EXPECT_EQ(core().counters().messages_stale, 1u);
  EXPECT_EQ(core().counters().events_applied, 0u);
  say(transport::Events{"s", {stray_event(5, 1)}});
  EXPECT_EQ(core().counters().events_applied, 1u);
}

TEST_F(CoreHostile, unknown_spaces_are_answered_with_their_absence_at_a_bounded_rate) {
  int answers = 0;
  for (int i = 0; i < 100; ++i) {
    answers += static_cast<int>(say(transport::Ack{"nowhere", {}}).size());
    for (const Send& send : say(transport::ClockReport{"nowhere", {}, {}, {}, true, false})) {
      EXPECT_STREQ(send.kind, "digests");
      ++answers;
    }
  }
  EXPECT_EQ(answers, 1);
}

TEST_F(CoreHostile, made_up_sketches_cost_little_and_change_nothing) {
  const StateHash before = w.document("a").hash();
  const Clock more = clock(ReplicaId::from_words(4, 4), 9);
  std::uint64_t bytes = 0;
  for (std::uint64_t i = 1; i <= 2'000; ++i) {
    std::string symbols(1 + w.dice.below(300), '\0');
    for (char& c : symbols) c = static_cast<char>(w.dice.next());
    const auto from = static_cast<std::uint32_t>(w.dice.below(3) == 0 ? w.dice.next() : 0);
    const transport::Sketch sketch{"s", i / 10 + 1, more, w.dice.next(), from, symbols};
    for (const Send& send : say(sketch)) bytes += send.bytes.size();
    const transport::SketchAnswer answer{
        "s", i, static_cast<std::uint32_t>(w.dice.next()), w.dice.chance(0.5), {w.dice.next()}};
    for (const Send& send : say(answer)) bytes += send.bytes.size();
  }
  EXPECT_LT(bytes, 50'000u);
  EXPECT_EQ(w.document("a").hash(), before);
  EXPECT_TRUE(core().check_invariants().ok());
}

TEST_F(CoreHostile, strangers_take_a_bounded_number_of_places) {
  for (int i = 0; i < 1000; ++i) {
    const std::string name = "stranger " + std::to_string(i);
    const bool has_place = !give(hello(7, {.challenge = 1}, name), name).empty();
    if (has_place) give(hello(7, {.answer = challenge_to(7, name)}, name), name);
  }
  EXPECT_LE(core().status("s", w.now_of("a")).peers.size(), 1 + 64u);
  // Silent ones give theirs up.
  w.run_for(seconds(10));
  EXPECT_FALSE(give(hello(7, {.challenge = 1}, "late"), "late").empty());
}

TEST_F(CoreHostile, summaries_are_answered_at_a_bounded_rate) {
  std::uint64_t bytes = 0;
  for (int i = 0; i < 10'000; ++i) {
    for (const Send& send : say(transport::Summary{StateHash{w.dice.next(), 1}, 1})) {
      bytes += send.bytes.size();
    }
  }
  EXPECT_LT(bytes, 2'000u);
}

}  // namespace
}  // namespace rejoin::node::testing
