// Who talks to whom in a simulated cluster.
#include "world/topology.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace rejoin::simulation {
namespace {

using Neighbours = std::vector<std::vector<NodeIndex>>;

Scenario of(Topology topology, std::size_t nodes) {
  Scenario scenario;
  scenario.topology = topology;
  scenario.nodes.clear();
  for (std::size_t i = 0; i < nodes; ++i) scenario.nodes.push_back("n" + std::to_string(i));
  return scenario;
}

bool has(const std::vector<NodeIndex>& neighbours, NodeIndex node) {
  return std::binary_search(neighbours.begin(), neighbours.end(), node);
}

std::size_t reached_from(const Neighbours& all, NodeIndex start) {
  std::vector<bool> seen(all.size());
  std::vector<NodeIndex> open{start};
  seen[start] = true;
  while (!open.empty()) {
    const NodeIndex at = open.back();
    open.pop_back();
    for (const NodeIndex next : all[at]) {
      if (!seen[next]) open.push_back(next);
      seen[next] = true;
    }
  }
  return static_cast<std::size_t>(std::count(seen.begin(), seen.end(), true));
}

TEST(Topology, every_kind_is_symmetric_and_connected_at_every_size) {
  for (const auto topology :
       {Topology::mesh, Topology::line, Topology::ring, Topology::star, Topology::random}) {
    for (std::size_t nodes = 1; nodes <= 20; ++nodes) {
      const Neighbours all = neighbours_of(of(topology, nodes), Random(7));
      ASSERT_EQ(all.size(), nodes);
      EXPECT_EQ(reached_from(all, 0), nodes);
      for (NodeIndex a = 0; a < nodes; ++a) {
        EXPECT_FALSE(has(all[a], a));
        EXPECT_EQ(std::adjacent_find(all[a].begin(), all[a].end()), all[a].end());
        for (const NodeIndex b : all[a]) EXPECT_TRUE(has(all[b], a));
      }
    }
  }
}

TEST(Topology, of_each_kind_has_the_links_that_its_name_says) {
  EXPECT_EQ(neighbours_of(of(Topology::mesh, 3), Random(1)), (Neighbours{{1, 2}, {0, 2}, {0, 1}}));
  EXPECT_EQ(neighbours_of(of(Topology::line, 3), Random(1)), (Neighbours{{1}, {0, 2}, {1}}));
  EXPECT_EQ(neighbours_of(of(Topology::star, 3), Random(1)), (Neighbours{{1, 2}, {0}, {0}}));
  EXPECT_EQ(neighbours_of(of(Topology::ring, 4), Random(1)),
            (Neighbours{{1, 3}, {0, 2}, {1, 3}, {0, 2}}));
}

TEST(Topology, random_nodes_have_as_many_neighbours_as_asked_for_on_average) {
  for (const std::uint64_t degree : {2u, 6u, 10u}) {
    Scenario scenario = of(Topology::random, 500);
    scenario.degree = degree;
    std::size_t ends = 0;
    for (const auto& neighbours : neighbours_of(scenario, Random(3))) ends += neighbours.size();
    // A pair that is linked twice, by chance, counts once.
    EXPECT_LE(ends, 500 * degree);
    EXPECT_GE(ends, 500 * degree * 9 / 10);
  }
}

TEST(Topology, random_links_of_the_others_mostly_stay_when_a_node_is_left_out) {
  Scenario scenario = of(Topology::random, 50);
  const Neighbours all = neighbours_of(scenario, Random(5));
  scenario.nodes.pop_back();
  const Neighbours fewer = neighbours_of(scenario, Random(5));
  std::size_t links = 0, kept = 0;
  for (NodeIndex a = 0; a < fewer.size(); ++a) {
    for (const NodeIndex b : all[a]) {
      if (b == 49) continue;
      ++links;
      kept += has(fewer[a], b) ? 1 : 0;
    }
  }
  EXPECT_EQ(kept, links);
}

}  // namespace
}  // namespace rejoin::simulation
