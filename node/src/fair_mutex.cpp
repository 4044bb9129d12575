#include "fair_mutex.h"

#include "rejoin/crdt/assert.h"

namespace rejoin::node {

void FairSharedMutex::lock() {
  std::unique_lock guard(mutex_);
  if (free_for(true) && !strict_) return take(true);
  wait(guard, true);
}

void FairSharedMutex::unlock() {
  std::lock_guard guard(mutex_);
  REJOIN_ASSERT(writing_);
  writing_ = false;
  wake_next();
}

void FairSharedMutex::lock_shared() {
  std::unique_lock guard(mutex_);
  if (free_for(false) && !strict_ && queued_writers_ == 0) return take(false);
  wait(guard, false);
}

void FairSharedMutex::unlock_shared() {
  std::lock_guard guard(mutex_);
  REJOIN_ASSERT(readers_ > 0);
  if (--readers_ == 0) wake_next();
}

void FairSharedMutex::take(bool writer) {
  if (writer) {
    writing_ = true;
  } else {
    ++readers_;
  }
}

void FairSharedMutex::wait(std::unique_lock<std::mutex>& guard, bool writer) {
  Waiter self{writer, std::chrono::steady_clock::now(), {}};
  queue_.push_back(&self);
  if (writer) ++queued_writers_;
  for (;;) {
    const bool first = queue_.front() == &self;
    if (first && free_for(writer)) break;
    if (first && std::chrono::steady_clock::now() - self.since > patience) strict_ = true;
    self.turn.wait(guard);
  }
  queue_.pop_front();
  if (writer) --queued_writers_;
  strict_ = false;  // the next in line finds out for itself
  take(writer);
  if (!writer) wake_next();  // readers that queue right behind go in with us
}

// The one woken looks again whether it may go in: a newcomer may have been faster.
void FairSharedMutex::wake_next() {
  if (!queue_.empty() && free_for(queue_.front()->writer)) queue_.front()->turn.notify_one();
}

}  // namespace rejoin::node
