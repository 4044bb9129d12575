// What the steps of a scope write.
#pragma once

#include <vector>

#include "check/oracle.h"
#include "rejoin/crdt/transaction.h"
#include "rejoin/simulation/explore.h"

namespace rejoin::simulation {

// Writes it, and says for the oracle what was meant.
Status write_step(const ScopeStep& step, const ReplicaId& receiver, const KeySpace& keys,
                  Transaction& transaction, std::vector<Op>& ops);
std::string in_words(const ScopeStep& step, const std::vector<std::string>& nodes);

}  // namespace rejoin::simulation
