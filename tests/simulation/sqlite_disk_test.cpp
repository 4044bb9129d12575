// The real store on the simulator's disk: what it acknowledged against what comes back.
#include "world/sqlite_disk.h"

#include <gtest/gtest.h>

#include "rejoin/crdt/transaction.h"

namespace rejoin::simulation {
namespace {

class SqliteDiskTest : public testing::Test {
 protected:
  using Stored = Result<std::vector<node::StoredSpace>>;

  void start() {
    auto loaded = disk.load();
    ASSERT_TRUE(loaded.ok()) << loaded.error().to_string();
    node::PersistBatch batch;
    batch.spaces.push_back({"main", document.self()});
    ASSERT_TRUE(disk.write(batch).ok());
  }
  // One write of ours, and a checkpoint now and then.
  node::PersistBatch next() {
    Transaction transaction = document.begin({HybridTime::from_millis(++millis), "", ""});
    EXPECT_TRUE(transaction.root().reg("r" + std::to_string(millis % 7)).set(1).ok());
    node::PersistBatch batch;
    batch.log.push_back({"main", node::RecordKind::event, transaction.commit()->encoded()});
    if (millis % 5 == 0) {
      batch.checkpoints.push_back({"main", document.header(), {}, HybridTime::from_millis(millis)});
      document.take_dirty(
          [&](Document::StoredCell cell) { batch.checkpoints[0].dirty_cells.push_back(cell); });
      batch.checkpoints[0].hash = document.hash();
    }
    return batch;
  }

  Random luck{3};
  std::uint64_t draws = 0;
  std::uint64_t millis = 0;
  Document document{ReplicaId::from_words(0xA, 1)};
  SqliteDisk disk{DiskOptions{}, [this] { return luck.fork(++draws); }};
};

TEST_F(SqliteDiskTest, any_crash_leaves_what_was_acknowledged_and_at_most_the_batch_under_way) {
  start();
  int with_the_batch = 0;
  for (int crash = 0; crash < 150; ++crash) {
    for (int i = 0; i < crash % 4; ++i) ASSERT_TRUE(disk.write(next()).ok());
    const Sequence acknowledged = document.clock().get(document.self());
    const node::PersistBatch under_way = next();
    disk.crash(&under_way);
    auto found = disk.look();
    ASSERT_TRUE(found.ok()) << found.error().to_string();
    auto loaded = disk.load();
    ASSERT_TRUE(loaded.ok()) << loaded.error().to_string();
    const Clock& clock = (*loaded)[0].document.clock();
    EXPECT_EQ((*found)[0].document.clock(), clock);
    const Sequence kept = clock.get(document.self());
    ASSERT_TRUE(kept == acknowledged || kept == acknowledged + 1);
    with_the_batch += kept == acknowledged ? 0 : 1;
    document = std::move((*loaded)[0].document);
  }
  EXPECT_GT(with_the_batch, 30);
  EXPECT_LT(with_the_batch, 120);
}

TEST_F(SqliteDiskTest, a_refused_batch_is_not_kept_and_can_be_written_again) {
  start();
  int refused = 0;
  for (int i = 0; i < 150; ++i) {
    const node::PersistBatch batch = next();
    disk.begin(DiskFault::refuses_writes);
    const Status status = disk.write(batch);
    disk.end(DiskFault::refuses_writes);
    if (status.ok()) continue;
    ++refused;
    const bool said_why =
        status.error().code == ErrorCode::disk_full || status.error().code == ErrorCode::io;
    ASSERT_TRUE(said_why) << status.error().to_string();
    ASSERT_TRUE(disk.write(batch).ok());
  }
  EXPECT_GT(refused, 30);
  disk.crash(nullptr);
  const auto loaded = disk.load();
  ASSERT_TRUE(loaded.ok()) << loaded.error().to_string();
  EXPECT_EQ((*loaded)[0].document.clock(), document.clock());
}

TEST_F(SqliteDiskTest, a_turned_bit_is_harmless_found_out_or_doubted) {
  int found_out = 0;
  for (int trial = 0; trial < 60; ++trial) {
    disk.wipe();
    document = Document(ReplicaId::from_words(0xA, 1));
    start();
    for (int i = 0; i < 12; ++i) ASSERT_TRUE(disk.write(next()).ok());
    disk.crash(nullptr);
    disk.flip_bit();
    ASSERT_TRUE(disk.damaged());
    const auto loaded = disk.load();
    if (!loaded.ok()) {
      ++found_out;
      ASSERT_EQ(loaded.error().code, ErrorCode::corrupt) << loaded.error().to_string();
    } else if (!disk.uncertain()) {
      EXPECT_EQ((*loaded)[0].document.clock(), document.clock());
    }
  }
  EXPECT_GT(found_out, 10);
}

TEST_F(SqliteDiskTest, an_unreadable_disk_is_said_to_be_so_and_read_later) {
  start();
  ASSERT_TRUE(disk.write(next()).ok());
  disk.crash(nullptr);
  disk.begin(DiskFault::unreadable);
  Stored loaded = disk.load();
  ASSERT_FALSE(loaded.ok());
  EXPECT_EQ(loaded.error().code, ErrorCode::io);
  disk.end(DiskFault::unreadable);
  loaded = disk.load();
  ASSERT_TRUE(loaded.ok()) << loaded.error().to_string();
  EXPECT_EQ((*loaded)[0].document.clock(), document.clock());
}

}  // namespace
}  // namespace rejoin::simulation
