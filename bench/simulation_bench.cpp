// What a simulated run costs: virtual seconds of a whole cluster for each second of one core, and
// messages delivered in that time.
#include <benchmark/benchmark.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <string>

#include "rejoin/simulation/run.h"
#include "rejoin/simulation/scenario.h"

namespace {

using rejoin::simulation::Scenario;

// One run an iteration, each from the next seed, with all checks on.
void simulate_runs(benchmark::State& state, const rejoin::Result<Scenario>& scenario) {
  if (!scenario.ok()) {
    std::cerr << "benchmark failed: " << scenario.error().to_string() << '\n';
    std::abort();
  }
  double seconds = 0;
  std::uint64_t steps = 0;
  std::uint64_t delivered = 0;
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
    delivered += result.delivered;
  }
  state.counters["simulated_seconds"] = benchmark::Counter(seconds, benchmark::Counter::kIsRate);
  state.counters["steps"] =
      benchmark::Counter(static_cast<double>(steps), benchmark::Counter::kIsRate);
  state.counters["delivered"] =
      benchmark::Counter(static_cast<double>(delivered), benchmark::Counter::kIsRate);
}

void simulate(benchmark::State& state, const std::string& shipped) {
  simulate_runs(state, rejoin::simulation::find_scenario(shipped));
}
BENCHMARK_CAPTURE(simulate, partition_heal, "partition_heal")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(simulate, lossy_mesh, "lossy_mesh")->Unit(benchmark::kMillisecond);
// So many seeds that a few slow ones do not decide.
BENCHMARK_CAPTURE(simulate, everything, "everything")
    ->Unit(benchmark::kMillisecond)
    ->Iterations(40);
BENCHMARK_CAPTURE(simulate, gray_failure, "gray_failure")
    ->Unit(benchmark::kMillisecond)
    ->Iterations(20);

// Each node talks to six others; one crashes every second.
void simulate_1000_nodes(benchmark::State& state) {
  simulate_runs(state, Scenario::from_toml(R"(
nodes = 1000
topology = "random"
degree = 6
duration = "10s"
buggify = false
steps_max = 100000000
deep_check_every = 1000000
[workload]
clients = 8
think = "1s"
[[random_fault]]
kind = "crash"
every = "1s"
lasts = ["100ms", "3s"]
)"));
}
BENCHMARK(simulate_1000_nodes)->Unit(benchmark::kMillisecond)->Iterations(1);

}  // namespace

BENCHMARK_MAIN();
