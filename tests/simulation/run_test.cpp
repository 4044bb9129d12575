// Whole runs of shipped scenarios, a few seeds each; thousands are run by hand
// (docs/simulation.md).
#include "rejoin/simulation/run.h"

#include <gtest/gtest.h>

#include <sstream>

#include "rejoin/simulation/campaign.h"
#include "rejoin/simulation/coverage.h"

namespace rejoin::simulation {
namespace {

Scenario shipped(const std::string& name) {
  auto scenario = find_scenario(name);
  EXPECT_TRUE(scenario.ok()) << scenario.error().to_string();
  return *std::move(scenario);
}

void expect_seeds_pass(const std::string& name, std::uint64_t last) {
  const Scenario scenario = shipped(name);
  CampaignOptions options;
  options.last_seed = last;
  options.threads = 2;
  const CampaignResult result = run_campaign(scenario, options);
  EXPECT_EQ(result.runs, last);
  for (const auto& failure : result.failures) {
    ADD_FAILURE() << failure.failure << "\nagain: " << replay_command(scenario, failure.seed);
  }
  EXPECT_FALSE(scenario.expects.empty());
  EXPECT_EQ(missed(scenario, result.total), std::vector<std::string>());
}

TEST(Run, seeds_of_partition_heal_pass) { expect_seeds_pass("partition_heal", 10); }
TEST(Run, seeds_of_one_way_pass) { expect_seeds_pass("one_way", 10); }
TEST(Run, seeds_of_crash_restart_pass) { expect_seeds_pass("crash_restart", 10); }
TEST(Run, seeds_of_disk_loss_pass) { expect_seeds_pass("disk_loss", 10); }
TEST(Run, seeds_of_lossy_mesh_pass) { expect_seeds_pass("lossy_mesh", 10); }
TEST(Run, seeds_of_clock_skew_pass) { expect_seeds_pass("clock_skew", 10); }
TEST(Run, seeds_of_line_topology_pass) { expect_seeds_pass("line_topology", 10); }
TEST(Run, seeds_of_removal_races_pass) { expect_seeds_pass("removal_races", 10); }
TEST(Run, seeds_of_big_catch_up_pass) { expect_seeds_pass("big_catch_up", 10); }
TEST(Run, seeds_of_year_away_pass) { expect_seeds_pass("year_away", 1); }
TEST(Run, seeds_of_gray_failure_pass) { expect_seeds_pass("gray_failure", 10); }
TEST(Run, seeds_of_disk_faults_pass) { expect_seeds_pass("disk_faults", 12); }
TEST(Run, seeds_of_edge_link_pass) { expect_seeds_pass("edge_link", 10); }
TEST(Run, seeds_of_mixed_versions_pass) { expect_seeds_pass("mixed_versions", 10); }
TEST(Run, seeds_of_overlay_pass) { expect_seeds_pass("overlay", 6); }
TEST(Run, seeds_of_small_overlay_pass) { expect_seeds_pass("small_overlay", 10); }
TEST(Run, seeds_of_replacements_pass) { expect_seeds_pass("replacements", 5); }
TEST(Run, seeds_of_evicted_pass) { expect_seeds_pass("evicted", 5); }
TEST(Run, seeds_of_join_leave_pass) { expect_seeds_pass("join_leave", 10); }
TEST(Run, seeds_of_slow_drip_pass) { expect_seeds_pass("slow_drip", 10); }
TEST(Run, seeds_of_rare_orders_pass) { expect_seeds_pass("rare_orders", 10); }
TEST(Run, seeds_of_core_only_pass) { expect_seeds_pass("core_only", 10); }
TEST(Run, seeds_of_everything_pass) { expect_seeds_pass("everything", 20); }

void expect_same_trace_twice(const Scenario& scenario) {
  std::string traces[2];
  RunResult results[2];
  for (int i = 0; i < 2; ++i) {
    std::ostringstream trace;
    RunOptions options;
    options.seed = 11;
    options.trace = &trace;
    results[i] = run(scenario, options);
    traces[i] = trace.str();
  }
  EXPECT_GT(traces[0].size(), 100'000u);
  EXPECT_TRUE(traces[0] == traces[1]);
  EXPECT_EQ(results[0].trace_hash, results[1].trace_hash);
  EXPECT_EQ(results[0].steps, results[1].steps);
}

TEST(Run, the_same_seed_gives_the_same_trace_to_the_last_byte) {
  expect_same_trace_twice(shipped("everything"));
}

TEST(Run, the_same_seed_gives_the_same_trace_over_the_real_store) {
  Scenario scenario = shipped("disk_faults");
  scenario.swarm = false;
  expect_same_trace_twice(scenario);
}

// A disk that lied can give back an earlier state, whole and beyond doubt. The node learns from the
// others that its replica id has gone further, takes another, and all agree.
TEST(Run, node_whose_disk_lied_takes_another_replica_id_and_catches_up) {
  Scenario scenario;
  scenario.duration = std::chrono::seconds(20);
  scenario.disk.power_loss = percent(100);
  scenario.disk.uncertain_after_crash = percent(0);
  const auto every = [](int seconds) { return Range<Duration>::of(std::chrono::seconds(seconds)); };
  scenario.random = {{FaultKind::lying_sync, every(2), every(2), {}},
                     {FaultKind::crash, every(2), every(1), {}}};
  scenario.core["forget_after"] = {5'000'000, 5'000'000};  // longer than a disk lies
  CampaignOptions options;
  options.last_seed = 10;
  options.threads = 2;
  const CampaignResult result = run_campaign(scenario, options);
  EXPECT_EQ(result.failed, 0u) << result.failures[0].failure;
  EXPECT_GT(result.total.counts.at("acknowledged writes lost unnoticed"), 10u);
  EXPECT_GT(result.total.counts.at("replica ids replaced"), 10u);
}

TEST(Run, what_is_watched_does_not_change_what_happens) {
  const Scenario scenario = shipped("lossy_mesh");
  RunOptions quiet;
  quiet.seed = 5;
  RunOptions watched = quiet;
  std::ostringstream trace;
  watched.trace = &trace;
  const RunResult one = run(scenario, quiet), other = run(scenario, watched);
  EXPECT_EQ(one.steps, other.steps);
  EXPECT_EQ(one.bytes, other.bytes);
  EXPECT_EQ(one.state, other.state);
}

RunResult run_hashed(const Scenario& scenario, std::uint64_t seed) {
  RunOptions options;
  options.seed = seed;
  options.hash_trace = true;
  return run(scenario, options);
}

// What shrinking stands on: a run can be stated, and what is left out of it changes nothing else.
TEST(Run, is_the_same_when_its_random_faults_and_steps_are_stated) {
  Scenario scenario = shipped("everything");
  scenario.duration = std::chrono::seconds(20);
  const RunResult drawn = run_hashed(scenario, 4);
  ASSERT_GT(drawn.struck.size(), 5u);
  ASSERT_GT(drawn.client_steps.size(), 100u);
  scenario.planned = drawn.struck;
  scenario.random.clear();
  scenario.workload.steps = {drawn.client_steps.begin(), drawn.client_steps.end()};
  const RunResult stated = run_hashed(scenario, 4);
  EXPECT_EQ(stated.trace_hash, drawn.trace_hash);
  EXPECT_EQ(stated.struck, drawn.struck);
  EXPECT_EQ(stated.client_steps, drawn.client_steps);
}

TEST(Run, a_step_that_is_left_out_leaves_the_others_as_they_are) {
  Scenario scenario = shipped("partition_heal");
  scenario.duration = std::chrono::seconds(10);
  std::vector<ClientStep> expected = run_hashed(scenario, 3).client_steps;
  ASSERT_GT(expected.size(), 20u);
  expected.erase(expected.begin() + static_cast<std::ptrdiff_t>(expected.size() / 2));
  scenario.workload.steps = {expected.begin(), expected.end()};
  EXPECT_EQ(run_hashed(scenario, 3).client_steps, expected);
}

// What the drip held back when it ends is lost with its connection, and nothing else is.
TEST(Run, link_that_drips_holds_up_what_it_should_carry) {
  Scenario scenario;
  scenario.nodes = {"a", "b"};
  scenario.duration = std::chrono::seconds(20);
  EXPECT_EQ(run_hashed(scenario, 3).lost, 0u);
  scenario.planned = {
      {FaultKind::slow_drip, std::chrono::seconds(5), std::chrono::seconds(10), {"a", "b"}, {}}};
  const RunResult result = run_hashed(scenario, 3);
  EXPECT_TRUE(result.ok) << result.failure;
  EXPECT_EQ(result.struck.size(), 1u);
  EXPECT_GT(result.lost, 0u);
}

TEST(Run, node_of_another_version_is_refused_and_comes_back) {
  Scenario scenario;
  scenario.duration = std::chrono::seconds(20);
  scenario.planned = {
      {FaultKind::other_version, std::chrono::seconds(5), std::chrono::seconds(10), {"b"}, {}}};
  const RunResult result = run_hashed(scenario, 3);
  EXPECT_TRUE(result.ok) << result.failure;
  EXPECT_GT(result.counts.at("messages rejected"), 10u);
  EXPECT_GT(result.counts.at("message reject"), 5u);
}

TEST(Run, types_that_are_not_named_are_not_written) {
  Scenario scenario = shipped("partition_heal");
  scenario.duration = std::chrono::seconds(10);
  const std::uint64_t all = run_hashed(scenario, 3).bytes;
  scenario.workload.types = {Type::enable_flag};
  const RunResult flags = run_hashed(scenario, 3);
  EXPECT_TRUE(flags.ok) << flags.failure;
  EXPECT_LT(flags.bytes, all);
}

TEST(Run, hundreds_of_nodes_that_talk_to_a_few_each_agree) {
  const auto scenario = Scenario::from_toml(R"(
nodes = 300
topology = "random"
duration = "5s"
converge_within = "60s"
buggify = false
deep_check_every = 100000
[workload]
clients = 6
think = "500ms"
[[random_fault]]
kind = "partition"
every = "1s"
lasts = ["500ms", "2s"]
[[random_fault]]
kind = "crash"
every = "500ms"
lasts = ["100ms", "2s"]
)");
  ASSERT_TRUE(scenario.ok()) << scenario.error().to_string();
  const RunResult result = run_hashed(*scenario, 1);
  EXPECT_TRUE(result.ok) << result.failure;
  // But for what who restarts takes over as deltas: at most all.
  const std::uint64_t restarts = result.faults[static_cast<std::size_t>(FaultKind::crash)];
  EXPECT_GE(result.counts.at("events applied"), (299 - restarts) * result.commits);
}

TEST(Campaign, its_result_does_not_depend_on_the_number_of_threads) {
  Scenario scenario = shipped("everything");
  scenario.duration = std::chrono::seconds(10);
  CampaignResult results[2];
  for (unsigned threads : {1u, 3u}) {
    CampaignOptions options;
    options.first_seed = 100;
    options.last_seed = 111;
    options.threads = threads;
    results[threads == 1 ? 0 : 1] = run_campaign(scenario, options);
  }
  EXPECT_EQ(results[0].runs, 12u);
  EXPECT_EQ(results[0].failed, results[1].failed);
  EXPECT_EQ(results[0].total.steps, results[1].total.steps);
  EXPECT_EQ(results[0].total.bytes, results[1].total.bytes);
  EXPECT_EQ(results[0].total.faults, results[1].total.faults);
  EXPECT_EQ(results[0].total.counts, results[1].total.counts);
}

// Rare paths are common here: thirty runs go through all of them.
TEST(Campaign, the_swarm_goes_through_every_way_to_catch_up_and_every_fault) {
  CampaignOptions options;
  options.last_seed = 30;
  options.threads = 2;
  const RunResult total = run_campaign(shipped("everything"), options).total;
  for (int i = 0; i < fault_kinds; ++i) {
    EXPECT_GT(total.faults[static_cast<std::size_t>(i)], 0u)
        << to_string(static_cast<FaultKind>(i));
  }
  for (const char* name : {"deltas joined", "event catch-ups sent", "events duplicate",
                           "messages malformed", "storage failures", "touches pruned", "receipts",
                           "waits with a token", "writes lost in crashes", "transactions undone"}) {
    EXPECT_TRUE(total.counts.contains(name)) << "not once: " << name;
  }
  EXPECT_GT(total.lost, 0u);
  EXPECT_GT(total.duplicated, 0u);
  EXPECT_GT(total.corrupted, 0u);
}

}  // namespace
}  // namespace rejoin::simulation
