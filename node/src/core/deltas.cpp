// Transfers of deltas.
#include <algorithm>
#include <utility>

#include "core/impl.h"
#include "rejoin/crdt/limits.h"
#include "rejoin/crdt/mutant.h"

namespace rejoin::node {

namespace {
constexpr Micros transfer_pause_max = std::chrono::seconds(60);
// Of a message that carries a chunk: at most so much is not the chunk, beside the names.
constexpr std::uint64_t chunk_envelope_bytes = 224;
}  // namespace

// ---- Sending ----

std::size_t Core::Impl::outgoing_transfers() {
  std::erase_if(transfers_out, [&](const auto& at) {
    const Link& link = this->link(*replicas[at.first], *peers[at.second]);
    return !link.outgoing && !link.comparing;
  });
  return transfers_out.size();
}

void Core::Impl::start_transfer(Replica& replica, Peer& peer, Link& link, const Delta& delta) {
  link.outgoing = std::make_unique<OutgoingTransfer>(++last_transfer, delta.encoded(), delta.clock,
                                                     replica.last_own, options.chunk_bytes,
                                                     options.chunk_window, now.monotonic);
  transfers_out.emplace_back(replica.index, peer.slot);
  ++counters.deltas_sent;
  link.resend_goes_on = false;
  link.mark_sent(delta.clock, now.monotonic, resend_after(peer));
}

void Core::Impl::spend_budgets(const std::vector<Send>& sends) {
  if (options.link_bytes_per_second == 0) return;
  for (const Send& send : sends) {
    const auto slot = slots.find(send.to);
    if (slot != slots.end()) peers[slot->second]->pace.spend(send.bytes.size(), now.monotonic);
  }
}

void Core::Impl::send_chunks() {
  // In turns, so that none waits for another's end.
  for (std::size_t at = 0; at < transfers_out.size();) {
    const auto [index, slot] = transfers_out[at];
    Link& link = this->link(*replicas[index], *peers[slot]);
    if (!link.outgoing || !send_chunk(*replicas[index], *peers[slot], link)) {
      ++at;
      continue;
    }
    const auto served = transfers_out.begin() + static_cast<std::ptrdiff_t>(at);
    std::rotate(served, served + 1, transfers_out.end());
    at = 0;
  }
}

// False when there is none to send now.
bool Core::Impl::send_chunk(Replica& replica, Peer& peer, Link& link) {
  OutgoingTransfer& transfer = *link.outgoing;
  if (transfer.gate > queue.durable() && !REJOIN_MUTATED(transfer_ignores_the_gate)) return false;
  const std::uint64_t envelope =
      chunk_envelope_bytes + options.cluster.size() + options.name.size() + replica.name.size();
  const std::uint64_t burst = peer.pace.burst();
  const auto chunk = transfer.next(!peer.pace.is_bounded() ? transport::chunk_bytes_max
                                   : burst > envelope      ? burst - envelope
                                                           : 1);
  if (!chunk) return false;
  const Micros wait = peer.pace.wait(chunk->size + envelope, now.monotonic);
  if (wait > Micros{0}) {
    hurry(replica, now.monotonic + wait);
    return false;
  }
  send(peer,
       transport::Chunk{replica.name, transfer.id, transfer.bytes.size(), chunk->offset,
                        transfer.bytes.substr(chunk->offset, chunk->size)},
       transfer.gate);
  peer.pace.spend(chunk->size + envelope, now.monotonic);
  transfer.sent(*chunk, now.monotonic);
  hurry(replica, now.monotonic + resend_after(peer));
  return true;
}

Micros Core::Impl::run_transfers(Replica& replica, Peer& peer, Link& link) {
  Micros next = run_comparisons(replica, peer, link);
  if (link.outgoing) {
    OutgoingTransfer& transfer = *link.outgoing;
    if (now.monotonic - transfer.progress_at() >= options.transfer_timeout) {
      ++counters.transfers_abandoned;
      link.outgoing.reset();
    } else {
      // While the peer is silent the transfer stands still, and goes on where it was when it is
      // back soon enough.
      const Micros patience =
          resend_after(peer) *
          (1 << REJOIN_MUTANT(silence_is_asked_at_once, std::min(transfer.silences(), 5), 0));
      if (peer.alive && transfer.is_in_flight() && now.monotonic - transfer.sent_at() >= patience) {
        transfer.rewind();
      }
      next = std::min(
          {next, now.monotonic + patience, transfer.progress_at() + options.transfer_timeout});
    }
  }
  if (link.incoming) {
    const Micros end = link.incoming->progress_at() + options.transfer_timeout;
    if (end <= now.monotonic) {
      ++counters.transfers_abandoned;
      link.incoming.reset();
    } else {
      next = std::min(next, end);
    }
  }
  return next;
}

void Core::Impl::on_chunk_ack(Peer& peer, const transport::ChunkAck& message) {
  Replica* replica = find(message.space, peer);
  if (!replica) return;
  Link& link = this->link(*replica, peer);
  if (!link.outgoing || link.outgoing->id != message.transfer) return;
  OutgoingTransfer& transfer = *link.outgoing;
  if (const auto delay = transfer.acknowledged(message.received, now.monotonic)) {
    peer.round_trip.sample(*delay);
  }
  if (!transfer.done()) return;
  link.transferred = transfer.clock;
  link.transfer_pause = std::clamp(link.transfer_pause * 2, options.exchange_interval,
                                   std::max(transfer_pause_max, options.exchange_interval));
  link.next_transfer_at = now.monotonic + link.transfer_pause;
  link.outgoing.reset();
}

// ---- Receiving ----

std::size_t Core::Impl::incoming_bytes() {
  std::size_t bytes = 0;
  std::erase_if(transfers_in, [&](const auto& at) {
    const Link& link = this->link(*replicas[at.first], *peers[at.second]);
    if (!link.incoming) return true;
    bytes += link.incoming->buffered();
    return false;
  });
  return bytes;
}

void Core::Impl::on_chunk(Peer& peer, transport::Chunk& message) {
  Replica* replica = find(message.space, peer);
  if (!replica) return tell_absent(peer, message.space);
  Link& link = this->link(*replica, peer);
  set_lacks(*replica, peer, link, false);
  if (message.total_bytes == 0 || message.bytes.empty() ||
      message.bytes.size() > transport::chunk_bytes_max ||
      message.total_bytes > limits::delta_bytes_max || message.offset > message.total_bytes ||
      message.bytes.size() > message.total_bytes - message.offset) {
    return malformed(peer.name, message.space, "a chunk lies outside of its transfer");
  }
  if (message.transfer == link.completed_transfer && !REJOIN_MUTATED(transfer_is_joined_twice)) {
    return send(peer, transport::ChunkAck{message.space, message.transfer, message.total_bytes}, 0);
  }
  if (message.total_bytes > options.incoming_transfer_bytes_max) {
    if (limit("large " + peer.name, options.exchange_interval)) {
      malformed(peer.name, message.space,
                "a transfer of " + std::to_string(message.total_bytes) +
                    " bytes is more than is accepted here");
    }
    return;
  }
  if (!link.incoming || link.incoming->id != message.transfer) {
    // An older transfer's chunk that was under way for long must not end the newer one.
    if (message.transfer <
        std::max(link.completed_transfer, link.incoming ? link.incoming->id : 0)) {
      return;
    }
    if (link.incoming) ++counters.transfers_abandoned;
    link.incoming =
        std::make_unique<IncomingTransfer>(message.transfer, message.total_bytes, now.monotonic);
    transfers_in.emplace_back(replica->index, peer.slot);
  }
  IncomingTransfer& transfer = *link.incoming;
  if (transfer.total != message.total_bytes) {
    return malformed(peer.name, message.space, "a transfer changed its length");
  }
  const std::size_t size = message.bytes.size();
  if (incoming_bytes() + size > options.incoming_transfer_bytes_max) return;
  if (replica->durable && queue.bytes() > options.persist_queue_bytes_max) return;
  transfer.add(message.offset, std::move(message.bytes),
               options.chunk_window * std::max(options.chunk_bytes, size), now.monotonic);
  send(peer, transport::ChunkAck{message.space, transfer.id, transfer.received()}, 0);
  if (transfer.complete()) join_incoming(*replica, peer, link);
  run(*replica);
}

// It may be old. To leave out the same ids as its sender did then, in order to join it, would name
// those again that are retired since.
bool Core::Impl::tells_nothing(const Replica& replica, Link& link, const Delta& delta) {
  if (!delta.retired.empty() || REJOIN_MUTATED(old_delta_names_the_retired)) return false;
  const auto seen = replica.document.seen_there(delta.clock, delta.retired_hash);
  if (!seen || !replica.document.includes(seen->clock)) return false;
  if (!seen->lacks_retired) Link::absorb(link.applied, seen->clock, replica.document);
  return true;
}

void Core::Impl::join_incoming(Replica& replica, Peer& peer, Link& link) {
  link.completed_transfer = link.incoming->id;
  std::string bytes = link.incoming->take();
  link.incoming.reset();
  replica.asked_until = now.monotonic;
  Result<Delta> delta = Delta::decode(bytes);
  if (!delta.ok()) return malformed(peer.name, replica.name, delta.error().message);
  const ReplicaId self = replica.document.self();
  if (!own_id_holds(replica, peer, std::max(delta->clock.get(self), delta->retired.get(self)))) {
    return;
  }
  if (tells_nothing(replica, link, *delta)) return;
  if (delta->scope == Delta::Scope::cells) {
    if (!prepare_compared(replica, link, *delta)) {
      link.asked_at = Micros{-1};
      return ask(replica, peer, link);
    }
    bytes = delta->encoded();
  }
  const Clock before = replica.document.clock_with_retired();
  const Result<Applied> joined = delta->retired.empty() && !leave_out_the_same(replica, *delta)
                                     ? Applied::missing
                                     : replica.document.join(*delta);
  if (!joined.ok()) return malformed(peer.name, replica.name, joined.error().message);
  if (*joined == Applied::missing) {
    link.asked_at = Micros{-1};
    return ask(replica, peer, link);
  }
  if (!delta->retired.empty() && *joined == Applied::applied) leave_out(replica, {});
  Link::absorb(link.applied, delta->clock, replica.document);
  if (*joined == Applied::duplicate) return;
  ++counters.deltas_joined;
  for (const auto& [writer, sequence] : delta->clock) {
    if (sequence > before.get(writer)) replica.recent.forget(writer);
  }
  for (const auto& [writer, sequence] : delta->retired) {
    if (sequence > before.get(writer)) replica.recent.forget(writer);
  }
  if (replica.durable && !REJOIN_MUTATED(delta_is_not_logged)) {
    enqueue(replica, RecordKind::delta, std::move(bytes));
    // Our clocks take everything to be durable that they leave out.
    if (!delta->retired.empty() && !REJOIN_MUTATED(retired_ids_are_durable_at_once)) {
      replica.retired_end = replica.last_own = last_own = queue.end();
    }
  }
  link.ack_wanted = true;
  if (!replica.durable) want_flush(replica);
  state_changed(replica);
  apply_waiting(replica);
  // What came as a delta cannot be relayed as events.
  exchange_soon(options.relay_delay, peer.slot);
}

}  // namespace rejoin::node
