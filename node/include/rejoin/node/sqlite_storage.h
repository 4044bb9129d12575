// The embedded default: one SQLite file a node. The format is in docs/formats.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "rejoin/node/storage.h"

namespace rejoin::node {

struct SqliteOptions {
  std::string directory;   // made when absent; the file is <directory>/rejoin.db
  bool read_only = false;  // for `rejoin inspect`: leaves every file as it is
  std::string vfs = {};    // name of a registered SQLite VFS; empty: the default
  // Names this run of the machine: the same after a crash of the process, another after one of the
  // machine. Empty: the system's own boot id.
  std::string boot_id = {};
  // A group commit's records of one space beyond this size are cut into several rows.
  std::size_t log_row_bytes_max = 16u << 20;
  // Free pages are given back to the file system when they are more than half of a file that is
  // larger than this.
  std::size_t vacuum_bytes_min = 32u << 20;
};

// WAL with synchronous=FULL: a write is durable when it returns. Every row carries a 64-bit
// checksum of its contents, and missing rows show in sums, so that damage is noticed when the store
// is loaded. An exclusive lock keeps a second process out (`busy`). A second small file says which
// commit was acknowledged last, so that an end of the log that is gone is noticed too.
class SqliteStorage : public Storage {
 public:
  // `not_found`: nothing to read there (read_only). `corrupt` and `unsupported_version` may come
  // from here as well as from load().
  static Result<std::unique_ptr<SqliteStorage>> open(SqliteOptions options);
  ~SqliteStorage() override;
  // What the files of a store take on the disk, also while it is open. 0 where there is none.
  static std::uint64_t file_bytes(const std::string& directory);
  // O(store). Anything else is `corrupt`: each row, the structure around it, and what it adds up to
  // are verified.
  Result<std::vector<StoredSpace>> load() override;
  // Beyond what Storage says: `invalid_argument` for a space that no SpaceRecord ever named.
  Status write(const PersistBatch& batch) override;

 private:
  struct Impl;
  explicit SqliteStorage(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Moves the files of a store that cannot be read into a new directory beside them whose name says
// when ("rejoin.db.corrupt-<unix seconds>", and a number where that is taken); returns its path,
// which `rejoin inspect` reads. Nothing is overwritten. No process may have the store open.
// `not_found` when there is none.
Result<std::string> set_aside(const std::string& directory, std::uint64_t unix_seconds);

}  // namespace rejoin::node
