#include "rejoin/node/inspect.h"

#include <gtest/gtest.h>

#include "rejoin/crdt/transaction.h"
#include "store_contents.h"

namespace rejoin::node {
namespace {

EventPtr set(Document& document, std::uint64_t millis, const std::string& name,
             const Value& value) {
  Transaction transaction = document.begin({HybridTime::from_millis(millis), "", ""});
  EXPECT_TRUE(transaction.root().reg(name).set(value).ok());
  return transaction.commit();
}

class InspectTest : public ::testing::Test {
 protected:
  std::unique_ptr<SqliteStorage> open() {
    SqliteOptions options;
    options.directory = directory_.path();
    auto storage = SqliteStorage::open(options);
    EXPECT_TRUE(storage.ok()) << storage.error().to_string();
    EXPECT_TRUE((*storage)->load().ok());
    return *std::move(storage);
  }

  // Two cells in a checkpoint, then one event and one delta; and a space without writes.
  void fill(SqliteStorage& storage) {
    PersistBatch batch;
    batch.spaces.push_back({"sessions", document_.self()});
    batch.spaces.push_back({"empty", ReplicaId::from_words(3, 3)});
    set(document_, 10, "a", 1);
    set(document_, 20, "b", "two");
    CheckpointRecord checkpoint{
        "sessions", document_.header(), {}, HybridTime::from_millis(20), document_.hash()};
    document_.take_dirty([&](Document::StoredCell cell) {
      cell_bytes_ += cell.key.size() + cell.bytes.size();
      checkpoint.dirty_cells.push_back(std::move(cell));
    });
    header_bytes_ = checkpoint.header.size();
    batch.checkpoints.push_back(checkpoint);
    ASSERT_TRUE(storage.write(batch).ok());
    batch = {};
    const EventPtr event = set(document_, 30, "c", 3.5);
    batch.log.push_back({"sessions", RecordKind::event, event->encoded()});
    Document peer(ReplicaId::from_words(9, 9));
    set(peer, 25, "d", nullptr);
    const Delta delta = peer.delta_since(document_.clock());
    ASSERT_TRUE(document_.join(delta).ok());
    batch.log.push_back({"sessions", RecordKind::delta, delta.encoded()});
    log_bytes_ = event->encoded().size() + delta.encoded().size();
    ASSERT_TRUE(storage.write(batch).ok());
  }

  TempDirectory directory_;
  Document document_{ReplicaId::from_words(1, 2)};
  std::uint64_t cell_bytes_ = 0;
  std::uint64_t header_bytes_ = 0;
  std::uint64_t log_bytes_ = 0;
};

TEST_F(InspectTest, tells_what_each_space_holds_and_takes) {
  fill(*open());
  auto found = inspect(directory_.path());
  ASSERT_TRUE(found.ok()) << found.error().to_string();
  EXPECT_TRUE(found->certain);
  EXPECT_EQ(found->format, 2);
  EXPECT_EQ(found->commits, 2);
  EXPECT_EQ(found->database_bytes, std::filesystem::file_size(directory_.file("rejoin.db")));
  ASSERT_EQ(found->spaces.size(), 2u);
  const InspectedSpace& sessions = found->spaces[0];
  EXPECT_EQ(sessions.space.name, "sessions");
  EXPECT_EQ(sessions.space.replica, document_.self());
  EXPECT_EQ(sessions.space.last_time, HybridTime::from_millis(30));
  EXPECT_EQ(sessions.space.document.clock(), document_.clock());
  EXPECT_EQ(sessions.space.document.hash(), document_.hash());
  EXPECT_EQ(sessions.stored_cells, 2u);
  EXPECT_EQ(sessions.stored_cell_bytes, cell_bytes_);
  EXPECT_EQ(sessions.header_bytes, header_bytes_);
  EXPECT_EQ(sessions.log_events, 1u);
  EXPECT_EQ(sessions.log_deltas, 1u);
  EXPECT_EQ(sessions.log_bytes, log_bytes_);
  EXPECT_EQ(found->spaces[1].space.name, "empty");
  EXPECT_EQ(found->spaces[1].stored_cells, 0u);
}

TEST_F(InspectTest, leaves_the_files_of_a_killed_process_as_they_are) {
  TempDirectory copy;
  {
    auto storage = open();
    fill(*storage);
    for (const auto& [name, bytes] : files_of(directory_.path()))
      write_whole(copy.file(name), bytes);
  }
  const auto before = files_of(copy.path());
  ASSERT_GT(before.at("rejoin.db-wal").size(), 0u);
  auto found = inspect(copy.path());
  ASSERT_TRUE(found.ok()) << found.error().to_string();
  EXPECT_EQ(found->spaces[0].space.document.hash(), document_.hash());
  EXPECT_EQ(found->write_ahead_bytes, before.at("rejoin.db-wal").size());
  EXPECT_TRUE(files_of(copy.path()) == before);
}

TEST_F(InspectTest, store_in_use_is_busy) {
  auto storage = open();
  fill(*storage);
  auto found = inspect(directory_.path());
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.error().code, ErrorCode::busy);
}

TEST_F(InspectTest, directory_without_a_store_is_not_found) {
  auto found = inspect(directory_.path());
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.error().code, ErrorCode::not_found);
  EXPECT_TRUE(files_of(directory_.path()).empty());
}

TEST_F(InspectTest, damage_is_named_and_left_in_place) {
  fill(*open());
  std::string bytes = read_whole(directory_.file("rejoin.db"));
  const std::size_t at = bytes.rfind("two");
  ASSERT_NE(at, std::string::npos);
  bytes[at] = 'T';
  write_whole(directory_.file("rejoin.db"), bytes);
  const auto before = files_of(directory_.path());
  auto found = inspect(directory_.path());
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.error().code, ErrorCode::corrupt);
  EXPECT_EQ(found.error().where, directory_.file("rejoin.db"));
  EXPECT_NE(found.error().message.find("cell"), std::string::npos);
  EXPECT_TRUE(files_of(directory_.path()) == before);
}

TEST_F(InspectTest, database_file_alone_is_uncertain) {
  fill(*open());
  std::filesystem::remove(directory_.file("rejoin.acked"));
  auto found = inspect(directory_.path());
  ASSERT_TRUE(found.ok());
  EXPECT_FALSE(found->certain);
  EXPECT_TRUE(found->spaces[0].space.last_writes_uncertain);
}

}  // namespace
}  // namespace rejoin::node
