// An open store at the level of rows: what SqliteStorage and `rejoin inspect` are built on.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>

#include "rejoin/node/sqlite_storage.h"
#include "sqlite/connection.h"
#include "sqlite/scan.h"
#include "sqlite/tail.h"

namespace rejoin::node::sqlite {

// The files of a store in `directory`.
std::string database_path(const std::string& directory);
std::string write_ahead_path(const std::string& directory);
std::string acknowledged_path(const std::string& directory);
std::uint64_t size_of(const std::string& path);  // 0 where there is no such file

// Used from one thread at a time.
class Store {
 public:
  static Result<std::unique_ptr<Store>> open(SqliteOptions options);
  // Leaves a store that was loaded as one file, without a write-ahead log; any other as it is.
  ~Store();
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  // Verifies everything and hands it to the visitor; afterwards the store can be written.
  Status load(ScanVisitor& visitor);
  Status load();  // hands it to nobody
  Status write(const PersistBatch& batch);

  // As of the last load() and the writes since.
  const StoreState& state() const { return state_; }
  // True when it is not certain that every acknowledged write is here: see tail.h.
  bool uncertain() const { return uncertain_; }
  Connection& connection() { return *connection_; }

 private:
  class Batch;

  explicit Store(SqliteOptions options) : options_(std::move(options)) {}
  Status prepare_directory();
  Status connect();
  Status configure();
  Status recognize();
  Status confirm_log();
  Status create();
  Status prepare_statements();
  Status judge_tail();
  void acknowledge(bool sync);
  void give_back_free_pages();

  SqliteOptions options_;
  sqlite3_vfs* vfs_ = nullptr;
  std::unique_ptr<Connection> connection_;
  std::unique_ptr<AcknowledgedFile> acknowledged_;
  Statement begin_, commit_, rollback_;
  Statement put_root_, put_space_, select_header_, insert_log_, delete_log_;
  Statement select_cell_, put_cell_, delete_cell_;

  bool had_log_ = false;  // a write-ahead log with something in it, before this open()
  bool loaded_ = false;
  bool is_older_ = false;      // its format, until the next commit
  bool torn_end_ = false;      // of the write-ahead log, as found
  bool write_failed_ = false;  // since the write-ahead log was last emptied
  std::uint64_t boot_ = 0;
  bool uncertain_ = false;
  std::set<std::int64_t> doubted_;  // spaces that have not taken a new replica id since
  StoreState state_;
  std::map<std::string, std::int64_t, std::less<>> space_ids_;
};

}  // namespace rejoin::node::sqlite
