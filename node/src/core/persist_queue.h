// What waits to be written to disk, and what is being written.
#pragma once

#include <cstdint>
#include <memory>

#include "rejoin/node/storage.h"

namespace rejoin::node {

// A place in the order in which this node hands things to its storage; 0 is before everything. All
// that is durable lies at or before one position, because batches are written one after another.
using Position = std::uint64_t;

// Collects records into the next batch while at most one batch is in flight.
class PersistQueue {
 public:
  Position add(SpaceRecord record);
  Position add(LogRecord record);

  // The position of what was added last, and of what is durable.
  Position end() const { return end_; }
  Position durable() const { return durable_; }
  std::size_t bytes() const { return next_bytes_ + flight_bytes_; }
  bool has_next() const { return !next_.empty(); }
  bool in_flight() const { return flight_ != nullptr; }

  // Makes everything added so far, and these checkpoints, the batch in flight. A checkpoint holds
  // all that its space's log records of the same batch brought, so those are left out.
  std::shared_ptr<const PersistBatch> begin(std::vector<CheckpointRecord> checkpoints);
  const std::shared_ptr<const PersistBatch>& flight() const { return flight_; }
  // The batch in flight is durable.
  void succeeded();

 private:
  PersistBatch next_;
  std::size_t next_bytes_ = 0;
  std::shared_ptr<const PersistBatch> flight_;
  std::size_t flight_bytes_ = 0;
  std::uint64_t last_ticket_ = 0;
  Position end_ = 0;
  Position flight_end_ = 0;
  Position durable_ = 0;
};

}  // namespace rejoin::node
