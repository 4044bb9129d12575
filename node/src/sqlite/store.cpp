#include "sqlite/store.h"

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <system_error>
#include <utility>

namespace rejoin::node::sqlite {
namespace {

// Makes a new directory entry survive a power loss. A file system that cannot do this has no better
// way either, so that failing is not an error.
void sync_directory(const std::filesystem::path& directory) {
  const int fd = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  ::fsync(fd);
  ::close(fd);
}

}  // namespace

std::string database_path(const std::string& directory) { return directory + "/rejoin.db"; }
std::string write_ahead_path(const std::string& directory) {
  return database_path(directory) + "-wal";
}
std::string acknowledged_path(const std::string& directory) { return directory + "/rejoin.acked"; }

std::uint64_t size_of(const std::string& path) {
  std::error_code code;
  const auto size = std::filesystem::file_size(path, code);
  return code ? 0 : size;
}

Result<std::unique_ptr<Store>> Store::open(SqliteOptions options) {
  std::unique_ptr<Store> store(new Store(std::move(options)));
  for (auto step : {&Store::prepare_directory, &Store::connect, &Store::configure,
                    &Store::recognize, &Store::confirm_log, &Store::prepare_statements}) {
    if (auto status = (store.get()->*step)(); !status.ok()) {
      Error error = std::move(status).error();
      if (error.code == ErrorCode::busy) error.where = store->options_.directory;
      return error;
    }
  }
  return store;
}

Status Store::prepare_directory() {
  vfs_ = sqlite3_vfs_find(options_.vfs.empty() ? nullptr : options_.vfs.c_str());
  if (vfs_ == nullptr) {
    return make_error(ErrorCode::invalid_argument, "no such SQLite VFS is registered",
                      options_.vfs);
  }
  if (options_.directory.empty()) {
    return make_error(ErrorCode::invalid_argument, "the store's directory has no name");
  }
  if (options_.read_only || !options_.vfs.empty()) return {};
  std::error_code code;
  const std::filesystem::path directory(options_.directory);
  const bool made = std::filesystem::create_directories(directory, code);
  if (code || !std::filesystem::is_directory(directory, code)) {
    return make_error(ErrorCode::io,
                      "the store's directory cannot be made: " +
                          (code ? code.message() : std::string("another file has this name")) +
                          "; choose another one",
                      options_.directory);
  }
  if (made) sync_directory(std::filesystem::absolute(directory).parent_path());
  return {};
}

Status Store::connect() {
  const std::string path = database_path(options_.directory);
  const auto has_contents = [&](const std::string& file) {
    int exists = 0;
    return vfs_->xAccess(vfs_, file.c_str(), SQLITE_ACCESS_EXISTS, &exists) == SQLITE_OK &&
           exists != 0;
  };
  if (!has_contents(path)) {
    // SQLite would begin a new database, and drop the log of the old one.
    for (const std::string& other : {acknowledged_path(options_.directory), path + "-wal"}) {
      if (has_contents(other)) {
        return make_error(
            ErrorCode::corrupt,
            "the store is damaged: this file is missing or empty, although " + other + " is there",
            path);
      }
    }
    if (options_.read_only) {
      return make_error(ErrorCode::not_found, "there is no store: " + path + " does not exist",
                        options_.directory);
    }
  }
  had_log_ = has_contents(path + "-wal");
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE |
                    (options_.read_only ? 0 : SQLITE_OPEN_CREATE);
  auto connection = Connection::open(path, flags, options_.vfs);
  if (!connection.ok()) return std::move(connection).error();
  connection_ = *std::move(connection);
  return {};
}

Status Store::configure() {
  sqlite3* db = connection_->handle();
  // What a store that has not been verified holds is left for those who want to look at it.
  sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  // The lock is taken with the first read, and the log's index is kept in memory instead of in a
  // file. No memory maps: a file that is cut off under one ends the process.
  const char* const settings[] = {"PRAGMA locking_mode=EXCLUSIVE", "PRAGMA mmap_size=0",
                                  "PRAGMA cell_size_check=ON", "PRAGMA cache_size=-16384",
                                  "PRAGMA secure_delete=OFF"};
  for (const char* setting : settings) {
    if (auto status = connection_->execute(setting); !status.ok()) return status;
  }
  if (options_.read_only) return connection_->execute("PRAGMA query_only=ON");
  auto mode = connection_->query_text("PRAGMA journal_mode=WAL");
  if (!mode.ok()) return std::move(mode).error();
  if (*mode != "wal") {
    return make_error(ErrorCode::io,
                      "this file system cannot hold a write-ahead log (journal mode " + *mode +
                          "); use another directory",
                      connection_->path());
  }
  for (const char* setting : {"PRAGMA synchronous=FULL", "PRAGMA wal_autocheckpoint=1000",
                              "PRAGMA journal_size_limit=16777216"}) {
    if (auto status = connection_->execute(setting); !status.ok()) return status;
  }
  return {};
}

Status Store::recognize() {
  auto torn = has_torn_end(connection_->handle());
  auto id = connection_->query_integer("PRAGMA application_id");
  auto version = connection_->query_integer("PRAGMA user_version");
  auto objects = connection_->query_integer("SELECT count(*) FROM sqlite_schema");
  for (const auto* answer : {&id, &version, &objects}) {
    if (!answer->ok()) return answer->error();
  }
  if (*id == 0 && *version == 0 && *objects == 0) {
    if (AcknowledgedFile::read(vfs_, acknowledged_path(options_.directory))) {
      return connection_->corrupt("it is empty, although it was written before");
    }
    if (options_.read_only) {
      return make_error(ErrorCode::not_found, "there is no store: this file is empty",
                        connection_->path());
    }
    return create();
  }
  if (*id != application_id) {
    return connection_->corrupt("this is a database, but not a store of Rejoin");
  }
  if (*version > format_version) {
    return make_error(ErrorCode::unsupported_version,
                      "the store has format " + std::to_string(*version) +
                          ", and this program knows formats up to " +
                          std::to_string(format_version) + ": use a newer one",
                      connection_->path());
  }
  if (*version < oldest_format_version) {
    return connection_->corrupt("there is no format " + std::to_string(*version));
  }
  auto tables = connection_->prepare("SELECT sql FROM sqlite_schema ORDER BY rowid");
  if (!tables.ok()) return std::move(tables).error();
  for (const char* expected : schema) {
    auto row = tables->step();
    if (!row.ok()) return std::move(row).error();
    if (!*row || tables->bytes(0) != expected) return connection_->corrupt("its schema is altered");
  }
  auto row = tables->step();
  if (!row.ok()) return std::move(row).error();
  if (*row) return connection_->corrupt("its schema has more tables than it should");
  if (!torn.ok()) return std::move(torn).error();
  torn_end_ = *torn;
  is_older_ = *version != format_version;
  return {};
}

// A read that fails while the mode is set leaves the former one, although "wal" was the answer; and
// in that one a commit may have been made although it was refused.
Status Store::confirm_log() {
  if (options_.read_only) return {};
  auto without = is_without_log(connection_->handle());
  if (without.ok() && !*without) return {};
  return make_error(ErrorCode::io,
                    without.ok()
                        ? "no write-ahead log could be begun: check the disk, and try again"
                        : without.error().message,
                    connection_->path());
}

Status Store::create() {
  const RootRow root;
  std::string sql = "BEGIN IMMEDIATE;";
  sql += "PRAGMA application_id=" + std::to_string(application_id) + ";";
  sql += "PRAGMA user_version=" + std::to_string(format_version) + ";";
  for (const char* table : schema) sql += std::string(table) + ";";
  sql += "INSERT INTO root VALUES(1, 0, 0, 0, 0, 0, 0, " + std::to_string(root.checksum()) + ");";
  sql += "COMMIT";
  if (auto status = connection_->execute(sql.c_str()); !status.ok()) return status;
  if (options_.vfs.empty()) sync_directory(options_.directory);
  return {};
}

Status Store::prepare_statements() {
  const std::pair<Statement*, const char*> statements[] = {
      {&begin_, "BEGIN IMMEDIATE"},
      {&commit_, "COMMIT"},
      {&rollback_, "ROLLBACK"},
      {&put_root_, "REPLACE INTO root VALUES(1, ?, ?, ?, ?, ?, ?, ?)"},
      {&put_space_, "REPLACE INTO spaces VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)"},
      {&select_header_, "SELECT header FROM spaces WHERE id = ?"},
      {&insert_log_, "INSERT INTO log VALUES(?, ?, ?, ?, ?)"},
      {&delete_log_, "DELETE FROM log WHERE lsn BETWEEN ? AND ?"},
      {&select_cell_, "SELECT checksum FROM cells WHERE space = ? AND key = ?"},
      {&put_cell_, "REPLACE INTO cells VALUES(?, ?, ?, ?)"},
      {&delete_cell_, "DELETE FROM cells WHERE space = ? AND key = ?"},
  };
  for (const auto& [statement, sql] : statements) {
    auto prepared = connection_->prepare(sql);
    if (!prepared.ok()) return std::move(prepared).error();
    *statement = *std::move(prepared);
  }
  return {};
}

Store::~Store() {
  if (connection_ == nullptr) return;
  // SQLite then empties and removes the log when it closes. What is kept is one file, all of it
  // checked. A reader leaves a log alone, and takes along the empty one that SQLite made for it.
  const bool removes_log = options_.read_only ? !had_log_ : loaded_;
  if (!options_.read_only && loaded_) acknowledge(true);
  if (removes_log) {
    sqlite3_db_config(connection_->handle(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, nullptr);
  }
}

Status Store::load(ScanVisitor& visitor) {
  loaded_ = false;
  auto state = scan(*connection_, visitor);
  if (!state.ok()) return std::move(state).error();
  state_ = *std::move(state);
  space_ids_.clear();
  for (auto& [id, space] : state_.spaces) {
    if (!space_ids_.emplace(space.row.name, id).second) {
      return connection_->corrupt("two of its spaces have the name " + space.row.name);
    }
    space.row.header.clear();  // may be large; read again when it is needed
    space.row.header.shrink_to_fit();
  }
  if (auto status = judge_tail(); !status.ok()) return status;
  if (options_.read_only) return {};

  // A process that was killed may have left a commit that no sync has covered. From now on others
  // may hear of it.
  if (auto status = sync_log(connection_->handle()); !status.ok()) {
    Error error = std::move(status).error();
    error.where = connection_->path();
    return error;
  }
  auto file = AcknowledgedFile::open(vfs_, acknowledged_path(options_.directory));
  if (!file.ok()) return std::move(file).error();
  acknowledged_ = *std::move(file);
  loaded_ = true;
  acknowledge(true);
  // What was verified goes into the database file, and the log begins anew: remains of a commit
  // that was cut short are not found a second time. Failing costs nothing but that.
  sqlite3_wal_checkpoint_v2(connection_->handle(), "main", SQLITE_CHECKPOINT_TRUNCATE, nullptr,
                            nullptr);
  torn_end_ = false;
  return {};
}

Status Store::load() {
  struct Nobody : ScanVisitor {
    Status space(const SpaceRow&) override { return {}; }
    Status cell(std::int64_t, std::string_view, std::string_view) override { return {}; }
    Status record(std::int64_t, RecordKind, std::string_view) override { return {}; }
  } nobody;
  return load(nobody);
}

Status Store::judge_tail() {
  boot_ = boot_hash(options_.boot_id);
  const std::int64_t commits = state_.root.commits;
  if (acknowledged_ == nullptr) {  // not judged before
    const auto acknowledged = AcknowledgedFile::read(vfs_, acknowledged_path(options_.directory));
    if (!acknowledged) {
      uncertain_ = commits > 0;
    } else if (acknowledged->commits > commits) {
      return connection_->corrupt("its last " + std::to_string(acknowledged->commits - commits) +
                                  " commits are gone, although they were acknowledged (was it "
                                  "brought back from a backup?)");
    } else {
      const bool exact = boot_ != 0 && acknowledged->boot == boot_;
      uncertain_ = acknowledged->uncertain || (!exact && torn_end_);
    }
  }
  doubted_.clear();
  if (!uncertain_) return {};
  for (const auto& [id, space] : state_.spaces) doubted_.insert(id);
  uncertain_ = !doubted_.empty();
  return {};
}

void Store::acknowledge(bool sync) {
  // When this fails the file says less than it could, which is never wrong.
  (void)acknowledged_->write({state_.root.commits, boot_, !doubted_.empty()}, sync);
}

}  // namespace rejoin::node::sqlite
