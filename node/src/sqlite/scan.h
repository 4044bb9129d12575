// Reads a store from end to end and verifies every row of it.
#pragma once

#include <cstdint>
#include <map>
#include <string_view>
#include <vector>

#include "rejoin/node/storage.h"
#include "sqlite/format.h"

namespace rejoin::node::sqlite {

// Who wants to know what is in a store. Spaces come first, by id; then cells, by space and key;
// then records, in the order in which they were written. An error ends the scan and is passed on.
class ScanVisitor {
 public:
  virtual ~ScanVisitor() = default;
  virtual Status space(const SpaceRow& row) = 0;
  virtual Status cell(std::int64_t space, std::string_view key, std::string_view bytes) = 0;
  virtual Status record(std::int64_t space, RecordKind kind, std::string_view bytes) = 0;
  virtual Status end() { return {}; }  // that was all of it
};

struct LogRowId {
  std::int64_t lsn = 0;
  std::int64_t checksum = 0;
};

// What a writer needs to know about a space.
struct SpaceState {
  SpaceRow row;
  std::int64_t checksum = 0;  // of the row
  std::vector<LogRowId> log;  // in order
};

struct StoreState {
  RootRow root;
  std::map<std::int64_t, SpaceState> spaces;
};

// `corrupt` names the row at which the store is damaged.
Result<StoreState> scan(Connection& connection, ScanVisitor& visitor);

// Log rows hold records one after the other: kind, length, bytes.
void append_record(std::string& records, RecordKind kind, std::string_view bytes);

}  // namespace rejoin::node::sqlite
