#include "world/sqlite_disk.h"

#include <algorithm>
#include <utility>

namespace rejoin::simulation {

namespace {

constexpr Share reads_that_fail = percent(20);
constexpr Share recoveries_that_are_cut_short = percent(20);
constexpr std::uint64_t recovery_operations = 12;  // or about

}  // namespace

Result<std::vector<node::StoredSpace>> SqliteDisk::open() {
  node::SqliteOptions options;
  options.directory = "/store";
  options.vfs = vfs_.name();
  options.boot_id = "boot " + std::to_string(boots_);
  options.vacuum_bytes_min = 64u << 10;  // small enough to happen
  auto opened = node::SqliteStorage::open(std::move(options));
  if (!opened.ok()) return std::move(opened).error();
  storage_ = *std::move(opened);
  auto stored = storage_->load();
  if (!stored.ok()) kill();
  return stored;
}

void SqliteDisk::kill() {
  vfs_.stop_at = 1;
  storage_.reset();
  vfs_.stop_at = 0;
}

void SqliteDisk::lose_power(Random& random) {
  ++boots_;
  auto policy = static_cast<UnsyncedWrites>(random.below(unsynced_writes_policies));
  // What lies is a cache, and mostly all of it is gone.
  if (vfs_.lying() && random.coin()) policy = UnsyncedWrites::lost;
  vfs_.lose_power(policy, random);
}

Result<std::vector<node::StoredSpace>> SqliteDisk::load() {
  spoil_operations();
  auto stored = open();
  end_spoiling();
  if (!stored.ok()) return stored;
  uncertain_ = std::ranges::any_of(
      *stored, [](const node::StoredSpace& space) { return space.last_writes_uncertain; });
  return stored;
}

Result<std::vector<node::StoredSpace>> SqliteDisk::look() {
  const auto files = vfs_.snapshot();
  auto stored = open();
  kill();
  vfs_.restore(files);
  return stored;
}

Status SqliteDisk::write(const node::PersistBatch& batch) {
  spoil_operations();
  const std::uint64_t before = vfs_.operations;
  Status status = storage_->write(batch);
  if (status.ok()) write_operations_ = vfs_.operations - before;
  end_spoiling();
  return status;
}

void SqliteDisk::spoil_operations() {
  if (has(DiskFault::unreadable)) vfs_.read_errors = reads_that_fail;
  if (!has(DiskFault::refuses_writes)) return;
  Random luck = luck_();
  const std::uint64_t some = vfs_.operations + 1 + luck.below(write_operations_);
  switch (luck.below(3)) {
    case 0:
      vfs_.capacity = std::max<std::size_t>(1, vfs_.used()) + luck.below(16u << 10);
      break;
    case 1:
      vfs_.fail_at = some;
      break;
    default:
      vfs_.stop_at = some;
  }
}

void SqliteDisk::end_spoiling() {
  vfs_.capacity = 0;
  vfs_.fail_at = vfs_.stop_at = 0;
  vfs_.read_errors = {};
}

Disk::Left SqliteDisk::crash(const node::PersistBatch* under_way) {
  Random luck = luck_();
  if (under_way != nullptr) {
    vfs_.stop_at = vfs_.operations + 1 + luck.below(write_operations_ + 2);
    (void)storage_->write(*under_way);
  }
  kill();
  if (luck.chance(options_.power_loss)) lose_power(luck);
  while (luck.chance(recoveries_that_are_cut_short)) {
    vfs_.stop_at = vfs_.operations + 1 + luck.below(recovery_operations);
    (void)open();
    kill();
    if (luck.chance(options_.power_loss)) lose_power(luck);
  }
  return Left::to_be_found_out;
}

void SqliteDisk::wipe() {
  Disk::wipe();
  kill();
  vfs_.replace_contents({});
}

void SqliteDisk::flip_bit() {
  Random luck = luck_();
  if (vfs_.flip_bit(luck)) damaged_ = true;
}

}  // namespace rejoin::simulation
