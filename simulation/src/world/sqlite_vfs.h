// A disk in memory under SQLite, which does what real ones do: loses what was not synced, tears and
// reorders writes, flips bits, fills up, fails, and lies.
#pragma once

#include <sqlite3.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "rejoin/simulation/random.h"

namespace rejoin::simulation {

// What a power loss leaves of the writes that no sync has covered. They are on their way to the
// disk in any order, a sector at a time: any part of them may have arrived.
enum class UnsyncedWrites {
  lost,       // none arrived
  kept,       // all of them
  prefix,     // those before some moment, the last of them torn
  alternate,  // every second one
  torn_last,  // all, but only some sectors of the last one
  drawn,      // each by itself: it arrived, did not, or is torn
};
inline constexpr int unsynced_writes_policies = 6;

// The files of one node, as an SQLite VFS with a name of its own. A sync makes one file durable,
// with its name; the removal of a file is durable at once, as on a file system that is synced after
// it. One thread; nothing of it may be open when it goes.
class SqliteVfs {
 public:
  explicit SqliteVfs(Random random = Random(1));
  ~SqliteVfs();
  SqliteVfs(const SqliteVfs&) = delete;
  SqliteVfs& operator=(const SqliteVfs&) = delete;

  const std::string& name() const { return name_; }

  // ---- Faults ----
  // Counts writes, truncations, removals and syncs. From number `stop_at` on, all of them fail: the
  // process is gone, and whoever goes on does so in vain. 0: never.
  std::uint64_t operations = 0;
  std::uint64_t stop_at = 0;
  // Just this one fails with an input/output error. 0: none.
  std::uint64_t fail_at = 0;
  // Writes that would make the files together larger find the disk full. 0: it never is.
  std::size_t capacity = 0;
  // Of the reads, as many fail with an input/output error.
  Share read_errors{0};

  // From now on a sync says that it succeeded, and does nothing. When the lie ends, what it claimed
  // comes true.
  void lie(bool lying);
  bool lying() const { return lying_; }
  // Turns one bit of what is on the disk; false when there is nothing.
  bool flip_bit(Random& random);
  // Everything that was not synced has the fate that `policy` says.
  void lose_power(UnsyncedWrites policy, Random& random);

  // ---- The files, to look at and to damage ----
  std::size_t used() const;
  std::map<std::string, std::string> contents() const;
  // These files and no others, all of them durable.
  void replace_contents(const std::map<std::string, std::string>& contents);
  // Everything about them, to be as it was again. None may be open at either time.
  struct File {
    struct Write {
      bool truncates = false;
      std::size_t offset = 0;  // of a truncation: the size
      std::string bytes;
    };
    std::string contents;         // what the process reads
    std::string durable;          // what a power loss leaves for certain
    std::vector<Write> unsynced;  // from `durable` to `contents`
    bool was_synced = false;
    void sync();
  };
  using Snapshot = std::map<std::string, File>;
  Snapshot snapshot() const;
  void restore(const Snapshot& snapshot);

 private:
  struct Calls;  // what SQLite calls

  int operation(int failure);

  std::string name_;
  Random random_;
  bool lying_ = false;
  std::unique_ptr<sqlite3_vfs> vfs_;
  std::map<std::string, std::shared_ptr<File>> files_;
};

}  // namespace rejoin::simulation
