#include "world/disk.h"

#include <algorithm>
#include <utility>

#include "world/sqlite_disk.h"

namespace rejoin::simulation {

std::unique_ptr<Disk> make_disk(DiskStore store, const DiskOptions& options, DiskLuck luck) {
  const bool real = store == DiskStore::sqlite || (store == DiskStore::either && luck().coin());
  if (real) return std::make_unique<SqliteDisk>(options, std::move(luck));
  return std::make_unique<ModelDisk>(options, std::move(luck));
}

Result<std::vector<node::StoredSpace>> ModelDisk::load() {
  if (has(DiskFault::unreadable)) {
    return make_error(ErrorCode::io, "the simulated disk cannot be read");
  }
  auto stored = look();
  uncertain_ = stored.ok() && crashed_ && luck_().chance(options_.uncertain_after_crash);
  if (!stored.ok()) return stored;
  for (auto& space : *stored) space.last_writes_uncertain = uncertain_;
  return stored;
}

Result<std::vector<node::StoredSpace>> ModelDisk::look() {
  if (damaged_) return make_error(ErrorCode::corrupt, "a bit of the simulated store is turned");
  std::vector<node::StoredSpace> loaded;
  for (const auto& [name, kept] : spaces_) {
    node::SpaceLoader loader(name, kept.replica, kept.last_time);
    if (kept.checkpointed) {
      if (auto status = loader.header(kept.header); !status.ok()) return std::move(status).error();
      for (const auto& [key, bytes] : kept.cells) {
        if (auto status = loader.cell(key, bytes); !status.ok()) return std::move(status).error();
      }
      if (kept.hash) loader.expect_hash(*kept.hash);
    }
    for (const auto& record : kept.log) {
      if (auto status = loader.record(record.kind, record.bytes); !status.ok()) {
        return std::move(status).error();
      }
    }
    auto space = loader.finish();
    if (!space.ok()) return std::move(space).error();
    loaded.push_back(*std::move(space));
  }
  return loaded;
}

Status ModelDisk::write(const node::PersistBatch& batch) {
  if (has(DiskFault::refuses_writes)) {
    return luck_().coin() ? make_error(ErrorCode::disk_full, "the simulated disk is full")
                          : make_error(ErrorCode::io, "the simulated disk refuses");
  }
  if (auto status = keep(batch); !status.ok()) return status;
  if (unsynced_) unsynced_->since.push_back(batch);
  return {};
}

// The power went away in the middle of a write: all of it is there afterwards, or nothing.
Disk::Left ModelDisk::crash(const node::PersistBatch* under_way) {
  crashed_ = true;
  const bool arrived = under_way != nullptr && luck_().chance(options_.torn_batch_kept) &&
                       !has(DiskFault::refuses_writes);
  bool lost = false;
  if (unsynced_) {
    Random luck = luck_();
    if (luck.chance(options_.power_loss)) {
      Unsynced written = *std::exchange(unsynced_, std::nullopt);
      written.since.resize(luck.below(written.since.size() + 1));
      spaces_ = std::move(written.durable);
      for (const auto& batch : written.since) (void)keep(batch);
      unsynced_ = Unsynced{spaces_, {}};
      lost = true;
    }
  }
  if (lost || damaged_) return Left::to_be_found_out;
  if (!arrived || !write(*under_way).ok()) return Left::acknowledged;
  return Left::and_under_way;
}

void ModelDisk::wipe() {
  Disk::wipe();
  spaces_.clear();
  if (unsynced_) unsynced_ = Unsynced{};
}

void ModelDisk::lie(bool lying) {
  if (lying) {
    unsynced_ = Unsynced{spaces_, {}};
  } else {
    unsynced_.reset();
  }
}

Status ModelDisk::keep(const node::PersistBatch& batch) {
  for (const auto& record : batch.spaces) {
    Kept& kept = spaces_[record.space];
    kept.replica = record.replica;
    kept.last_time = std::max(kept.last_time, record.last_time);
  }
  for (const auto& record : batch.log) {
    const auto found = spaces_.find(record.space);
    if (found == spaces_.end()) {
      return make_error(ErrorCode::invalid_argument,
                        "a log record of a space that was never written", record.space);
    }
    found->second.log.push_back({record.kind, record.bytes});
  }
  for (const auto& checkpoint : batch.checkpoints) {
    const auto found = spaces_.find(checkpoint.space);
    if (found == spaces_.end()) {
      return make_error(ErrorCode::invalid_argument,
                        "a checkpoint of a space that was never written", checkpoint.space);
    }
    Kept& kept = found->second;
    kept.checkpointed = true;
    kept.header = checkpoint.header;
    kept.last_time = checkpoint.last_time;
    kept.hash = checkpoint.hash;
    for (const auto& cell : checkpoint.dirty_cells) {
      if (cell.bytes.empty()) {
        kept.cells.erase(cell.key);
      } else {
        kept.cells[cell.key] = cell.bytes;
      }
    }
    kept.log.clear();
  }
  return {};
}

}  // namespace rejoin::simulation
