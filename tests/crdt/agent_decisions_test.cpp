#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent_replicas.h"
#include "rejoin/crdt/agent/decisions.h"

namespace rejoin::agent {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const ContentHash content = *ContentHash::parse("sha256:" + std::string(64, 'a'));

DecisionsView decisions(const Replica& replica) {
  return DecisionsView(replica.document.root().map("decisions"));
}

Result<Dot> decide(Replica& replica, const Decision& decision) {
  Transaction transaction = replica.begin();
  const auto decided = DecisionsRef(transaction.root().map("decisions")).decide("seat", decision);
  const EventPtr event = transaction.commit();
  EXPECT_EQ(event != nullptr, decided.ok());
  return decided;
}

Dot decided(Replica& replica, std::string choice, std::vector<Dot> supersedes = {}) {
  const auto dot =
      decide(replica,
             {.author = "agent", .choice = std::move(choice), .supersedes = std::move(supersedes)});
  EXPECT_TRUE(dot.ok()) << dot.error().to_string();
  return dot.value();
}

std::vector<std::string> standing(const Replica& replica) {
  std::vector<std::string> choices;
  for (const Decision& one : decisions(replica).standing("seat")) choices.push_back(one.choice);
  return choices;
}

TEST(AgentDecisions, a_decision_reads_as_it_was_written_with_all_its_evidence) {
  Replica a(1), b(2);
  const Dot write{ReplicaId::from_words(7, 8), 9};
  Decision made{.author = "agent",
                .choice = "aisle \"12C\"",
                .reason = "asked for",
                .evidence = {Path().map("sessions").map("a/b"), TurnName{"s", "t0-r0/7"}, write,
                             content, Path()},
                .time_millis = 1716000000000};
  made.id = decide(a, made).value();
  made.stands = true;
  exchange(a, b);
  EXPECT_THAT(decisions(b).history("seat"), ElementsAre(made));
  EXPECT_THAT(decisions(b).questions(), ElementsAre("seat"));
  EXPECT_EQ(made.id.replica, a.document.self());
}

TEST(AgentDecisions, decisions_made_at_once_both_stand_until_one_supersedes_the_two) {
  Replica a(1), b(2, 1'000'000), c(3);
  const Dot aisle = decided(a, "aisle");
  const Dot window = decided(b, "window");
  exchange(a, b);
  EXPECT_EQ(standing(a).size(), 2u);
  EXPECT_EQ(standing(a), standing(b));
  c.pull(a);
  const Dot middle = decided(c, "middle", {aisle, window});
  exchange(c, a);
  exchange(a, b);
  EXPECT_THAT(standing(b), ElementsAre("middle"));
  const auto all = decisions(b).history("seat");
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[2].id, middle);
  EXPECT_FALSE(all[0].stands);
  EXPECT_FALSE(all[1].stands);
}

TEST(AgentDecisions, one_decision_superseded_on_two_sides_leaves_both_successors) {
  Replica a(1), b(2);
  const Dot first = decided(a, "aisle");
  exchange(a, b);
  decided(a, "window", {first});
  decided(b, "middle", {first});
  exchange(a, b);
  EXPECT_THAT(standing(a), testing::UnorderedElementsAre("window", "middle"));
  EXPECT_EQ(standing(a), standing(b));
}

TEST(AgentDecisions, a_decision_that_passes_over_one_that_stands_is_refused) {
  Replica a(1);
  const Dot first = decided(a, "aisle");
  const std::string before = a.document.canonical_state();
  const auto expect_refused = [&](ErrorCode code, const std::string& words, Decision decision) {
    const auto outcome = decide(a, decision);
    ASSERT_FALSE(outcome.ok()) << words;
    EXPECT_EQ(outcome.error().code, code) << outcome.error().to_string();
    EXPECT_THAT(outcome.error().to_string(), HasSubstr(words));
    EXPECT_EQ(a.document.canonical_state(), before);
  };
  expect_refused(ErrorCode::invalid_argument, first.full_name(),
                 {.author = "agent", .choice = "window"});
  const Dot nobodys{ReplicaId::from_words(7, 8), 9};
  expect_refused(ErrorCode::not_found, nobodys.full_name(),
                 {.author = "agent", .choice = "window", .supersedes = {first, nobodys}});
}

TEST(AgentDecisions, what_is_superseded_cannot_be_superseded_again) {
  Replica a(1);
  const Dot first = decided(a, "aisle");
  const Dot second = decided(a, "window", {first});
  const auto again =
      decide(a, {.author = "agent", .choice = "middle", .supersedes = {first, second}});
  ASSERT_FALSE(again.ok());
  EXPECT_EQ(again.error().code, ErrorCode::invalid_argument);
  EXPECT_THAT(again.error().message, HasSubstr("superseded already"));
}

TEST(AgentDecisions, what_says_nothing_or_rests_on_nothing_is_refused) {
  Replica a(1);
  const auto code_of = [&](Decision decision) { return decide(a, decision).error().code; };
  const auto invalid = ErrorCode::invalid_argument;
  EXPECT_EQ(code_of({.author = "", .choice = "x"}), invalid);
  EXPECT_EQ(code_of({.author = "a", .choice = ""}), invalid);
  EXPECT_EQ(code_of({.author = "a", .choice = "\xC3("}), invalid);
  EXPECT_EQ(code_of({.author = "a", .choice = "x", .reason = "\xC3("}), invalid);
  EXPECT_EQ(code_of({.author = "a", .choice = "x", .time_millis = ~std::uint64_t{0}}), invalid);
  EXPECT_EQ(code_of({.author = std::string(label_bytes_max + 1, 'a'), .choice = "x"}),
            ErrorCode::limit_exceeded);
  for (const Evidence& nothing : {Evidence(Dot()), Evidence(ContentHash()),
                                  Evidence(TurnName{"s", ""}), Evidence(TurnName{"", "t"})}) {
    EXPECT_EQ(code_of({.author = "a", .choice = "x", .evidence = {nothing}}), invalid);
  }
  EXPECT_THAT(decisions(a).questions(), IsEmpty());
}

TEST(AgentDecisions, entries_of_foreign_writers_are_shown_and_can_be_superseded) {
  Replica a(1);
  {
    Transaction transaction = a.begin();
    LogRef log = transaction.root().map("decisions").log("seat");
    ASSERT_TRUE(log.append({Value(7), Value(R"({"choice": 3, "author": "x", "evidence": [1, {}, )"
                                            R"({"path": "nope"}, {"hash": "y"}], )"
                                            R"("supersedes": [{}, "z"], "new": []})")})
                    .ok());
    transaction.commit();
  }
  const auto all = decisions(a).standing("seat");
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].choice, "7");
  EXPECT_EQ(all[1].author, "x");
  EXPECT_THAT(all[1].evidence, IsEmpty());
  decided(a, "window", {all[0].id, all[1].id});
  EXPECT_THAT(standing(a), ElementsAre("window"));
}

}  // namespace
}  // namespace rejoin::agent
