// A node's store and the disk below it, and what can be wrong with them.
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "rejoin/node/storage.h"
#include "rejoin/simulation/random.h"
#include "rejoin/simulation/scenario.h"

namespace rejoin::simulation {

// What is wrong with a disk for a while.
enum class DiskFault { refuses_writes, unreadable, slow, lies };
inline constexpr int disk_faults = 4;

// Draws a generator for what happens on the disk now.
using DiskLuck = std::function<Random()>;

class Disk : public node::Storage {
 public:
  Disk(const DiskOptions& options, DiskLuck luck) : options_(options), luck_(std::move(luck)) {}

  // What a crash left of what was written.
  enum class Left {
    acknowledged,    // every batch that was acknowledged
    and_under_way,   // and the one that was being written
    to_be_found_out  // look()
  };

  // The process is gone, and with it what was not durable. `under_way`: what was being written.
  virtual Left crash(const node::PersistBatch* under_way) = 0;
  // What load() would return if the disk could be read. Changes nothing.
  virtual Result<std::vector<node::StoredSpace>> look() = 0;
  // As of the last load(): the store cannot tell whether its last writes are all there.
  bool uncertain() const { return uncertain_; }
  virtual void wipe() { damaged_ = false; }
  // Turns a bit of what is stored, if there is anything.
  virtual void flip_bit() = 0;
  // A bit was turned since the store was last found to be whole.
  bool damaged() const { return damaged_; }
  void found_whole() { damaged_ = false; }

  void begin(DiskFault fault) {
    if (active_[static_cast<std::size_t>(fault)]++ == 0 && fault == DiskFault::lies) lie(true);
  }
  void end(DiskFault fault) {
    if (--active_[static_cast<std::size_t>(fault)] == 0 && fault == DiskFault::lies) lie(false);
  }
  bool has(DiskFault fault) const { return active_[static_cast<std::size_t>(fault)] > 0; }

 protected:
  // Of writes from now on, a sync lies; or what it said comes true.
  virtual void lie(bool lying) = 0;

  const DiskOptions options_;
  const DiskLuck luck_;
  bool damaged_ = false;
  bool uncertain_ = false;

 private:
  std::array<int, disk_faults> active_{};
};

std::unique_ptr<Disk> make_disk(DiskStore store, const DiskOptions& options, DiskLuck luck);

// A quick one, of whole batches: keeps what was written as a real store does, checkpointed cells by
// key and the log since.
class ModelDisk : public Disk {
 public:
  using Disk::Disk;

  Result<std::vector<node::StoredSpace>> load() override;
  Status write(const node::PersistBatch& batch) override;
  Left crash(const node::PersistBatch* under_way) override;
  Result<std::vector<node::StoredSpace>> look() override;
  void wipe() override;
  void flip_bit() override { damaged_ = !spaces_.empty(); }
  bool empty() const { return spaces_.empty(); }

 private:
  struct StoredRecord {
    node::RecordKind kind;
    std::string bytes;
  };
  struct Kept {
    ReplicaId replica;
    HybridTime last_time;
    std::string header;
    std::map<std::string, std::string> cells;
    std::optional<StateHash> hash;  // of header and cells
    bool checkpointed = false;
    std::vector<StoredRecord> log;
  };
  using Spaces = std::map<std::string, Kept>;
  // While the disk lies: what a power loss leaves for certain, and what was written since.
  struct Unsynced {
    Spaces durable;
    std::vector<node::PersistBatch> since;
  };

  void lie(bool lying) override;
  Status keep(const node::PersistBatch& batch);

  Spaces spaces_;
  std::optional<Unsynced> unsynced_;
  bool crashed_ = false;
};

}  // namespace rejoin::simulation
