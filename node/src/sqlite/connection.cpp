#include "sqlite/connection.h"

#include <cerrno>
#include <cstring>

namespace rejoin::node::sqlite {
namespace {

// What SQLite says, with the operating system's words where there are some.
std::string words_of(sqlite3* db, int code) {
  std::string words = db != nullptr ? sqlite3_errmsg(db) : sqlite3_errstr(code);
  const int system_error = db != nullptr ? sqlite3_system_errno(db) : 0;
  const int primary = code & 0xFF;
  if (system_error != 0 && (primary == SQLITE_IOERR || primary == SQLITE_CANTOPEN)) {
    words += " (";
    words += std::strerror(system_error);
    words += ")";
  }
  return words;
}

bool is_out_of_space(sqlite3* db, int code) {
  if ((code & 0xFF) == SQLITE_FULL) return true;
  if ((code & 0xFF) != SQLITE_IOERR || db == nullptr) return false;
  const int system_error = sqlite3_system_errno(db);
  return system_error == ENOSPC || system_error == EDQUOT || system_error == EFBIG;
}

Error error_of(sqlite3* db, int code, const std::string& path) {
  if (is_out_of_space(db, code)) {
    return make_error(ErrorCode::disk_full,
                      "no room left for the store; nothing acknowledged is lost, and writing goes "
                      "on as soon as there is room: free some space on this disk",
                      path);
  }
  switch (code & 0xFF) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_CONSTRAINT:  // a row that the store's own bookkeeping says is not there
      return make_error(ErrorCode::corrupt, "the store is damaged: " + words_of(db, code), path);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return make_error(ErrorCode::busy,
                        "the store is open in another process: stop that one, or use another "
                        "directory",
                        path);
    case SQLITE_TOOBIG:
      return make_error(ErrorCode::limit_exceeded,
                        "a row would be larger than SQLite allows: " + words_of(db, code), path);
    default:
      if (code == SQLITE_IOERR_CORRUPTFS) {
        return make_error(ErrorCode::corrupt, "the file system is damaged: " + words_of(db, code),
                          path);
      }
      return make_error(ErrorCode::io, "the store cannot be used: " + words_of(db, code), path);
  }
}

}  // namespace

// ---- Statement ----

Statement& Statement::bind(int parameter, std::int64_t value) {
  const int code = sqlite3_bind_int64(statement_.get(), parameter, value);
  if (code != SQLITE_OK) bind_error_ = code;
  return *this;
}

Statement& Statement::bind_blob(int parameter, std::string_view bytes) {
  // A null pointer would bind NULL rather than an empty blob.
  const int code = bytes.empty() ? sqlite3_bind_zeroblob(statement_.get(), parameter, 0)
                                 : sqlite3_bind_blob64(statement_.get(), parameter, bytes.data(),
                                                       bytes.size(), SQLITE_STATIC);
  if (code != SQLITE_OK) bind_error_ = code;
  return *this;
}

Statement& Statement::bind_text(int parameter, std::string_view text) {
  const int code =
      sqlite3_bind_text64(statement_.get(), parameter, text.data() != nullptr ? text.data() : "",
                          text.size(), SQLITE_STATIC, SQLITE_UTF8);
  if (code != SQLITE_OK) bind_error_ = code;
  return *this;
}

Statement& Statement::bind_null(int parameter) {
  const int code = sqlite3_bind_null(statement_.get(), parameter);
  if (code != SQLITE_OK) bind_error_ = code;
  return *this;
}

Result<bool> Statement::step() {
  if (bind_error_ != SQLITE_OK) {
    Error error = connection_->error(bind_error_);
    reset();
    return error;
  }
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) {
    reset();
    return false;
  }
  Error error = connection_->error(code);
  reset();
  return error;
}

Status Statement::run() {
  auto row = step();
  reset();
  if (!row.ok()) return std::move(row).error();
  return {};
}

void Statement::reset() {
  sqlite3_reset(statement_.get());
  bind_error_ = SQLITE_OK;
}

std::int64_t Statement::integer(int column) const {
  return sqlite3_column_int64(statement_.get(), column);
}

std::string_view Statement::bytes(int column) const {
  const void* data = sqlite3_column_blob(statement_.get(), column);
  if (data == nullptr) return {};
  return {static_cast<const char*>(data),
          static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column))};
}

bool Statement::is_null(int column) const {
  return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL;
}
bool Statement::is_integer(int column) const {
  return sqlite3_column_type(statement_.get(), column) == SQLITE_INTEGER;
}
bool Statement::is_blob(int column) const {
  return sqlite3_column_type(statement_.get(), column) == SQLITE_BLOB;
}
bool Statement::is_text(int column) const {
  return sqlite3_column_type(statement_.get(), column) == SQLITE_TEXT;
}

// ---- Connection ----

Result<std::unique_ptr<Connection>> Connection::open(const std::string& path, int flags,
                                                     const std::string& vfs) {
  sqlite3* db = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &db, flags, vfs.empty() ? nullptr : vfs.c_str());
  if (code != SQLITE_OK) {
    Error error = error_of(db, code, path);
    sqlite3_close(db);
    return error;
  }
  sqlite3_extended_result_codes(db, 1);
  return std::unique_ptr<Connection>(new Connection(db, path));
}

Connection::~Connection() { sqlite3_close(db_); }

Status Connection::execute(const char* sql) {
  const int code = sqlite3_exec(db_, sql, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return error(code);
  return {};
}

Result<Statement> Connection::prepare(const char* sql) {
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v3(db_, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  if (code != SQLITE_OK) return error(code);
  Statement out;
  out.statement_.reset(statement);
  out.connection_ = this;
  return out;
}

Result<std::int64_t> Connection::query_integer(const char* sql) {
  auto statement = prepare(sql);
  if (!statement.ok()) return std::move(statement).error();
  auto row = statement->step();
  if (!row.ok()) return std::move(row).error();
  return *row ? statement->integer(0) : 0;
}

Result<std::string> Connection::query_text(const char* sql) {
  auto statement = prepare(sql);
  if (!statement.ok()) return std::move(statement).error();
  auto row = statement->step();
  if (!row.ok()) return std::move(row).error();
  return *row ? std::string(statement->bytes(0)) : std::string();
}

Error Connection::error(int code) const { return error_of(db_, code, path_); }

Error Connection::corrupt(std::string what) const {
  return make_error(ErrorCode::corrupt, "the store is damaged: " + std::move(what), path_);
}

}  // namespace rejoin::node::sqlite
