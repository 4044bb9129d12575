// Does the store still hold the last write that was acknowledged?
//
// SQLite drops the end of its write-ahead log, from the first frame whose checksum is wrong: that
// is how it undoes a commit that a crash cut short. A flipped bit in the frame of an acknowledged
// commit looks the same, and so does a file that was cut off or brought back from a backup. So the
// number of the last acknowledged commit is kept in a second file, which is written after each
// commit and forced to disk now and then only (forcing it each time would double the cost of a
// commit):
//
// - It says more than the store holds: acknowledged commits are gone. The store is corrupt.
// - It was written since the machine last started: it is exact, whatever became of the process.
// - It was written before: a power loss may have taken its last versions. Then a log without a torn
//   end is whole, and one with a torn end is uncertain: what is torn was acknowledged or it was
//   not.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "rejoin/crdt/result.h"

namespace rejoin::node::sqlite {

struct Acknowledged {
  std::int64_t commits = 0;
  std::uint64_t boot = 0;  // names one run of the machine: hash of its boot id; 0: not known
  bool uncertain = false;  // this was found before, and nobody has taken a new replica id since

  std::string encode() const;
  static std::optional<Acknowledged> decode(std::string_view bytes);
};

// Hash of this run of the machine's id (of `text`, where it is not empty); 0 when it has none.
std::uint64_t boot_hash(const std::string& text);

// The file beside the store, through the same VFS.
class AcknowledgedFile {
 public:
  // What it holds; nothing when it is missing or damaged.
  static std::optional<Acknowledged> read(sqlite3_vfs* vfs, const std::string& path);
  static Result<std::unique_ptr<AcknowledgedFile>> open(sqlite3_vfs* vfs, const std::string& path);
  ~AcknowledgedFile();
  AcknowledgedFile(const AcknowledgedFile&) = delete;
  AcknowledgedFile& operator=(const AcknowledgedFile&) = delete;

  Status write(const Acknowledged& acknowledged, bool sync);

 private:
  AcknowledgedFile() = default;
  struct Handle;
  std::unique_ptr<Handle> handle_;
  std::string path_;
};

// True when the write-ahead log ends in something other than its last whole commit: frames of this
// log's generation beyond it, or a header that does not hold. Reads the log that `db` has open;
// false when it has none.
Result<bool> has_torn_end(sqlite3* db);

// Whether the header of the database that `db` has open says that it has no write-ahead log.
Result<bool> is_without_log(sqlite3* db);

// Forces the write-ahead log that `db` has open to disk, if it has one.
Status sync_log(sqlite3* db);

}  // namespace rejoin::node::sqlite
