// What must hold in every state of an explored cluster, and once it is healed.
#include <algorithm>
#include <utility>

#include "explore/explorer.h"
#include "explore/live_cluster.h"

namespace rejoin::simulation {

namespace {

constexpr Duration heal_within = std::chrono::seconds(120);

}  // namespace

std::optional<Broken> Explorer::check(const ClusterState& state, NodeIndex changed) {
  const HistoryId id = state.nodes[changed];
  for (const HistoryId other : state.nodes) {
    const std::uint64_t pair = std::uint64_t{id} << 32 | other;
    if (!pairs_checked_.insert(pair).second) continue;
    if (auto broken = check_pair(histories_[id], histories_[other])) return broken;
  }
  const History& here = histories_[id];
  if (!here.up) return std::nullopt;
  std::vector<CommitId> commits = commits_in(state, here.clock);
  if (!states_checked_.emplace(id, std::move(commits)).second) return std::nullopt;
  return check_state(state, histories_.look_at(id).document(), scope_.nodes[changed]);
}

// What one node shows and believes, against another and what that one ever was.
std::optional<Broken> Explorer::check_pair(const History& here, const History& there) const {
  if (!here.up) return std::nullopt;
  const std::string& name = scope_.nodes[here.node];
  const std::string& other = scope_.nodes[there.node];
  if (here.node != there.node) {
    for (const ReplicaId& writer : there.writers) {
      if (here.clock.get(writer) <= there.ever_on_disk.get(writer)) continue;
      return Broken{Promise::durable_first, name + " shows write " +
                                                std::to_string(here.clock.get(writer)) + " of " +
                                                other + ", of which only " +
                                                std::to_string(there.ever_on_disk.get(writer)) +
                                                " were ever durable there: it was sent too early"};
    }
    for (const auto& [peer, durable] : here.believed_durable) {
      if (peer != there.node || there.ever_on_disk.includes(durable)) continue;
      return Broken{Promise::receipt, name + " believes that " + other + " has " +
                                          durable.to_string() + " durable, and its disk had only " +
                                          there.ever_on_disk.to_string()};
    }
  }
  // Equal clocks, equal states; back to where dots were lost, and may name other writes since.
  for (const History* then = &there;; then = &histories_[then->parent]) {
    if (then->up && then->clock == here.clock && then->hash != here.hash) {
      return Broken{Promise::certificate, "one clock, two states: at " + here.clock.to_string() +
                                              ' ' + name + " has " + here.hash.to_string() +
                                              " and " + other + " has " + then->hash.to_string()};
    }
    if (then->lost_writes || then->parent == History::none) return std::nullopt;
  }
}

std::vector<CommitId> Explorer::commits_in(const ClusterState& state, const Clock& clock) const {
  std::vector<CommitId> commits;
  for (const HistoryId id : state.nodes) {
    for (const CommitId commit : histories_[id].commits) {
      if (clock.includes(histories_.commit(commit).event->id())) commits.push_back(commit);
    }
  }
  // Whoever saw another comes after it.
  std::ranges::stable_sort(commits, {}, [&](CommitId commit) {
    return histories_.commit(commit).before.distance_beyond({});
  });
  return commits;
}

std::optional<Broken> Explorer::check_state(const ClusterState& state, const Document& document,
                                            const std::string& name) {
  const Clock& clock = document.clock_with_retired();
  Oracle oracle(keys_);
  for (const CommitId id : commits_in(state, clock)) {
    const ExploredCommit& commit = histories_.commit(id);
    if (!clock.includes(commit.before)) {
      return Broken{Promise::whole_transactions,
                    name + " shows " + commit.event->id().to_string() +
                        " without all that this depends on: " + commit.before.to_string()};
    }
    oracle.record(*commit.event, commit.before, commit.ops);
  }
  if (const auto wrong = oracle.compare(document)) {
    return Broken{Promise::state, name + " shows a wrong state: " + wrong->sentence};
  }
  if (oracle.funds(clock) < 0) {
    return Broken{Promise::bound, name + " shows " + std::to_string(oracle.funds(clock)) +
                                      " of funds that are bounded by 0"};
  }
  if (options_.invariant) {
    if (const auto wrong = options_.invariant(document)) {
      return Broken{Promise::workload, name + " shows what it must not: " + *wrong};
    }
  }
  return std::nullopt;
}

// From a state in which nothing is left to do: all faults are over, and all must come to agree.
std::optional<Broken> Explorer::check_healed(const ClusterState& state) {
  // Agreed already: nothing is to be healed.
  const History& one = histories_[state.nodes.front()];
  if (std::ranges::all_of(state.nodes, [&](HistoryId id) {
        const History& node = histories_[id];
        return node.clock == one.clock && node.on_disk == one.clock && !node.waits;
      })) {
    return std::nullopt;
  }
  std::vector<std::unique_ptr<Process>> processes;
  Clock known;
  for (const HistoryId id : state.nodes) {
    processes.push_back(histories_.rebuild(id));
    known.join(histories_[id].clock);
  }
  LiveCluster cluster(std::move(processes), histories_.messages(), nullptr);
  const bool settled = cluster.settle(heal_within);
  if (cluster.broken()) return cluster.broken();
  if (!settled) {
    return Broken{Promise::convergence,
                  "the nodes do not come to agree and to rest: " + cluster.why()};
  }
  const Document& first = cluster.processes().front()->document();
  if (!first.clock_with_retired().includes(known)) {
    return Broken{Promise::durability, "the nodes agree on less than some of them knew"};
  }
  for (const auto& process : cluster.processes()) {
    if (auto broken = process->broken_invariant()) return broken;
    if (process->document().canonical_state() != first.canonical_state()) {
      return Broken{Promise::certificate, process->name() + " has another state than " +
                                              cluster.processes().front()->name() +
                                              " at the same clock"};
    }
  }
  return check_state(state, first, cluster.processes().front()->name());
}

}  // namespace rejoin::simulation
