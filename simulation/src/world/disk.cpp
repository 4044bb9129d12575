#include "world/disk.h"

#include <utility>

namespace rejoin::simulation {

Result<std::vector<node::StoredSpace>> ModelDisk::load() {
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
  for (const auto& record : batch.spaces) spaces_[record.space].replica = record.replica;
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
