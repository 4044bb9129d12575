// Compares what the nodes say with what the demo wrote.
//
// The demo's own record is the input and the plan, and what is read here is the nodes' JSON:
// nothing goes through the library's views, which could be wrong in the same way twice.
#pragma once

#include <array>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "demo/input.h"
#include "demo/plan.h"

namespace rejoin::demo {

// What differs, a sentence each; nothing when `exported`, the JSON of /sessions, holds
//   - every session of the input and no other;
//   - in each, every turn exactly once, as it was recorded, by the region that wrote it;
//   - the turns of a handed session in the recorded order, and of a shared one each region's in its
//     own;
//   - usage sums that are exact;
//   - every tool call as a step: done when it was answered, else running;
//   - the user's name, and as the region the one that wrote last (in a shared session, where no
//   last
//     one is agreed on, any of its regions).
std::vector<std::string> differences(const nlohmann::json& exported,
                                     const std::vector<InputSession>& sessions,
                                     const std::vector<SessionPlan>& plans);

// Where two exports differ, the first places as JSON pointers; nothing when they are equal.
std::vector<std::string> differences_between(const nlohmann::json& one,
                                             const nlohmann::json& other);

}  // namespace rejoin::demo
