#include "sqlite/loading.h"

#include <thread>
#include <utility>

namespace rejoin::node::sqlite {

Status LoadingVisitor::space(const SpaceRow& row) {
  SpaceLoader& loader =
      loaders_.try_emplace(row.id, row.name, row.replica, row.last_time).first->second;
  if (row.header.empty()) return {};  // never checkpointed: it begins empty
  if (row.state_hash) loader.expect_hash(*row.state_hash);
  return checked(loader.header(row.header));
}

Status LoadingVisitor::cell(std::int64_t space, std::string_view key, std::string_view bytes) {
  if (queue_) return checked(queue_->add(space, key, bytes));
  return checked(of(space).cell(key, bytes));
}

Status LoadingVisitor::record(std::int64_t space, RecordKind kind, std::string_view bytes) {
  if (auto built = all_built(); !built.ok()) return built;
  return checked(of(space).record(kind, std::string(bytes)));
}

Status LoadingVisitor::end() {
  if (auto built = all_built(); !built.ok()) return built;
  for (auto& [id, loader] : loaders_) {
    auto space = loader.finish();
    if (!space.ok()) return checked(std::move(space).error());
    spaces_.push_back(*std::move(space));
  }
  return {};
}

Status LoadingVisitor::build_beside(const std::function<Status()>& scan) {
  queue_.emplace();
  Status outcome;
  std::thread scanning([&] {
    outcome = scan();
    queue_->close();
  });
  queue_->build_all([this](std::int64_t space, std::string_view key, std::string_view bytes) {
    return of(space).cell(key, bytes);
  });
  scanning.join();
  return outcome;
}

Status LoadingVisitor::all_built() { return queue_ ? checked(queue_->finish()) : Status(); }

SpaceLoader& LoadingVisitor::of(std::int64_t space) {
  if (current_ == nullptr || current_id_ != space) {
    current_ = &loaders_.at(space);  // the scan hands out known spaces only
    current_id_ = space;
  }
  return *current_;
}

// Loaders know the space, but not the file.
Status LoadingVisitor::checked(Status status) const {
  if (status.ok()) return status;
  Error error = std::move(status).error();
  error.message = error.where + ": " + error.message;
  error.where = path_;
  return error;
}

}  // namespace rejoin::node::sqlite
