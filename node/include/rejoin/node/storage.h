// What a node keeps, and the interface of whatever keeps it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rejoin/crdt/document.h"
#include "rejoin/crdt/event.h"
#include "rejoin/crdt/hash.h"
#include "rejoin/crdt/hybrid_time.h"
#include "rejoin/crdt/id.h"
#include "rejoin/crdt/result.h"

namespace rejoin::node {

// The encoded clock of `retired` are the ids that Document::clock() leaves out from here on, that
// of `restored` those that it names again.
enum class RecordKind : std::uint8_t { event = 1, delta = 2, retired = 3, restored = 4 };

// One step of a space's log: an encoded Event, an encoded Delta that was joined, or ids. In the
// order in which they were applied here.
struct LogRecord {
  std::string space;
  RecordKind kind = RecordKind::event;
  std::string bytes;
  bool archived = false;  // the space keeps its history
};

// A durable space comes to be, or writes under another replica id from now on.
struct SpaceRecord {
  std::string space;
  ReplicaId replica;
  // No later local write may take an earlier time. The events of the former id do not say so: a
  // store does not know which ids were its own.
  HybridTime last_time = {};
};

// The space as it is after every record before this point; its log up to here may go.
struct CheckpointRecord {
  std::string space;
  std::string header;                             // Document::header
  std::vector<Document::StoredCell> dirty_cells;  // empty bytes: delete
  HybridTime last_time;                           // no later local write may take an earlier time
  // Document::hash() at this point. Where it is given, a store whose cells do not give this hash
  // when they are loaded is `corrupt`.
  std::optional<StateHash> hash = std::nullopt;
};

// Written atomically, in this order: spaces, log, checkpoints.
struct PersistBatch {
  std::uint64_t ticket = 0;
  std::vector<SpaceRecord> spaces;
  std::vector<LogRecord> log;
  std::vector<CheckpointRecord> checkpoints;
  // Records that are in no log, because a checkpoint of this batch holds what they brought, of
  // spaces that keep their history.
  std::vector<LogRecord> superseded;
  bool empty() const { return spaces.empty() && log.empty() && checkpoints.empty(); }
  std::uint64_t bytes() const;  // of records, headers and cells
};

struct StoredSpace {
  std::string name;
  ReplicaId replica;
  HybridTime last_time;
  Document document{ReplicaId{}};
  std::vector<EventPtr> recent;  // the events of the log, in order
  std::size_t log_bytes = 0;     // in the log since the last checkpoint
  // The storage cannot tell whether the last acknowledged writes are all here (a power loss, or a
  // file brought back from elsewhere). The state is a whole one, but to go on under this replica id
  // might use a dot twice: take a new one, and write a SpaceRecord that says so.
  bool last_writes_uncertain = false;
};

// Puts a StoredSpace together from what a storage holds, the same way for every engine: header,
// cells in any order, then log records in order. The first error is final.
class SpaceLoader {
 public:
  SpaceLoader(std::string name, ReplicaId replica, HybridTime last_time);
  Status header(std::string_view bytes);
  Status cell(std::string_view key, std::string_view bytes);
  Status record(RecordKind kind, std::string bytes);
  // What header and cells must amount to before the first record: call before that one.
  void expect_hash(const StateHash& hash) { expected_ = hash; }
  Result<StoredSpace> finish();  // also checks the kernel's invariants that loading could break

 private:
  Status begin_log();
  StoredSpace space_;
  std::optional<StateHash> expected_;
  bool loaded_ = false;
};

// One store of one node. One thread at a time.
class Storage {
 public:
  virtual ~Storage() = default;
  // Everything that is durable. `corrupt` names the file and what is wrong; `unsupported_version` a
  // newer format.
  virtual Result<std::vector<StoredSpace>> load() = 0;
  // Atomic and, when it returns success, durable. On failure nothing of the batch is kept:
  // `disk_full` or `io`.
  virtual Status write(const PersistBatch& batch) = 0;
};

}  // namespace rejoin::node
