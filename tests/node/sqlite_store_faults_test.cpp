// What the disk can do to a store: power losses, full disks, failing operations, damaged files. The
// disk is one in memory; what the store says afterwards is compared with what was acknowledged.
#include <gtest/gtest.h>

#include <set>

#include "store_contents.h"
#include "world/sqlite_vfs.h"

namespace rejoin::node {
namespace {

constexpr const char* directory = "/store";

class SqliteStoreFaults : public ::testing::Test {
 protected:
  SqliteOptions options(const std::string& boot = "first boot") {
    SqliteOptions out;
    out.directory = directory;
    out.vfs = disk_.name();
    out.boot_id = boot;
    out.vacuum_bytes_min = 16 << 10;  // small enough to happen here
    return out;
  }

  // Runs the batches of a workload until one fails or all are written; returns what the store must
  // hold after each number of acknowledged batches.
  struct Run {
    std::vector<Contents> after;  // after[n]: n batches acknowledged
    std::size_t acknowledged = 0;
    Status failure;
  };
  Run write_workload(std::uint64_t seed, int count, const std::string& boot = "first boot") {
    Run run;
    Contents model;
    Workload workload(seed, 3);
    std::vector<PersistBatch> batches;
    run.after.push_back(model);
    for (int i = 0; i < count; ++i) {
      batches.push_back(workload.next());
      play(model, batches.back());
      run.after.push_back(model);
    }
    auto store = sqlite::Store::open(options(boot));
    if (!store.ok()) {
      run.failure = store.error();
      return run;
    }
    for (const PersistBatch& batch : batches) {
      run.failure = (*store)->write(batch);
      if (!run.failure.ok()) break;
      ++run.acknowledged;
    }
    store_ = *std::move(store);
    return run;
  }

  // How many operations of the disk a workload takes.
  std::uint64_t operations_of_workload(std::uint64_t seed, int count) {
    EXPECT_TRUE(write_workload(seed, count).failure.ok());
    store_.reset();
    return disk_.operations;
  }
  // The same workload on an empty disk, by a process that ends at one of them.
  Run write_workload_until(std::uint64_t operation, std::uint64_t seed, int count) {
    disk_.replace_contents({});
    disk_.operations = 0;
    disk_.stop_at = operation;
    Run run = write_workload(seed, count);
    store_.reset();
    disk_.stop_at = 0;
    return run;
  }

  // The files as they are while the store is still open: what kill -9 leaves.
  std::map<std::string, std::string> abandoned(std::uint64_t seed, int count, Run* run) {
    *run = write_workload(seed, count);
    EXPECT_TRUE(run->failure.ok()) << run->failure.error().to_string();
    auto files = disk_.contents();
    store_.reset();
    return files;
  }

  simulation::SqliteVfs disk_;
  std::unique_ptr<sqlite::Store> store_;
};

// After every single write, truncation, removal and sync, and whatever becomes of those that no
// sync has covered: the store opens, and holds each batch whole or not at all.
TEST_F(SqliteStoreFaults, power_loss_at_any_moment_loses_nothing_acknowledged) {
  constexpr int batches = 25;
  simulation::Random random(7);
  const std::uint64_t operations_total = operations_of_workload(5, batches);
  int uncertain = 0;
  int losses = 0;
  int arrived_unacknowledged = 0;
  for (int policy = 0; policy < simulation::unsynced_writes_policies; ++policy) {
    for (std::uint64_t stop_at = 1; stop_at <= operations_total; ++stop_at) {
      SCOPED_TRACE("power lost at operation " + std::to_string(stop_at) + ", unsynced writes " +
                   std::to_string(policy));
      const Run run = write_workload_until(stop_at, 5, batches);
      disk_.lose_power(static_cast<simulation::UnsyncedWrites>(policy), random);
      ++losses;

      auto store = sqlite::Store::open(options("second boot"));
      ASSERT_TRUE(store.ok()) << store.error().to_string();
      auto found = contents_of(**store);
      ASSERT_TRUE(found.ok()) << found.error().to_string();
      uncertain += (*store)->uncertain() ? 1 : 0;
      if (*found == run.after[run.acknowledged]) continue;
      ASSERT_LT(run.acknowledged + 1, run.after.size());
      ASSERT_EQ(*found, run.after[run.acknowledged + 1])
          << run.acknowledged << " batches were acknowledged";
      ++arrived_unacknowledged;
    }
  }
  EXPECT_GT(arrived_unacknowledged, batches / 2);
  // A torn end is the only reason to doubt, and most losses leave none.
  EXPECT_GT(uncertain, 0);
  EXPECT_LT(uncertain, losses / 2);
}

// The power may fail again while the store recovers: what it found out stays found out.
TEST_F(SqliteStoreFaults, power_loss_during_recovery_loses_neither_writes_nor_doubts) {
  simulation::Random random(11);
  int doubted = 0;
  for (std::uint64_t loss = 0; loss < 40; ++loss) {
    write_workload_until(150 + 7 * loss, 9, 40);
    disk_.lose_power(simulation::UnsyncedWrites::drawn, random);
    const auto files = disk_.contents();

    disk_.operations = 0;
    auto store = sqlite::Store::open(options("second boot"));
    ASSERT_TRUE(store.ok()) << store.error().to_string();
    const auto found = contents_of(**store);
    ASSERT_TRUE(found.ok()) << found.error().to_string();
    const bool uncertain = (*store)->uncertain();
    doubted += uncertain ? 1 : 0;
    const std::uint64_t operations = disk_.operations;
    store->reset();
    for (std::uint64_t stop_at = 1; stop_at <= operations; ++stop_at) {
      SCOPED_TRACE("loss " + std::to_string(loss) + ", again at operation " +
                   std::to_string(stop_at));
      disk_.replace_contents(files);
      disk_.operations = 0;
      disk_.stop_at = stop_at;
      (void)contents_of(options("second boot"));
      disk_.stop_at = 0;
      disk_.lose_power(simulation::UnsyncedWrites::drawn, random);
      auto again = sqlite::Store::open(options("third boot"));
      ASSERT_TRUE(again.ok()) << again.error().to_string();
      const auto found_again = contents_of(**again);
      ASSERT_TRUE(found_again.ok()) << found_again.error().to_string();
      ASSERT_EQ(*found_again, *found);
      ASSERT_TRUE(!uncertain || (*again)->uncertain());
    }
  }
  EXPECT_GT(doubted, 2);
}

// A killed process may leave a commit that no sync has covered. Whoever finds it after the restart
// tells others of it, so that it must be durable by then, whatever fails during the recovery.
TEST_F(SqliteStoreFaults, what_is_loaded_survives_a_power_loss) {
  constexpr int batches = 12;
  simulation::Random random(13);
  const std::uint64_t operations_total = operations_of_workload(5, batches);
  int loads_that_failed = 0;
  int loaded = 0;
  for (std::uint64_t stop_at = operations_total / 2; stop_at <= operations_total; ++stop_at) {
    write_workload_until(stop_at, 5, batches);
    const auto killed = disk_.snapshot();
    for (std::uint64_t fail_at = 1; fail_at <= 12; ++fail_at) {
      for (const bool all_fail : {false, true}) {
        SCOPED_TRACE(
            "killed at operation " + std::to_string(stop_at) + "; operation " +
            std::to_string(fail_at) +
            (all_fail ? " of the recovery and all after it fail" : " of the recovery fails"));
        disk_.restore(killed);
        disk_.operations = 0;
        (all_fail ? disk_.stop_at : disk_.fail_at) = fail_at;
        auto store = sqlite::Store::open(options());
        const auto shown = store.ok() ? contents_of(**store) : Result<Contents>(store.error());
        disk_.fail_at = 0;
        disk_.stop_at = 1;
        if (store.ok()) store->reset();
        disk_.stop_at = 0;
        if (!shown.ok()) {
          ASSERT_EQ(shown.error().code, ErrorCode::io) << shown.error().to_string();
          ++loads_that_failed;
          continue;
        }
        ++loaded;
        disk_.lose_power(simulation::UnsyncedWrites::lost, random);
        const auto found = contents_of(options("second boot"));
        ASSERT_TRUE(found.ok()) << found.error().to_string();
        ASSERT_EQ(*found, *shown);
      }
    }
  }
  EXPECT_GT(loads_that_failed, 20);
  EXPECT_GT(loaded, 100);
}

TEST_F(SqliteStoreFaults, failed_operation_loses_nothing_and_the_batch_can_be_written_again) {
  std::uint64_t operations_total = 0;
  {
    ASSERT_TRUE(write_workload(6, 25).failure.ok());
    store_.reset();
    operations_total = disk_.operations;
  }
  int failures = 0;
  for (std::uint64_t fail_at = 1; fail_at <= operations_total; ++fail_at) {
    SCOPED_TRACE("operation " + std::to_string(fail_at) + " fails");
    disk_.replace_contents({});
    disk_.operations = 0;
    disk_.fail_at = fail_at;
    auto store = sqlite::Store::open(options());
    if (!store.ok()) store = sqlite::Store::open(options());
    ASSERT_TRUE(store.ok()) << store.error().to_string();
    Contents model;
    Workload workload(6, 3);
    for (int i = 0; i < 25; ++i) {
      const PersistBatch batch = workload.next();
      Status status = (*store)->write(batch);
      if (!status.ok()) {
        ++failures;
        ASSERT_EQ(status.error().code, ErrorCode::io);
        status = (*store)->write(batch);
      }
      ASSERT_TRUE(status.ok()) << status.error().to_string();
      play(model, batch);
    }
    auto found = contents_of(**store);
    if (!found.ok()) {
      ASSERT_EQ(found.error().code, ErrorCode::io);
      found = contents_of(**store);
    }
    ASSERT_TRUE(found.ok()) << found.error().to_string();
    ASSERT_EQ(*found, model);
    store->reset();
    auto again = contents_of(options());
    ASSERT_TRUE(again.ok()) << again.error().to_string();
    ASSERT_EQ(*again, model);
  }
  EXPECT_GT(failures, 25);
}

TEST_F(SqliteStoreFaults, full_disk_is_told_and_writing_goes_on_when_there_is_room) {
  for (std::size_t capacity = 20000; capacity < 400000; capacity += 7000) {
    SCOPED_TRACE("capacity " + std::to_string(capacity));
    disk_.replace_contents({});
    disk_.capacity = capacity;
    auto store = sqlite::Store::open(options());
    if (!store.ok()) {
      ASSERT_EQ(store.error().code, ErrorCode::disk_full) << store.error().to_string();
      disk_.capacity = 0;
      store = sqlite::Store::open(options());
      ASSERT_TRUE(store.ok()) << store.error().to_string();
      disk_.capacity = 60000;
    }
    Contents model;
    Workload workload(8, 3);
    bool was_full = false;
    for (int i = 0; i < 60; ++i) {
      const PersistBatch batch = workload.next();
      Status status = (*store)->write(batch);
      if (!status.ok()) {
        ASSERT_EQ(status.error().code, ErrorCode::disk_full) << status.error().to_string();
        ASSERT_EQ(*contents_of(**store), model);
        was_full = true;
        disk_.capacity += 40000;
        status = (*store)->write(batch);
        if (!status.ok()) {
          ASSERT_EQ(status.error().code, ErrorCode::disk_full);
          disk_.capacity = 0;
          status = (*store)->write(batch);
        }
      }
      ASSERT_TRUE(status.ok()) << status.error().to_string();
      play(model, batch);
    }
    store->reset();
    disk_.capacity = 0;
    auto found = contents_of(options());
    ASSERT_TRUE(found.ok()) << found.error().to_string();
    ASSERT_EQ(*found, model);
    if (capacity < 60000) {
      EXPECT_TRUE(was_full);
    }
  }
}

// Every outcome of reading damaged files is an error, or exactly what was acknowledged.
class Verdicts {
 public:
  explicit Verdicts(const Contents& expected) : expected_(expected) {}

  void judge(const Result<Contents>& found) {
    if (found.ok()) {
      ++harmless;
      ASSERT_TRUE(*found == expected_) << "damage went unnoticed";
      return;
    }
    ++noticed;
    codes.insert(found.error().code);
    const bool fitting = found.error().code == ErrorCode::corrupt ||
                         found.error().code == ErrorCode::unsupported_version;
    ASSERT_TRUE(fitting) << found.error().to_string();
    ASSERT_NE(found.error().where.find("rejoin"), std::string::npos);
  }

  int harmless = 0;
  int noticed = 0;
  std::set<ErrorCode> codes;

 private:
  const Contents& expected_;
};

TEST_F(SqliteStoreFaults, flipped_bit_is_noticed_or_harmless) {
  Run run;
  const auto killed = abandoned(21, 40, &run);
  ASSERT_TRUE(contents_of(options()).ok());
  const auto closed = disk_.contents();
  std::mt19937_64 random(99);
  for (const auto* files : {&killed, &closed}) {
    Verdicts verdicts(run.after.back());
    for (const auto& [path, bytes] : *files) {
      if (bytes.empty()) continue;
      for (int trial = 0; trial < 1000; ++trial) {
        auto damaged = *files;
        // Often near the beginning of a page, where its structure is described.
        std::size_t byte = random() % bytes.size();
        if (trial % 3 == 0) byte = std::min(bytes.size() - 1, byte / 4096 * 4096 + random() % 128);
        const int bit = static_cast<int>(random() % 8);
        SCOPED_TRACE("bit " + std::to_string(bit) + " of byte " + std::to_string(byte) + " of " +
                     path);
        damaged[path][byte] = static_cast<char>(damaged[path][byte] ^ (1 << bit));
        disk_.replace_contents(damaged);
        verdicts.judge(contents_of(options()));
        if (HasFatalFailure()) return;
      }
    }
    EXPECT_GT(verdicts.noticed, 500);
    EXPECT_GT(verdicts.harmless, 500);
    RecordProperty("noticed", verdicts.noticed);
    RecordProperty("harmless", verdicts.harmless);
  }
}

// Until the store is loaded again nothing is verified. What the disk has spoilt meanwhile must not
// be written back under a checksum that fits.
TEST_F(SqliteStoreFaults, bit_that_flips_while_the_store_is_open_is_noticed_or_harmless) {
  constexpr int batches = 40;
  simulation::Random random(17);
  int noticed = 0;
  for (std::uint64_t trial = 0; trial < 400; ++trial) {
    SCOPED_TRACE("trial " + std::to_string(trial));
    disk_.replace_contents({});
    Contents model;
    Workload workload(40 + trial % 8, 3);
    auto store = sqlite::Store::open(options());
    ASSERT_TRUE(store.ok()) << store.error().to_string();
    bool refused = false;
    for (int i = 0; i < batches && !refused; ++i) {
      if (i == batches / 2) {
        // A store that was just opened has nothing cached, and reads what it changes.
        store->reset();
        store = sqlite::Store::open(options());
        ASSERT_TRUE(store.ok() && (*store)->load().ok());
        ASSERT_TRUE(sqlite3_db_release_memory((*store)->connection().handle()) == SQLITE_OK);
        ASSERT_TRUE(disk_.flip_bit(random));
      }
      const PersistBatch batch = workload.next();
      const Status status = (*store)->write(batch);
      if (status.ok()) {
        play(model, batch);
      } else {
        ASSERT_EQ(status.error().code, ErrorCode::corrupt) << status.error().to_string();
        refused = true;
      }
    }
    store->reset();
    const auto found = contents_of(options());
    if (!found.ok()) {
      ASSERT_EQ(found.error().code, ErrorCode::corrupt) << found.error().to_string();
      ++noticed;
    } else {
      ASSERT_EQ(*found, model);
    }
  }
  EXPECT_GT(noticed, 50);
}

// A new replica id changes a row whose header is not at hand, and is read for it.
TEST_F(SqliteStoreFaults, damaged_header_is_not_written_back_as_a_sound_one) {
  simulation::Random random(19);
  PersistBatch first;
  first.spaces.push_back({"space", ReplicaId::from_words(1, 1)});
  first.checkpoints.push_back({"space", std::string(500'000, 'h'), {}, HybridTime{1}});
  PersistBatch new_id;
  new_id.spaces.push_back({"space", ReplicaId::from_words(1, 2)});
  for (int trial = 0; trial < 10; ++trial) {
    SCOPED_TRACE("trial " + std::to_string(trial));
    disk_.replace_contents({});
    {
      auto store = sqlite::Store::open(options());
      ASSERT_TRUE(store.ok() && (*store)->write(first).ok());
    }
    auto store = sqlite::Store::open(options());
    ASSERT_TRUE(store.ok() && (*store)->load().ok());
    ASSERT_EQ(sqlite3_db_release_memory((*store)->connection().handle()), SQLITE_OK);
    ASSERT_TRUE(disk_.flip_bit(random));  // nearly all of the file is the header
    const Status status = (*store)->write(new_id);
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, ErrorCode::corrupt);
    store->reset();
    const auto found = contents_of(options());
    ASSERT_FALSE(found.ok());
    EXPECT_EQ(found.error().code, ErrorCode::corrupt);
  }
}

// A disk that cannot be read now may be readable later: that is no reason to give its store up.
TEST_F(SqliteStoreFaults, read_error_is_no_damage) {
  Run run;
  const auto killed = abandoned(25, 40, &run);
  ASSERT_TRUE(contents_of(options()).ok());
  const auto closed = disk_.contents();
  int failures = 0;
  for (const auto* files : {&killed, &closed}) {
    for (int trial = 0; trial < 300; ++trial) {
      SCOPED_TRACE("trial " + std::to_string(trial));
      disk_.replace_contents(*files);
      disk_.read_errors = simulation::Share{1000u << trial % 8};
      const auto found = contents_of(options());
      disk_.read_errors = {};
      if (found.ok()) {
        ASSERT_EQ(*found, run.after.back());
      } else {
        ++failures;
        ASSERT_EQ(found.error().code, ErrorCode::io) << found.error().to_string();
      }
      const auto later = contents_of(options());
      ASSERT_TRUE(later.ok()) << later.error().to_string();
      ASSERT_EQ(*later, run.after.back());
    }
  }
  EXPECT_GT(failures, 100);
}

// SQLite says "wal" when a read fails while it takes that mode up, and keeps the former one, in
// which a commit that is refused may have been made.
TEST_F(SqliteStoreFaults, a_store_that_opens_while_reads_fail_writes_to_a_log) {
  int opened = 0;
  int refused = 0;
  for (std::uint64_t trial = 0; trial < 400; ++trial) {
    SCOPED_TRACE("trial " + std::to_string(trial));
    const Run cut_short = write_workload_until(1 + trial % 12, 5, 1);
    disk_.operations = 0;
    disk_.read_errors = simulation::percent(25);
    auto store = sqlite::Store::open(options());
    disk_.read_errors = {};
    if (!store.ok()) {
      ASSERT_EQ(store.error().code, ErrorCode::io) << store.error().to_string();
      ++refused;
      continue;
    }
    ++opened;
    PersistBatch batch;
    batch.spaces.push_back(SpaceRecord{"space", ReplicaId::from_words(1, 2)});
    const Status written = (*store)->write(batch);
    ASSERT_TRUE(written.ok()) << written.error().to_string();
    ASSERT_FALSE(disk_.contents()["/store/rejoin.db-wal"].empty());
  }
  EXPECT_GT(opened, 20);
  EXPECT_GT(refused, 20);
}

// The checks of the sweeps above are worth something only if they see a store that does not sync.
TEST_F(SqliteStoreFaults, power_loss_after_syncs_that_lied_loses_what_was_acknowledged) {
  simulation::Random random(3);
  int lost = 0;
  for (int policy = 0; policy < simulation::unsynced_writes_policies; ++policy) {
    disk_.replace_contents({});
    {
      Run first = write_workload(5, 10);
      ASSERT_TRUE(first.failure.ok());
      store_.reset();
    }
    auto store = sqlite::Store::open(options());
    ASSERT_TRUE(store.ok());
    const auto before = contents_of(**store);
    ASSERT_TRUE(before.ok());
    disk_.lie(true);
    PersistBatch batch;
    batch.log.push_back({"space-0", RecordKind::event, "acknowledged"});
    ASSERT_TRUE((*store)->write(batch).ok());
    disk_.stop_at = disk_.operations + 1;
    store->reset();
    disk_.stop_at = 0;
    disk_.lose_power(static_cast<simulation::UnsyncedWrites>(policy), random);
    disk_.lie(false);
    const auto found = contents_of(options("second boot"));
    if (!found.ok() || *found == *before) ++lost;
  }
  EXPECT_GT(lost, 2);
}

TEST_F(SqliteStoreFaults, truncated_file_is_noticed_or_harmless) {
  Run run;
  const auto killed = abandoned(22, 40, &run);
  ASSERT_TRUE(contents_of(options()).ok());
  const auto closed = disk_.contents();
  for (const auto* files : {&killed, &closed}) {
    Verdicts verdicts(run.after.back());
    for (const auto& [path, bytes] : *files) {
      for (std::size_t length = 0; length < bytes.size();
           length += length < 200 ? 7 : bytes.size() / 211 + 1) {
        SCOPED_TRACE(path + " cut to " + std::to_string(length) + " of " +
                     std::to_string(bytes.size()) + " bytes");
        auto damaged = *files;
        damaged[path].resize(length);
        disk_.replace_contents(damaged);
        verdicts.judge(contents_of(options()));
        if (HasFatalFailure()) return;
      }
      if (path.ends_with(".acked")) continue;
      SCOPED_TRACE(path + " removed");
      auto damaged = *files;
      damaged.erase(path);
      disk_.replace_contents(damaged);
      auto found = contents_of(options());
      verdicts.judge(found);
      if (path.ends_with(".db")) {
        EXPECT_FALSE(found.ok());
      }
    }
    EXPECT_GT(verdicts.noticed, 100);
  }
}

TEST_F(SqliteStoreFaults, damaged_log_end_after_a_power_loss_is_uncertain_at_least) {
  // Nothing says how far the acknowledged commits went: the file that would lost its last versions.
  Run run;
  auto files = abandoned(23, 40, &run);
  std::string stale;
  {
    disk_.replace_contents({});
    const Run shorter = write_workload(23, 3);
    stale = disk_.contents().at("/store/rejoin.acked");
    store_.reset();
  }
  files["/store/rejoin.acked"] = stale;
  const std::string log = "/store/rejoin.db-wal";
  ASSERT_GT(files[log].size(), 100000u);
  std::mt19937_64 random(4);
  int prefixes = 0;
  for (int trial = 0; trial < 600; ++trial) {
    auto damaged = files;
    const std::size_t byte = random() % damaged[log].size();
    const int bit = static_cast<int>(random() % 8);
    SCOPED_TRACE("bit " + std::to_string(bit) + " of byte " + std::to_string(byte));
    damaged[log][byte] = static_cast<char>(damaged[log][byte] ^ (1 << bit));
    disk_.replace_contents(damaged);
    auto store = sqlite::Store::open(options("second boot"));
    if (!store.ok()) continue;
    auto found = contents_of(**store);
    if (!found.ok() || *found == run.after.back()) continue;
    EXPECT_TRUE((*store)->uncertain());
    EXPECT_NE(std::find(run.after.begin(), run.after.end(), *found), run.after.end());
    ++prefixes;
  }
  EXPECT_GT(prefixes, 100);
}

TEST_F(SqliteStoreFaults, rows_that_changed_places_are_noticed) {
  const char* const swaps[] = {
      "UPDATE log SET records = (SELECT records FROM log ORDER BY lsn DESC LIMIT 1), checksum = "
      "(SELECT checksum FROM log ORDER BY lsn DESC LIMIT 1) WHERE lsn = (SELECT min(lsn) FROM log)",
      "DELETE FROM log WHERE lsn = (SELECT max(lsn) FROM log)",
      "DELETE FROM log WHERE lsn = (SELECT min(lsn) FROM log)",
      "DELETE FROM log",
      "UPDATE log SET lsn = lsn + 1000",
      "DELETE FROM cells WHERE key = (SELECT max(key) FROM cells)",
      "DELETE FROM cells",
      "UPDATE cells SET key = key || x'00'",
      "UPDATE cells SET space = space + 100",
      "INSERT INTO cells SELECT space + 1000, key, checksum, bytes FROM cells",
      "UPDATE spaces SET replica = zeroblob(16)",
      "UPDATE spaces SET last_time = last_time + 1",
      "UPDATE spaces SET header = x''",
      "UPDATE spaces SET name = name || 'x'",
      "DELETE FROM spaces WHERE id = 1",
      "DELETE FROM spaces",
      "UPDATE root SET commits = commits + 1",
      "DELETE FROM root",
      "INSERT INTO root SELECT id + 1, commits, last_lsn, log_rows, log_sum, spaces, spaces_sum, "
      "checksum FROM root; DELETE FROM root WHERE id = 1",
  };
  Run run;
  abandoned(24, 43, &run);
  ASSERT_TRUE(contents_of(options()).ok());
  const auto files = disk_.contents();
  ASSERT_GT(run.after.back().at("space-0").log.size(), 1u);
  for (const char* swap : swaps) {
    SCOPED_TRACE(swap);
    disk_.replace_contents(files);
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open_v2("/store/rejoin.db", &db, SQLITE_OPEN_READWRITE, disk_.name().c_str()),
              SQLITE_OK);
    sqlite3_exec(db, "PRAGMA locking_mode=EXCLUSIVE", nullptr, nullptr, nullptr);
    EXPECT_EQ(sqlite3_exec(db, swap, nullptr, nullptr, nullptr), SQLITE_OK) << sqlite3_errmsg(db);
    EXPECT_GT(sqlite3_total_changes(db), 0);
    sqlite3_close(db);
    auto found = contents_of(options());
    ASSERT_FALSE(found.ok());
    EXPECT_EQ(found.error().code, ErrorCode::corrupt);
  }
}

}  // namespace
}  // namespace rejoin::node
