#include "waits.h"

#include <algorithm>
#include <vector>

namespace rejoin::node {
namespace {

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

std::string writes(std::uint64_t count) {
  return std::to_string(count) + (count == 1 ? " write" : " writes");
}

std::string missing_writes(const Clock& wanted, const Clock& shown) {
  std::string text;
  std::size_t named = 0;
  for (const auto& [replica, sequence] : wanted) {
    const Sequence here = shown.get(replica);
    if (here >= sequence) continue;
    if (++named > 5) return text + " and more";
    text += (text.empty() ? "" : ", ") + writes(sequence - here) + " of " + replica.short_name();
  }
  return text;
}

std::string silence(const PeerStatus& peer) {
  return peer.name + " (" + std::to_string(peer.silent_millis) + " ms)";
}

}  // namespace

Clock made_safe_by(const Dot& commit, const Clock& seen) {
  if (commit.sequence == 0) return seen;
  Clock only;
  only.set(commit.replica, commit.sequence);
  return only;
}

bool is_reached(const Core& core, const std::string& space, const Goal& goal) {
  switch (goal.kind) {
    case Goal::Kind::shown:
      return core.shows(space, goal.clock);
    case Goal::Kind::durable:
      return core.durable_here(space, goal.clock);
    case Goal::Kind::on_peers:
      return goal.clock.empty() || core.durable_at(space, goal.clock).size() >= goal.count;
    case Goal::Kind::on_peer: {
      if (goal.clock.empty()) return true;
      const auto peers = core.durable_at(space, goal.clock);
      return std::find(peers.begin(), peers.end(), goal.peer) != peers.end();
    }
    case Goal::Kind::own_id:
      return core.keeps_replica_id(space);
    case Goal::Kind::rights:
      return goal.decrement->needs_step(core.document(space));
  }
  return false;
}

std::string how_far(const Core& core, const std::string& space, const Goal& goal, Now now,
                    const std::string& storage_error) {
  const SpaceStatus status = core.status(space, now);
  if (goal.kind == Goal::Kind::shown) {
    return "still missing: " + missing_writes(goal.clock, status.clock);
  }
  if (goal.kind == Goal::Kind::own_id) {
    std::string silent;
    for (const PeerStatus& peer : status.peers) {
      if (!peer.alive) silent += (silent.empty() ? "; silent: " : ", ") + silence(peer);
    }
    return "not every member has confirmed yet that this node, which was started again, may go on "
           "under its replica id; under another one it could not use its rights" +
           silent;
  }

  std::string text;
  if (core.durable_here(space, goal.clock)) {
    text = "durable here";
  } else if (!storage_error.empty()) {
    text = "in memory only: the store refuses writes (" + storage_error + ")";
  } else {
    text = "not durable here yet";
  }
  if (goal.kind == Goal::Kind::durable) return text;

  const std::vector<std::string> holders = core.durable_at(space, goal.clock);
  std::vector<std::string> silent;
  for (const PeerStatus& peer : status.peers) {
    const bool holds = std::find(holders.begin(), holders.end(), peer.name) != holders.end();
    if (!peer.alive && !holds) silent.push_back(peer.name);
  }
  if (goal.kind == Goal::Kind::on_peers) {
    text += " and on " + std::to_string(holders.size()) + " of " + std::to_string(goal.count) +
            (goal.count == 1 ? " peer" : " peers");
    if (!holders.empty()) text += ": " + joined(holders);
    if (!silent.empty()) text += "; silent: " + joined(silent);
    return text;
  }
  const auto peer = std::find_if(status.peers.begin(), status.peers.end(),
                                 [&](const PeerStatus& p) { return p.name == goal.peer; });
  if (peer == status.peers.end()) return text + "; " + goal.peer + " is not a peer of this node";
  text += ", not known to be on " + peer->name;
  if (!peer->alive) text += "; silent: " + silence(*peer);
  return text;
}

void Waits::enter(Waiter& waiter) {
  std::lock_guard guard(mutex_);
  waiter.place = waiters_.insert(waiters_.end(), &waiter);
  count_.fetch_add(1, std::memory_order_relaxed);
}

Waits::Outcome Waits::wait(Waiter& waiter, std::chrono::steady_clock::time_point deadline) {
  std::unique_lock guard(mutex_);
  waiter.turn.wait_until(guard, deadline, [&] { return waiter.reached || closed_; });
  waiters_.erase(waiter.place);
  count_.fetch_sub(1, std::memory_order_relaxed);
  if (waiter.reached) return Outcome::reached;
  return closed_ ? Outcome::closed : Outcome::timeout;
}

void Waits::check(const Core& core, const std::string& space) {
  if (!any()) return;
  std::lock_guard guard(mutex_);
  for (Waiter* waiter : waiters_) {
    if (waiter->reached || waiter->space != space) continue;
    if (!is_reached(core, space, waiter->goal)) continue;
    waiter->reached = true;
    waiter->turn.notify_one();
  }
}

void Waits::close() {
  std::lock_guard guard(mutex_);
  closed_ = true;
  for (Waiter* waiter : waiters_) waiter->turn.notify_one();
}

}  // namespace rejoin::node
