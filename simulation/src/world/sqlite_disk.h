// The real store on a disk of the simulator's own.
#pragma once

#include <memory>

#include "rejoin/node/sqlite_storage.h"
#include "world/disk.h"
#include "world/sqlite_vfs.h"

namespace rejoin::simulation {

// A crash ends the store in the middle of whatever it was doing to its files. Some crashes are
// power losses, after which the machine runs anew and what was not synced is lost, kept, torn and
// reordered.
class SqliteDisk : public Disk {
 public:
  SqliteDisk(const DiskOptions& options, DiskLuck luck)
      : Disk(options, std::move(luck)), vfs_(luck_()) {}

  Result<std::vector<node::StoredSpace>> load() override;
  Status write(const node::PersistBatch& batch) override;
  Left crash(const node::PersistBatch* under_way) override;
  Result<std::vector<node::StoredSpace>> look() override;
  void wipe() override;
  void flip_bit() override;

 private:
  void lie(bool lying) override { vfs_.lie(lying); }
  // A process that opens the store and reads it.
  Result<std::vector<node::StoredSpace>> open();
  // The faults of this time, for one use of the store.
  void spoil_operations();
  void end_spoiling();
  // That process is gone.
  void kill();
  void lose_power(Random& random);

  SqliteVfs vfs_;
  std::unique_ptr<node::SqliteStorage> storage_;
  std::uint64_t boots_ = 0;             // of the machine
  std::uint64_t write_operations_ = 8;  // of the last write, or about
};

}  // namespace rejoin::simulation
