// `rejoin sim replay`: one run again, from a file that carries its seed.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <memory>
#include <sstream>

#include "rejoin/simulation/trace_file.h"
#include "sim/sim.h"

namespace rejoin::command {
namespace {

using simulation::RunResult;
using simulation::Scenario;

struct ReplayArguments {
  std::string file;
  std::string seed;
  std::string story;
};

// The number of the first line in which the two differ; 0 when they are equal.
std::size_t first_difference(std::string_view one, std::string_view other) {
  if (one == other) return 0;
  const auto at = std::mismatch(one.begin(), one.end(), other.begin(), other.end()).first;
  return 1 + static_cast<std::size_t>(std::count(one.begin(), at, '\n'));
}

int conclude(const Scenario& scenario, const RunResult& result) {
  if (result.ok && !scenario.breaks) {
    std::printf("passed: all nodes agree on %s\n", result.state.to_string().c_str());
    return exit_done;
  }
  std::fflush(stdout);
  if (!result.ok) report_failure(scenario, result);
  if (!scenario.breaks) return exit_failed;
  const std::string stated =
      "the file says that this run breaks \"" + std::string(to_string(*scenario.breaks)) + "\"";
  if (result.ok) return fail(stated + ", but it passes: what broke has been mended");
  if (result.promise != scenario.breaks) {
    return fail(stated + ", but it breaks \"" + std::string(to_string(*result.promise)) + '"');
  }
  return exit_failed;
}

int replay(const ReplayArguments& arguments) {
  std::ostringstream read;
  read << std::ifstream(arguments.file, std::ios::binary).rdbuf();
  const std::string text = read.str();
  const bool is_trace = simulation::is_trace(text);
  simulation::TraceFile trace;
  Scenario scenario;
  if (is_trace) {
    auto found = simulation::read_trace(text, arguments.file);
    if (!found.ok()) return fail(found.error());
    trace = *std::move(found);
    scenario = trace.scenario;
  } else {
    auto found = simulation::find_scenario(arguments.file);
    if (!found.ok()) return fail(found.error());
    scenario = *std::move(found);
  }
  if (!arguments.seed.empty()) scenario.seed = parse_seed(arguments.seed);
  if (!scenario.seed) {
    throw CLI::ValidationError(arguments.file + " carries no seed; name one with --seed");
  }

  std::ostringstream lines;
  simulation::RunOptions options;
  options.seed = *scenario.seed;
  if (is_trace) options.trace = &lines;
  remember_run(replay_command(scenario, options.seed));
  const RunResult result = simulation::run_apart(scenario, options);
  if (is_trace && arguments.seed.empty()) {
    if (const std::size_t line = first_difference(trace.lines, lines.str())) {
      return fail("this program does not repeat the run: line " + std::to_string(line) +
                  " of what happened is another than in " + arguments.file);
    }
    std::printf("the run is the same, to the last byte of its trace\n");
  }
  const int exit_code = conclude(scenario, result);
  if (!arguments.story.empty() && !write_story(scenario, arguments.story)) return exit_failed;
  return exit_code;
}

}  // namespace

void add_sim_replay(CLI::App& sim, int& exit_code) {
  auto* command = sim.add_subcommand("replay", "Run a shrunk scenario or a trace again");
  const auto arguments = std::make_shared<ReplayArguments>();
  command->add_option("file", arguments->file, "what shrink or --trace wrote, or a scenario")
      ->required();
  command->add_option("--seed", arguments->seed, "another seed than the file's");
  command->add_option("--story", arguments->story,
                      "write what happens, in words and as a picture, to this HTML file");
  command->footer(
      "A trace is compared with what happens now, byte by byte. A file of another format, in "
      "which\n"
      "seeds meant something else, is refused.\n\n"
      "Exit codes: 0 the run passed, 1 it failed, or the file cannot be replayed, 2 wrong usage.");
  command->callback([arguments, &exit_code] { exit_code = replay(*arguments); });
}

}  // namespace rejoin::command
