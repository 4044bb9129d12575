// `rejoin sim run`: one seed of a scenario, or many.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <memory>

#include "rejoin/simulation/coverage.h"
#include "rejoin/simulation/trace_file.h"
#include "sim/sim.h"

namespace rejoin::command {
namespace {

using simulation::CampaignOptions;
using simulation::CampaignResult;
using simulation::RunResult;
using simulation::Scenario;

struct RunArguments {
  std::string scenario;
  std::string seed;
  std::string seeds;
  std::string trace;
  std::string json;
  unsigned threads = 0;
};

CampaignOptions parse_seeds(const RunArguments& arguments, const Scenario& scenario) {
  CampaignOptions campaign;
  campaign.threads = arguments.threads;
  if (arguments.seeds.empty()) {
    campaign.first_seed = campaign.last_seed =
        arguments.seed.empty() ? scenario.seed.value_or(1) : parse_seed(arguments.seed);
    return campaign;
  }
  const auto dots = arguments.seeds.find("..");
  if (dots == std::string::npos) {
    throw CLI::ValidationError("--seeds: expected FIRST..LAST, such as 1..2000");
  }
  campaign.first_seed = parse_seed(arguments.seeds.substr(0, dots));
  campaign.last_seed = parse_seed(arguments.seeds.substr(dots + 2));
  if (campaign.last_seed < campaign.first_seed) {
    throw CLI::ValidationError("--seeds: the last seed comes before the first");
  }
  if (campaign.last_seed - campaign.first_seed >= 1'000'000'000) {
    throw CLI::ValidationError("--seeds: at most 1000000000 seeds in one campaign");
  }
  return campaign;
}

class ProgressBar {
 public:
  ProgressBar() : shown_(::isatty(STDERR_FILENO) != 0) {}
  void show(std::uint64_t done, std::uint64_t of, std::uint64_t failed) {
    const auto now = std::chrono::steady_clock::now();
    if (!shown_ || (done != of && now - last_ < std::chrono::milliseconds(100))) return;
    last_ = now;
    constexpr std::uint64_t width = 40;
    const std::uint64_t full = width * done / of;
    std::string bar(full, '#');
    bar.resize(width, '.');
    std::fprintf(stderr, "\r[%s] %llu/%llu seeds, %llu failed%s", bar.c_str(),
                 static_cast<unsigned long long>(done), static_cast<unsigned long long>(of),
                 static_cast<unsigned long long>(failed), done == of ? "\n" : "");
  }

 private:
  bool shown_;
  std::chrono::steady_clock::time_point last_{};
};

// Shows the campaign and gives the exit code.
int conclude(const Scenario& scenario, const CampaignResult& result,
             std::chrono::steady_clock::duration took, const std::string& json_path,
             const std::string& passed) {
  print_summary(result, took);
  std::fflush(stdout);
  if (!json_path.empty() && !write_file(json_path, summary_as_json(scenario, result, took))) {
    return exit_failed;
  }
  for (const auto& failure : result.failures) report_failure(scenario, failure);
  if (result.failed > result.failures.size()) {
    std::cerr << "and " << result.failed - result.failures.size() << " more seeds failed\n";
  }
  if (result.failed > 0) {
    return fail(std::to_string(result.failed) + " of " + std::to_string(result.runs) +
                (result.runs == 1 ? " seed failed" : " seeds failed"));
  }
  std::string missed;  // a single run need not go everywhere
  if (result.runs > 1) {
    for (const auto& state : simulation::missed(scenario, result.total)) {
      missed += (missed.empty() ? "" : ", ") + state;
    }
  }
  if (!missed.empty()) {
    fail("all seeds passed, but " + scenario.name +
         " expects what none of them reached: " + missed);
    return exit_not_reached;
  }
  std::printf("passed: %s, %s\n", scenario.name.c_str(), passed.c_str());
  return exit_done;
}

int run_one(const Scenario& scenario, std::uint64_t seed, const RunArguments& arguments) {
  std::ofstream trace;
  simulation::RunOptions options;
  options.seed = seed;
  options.hash_trace = true;
  if (!arguments.trace.empty()) {
    trace.open(arguments.trace, std::ios::binary | std::ios::trunc);
    if (!trace) return fail("cannot write the trace to " + arguments.trace);
    write_trace_head(trace, scenario, seed);
    options.trace = &trace;
  }
  remember_run(replay_command(scenario, seed));
  const auto began = std::chrono::steady_clock::now();
  CampaignResult one;
  one.total = simulation::run(scenario, options);
  if (!arguments.trace.empty() && !trace.flush()) {
    return fail("the trace is not complete: writing to " + arguments.trace + " failed");
  }
  one.runs = 1;
  if (!one.total.ok) {
    one.failed = 1;
    one.failures = {one.total};
  }
  std::printf("trace hash %s\n", one.total.trace_hash.to_string().c_str());
  return conclude(
      scenario, one, std::chrono::steady_clock::now() - began, arguments.json,
      "seed " + std::to_string(seed) + ": all nodes agree on " + one.total.state.to_string());
}

int run_many(const Scenario& scenario, CampaignOptions options, const RunArguments& arguments) {
  ProgressBar bar;
  std::uint64_t failed = 0;
  options.starting = [&](std::uint64_t seed) { remember_run(replay_command(scenario, seed)); };
  options.progress = [&](const RunResult& result, std::uint64_t done, std::uint64_t of) {
    if (!result.ok) ++failed;
    bar.show(done, of, failed);
  };
  const auto began = std::chrono::steady_clock::now();
  const CampaignResult result = run_campaign(scenario, options);
  return conclude(
      scenario, result, std::chrono::steady_clock::now() - began, arguments.json,
      "seeds " + std::to_string(options.first_seed) + ".." + std::to_string(options.last_seed));
}

int run(const RunArguments& arguments) {
  const auto scenario = simulation::find_scenario(arguments.scenario);
  if (!scenario.ok()) return fail(scenario.error());
  const CampaignOptions campaign = parse_seeds(arguments, *scenario);
  if (campaign.first_seed == campaign.last_seed) {
    return run_one(*scenario, campaign.first_seed, arguments);
  }
  if (!arguments.trace.empty()) throw CLI::ValidationError("--trace needs a single --seed");
  return run_many(*scenario, campaign, arguments);
}

}  // namespace

void make_sim_run(CLI::App& command, int& exit_code) {
  const auto arguments = std::make_shared<RunArguments>();
  command.add_option("scenario", arguments->scenario,
                     "a TOML file, or the name of a shipped scenario");
  auto* seed = command.add_option("--seed", arguments->seed,
                                  "run this one seed (default: the scenario's own, or 1)");
  command.add_option("--seeds", arguments->seeds, "run all seeds FIRST..LAST, on all cores")
      ->excludes(seed);
  command.add_option("--trace", arguments->trace,
                     "write what happened, line by line, to this file");
  command.add_option("--json", arguments->json, "write the summary to this file as JSON, too");
  command.add_option("--threads", arguments->threads, "how many at once (default: all cores)");
  command.callback([&command, arguments, &exit_code] {
    if (!command.get_subcommands().empty()) return;
    if (arguments->scenario.empty()) {
      throw CLI::ValidationError("name a scenario, or a sub-command");
    }
    exit_code = run(*arguments);
  });
}

void add_sim_run(CLI::App& sim, int& exit_code) {
  auto* command = sim.add_subcommand("run", "Run one seed of a scenario, or many");
  make_sim_run(*command, exit_code);
  command->footer(
      "Examples:\n"
      "  rejoin sim run partition_heal --seed 7                 one run\n"
      "  rejoin sim run everything --seeds 1..2000              many, on all cores\n"
      "  rejoin sim run my.toml --seed 7 --trace out.txt        what happened, line by line\n"
      "  rejoin sim run my.toml --seeds 1..500 --json out.json  for CI\n\n"
      "Exit codes: 0 all passed, 1 a seed failed, 2 wrong usage, 3 all passed, but a state that\n"
      "the scenario expects was never reached.");
}

}  // namespace rejoin::command
