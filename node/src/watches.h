// Who is told of changes, and the thread that tells them.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "log.h"
#include "rejoin/node/node.h"

namespace rejoin::node {

// Runs on a thread of its own everything that takes its time beside the protocol: the callbacks of
// watchers, and the log. Nothing here waits for the core's lock. Thread-safe.
class Watches {
 public:
  using Callback = std::function<void(const ChangeNotice&)>;

  explicit Watches(Log log) : log_(std::move(log)) {}
  ~Watches() { stop(); }
  void start();
  // Delivers what is due, then ends the thread and forgets all watchers. Not from a callback.
  void stop();

  std::uint64_t add(const std::string& space, const Path& path, Callback on_change);
  // When it returns the callback is not running and will not run again; from inside the callback
  // itself: will not run again. Returns the space it watched; empty when it was gone already.
  std::string remove(std::uint64_t id);
  // How many watch this space.
  std::size_t watchers(const std::string& space) const;

  // Merges into what each watcher of the space is told next.
  void changed(const std::string& space, const std::vector<Path>& paths);
  // Hands a line to the log. A burst beyond what the log keeps up with is counted, not kept.
  void log(LogEntry entry);
  bool on_notification_thread() const;

 private:
  struct Watcher {
    std::string space;
    Path path;
    Callback on_change;
    std::set<Path> pending;
  };
  // Of one watcher's pending paths; when more changed, the watched path stands for all.
  static constexpr std::size_t pending_paths_max = 1000;
  static constexpr std::size_t lines_max = 1000;

  void run();
  void write_lines(std::unique_lock<std::mutex>& guard);
  void call_next(std::unique_lock<std::mutex>& guard);

  Log log_;
  mutable std::mutex mutex_;
  std::condition_variable due_;
  std::condition_variable call_ended_;
  std::map<std::uint64_t, Watcher> watchers_;
  std::deque<std::uint64_t> queue_;  // watchers with something pending
  std::deque<LogEntry> lines_;
  std::size_t lines_dropped_ = 0;
  std::uint64_t next_id_ = 1;
  std::uint64_t calling_ = 0;
  bool stopping_ = false;
  std::thread thread_;
  std::atomic<std::thread::id> thread_id_{};
};

}  // namespace rejoin::node
