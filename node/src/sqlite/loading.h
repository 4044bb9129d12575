// Documents out of the rows of a store.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "rejoin/node/storage.h"
#include "sqlite/cell_queue.h"
#include "sqlite/scan.h"

namespace rejoin::node::sqlite {

// Feeds the loaders of all spaces while a store is scanned.
class LoadingVisitor : public ScanVisitor {
 public:
  explicit LoadingVisitor(std::string path) : path_(std::move(path)) {}

  Status space(const SpaceRow& row) override;
  Status cell(std::int64_t space, std::string_view key, std::string_view bytes) override;
  Status record(std::int64_t space, RecordKind kind, std::string_view bytes) override;
  Status end() override;

  // Runs a scan that feeds this on a thread of its own, and builds here what it reads. For large
  // stores, of which both take about as long.
  Status build_beside(const std::function<Status()>& scan);

  // After a scan that went well: all spaces, by id.
  std::vector<StoredSpace> take() { return std::move(spaces_); }

 private:
  SpaceLoader& of(std::int64_t space);
  Status all_built();  // of the cells so far
  Status checked(Status status) const;

  std::string path_;
  std::map<std::int64_t, SpaceLoader> loaders_;
  std::vector<StoredSpace> spaces_;
  std::optional<CellQueue> queue_;
  std::int64_t current_id_ = 0;
  SpaceLoader* current_ = nullptr;
};

}  // namespace rejoin::node::sqlite
