#include "sqlite/cell_queue.h"

#include <utility>

namespace rejoin::node::sqlite {
namespace {

constexpr std::size_t batch_bytes = 1u << 20;
constexpr std::size_t waiting_max = 4;

}  // namespace

Status CellQueue::add(std::int64_t space, std::string_view key, std::string_view bytes) {
  next_.cells.push_back({space, key.size(), bytes.size()});
  next_.contents.append(key).append(bytes);
  if (next_.contents.size() < batch_bytes) return {};
  std::unique_lock lock(mutex_);
  hand_over(lock);
  return outcome_;
}

Status CellQueue::finish() {
  std::unique_lock lock(mutex_);
  if (!next_.cells.empty()) hand_over(lock);
  changed_.wait(lock, [&] { return waiting_.empty() && !building_; });
  return outcome_;
}

void CellQueue::close() {
  std::lock_guard guard(mutex_);
  closed_ = true;
  changed_.notify_all();
}

void CellQueue::hand_over(std::unique_lock<std::mutex>& lock) {
  changed_.wait(lock, [&] { return waiting_.size() < waiting_max; });
  waiting_.push_back(std::exchange(next_, {}));
  changed_.notify_all();
}

void CellQueue::build_all(const Build& build) {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return closed_ || !waiting_.empty(); });
    if (closed_) return;
    const Batch batch = std::move(waiting_.front());
    waiting_.pop_front();
    building_ = true;
    changed_.notify_all();
    if (outcome_.ok()) {
      lock.unlock();
      Status outcome = build_batch(batch, build);
      lock.lock();
      outcome_ = std::move(outcome);
    }
    building_ = false;
    changed_.notify_all();
  }
}

Status CellQueue::build_batch(const Batch& batch, const Build& build) {
  std::string_view rest = batch.contents;
  for (const Cell& cell : batch.cells) {
    const std::string_view key = rest.substr(0, cell.key_size);
    const std::string_view bytes = rest.substr(cell.key_size, cell.size);
    if (auto status = build(cell.space, key, bytes); !status.ok()) return status;
    rest.remove_prefix(cell.key_size + cell.size);
  }
  return {};
}

}  // namespace rejoin::node::sqlite
