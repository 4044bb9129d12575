// One process of an explored cluster: the protocol core and its disk, without time or chance of its
// own. What it is after some inputs depends on those inputs alone.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "check/oracle.h"
#include "rejoin/node/core.h"
#include "rejoin/simulation/explore.h"
#include "world/disk.h"

namespace rejoin::simulation {

inline constexpr const char* explored_space = "main";

using MessageId = std::uint32_t;

// Every message that was ever sent, once.
struct ExploredMessage {
  NodeIndex from = 0, to = 0;
  const char* kind = "";
  std::string bytes;
};
class MessageTable {
 public:
  MessageId intern(ExploredMessage message);
  const ExploredMessage& operator[](MessageId id) const { return messages_[id]; }

 private:
  std::deque<ExploredMessage> messages_;
  std::unordered_multimap<std::uint64_t, MessageId> by_hash_;
};

struct NodeInput {
  enum class Kind : std::uint8_t {
    start,
    receive,     // `message`
    write_done,  // what was being written is durable
    tick,        // the timer fires
    step,        // a client's step
    crash,       // what was being written is lost
    crash_kept,  // ... is on the disk
  };
  Kind kind = Kind::start;
  Duration at{0};  // what the clock of this node shows; it need not agree with those of others
  MessageId message = 0;
  const ScopeStep* step = nullptr;
  ReplicaId receiver{};  // of a step that gives rights

  friend bool operator==(const NodeInput&, const NodeInput&) = default;
};

// A commit, and what it meant.
struct ExploredCommit {
  EventPtr event;
  Clock before;
  std::vector<Op> ops;
};

struct Broken {
  Promise promise;
  std::string what;
};

class Process {
 public:
  struct Outcome {
    std::vector<MessageId> sent;
    std::optional<ExploredCommit> commit;
    std::optional<Broken> broken;
  };

  Process(const Scope& scope, const KeySpace& keys, MessageTable& messages, NodeIndex index);
  Outcome apply(const NodeInput& input);
  // What takes longer to see: the core's and the kernel's invariants.
  std::optional<Broken> broken_invariant() const;

  const std::string& name() const { return options_.name; }
  bool up() const { return core_ != nullptr; }
  bool writing() const { return batch_ != nullptr; }
  Duration deadline() const { return core_->next_deadline(); }
  Duration now() const { return now_; }
  const node::Core& core() const { return *core_; }
  node::Now local_now() const;
  const Document& document() const { return core_->document(explored_space); }
  const Clock& on_disk() const { return on_disk_; }
  const Clock& ever_on_disk() const { return ever_on_disk_; }
  const std::vector<ReplicaId>& writers() const { return writers_; }  // all that it ever wrote as

 private:
  void start(Outcome& outcome);
  void keep_batch(Outcome& outcome);
  void take_step(const NodeInput& input, Outcome& outcome);
  void pump(Outcome& outcome);
  void check(Outcome& outcome);
  void broken(Outcome& outcome, Promise promise, const std::string& what) const;

  const KeySpace& keys_;
  MessageTable& messages_;
  node::CoreOptions options_;
  std::map<std::string, NodeIndex> index_of_;
  NodeIndex index_;
  std::vector<std::string> nodes_;  // by index
  ModelDisk disk_{DiskOptions{}, [] { return Random(0); }};  // without faults of its own
  std::unique_ptr<node::Core> core_;
  std::uint64_t life_ = 0;
  Duration now_{0};
  std::shared_ptr<const node::PersistBatch> batch_;  // being written
  Clock batch_clock_;
  HybridTime batch_time_;
  Clock clock_;  // when it was last looked at
  Clock on_disk_;
  Clock ever_on_disk_;
  HybridTime last_time_, last_time_on_disk_;
  std::vector<Dot> own_;  // its commits that are not lost
  std::vector<ReplicaId> writers_;
};

}  // namespace rejoin::simulation
