// Threads that wait until a space has come so far.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <list>
#include <mutex>
#include <string>

#include "rejoin/crdt/clock.h"
#include "rejoin/node/core.h"
#include "rejoin/node/rights.h"

namespace rejoin::node {

// What somebody waits for in one space.
struct Goal {
  enum class Kind {
    shown,     // the space's clock includes `clock`
    durable,   // all that `clock` includes survives a power loss here
    on_peers,  // it is durable at `count` peers
    on_peer,   // it is durable at `peer`
    own_id,    // the space keeps its replica id when it is written
    rights,    // `decrement` has something to do
  };
  Kind kind = Kind::shown;
  Clock clock;
  std::size_t count = 0;
  std::string peer;
  const PatientDecrement* decrement = nullptr;  // changed with the core's lock held
};

// What has to be safe for a commit to be so: itself or, where nothing was written, what it saw.
Clock made_safe_by(const Dot& commit, const Clock& seen);
bool is_reached(const Core& core, const std::string& space, const Goal& goal);
// How far it got, as a sentence for people. `storage_error`: why the disk refuses, if it does.
std::string how_far(const Core& core, const std::string& space, const Goal& goal, Now now,
                    const std::string& storage_error);

// The waiting threads of one node. Goals are checked by whoever moved the core, so that a thread
// wakes only when its own goal is reached. The caller of enter() and check() holds the core's lock,
// which is taken before the lock in here, never after.
class Waits {
 public:
  struct Waiter {
    Waiter(const std::string& in_space, const Goal& reaches) : space(in_space), goal(reaches) {}
    const std::string& space;
    const Goal& goal;
    std::condition_variable turn;
    bool reached = false;
    std::list<Waiter*>::iterator place;
  };
  enum class Outcome { reached, timeout, closed };

  void enter(Waiter& waiter);  // core's lock held, shared or not; the goal is not reached yet
  Outcome wait(Waiter& waiter, std::chrono::steady_clock::time_point deadline);  // not held
  void check(const Core& core, const std::string& space);                        // held exclusively
  void close();  // all waits end now
  bool any() const { return count_.load(std::memory_order_relaxed) != 0; }

 private:
  std::mutex mutex_;
  std::list<Waiter*> waiters_;
  std::atomic<std::size_t> count_{0};
  bool closed_ = false;
};

}  // namespace rejoin::node
