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

void expect_read_back(const Scenario& scenario) {
  const auto again = Scenario::from_toml(scenario.to_toml(), scenario.source);
  ASSERT_TRUE(again.ok()) << again.error().to_string() << "\n" << scenario.to_toml();
  EXPECT_TRUE(*again == scenario) << scenario.to_toml();
}

TEST(Scenario, reads_every_kind_of_value) {
  const auto scenario = Scenario::from_toml(R"(
name = "all"
nodes = ["a", "b", "c"]
topology = "line"
duration = "10s"
swarm = true
[network]
delay = ["1ms", "2ms"]
loss = 0.25
spread = 0.5
[disk]
store = "either"
power_loss = 0.75
[clocks]
skew = ["-1h", "1h"]
[liveness]
share = 0.5
core = ["a", "b"]
others = ["slow"]
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
[[random_fault]]
kind = "bit_flip"
every = "5s"
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
  ASSERT_TRUE(scenario->liveness.has_value());
  EXPECT_EQ(scenario->liveness->core, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(scenario->liveness->others, std::set<Absence>{Absence::slow});
  EXPECT_EQ(scenario->liveness->share, percent(50));
  EXPECT_EQ(scenario->core.at("chunk_bytes").high, 128u);
  EXPECT_EQ(scenario->core.at("exchange_interval").low, 300'000u);
  ASSERT_EQ(scenario->planned.size(), 1u);
  EXPECT_EQ(scenario->planned[0].kind, FaultKind::one_way);
  EXPECT_EQ(scenario->disk.store, DiskStore::either);
  EXPECT_EQ(scenario->disk.power_loss.ppm, 750'000u);
  ASSERT_EQ(scenario->random.size(), 2u);
  EXPECT_EQ(scenario->random[1].kind, FaultKind::bit_flip);
  EXPECT_EQ(scenario->random[0].jump.high, std::chrono::minutes(1));
}

TEST(Scenario, is_written_so_that_it_reads_as_the_same) {
  Scenario scenario;
  scenario.source = "x.toml";
  expect_read_back(scenario);
  scenario.name = "with \"quotes\", a \\ and a\nline";
  scenario.seed = 12'345'678'901;
  scenario.breaks = Promise::durable_first;
  scenario.nodes = {"n1", "n3", "n4"};
  scenario.topology = Topology::random;
  scenario.degree = 8;
  scenario.duration = Duration(61'234'567);
  scenario.swarm = true;
  scenario.buggify = {"chunk_bytes", "relay_delay"};
  scenario.expects = {"fault crash", "message chunk"};
  scenario.network.loss = {Share{1}, Share{123'456}};
  scenario.network.spread_ppm = 2'500'000;
  scenario.disk.store = DiskStore::sqlite;
  scenario.disk.power_loss = Share{12'345};
  scenario.clocks.skew = {Duration(-3'600'000'000), Duration(1'500)};
  scenario.workload.types = {Type::counter, Type::reg};
  scenario.workload.steps = {{0, 1}, {0, 2}, {0, 3}, {0, 5}, {7, 2}};
  scenario.core["exchange_interval"] = {300'000, 2'000'000};
  scenario.core["chunk_bytes"] = {64, 64};
  scenario.planned.push_back(
      {FaultKind::partition, Duration(1'000'001), Duration(2'000), {"n1"}, {}});
  scenario.planned.push_back({FaultKind::clock_jump, Duration(0), {}, {"n3"}, Duration(-5)});
  scenario.planned.push_back({FaultKind::flapping, Duration(7), Duration(9), {"n1", "n3"}, {}});
  scenario.planned.push_back({FaultKind::bit_flip, Duration(3), {}, {"n1"}, {}});
  scenario.planned.push_back({FaultKind::lying_sync, Duration(3), Duration(4), {"n1"}, {}});
  RandomFault crash{FaultKind::crash, {Duration(1'000'000), Duration(2'000'000)}, {}, {}};
  scenario.random.push_back(crash);
  scenario.topology = Topology::mesh;
  scenario.joins = {{"n3", {Duration(1'000), Duration(2'000'000)}}};
  scenario.leaves = {{"n4", Range<Duration>::of(Duration(3'000'000))}};
  expect_read_back(scenario);
  scenario.leaves.clear();
  scenario.liveness.emplace();
  expect_read_back(scenario);
  scenario.joins.clear();
  scenario.liveness->others = {Absence::cut, Absence::down};
  scenario.liveness->share = percent(25);
  expect_read_back(scenario);
  scenario.topology = Topology::star;
  scenario.liveness->core = {"n1", "n3"};
  expect_read_back(scenario);
  EXPECT_NE(scenario.to_toml().find("\"0:1-3\", \"0:5\", \"7:2\""), std::string::npos);
  scenario.buggify.clear();
  scenario.workload.steps->clear();
  expect_read_back(scenario);
}

TEST(Scenario, of_one_run_says_its_format_and_another_one_is_refused) {
  expect_error("seed = 7\n", {"x.toml:1", "format = 1"});
  expect_error("format = 2\nseed = 7\n", {"x.toml:1", "format 2", "format 1", "version"});
  expect_error("breaks = \"everything\"\n", {"x.toml:1", "certificate", "silence"});
  expect_error("[workload]\nsteps = [\"1-2\"]\n", {"x.toml:2", "workload.steps", "\"2:5-9\""});
  expect_error("[workload]\nsteps = [\"1:9-2\"]\n", {"x.toml:2", "workload.steps"});
  expect_error("[workload]\ntypes = [\"tuple\"]\n", {"x.toml:2", "workload.types", "tuple"});
  expect_error("expects = [\"fault meteor\"]\n",
               {"x.toml:1", "expects", "fault meteor", "fault crash", "message chunk"});
  expect_error("buggify = [\"chunk\"]\n", {"x.toml", "buggify", "chunk"});
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
  expect_error("nodes = 0\n", {"x.toml:1", "nodes", "1 to 1024"});
  expect_error("degree = 1\n", {"x.toml:1", "degree", "at least 2"});
  expect_error("nodes = [\"a\", \"a\"]\n", {"two are called \"a\""});
  expect_error("network = 5\n", {"x.toml:1", "network", "a table"});
  expect_error("[[fault]]\nkind = \"meteor\"\nat = \"1s\"\n",
               {"x.toml:2", "fault.kind", "\"crash\""});
  expect_error("deep_check_every = 0\n", {"x.toml:1", "deep_check_every"});
  expect_error("name = [\n", {"x.toml:"});
}

TEST(Scenario, core_that_cannot_go_on_alone_is_refused) {
  const auto core = [](const std::string& top, const std::string& lines) {
    return top + "\n[liveness]\n" + lines + "\n";
  };
  expect_error(core("", "core = \"most\""), {"x.toml:3", "liveness.core", "\"majority\""});
  expect_error(core("", "core = [\"a\", \"z\"]"), {"x.toml:3", "liveness.core", "\"z\""});
  expect_error(core("", "core = []"), {"x.toml:3", "liveness.core", "name the nodes"});
  expect_error(core("", "core = [\"a\", \"b\", \"c\"]"), {"x.toml:3", "leave some nodes out"});
  expect_error(core("nodes = 2", ""), {"x.toml", "liveness.core", "three nodes"});
  expect_error(core("topology = \"line\"", "core = [\"a\", \"c\"]"),
               {"x.toml:3", "\"a\" and \"c\"", "only through others"});
  expect_error(core("topology = \"random\"", "core = [\"a\", \"b\"]"), {"x.toml:3", "majority"});
  expect_error(core("", "others = [\"gone\"]"), {"x.toml:3", "liveness.others", "down, cut, slow"});
  expect_error(core("", "others = []"), {"x.toml:3", "liveness.others", "at least one"});
  expect_error(core("", "share = 2"), {"x.toml:3", "liveness.share", "from 0 to 1"});
  expect_error(core("", "cores = 2"), {"x.toml:3", "liveness.cores", "unknown key"});
}

TEST(Scenario, impossible_joins_and_leaves_are_refused) {
  const std::string a = "[[join]]\nnode = \"a\"\nat = \"1s\"\n";
  expect_error("[[join]]\nnode = \"a\"\n", {"x.toml:1", "join.at"});
  expect_error("[[join]]\nnode = \"z\"\nat = \"1s\"\n", {"x.toml", "join", "\"z\""});
  expect_error("[[leave]]\nnode = \"a\"\nat = \"99m\"\n", {"x.toml", "leave", "duration"});
  expect_error(a + a, {"x.toml", "named twice"});
  expect_error("nodes = [\"a\"]\n" + a, {"x.toml", "always there"});
  expect_error("topology = \"line\"\n" + a, {"x.toml", "mesh"});
  expect_error(a + "[[leave]]\nnode = \"a\"\nat = \"2s\"\n", {"x.toml", "\"a\" joins"});
  expect_error("[liveness]\n[[leave]]\nnode = \"a\"\nat = \"2s\"\n", {"x.toml", "liveness"});
  expect_error("[[join]]\nnode = \"a\"\nwhen = \"1s\"\nat = \"1s\"\n",
               {"x.toml:3", "join.when", "unknown key"});
}

TEST(Scenario, impossible_times_and_unknown_nodes_are_refused) {
  const std::string fault = "duration = \"10s\"\n[[fault]]\nkind = \"crash\"\n";
  expect_error(fault + "nodes = [\"a\"]\nat = \"20s\"\nlasts = \"1s\"\n", {"x.toml:5", "fault.at"});
  expect_error(fault + "nodes = [\"z\"]\nat = \"2s\"\nlasts = \"1s\"\n", {"x.toml:4", "\"z\""});
  expect_error(fault + "nodes = [\"a\"]\nlasts = \"1s\"\n", {"fault.at"});
  expect_error(fault + "nodes = [\"a\"]\nat = \"2s\"\n", {"fault.lasts"});
  expect_error("[[fault]]\nkind = \"one_way\"\nnodes = [\"a\"]\nat = \"2s\"\nlasts = \"1s\"\n",
               {"from and to"});
  for (const std::string kind : {"link_cut", "flapping", "slow_drip"}) {
    expect_error(
        "[[fault]]\nkind = \"" + kind + "\"\nnodes = [\"a\", \"a\"]\nat = \"2s\"\nlasts = \"1s\"\n",
        {"x.toml:3", kind + " fault names two nodes"});
  }
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
    expect_read_back(*scenario);
    ++found;
  }
  EXPECT_GE(found, 10);
  EXPECT_FALSE(find_scenario("no_such_scenario").ok());
}

}  // namespace
}  // namespace rejoin::simulation
