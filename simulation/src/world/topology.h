// Who talks to whom.
#pragma once

#include <vector>

#include "rejoin/simulation/cluster.h"
#include "rejoin/simulation/random.h"
#include "rejoin/simulation/scenario.h"

namespace rejoin::simulation {

// The neighbours of each node, in ascending order: a is one of b's when b is one of a's, and all
// nodes are connected. In an overlay they are those whom it knows at first. A random topology
// depends on the generator and on the nodes' names.
std::vector<std::vector<NodeIndex>> neighbours_of(const Scenario& scenario, const Random& random);

}  // namespace rejoin::simulation
