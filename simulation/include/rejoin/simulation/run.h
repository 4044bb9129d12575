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

// How far a run has come. May lie in memory that another process shares.
struct RunPlace {
  std::uint64_t step = 0;  // under way; 0: not begun
  Duration now{0};
  std::uint64_t client_steps = 0;  // taken so far,
  ClientStep last_client_step;     // and the last of them
};

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
  // Kept up to date while the run goes on; null: nobody wants to know.
  RunPlace* place = nullptr;
  // The run is broken off after so many steps, and has neither passed nor failed then.
  std::optional<std::uint64_t> steps;
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

// The same for a run that may end its process, by an assertion or a signal: tries it in a child
// process first (fork), which must find the other threads holding no lock. When the child dies the
// run has failed: it breaks Promise::survival, `failure` is what the child said last, and trace and
// recording go up to the last step before.
RunResult run_apart(const Scenario& scenario, const RunOptions& options);

}  // namespace rejoin::simulation
