// One connection to SQLite and its prepared statements, with errors as values.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "rejoin/crdt/result.h"

namespace rejoin::node::sqlite {

class Connection;

// A prepared statement that is kept. Parameters and columns count from 1 and 0, as in SQLite. What
// is bound must stay alive until reset(); what a column returns is valid until the next step().
class Statement {
 public:
  Statement() = default;

  Statement& bind(int parameter, std::int64_t value);
  Statement& bind_blob(int parameter, std::string_view bytes);
  Statement& bind_text(int parameter, std::string_view text);
  Statement& bind_null(int parameter);

  // True: a row is there. False: done; the statement has been reset.
  Result<bool> step();
  // Runs a statement that gives no rows.
  Status run();
  void reset();

  std::int64_t integer(int column) const;
  std::string_view bytes(int column) const;  // of a blob or text
  bool is_null(int column) const;
  // True when the column holds what the schema says: an altered record may hold anything.
  bool is_integer(int column) const;
  bool is_blob(int column) const;
  bool is_text(int column) const;

 private:
  friend class Connection;
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
  Connection* connection_ = nullptr;
  int bind_error_ = SQLITE_OK;
};

// Not movable: statements point to it.
class Connection {
 public:
  // `flags` are SQLite's open flags. `vfs` empty: the default one. Errors name `path`.
  static Result<std::unique_ptr<Connection>> open(const std::string& path, int flags,
                                                  const std::string& vfs);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection();

  Status execute(const char* sql);
  Result<Statement> prepare(const char* sql);
  // The first column of the first row of a query that gives an integer.
  Result<std::int64_t> query_integer(const char* sql);
  Result<std::string> query_text(const char* sql);

  bool in_transaction() const { return sqlite3_get_autocommit(db_) == 0; }
  // The error for what the last call on this connection returned.
  Error error(int code) const;
  Error corrupt(std::string what) const;

  sqlite3* handle() const { return db_; }
  const std::string& path() const { return path_; }

 private:
  Connection(sqlite3* db, std::string path) : db_(db), path_(std::move(path)) {}
  sqlite3* db_;
  std::string path_;
};

}  // namespace rejoin::node::sqlite
