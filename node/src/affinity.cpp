#include "rejoin/node/affinity.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <tuple>
#include <utility>

#include "rejoin/crdt/hash.h"

namespace rejoin::node {

std::vector<AffinityCandidate> rank_by_affinity(std::string_view key,
                                                std::vector<AffinityCandidate> candidates,
                                                std::string_view region) {
  struct Ranked {
    bool is_elsewhere;
    std::uint64_t weight;
    AffinityCandidate node;
  };
  std::vector<Ranked> ranked;
  for (AffinityCandidate& candidate : candidates) {
    if (!candidate.alive) continue;
    std::string hashed = candidate.name;  // which holds no zero byte
    hashed += '\0';
    hashed += key;
    ranked.push_back({!region.empty() && candidate.region != region, hash_bytes(hashed).low,
                      std::move(candidate)});
  }
  std::ranges::sort(ranked, [](const Ranked& a, const Ranked& b) {
    return std::tie(a.is_elsewhere, b.weight, a.node.name) <
           std::tie(b.is_elsewhere, a.weight, b.node.name);
  });
  std::vector<AffinityCandidate> best_first;
  for (Ranked& entry : ranked) best_first.push_back(std::move(entry.node));
  return best_first;
}

}  // namespace rejoin::node
