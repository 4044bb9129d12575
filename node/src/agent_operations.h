// The operations of the admin command `apply` on agent sessions (docs/agent-state.md).
#pragma once

#include <string_view>

#include "json_fields.h"
#include "rejoin/crdt/result.h"
#include "rejoin/crdt/transaction.h"

namespace rejoin::node {

// What an operation came to.
enum class AgentOutcome {
  not_ours,  // no operation of this name here
  applied,
  repeated,  // a turn to be written once is there already: nothing of the request is to be written
};

Result<AgentOutcome> apply_agent_operation(Transaction& transaction, std::string_view name,
                                           JsonFields& fields);

}  // namespace rejoin::node
