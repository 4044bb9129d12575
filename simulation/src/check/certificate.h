// Equal clocks, equal states: over all nodes, and over all times of a run.
#pragma once

#include <optional>
#include <string>
#include <unordered_map>

#include "rejoin/crdt/clock.h"
#include "rejoin/crdt/hash.h"

namespace rejoin::simulation {

// Remembers the hash that came with each clock of one space.
class CertificateChecker {
 public:
  // A sentence when another state was seen under this clock.
  std::optional<std::string> observe(const std::string& node, const Clock& clock,
                                     const StateHash& state) {
    const auto [seen, is_new] = seen_.try_emplace(clock.fingerprint(), Seen{state, node});
    if (is_new || seen->second.state == state) return std::nullopt;
    return node + " and " + seen->second.node + " showed different states under one clock " +
           clock.to_string() + ": " + state.to_string() + " and " + seen->second.state.to_string();
  }
  // Forgets all: a node lost writes, and its dots may be used again.
  void forget() { seen_.clear(); }

 private:
  struct Seen {
    StateHash state;
    std::string node;
  };
  struct ByWord {
    std::size_t operator()(const StateHash& hash) const {
      return static_cast<std::size_t>(hash.low);
    }
  };
  std::unordered_map<StateHash, Seen, ByWord> seen_;  // never iterated
};

}  // namespace rejoin::simulation
