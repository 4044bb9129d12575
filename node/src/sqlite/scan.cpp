#include "sqlite/scan.h"

#include <cstring>
#include <string>
#include <utility>

#include "rejoin/crdt/codec.h"
#include "rejoin/crdt/limits.h"

namespace rejoin::node::sqlite {
namespace {

class Scanner {
 public:
  Scanner(Connection& connection, ScanVisitor& visitor)
      : connection_(connection), visitor_(visitor) {}

  Result<StoreState> run() {
    for (auto step :
         {&Scanner::structure, &Scanner::root, &Scanner::spaces, &Scanner::cells, &Scanner::log}) {
      if (auto status = (this->*step)(); !status.ok()) return std::move(status).error();
    }
    if (auto status = visitor_.end(); !status.ok()) return std::move(status).error();
    return std::move(state_);
  }

 private:
  // SQLite's own structure: each page in its place and used once. What it finds amiss would
  // otherwise show at a later write, when it destroys something.
  Status structure() {
    auto verdict = connection_.query_text("PRAGMA quick_check(1)");
    if (!verdict.ok()) return std::move(verdict).error();
    if (*verdict == "ok") return {};
    // What SQLite could not read is listed with what is amiss, but says nothing about the contents.
    for (const char* unread : {"unable to get the page", "failed to get page"}) {
      if (verdict->find(unread) == std::string::npos) continue;
      return make_error(ErrorCode::io,
                        "the store cannot be read: " + *verdict +
                            "; check the disk, or move the store away to be filled by the peers",
                        connection_.path());
    }
    return connection_.corrupt(*verdict);
  }

  Status root() {
    auto select = connection_.prepare(
        "SELECT commits, last_lsn, log_rows, log_sum, spaces, spaces_sum, checksum, id FROM root");
    if (!select.ok()) return std::move(select).error();
    auto row = select->step();
    if (!row.ok()) return std::move(row).error();
    if (!*row) return connection_.corrupt("its root row is missing");
    for (int column = 0; column < 8; ++column) {
      if (!select->is_integer(column)) return connection_.corrupt("its root row is altered");
    }
    RootRow& root = state_.root;
    root.commits = select->integer(0);
    root.last_lsn = select->integer(1);
    root.log.rows = select->integer(2);
    root.log.sum = static_cast<std::uint64_t>(select->integer(3));
    root.spaces.rows = select->integer(4);
    root.spaces.sum = static_cast<std::uint64_t>(select->integer(5));
    if (root.checksum() != select->integer(6) || select->integer(7) != 1) {
      return connection_.corrupt("its root row fails its checksum");
    }
    return {};
  }

  Status spaces() {
    auto select = connection_.prepare(
        "SELECT id, name, replica, last_time, cells, cells_sum, state_hash, header, checksum "
        "FROM spaces ORDER BY id");
    if (!select.ok()) return std::move(select).error();
    RowSum sum;
    while (true) {
      auto row = select->step();
      if (!row.ok()) return std::move(row).error();
      if (!*row) break;
      SpaceState space;
      SpaceRow& out = space.row;
      out.id = select->integer(0);
      const std::string which = "row " + std::to_string(out.id) + " of its spaces ";
      const std::string_view replica = select->bytes(2);
      out.state_hash = decode_hash(select->bytes(6));
      if (!select->is_text(1) || replica.size() != out.replica.bytes.size() ||
          !select->is_integer(3) || !select->is_integer(4) || !select->is_integer(5) ||
          select->is_null(6) == out.state_hash.has_value() || !select->is_blob(7)) {
        return connection_.corrupt(which + "is altered");
      }
      out.name = select->bytes(1);
      std::memcpy(out.replica.bytes.data(), replica.data(), replica.size());
      out.last_time.value = static_cast<std::uint64_t>(select->integer(3));
      out.cells.rows = select->integer(4);
      out.cells.sum = static_cast<std::uint64_t>(select->integer(5));
      out.header = select->bytes(7);
      space.checksum = select->integer(8);
      if (space.checksum != out.checksum()) {
        return connection_.corrupt(which + "fails its checksum");
      }
      sum.add(space.checksum);
      if (auto status = visitor_.space(out); !status.ok()) return status;
      const std::int64_t id = out.id;
      if (!state_.spaces.emplace(id, std::move(space)).second) {
        return connection_.corrupt(which + "is there twice");
      }
    }
    if (sum != state_.root.spaces) {
      return connection_.corrupt("its spaces are not those that its root row counts");
    }
    return {};
  }

  Status cells() {
    auto select = connection_.prepare("SELECT space, key, checksum, bytes FROM cells");
    if (!select.ok()) return std::move(select).error();
    std::map<std::int64_t, RowSum> sums;
    auto of_space = sums.end();
    while (true) {
      auto row = select->step();
      if (!row.ok()) return std::move(row).error();
      if (!*row) break;
      const std::int64_t space = select->integer(0);
      const std::string_view key = select->bytes(1);
      const std::int64_t checksum = select->integer(2);
      const std::string_view bytes = select->bytes(3);
      if (checksum != cell_checksum(space, key, bytes)) {
        return connection_.corrupt("cell " + hex(key) + " of space " + std::to_string(space) +
                                   " fails its checksum");
      }
      if (of_space == sums.end() || of_space->first != space) {
        of_space = sums.try_emplace(space).first;
      }
      of_space->second.add(checksum);
      if (!state_.spaces.contains(space)) break;  // found out below
      if (auto status = visitor_.cell(space, key, bytes); !status.ok()) return status;
    }
    for (const auto& [id, space] : state_.spaces) {
      if (sums[id] != space.row.cells) {
        return connection_.corrupt("the cells of space " + space.row.name +
                                   " are not those of its checkpoint");
      }
    }
    if (sums.size() != state_.spaces.size()) {
      return connection_.corrupt("it has cells of a space that it does not know");
    }
    return {};
  }

  Status log() {
    auto select =
        connection_.prepare("SELECT lsn, space, more, records, checksum FROM log ORDER BY lsn");
    if (!select.ok()) return std::move(select).error();
    RowSum sum;
    std::map<std::int64_t, std::string> unfinished;  // by space: records that go on in a later row
    while (true) {
      auto row = select->step();
      if (!row.ok()) return std::move(row).error();
      if (!*row) break;
      const std::int64_t lsn = select->integer(0);
      const std::int64_t space = select->integer(1);
      const bool more = select->integer(2) != 0;
      const std::string_view records = select->bytes(3);
      const std::int64_t checksum = select->integer(4);
      const std::string which = "log row " + std::to_string(lsn) + " ";
      if (checksum != log_checksum(lsn, space, more, records)) {
        return connection_.corrupt(which + "fails its checksum");
      }
      sum.add(checksum);
      const auto known = state_.spaces.find(space);
      if (known == state_.spaces.end() || lsn > state_.root.last_lsn) {
        return connection_.corrupt(which + "does not belong there");
      }
      known->second.log.push_back({lsn, checksum});
      if (auto status = row_of_log(which, space, more, records, unfinished); !status.ok()) {
        return status;
      }
    }
    if (sum != state_.root.log || !unfinished.empty()) {
      return connection_.corrupt("its log rows are not those that its root row counts");
    }
    return {};
  }

  Status row_of_log(const std::string& which, std::int64_t space, bool more,
                    std::string_view records, std::map<std::int64_t, std::string>& unfinished) {
    const auto begun = unfinished.find(space);
    if (more) {
      unfinished[space] += records;
      return {};
    }
    if (begun == unfinished.end()) return deliver(which, space, records);
    begun->second += records;
    const std::string whole = std::move(begun->second);
    unfinished.erase(begun);
    return deliver(which, space, whole);
  }

  Status deliver(const std::string& which, std::int64_t space, std::string_view records) {
    Reader in(records);
    while (!in.at_end()) {
      const std::uint8_t kind = in.u8();
      const std::string_view bytes = in.bytes(limits::delta_bytes_max);
      const bool known = kind >= static_cast<std::uint8_t>(RecordKind::event) &&
                         kind <= static_cast<std::uint8_t>(RecordKind::restored);
      if (!in.ok() || !known) return connection_.corrupt(which + "does not parse");
      if (auto status = visitor_.record(space, static_cast<RecordKind>(kind), bytes);
          !status.ok()) {
        return status;
      }
    }
    return {};
  }

  static std::string hex(std::string_view key) {
    static constexpr std::size_t shown_max = 32;
    static constexpr char digits[] = "0123456789abcdef";
    std::string out = "x'";
    for (const char c : key.substr(0, shown_max)) {
      out.push_back(digits[static_cast<std::uint8_t>(c) >> 4]);
      out.push_back(digits[static_cast<std::uint8_t>(c) & 15]);
    }
    return out + (key.size() > shown_max ? "...'" : "'");
  }

  Connection& connection_;
  ScanVisitor& visitor_;
  StoreState state_;
};

}  // namespace

Result<StoreState> scan(Connection& connection, ScanVisitor& visitor) {
  return Scanner(connection, visitor).run();
}

void append_record(std::string& records, RecordKind kind, std::string_view bytes) {
  Writer out(records);
  out.u8(static_cast<std::uint8_t>(kind));
  out.bytes(bytes);
}

}  // namespace rejoin::node::sqlite
