// Transfers of deltas, and forgetting removals that every member has seen.
#include <algorithm>
#include <utility>

#include "core/impl.h"
#include "rejoin/crdt/limits.h"
#include "rejoin/crdt/mutant.h"

namespace rejoin::node {

namespace {
constexpr Micros transfer_pause_max = std::chrono::seconds(60);
constexpr int kept_clocks_max = 4;  // a space
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
  pump(replica, peer, link);
}

void Core::Impl::send_chunks(Replica& replica, Peer& peer, const OutgoingTransfer& transfer,
                             const std::vector<ChunkRange>& chunks) {
  for (const ChunkRange& chunk : chunks) {
    send(peer,
         transport::Chunk{replica.name, transfer.id, transfer.bytes.size(), chunk.offset,
                          transfer.bytes.substr(chunk.offset, chunk.size)},
         transfer.gate);
  }
}

void Core::Impl::pump(Replica& replica, Peer& peer, Link& link) {
  OutgoingTransfer& transfer = *link.outgoing;
  if (transfer.gate <= queue.durable() || REJOIN_MUTATED(transfer_ignores_the_gate)) {
    send_chunks(replica, peer, transfer, transfer.next(now.monotonic));
  }
  hurry(replica, now.monotonic + resend_after(peer));
}

// Transfers that could not begin because they hold writes that were not durable.
void Core::Impl::open_gated_transfers() {
  for (const auto& [index, slot] : transfers_out) {
    Link& link = this->link(*replicas[index], *peers[slot]);
    if (link.outgoing && link.outgoing->acked() == 0) pump(*replicas[index], *peers[slot], link);
  }
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
      const Micros patience = resend_after(peer) * (1 << std::min(transfer.silences(), 5));
      if (peer.alive && now.monotonic - transfer.sent_at() >= patience) {
        transfer.rewind();
        pump(replica, peer, link);
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
  Replica* replica = find(message.space);
  if (!replica) return;
  Link& link = this->link(*replica, peer);
  if (!link.outgoing || link.outgoing->id != message.transfer) return;
  OutgoingTransfer& transfer = *link.outgoing;
  send_chunks(*replica, peer, transfer, transfer.acknowledged(message.received, now.monotonic));
  if (!transfer.done()) return pump(*replica, peer, link);
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
  Replica* replica = find(message.space);
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

void Core::Impl::join_incoming(Replica& replica, Peer& peer, Link& link) {
  link.completed_transfer = link.incoming->id;
  std::string bytes = link.incoming->take();
  link.incoming.reset();
  replica.asked_until = now.monotonic;
  Result<Delta> delta = Delta::decode(bytes);
  if (!delta.ok()) return malformed(peer.name, replica.name, delta.error().message);
  if (!own_id_holds(replica, peer, delta->clock.get(replica.document.self()))) return;
  if (delta->scope == Delta::Scope::cells) {
    if (!prepare_compared(replica, link, *delta)) {
      link.asked_at = Micros{-1};
      return ask(replica, peer, link);
    }
    bytes = delta->encoded();
  }
  const Clock before = replica.document.clock();
  const Result<Applied> joined = replica.document.join(*delta);
  if (!joined.ok()) return malformed(peer.name, replica.name, joined.error().message);
  if (*joined == Applied::missing) {
    link.asked_at = Micros{-1};
    return ask(replica, peer, link);
  }
  Link::absorb(link.applied, delta->clock, replica.document.clock());
  if (*joined == Applied::duplicate) return;
  ++counters.deltas_joined;
  for (const auto& [writer, sequence] : delta->clock) {
    if (sequence > before.get(writer)) replica.recent.forget(writer);
  }
  if (replica.durable && !REJOIN_MUTATED(delta_is_not_logged)) {
    enqueue(replica, RecordKind::delta, std::move(bytes));
  }
  link.ack_wanted = true;
  if (!replica.durable) want_flush(replica);
  state_changed(replica);
  apply_waiting(replica);
  // What came as a delta cannot be relayed as events.
  exchange_soon(options.relay_delay, peer.slot);
}

// ---- Forgetting removals ----

// A removal may be forgotten when every member has it for good, and when nothing can come any more
// that was written without having seen it. Both follow from a member's report of what is durable
// there: what the member wrote before it saw the removal comes earlier in its log, so it is in the
// same report; and we have everything in the report. (What is merely applied there does not count:
// the member may crash and lose it. Acknowledgements do not count either: they are not complete.)
void Core::Impl::settle(Replica& replica, Link& link, const Clock& durable) {
  const bool caught_up = replica.document.clock().includes(durable);
  if (!caught_up && !REJOIN_MUTATED(removals_forgotten_before_catching_up)) return;
  link.settled.join(durable);
  link.has_settled = true;
  forget_soon(replica);
}

// Everything that a former incarnation of a member wrote and that can still come is in what the
// first member that took it had applied, before it knew that member's present one: hence `applied`,
// and equal views. A view never comes again, because incarnations do not.
void Core::Impl::settle_in_view(Replica& replica, Link& link, const Clock& applied,
                                const Clock& durable, std::uint64_t their_view) {
  const bool caught_up = replica.document.clock().includes(applied);
  if (!shares_view(their_view)) return;
  if (!caught_up && !REJOIN_MUTATED(elements_forgotten_before_catching_up)) return;
  if (std::exchange(link.settled_view, view) != view) link.settled_in_view = Clock{};
  link.settled_in_view.join(durable);
  link.settled_in_view_at = now.monotonic;
}

void Core::Impl::forget_soon(Replica& replica) {
  const bool elements = !options.members.empty() && replica.document.remembers_elements();
  if (replica.prune_due != never || !(elements || replica.document.remembers_removals())) return;
  replica.prune_due = replica.pruned_at < Micros{0}
                          ? now.monotonic
                          : std::max(now.monotonic, replica.pruned_at + options.exchange_interval);
  hurry(replica, replica.prune_due);
}

// A member that was never heard is away since we began.
bool Core::Impl::is_away(const Peer* member) const {
  const Micros heard_at = std::max(started_at, member ? member->last_heard : Micros{0});
  return now.monotonic - heard_at >= options.member_away_after;
}

void Core::Impl::prune(Replica& replica) {
  replica.prune_due = replica.forget_due = never;
  replica.pruned_at = now.monotonic;
  Clock stable = replica.durable_part();
  Clock early = stable;
  bool all_here = true;
  const auto& members = options.members.empty() ? options.peers : options.members;
  for (const std::string& member : members) {
    if (member == options.name) continue;
    const auto slot = slots.find(member);
    const Peer* peer = slot == slots.end() ? nullptr : peers[slot->second].get();
    const Link* link = peer ? link_if(replica, *peer) : nullptr;
    const bool settled = link && link->has_settled;
    const bool away = is_away(peer);
    if (!settled && !away) {
      if (REJOIN_MUTATED(removals_forgotten_without_the_absent)) continue;
      return;
    }
    if (!REJOIN_MUTATED(removals_forgotten_without_asking)) {
      stable.meet(settled ? link->settled : Clock{});
    }
    if (!away) early.meet(link->settled);
    all_here = all_here && !away;
  }
  const bool forget = !options.members.empty() && advance_forgetting(replica);
  if (stable == replica.pruned_to && early == replica.pruned_early_to && !forget) return;
  replica.pruned_to = stable;
  replica.pruned_early_to = early;
  // Of elements more is to be forgotten than their removals, so these wait for that: but not for
  // somebody who may never come.
  const bool wait = all_here && !options.members.empty();
  counters.touches_pruned +=
      replica.document.prune(stable, early, wait ? replica.elements_forgotten_to : early);
  if (!forget) return;
  counters.elements_forgotten += replica.document.forget_elements(replica.elements_forgotten_to);
}

// ---- Forgetting elements ----

// What all members, as we know them now, said to keep. `confirmed_at`: when the one did that was
// not heard for the longest. Nothing while one has not said so.
std::optional<Replica::Kept> Core::Impl::kept_by_all(const Replica& replica,
                                                     Micros& confirmed_at) const {
  Replica::Kept kept{replica.durable_part(), Micros{0}};
  confirmed_at = now.monotonic;
  for (const std::string& member : options.members) {
    if (member == options.name) continue;
    const auto slot = slots.find(member);
    if (slot == slots.end()) return std::nullopt;
    const Peer& peer = *peers[slot->second];
    const Link* link = link_if(replica, peer);
    if (!link || !shares_view(link->settled_view)) return std::nullopt;
    Micros at = link->settled_in_view_at;
    // Equal summaries say the same of each space that agreed already.
    if (link->agreed && peer.agreed_view == view) at = std::max(at, peer.agreed_at);
    kept.clock.meet(link->settled_in_view);
    kept.at = std::max(kept.at, at);
    confirmed_at = std::min(confirmed_at, at);
  }
  return kept;
}

// A disk that fell back shows when its member reports less than before. So what all said to keep is
// believed when all say so again `forget_elements_after` later. Whether there is more to forget.
bool Core::Impl::advance_forgetting(Replica& replica) {
  auto& candidates = replica.kept_by_all;
  if (!replica.document.remembers_elements()) {
    candidates.clear();
    return false;
  }
  const Micros spacing = options.forget_elements_after / kept_clocks_max;
  Micros next = never;
  bool advanced = false;
  Micros confirmed_at{0};
  const std::optional<Replica::Kept> kept = kept_by_all(replica, confirmed_at);
  if (kept) {
    while (!candidates.empty() &&
           REJOIN_MUTANT(elements_forgotten_at_once,
                         candidates.front().at + options.forget_elements_after <= confirmed_at,
                         true) &&
           kept->clock.includes(candidates.front().clock)) {
      replica.elements_forgotten_to = std::move(candidates.front().clock);
      candidates.pop_front();
      advanced = true;
    }
    const Clock& last =
        candidates.empty() ? replica.elements_forgotten_to : candidates.back().clock;
    if (kept->clock != last && std::ssize(candidates) < kept_clocks_max) {
      const Micros turn = candidates.empty() ? kept->at : candidates.back().at + spacing;
      if (turn <= kept->at) {
        candidates.push_back(*kept);
      } else {
        next = turn;
      }
    }
  }
  if (!candidates.empty()) {
    // What is due already waits for a member that is silent.
    const Micros ready = candidates.front().at + options.forget_elements_after;
    const bool late = ready + 2 * options.exchange_interval <= now.monotonic;
    const Micros pause = std::max(options.exchange_interval, late ? spacing : Micros{0});
    replica.forget_due = std::max(std::min(next, ready), now.monotonic + pause);
    hurry(replica, replica.forget_due);
  }
  return advanced;
}

}  // namespace rejoin::node
