// `rejoin top` on a terminal.
#pragma once

#include <chrono>
#include <string>

#include "rejoin/crdt/result.h"
#include "running/running_node.h"

namespace rejoin::command::top {

// Shows a node until the person quits, first with the peers of `space`, and reads it once in
// `interval`; while it does not answer, tries again. `invalid_argument` when there is no terminal
// that can be drawn on.
Status show(const RunningNode& node, const std::string& space, std::chrono::milliseconds interval);

}  // namespace rejoin::command::top
