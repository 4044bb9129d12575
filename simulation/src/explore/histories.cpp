#include "explore/histories.h"

#include <algorithm>
#include <utility>

#include "explore/live_cluster.h"

namespace rejoin::simulation {

namespace {

constexpr std::size_t running_max = 1'000;
constexpr Duration settle_within = std::chrono::seconds(120);
// So that all know what the others have, and who is away.
constexpr Duration rest = std::chrono::seconds(10);

}  // namespace

std::size_t Histories::HashKey::operator()(const Key& key) const {
  std::uint64_t hash = key.history;
  const auto mix = [&](std::uint64_t value) {
    hash = (hash ^ value) * 0x9E3779B97F4A7C15ull;
    hash ^= hash >> 29;
  };
  mix(static_cast<std::uint64_t>(key.kind));
  mix(key.message);
  mix(key.step == nullptr ? 0 : static_cast<std::uint64_t>(key.step->value) + 1);
  return static_cast<std::size_t>(hash);
}

Result<std::vector<HistoryId>> Histories::begin() {
  std::vector<std::unique_ptr<Process>> processes;
  for (NodeIndex node = 0; node < scope_.nodes.size(); ++node) {
    processes.push_back(std::make_unique<Process>(scope_, keys_, messages_, node));
  }
  beginnings_.assign(processes.size(), {});
  std::vector<History> begun(processes.size());
  LiveCluster cluster(std::move(processes), messages_,
                      [&](NodeIndex node, const NodeInput& input, Process::Outcome& outcome) {
                        beginnings_[node].push_back(input);
                        if (!outcome.commit) return;
                        begun[node].commits.push_back(static_cast<CommitId>(commits_.size()));
                        commits_.push_back(*std::move(outcome.commit));
                      });
  const auto settle = [&] { return cluster.settle(settle_within); };
  const auto write = [&](const std::vector<ScopeStep>& steps) {
    return std::ranges::all_of(steps, [&](const ScopeStep& step) {
      const Process& receiver = *cluster.processes()[step.to];
      cluster.give(step.at, {.kind = NodeInput::Kind::step,
                             .step = &step,
                             .receiver = receiver.up() ? receiver.document().self() : ReplicaId()});
      return settle();
    });
  };
  for (NodeIndex node = 0; node < scope_.nodes.size(); ++node) {
    cluster.give(node, {.kind = NodeInput::Kind::start});
  }
  bool settled = settle() && write(scope_.before);
  cluster.pass(rest);
  for (const NodeIndex node : scope_.away) cluster.give(node, {.kind = NodeInput::Kind::crash});
  settled = settled && write(scope_.meanwhile);
  cluster.pass(rest);
  if (!settled || cluster.broken()) {
    return make_error(ErrorCode::corrupt,
                      "the cluster does not get to where exploration begins: " +
                          (cluster.broken() ? cluster.broken()->what : cluster.why()),
                      scope_.source);
  }
  std::vector<HistoryId> ids;
  for (NodeIndex node = 0; node < scope_.nodes.size(); ++node) {
    History& history = begun[node];
    history.node = node;
    describe(history, *cluster.processes()[node], {});
    ids.push_back(static_cast<HistoryId>(histories_.size()));
    histories_.push_back(std::move(history));
  }
  return ids;
}

HistoryId Histories::after(HistoryId id, NodeInput input) {
  const Key key{id, input.kind, input.message, input.step, input.receiver};
  const auto known = next_.find(key);
  if (known != next_.end()) return known->second;
  const History& before = histories_[id];
  input.at =
      input.kind == NodeInput::Kind::tick ? std::max(before.now, before.deadline) : before.now;
  std::unique_ptr<Process> process = take(id);
  Process::Outcome outcome = process->apply(input);
  if (!outcome.broken) outcome.broken = process->broken_invariant();
  History history;
  history.parent = id;
  history.node = before.node;
  history.input = input;
  history.commits = before.commits;
  if (outcome.commit) {
    history.commit = static_cast<CommitId>(commits_.size());
    history.commits.push_back(*history.commit);
    commits_.push_back(*std::move(outcome.commit));
  }
  describe(history, *process, std::move(outcome));
  if (!history.up && before.up) {
    history.lost_writes = std::erase_if(history.commits, [&](CommitId commit) {
                            return !history.on_disk.includes(commits_[commit].event->id());
                          }) > 0;
  }
  const auto next = static_cast<HistoryId>(histories_.size());
  histories_.push_back(std::move(history));
  next_.emplace(key, next);
  if (!histories_[next].broken) keep(next, std::move(process));
  return next;
}

void Histories::describe(History& history, const Process& process, Process::Outcome outcome) {
  history.sent = std::move(outcome.sent);
  history.broken = std::move(outcome.broken);
  history.up = process.up();
  history.writing = process.writing();
  history.now = process.now();
  history.on_disk = process.on_disk();
  history.ever_on_disk = process.ever_on_disk();
  history.writers = process.writers();
  history.clock = process.on_disk();
  if (!process.up()) return;
  history.deadline = process.deadline();
  history.self = process.document().self();
  history.clock = process.document().clock_with_retired();
  history.hash = process.document().hash();
  const auto status = process.core().status(explored_space, process.local_now());
  history.waits = process.document().remembers_removals() || status.waiting_events != 0;
  for (const auto& peer : status.peers) {
    const auto at = std::ranges::find(scope_.nodes, peer.name);
    history.believed_durable.emplace_back(at - scope_.nodes.begin(), peer.durable);
  }
}

std::unique_ptr<Process> Histories::rebuild(HistoryId id) {
  std::vector<const NodeInput*> inputs;
  for (HistoryId at = id; histories_[at].parent != History::none; at = histories_[at].parent) {
    inputs.push_back(&histories_[at].input);
  }
  const NodeIndex node = histories_[id].node;
  auto process = std::make_unique<Process>(scope_, keys_, messages_, node);
  for (const NodeInput& input : beginnings_[node]) process->apply(input);
  for (auto input = inputs.rbegin(); input != inputs.rend(); ++input) process->apply(**input);
  return process;
}

std::unique_ptr<Process> Histories::take(HistoryId id) {
  const auto running = running_.find(id);
  if (running == running_.end()) return rebuild(id);
  std::unique_ptr<Process> process = std::move(running->second);
  running_.erase(running);
  return process;
}

void Histories::keep(HistoryId id, std::unique_ptr<Process> process) {
  running_[id] = std::move(process);
  running_order_.push_back(id);
  while (running_order_.size() > running_max) {
    if (running_order_.front() != id) running_.erase(running_order_.front());
    running_order_.pop_front();
  }
}

const Process& Histories::look_at(HistoryId id) {
  if (!running_.contains(id)) keep(id, rebuild(id));
  return *running_.at(id);
}

}  // namespace rejoin::simulation
