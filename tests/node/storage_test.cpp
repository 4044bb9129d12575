// Documents into a storage and out again.
#include "rejoin/node/storage.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "rejoin/crdt/transaction.h"
#include "store_contents.h"
#include "world/sqlite_vfs.h"

namespace rejoin::node {
namespace {

constexpr const char* space_name = "sessions";

ReplicaId replica(std::uint64_t n) { return ReplicaId::from_words(0x1000 + n, n); }

// A few writes of any kind somewhere in a small tree. Some come to nothing.
EventPtr maybe_write(Document& document, std::mt19937_64& random, std::uint64_t millis) {
  Transaction transaction = document.begin({HybridTime::from_millis(millis), "author", "note"});
  const auto below = [&](std::uint64_t bound) { return random() % bound; };
  for (std::uint64_t writes = 1 + below(4); writes > 0; --writes) {
    MapRef map = transaction.root();
    for (std::uint64_t depth = below(3); depth > 0; --depth) {
      map = map.map("m" + std::to_string(below(3)));
    }
    const std::string name = "n" + std::to_string(below(4));
    const auto number = static_cast<std::int64_t>(below(100));
    switch (below(9)) {
      case 0:
        (void)map.reg(name).set(number);
        break;
      case 1:
        (void)map.reg(name, Type::multi_register).set("text " + std::to_string(number));
        break;
      case 2:
        (void)map.counter(name).add(number - 50);
        break;
      case 3:
        (void)map.counter(name).reset();
        break;
      case 4:
        (void)map.flag(name).set(number % 2 == 0);
        break;
      case 5:
        (void)map.set(name).add(number % 5);
        break;
      case 6:
        (void)map.set(name).remove(number % 5);
        break;
      case 7:
        (void)map.list(name).push(number);
        break;
      case 8:
        (void)map.remove("m" + std::to_string(below(3)), Type::map);
        break;
    }
  }
  return transaction.commit();
}

EventPtr write_something(Document& document, std::mt19937_64& random, std::uint64_t millis) {
  while (true) {
    if (EventPtr event = maybe_write(document, random, millis)) return event;
  }
}

LogRecord event_record(const EventPtr& event) {
  return {space_name, RecordKind::event, event->encoded()};
}

CheckpointRecord checkpoint_of(Document& document, HybridTime last_time) {
  CheckpointRecord out{space_name, document.header(), {}, last_time, document.hash()};
  document.take_dirty(
      [&](Document::StoredCell cell) { out.dirty_cells.push_back(std::move(cell)); });
  return out;
}

class StorageOnDisk {
 public:
  Result<StoredSpace> open() {
    SqliteOptions options;
    options.directory = "/store";
    options.vfs = disk.name();
    storage.reset();
    auto opened = SqliteStorage::open(options);
    if (!opened.ok()) return std::move(opened).error();
    storage = *std::move(opened);
    auto spaces = storage->load();
    if (!spaces.ok()) return std::move(spaces).error();
    if (spaces->empty()) return make_error(ErrorCode::not_found, "no space is stored");
    return std::move(spaces->front());
  }

  simulation::SqliteVfs disk;
  std::unique_ptr<SqliteStorage> storage;
};

// Local commits, a peer's events and deltas, checkpoints, new ids and forgotten removals in any
// order: what is loaded is what was there.
RC_GTEST_PROP(Storage, loaded_document_equals_the_one_that_was_kept, ()) {
  const auto seed = *rc::gen::arbitrary<std::uint64_t>();
  std::mt19937_64 random(seed);
  StorageOnDisk store;
  RC_ASSERT(store.open().error().code == ErrorCode::not_found);

  Document mine(replica(0));
  Document peer(replica(1));
  std::vector<EventPtr> recent;
  HybridTime last_time;
  std::uint64_t millis = 1;
  std::uint64_t replicas = 2;
  PersistBatch batch;
  batch.spaces.push_back({space_name, mine.self()});

  const int steps = *rc::gen::inRange(1, 80);
  for (int step = 0; step < steps; ++step) {
    switch (random() % 12) {
      case 0:
      case 1:
      case 2:
      case 3: {
        if (const EventPtr event = maybe_write(mine, random, ++millis)) {
          batch.log.push_back(event_record(event));
          recent.push_back(event);
          last_time = event->time();
        }
        break;
      }
      case 4: {
        // Of the peer, with what it depends on.
        (void)peer.join(mine);
        if (const EventPtr event = maybe_write(peer, random, ++millis)) {
          RC_ASSERT(*mine.apply(*event) == Applied::applied);
          batch.log.push_back(event_record(event));
          recent.push_back(event);
        }
        break;
      }
      case 5: {
        for (int i = 0; i < 3; ++i) (void)maybe_write(peer, random, ++millis);
        const Delta delta = peer.delta_since(mine.clock());
        RC_ASSERT(mine.join(delta).ok());
        batch.log.push_back({space_name, RecordKind::delta, delta.encoded()});
        break;
      }
      case 6: {
        batch.checkpoints.push_back(checkpoint_of(mine, last_time));
        RC_ASSERT(store.storage->write(batch).ok());
        batch = {};
        recent.clear();
        break;
      }
      case 7: {
        (void)peer.join(mine);
        mine.prune(mine.clock());
        break;
      }
      case 8: {
        mine.become(replica(replicas++));
        batch.spaces.push_back({space_name, mine.self(), last_time});
        break;
      }
      case 9:
      case 10: {
        RC_ASSERT(store.storage->write(batch).ok());
        batch = {};
        break;
      }
      case 11: {
        RC_ASSERT(store.storage->write(batch).ok());
        batch = {};
        auto loaded = store.open();
        RC_ASSERT(loaded.ok());
        RC_ASSERT(!loaded->last_writes_uncertain);
        RC_ASSERT(loaded->name == space_name);
        RC_ASSERT(loaded->replica == mine.self());
        RC_ASSERT(loaded->last_time == last_time);
        RC_ASSERT(loaded->document.self() == mine.self());
        RC_ASSERT(loaded->document.clock() == mine.clock());
        RC_ASSERT(loaded->document.hash() == mine.hash());
        RC_ASSERT(loaded->document.canonical_state() == mine.canonical_state());
        RC_ASSERT(loaded->document.check_invariants().ok());
        RC_ASSERT(loaded->recent.size() == recent.size());
        for (std::size_t i = 0; i < recent.size(); ++i) {
          RC_ASSERT(loaded->recent[i]->encoded() == recent[i]->encoded());
        }
        mine = std::move(loaded->document);
        break;
      }
    }
  }
}

class StorageTest : public ::testing::Test {
 protected:
  StorageOnDisk store_;
  std::mt19937_64 random_{42};
};

TEST_F(StorageTest, later_local_times_begin_where_the_log_ends) {
  (void)store_.open();
  Document mine(replica(0));
  Document peer(replica(1));
  PersistBatch batch;
  batch.spaces.push_back({space_name, mine.self()});
  batch.checkpoints.push_back(checkpoint_of(mine, HybridTime::from_millis(100)));
  ASSERT_TRUE(store_.storage->write(batch).ok());
  batch = {};
  const EventPtr ours = write_something(mine, random_, 200);
  const EventPtr theirs = write_something(peer, random_, 9000);
  ASSERT_TRUE(mine.apply(*theirs).ok());
  batch.log = {event_record(ours), event_record(theirs)};
  ASSERT_TRUE(store_.storage->write(batch).ok());
  auto loaded = store_.open();
  ASSERT_TRUE(loaded.ok()) << loaded.error().to_string();
  EXPECT_EQ(loaded->last_time, HybridTime::from_millis(200));
  EXPECT_EQ(loaded->log_bytes, ours->encoded().size() + theirs->encoded().size());
}

TEST_F(StorageTest, record_that_lacks_its_dependencies_is_corrupt) {
  (void)store_.open();
  Document mine(replica(0));
  (void)write_something(mine, random_, 1);
  const EventPtr second = write_something(mine, random_, 2);
  PersistBatch batch;
  batch.spaces.push_back({space_name, mine.self()});
  batch.log.push_back(event_record(second));
  ASSERT_TRUE(store_.storage->write(batch).ok());
  auto loaded = store_.open();
  ASSERT_FALSE(loaded.ok());
  EXPECT_EQ(loaded.error().code, ErrorCode::corrupt);
  EXPECT_EQ(loaded.error().where, "/store/rejoin.db");
  EXPECT_NE(loaded.error().message.find(space_name), std::string::npos);
}

TEST_F(StorageTest, cells_that_give_another_hash_are_corrupt) {
  (void)store_.open();
  Document mine(replica(0));
  for (std::uint64_t i = 1; i < 20; ++i) (void)write_something(mine, random_, i);
  PersistBatch batch;
  batch.spaces.push_back({space_name, mine.self()});
  batch.checkpoints.push_back(checkpoint_of(mine, HybridTime{}));
  ASSERT_GT(batch.checkpoints[0].dirty_cells.size(), 3u);
  batch.checkpoints[0].dirty_cells.pop_back();  // lost before it came to the storage
  ASSERT_TRUE(store_.storage->write(batch).ok());
  auto loaded = store_.open();
  ASSERT_FALSE(loaded.ok());
  EXPECT_EQ(loaded.error().code, ErrorCode::corrupt);
}

TEST_F(StorageTest, space_without_writes_comes_back) {
  (void)store_.open();
  PersistBatch batch;
  batch.spaces.push_back({space_name, replica(7)});
  ASSERT_TRUE(store_.storage->write(batch).ok());
  auto loaded = store_.open();
  ASSERT_TRUE(loaded.ok());
  EXPECT_EQ(loaded->replica, replica(7));
  EXPECT_TRUE(loaded->document.clock().empty());
}

TEST_F(StorageTest, store_whose_last_writes_may_be_gone_asks_for_a_new_replica_id) {
  (void)store_.open();
  Document mine(replica(0));
  PersistBatch batch;
  batch.spaces.push_back({space_name, mine.self()});
  batch.log.push_back(event_record(write_something(mine, random_, 1)));
  ASSERT_TRUE(store_.storage->write(batch).ok());
  store_.storage.reset();
  auto files = store_.disk.contents();
  files.erase("/store/rejoin.acked");
  store_.disk.replace_contents(files);
  auto loaded = store_.open();
  ASSERT_TRUE(loaded.ok());
  EXPECT_TRUE(loaded->last_writes_uncertain);
  EXPECT_EQ(loaded->document.canonical_state(), mine.canonical_state());
}

// Below the checksums: whatever bytes come, a loader refuses them or builds a sound document.
TEST_F(StorageTest, loader_refuses_altered_bytes_or_stays_sound) {
  Document mine(replica(0));
  Document peer(replica(1));
  for (std::uint64_t i = 1; i < 40; ++i) {
    (void)write_something(mine, random_, 2 * i);
    (void)write_something(peer, random_, 2 * i + 1);
    if (i % 5 == 0) (void)mine.join(peer);
  }
  const CheckpointRecord checkpoint = checkpoint_of(mine, HybridTime{});
  std::vector<std::pair<RecordKind, std::string>> records;
  for (std::uint64_t i = 100; i < 110; ++i) {
    records.emplace_back(RecordKind::event, write_something(mine, random_, i)->encoded());
    (void)write_something(peer, random_, i);
    const Delta delta = peer.delta_since(mine.clock());
    (void)mine.join(delta);
    records.emplace_back(RecordKind::delta, delta.encoded());
  }
  const auto altered = [&](std::string bytes) {
    if (bytes.empty()) return bytes;
    const std::size_t at = random_() % bytes.size();
    switch (random_() % 4) {
      case 0:
        bytes.resize(at);
        break;
      case 1:
        bytes[at] = static_cast<char>(random_());
        break;
      case 2:
        bytes.insert(at, 1, static_cast<char>(random_()));
        break;
      default:
        bytes[at] = static_cast<char>(bytes[at] ^ (1 << random_() % 8));
        break;
    }
    return bytes;
  };
  int refused = 0;
  for (int trial = 0; trial < 4000; ++trial) {
    SCOPED_TRACE("trial " + std::to_string(trial));
    const auto part = random_() % (1 + checkpoint.dirty_cells.size() + records.size());
    std::size_t position = 0;
    const auto maybe = [&](const std::string& bytes) {
      return position++ == part ? altered(bytes) : bytes;
    };
    SpaceLoader loader(space_name, mine.self(), HybridTime{});
    Status status = loader.header(maybe(checkpoint.header));
    for (const auto& cell : checkpoint.dirty_cells) {
      if (!status.ok()) break;
      const bool key = random_() % 2 == 0;
      status =
          key ? loader.cell(maybe(cell.key), cell.bytes) : loader.cell(cell.key, maybe(cell.bytes));
    }
    for (const auto& [kind, bytes] : records) {
      if (!status.ok()) break;
      status = loader.record(kind, maybe(bytes));
    }
    if (status.ok()) {
      auto space = loader.finish();
      if (space.ok()) {
        const Status sound = space->document.check_invariants();
        ASSERT_TRUE(sound.ok()) << sound.error().to_string();
        continue;
      }
      status = space.error();
    }
    ++refused;
    const bool fitting = status.error().code == ErrorCode::corrupt ||
                         status.error().code == ErrorCode::unsupported_version;
    ASSERT_TRUE(fitting) << status.error().to_string();
  }
  EXPECT_GT(refused, 1000);
}

}  // namespace
}  // namespace rejoin::node
