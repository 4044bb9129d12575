// A disk as the protocol sees one: whole batches, durable after a while or not at all.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "rejoin/node/storage.h"

namespace rejoin::simulation {

// Keeps what was written as a real store does: checkpointed cells by key, and the log since. Time
// and faults are the host's business.
class ModelDisk : public node::Storage {
 public:
  Result<std::vector<node::StoredSpace>> load() override;
  Status write(const node::PersistBatch& batch) override;
  void wipe() { spaces_.clear(); }
  bool empty() const { return spaces_.empty(); }

 private:
  struct StoredRecord {
    node::RecordKind kind;
    std::string bytes;
  };
  struct Kept {
    ReplicaId replica;
    HybridTime last_time;
    std::string header;
    std::map<std::string, std::string> cells;
    std::optional<StateHash> hash;  // of header and cells
    bool checkpointed = false;
    std::vector<StoredRecord> log;
  };
  std::map<std::string, Kept> spaces_;
};

}  // namespace rejoin::simulation
