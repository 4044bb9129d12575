// How an archive keeps step with the storage beside it.
#pragma once

#include <string>
#include <vector>

#include "history/archive.h"
#include "rejoin/node/storage.h"

namespace rejoin::node::history {

// Before anything else of a space, with what the storage gave back of it: its clock, retired ids
// included, and the events of its log, which may not be in the archive yet.
Status begin(Archive& archive, const std::string& space, const Clock& clock,
             const std::vector<EventPtr>& recent);

// What a batch brings to the spaces that keep their history. Before the storage has it: the batch
// may let the log go that has it otherwise. One that comes again brings nothing new. True when some
// of it came without events.
Result<bool> keep(Archive& archive, const PersistBatch& batch);

}  // namespace rejoin::node::history
