// What makes node options valid, however they came.
#pragma once

#include "rejoin/node/node.h"

namespace rejoin::node {

// `invalid_argument` names the option, what is wrong, and what was expected.
Status validate(const NodeOptions& options);

}  // namespace rejoin::node
