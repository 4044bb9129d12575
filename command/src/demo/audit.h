// Verifies the hash chains of the histories of nodes that have ended.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <vector>

#include "demo/plan.h"
#include "rejoin/crdt/result.h"

namespace rejoin::demo {

struct Audit {
  std::size_t chains = 0;          // of one node, each of one writer
  std::vector<std::string> found;  // what is wrong, a sentence each
};

// Follows every chain of every node, and holds them against each other: nodes that have the same
// events have the same links. `directories` are those of the nodes' stores, by region. An error
// when a history cannot be read.
Result<Audit> audit_histories(const std::array<std::string, region_count>& directories);

}  // namespace rejoin::demo
