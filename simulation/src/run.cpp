#include "rejoin/simulation/run.h"

#include "world/world.h"

namespace rejoin::simulation {

RunResult run(const Scenario& scenario, const RunOptions& options) {
  return World(scenario, options).run();
}

}  // namespace rejoin::simulation
