// On which node a session is best worked on: the same answer from every node that believes the same
// members alive, without anything being written or agreed on.
//
// Rendezvous hashing (Thaler and Ravishankar, "Using name-based mappings to increase hit rates",
// 1998): every node has a weight for every session, the hash of both names, and the live node with
// the highest is the session's. A node that goes is followed by the next one in each of its
// sessions' own order, so that its sessions spread over all that are left, and no other session
// moves; one that comes back gets back its own.
//
// It is a hint. Nodes that cannot see each other answer differently, and a session may then be
// worked on at both: that is what the data types are for. Who moves a session takes its causal
// token along (docs/agent-state.md).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace rejoin::node {

struct AffinityCandidate {
  std::string name;
  std::string region;  // empty: none is known
  bool alive = true;   // as far as who asks can tell
  friend bool operator==(const AffinityCandidate&, const AffinityCandidate&) = default;
};

// The live ones of these, best first: those of `region` before all others, and of each the higher
// weight first. An empty `region` prefers none. The order depends on the names alone, and stays as
// it is from version to version: a weight is the low half of XXH3-128 of the node's name, a zero
// byte and the key. O(n log n).
std::vector<AffinityCandidate> rank_by_affinity(std::string_view key,
                                                std::vector<AffinityCandidate> candidates,
                                                std::string_view region = {});

}  // namespace rejoin::node
