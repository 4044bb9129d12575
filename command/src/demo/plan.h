// Who writes which turn, where and when: decided before anything starts, so that it can be checked
// afterwards.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "demo/input.h"
#include "rejoin/crdt/agent/usage.h"

namespace rejoin::demo {

inline constexpr std::size_t region_count = 3;
enum Region : std::uint8_t { frankfurt, virginia, tokyo };
inline constexpr std::array<std::string_view, region_count> region_names = {"frankfurt", "virginia",
                                                                            "tokyo"};

// Every session has a third of its turns in each: together, tokyo cut off, together again.
inline constexpr std::size_t phase_count = 3;
enum Phase : std::uint8_t { before, apart, healed };

struct PlannedTurn {
  std::size_t index = 0;  // in the session's recording, from 0
  Region region = frankfurt;
};

// Turns that are written one after the other, each after the one before it is durable; where the
// region changes, the causal token goes along.
using Stream = std::vector<PlannedTurn>;

struct SessionPlan {
  // Handed from region to region: one stream a phase, which starts with the token of the last turn.
  // The whole session then reads in the recorded order.
  // Shared: two streams a phase that run at once in two regions and know nothing of each other.
  // Each region's turns then keep their order, and nothing is said about the order between regions.
  bool shared = false;
  std::array<std::vector<Stream>, phase_count> phases;
  // What writing each turn uses, from its size, in tokens of four bytes. An assistant's turn is a
  // call that reads all turns before it; the others use nothing.
  std::vector<agent::Usage> usage;
};

// Sessions 3, 7, 11, ... are shared. In the phase `apart`, tokyo's turns are of sessions that were
// in tokyo already, and of shared ones, whose other region is on the far side of the cut.
std::vector<SessionPlan> make_plan(const std::vector<InputSession>& sessions);

// Who asks for a turn to be written: the user by name, the agent, a tool, the system.
std::string author_of(const InputSession& session, std::size_t turn_index);

// The id of a turn: its session and number.
std::string turn_id(const InputSession& session, std::size_t turn_index);

}  // namespace rejoin::demo
