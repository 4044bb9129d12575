#include "core/persist_queue.h"

#include <algorithm>
#include <utility>

#include "rejoin/crdt/assert.h"
#include "rejoin/crdt/mutant.h"

namespace rejoin::node {

Position PersistQueue::add(SpaceRecord record) {
  next_bytes_ += record.space.size() + sizeof(SpaceRecord);
  next_.spaces.push_back(std::move(record));
  return ++end_;
}

Position PersistQueue::add(LogRecord record) {
  next_bytes_ += record.space.size() + record.bytes.size() + sizeof(LogRecord);
  next_.log.push_back(std::move(record));
  return ++end_;
}

std::shared_ptr<const PersistBatch> PersistQueue::begin(std::vector<CheckpointRecord> checkpoints) {
  REJOIN_ASSERT(!flight_);
  for (const CheckpointRecord& checkpoint : checkpoints) {
    std::erase_if(next_.log, [&](LogRecord& record) {
      if (record.space != checkpoint.space) return false;
      if (record.archived) next_.superseded.push_back(std::move(record));
      return true;
    });
  }
  next_.checkpoints = std::move(checkpoints);
  next_.ticket = ++last_ticket_;
  flight_ = std::make_shared<const PersistBatch>(std::move(next_));
  flight_bytes_ = next_bytes_;
  flight_end_ = end_;
  next_ = PersistBatch{};
  next_bytes_ = 0;
  return flight_;
}

void PersistQueue::succeeded() {
  REJOIN_ASSERT(flight_);
  flight_.reset();
  flight_bytes_ = 0;
  durable_ = REJOIN_MUTANT(batch_vouches_for_the_next, flight_end_, end_);
}

}  // namespace rejoin::node
