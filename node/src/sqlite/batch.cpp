// Writing to a store: one batch, one transaction.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "rejoin/crdt/mutant.h"
#include "sqlite/store.h"

namespace rejoin::node::sqlite {

// One transaction. The store's state changes only when it has been committed.
class Store::Batch {
 public:
  Batch(Store& store, const PersistBatch& batch)
      : store_(store), batch_(batch), root_(store.state_.root) {}

  Status write();
  void adopt();

 private:
  struct Change {
    SpaceRow row;
    std::optional<std::int64_t> checksum;          // of the row as it is in the store
    const CheckpointRecord* checkpoint = nullptr;  // the last one
    bool new_row = false;                          // the row is to be written
    bool new_replica = false;
    std::string records;
    std::vector<LogRowId> log;  // rows added
  };

  Result<Change*> change_of(const std::string& space, bool may_be_new);
  Status write_log(Change& change);
  Status truncate_log(const Change& change);
  Status write_cells(Change& change, const CheckpointRecord& checkpoint);
  Status write_space(Change& change);
  Status write_root();

  Store& store_;
  const PersistBatch& batch_;
  RootRow root_;
  std::map<std::int64_t, Change> changes_;
  std::map<std::string, std::int64_t, std::less<>> new_ids_;
};

Status Store::Batch::write() {
  for (const SpaceRecord& record : batch_.spaces) {
    auto change = change_of(record.space, true);
    if (!change.ok()) return std::move(change).error();
    (*change)->row.replica = record.replica;
    (*change)->row.last_time = std::max((*change)->row.last_time, record.last_time);
    (*change)->new_row = (*change)->new_replica = true;
  }
  for (const CheckpointRecord& checkpoint : batch_.checkpoints) {
    auto change = change_of(checkpoint.space, false);
    if (!change.ok()) return std::move(change).error();
    (*change)->checkpoint = &checkpoint;
    (*change)->row.last_time = checkpoint.last_time;
    (*change)->row.state_hash = checkpoint.hash;
    if (!REJOIN_MUTATED(sqlite_keeps_the_old_header)) (*change)->row.header = checkpoint.header;
    (*change)->new_row = true;
  }
  for (const LogRecord& record : batch_.log) {
    if (REJOIN_MUTATED(sqlite_drops_a_log_record) && &record == &batch_.log.back()) break;
    auto change = change_of(record.space, false);
    if (!change.ok()) return std::move(change).error();
    // A checkpoint comes after all of the batch's records and makes them superfluous.
    if ((*change)->checkpoint == nullptr) {
      append_record((*change)->records, record.kind, record.bytes);
    }
  }
  for (auto& [id, change] : changes_) {
    if (change.checkpoint != nullptr) {
      if (REJOIN_MUTATED(sqlite_keeps_the_log_of_a_checkpoint)) continue;
      if (auto status = truncate_log(change); !status.ok()) return status;
    } else if (auto status = write_log(change); !status.ok()) {
      return status;
    }
  }
  for (const CheckpointRecord& checkpoint : batch_.checkpoints) {
    Change& change = *change_of(checkpoint.space, false).value();
    if (auto status = write_cells(change, checkpoint); !status.ok()) return status;
  }
  for (auto& [id, change] : changes_) {
    if (!change.new_row) continue;
    if (auto status = write_space(change); !status.ok()) return status;
  }
  return write_root();
}

Result<Store::Batch::Change*> Store::Batch::change_of(const std::string& space, bool may_be_new) {
  std::int64_t id = 0;
  if (const auto known = store_.space_ids_.find(space); known != store_.space_ids_.end()) {
    id = known->second;
  } else if (const auto made = new_ids_.find(space); made != new_ids_.end()) {
    id = made->second;
  }
  if (id == 0) {
    if (!may_be_new) {
      return make_error(ErrorCode::invalid_argument,
                        "a batch names a space that was not recorded before: " + space,
                        store_.connection_->path());
    }
    const auto& spaces = store_.state_.spaces;
    id = 1;
    if (!spaces.empty()) id = spaces.rbegin()->first + 1;
    if (!new_ids_.empty()) id += static_cast<std::int64_t>(new_ids_.size());
    new_ids_.emplace(space, id);
  }
  const auto [at, first] = changes_.try_emplace(id);
  if (first) {
    if (const auto stored = store_.state_.spaces.find(id); stored != store_.state_.spaces.end()) {
      at->second.row = stored->second.row;
      at->second.checksum = stored->second.checksum;
    } else {
      at->second.row.id = id;
      at->second.row.name = space;
    }
  }
  return &at->second;
}

Status Store::Batch::write_log(Change& change) {
  std::string_view rest = change.records;
  const std::size_t row_bytes_max = store_.options_.log_row_bytes_max;
  while (!rest.empty()) {
    const std::string_view records = rest.substr(0, row_bytes_max);
    rest.remove_prefix(records.size());
    const bool more = !rest.empty();
    const std::int64_t lsn = ++root_.last_lsn;
    const std::int64_t checksum = log_checksum(lsn, change.row.id, more, records);
    store_.insert_log_.bind(1, lsn)
        .bind(2, change.row.id)
        .bind(3, more ? 1 : 0)
        .bind_blob(4, records)
        .bind(5, checksum);
    if (auto status = store_.insert_log_.run(); !status.ok()) return status;
    change.log.push_back({lsn, checksum});
    root_.log.add(checksum);
  }
  return {};
}

Status Store::Batch::truncate_log(const Change& change) {
  const auto stored = store_.state_.spaces.find(change.row.id);
  if (stored == store_.state_.spaces.end()) return {};
  const std::vector<LogRowId>& rows = stored->second.log;
  for (std::size_t begin = 0; begin < rows.size();) {
    std::size_t end = begin;  // one statement for rows that no other space's lie between
    do {
      root_.log.remove(rows[end].checksum);
      ++end;
    } while (end < rows.size() && rows[end].lsn == rows[end - 1].lsn + 1);
    store_.delete_log_.bind(1, rows[begin].lsn).bind(2, rows[end - 1].lsn);
    if (auto status = store_.delete_log_.run(); !status.ok()) return status;
    if (sqlite3_changes64(store_.connection_->handle()) !=
        static_cast<sqlite3_int64>(end - begin)) {
      return store_.connection_->corrupt("log rows from " + std::to_string(rows[begin].lsn) +
                                         " on have gone");
    }
    begin = end;
  }
  return {};
}

Status Store::Batch::write_cells(Change& change, const CheckpointRecord& checkpoint) {
  const std::int64_t space = change.row.id;
  // In the order of the table, so that each of its pages is visited once.
  std::vector<const Document::StoredCell*> cells;
  cells.reserve(checkpoint.dirty_cells.size());
  for (const auto& cell : checkpoint.dirty_cells) cells.push_back(&cell);
  std::stable_sort(cells.begin(), cells.end(),
                   [](const auto* a, const auto* b) { return a->key < b->key; });
  for (const auto* cell : cells) {
    store_.select_cell_.bind(1, space).bind_blob(2, cell->key);
    auto stored = store_.select_cell_.step();
    if (!stored.ok()) return std::move(stored).error();
    if (*stored) change.row.cells.remove(store_.select_cell_.integer(0));
    store_.select_cell_.reset();
    if (cell->bytes.empty()) {
      if (REJOIN_MUTATED(sqlite_keeps_deleted_cells)) continue;
      if (!*stored) continue;
      store_.delete_cell_.bind(1, space).bind_blob(2, cell->key);
      if (auto status = store_.delete_cell_.run(); !status.ok()) return status;
      continue;
    }
    const std::int64_t checksum = cell_checksum(space, cell->key, cell->bytes);
    change.row.cells.add(checksum);
    store_.put_cell_.bind(1, space)
        .bind_blob(2, cell->key)
        .bind(3, checksum)
        .bind_blob(4, cell->bytes);
    if (auto status = store_.put_cell_.run(); !status.ok()) return status;
  }
  return {};
}

Status Store::Batch::write_space(Change& change) {
  if (change.checkpoint == nullptr && change.checksum) {
    store_.select_header_.bind(1, change.row.id);
    auto row = store_.select_header_.step();
    if (!row.ok()) return std::move(row).error();
    if (*row) change.row.header = store_.select_header_.bytes(0);
    store_.select_header_.reset();
    // Verified again, lest what was spoilt since the store was loaded get a checksum that fits.
    SpaceRow stored = store_.state_.spaces.at(change.row.id).row;
    stored.header = change.row.header;
    if (stored.checksum() != *change.checksum) {
      return store_.connection_->corrupt("row " + std::to_string(stored.id) +
                                         " of its spaces fails its checksum");
    }
  }
  const SpaceRow& row = change.row;
  const std::int64_t checksum = row.checksum();
  const std::string hash = row.state_hash ? encode_hash(*row.state_hash) : std::string();
  store_.put_space_.bind(1, row.id)
      .bind_text(2, row.name)
      .bind_blob(
          3, {reinterpret_cast<const char*>(row.replica.bytes.data()), row.replica.bytes.size()})
      .bind(4, static_cast<std::int64_t>(row.last_time.value))
      .bind(5, row.cells.rows)
      .bind(6, static_cast<std::int64_t>(row.cells.sum))
      .bind_blob(7, hash)
      .bind_blob(8, row.header)
      .bind(9, checksum);
  if (!row.state_hash) store_.put_space_.bind_null(7);
  if (auto status = store_.put_space_.run(); !status.ok()) return status;
  if (change.checksum) root_.spaces.remove(*change.checksum);
  root_.spaces.add(checksum);
  change.checksum = checksum;
  return {};
}

Status Store::Batch::write_root() {
  ++root_.commits;
  store_.put_root_.bind(1, root_.commits)
      .bind(2, root_.last_lsn)
      .bind(3, root_.log.rows)
      .bind(4, static_cast<std::int64_t>(root_.log.sum))
      .bind(5, root_.spaces.rows)
      .bind(6, static_cast<std::int64_t>(root_.spaces.sum))
      .bind(7, root_.checksum());
  return store_.put_root_.run();
}

void Store::Batch::adopt() {
  store_.state_.root = root_;
  for (auto& [name, id] : new_ids_) store_.space_ids_.emplace(name, id);
  for (auto& [id, change] : changes_) {
    SpaceState& space = store_.state_.spaces[id];
    if (change.checkpoint != nullptr) space.log.clear();
    space.log.insert(space.log.end(), change.log.begin(), change.log.end());
    change.row.header.clear();
    if (change.new_row) {
      space.row = std::move(change.row);
      space.checksum = *change.checksum;
    }
    if (change.new_replica) store_.doubted_.erase(id);
  }
  store_.uncertain_ = !store_.doubted_.empty();
}

void Store::give_back_free_pages() {
  auto free_pages = connection_->query_integer("PRAGMA freelist_count");
  auto pages = connection_->query_integer("PRAGMA page_count");
  auto page_bytes = connection_->query_integer("PRAGMA page_size");
  if (!free_pages.ok() || !pages.ok() || !page_bytes.ok()) return;
  if (*free_pages * 2 <= *pages ||
      static_cast<std::uint64_t>(*pages * *page_bytes) <= options_.vacuum_bytes_min) {
    return;
  }
  (void)connection_->execute("VACUUM");  // best effort: needs room for a second copy
}

Status Store::write(const PersistBatch& batch) {
  if (options_.read_only) {
    return make_error(ErrorCode::invalid_argument, "the store is open for reading only",
                      connection_->path());
  }
  if (!loaded_) {
    if (auto status = load(); !status.ok()) return status;
  }
  if (batch.empty()) return {};
  Batch change(*this, batch);
  auto status = begin_.run();
  if (status.ok()) status = change.write();
  if (status.ok() && is_older_) {
    const std::string sql = "PRAGMA user_version=" + std::to_string(format_version);
    status = connection_->execute(sql.c_str());
  }
  if (status.ok() && !REJOIN_MUTATED(sqlite_acknowledges_before_the_commit)) status = commit_.run();
  if (!status.ok()) {
    // Some errors have rolled back already.
    if (connection_->in_transaction()) (void)rollback_.run();
    write_failed_ = true;
    return status;
  }
  is_older_ = false;
  change.adopt();
  const std::int64_t sync_every = 64;
  acknowledge(!batch.checkpoints.empty() || !batch.spaces.empty() ||
              state_.root.commits % sync_every == 0);
  if (write_failed_) {
    // The log may hold remains of what failed, which after a power loss would look like a commit
    // that was cut short.
    write_failed_ =
        sqlite3_wal_checkpoint_v2(connection_->handle(), "main", SQLITE_CHECKPOINT_TRUNCATE,
                                  nullptr, nullptr) != SQLITE_OK;
  }
  if (!batch.checkpoints.empty()) give_back_free_pages();
  return {};
}

}  // namespace rejoin::node::sqlite
