#include "watches.h"

#include <exception>
#include <utility>

#include "rejoin/crdt/assert.h"

namespace rejoin::node {
void Watches::start() {
  thread_ = std::thread([this] { run(); });
}

void Watches::stop() {
  REJOIN_ASSERT(!on_notification_thread());  // a callback must not stop its own node
  {
    std::lock_guard guard(mutex_);
    stopping_ = true;
    due_.notify_all();
  }
  if (thread_.joinable()) {
    thread_.join();
  } else {
    std::unique_lock guard(mutex_);
    write_lines(guard);  // never started: what was said so far
  }
  // Callbacks may hold handles that hold the node: let go of them outside the lock.
  std::map<std::uint64_t, Watcher> gone;
  std::lock_guard locked(mutex_);
  gone.swap(watchers_);
}

bool Watches::on_notification_thread() const {
  return thread_id_.load() == std::this_thread::get_id();
}

std::uint64_t Watches::add(const std::string& space, const Path& path, Callback on_change) {
  std::lock_guard guard(mutex_);
  const std::uint64_t id = next_id_++;
  watchers_.emplace(id, Watcher{space, path, std::move(on_change), {}});
  return id;
}

std::string Watches::remove(std::uint64_t id) {
  std::string space;
  Callback gone;  // destroyed outside the lock
  std::unique_lock guard(mutex_);
  if (auto found = watchers_.find(id); found != watchers_.end()) {
    gone = std::move(found->second.on_change);
    space = std::move(found->second.space);
    watchers_.erase(found);
  }
  if (!on_notification_thread()) {
    call_ended_.wait(guard, [&] { return calling_ != id; });
  }
  guard.unlock();
  return space;
}

std::size_t Watches::watchers(const std::string& space) const {
  std::lock_guard guard(mutex_);
  std::size_t count = 0;
  for (const auto& [id, watcher] : watchers_) count += watcher.space == space ? 1 : 0;
  return count;
}

void Watches::changed(const std::string& space, const std::vector<Path>& paths) {
  std::lock_guard guard(mutex_);
  bool any = false;
  for (auto& [id, watcher] : watchers_) {
    if (watcher.space != space) continue;
    const bool was_idle = watcher.pending.empty();
    for (const Path& path : paths) {
      if (!path.starts_with(watcher.path) && !watcher.path.starts_with(path)) continue;
      if (watcher.pending.size() >= pending_paths_max) watcher.pending = {watcher.path};
      watcher.pending.insert(path);
    }
    if (was_idle && !watcher.pending.empty()) {
      queue_.push_back(id);
      any = true;
    }
  }
  if (any) due_.notify_one();
}

void Watches::log(LogEntry entry) {
  std::lock_guard guard(mutex_);
  if (lines_.size() >= lines_max) {
    ++lines_dropped_;
    return;
  }
  lines_.push_back(std::move(entry));
  due_.notify_one();
}

void Watches::run() {
  thread_id_ = std::this_thread::get_id();
  std::unique_lock guard(mutex_);
  for (;;) {
    due_.wait(guard, [&] { return stopping_ || !queue_.empty() || !lines_.empty(); });
    write_lines(guard);
    if (!queue_.empty()) {
      call_next(guard);
    } else if (stopping_ && lines_.empty()) {
      return;
    }
  }
}

void Watches::write_lines(std::unique_lock<std::mutex>& guard) {
  std::deque<LogEntry> lines;
  lines.swap(lines_);
  const std::size_t dropped = std::exchange(lines_dropped_, 0);
  guard.unlock();
  for (const LogEntry& line : lines) log_(line);
  if (dropped > 0) {
    log_({log_warn, "lines_dropped", std::to_string(dropped) + " more lines were not logged"});
  }
  guard.lock();
}

void Watches::call_next(std::unique_lock<std::mutex>& guard) {
  const std::uint64_t id = queue_.front();
  queue_.pop_front();
  const auto found = watchers_.find(id);
  if (found == watchers_.end()) return;
  ChangeNotice notice{found->second.space,
                      {found->second.pending.begin(), found->second.pending.end()}};
  found->second.pending.clear();
  Callback on_change = found->second.on_change;
  calling_ = id;
  guard.unlock();
  std::string failure;
  try {
    on_change(notice);
  } catch (const std::exception& error) {
    failure = error.what();
  } catch (...) {
    failure = "an exception of an unknown type";
  }
  if (!failure.empty()) {
    log_({log_error, "watcher_threw", "a watcher of " + notice.space + " threw: " + failure,
          notice.space});
  }
  on_change = nullptr;  // may be the last copy, and hold what calls us when it goes
  guard.lock();
  calling_ = 0;
  call_ended_.notify_all();
}

}  // namespace rejoin::node
