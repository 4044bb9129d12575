// The embedded default: one SQLite file a node. The format is in docs/formats.md.
#pragma once

#include <memory>
#include <string>

#include "rejoin/node/storage.h"

namespace rejoin::node {

struct SqliteOptions {
  std::string directory;       // made when absent; the file is <directory>/rejoin.db
  bool read_only = false;      // for `rejoin inspect`
  std::string vfs;             // name of a registered SQLite VFS; empty: the default
};

// WAL with synchronous=FULL: a write is durable when it returns. Every row carries a 64-bit checksum
// of its contents, so that a flipped bit is noticed when it is read. An exclusive lock keeps a second
// process out (`busy`).
class SqliteStorage : public Storage {
 public:
  static Result<std::unique_ptr<SqliteStorage>> open(SqliteOptions options);
  ~SqliteStorage() override;
  Result<std::vector<StoredSpace>> load() override;
  Status write(const PersistBatch& batch) override;

 private:
  struct Impl;
  explicit SqliteStorage(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Moves the files of a store that cannot be read out of the way, beside it, under a name that says
// when ("rejoin.db.corrupt-<unix seconds>"); returns the new name.
Result<std::string> set_aside(const std::string& directory, std::uint64_t unix_seconds);

}  // namespace rejoin::node
