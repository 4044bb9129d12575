#include "rejoin/node/sqlite_storage.h"

#include <map>
#include <utility>

#include "sqlite/store.h"

namespace rejoin::node {
namespace {

// Feeds the loaders of all spaces while a store is scanned.
class LoadingVisitor : public sqlite::ScanVisitor {
 public:
  explicit LoadingVisitor(std::string path) : path_(std::move(path)) {}

  Status space(const sqlite::SpaceRow& row) override {
    SpaceLoader& loader =
        loaders_.try_emplace(row.id, row.name, row.replica, row.last_time).first->second;
    if (row.header.empty()) return {};  // never checkpointed: it begins empty
    if (row.state_hash) loader.expect_hash(*row.state_hash);
    return checked(loader.header(row.header));
  }
  Status cell(std::int64_t space, std::string_view key, std::string_view bytes) override {
    return checked(of(space).cell(key, bytes));
  }
  Status record(std::int64_t space, RecordKind kind, std::string_view bytes) override {
    return checked(of(space).record(kind, std::string(bytes)));
  }

  Status end() override {
    for (auto& [id, loader] : loaders_) {
      auto space = loader.finish();
      if (!space.ok()) return checked(std::move(space).error());
      spaces_.push_back(*std::move(space));
    }
    return {};
  }

  std::vector<StoredSpace> take() { return std::move(spaces_); }

 private:
  SpaceLoader& of(std::int64_t space) {
    if (current_ == nullptr || current_id_ != space) {
      current_ = &loaders_.at(space);  // the scan hands out known spaces only
      current_id_ = space;
    }
    return *current_;
  }
  // Loaders know the space, but not the file.
  Status checked(Status status) const {
    if (status.ok()) return status;
    Error error = std::move(status).error();
    error.message = error.where + ": " + error.message;
    error.where = path_;
    return error;
  }

  std::string path_;
  std::map<std::int64_t, SpaceLoader> loaders_;
  std::vector<StoredSpace> spaces_;
  std::int64_t current_id_ = 0;
  SpaceLoader* current_ = nullptr;
};

}  // namespace

struct SqliteStorage::Impl {
  std::unique_ptr<sqlite::Store> store;
};

SqliteStorage::SqliteStorage(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SqliteStorage::~SqliteStorage() = default;

Result<std::unique_ptr<SqliteStorage>> SqliteStorage::open(SqliteOptions options) {
  auto store = sqlite::Store::open(std::move(options));
  if (!store.ok()) return std::move(store).error();
  auto impl = std::make_unique<Impl>();
  impl->store = *std::move(store);
  return std::unique_ptr<SqliteStorage>(new SqliteStorage(std::move(impl)));
}

Result<std::vector<StoredSpace>> SqliteStorage::load() {
  LoadingVisitor visitor(impl_->store->connection().path());
  if (auto status = impl_->store->load(visitor); !status.ok()) return std::move(status).error();
  auto spaces = visitor.take();
  for (StoredSpace& space : spaces) space.last_writes_uncertain = impl_->store->uncertain();
  return spaces;
}

Status SqliteStorage::write(const PersistBatch& batch) { return impl_->store->write(batch); }

}  // namespace rejoin::node
