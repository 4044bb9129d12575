// From a failing run to the smallest scenario that still breaks the same promise.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "rejoin/simulation/run.h"

namespace rejoin::simulation {

struct ShrinkProgress {
  std::uint64_t runs = 0;
  std::string pass;  // what is tried now: "faults"
  std::size_t nodes = 0;
  std::size_t faults = 0;
  std::size_t client_steps = 0;
  Duration failed_at{0};
};

struct ShrinkOptions {
  // Whichever comes first ends the search; what was found until then is the result.
  std::chrono::steady_clock::duration budget = std::chrono::seconds(60);
  std::uint64_t runs_max = 100'000;
  // Only the run of this seed. Otherwise a smaller run of another seed that breaks the same promise
  // counts too; now and then it does so for another reason.
  bool keep_seed = false;
  // Makes the workload; empty: the built-in one.
  std::function<std::unique_ptr<Workload>()> workload;
  // Called before each run with the scenario that is about to run.
  std::function<void(const Scenario& candidate, const ShrinkProgress&)> trying;
};

struct Shrunk {
  // Carries its seed and the promise that it breaks; replays alone.
  Scenario scenario;
  RunResult result;  // of its run
  std::uint64_t runs = 0;
  bool complete = false;  // no part that is tried can go any more; false: the budget was used up
};

// Runs `scenario` with `seed`, and then ever smaller ones: without some of its faults, nodes,
// clients, steps, types, kinds of bad luck; shorter. Random faults become stated ones first. Keeps
// a smaller one only when its run breaks the same promise as the first (delta debugging: Zeller,
// Hildebrandt: "Simplifying and isolating failure-inducing input", 2002). `invalid_argument` when
// the run of `scenario` does not fail. Without a budget that ends it, the result depends on the
// arguments alone.
Result<Shrunk> shrink(const Scenario& scenario, std::uint64_t seed, const ShrinkOptions& options);

}  // namespace rejoin::simulation
