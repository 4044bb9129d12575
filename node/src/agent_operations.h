// The admin socket's operations on agent sessions (docs/agent-state.md).
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string_view>

#include "rejoin/crdt/result.h"
#include "rejoin/crdt/transaction.h"

namespace rejoin::node {

bool is_agent_operation(std::string_view name);

// Runs one of them: `operation` is an object with an "op" that is_agent_operation(). False: a turn
// that was to be written once is there already, and nothing of the request is to be written.
Result<bool> apply_agent_operation(Transaction& transaction, const nlohmann::json& operation);

}  // namespace rejoin::node
