#include "rejoin/simulation/scenario.h"

#include <gtest/gtest.h>

#include <filesystem>

namespace rejoin::simulation {
namespace {

std::string error_of(std::string_view text) {
  const auto scenario = Scenario::from_toml(text, "x.toml");
  return scenario.ok() ? "no error" : scenario.error().to_string();
}

void expect_error(std::string_view text, const std::vector<std::string>& parts) {
  const std::string error = error_of(text);
  for (const auto& part : parts) {
    EXPECT_NE(error.find(part), std::string::npos) << error << " lacks " << part;
  }
}

TEST(Scenario, reads_every_kind_of_value) {
  const auto scenario = Scenario::from_toml(R"(
name = "all"
nodes = ["a", "b"]
topology = "line"
duration = "10s"
swarm = true
[network]
delay = ["1ms", "2ms"]
loss = 0.25
spread = 0.5
[clocks]
skew = ["-1h", "1h"]
[core]
chunk_bytes = [64, 128]
exchange_interval = "300ms"
[[fault]]
kind = "one_way"
nodes = ["a", "b"]
at = "1s"
lasts = "2s"
[[random_fault]]
kind = "clock_jump"
every = "3s"
jump = ["-1m", "1m"]
)");
  ASSERT_TRUE(scenario.ok()) << scenario.error().to_string();
  EXPECT_EQ(scenario->name, "all");
  EXPECT_EQ(scenario->topology, Topology::line);
  EXPECT_EQ(scenario->duration, std::chrono::seconds(10));
  EXPECT_TRUE(scenario->swarm);
  EXPECT_EQ(scenario->network.delay.high, std::chrono::milliseconds(2));
  EXPECT_EQ(scenario->network.loss.low.ppm, 250'000u);
  EXPECT_EQ(scenario->network.spread_ppm, 500'000u);
  EXPECT_EQ(scenario->clocks.skew.low, std::chrono::hours(-1));
  EXPECT_EQ(scenario->core.at("chunk_bytes").high, 128u);
  EXPECT_EQ(scenario->core.at("exchange_interval").low, 300'000u);
  ASSERT_EQ(scenario->planned.size(), 1u);
  EXPECT_EQ(scenario->planned[0].kind, FaultKind::one_way);
  ASSERT_EQ(scenario->random.size(), 1u);
  EXPECT_EQ(scenario->random[0].jump.high, std::chrono::minutes(1));
}

TEST(Scenario, unknown_keys_are_named_with_their_line_and_what_is_known) {
  expect_error("name = \"x\"\nnods = 3\n", {"x.toml:2", "nods", "unknown key", "nodes"});
  expect_error("[network]\nlos = 0.1\n", {"x.toml:2", "network.los", "loss"});
  expect_error("[core]\nchunk = 5\n", {"x.toml:2", "core.chunk", "chunk_bytes"});
  expect_error("[[random_fault]]\nkind = \"crash\"\nevery = \"1s\"\nlasts = \"1s\"\nwhom = \"a\"\n",
               {"x.toml:5", "random_fault.whom"});
}

TEST(Scenario, wrong_types_and_values_are_named_with_what_was_expected) {
  expect_error("duration = 60\n", {"x.toml:1", "duration", "\"250ms\""});
  expect_error("duration = \"10 parsec\"\n", {"x.toml:1", "duration", "expected"});
  expect_error("[network]\nloss = 1.5\n", {"x.toml:2", "network.loss", "from 0 to 1"});
  expect_error("[network]\nloss = [0.5, 0.1]\n", {"x.toml:2", "network.loss", "[lowest, highest]"});
  expect_error("topology = \"torus\"\n", {"x.toml:1", "\"mesh\"", "\"star\""});
  expect_error("nodes = 0\n", {"x.toml:1", "nodes", "1 to 64"});
  expect_error("nodes = [\"a\", \"a\"]\n", {"two are called \"a\""});
  expect_error("network = 5\n", {"x.toml:1", "network", "a table"});
  expect_error("[[fault]]\nkind = \"meteor\"\nat = \"1s\"\n",
               {"x.toml:2", "fault.kind", "\"crash\""});
  expect_error("deep_check_every = 0\n", {"x.toml:1", "deep_check_every"});
  expect_error("name = [\n", {"x.toml:"});
}

TEST(Scenario, impossible_times_and_unknown_nodes_are_refused) {
  const std::string fault = "duration = \"10s\"\n[[fault]]\nkind = \"crash\"\n";
  expect_error(fault + "nodes = [\"a\"]\nat = \"20s\"\nlasts = \"1s\"\n", {"x.toml:5", "fault.at"});
  expect_error(fault + "nodes = [\"z\"]\nat = \"2s\"\nlasts = \"1s\"\n", {"x.toml:4", "\"z\""});
  expect_error(fault + "nodes = [\"a\"]\nlasts = \"1s\"\n", {"fault.at"});
  expect_error(fault + "nodes = [\"a\"]\nat = \"2s\"\n", {"fault.lasts"});
  expect_error("[[fault]]\nkind = \"one_way\"\nnodes = [\"a\"]\nat = \"2s\"\nlasts = \"1s\"\n",
               {"from and to"});
  expect_error(
      "[[fault]]\nkind = \"partition\"\nnodes = [\"a\", \"b\", \"c\"]\nat = \"2s\"\n"
      "lasts = \"1s\"\n",
      {"one side"});
}

TEST(Scenario, every_shipped_one_can_be_read_and_found_by_name) {
  int found = 0;
  for (const auto& entry : std::filesystem::directory_iterator("simulation/scenarios")) {
    const auto scenario = find_scenario(entry.path().stem().string());
    ASSERT_TRUE(scenario.ok()) << scenario.error().to_string();
    EXPECT_EQ(scenario->name, entry.path().stem().string());
    EXPECT_FALSE(scenario->description.empty());
    ++found;
  }
  EXPECT_GE(found, 10);
  EXPECT_FALSE(find_scenario("no_such_scenario").ok());
}

}  // namespace
}  // namespace rejoin::simulation
