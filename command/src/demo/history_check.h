// Compares what a node's history says with what the demo wrote.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "demo/history.h"
#include "demo/input.h"
#include "demo/plan.h"
#include "demo/player.h"

namespace rejoin::demo {

// Whose each replica id is, as the nodes said themselves.
using Homes = std::map<ReplicaId, Region>;

// What differs, a sentence each; nothing when the history has
//   - every event, and none that wrote anything but what belongs to a turn;
//   - each turn that was acknowledged in exactly one event, under the name that the client was
//   told,
//     by the author who asked for it, written at the node of the region that was planned;
//   - no turn that nobody wrote;
//   - as seen by the writer of a turn, the turn that its client had written before: what causal
//     tokens and acknowledgements promise.
std::vector<std::string> differences(const History& history,
                                     const std::vector<WrittenTurn>& written, const Homes& homes,
                                     const std::vector<InputSession>& sessions,
                                     const std::vector<SessionPlan>& plans);

}  // namespace rejoin::demo
