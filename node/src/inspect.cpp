#include "rejoin/node/inspect.h"

#include <utility>

#include "sqlite/loading.h"
#include "sqlite/store.h"

namespace rejoin::node {
namespace {

// Counts what passes on its way to the loaders.
class CountingVisitor : public sqlite::LoadingVisitor {
 public:
  using LoadingVisitor::LoadingVisitor;

  Status space(const sqlite::SpaceRow& row) override {
    counts_[row.id].header_bytes = row.header.size();
    return LoadingVisitor::space(row);
  }
  Status cell(std::int64_t space, std::string_view key, std::string_view bytes) override {
    InspectedSpace& counts = counts_[space];
    ++counts.stored_cells;
    counts.stored_cell_bytes += key.size() + bytes.size();
    return LoadingVisitor::cell(space, key, bytes);
  }
  Status record(std::int64_t space, RecordKind kind, std::string_view bytes) override {
    InspectedSpace& counts = counts_[space];
    if (kind == RecordKind::event) ++counts.log_events;
    if (kind == RecordKind::delta) ++counts.log_deltas;
    counts.log_bytes += bytes.size();
    return LoadingVisitor::record(space, kind, bytes);
  }

  std::vector<InspectedSpace> take_counted() {
    std::vector<StoredSpace> spaces = take();
    std::vector<InspectedSpace> out;
    for (auto& [id, counts] : counts_) {  // by id, as the loaders are
      counts.space = std::move(spaces[out.size()]);
      out.push_back(std::move(counts));
    }
    return out;
  }

 private:
  std::map<std::int64_t, InspectedSpace> counts_;
};

}  // namespace

Result<Inspection> inspect(const std::string& directory) {
  SqliteOptions options;
  options.directory = directory;
  options.read_only = true;
  const std::string path = sqlite::database_path(directory);
  Inspection out;
  out.directory = directory;
  out.database_bytes = sqlite::size_of(path);
  out.write_ahead_bytes = sqlite::size_of(sqlite::write_ahead_path(directory));

  auto store = sqlite::Store::open(std::move(options));
  if (!store.ok()) return std::move(store).error();
  CountingVisitor visitor(path);
  if (auto status = (*store)->load(visitor); !status.ok()) return std::move(status).error();
  out.format = sqlite::format_version;
  out.commits = (*store)->state().root.commits;
  out.certain = !(*store)->uncertain();
  auto pages = (*store)->connection().query_integer("PRAGMA freelist_count");
  auto page_bytes = (*store)->connection().query_integer("PRAGMA page_size");
  if (pages.ok() && page_bytes.ok())
    out.free_bytes = static_cast<std::uint64_t>(*pages * *page_bytes);
  out.spaces = visitor.take_counted();
  for (InspectedSpace& space : out.spaces) space.space.last_writes_uncertain = !out.certain;
  return out;
}

}  // namespace rejoin::node
