#include "rejoin/node/storage.h"

#include <utility>

#include "rejoin/crdt/delta.h"

namespace rejoin::node {
namespace {

// What was once applied or kept here and is refused now is damaged, whatever the refusal says;
// unless a newer program wrote it.
Error damaged(const std::string& space, const std::string& what, const Error& cause) {
  const bool newer = cause.code == ErrorCode::unsupported_version;
  return make_error(newer ? cause.code : ErrorCode::corrupt, what + ": " + cause.message,
                    "space " + space);
}

}  // namespace

std::uint64_t PersistBatch::bytes() const {
  std::uint64_t sum = 0;
  for (const LogRecord& record : log) sum += record.bytes.size();
  for (const CheckpointRecord& checkpoint : checkpoints) {
    sum += checkpoint.header.size();
    for (const Document::StoredCell& cell : checkpoint.dirty_cells) {
      sum += cell.key.size() + cell.bytes.size();
    }
  }
  return sum;
}

SpaceLoader::SpaceLoader(std::string name, ReplicaId replica, HybridTime last_time) {
  space_.name = std::move(name);
  space_.replica = replica;
  space_.last_time = last_time;
  space_.document = Document(replica);
}

Status SpaceLoader::header(std::string_view bytes) {
  if (auto status = space_.document.load_header(bytes); !status.ok()) {
    return damaged(space_.name, "its header cannot be read", status.error());
  }
  return {};
}

Status SpaceLoader::cell(std::string_view key, std::string_view bytes) {
  if (auto status = space_.document.load_cell(key, bytes); !status.ok()) {
    return damaged(space_.name, "a cell cannot be read", status.error());
  }
  return {};
}

Status SpaceLoader::begin_log() {
  if (loaded_) return {};
  loaded_ = true;
  if (auto status = space_.document.finish_load(); !status.ok()) {
    return damaged(space_.name, "its cells contradict each other", status.error());
  }
  if (expected_ && space_.document.hash() != *expected_) {
    return make_error(ErrorCode::corrupt,
                      "its cells give the state hash " + space_.document.hash().to_string() +
                          ", but the checkpoint's was " + expected_->to_string(),
                      "space " + space_.name);
  }
  return {};
}

Status SpaceLoader::record(RecordKind kind, std::string bytes) {
  if (auto status = begin_log(); !status.ok()) return status;
  space_.log_bytes += bytes.size();
  const auto applied = [&]() -> Result<Applied> {
    if (kind == RecordKind::delta) {
      auto delta = Delta::decode(bytes);
      if (!delta.ok()) return std::move(delta).error();
      return space_.document.join(*delta);
    }
    if (kind == RecordKind::retired || kind == RecordKind::restored) {
      auto ids = Clock::decode(bytes);
      if (!ids.ok()) return std::move(ids).error();
      for (const auto& [id, last] : *ids) {
        if (kind == RecordKind::restored) {
          space_.document.restore(id);
        } else if (space_.document.seen(id) == last) {
          space_.document.retire(id);
        } else {
          return Applied::missing;
        }
      }
      return Applied::applied;
    }
    auto event = Event::decode(std::move(bytes));
    if (!event.ok()) return std::move(event).error();
    auto outcome = space_.document.apply(**event);
    // Only our own times bind us: those of others may come from a clock that is far ahead.
    if ((*event)->writer() == space_.replica && (*event)->time() > space_.last_time) {
      space_.last_time = (*event)->time();
    }
    space_.recent.push_back(*std::move(event));
    return outcome;
  }();
  if (!applied.ok()) return damaged(space_.name, "a log record is refused", applied.error());
  if (*applied == Applied::missing) {
    return make_error(ErrorCode::corrupt,
                      "a log record depends on writes that are not in the store",
                      "space " + space_.name);
  }
  return {};
}

Result<StoredSpace> SpaceLoader::finish() {
  if (auto status = begin_log(); !status.ok()) return std::move(status).error();
  return std::move(space_);
}

}  // namespace rejoin::node
