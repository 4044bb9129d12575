// The disk under SQLite does to its files what it says.
#include "world/sqlite_vfs.h"

#include <gtest/gtest.h>

#include <bit>
#include <set>
#include <string>
#include <vector>

namespace rejoin::simulation {
namespace {

constexpr std::size_t sector = 512;

// One file, through the calls that SQLite makes.
class SqliteVfsTest : public testing::Test {
 protected:
  void SetUp() override {
    vfs = sqlite3_vfs_find(disk.name().c_str());
    ASSERT_NE(vfs, nullptr);
    name = sqlite3_create_filename("/file", "", "", 0, nullptr);
    open();
  }
  void TearDown() override {
    file()->pMethods->xClose(file());
    sqlite3_free_filename(const_cast<char*>(name));
  }
  void open() {
    handle.assign(static_cast<std::size_t>(vfs->szOsFile), 0);
    int flags = 0;
    ASSERT_EQ(vfs->xOpen(vfs, name, file(),
                         SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_MAIN_DB, &flags),
              SQLITE_OK);
  }
  sqlite3_file* file() { return reinterpret_cast<sqlite3_file*>(handle.data()); }
  int write(std::size_t offset, const std::string& bytes) {
    return file()->pMethods->xWrite(file(), bytes.data(), static_cast<int>(bytes.size()),
                                    static_cast<sqlite3_int64>(offset));
  }
  int sync() { return file()->pMethods->xSync(file(), SQLITE_SYNC_NORMAL); }
  int read(std::size_t size, std::string& out) {
    out.resize(size);
    return file()->pMethods->xRead(file(), out.data(), static_cast<int>(size), 0);
  }
  std::string after_power_loss(UnsyncedWrites policy) {
    disk.lose_power(policy, random);
    const auto contents = disk.contents();
    const auto found = contents.find("/file");
    return found == contents.end() ? std::string("no file") : found->second;
  }

  SqliteVfs disk;
  Random random{5};
  sqlite3_vfs* vfs = nullptr;
  const char* name = nullptr;
  std::vector<char> handle;
};

TEST_F(SqliteVfsTest, what_was_synced_survives_whatever_happens_to_the_rest) {
  for (int policy = 0; policy < unsynced_writes_policies; ++policy) {
    disk.replace_contents({});
    file()->pMethods->xClose(file());
    open();
    const std::string durable(2 * sector, 'a');
    ASSERT_EQ(write(0, durable), SQLITE_OK);
    ASSERT_EQ(sync(), SQLITE_OK);
    ASSERT_EQ(write(2 * sector, std::string(sector, 'b')), SQLITE_OK);
    EXPECT_EQ(after_power_loss(static_cast<UnsyncedWrites>(policy)).substr(0, 2 * sector), durable);
  }
}

TEST_F(SqliteVfsTest, unsynced_write_is_lost_or_kept) {
  ASSERT_EQ(write(0, "old"), SQLITE_OK);
  ASSERT_EQ(sync(), SQLITE_OK);
  ASSERT_EQ(write(0, "new"), SQLITE_OK);
  EXPECT_EQ(after_power_loss(UnsyncedWrites::lost), "old");
  ASSERT_EQ(write(0, "new"), SQLITE_OK);
  EXPECT_EQ(after_power_loss(UnsyncedWrites::kept), "new");
}

TEST_F(SqliteVfsTest, file_that_was_never_synced_may_be_gone) {
  ASSERT_EQ(write(0, "new"), SQLITE_OK);
  EXPECT_EQ(after_power_loss(UnsyncedWrites::lost), "no file");
}

TEST_F(SqliteVfsTest, unsynced_writes_arrive_in_any_order) {
  ASSERT_EQ(write(0, "..."), SQLITE_OK);
  ASSERT_EQ(sync(), SQLITE_OK);
  std::set<std::string> seen;
  for (int i = 0; i < 200; ++i) {
    ASSERT_EQ(write(0, "..."), SQLITE_OK);
    ASSERT_EQ(sync(), SQLITE_OK);
    for (std::size_t at = 0; at < 3; ++at) ASSERT_EQ(write(at, std::string(1, 'x')), SQLITE_OK);
    seen.insert(after_power_loss(UnsyncedWrites::drawn));
  }
  EXPECT_EQ(seen.size(), 8u);  // any subset of the three
}

TEST_F(SqliteVfsTest, torn_write_is_torn_between_sectors) {
  const std::string old(8 * sector, 'o');
  bool torn = false;
  for (int i = 0; i < 20; ++i) {
    ASSERT_EQ(write(0, old), SQLITE_OK);
    ASSERT_EQ(sync(), SQLITE_OK);
    ASSERT_EQ(write(0, std::string(8 * sector, 'n')), SQLITE_OK);
    const std::string left = after_power_loss(UnsyncedWrites::torn_last);
    ASSERT_EQ(left.size(), 8 * sector);
    for (std::size_t at = 0; at < left.size(); at += sector) {
      EXPECT_EQ(left.substr(at, sector), std::string(sector, left[at]));
    }
    torn |= left.find('o') != std::string::npos && left.find('n') != std::string::npos;
  }
  EXPECT_TRUE(torn);
}

TEST_F(SqliteVfsTest, lying_sync_loses_what_it_said_was_safe) {
  ASSERT_EQ(write(0, "old"), SQLITE_OK);
  ASSERT_EQ(sync(), SQLITE_OK);
  disk.lie(true);
  ASSERT_EQ(write(0, "new"), SQLITE_OK);
  ASSERT_EQ(sync(), SQLITE_OK);
  std::string read_back;
  ASSERT_EQ(read(3, read_back), SQLITE_OK);
  EXPECT_EQ(read_back, "new");  // nobody can tell before the power fails
  EXPECT_EQ(after_power_loss(UnsyncedWrites::lost), "old");
}

TEST_F(SqliteVfsTest, lie_that_ends_comes_true) {
  disk.lie(true);
  ASSERT_EQ(write(0, "new"), SQLITE_OK);
  ASSERT_EQ(sync(), SQLITE_OK);
  disk.lie(false);
  EXPECT_EQ(after_power_loss(UnsyncedWrites::lost), "new");
}

TEST_F(SqliteVfsTest, flipped_bit_is_read_at_once_and_after_a_power_loss) {
  const std::string old(100, 'o');
  ASSERT_EQ(write(0, old), SQLITE_OK);
  ASSERT_EQ(sync(), SQLITE_OK);
  ASSERT_TRUE(disk.flip_bit(random));
  std::string now;
  ASSERT_EQ(read(old.size(), now), SQLITE_OK);
  int bits = 0;
  for (std::size_t i = 0; i < old.size(); ++i)
    bits += std::popcount(static_cast<std::uint8_t>(now[i] ^ old[i]));
  EXPECT_EQ(bits, 1);
  EXPECT_EQ(after_power_loss(UnsyncedWrites::lost), now);
}

TEST_F(SqliteVfsTest, full_disk_takes_what_it_has_room_for) {
  disk.capacity = 10;
  EXPECT_EQ(write(0, "0123456789"), SQLITE_OK);
  EXPECT_EQ(write(10, "x"), SQLITE_FULL);
  EXPECT_EQ(write(0, "y"), SQLITE_OK);  // no more than there was
}

TEST_F(SqliteVfsTest, operations_fail_when_they_are_told_to) {
  disk.fail_at = 2;
  EXPECT_EQ(write(0, "a"), SQLITE_OK);
  EXPECT_EQ(sync(), SQLITE_IOERR_FSYNC);
  EXPECT_EQ(sync(), SQLITE_OK);
  disk.stop_at = 4;
  EXPECT_EQ(write(0, "b"), SQLITE_IOERR_WRITE);
  EXPECT_EQ(sync(), SQLITE_IOERR_FSYNC);
  std::string bytes;
  disk.read_errors = percent(100);
  EXPECT_EQ(read(1, bytes), SQLITE_IOERR_READ);
}

}  // namespace
}  // namespace rejoin::simulation
