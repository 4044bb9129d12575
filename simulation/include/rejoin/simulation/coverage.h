// Which states of protocol, faults and load runs reached: a scenario that no longer exercises
// anything is seen by what it does not reach.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "rejoin/simulation/run.h"

namespace rejoin::simulation {

// By name, how many times each state was reached, those that were not with 0: "message chunk",
// "fault crash", "deltas joined", ... and whatever a workload of your own counts.
using Coverage = std::map<std::string, std::uint64_t>;
Coverage coverage(const RunResult& result);

// The names of all states that the simulator and its built-in workload know, in order.
const std::vector<std::string>& known_states();

// What the scenario expects (Scenario::expects) and the runs, summed up in `total`, did not reach.
std::vector<std::string> missed(const Scenario& scenario, const RunResult& total);

}  // namespace rejoin::simulation
