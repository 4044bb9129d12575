// Exhaustive exploration: what it covers, what it finds, and how it says so.
#include "rejoin/simulation/explore.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace rejoin::simulation {
namespace {

Scope scope_of(const std::string& text) {
  auto scope = Scope::from_toml(text, "x.toml");
  EXPECT_TRUE(scope.ok()) << scope.error().to_string();
  return scope.ok() ? *std::move(scope) : Scope();
}

// A write at each of two nodes, and nothing goes wrong.
const std::string two_writes = R"(
nodes = ["a", "b"]
[[client]]
steps = [{ at = "a", write = "register", value = 1 }]
[[client]]
steps = [{ at = "b", write = "register", value = 2 }]
)";

std::string error_of(const std::string& text) {
  const auto scope = Scope::from_toml(text, "x.toml");
  return scope.ok() ? "no error" : scope.error().to_string();
}

void expect_error(const std::string& text, const std::vector<std::string>& parts) {
  const std::string error = error_of(text);
  for (const auto& part : parts) {
    EXPECT_NE(error.find(part), std::string::npos) << error << " lacks " << part;
  }
}

class ShippedScope : public ::testing::TestWithParam<Scope> {};

TEST_P(ShippedScope, is_covered_whole_and_holds) {
  const Scope& scope = GetParam();
  const ExploreResult result = explore(scope, {});
  const std::string again = "\nagain: rejoin sim explore " + scope.name;
  ASSERT_FALSE(result.violation.has_value())
      << result.violation->what << "\n"
      << again << " --choices '" << result.violation->choices << '\'';
  EXPECT_TRUE(result.complete) << again;
  EXPECT_GT(result.rests, 0u) << again;
  EXPECT_GT(result.states, result.node_states) << again;
  EXPECT_GE(result.transitions + 1, result.states) << again;
}

INSTANTIATE_TEST_SUITE_P(All, ShippedScope, ::testing::ValuesIn(*shipped_scopes()),
                         [](const auto& scope) { return scope.param.name; });

TEST(Explore, where_nothing_happens_there_is_one_state) {
  const ExploreResult result = explore(scope_of("nodes = [\"a\", \"b\"]"), {});
  EXPECT_TRUE(result.complete);
  EXPECT_EQ(result.states, 1u);
  EXPECT_EQ(result.transitions, 0u);
  EXPECT_EQ(result.rests, 1u);
}

// a crashes, is down, and starts: there is nothing to lose, so nothing else differs until it talks.
TEST(Explore, a_crash_and_its_restart_are_choices) {
  const Scope scope = scope_of("nodes = [\"a\", \"b\"]\ncrashes = 1");
  const auto down = replay_choices(scope, "a:crash");
  ASSERT_TRUE(down.ok());
  const auto again = replay_choices(scope, "a:crash,a:crash");
  ASSERT_FALSE(again.ok());
  EXPECT_NE(again.error().to_string().find("choice 2"), std::string::npos);
  EXPECT_NE(again.error().to_string().find("expected one of a:start"), std::string::npos)
      << again.error().to_string();
}

TEST(Explore, both_ends_of_a_torn_write_are_tried) {
  Scope scope = scope_of(two_writes);
  scope.crashes = 1;
  for (const char* choices : {"1,a:crash,a:start", "1,a:crash:kept,a:start"}) {
    const auto replayed = replay_choices(scope, choices);
    ASSERT_TRUE(replayed.ok()) << replayed.error().to_string();
    EXPECT_FALSE(replayed->violation.has_value());
    ASSERT_EQ(replayed->story.size(), 3u);
    EXPECT_EQ(replayed->story[0], "client 1 writes 1 into the register in data at a; a has a 1");
  }
  EXPECT_EQ(replay_choices(scope, "1,a:crash")->story[1],
            "a crashes, and what it was writing is lost; a has nothing");
  EXPECT_EQ(replay_choices(scope, "1,a:crash:kept")->story[1],
            "a crashes, with what it was writing on its disk");
}

// For one node to show both writes, one must be written, become durable, arrive, and meet the
// other.
TEST(Explore, finds_a_shortest_way_to_what_breaks_an_invariant_of_ones_own) {
  const Scope scope = scope_of(two_writes);
  ExploreOptions options;
  options.invariant = [](const Document& document) -> std::optional<std::string> {
    if (document.clock().size() < 2) return std::nullopt;
    return "both writes";
  };
  const ExploreResult result = explore(scope, options);
  ASSERT_TRUE(result.violation.has_value());
  EXPECT_EQ(result.violation->promise, Promise::workload);
  const std::string& choices = result.violation->choices;
  EXPECT_EQ(std::ranges::count(choices, ','), 3) << choices;
  EXPECT_EQ(result.violation->story.size(), 4u);
  const auto again = replay_choices(scope, choices, options);
  ASSERT_TRUE(again.ok()) << again.error().to_string();
  ASSERT_TRUE(again->violation.has_value());
  EXPECT_EQ(again->violation->what, result.violation->what);
}

TEST(Explore, every_winner_of_two_concurrent_writes_is_seen) {
  std::set<std::string> shown;
  ExploreOptions options;
  options.invariant = [&](const Document& document) -> std::optional<std::string> {
    const auto value = document.root().map("data").reg("k0").get();
    if (document.clock().size() == 2) shown.insert(value->to_string());
    return std::nullopt;
  };
  EXPECT_TRUE(explore(scope_of(two_writes), options).complete);
  EXPECT_EQ(shown, (std::set<std::string>{"1", "2"}));
}

TEST(Explore, more_that_may_go_wrong_is_more_to_cover) {
  Scope scope = scope_of(two_writes);
  const ExploreResult calm = explore(scope, {});
  for (const auto budget : {&Scope::crashes, &Scope::losses, &Scope::duplicates, &Scope::timers}) {
    Scope more = scope;
    more.*budget = 1;
    ExploreOptions options;
    options.states_max = 10 * calm.states;
    EXPECT_GT(explore(more, options).states, calm.states);
  }
}

TEST(Explore, says_when_it_did_not_cover_everything) {
  ExploreOptions options;
  options.states_max = 20;
  const ExploreResult result = explore(scope_of(two_writes), options);
  EXPECT_FALSE(result.complete);
  EXPECT_FALSE(result.violation.has_value());
  EXPECT_EQ(result.states, 20u);
}

TEST(Explore, errors_of_a_scope_name_file_line_key_and_what_is_expected) {
  expect_error("crashs = 1", {"x.toml:1", "crashs", "unknown key", "crashes"});
  expect_error("nodes = [\"a\"]", {"x.toml:1", "nodes: expected 2 to 4"});
  expect_error("\ncrashes = 99", {"x.toml:2", "crashes: expected at most 16"});
  expect_error("[[client]]\nsteps = [{ at = \"z\", write = \"register\" }]",
               {"x.toml:2", "client.steps.at", "\"a\" or \"b\""});
  expect_error("[[client]]\nsteps = [{ at = \"a\", write = \"paint\" }]",
               {"x.toml:2", "client.steps.write", "\"register\"", "\"remove_map\""});
  expect_error("[[client]]\nsteps = [{ at = \"a\", write = \"give\" }]",
               {"x.toml:2", "client.steps.to"});
  expect_error("[[client]]\nsteps = []", {"x.toml:2", "client.steps: expected 1 to 16"});
  expect_error("away = [\"c\"]", {"x.toml:1", "there is no node \"c\""});
  expect_error("away = [\"b\"]\nmeanwhile = [{ at = \"b\", write = \"reset\" }]",
               {"x.toml:2", "meanwhile.at"});
  expect_error("[core]\nchunk_byte = 1", {"x.toml:2", "core.chunk_byte", "chunk_bytes"});
  expect_error("nodes = 3", {"x.toml:1", "nodes: expected a list of strings"});
}

}  // namespace
}  // namespace rejoin::simulation
