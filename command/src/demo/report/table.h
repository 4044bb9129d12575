#pragma once

#include <string>
#include <vector>

#include "demo/report/story.h"

namespace rejoin::demo {

// A line a node, for a terminal.
std::string render_table(const std::vector<NodeRow>& rows);

}  // namespace rejoin::demo
