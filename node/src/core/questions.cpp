// What a core tells about itself.
#include <algorithm>

#include "core/impl.h"
#include "rejoin/crdt/assert.h"
#include "rejoin/crdt/mutant.h"

namespace rejoin::node {

SpaceStatus Core::status(const std::string& space, Now now) const {
  const Replica* replica = impl_->find(space);
  REJOIN_ASSERT(replica);
  const Document& document = replica->document;
  SpaceStatus status;
  status.name = replica->name;
  status.durable = replica->durable;
  status.replica = document.self();
  status.clock = document.clock();
  status.durable_clock = replica->durable_part();
  status.hash = document.hash();
  status.cells = document.cell_count();
  status.touches = document.touch_count();
  status.waiting_events = replica->waiting.count();
  for (const auto& peer : impl_->peers) {
    if (!peer->configured && !peer->alive) continue;
    PeerStatus there;
    there.name = peer->name;
    there.alive = peer->alive;
    if (peer->heard && now.monotonic > peer->last_heard) {
      there.silent_millis = static_cast<std::uint64_t>(
          std::chrono::duration_cast<std::chrono::milliseconds>(now.monotonic - peer->last_heard)
              .count());
    }
    if (const Link* link = impl_->link_if(*replica, *peer)) {
      there.applied = link->applied;
      there.durable = link->durable;
    }
    there.lag = document.clock().distance_beyond(there.applied);
    status.peers.push_back(std::move(there));
  }
  return status;
}

bool Core::durable_here(const std::string& space, const Dot& dot) const {
  const Replica* replica = impl_->find(space);
  if (!replica) return false;
  if (replica->document.retired().includes(dot)) {
    return replica->retired_end <= impl_->queue.durable();
  }
  return REJOIN_MUTANT(receipt_before_the_sync, replica->durable_part(), replica->document.clock())
      .includes(dot);
}

bool Core::durable_here(const std::string& space, const Clock& writes) const {
  return std::ranges::all_of(writes, [&](const auto& entry) {
    return durable_here(space, Dot{entry.first, entry.second});
  });
}

std::vector<std::string> Core::durable_at(const std::string& space, const Dot& dot) const {
  std::vector<std::string> names;
  const Replica* replica = impl_->find(space);
  if (!replica) return names;
  const bool retired = replica->document.retired().includes(dot);
  for (const auto& peer : impl_->peers) {
    const Link* link = impl_->link_if(*replica, *peer);
    if (!link) continue;
    const Clock& kept =
        REJOIN_MUTANT(receipt_counts_what_a_peer_applied, link->durable, link->applied);
    if (retired ? !link->may_lack_retired : kept.includes(dot)) names.push_back(peer->name);
  }
  if (REJOIN_MUTATED(receipt_waits_for_the_absent) && names.size() < impl_->options.peers.size()) {
    names.clear();
  }
  return names;
}

std::vector<std::string> Core::durable_at(const std::string& space, const Clock& writes) const {
  std::vector<std::string> names;
  for (const auto& peer : impl_->peers) names.push_back(peer->name);
  for (const auto& [replica, sequence] : writes) {
    const std::vector<std::string> holders = durable_at(space, Dot{replica, sequence});
    std::erase_if(names, [&](const std::string& name) {
      return std::ranges::find(holders, name) == holders.end();
    });
  }
  return names;
}

std::size_t Core::buffered_bytes() const {
  std::size_t bytes = impl_->outbox.gated_bytes();
  for (const auto& replica : impl_->replicas) {
    bytes += replica->waiting.bytes();
    for (const Link& link : replica->links) {
      if (link.incoming) bytes += link.incoming->buffered();
    }
  }
  return bytes;
}

Status Core::check_invariants() const {
  const auto broken = [](const Replica& replica, std::string what) {
    return make_error(ErrorCode::corrupt, std::move(what), replica.name);
  };
  std::size_t incoming = 0;
  for (const auto& replica : impl_->replicas) {
    if (Status status = replica->document.check_invariants(); !status.ok()) return status;
    const Clock& clock = replica->document.clock();
    if (!clock.includes(replica->durable_part())) {
      return broken(*replica, "more is durable than was applied");
    }
    if (replica->last_own > impl_->last_own || impl_->last_own > impl_->queue.end()) {
      return broken(*replica, "the gate's positions are out of order");
    }
    const ReplicaId self = replica->document.self();
    if (replica->durable && replica->own_pending.empty() &&
        clock.get(self) != replica->durable_clock.get(self)) {
      return broken(*replica, "own writes that are not durable are not counted as such");
    }
    if (replica->waiting.bytes() > impl_->options.waiting_bytes_max) {
      return broken(*replica, "too many events wait");
    }
    if (replica->recent.bytes() > impl_->options.recent_bytes_max &&
        replica->recent.end_number() - replica->recent.begin_number() > 1) {
      return broken(*replica, "too many recent events are kept");
    }
    if (!clock.includes(replica->sendable_clock())) {
      return broken(*replica, "more may be sent than was applied");
    }
    for (const Link& link : replica->links) {
      if (!link.applied.includes(link.durable)) {
        return broken(*replica, "a peer is believed to keep more than it has");
      }
      if (link.incoming) incoming += link.incoming->buffered();
    }
  }
  if (incoming > impl_->options.incoming_transfer_bytes_max) {
    return make_error(ErrorCode::corrupt, "incoming transfers take too much memory");
  }
  if (impl_->outbox.gated_bytes() > impl_->options.gated_bytes_max) {
    return make_error(ErrorCode::corrupt, "too many messages wait for the disk");
  }
  return {};
}

}  // namespace rejoin::node
