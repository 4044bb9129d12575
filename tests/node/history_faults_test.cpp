// What the disk can do to an archive and the store beside it: power losses at every moment, failing
// operations. What both say afterwards is compared with what was acknowledged.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "core_world.h"
#include "history/archive.h"
#include "history/keep.h"
#include "rejoin/crdt/delta.h"
#include "rejoin/node/sqlite_storage.h"
#include "world/sqlite_vfs.h"

namespace rejoin::node::history {
namespace {

using std::chrono::milliseconds;

constexpr const char* directory = "/store";
constexpr const char* space = "s";

// All batches of a node that keeps its history, in a cluster on links that lose much: it hears by
// events and by states.
std::vector<std::shared_ptr<const PersistBatch>> batches_of_a_node(std::uint64_t seed) {
  testing::World world(seed);
  world.network.loss = 0.3;
  world.add_mesh({"a", "b", "c"}, [](CoreOptions& options) {
    options.checkpoint_log_bytes = 1500;
    options.recent_bytes_max = 300;  // so that who missed events is told a state
  });
  auto& a = world.machine("a");
  EXPECT_TRUE(a.core->open_space(space, {true, true}, world.now_of("a")).ok());
  const char* const writers[] = {"a", "b", "c"};
  for (int i = 0; i < 160; ++i) {
    const std::string who = writers[world.dice.below(3)];
    world.put(who, "k" + std::to_string(world.dice.below(9)), Value(std::int64_t{i}));
    if (world.dice.chance(0.4)) world.run_for(milliseconds(world.dice.below(300)));
  }
  EXPECT_TRUE(world.run_until([&] { return world.converged(space); }, std::chrono::seconds(60)));
  return a.disk.batches();
}

// What is in an archive once so many batches are.
struct Kept {
  std::map<Dot, std::string> events;
  Clock clock;
};

void play(Kept& kept, const PersistBatch& batch) {
  for (const auto* records : {&batch.superseded, &batch.log}) {
    for (const LogRecord& record : *records) {
      if (!record.archived) continue;
      if (record.kind == RecordKind::event) {
        const EventPtr event = Event::decode(record.bytes).value();
        kept.events.emplace(event->id(), record.bytes);
        kept.clock.advance(event->id());
      } else if (record.kind == RecordKind::delta) {
        kept.clock.join(Delta::decode(record.bytes).value().clock);
      }
    }
  }
}

class HistoryFaults : public ::testing::Test {
 protected:
  struct Files {
    std::unique_ptr<SqliteStorage> storage;
    std::unique_ptr<Archive> archive;
  };

  // As a node does when it starts.
  Status open(Files& files, const std::string& boot) {
    SqliteOptions options;
    options.directory = directory;
    options.vfs = disk_.name();
    options.boot_id = boot;
    auto storage = SqliteStorage::open(options);
    if (!storage) return storage.error();
    auto stored = (*storage)->load();
    if (!stored) return stored.error();
    auto archive = Archive::open({directory, false, disk_.name()});
    if (!archive) return archive.error();
    for (const StoredSpace& one : *stored) {
      if (one.name != space || !(*archive)->has_space(space)) continue;
      auto begun = begin(**archive, space, one.document.clock_with_retired(), one.recent);
      if (!begun) return begun;
      found_ = one.document.clock_with_retired();
    }
    if (!(*archive)->has_space(space)) {
      if (auto begun = (*archive)->begin(space, {}); !begun) return begun;
    }
    files.storage = *std::move(storage);
    files.archive = *std::move(archive);
    return {};
  }

  // Until one fails. Gives how many were acknowledged.
  std::size_t write(Files& files, std::size_t from) {
    for (std::size_t i = from; i < batches_.size(); ++i) {
      auto kept = keep(*files.archive, *batches_[i]);
      if (!kept) return i;
      if (!files.storage->write(*batches_[i])) return i;
    }
    return batches_.size();
  }

  // Whether the archive has the events of just so many batches, and all of them whole.
  void check(const Archive& archive, std::size_t count) {
    const Kept& kept = after_[count];
    const auto verified = archive.verify(space);
    ASSERT_TRUE(verified.ok()) << verified.error().to_string();
    EXPECT_EQ(verified->broken, "");
    EXPECT_EQ(verified->events, kept.events.size());
    for (const auto& [id, bytes] : kept.events) {
      const auto event = archive.event(space, id);
      ASSERT_TRUE(event.ok()) << event.error().to_string();
      ASSERT_TRUE(*event) << id.full_name() << " is not there";
      EXPECT_EQ((*event)->encoded(), bytes);
    }
    EXPECT_EQ(archive.clock(space), kept.clock);
  }

  void SetUp() override {
    batches_ = batches_of_a_node(7);
    Kept kept;
    after_.push_back(kept);
    for (const auto& batch : batches_) {
      play(kept, *batch);
      after_.push_back(kept);
      for (const LogRecord& record : batch->log) deltas_ += record.kind == RecordKind::delta;
      checkpoints_ += batch->checkpoints.size();
    }
    ASSERT_GT(deltas_, 3u);
    ASSERT_GT(checkpoints_, 3u);
    ASSERT_GT(kept.events.size(), 50u);
  }

  simulation::SqliteVfs disk_;
  std::vector<std::shared_ptr<const PersistBatch>> batches_;
  std::vector<Kept> after_;  // after_[n]: n batches
  std::size_t deltas_ = 0;
  std::size_t checkpoints_ = 0;
  Clock found_;  // of the document that the storage gave back
};

TEST_F(HistoryFaults, power_loss_at_any_moment_loses_nothing_acknowledged) {
  {
    Files files;
    ASSERT_TRUE(open(files, "first boot").ok());
    ASSERT_EQ(write(files, 0), batches_.size());
    check(*files.archive, batches_.size());
  }
  const std::uint64_t operations_total = disk_.operations;
  simulation::Random random(3);
  for (std::uint64_t stop_at = 1; stop_at <= operations_total; ++stop_at) {
    // Every policy in turn: each operation is met by all of them within six seeds of the test.
    const auto policy = static_cast<simulation::UnsyncedWrites>(
        (stop_at + 5) % simulation::unsynced_writes_policies);
    SCOPED_TRACE("power lost at operation " + std::to_string(stop_at) + ", unsynced writes " +
                 std::to_string(static_cast<int>(policy)));
    disk_.replace_contents({});
    disk_.operations = 0;
    disk_.stop_at = stop_at;
    std::size_t acknowledged = 0;
    {
      Files files;
      if (open(files, "first boot").ok()) acknowledged = write(files, 0);
    }
    disk_.stop_at = 0;
    disk_.lose_power(policy, random);

    Files files;
    found_ = {};
    const Status opened = open(files, "second boot");
    ASSERT_TRUE(opened.ok()) << opened.error().to_string();
    // The batch that was under way may have arrived.
    std::size_t count = acknowledged;
    if (found_ != after_[count].clock) ++count;
    ASSERT_LT(count, after_.size());
    ASSERT_EQ(found_, after_[count].clock) << acknowledged << " batches were acknowledged";
    check(*files.archive, count);
    if (HasFatalFailure()) return;
    // And it goes on from there.
    if (stop_at % 7 != 0) continue;
    ASSERT_EQ(write(files, count), batches_.size());
    check(*files.archive, batches_.size());
    if (HasFatalFailure()) return;
  }
}

TEST_F(HistoryFaults, a_failed_operation_loses_nothing_and_the_batch_can_be_written_again) {
  {
    Files files;
    ASSERT_TRUE(open(files, "first boot").ok());
    ASSERT_EQ(write(files, 0), batches_.size());
  }
  const std::uint64_t operations_total = disk_.operations;
  for (std::uint64_t fail_at = 1; fail_at <= operations_total; fail_at += 3) {
    SCOPED_TRACE("operation " + std::to_string(fail_at) + " fails");
    disk_.replace_contents({});
    disk_.operations = 0;
    disk_.fail_at = fail_at;
    Files files;
    if (!open(files, "first boot").ok()) {
      disk_.fail_at = 0;
      ASSERT_TRUE(open(files, "first boot").ok());
    }
    std::size_t written = write(files, 0);
    disk_.fail_at = 0;
    written = write(files, written);
    ASSERT_EQ(written, batches_.size());
    check(*files.archive, batches_.size());
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace rejoin::node::history
