// Looking into a store that no node has open.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "rejoin/node/storage.h"

namespace rejoin::node {

// One space of a store, and what it takes there.
struct InspectedSpace {
  StoredSpace space;
  std::uint64_t stored_cells = 0;       // rows; as of the last checkpoint
  std::uint64_t stored_cell_bytes = 0;  // keys and contents
  std::uint64_t header_bytes = 0;
  std::uint64_t log_events = 0;  // records since the last checkpoint
  std::uint64_t log_deltas = 0;
  std::uint64_t log_bytes = 0;
};

struct Inspection {
  std::string directory;
  std::int64_t format = 0;
  std::int64_t commits = 0;  // since the store was made
  bool certain = true;       // every acknowledged commit is known to be there
  std::uint64_t database_bytes = 0;
  std::uint64_t free_bytes = 0;  // of these: pages that hold nothing
  std::uint64_t write_ahead_bytes = 0;
  std::vector<InspectedSpace> spaces;
};

// Reads the whole store, verifies everything in it as a starting node would, and leaves every file
// as it is. `not_found`: there is no store. `busy`: a process has it open. `corrupt` names file and
// row; `unsupported_version` both versions. O(store).
Result<Inspection> inspect(const std::string& directory);

}  // namespace rejoin::node
