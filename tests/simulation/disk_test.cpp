// The model disk keeps what a real store keeps.
#include "world/disk.h"

#include <gtest/gtest.h>

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
  ModelDisk disk;
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

}  // namespace
}  // namespace rejoin::simulation
