#include "rejoin/node/sqlite_storage.h"

#include <utility>

#include "sqlite/loading.h"
#include "sqlite/store.h"

namespace rejoin::node {
namespace {

// From here on it is worth a thread to read cells while others are built.
constexpr std::uint64_t large_bytes = 32u << 20;

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

std::uint64_t SqliteStorage::file_bytes(const std::string& directory) {
  return sqlite::size_of(sqlite::database_path(directory)) +
         sqlite::size_of(sqlite::write_ahead_path(directory));
}

Result<std::vector<StoredSpace>> SqliteStorage::load() {
  sqlite::LoadingVisitor visitor(impl_->store->connection().path());
  const auto scan = [&] { return impl_->store->load(visitor); };
  const bool large = sqlite::size_of(impl_->store->connection().path()) >= large_bytes;
  auto status = large ? visitor.build_beside(scan) : scan();
  if (!status.ok()) return std::move(status).error();
  auto spaces = visitor.take();
  for (StoredSpace& space : spaces) space.last_writes_uncertain = impl_->store->uncertain();
  return spaces;
}

Status SqliteStorage::write(const PersistBatch& batch) { return impl_->store->write(batch); }

}  // namespace rejoin::node
