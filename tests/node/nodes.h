// Real nodes on loopback, for the tests of the node's API.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "rejoin/node/node.h"

namespace rejoin::node {

using std::chrono::milliseconds;

// What everything that must happen is waited for at most: generous, for slow machines and
// sanitizers.
inline constexpr milliseconds patience = std::chrono::seconds(30);

inline NodeOptions quick_options(const std::string& name, const std::string& directory = "") {
  NodeOptions options;
  options.name = name;
  options.directory = directory;
  options.exchange_interval = milliseconds(50);
  options.peer_timeout = milliseconds(300);
  options.log_level = "off";
  return options;
}

template <class T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().to_string());
  return std::move(*result);
}
inline void must(Status status) {
  if (!status) throw std::runtime_error(status.error().to_string());
}

// Makes every pair of nodes dial each other.
inline void connect_all(const std::vector<Node*>& nodes) {
  for (Node* node : nodes) {
    for (Node* peer : nodes) {
      if (node != peer) must(node->connect(peer->name(), peer->listen_endpoint()));
    }
  }
}

inline Result<Receipt> set(Space& space, const std::string& key, const Value& value) {
  return space.transact([&](Transaction& t) { return t.root().reg(key).set(value); });
}

inline std::optional<Value> get(const Space& space, const std::string& key) {
  std::optional<Value> value;
  space.read([&](const Document& document) { value = document.root().reg(key).get(); });
  return value;
}

// True when `condition` came to hold.
inline bool eventually(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(milliseconds(5));
  }
  return true;
}

// Counts what happens on other threads, and waits for it.
class Signal {
 public:
  void raise() {
    std::lock_guard guard(mutex_);
    ++count_;
    raised_.notify_all();
  }
  std::size_t count() {
    std::lock_guard guard(mutex_);
    return count_;
  }
  // True when it was raised at least `count` times in all.
  bool wait_for(std::size_t count) {
    std::unique_lock guard(mutex_);
    return raised_.wait_for(guard, patience, [&] { return count_ >= count; });
  }
  // True when `condition` came to hold, looked at whenever it was raised.
  bool wait_until(const std::function<bool()>& condition) {
    std::unique_lock guard(mutex_);
    return raised_.wait_for(guard, patience, condition);
  }

 private:
  std::mutex mutex_;
  std::condition_variable raised_;
  std::size_t count_ = 0;
};

}  // namespace rejoin::node
