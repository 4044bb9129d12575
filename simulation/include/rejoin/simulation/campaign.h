// Many seeds of one scenario, on all cores.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "rejoin/simulation/run.h"

namespace rejoin::simulation {

struct CampaignOptions {
  std::uint64_t first_seed = 1;
  std::uint64_t last_seed = 1;  // included
  unsigned threads = 0;         // 0: as many as there are cores
  // Called in the thread that is about to run this seed.
  std::function<void(std::uint64_t seed)> starting;
  // Called from any of the threads, one at a time, after each run.
  std::function<void(const RunResult&, std::uint64_t done, std::uint64_t of)> progress;
};

struct CampaignResult {
  std::uint64_t runs = 0;
  std::uint64_t failed = 0;
  std::vector<RunResult> failures;  // of the lowest seeds, at most ten, in order
  RunResult total;                  // everything summed up; converged_after: the longest
};

// The result does not depend on the number of threads.
CampaignResult run_campaign(const Scenario& scenario, const CampaignOptions& options);

// "rejoin sim scenarios/x.toml --seed 7": runs this again.
std::string replay_command(const Scenario& scenario, std::uint64_t seed);

}  // namespace rejoin::simulation
