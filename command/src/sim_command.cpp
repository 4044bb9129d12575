// `rejoin sim`: runs scenarios under the simulator.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iostream>
#include <memory>
#include <string>

#include "command.h"
#include "rejoin/simulation/campaign.h"

namespace rejoin::command {
namespace {

using simulation::CampaignOptions;
using simulation::CampaignResult;
using simulation::Duration;
using simulation::RunResult;
using simulation::Scenario;

struct SimOptions {
  std::string scenario;
  std::string seed;
  std::string seeds;
  std::string trace;
  unsigned threads = 0;
};

std::uint64_t parse_seed(const std::string& text) {
  std::uint64_t seed = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seed);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) {
    throw CLI::ValidationError("a seed is a whole number from 0, not \"" + text + "\"");
  }
  return seed;
}

CampaignOptions parse_seeds(const SimOptions& options) {
  CampaignOptions campaign;
  campaign.threads = options.threads;
  if (options.seeds.empty()) {
    campaign.first_seed = campaign.last_seed = options.seed.empty() ? 1 : parse_seed(options.seed);
    return campaign;
  }
  const auto dots = options.seeds.find("..");
  if (dots == std::string::npos) {
    throw CLI::ValidationError("--seeds: expected FIRST..LAST, such as 1..2000");
  }
  campaign.first_seed = parse_seed(options.seeds.substr(0, dots));
  campaign.last_seed = parse_seed(options.seeds.substr(dots + 2));
  if (campaign.last_seed < campaign.first_seed) {
    throw CLI::ValidationError("--seeds: the last seed comes before the first");
  }
  if (campaign.last_seed - campaign.first_seed >= 1'000'000'000) {
    throw CLI::ValidationError("--seeds: at most 1000000000 seeds in one campaign");
  }
  return campaign;
}

// An assertion of the kernel ends the process: say first which run it was.
thread_local char replay_hint[1024];

void remember_run(const std::string& command) {
  std::snprintf(replay_hint, sizeof replay_hint,
                "\nrejoin: the process broke down in this run: %s\n", command.c_str());
}

extern "C" void tell_run_and_die(int signal) {
  [[maybe_unused]] const auto written =
      ::write(STDERR_FILENO, replay_hint, std::strlen(replay_hint));
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

std::string seconds(Duration duration) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3f s", static_cast<double>(duration.count()) / 1e6);
  return text;
}

void report_failure(const Scenario& scenario, const RunResult& result) {
  std::cerr << "seed " << result.seed << " failed at " << seconds(result.failed_at) << ": "
            << result.failure << "\n  again: " << replay_command(scenario, result.seed) << '\n';
}

void row(const std::string& name, std::uint64_t value) {
  std::printf("  %-32s %14llu\n", name.c_str(), static_cast<unsigned long long>(value));
}

void print_summary(const CampaignResult& result, std::chrono::steady_clock::duration took) {
  const RunResult& total = result.total;
  const double wall = std::chrono::duration<double>(took).count();
  row("runs", result.runs);
  row("failed", result.failed);
  row("simulated seconds", static_cast<std::uint64_t>(total.simulated.count() / 1'000'000));
  row("steps", total.steps);
  row("commits", total.commits);
  row("messages sent", total.messages);
  row("  bytes", total.bytes);
  row("  delivered", total.delivered);
  row("  lost", total.lost);
  row("  duplicated", total.duplicated);
  row("  corrupted", total.corrupted);
  for (int i = 0; i < simulation::fault_kinds; ++i) {
    const auto kind = static_cast<simulation::FaultKind>(i);
    const auto times = total.faults[static_cast<std::size_t>(i)];
    if (times > 0) row("fault " + std::string(to_string(kind)), times);
  }
  for (const auto& [name, times] : total.counts) row(name, times);
  std::printf("  %-32s %14s\n", "slowest agreement after healing",
              seconds(total.converged_after).c_str());
  std::printf("  %-32s %12.1f s\n", "took", wall);
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

int run_one(const Scenario& scenario, std::uint64_t seed, const std::string& trace_path) {
  std::ofstream trace;
  simulation::RunOptions options;
  options.seed = seed;
  options.hash_trace = true;
  if (!trace_path.empty()) {
    trace.open(trace_path, std::ios::binary | std::ios::trunc);
    if (!trace) return fail("cannot write the trace to " + trace_path);
    options.trace = &trace;
  }
  remember_run(replay_command(scenario, seed));
  const auto began = std::chrono::steady_clock::now();
  const RunResult result = simulation::run(scenario, options);
  if (!trace_path.empty() && !trace.flush()) {
    return fail("the trace is not complete: writing to " + trace_path + " failed");
  }
  CampaignResult one;
  one.runs = 1;
  one.failed = result.ok ? 0 : 1;
  one.total = result;
  print_summary(one, std::chrono::steady_clock::now() - began);
  std::printf("trace hash %s\n", result.trace_hash.to_string().c_str());
  if (!result.ok) {
    std::fflush(stdout);
    report_failure(scenario, result);
    return exit_failed;
  }
  std::printf("passed: %s, seed %llu: all nodes agree on %s\n", scenario.name.c_str(),
              static_cast<unsigned long long>(seed), result.state.to_string().c_str());
  return exit_done;
}

int run_many(const Scenario& scenario, CampaignOptions options) {
  ProgressBar bar;
  std::uint64_t failed = 0;
  options.starting = [&](std::uint64_t seed) { remember_run(replay_command(scenario, seed)); };
  options.progress = [&](const RunResult& result, std::uint64_t done, std::uint64_t of) {
    if (!result.ok) ++failed;
    bar.show(done, of, failed);
  };
  const auto began = std::chrono::steady_clock::now();
  const CampaignResult result = run_campaign(scenario, options);
  print_summary(result, std::chrono::steady_clock::now() - began);
  std::fflush(stdout);
  for (const auto& failure : result.failures) report_failure(scenario, failure);
  if (result.failed > result.failures.size()) {
    std::cerr << "and " << result.failed - result.failures.size() << " more seeds failed\n";
  }
  if (result.failed > 0) {
    return fail(std::to_string(result.failed) + " of " + std::to_string(result.runs) +
                " seeds failed");
  }
  std::printf(
      "passed: %s, seeds %s\n", scenario.name.c_str(),
      (std::to_string(options.first_seed) + ".." + std::to_string(options.last_seed)).c_str());
  return exit_done;
}

int run_sim(const SimOptions& options) {
  const CampaignOptions campaign = parse_seeds(options);
  if (!options.trace.empty() && campaign.first_seed != campaign.last_seed) {
    throw CLI::ValidationError("--trace needs a single --seed");
  }
  const auto scenario = simulation::find_scenario(options.scenario);
  if (!scenario.ok()) return fail(scenario.error());
  for (const int signal : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL}) {
    std::signal(signal, tell_run_and_die);
  }
  if (campaign.first_seed == campaign.last_seed) {
    return run_one(*scenario, campaign.first_seed, options.trace);
  }
  return run_many(*scenario, campaign);
}

}  // namespace

void add_sim_command(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<SimOptions>();
  auto* command = app.add_subcommand("sim", "Run a scenario under the deterministic simulator");
  command
      ->add_option("scenario", options->scenario, "a TOML file, or the name of a shipped scenario")
      ->required();
  auto* seed = command->add_option("--seed", options->seed, "run this one seed (default 1)");
  command->add_option("--seeds", options->seeds, "run all seeds FIRST..LAST, on all cores")
      ->excludes(seed);
  command->add_option("--trace", options->trace, "write what happened, line by line, to this file");
  command->add_option("--threads", options->threads, "how many at once (default: all cores)");
  command->footer(
      "Examples:\n"
      "  rejoin sim partition_heal --seed 7              one run\n"
      "  rejoin sim everything --seeds 1..2000           many, on all cores\n"
      "  rejoin sim my.toml --seed 7 --trace out.txt     what happened, line by line\n\n"
      "The same seed gives the same run, to the last byte of its trace. A failing seed is named "
      "with\n"
      "what broke and the command that runs it again. docs/simulation.md lists what a scenario "
      "may\n"
      "say and what is checked.\n\n"
      "Exit codes: 0 all passed, 1 a seed failed, 2 wrong usage.");
  command->callback([options, &exit_code] { exit_code = run_sim(*options); });
}

}  // namespace rejoin::command
