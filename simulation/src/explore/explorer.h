// The search over all states of a small cluster.
//
// Why it is made like this. The core cannot be copied, so a state is reached by giving it its
// inputs again, which is what stateless model checkers do (Godefroid: VeriSoft, 1997) for the whole
// cluster: depth times states. Here only single nodes are run again: a node's state is a function
// of its own inputs, so a state of the cluster is one history of each node (histories.h) with the
// messages under way and what may still happen. Stepping from state to state is then a look-up, and
// a history is run once, not once for each of the many states that it is part of. That a state is
// known by the inputs that led there, and not by a digest of what the core holds, keeps apart what
// might be one, and can never merge what is not: no field of the core can be forgotten.
//
// Breadth first: the first violation is one of the shortest.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "explore/histories.h"
#include "rejoin/simulation/explore.h"

namespace rejoin::simulation {

struct Choice {
  enum class Kind : std::uint8_t {
    step,        // of client `a`
    deliver,     // the next message from `a` to `b`; lost when nobody is there
    lose,        // it
    repeat,      // it, and it stays to come again
    write_done,  // at `a`
    start,       // `a`
    tick,        // `a`'s timer fires
    crash,       // `a`
  };
  Kind kind = Kind::step;
  std::uint8_t a = 0, b = 0;
  bool kept = false;    // crash: what was being written is on the disk
  bool unsent = false;  // crash: what was under way from there is lost
};

struct ClusterState {
  std::vector<HistoryId> nodes;
  std::vector<std::vector<MessageId>> links;  // from * nodes + to, the next message first
  std::vector<std::uint8_t> steps;            // taken, by client
  std::vector<std::uint32_t> tokens;          // by client, of those in `tokens_`
  std::uint8_t crashes = 0, losses = 0, duplicates = 0, timers = 0;  // left
};

class Explorer {
 public:
  Explorer(const Scope& scope, const ExploreOptions& options)
      : scope_(scope), options_(options), keys_(1), histories_(scope_, keys_) {}

  ExploreResult explore();
  Result<ReplayedChoices> replay(const std::string& choices);

 private:
  struct Visited {
    std::uint32_t parent;
    Choice choice;  // that led here
  };
  struct HashState {
    std::size_t operator()(const StateHash& hash) const {
      return static_cast<std::size_t>(hash.low);
    }
  };

  Result<ClusterState> begin();
  std::string encode(const ClusterState& state) const;
  ClusterState decode(std::string_view bytes) const;

  // ---- choices.cpp ----
  std::vector<Choice> choices(const ClusterState& state) const;
  bool at_rest(const std::vector<Choice>& choices) const;
  bool may_step(const ClusterState& state, std::size_t client) const;
  ClusterState take(ClusterState state, const Choice& choice, std::optional<Broken>& broken);
  void give(ClusterState& state, NodeIndex node, const NodeInput& input,
            std::optional<Broken>& broken);
  void forget_lost_tokens(ClusterState& state, const History& crashed);
  std::string name(const Choice& choice) const;
  std::string in_words(const ClusterState& before, const Choice& choice,
                       const ClusterState& after) const;
  std::string clock_in_words(const ClusterState& state, const Clock& clock) const;

  // ---- checks.cpp ----
  std::optional<Broken> check(const ClusterState& state, NodeIndex changed);
  std::optional<Broken> check_pair(const History& here, const History& there) const;
  std::optional<Broken> check_state(const ClusterState& state, const Document& document,
                                    const std::string& name);
  std::vector<CommitId> commits_in(const ClusterState& state, const Clock& clock) const;
  std::optional<Broken> check_healed(const ClusterState& state);

  std::uint32_t token(const Clock& clock);

  const Scope scope_;
  const ExploreOptions options_;
  const KeySpace keys_;
  Histories histories_;
  std::vector<Clock> tokens_{Clock()};
  std::vector<Visited> visited_;
  std::unordered_set<StateHash, HashState> seen_;
  std::unordered_set<std::uint64_t> pairs_checked_;
  std::set<std::pair<HistoryId, std::vector<CommitId>>> states_checked_;
};

}  // namespace rejoin::simulation
