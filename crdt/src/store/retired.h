// The hash of the ids that a clock leaves out.
#pragma once

#include "rejoin/crdt/clock.h"
#include "rejoin/crdt/hash.h"

namespace rejoin {

// Of one id, and its last write.
StateHash hash_of_retired(const ReplicaId& id, Sequence last);
StateHash hash_of_retired(const Clock& retired);

}  // namespace rejoin
