// A shared mutex under which nobody starves.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>

namespace rejoin::node {

// Readers share, writers exclude. A free lock may be taken ahead of those who queue for it, which
// spares a thread switch at each handover between busy threads; but once somebody has queued for
// longer than `patience`, everybody queues until their turn has come. Readers queue behind waiting
// writers, and are served together.
//
// Why not std::shared_mutex: glibc's prefers readers, and an application that transacts in a loop
// would keep the network thread from ever getting in.
class FairSharedMutex {
 public:
  void lock();
  void unlock();
  void lock_shared();
  void unlock_shared();

 private:
  struct Waiter {
    bool writer;
    std::chrono::steady_clock::time_point since;
    std::condition_variable turn;
  };
  static constexpr std::chrono::microseconds patience{500};

  bool free_for(bool writer) const { return !writing_ && (!writer || readers_ == 0); }
  void take(bool writer);
  void wait(std::unique_lock<std::mutex>& guard, bool writer);
  void wake_next();

  std::mutex mutex_;
  std::deque<Waiter*> queue_;
  std::size_t queued_writers_ = 0;
  std::size_t readers_ = 0;
  bool writing_ = false;
  bool strict_ = false;  // the first in the queue has lost patience
};

}  // namespace rejoin::node
