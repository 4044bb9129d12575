// Everything that single nodes can go through: a tree whose edges are inputs.
//
// A node's state is a function of the inputs that it had, in their order. So each history is run
// once, however many states of the whole cluster it is part of, and what those need to know of it
// is kept. Two interleavings that give each node the same inputs in the same order are one state
// of the cluster (Mazurkiewicz: Trace theory, 1986).
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "explore/process.h"

namespace rejoin::simulation {

using HistoryId = std::uint32_t;
using CommitId = std::uint32_t;

struct History {
  static constexpr HistoryId none = UINT32_MAX;

  HistoryId parent = none;
  NodeIndex node = 0;
  NodeInput input;
  std::vector<MessageId> sent;     // by this input
  std::optional<CommitId> commit;  // by this input
  std::vector<CommitId> commits;   // of this node that are not lost
  std::optional<Broken> broken;

  bool up = false;
  bool writing = false;
  Duration now{0};
  Duration deadline{0};
  ReplicaId self;
  std::vector<ReplicaId> writers;
  Clock clock;
  StateHash hash;      // of the document; meaningless when down
  bool waits = false;  // for events that others depend on, or for removals to be forgotten
  Clock on_disk;
  Clock ever_on_disk;
  std::vector<std::pair<NodeIndex, Clock>> believed_durable;  // at others
  bool lost_writes = false;  // by this input: dots may come to name other writes
};

class Histories {
 public:
  Histories(const Scope& scope, const KeySpace& keys) : scope_(scope), keys_(keys) {}

  // Brings the cluster to where exploration begins; the beginnings of the nodes' histories, or
  // what went wrong on the way.
  Result<std::vector<HistoryId>> begin();
  HistoryId after(HistoryId history, NodeInput input);
  const History& operator[](HistoryId id) const { return histories_[id]; }
  std::size_t size() const { return histories_.size(); }
  const MessageTable& messages() const { return messages_; }
  const ExploredCommit& commit(CommitId id) const { return commits_[id]; }

  // The node as it is after this; valid until the next call.
  const Process& look_at(HistoryId history);
  std::unique_ptr<Process> rebuild(HistoryId history);

 private:
  struct Key {
    HistoryId history;
    NodeInput::Kind kind;
    MessageId message;
    const ScopeStep* step;
    ReplicaId receiver;
    friend bool operator==(const Key&, const Key&) = default;
  };
  struct HashKey {
    std::size_t operator()(const Key& key) const;
  };

  std::unique_ptr<Process> take(HistoryId history);
  void keep(HistoryId history, std::unique_ptr<Process> process);
  void describe(History& history, const Process& process, Process::Outcome outcome);

  const Scope& scope_;
  const KeySpace& keys_;
  MessageTable messages_;
  std::deque<History> histories_;
  std::deque<ExploredCommit> commits_;
  std::vector<std::vector<NodeInput>> beginnings_;  // by node
  std::unordered_map<Key, HistoryId, HashKey> next_;
  std::unordered_map<HistoryId, std::unique_ptr<Process>> running_;  // some, to go on from
  std::deque<HistoryId> running_order_;
};

}  // namespace rejoin::simulation
