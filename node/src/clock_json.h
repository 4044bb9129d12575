#pragma once

#include <nlohmann/json_fwd.hpp>

#include "rejoin/crdt/clock.h"

namespace rejoin::node {

// A clock as the admin socket writes it: {"<32 hex>": 12, ...}.
nlohmann::json clock_json(const Clock& clock);

}  // namespace rejoin::node
