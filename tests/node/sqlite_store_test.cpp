// The store at the level of rows: opaque bytes in, the same bytes out.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store_contents.h"
#include "world/sqlite_vfs.h"

namespace rejoin::node {
namespace {

SqliteOptions at(const std::string& directory) {
  SqliteOptions options;
  options.directory = directory;
  return options;
}

std::unique_ptr<sqlite::Store> open_or_fail(SqliteOptions options) {
  auto store = sqlite::Store::open(std::move(options));
  if (!store.ok()) {
    ADD_FAILURE() << store.error().to_string();
    return nullptr;
  }
  return *std::move(store);
}

PersistBatch new_space(const std::string& name) {
  PersistBatch batch;
  batch.spaces.push_back({name, ReplicaId::from_words(1, name.size())});
  return batch;
}

void write_to(const std::string& directory, const PersistBatch& batch) {
  auto store = open_or_fail(at(directory));
  ASSERT_NE(store, nullptr);
  const Status status = store->write(batch);
  EXPECT_TRUE(status.ok()) << status.error().to_string();
}

PersistBatch one_record(const std::string& space, std::string bytes) {
  PersistBatch batch;
  batch.log.push_back({space, RecordKind::event, std::move(bytes)});
  return batch;
}

// Writes `count` batches of a workload and leaves the files as a killed process would.
Contents write_and_abandon(const std::string& directory, std::uint64_t seed, int count) {
  TempDirectory elsewhere;
  auto store = open_or_fail(at(elsewhere.path()));
  Contents model;
  Workload workload(seed);
  for (int i = 0; i < count; ++i) {
    const PersistBatch batch = workload.next();
    EXPECT_TRUE(store->write(batch).ok());
    play(model, batch);
  }
  std::filesystem::create_directories(directory);
  for (const auto& [name, bytes] : files_of(elsewhere.path())) {
    write_whole(directory + "/" + name, bytes);
  }
  return model;
}

RC_GTEST_PROP(SqliteStore, holds_what_was_written_after_any_reopening, ()) {
  const auto seed = *rc::gen::arbitrary<std::uint64_t>();
  simulation::SqliteVfs disk;
  SqliteOptions options = at("/store");
  options.vfs = disk.name();
  options.log_row_bytes_max = *rc::gen::element<std::size_t>(1, 100, 5000, 1 << 20);
  options.vacuum_bytes_min = *rc::gen::element<std::size_t>(0, 1 << 20);
  Contents model;
  Workload workload(seed);
  for (int session = 0; session < 3; ++session) {
    auto store = sqlite::Store::open(options);
    RC_ASSERT(store.ok());
    auto found = contents_of(**store);
    RC_ASSERT(found.ok());
    RC_ASSERT(*found == model);
    RC_ASSERT(!(*store)->uncertain());
    for (int i = *rc::gen::inRange(0, 20); i > 0; --i) {
      const PersistBatch batch = workload.next();
      RC_ASSERT((*store)->write(batch).ok());
      play(model, batch);
    }
  }
  auto found = contents_of(options);
  RC_ASSERT(found.ok());
  RC_ASSERT(*found == model);
}

TEST(SqliteStore, directory_is_made_when_missing) {
  TempDirectory parent;
  const std::string directory = parent.file("a/b/c");
  ASSERT_NE(open_or_fail(at(directory)), nullptr);
  EXPECT_TRUE(std::filesystem::exists(directory + "/rejoin.db"));
}

TEST(SqliteStore, file_in_place_of_the_directory_is_named) {
  TempDirectory parent;
  write_whole(parent.file("taken"), "not a directory");
  auto store = sqlite::Store::open(at(parent.file("taken")));
  ASSERT_FALSE(store.ok());
  EXPECT_EQ(store.error().code, ErrorCode::io);
  EXPECT_EQ(store.error().where, parent.file("taken"));
}

TEST(SqliteStore, batch_for_an_unknown_space_is_refused_whole) {
  TempDirectory directory;
  auto store = open_or_fail(at(directory.path()));
  ASSERT_TRUE(store->write(new_space("known")).ok());
  PersistBatch batch = one_record("known", "first");
  batch.log.push_back({"unknown", RecordKind::event, "second"});
  const Status status = store->write(batch);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, ErrorCode::invalid_argument);
  auto found = contents_of(*store);
  ASSERT_TRUE(found.ok());
  EXPECT_TRUE(found->at("known").log.empty());
  EXPECT_TRUE(store->write(one_record("known", "third")).ok());
}

TEST(SqliteStore, second_process_is_told_that_the_store_is_open) {
  TempDirectory directory;
  int is_open[2];
  int may_end[2];
  ASSERT_EQ(::pipe(is_open), 0);
  ASSERT_EQ(::pipe(may_end), 0);
  const pid_t child = ::fork();  // before this process has opened it: a child inherits what is open
  if (child == 0) {
    ::close(may_end[1]);
    auto store = sqlite::Store::open(at(directory.path()));
    char byte = store.ok() ? 'y' : 'n';
    if (::write(is_open[1], &byte, 1) != 1) ::_exit(1);
    ::_exit(::read(may_end[0], &byte, 1) == 0 ? 0 : 1);
  }
  ::close(is_open[1]);
  char byte = 'n';
  ASSERT_EQ(::read(is_open[0], &byte, 1), 1);
  ASSERT_EQ(byte, 'y');
  auto second = sqlite::Store::open(at(directory.path()));
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, ErrorCode::busy);
  EXPECT_EQ(second.error().where, directory.path());
  ::close(is_open[0]);
  ::close(may_end[0]);
  ::close(may_end[1]);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  EXPECT_TRUE(sqlite::Store::open(at(directory.path())).ok());
}

TEST(SqliteStore, second_opening_in_one_process_is_told_the_same) {
  TempDirectory directory;
  auto store = open_or_fail(at(directory.path()));
  auto second = sqlite::Store::open(at(directory.path()));
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, ErrorCode::busy);
  EXPECT_TRUE(store->write(new_space("s")).ok());
}

TEST(SqliteStore, newer_format_is_refused_with_both_versions) {
  TempDirectory directory;
  open_or_fail(at(directory.path()));
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open((directory.file("rejoin.db")).c_str(), &db), SQLITE_OK);
  sqlite3_exec(db, "PRAGMA user_version=77; CREATE TABLE future(x)", nullptr, nullptr, nullptr);
  sqlite3_close(db);
  auto store = sqlite::Store::open(at(directory.path()));
  ASSERT_FALSE(store.ok());
  EXPECT_EQ(store.error().code, ErrorCode::unsupported_version);
  EXPECT_NE(store.error().message.find("77"), std::string::npos);
  EXPECT_NE(store.error().message.find("up to 2"), std::string::npos);
}

TEST(SqliteStore, older_format_is_read_and_becomes_the_present_one_with_the_next_commit) {
  TempDirectory directory;
  const auto format = [&](const char* pragma) {
    sqlite3* db = nullptr;
    EXPECT_EQ(sqlite3_open((directory.file("rejoin.db")).c_str(), &db), SQLITE_OK);
    int version = 0;
    sqlite3_exec(
        db, pragma,
        [](void* out, int, char** values, char**) {
          *static_cast<int*>(out) = std::atoi(values[0]);
          return 0;
        },
        &version, nullptr);
    sqlite3_close(db);
    return version;
  };
  write_to(directory.path(), new_space("s"));
  format("PRAGMA user_version=1");
  open_or_fail(at(directory.path()));
  EXPECT_EQ(format("PRAGMA user_version"), 1);
  write_to(directory.path(), one_record("s", "an event"));
  EXPECT_EQ(format("PRAGMA user_version"), 2);
  EXPECT_NE(open_or_fail(at(directory.path())), nullptr);
}

TEST(SqliteStore, database_of_another_program_is_refused) {
  TempDirectory directory;
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open((directory.file("rejoin.db")).c_str(), &db), SQLITE_OK);
  sqlite3_exec(db, "CREATE TABLE theirs(x)", nullptr, nullptr, nullptr);
  sqlite3_close(db);
  auto store = sqlite::Store::open(at(directory.path()));
  ASSERT_FALSE(store.ok());
  EXPECT_EQ(store.error().code, ErrorCode::corrupt);
}

TEST(SqliteStore, reading_only_leaves_every_file_as_it_is) {
  TempDirectory directory;
  const Contents model = write_and_abandon(directory.path(), 11, 30);
  const auto before = files_of(directory.path());
  ASSERT_GT(before.at("rejoin.db-wal").size(), 0u);
  SqliteOptions options = at(directory.path());
  options.read_only = true;
  {
    auto store = open_or_fail(options);
    auto found = contents_of(*store);
    ASSERT_TRUE(found.ok()) << found.error().to_string();
    EXPECT_EQ(*found, model);
    EXPECT_FALSE(store->write(new_space("more")).ok());
  }
  EXPECT_TRUE(files_of(directory.path()) == before);
}

TEST(SqliteStore, reading_only_makes_no_store) {
  TempDirectory directory;
  SqliteOptions options = at(directory.file("none"));
  options.read_only = true;
  auto store = sqlite::Store::open(options);
  ASSERT_FALSE(store.ok());
  EXPECT_EQ(store.error().code, ErrorCode::not_found);
  EXPECT_FALSE(std::filesystem::exists(directory.file("none")));
}

TEST(SqliteStore, closing_leaves_one_database_file_without_a_log) {
  TempDirectory directory;
  write_to(directory.path(), new_space("s"));
  EXPECT_FALSE(std::filesystem::exists(directory.file("rejoin.db-wal")));
}

TEST(SqliteStore, disk_follows_the_live_state_down) {
  TempDirectory directory;
  SqliteOptions options = at(directory.path());
  options.vacuum_bytes_min = 1 << 20;
  auto store = open_or_fail(options);
  ASSERT_TRUE(store->write(new_space("s")).ok());
  PersistBatch fill;
  fill.checkpoints.push_back({"s", "header", {}, HybridTime{1}});
  PersistBatch empty = fill;
  for (int i = 0; i < 4000; ++i) {
    const std::string key = "key " + std::to_string(i);
    fill.checkpoints[0].dirty_cells.push_back({key, std::string(2000, 'x')});
    empty.checkpoints[0].dirty_cells.push_back({key, ""});
  }
  ASSERT_TRUE(store->write(fill).ok());
  ASSERT_TRUE(store->write(empty).ok());
  store.reset();
  EXPECT_LT(std::filesystem::file_size(directory.file("rejoin.db")), 1u << 20);
}

TEST(SqliteStore, backup_without_its_later_commits_is_noticed) {
  TempDirectory directory;
  write_to(directory.path(), new_space("s"));
  const std::string backup = read_whole(directory.file("rejoin.db"));
  write_to(directory.path(), one_record("s", "acknowledged"));
  write_whole(directory.file("rejoin.db"), backup);
  auto found = contents_of(at(directory.path()));
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.error().code, ErrorCode::corrupt);
}

TEST(SqliteStore, database_file_alone_is_uncertain_until_every_space_has_a_new_replica_id) {
  TempDirectory directory;
  PersistBatch both = new_space("a");
  both.spaces.push_back(new_space("bb").spaces[0]);
  write_to(directory.path(), both);
  std::filesystem::remove(directory.file("rejoin.acked"));
  const auto uncertain_after = [&](const std::optional<PersistBatch>& batch) {
    auto store = open_or_fail(at(directory.path()));
    EXPECT_TRUE(store->load().ok());
    if (batch) {
      EXPECT_TRUE(store->write(*batch).ok());
    }
    return store->uncertain();
  };
  EXPECT_TRUE(uncertain_after(std::nullopt));
  EXPECT_TRUE(uncertain_after(one_record("a", "x")));
  EXPECT_TRUE(uncertain_after(new_space("a")));
  EXPECT_FALSE(uncertain_after(both));
  EXPECT_FALSE(uncertain_after(std::nullopt));
}

TEST(SqliteStore, set_aside_moves_every_file_and_overwrites_none) {
  TempDirectory directory;
  const Contents model = write_and_abandon(directory.path(), 3, 20);
  const auto first_files = files_of(directory.path());
  auto first = set_aside(directory.path(), 1234);
  ASSERT_TRUE(first.ok()) << first.error().to_string();
  EXPECT_EQ(*first, directory.file("rejoin.db.corrupt-1234"));
  EXPECT_TRUE(files_of(directory.path()).empty());
  EXPECT_TRUE(files_of(*first) == first_files);

  write_to(directory.path(), new_space("new"));
  auto second = set_aside(directory.path(), 1234);
  ASSERT_TRUE(second.ok());
  EXPECT_NE(*second, *first);
  EXPECT_TRUE(files_of(*first) == first_files);
  EXPECT_EQ(*contents_of(at(*first)), model);

  auto third = set_aside(directory.path(), 1234);
  ASSERT_FALSE(third.ok());
  EXPECT_EQ(third.error().code, ErrorCode::not_found);
}

// A child writes and reports each batch that was acknowledged; it is killed at a random moment.
TEST(SqliteStore, killed_process_loses_no_acknowledged_batch) {
  std::mt19937_64 random(20261124);
  for (int round = 0; round < 20; ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    TempDirectory directory;
    int channel[2];
    ASSERT_EQ(::pipe(channel), 0);
    const std::uint64_t seed = random();
    const pid_t child = ::fork();
    if (child == 0) {
      auto store = sqlite::Store::open(at(directory.path()));
      Workload workload(seed);
      while (store.ok()) {
        const PersistBatch batch = workload.next();
        if (!(*store)->write(batch).ok()) break;
        if (::write(channel[1], &batch.ticket, sizeof batch.ticket) != sizeof batch.ticket) break;
      }
      ::_exit(1);
    }
    ::close(channel[1]);
    const std::uint64_t kill_after = 1 + random() % 60;
    std::uint64_t acknowledged = 0;
    std::uint64_t ticket = 0;
    while (::read(channel[0], &ticket, sizeof ticket) == sizeof ticket) {
      acknowledged = ticket;
      if (ticket == kill_after) ::kill(child, SIGKILL);
    }
    ::close(channel[0]);
    int outcome = 0;
    ASSERT_EQ(::waitpid(child, &outcome, 0), child);
    ASSERT_TRUE(WIFSIGNALED(outcome)) << "the child gave up by itself";
    ASSERT_GE(acknowledged, kill_after);

    auto store = open_or_fail(at(directory.path()));
    auto found = contents_of(*store);
    ASSERT_TRUE(found.ok()) << found.error().to_string();
    EXPECT_FALSE(store->uncertain());
    Contents model;
    Workload workload(seed);
    for (std::uint64_t i = 0; i < acknowledged; ++i) play(model, workload.next());
    if (*found != model) {  // the batch that was in flight may have arrived, too
      play(model, workload.next());
      EXPECT_EQ(*found, model);
    }
  }
}

}  // namespace
}  // namespace rejoin::node
