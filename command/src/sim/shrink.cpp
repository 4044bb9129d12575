// `rejoin sim shrink`: a failing run, made small.
#include "rejoin/simulation/shrink.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "sim/sim.h"

namespace rejoin::command {
namespace {

struct ShrinkArguments {
  std::string scenario;
  std::string seed;
  std::string out;
  std::string story;
  std::int64_t budget_millis = 60'000;
  std::uint64_t runs = 100'000;
  bool keep_seed = false;
};

// One line on a terminal, written over again and again.
class Progress {
 public:
  Progress() : shown_(::isatty(STDERR_FILENO) != 0) {}
  ~Progress() {
    if (shown_) std::fputs("\r\x1b[K", stderr);
  }
  void show(const simulation::ShrinkProgress& at) {
    const auto now = std::chrono::steady_clock::now();
    if (!shown_ || now - last_ < std::chrono::milliseconds(100)) return;
    last_ = now;
    std::fprintf(stderr,
                 "\r\x1b[K%llu runs; %zu nodes, %zu faults, %zu client steps, fails at %s; now: %s",
                 static_cast<unsigned long long>(at.runs), at.nodes, at.faults, at.client_steps,
                 seconds(at.failed_at).c_str(), at.pass.c_str());
  }

 private:
  bool shown_;
  std::chrono::steady_clock::time_point last_{};
};

std::string comment(const simulation::Shrunk& shrunk) {
  return "# Shrunk from a failing run. It breaks this promise: " +
         std::string(meaning(*shrunk.result.promise)) + ".\n";
}

int shrink(const ShrinkArguments& arguments) {
  auto scenario = simulation::find_scenario(arguments.scenario);
  if (!scenario.ok()) return fail(scenario.error());
  if (arguments.seed.empty() && !scenario->seed) {
    throw CLI::ValidationError("--seed: name the seed that fails");
  }
  const std::uint64_t seed = arguments.seed.empty() ? *scenario->seed : parse_seed(arguments.seed);
  const std::string out =
      arguments.out.empty() ? scenario->name + '-' + std::to_string(seed) + ".toml" : arguments.out;

  simulation::ShrinkOptions options;
  options.budget = std::chrono::milliseconds(arguments.budget_millis);
  options.runs_max = arguments.runs;
  options.keep_seed = arguments.keep_seed;
  remember_run(replay_command(*scenario, seed));
  auto shrunk = [&] {
    Progress progress;
    options.trying = [&](const simulation::Scenario&, const simulation::ShrinkProgress& at) {
      progress.show(at);
    };
    return simulation::shrink(*scenario, seed, options);
  }();
  if (!shrunk.ok()) return fail(shrunk.error());
  const simulation::RunResult& result = shrunk->result;
  if (!write_file(out, comment(*shrunk) + shrunk->scenario.to_toml())) return exit_failed;
  std::printf(
      "%s after %llu runs: %zu nodes, %zu faults, %zu client steps, fails at %s\n"
      "%s\n  broken: %s\n  again:  rejoin sim replay %s\n",
      shrunk->complete ? "nothing more can go" : "the budget is used up",
      static_cast<unsigned long long>(shrunk->runs), shrunk->scenario.nodes.size(),
      shrunk->scenario.planned.size(), result.client_steps.size(),
      seconds(result.failed_at).c_str(), result.failure.c_str(),
      std::string(meaning(*result.promise)).c_str(), out.c_str());
  const bool told = arguments.story.empty() || write_story(shrunk->scenario, arguments.story);
  return told ? exit_done : exit_failed;
}

}  // namespace

void add_sim_shrink(CLI::App& sim, int& exit_code) {
  auto* command =
      sim.add_subcommand("shrink", "Find the smallest scenario that fails as a run does");
  const auto arguments = std::make_shared<ShrinkArguments>();
  command
      ->add_option("scenario", arguments->scenario,
                   "a TOML file, or the name of a shipped scenario")
      ->required();
  command->add_option("--seed", arguments->seed, "the seed that fails");
  command->add_option("--out", arguments->out, "the file to write (default: SCENARIO-SEED.toml)");
  const std::map<std::string, std::int64_t> units = {
      {"ms", 1}, {"s", 1'000}, {"m", 60'000}, {"h", 3'600'000}};
  command->add_option("--story", arguments->story,
                      "write what happens in it, in words and as a picture, to this HTML file");
  command->add_option("--budget", arguments->budget_millis, "how long to search (default 60s)")
      ->transform(CLI::AsNumberWithUnit(units, CLI::AsNumberWithUnit::UNIT_REQUIRED, "TIME"));
  command->add_option("--runs", arguments->runs, "how many runs to try at most (default 100000)");
  command->add_flag("--keep-seed", arguments->keep_seed,
                    "try no smaller runs of other seeds that break the same promise");
  command->footer(
      "Leaves out faults, nodes, clients, steps, types, lost messages, ..., and shortens what is\n"
      "left, as long as the run still breaks the same promise. A run that ends the process, by an\n"
      "assertion or a signal, breaks one too. The file carries its seed.\n\n"
      "Examples:\n"
      "  rejoin sim shrink my.toml --seed 7                            seed 7 fails; writes\n"
      "                                                                my_scenario-7.toml\n"
      "  rejoin sim replay my_scenario-7.toml --story my_scenario.html what happens in it\n\n"
      "Exit codes: 0 written, 1 the seed does not fail or the file cannot be written, 2 wrong "
      "usage.");
  command->callback([arguments, &exit_code] { exit_code = shrink(*arguments); });
}

}  // namespace rejoin::command
