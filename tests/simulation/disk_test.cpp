// The model disk keeps what a real store keeps.
#include "world/disk.h"

#include <gtest/gtest.h>

#include <set>

#include "rejoin/crdt/transaction.h"

namespace rejoin::simulation {
namespace {

const ReplicaId a = ReplicaId::from_words(0xA, 1);

class ModelDiskTest : public testing::Test {
 protected:
  EventPtr write(const std::string& name, const Value& value) {
    Transaction transaction = document.begin({HybridTime::from_millis(++millis), "", ""});
    EXPECT_TRUE(transaction.root().reg(name).set(value).ok());
    return transaction.commit();
  }
  node::PersistBatch log_of(const EventPtr& event) {
    node::PersistBatch batch;
    batch.log.push_back({"main", node::RecordKind::event, event->encoded()});
    return batch;
  }
  node::CheckpointRecord checkpoint() {
    node::CheckpointRecord record;
    record.space = "main";
    record.header = document.header();
    document.take_dirty([&](Document::StoredCell cell) { record.dirty_cells.push_back(cell); });
    record.last_time = HybridTime::from_millis(millis);
    record.hash = document.hash();
    return record;
  }
  void expect_same_state() {
    auto loaded = disk.load();
    ASSERT_TRUE(loaded.ok()) << loaded.error().to_string();
    ASSERT_EQ(loaded->size(), 1u);
    EXPECT_EQ((*loaded)[0].document.clock(), document.clock());
    EXPECT_EQ((*loaded)[0].document.canonical_state(), document.canonical_state());
    EXPECT_EQ((*loaded)[0].last_time, HybridTime::from_millis(millis));
  }

  std::uint64_t millis = 0;
  Document document{a};
  static DiskOptions always_power_loss() {
    DiskOptions options;
    options.power_loss = percent(100);
    return options;
  }
  ModelDisk disk{always_power_loss(), [this] { return luck.fork(++draws); }};
  Random luck{1};
  std::uint64_t draws = 0;
};

TEST_F(ModelDiskTest, what_was_logged_and_checkpointed_comes_back) {
  node::PersistBatch first = log_of(write("x", 1));
  first.spaces.push_back({"main", a});
  ASSERT_TRUE(disk.write(first).ok());
  expect_same_state();

  node::PersistBatch second = log_of(write("y", 2));
  second.checkpoints.push_back(checkpoint());
  ASSERT_TRUE(disk.write(second).ok());
  expect_same_state();

  ASSERT_TRUE(disk.write(log_of(write("x", 3))).ok());
  expect_same_state();
}

TEST_F(ModelDiskTest, a_cell_that_a_checkpoint_deletes_stays_deleted) {
  node::PersistBatch batch = log_of(write("x", 1));
  batch.spaces.push_back({"main", a});
  batch.checkpoints.push_back(checkpoint());
  ASSERT_TRUE(disk.write(batch).ok());
  Transaction transaction = document.begin({HybridTime::from_millis(++millis), "", ""});
  ASSERT_TRUE(transaction.root().remove("x", Type::reg).ok());
  node::PersistBatch removal = log_of(transaction.commit());
  document.prune(document.clock());
  removal.checkpoints.push_back(checkpoint());
  ASSERT_TRUE(disk.write(removal).ok());
  expect_same_state();
}

TEST_F(ModelDiskTest, a_record_of_an_unknown_space_is_refused) {
  EXPECT_FALSE(disk.write(log_of(write("x", 1))).ok());
}

TEST_F(ModelDiskTest, a_wiped_disk_is_empty) {
  node::PersistBatch batch = log_of(write("x", 1));
  batch.spaces.push_back({"main", a});
  ASSERT_TRUE(disk.write(batch).ok());
  EXPECT_FALSE(disk.empty());
  disk.wipe();
  EXPECT_TRUE(disk.empty());
}

TEST_F(ModelDiskTest, a_disk_that_lies_loses_what_it_acknowledged_since_and_no_more) {
  node::PersistBatch first = log_of(write("x", 1));
  first.spaces.push_back({"main", a});
  ASSERT_TRUE(disk.write(first).ok());
  disk.begin(DiskFault::lies);
  std::set<Sequence> left;
  for (int i = 0; i < 40; ++i) {
    const Clock before = document.clock();
    for (int batch = 0; batch < 3; ++batch) ASSERT_TRUE(disk.write(log_of(write("x", batch))).ok());
    EXPECT_EQ(disk.crash(nullptr), Disk::Left::to_be_found_out);
    auto loaded = disk.load();
    ASSERT_TRUE(loaded.ok());
    const Clock clock = (*loaded)[0].document.clock();
    ASSERT_TRUE(clock.includes(before));
    ASSERT_TRUE(document.clock().includes(clock));
    left.insert(clock.get(a) - before.get(a));
    document = std::move((*loaded)[0].document);
  }
  EXPECT_EQ(left, (std::set<Sequence>{0, 1, 2, 3}));
}

TEST_F(ModelDiskTest, a_lie_that_ends_comes_true) {
  node::PersistBatch first = log_of(write("x", 1));
  first.spaces.push_back({"main", a});
  disk.begin(DiskFault::lies);
  ASSERT_TRUE(disk.write(first).ok());
  disk.end(DiskFault::lies);
  EXPECT_EQ(disk.crash(nullptr), Disk::Left::acknowledged);
  expect_same_state();
}

TEST_F(ModelDiskTest, a_flipped_bit_is_found_by_the_next_load) {
  node::PersistBatch batch = log_of(write("x", 1));
  batch.spaces.push_back({"main", a});
  ASSERT_TRUE(disk.write(batch).ok());
  disk.flip_bit();
  const auto loaded = disk.load();
  ASSERT_FALSE(loaded.ok());
  EXPECT_EQ(loaded.error().code, ErrorCode::corrupt);
  disk.wipe();
  EXPECT_TRUE(disk.load().ok());
}

TEST_F(ModelDiskTest, an_unreadable_disk_is_not_loaded) {
  disk.begin(DiskFault::unreadable);
  const auto loaded = disk.load();
  ASSERT_FALSE(loaded.ok());
  EXPECT_EQ(loaded.error().code, ErrorCode::io);
}

}  // namespace
}  // namespace rejoin::simulation
