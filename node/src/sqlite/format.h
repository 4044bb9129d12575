// The rows of a store, and how damage to them is noticed. docs/formats.md describes the whole.
//
// Every row carries a checksum of all its columns, its key included, so that neither a flipped bit
// nor two rows that changed places go unnoticed. Rows that are missing, or there twice, show in the
// sums: the root row holds number and sum of the checksums of all log rows and of all space rows,
// and each space row those of its cells. The sums are order-free, so that adding and dropping a row
// costs O(1).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "rejoin/crdt/hash.h"
#include "rejoin/crdt/hybrid_time.h"
#include "rejoin/crdt/id.h"
#include "sqlite/connection.h"

namespace rejoin::node::sqlite {

inline constexpr std::int64_t application_id = 0x524A4E31;  // "RJN1": in the file's header
inline constexpr std::int64_t format_version = 2;           // SQLite's user_version
inline constexpr std::int64_t oldest_format_version = 1;    // without retired replica ids

// The statements that make an empty store, in the order and spelling in which SQLite keeps them.
inline constexpr const char* schema[] = {
    "CREATE TABLE root(id INTEGER PRIMARY KEY, commits INTEGER, last_lsn INTEGER, "
    "log_rows INTEGER, log_sum INTEGER, spaces INTEGER, spaces_sum INTEGER, checksum INTEGER)",
    "CREATE TABLE spaces(id INTEGER PRIMARY KEY, name TEXT, replica BLOB, last_time INTEGER, "
    "cells INTEGER, cells_sum INTEGER, state_hash BLOB, header BLOB, checksum INTEGER)",
    "CREATE TABLE log(lsn INTEGER PRIMARY KEY, space INTEGER, more INTEGER, records BLOB, "
    "checksum INTEGER)",
    "CREATE TABLE cells(space INTEGER, key BLOB, checksum INTEGER, bytes BLOB, "
    "PRIMARY KEY(space, key)) WITHOUT ROWID",
};

// How many rows there are, and the sum modulo 2^64 of their checksums.
struct RowSum {
  std::int64_t rows = 0;
  std::uint64_t sum = 0;

  void add(std::int64_t checksum) {
    ++rows;
    sum += static_cast<std::uint64_t>(checksum);
  }
  void remove(std::int64_t checksum) {
    --rows;
    sum -= static_cast<std::uint64_t>(checksum);
  }
  friend bool operator==(const RowSum&, const RowSum&) = default;
};

// The one row that every commit rewrites.
struct RootRow {
  std::int64_t commits = 0;   // batches written since the store was made
  std::int64_t last_lsn = 0;  // the highest that was ever given to a log row
  RowSum log;
  RowSum spaces;

  std::int64_t checksum() const;
};

struct SpaceRow {
  std::int64_t id = 0;
  std::string name;
  ReplicaId replica;
  HybridTime last_time;
  RowSum cells;
  std::optional<StateHash> state_hash;  // of the document as of the checkpoint
  std::string header;                   // empty before the first checkpoint

  std::int64_t checksum() const;
};

// One group commit's records of one space, or a part of them: see docs/formats.md.
std::int64_t log_checksum(std::int64_t lsn, std::int64_t space, bool more,
                          std::string_view records);
std::int64_t cell_checksum(std::int64_t space, std::string_view key, std::string_view bytes);

// 16 bytes, as in the state_hash column.
std::string encode_hash(const StateHash& hash);
std::optional<StateHash> decode_hash(std::string_view bytes);

}  // namespace rejoin::node::sqlite
