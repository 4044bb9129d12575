#include "world/topology.h"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <utility>

#include "rejoin/crdt/hash.h"

namespace rejoin::simulation {

namespace {

constexpr NodeIndex overlay_seeds = 3;

using Neighbours = std::vector<std::vector<NodeIndex>>;

void connect(Neighbours& all, NodeIndex a, NodeIndex b) {
  if (a == b) return;
  all[a].push_back(b);
  all[b].push_back(a);
}

// A ring, which keeps everybody connected, with shortcuts: half of the further links of a node are
// its own choice, the others those by which it is chosen. It chooses by the highest of one draw for
// each other node (rendezvous hashing), so that a cluster that lacks a node has most of the links
// of one that has it.
void add_random_links(Neighbours& all, const Scenario& scenario, const Random& random) {
  const std::size_t count = scenario.nodes.size();
  const std::size_t chosen = std::min<std::size_t>((scenario.degree - 2) / 2, count - 1);
  std::vector<std::uint64_t> labels;
  for (const auto& name : scenario.nodes) labels.push_back(hash_bytes(name).low);
  for (NodeIndex node = 0; node < count; ++node) {
    const Random own = random.fork(labels[node]);
    std::vector<std::pair<std::uint64_t, NodeIndex>> draws;
    for (NodeIndex other = 0; other < count; ++other) {
      if (other != node) draws.emplace_back(own.fork(labels[other]).next(), other);
    }
    std::partial_sort(draws.begin(), draws.begin() + static_cast<std::ptrdiff_t>(chosen),
                      draws.end(), std::greater<>());
    for (std::size_t i = 0; i < chosen; ++i) connect(all, node, draws[i].second);
  }
}

}  // namespace

Neighbours neighbours_of(const Scenario& scenario, const Random& random) {
  const std::size_t count = scenario.nodes.size();
  Neighbours all(count);
  switch (scenario.topology) {
    case Topology::mesh:
      for (NodeIndex a = 0; a < count; ++a) {
        for (NodeIndex b = 0; b < a; ++b) connect(all, a, b);
      }
      break;
    case Topology::star:
      for (NodeIndex a = 1; a < count; ++a) connect(all, 0, a);
      break;
    case Topology::overlay:
      for (NodeIndex a = 1; a < count; ++a) {
        for (NodeIndex seed = 0; seed < std::min<NodeIndex>(a, overlay_seeds); ++seed) {
          connect(all, a, seed);
        }
      }
      break;
    case Topology::line:
    case Topology::ring:
    case Topology::random:
      for (NodeIndex a = 1; a < count; ++a) connect(all, a - 1, a);
      if (scenario.topology != Topology::line) connect(all, count - 1, 0);
      if (scenario.topology == Topology::random) add_random_links(all, scenario, random);
      break;
  }
  for (auto& neighbours : all) {
    std::sort(neighbours.begin(), neighbours.end());
    neighbours.erase(std::unique(neighbours.begin(), neighbours.end()), neighbours.end());
  }
  return all;
}

}  // namespace rejoin::simulation
