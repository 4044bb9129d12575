// One simulated run.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "rejoin/crdt/hash.h"
#include "rejoin/simulation/promise.h"
#include "rejoin/simulation/recording.h"
#include "rejoin/simulation/scenario.h"
#include "rejoin/simulation/workload.h"

namespace rejoin::simulation {

struct RunOptions {
  std::uint64_t seed = 0;
  // Where the trace goes, line by line; null: nowhere.
  std::ostream* trace = nullptr;
  // Fills RunResult::trace_hash also when the trace goes nowhere.
  bool hash_trace = false;
  // Filled with all that happens; null: nothing is recorded. Takes time and memory.
  Recording* recording = nullptr;
  // Makes the workload; empty: the built-in one.
  std::function<std::unique_ptr<Workload>()> workload;
};

struct RunResult {
  bool ok = false;
  std::string failure;             // what broke, in plain words
  std::optional<Promise> promise;  // that broke
  Duration failed_at{0};           // virtual time
  std::uint64_t seed = 0;

  Duration simulated{0};
  Duration converged_after{0};  // since healing
  StateHash state;              // that all nodes agreed on
  StateHash trace_hash;
  std::uint64_t steps = 0;
  std::uint64_t commits = 0;
  std::uint64_t messages = 0;  // sent
  std::uint64_t bytes = 0;
  std::uint64_t delivered = 0;
  std::uint64_t lost = 0;  // by chance, partitions, full queues, or dead receivers
  std::uint64_t duplicated = 0;
  std::uint64_t corrupted = 0;
  std::array<std::uint64_t, fault_kinds> faults{};
  std::vector<PlannedFault> struck;             // every fault, in order, as a scenario states it
  std::vector<ClientStep> client_steps;         // that were taken, in order
  std::map<std::string, std::uint64_t> counts;  // of protocol and workload, by name
};

// Runs `scenario` to its end or its first failure. Deterministic: the result, and every byte of the
// trace, depend on the arguments alone. Any number of runs may go on in different threads.
RunResult run(const Scenario& scenario, const RunOptions& options);

}  // namespace rejoin::simulation
