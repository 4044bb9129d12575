// What a simulated run costs: virtual seconds of a whole cluster for each second of one core.
#include <benchmark/benchmark.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <string>

#include "rejoin/simulation/run.h"
#include "rejoin/simulation/scenario.h"

namespace {

// One run of a shipped scenario an iteration, each from the next seed, with all checks on.
void simulate(benchmark::State& state, const std::string& name) {
  const auto scenario = rejoin::simulation::find_scenario(name);
  if (!scenario.ok()) {
    std::cerr << "benchmark failed: " << scenario.error().to_string() << '\n';
    std::abort();
  }
  double seconds = 0;
  std::uint64_t steps = 0;
  rejoin::simulation::RunOptions options;
  for (auto _ : state) {
    ++options.seed;
    const rejoin::simulation::RunResult result = rejoin::simulation::run(*scenario, options);
    if (!result.ok) {
      state.SkipWithError(("seed " + std::to_string(options.seed) + ": " + result.failure).c_str());
      break;
    }
    seconds += std::chrono::duration<double>(result.simulated).count();
    steps += result.steps;
  }
  state.counters["simulated_seconds"] = benchmark::Counter(seconds, benchmark::Counter::kIsRate);
  state.counters["steps"] =
      benchmark::Counter(static_cast<double>(steps), benchmark::Counter::kIsRate);
}
BENCHMARK_CAPTURE(simulate, partition_heal, "partition_heal")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(simulate, lossy_mesh, "lossy_mesh")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(simulate, everything, "everything")->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
