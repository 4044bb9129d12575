#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "agent_replicas.h"
#include "rejoin/crdt/agent/session.h"

namespace rejoin::agent {
namespace {

using testing::AnyOf;
using testing::ElementsAre;

TEST(AgentSession, appends_in_two_regions_at_once_are_both_kept_and_neither_run_is_broken_up) {
  Replica a(1), b(2);
  a.say(turn_by("a", "1"));
  exchange(a, b);
  a.say(turn_by("a", "call", Role::assistant));
  a.say(turn_by("a", "answer", Role::tool));
  b.say(turn_by("b", "x"));
  b.say(turn_by("b", "y"));
  exchange(a, b);
  EXPECT_THAT(a.contents(), AnyOf(ElementsAre("1", "call", "answer", "x", "y"),
                                  ElementsAre("1", "x", "y", "call", "answer")));
  EXPECT_EQ(a.contents(), b.contents());
}

TEST(AgentSession, a_turn_comes_after_those_its_writer_saw_whatever_the_clocks_said) {
  Replica ahead(1, 1'000'000), behind(2);
  ahead.say(turn_by("ahead", "first"));
  exchange(ahead, behind);
  behind.say(turn_by("behind", "second"));
  exchange(ahead, behind);
  EXPECT_THAT(ahead.contents(), ElementsAre("first", "second"));
}

TEST(AgentSession, a_refused_turn_changes_nothing) {
  Replica a(1);
  a.say(turn_by("a", "1"));
  const std::string before = a.document.canonical_state();
  Status refused;
  const EventPtr event = a.commit([&](SessionRef& s) {
    Turn turn = turn_by("a", "2");
    turn.role = Role::unknown;
    refused = s.append(turn);
  });
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(event, nullptr);
  EXPECT_EQ(a.document.canonical_state(), before);
}

TEST(AgentSession, a_repeated_write_finds_its_turn_and_writes_nothing) {
  Replica a(1);
  Turn turn = turn_by("a", "1");
  turn.id = "t1";
  a.commit([&](SessionRef& s) { EXPECT_TRUE(s.append_once(turn).value()); });
  const EventPtr again =
      a.commit([&](SessionRef& s) { EXPECT_FALSE(s.append_once(turn).value()); });
  EXPECT_EQ(again, nullptr);
  turn.id.clear();
  a.commit([&](SessionRef& s) {
    EXPECT_EQ(s.append_once(turn).error().code, ErrorCode::invalid_argument);
  });
  EXPECT_EQ(a.session().turn_entries(), 1u);
}

TEST(AgentSession, a_write_repeated_in_another_region_reads_as_one_turn) {
  Replica a(1), b(2);
  Turn turn = turn_by("client", "once");
  turn.id = "t1";
  a.commit([&](SessionRef& s) { EXPECT_TRUE(s.append_once(turn).value()); });
  b.commit([&](SessionRef& s) { EXPECT_TRUE(s.append_once(turn).value()); });  // cannot know
  exchange(a, b);
  EXPECT_THAT(a.contents(), ElementsAre("once"));
  EXPECT_EQ(a.session().turns(), b.session().turns());
  EXPECT_EQ(a.session().turn_entries(), 2u);
  EXPECT_EQ(a.session().last_turns(10).size(), 1u);
}

TEST(AgentSession, turns_without_an_id_are_never_taken_for_one_another) {
  Replica a(1);
  a.say(turn_by("a", "same"));
  a.say(turn_by("a", "same"));
  EXPECT_EQ(a.session().turns().size(), 2u);
}

TEST(AgentSession, the_last_turns_are_the_end_of_all_turns) {
  Replica a(1);
  for (const char* content : {"1", "2", "3"}) a.say(turn_by("a", content));
  const auto all = a.session().turns();
  EXPECT_EQ(a.session().last_turns(2), (std::vector<Turn>{all[1], all[2]}));
  EXPECT_EQ(a.session().last_turns(9), all);
  EXPECT_TRUE(a.session().last_turns(0).empty());
}

TEST(AgentSession, a_turn_costs_less_than_300_bytes_on_the_wire_beyond_its_content) {
  Replica a(1);
  const std::string content(1000, 'c');
  EventPtr event;
  for (int i = 0; i < 50; ++i) {  // the first writes of a session may cost more than the later ones
    Turn turn = turn_by("frankfurt", content, Role::assistant);
    turn.id = "t17-r3/" + std::to_string(i);
    turn.time_millis = 1716000000000;
    event = a.commit(
        [&](SessionRef& s) {
          ASSERT_TRUE(s.append(turn).ok());
          ASSERT_TRUE(s.usage().add({1200, 250, 1}).ok());
        },
        "t17-r3");
  }
  EXPECT_LT(event->encoded().size(), content.size() + 300);
  RecordProperty("bytes_beyond_content",
                 static_cast<int>(event->encoded().size() - content.size()));
}

TEST(AgentSession, elements_of_foreign_writers_are_shown_and_counted) {
  Replica a(1);
  a.say(turn_by("a", "1"));
  Transaction transaction = a.document.begin({HybridTime{100}, "", ""});
  ASSERT_TRUE(transaction.root().at(session_path("s")).list("turns").push(Value(42)).ok());
  transaction.commit();
  a.say(turn_by("a", "3"));
  const auto turns = a.session().turns();
  ASSERT_EQ(turns.size(), 3u);
  EXPECT_EQ(turns[1].role, Role::unknown);
  EXPECT_EQ(turns[1].content, "42");
}

TEST(AgentSession, a_session_removed_here_keeps_the_turn_that_was_appended_there_meanwhile) {
  Replica a(1), b(2);
  a.say(turn_by("a", "old"));
  exchange(a, b);
  Transaction transaction = a.document.begin({HybridTime{100}, "", ""});
  ASSERT_TRUE(transaction.root().map(sessions_map).remove("s", Type::map).ok());
  transaction.commit();
  b.say(turn_by("b", "new"));
  exchange(a, b);
  EXPECT_THAT(a.contents(), ElementsAre("new"));
}

TEST(AgentSession, sessions_are_found_by_id_and_an_absent_one_reads_as_empty) {
  Replica a(1);
  EXPECT_TRUE(session_ids(a.document).empty());
  EXPECT_FALSE(a.session().exists());
  EXPECT_TRUE(a.session().turns().empty());
  EXPECT_EQ(a.session().usage().get(), Usage{});
  a.commit([](SessionRef& s) { ASSERT_TRUE(s.append(turn_by("a", "x")).ok()); }, "b/2");
  a.commit([](SessionRef& s) { ASSERT_TRUE(s.append(turn_by("a", "x")).ok()); }, "a:1");
  EXPECT_THAT(session_ids(a.document), ElementsAre("a:1", "b/2"));
  EXPECT_TRUE(SessionView(a.document, "b/2").exists());
}

TEST(AgentSession, usage_adds_up_across_regions_and_never_shrinks) {
  Replica a(1), b(2);
  a.commit([](SessionRef& s) { ASSERT_TRUE(s.usage().add({100, 10, 1}).ok()); });
  exchange(a, b);
  a.commit([](SessionRef& s) { ASSERT_TRUE(s.usage().add({5, 0, 1}).ok()); });
  b.commit([](SessionRef& s) { ASSERT_TRUE(s.usage().add({7, 3, 1}).ok()); });
  exchange(a, b);
  EXPECT_EQ(a.session().usage().get(), (Usage{112, 13, 3}));
  Status refused;
  const EventPtr event = a.commit([&](SessionRef& s) { refused = s.usage().add({1, -1, 0}); });
  EXPECT_EQ(refused.error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(event, nullptr);
}

TEST(AgentSession, preferences_written_at_once_show_their_conflict_until_somebody_decides) {
  Replica a(1), b(2, 1'000'000);
  a.commit([](SessionRef& s) { ASSERT_TRUE(s.preferences().set("seat", "aisle").ok()); });
  b.commit([](SessionRef& s) { ASSERT_TRUE(s.preferences().set("seat", "window").ok()); });
  exchange(a, b);
  EXPECT_EQ(a.session().preferences().get("seat"), Value("window"));
  EXPECT_THAT(a.session().preferences().conflicts("seat"),
              testing::UnorderedElementsAre(Value("aisle"), Value("window")));
  a.commit([](SessionRef& s) { ASSERT_TRUE(s.preferences().set("seat", "aisle").ok()); });
  exchange(a, b);
  EXPECT_EQ(b.session().preferences().get("seat"), Value("aisle"));
  EXPECT_THAT(b.session().preferences().all(), ElementsAre(testing::Pair("seat", Value("aisle"))));
  b.commit([](SessionRef& s) {
    ASSERT_TRUE(s.preferences().remove("seat").ok());
    EXPECT_EQ(s.preferences().set("", 1).error().code, ErrorCode::invalid_argument);
  });
  EXPECT_EQ(b.session().preferences().get("seat"), std::nullopt);
}

// Three replicas append and meet as chance has it. Whatever happened: every turn is there exactly
// once, in one order everywhere, each writer's own order is kept, and none comes before one that
// its writer had seen.
RC_GTEST_PROP(AgentSession, turns_are_kept_once_in_one_order_that_respects_what_was_seen, ()) {
  std::vector<Replica> replicas;
  for (std::uint64_t n = 0; n < 3; ++n) {
    replicas.emplace_back(n + 1, *rc::gen::inRange<std::uint64_t>(0, 3) * 1000);
  }
  std::map<std::string, std::set<std::string>> seen_by;  // turn -> turns its writer saw
  const int steps = *rc::gen::inRange(1, 40);
  for (int step = 0; step < steps; ++step) {
    Replica& one = replicas[*rc::gen::inRange<std::size_t>(0, 3)];
    if (*rc::gen::inRange(0, 3) > 0) {
      const std::string name = std::to_string(step);
      const auto seen = one.contents();
      seen_by[name] = {seen.begin(), seen.end()};
      one.say(turn_by("w", name));
    } else {
      one.pull(replicas[*rc::gen::inRange<std::size_t>(0, 3)]);
    }
  }
  for (Replica& to : replicas) {
    for (Replica& from : replicas) to.pull(from);
  }
  for (Replica& to : replicas) {
    for (Replica& from : replicas) to.pull(from);
  }
  const auto order = replicas[0].contents();
  for (const Replica& replica : replicas) RC_ASSERT(replica.contents() == order);
  RC_ASSERT(order.size() == seen_by.size());
  std::set<std::string> before;
  for (const std::string& turn : order) {
    RC_ASSERT(seen_by.contains(turn));
    for (const std::string& seen : seen_by[turn]) RC_ASSERT(before.contains(seen));
    RC_ASSERT(before.insert(turn).second);
  }
}

}  // namespace
}  // namespace rejoin::agent
