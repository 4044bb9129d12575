// Writes described in JSON: the `ops` of the admin command `apply` (docs/admin.md).
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "rejoin/crdt/transaction.h"

namespace rejoin::node {

// Runs operations ([{"op": "set", "path": ...}, ...]) in the transaction, up to the first that
// fails. `invalid_argument` for an operation or field that is unknown, missing or of the wrong
// type.
Status apply_operations(Transaction& transaction, const nlohmann::json& operations);

}  // namespace rejoin::node
