// Events coming in and going out: push, relay, acknowledgement. Storage completions.
#include <algorithm>
#include <utility>

#include "core/impl.h"
#include "rejoin/crdt/assert.h"
#include "rejoin/crdt/mutant.h"

namespace rejoin::node {

namespace {

constexpr Micros notice_interval = std::chrono::seconds(1);
constexpr Micros storage_pause_max = std::chrono::seconds(5);
constexpr Micros sample_age_max = std::chrono::seconds(10);
// For how many exchange intervals a peer that lacked a writer's events gets further ones at once.
constexpr int relay_at_once_intervals = 4;

}  // namespace

// ---- In ----

void Core::Impl::on_events(Peer& peer, transport::Events& message) {
  Replica* replica = find(message.space, peer);
  if (!replica) return tell_absent(peer, message.space);
  Link& link = this->link(*replica, peer);
  set_lacks(*replica, peer, link, false);
  bool stream_broken = false;
  for (const EventPtr& event : message.events) {
    switch (apply(*replica, event, peer)) {
      case Outcome::applied:
        link.ack_wanted = true;
        break;
      case Outcome::duplicate:
        // It does not know that we have it: an acknowledgement must have been lost.
        if (link.acked.get(event->writer()) >= event->first()) {
          link.acked.set(event->writer(), event->first() - 1);
        }
        link.ack_wanted = link.ack_now = !REJOIN_MUTATED(lost_acknowledgement_is_not_repeated);
        break;
      case Outcome::missing:
        stream_broken |= event->first() > replica->document.seen(event->writer()) + 1;
        if (!replica->waiting.add(event, peer.slot, now.monotonic, options.waiting_bytes_max)) {
          ++counters.events_waiting_dropped;
        }
        break;
      case Outcome::refused:
        break;
    }
  }
  apply_waiting(*replica);
  if (!replica->waiting.empty()) {
    if (stream_broken) {
      report_gap(*replica, peer, link);
    } else if (link.gap_due == never) {
      // Only writes of somebody else are missing, whose own messages may be under way.
      link.gap_due = now.monotonic + options.gap_report_interval + peer.round_trip.estimate();
    }
  }
  if (link.ack_now || !replica->durable) want_flush(*replica);
  if (!replica->durable && link.ack_wanted) acknowledge_to_others(*replica);
  run(*replica);
}

Core::Impl::Outcome Core::Impl::apply(Replica& replica, const EventPtr& event, Peer& from) {
  Link& link = this->link(replica, from);
  Clock those;
  those.advance(event->id());
  if (replica.document.includes(those)) {
    ++counters.events_duplicate;
    if (!has_full_mesh() && link.applied.get(event->writer()) < event->first()) {
      link.enough.insert(event->writer());  // it came by another branch
    }
    Link::absorb(link.applied, those, replica.document);
    return Outcome::duplicate;
  }
  const ReplicaId self = replica.document.self();
  const Sequence claimed =
      event->writer() == self ? event->last() : event->dependencies().get(self);
  if (!own_id_holds(replica, from, claimed)) return Outcome::refused;
  if (replica.durable && queue.bytes() > options.persist_queue_bytes_max) {
    ++counters.events_waiting_dropped;
    return Outcome::refused;
  }
  const Dot left_out{event->writer(), replica.document.retired().get(event->writer())};
  const Result<Applied> applied = replica.document.apply(*event);
  if (!applied.ok()) {
    malformed(from.name, replica.name, applied.error().message);
    return Outcome::refused;
  }
  if (*applied == Applied::missing) return Outcome::missing;
  if (*applied == Applied::duplicate) return Outcome::duplicate;

  ++counters.events_applied;
  named_again(replica, left_out);
  if (!clock.observe(event->time(), now.wall_millis)) {
    ++counters.times_ahead;
    if (limit("ahead " + from.name, notice_interval)) {
      notice(
          Notice::Kind::clock_ahead, replica.name, from.name,
          "an event's time, " + event->time().to_string() + ", is too far ahead of the clock here");
    }
  }
  link.applied.advance(event->id());
  if (replica.durable && !REJOIN_MUTATED(event_is_not_logged)) {
    enqueue(replica, RecordKind::event, event->encoded());
  }
  replica.recent.add(event, 0, from.slot, now.monotonic);
  for (std::uint32_t slot = 0; slot < replica.links.size(); ++slot) {
    if (slot == from.slot) continue;
    if (!relays_at_once(*peers[slot], replica.links[slot], event->writer())) continue;
    replica.relays[slot].push_back(event);
    want_flush(replica);
  }
  state_changed(replica);
  return Outcome::applied;
}

void Core::Impl::apply_waiting(Replica& replica) {
  while (!replica.waiting.empty()) {
    const auto ready = replica.waiting.take_ready(replica.document);
    if (!ready) return;
    Peer& from = *peers[ready->from];
    if (apply(replica, ready->event, from) == Outcome::applied) {
      link(replica, from).ack_wanted = true;
    }
  }
}

void Core::Impl::tell_absent(Peer& peer, const std::string& space) {
  if (!limit("absent " + peer.name + " " + space, options.exchange_interval)) return;
  send(peer, transport::Digests{{transport::SpaceDigest{space, {}, {}}}}, 0);
}

bool Core::Impl::own_id_holds(Replica& replica, const Peer& peer, Sequence claimed) {
  const ReplicaId self = replica.document.self();
  if (claimed <= replica.document.seen(self)) return true;
  if (REJOIN_MUTATED(own_id_kept_though_others_hold_more)) return true;
  if (replica.identity == Identity::fresh) {
    // Nobody can have seen what we never wrote.
    malformed(peer.name, replica.name,
              "it claims to hold writes of this node that were never made (" +
                  std::to_string(claimed) + " of " + self.short_name() + ")");
    return false;
  }
  replace_replica_id(replica, "'" + peer.name + "' holds writes of the old one up to " +
                                  std::to_string(claimed) + ", of which this node has only " +
                                  std::to_string(replica.document.seen(self)));
  return true;
}

void Core::Impl::report_gap(Replica& replica, Peer& peer, Link& link) {
  // While a transfer comes in, the gap is known and about to be filled.
  for (const Link& other : replica.links) {
    if (other.incoming && now.monotonic - other.incoming->progress_at() < options.resend_after) {
      link.gap_due = now.monotonic + options.resend_after;
      return hurry(replica, link.gap_due);
    }
  }
  const bool too_soon = link.gap_reported_at >= Micros{0} &&
                        now.monotonic - link.gap_reported_at < options.gap_report_interval;
  if (!too_soon) {
    link.gap_reported_at = now.monotonic;
    send_report(replica, peer, link, false, true);
  }
  const Micros again = too_soon ? link.gap_reported_at + options.gap_report_interval
                                : now.monotonic + resend_after(peer);
  link.gap_due = std::min(link.gap_due, again);
  hurry(replica, link.gap_due);
}

// ---- Acknowledgements ----

void Core::Impl::on_ack(Peer& peer, const transport::Ack& message) {
  Replica* replica = find(message.space, peer);
  if (!replica) return;
  Link& link = this->link(*replica, peer);
  if (!own_id_holds(*replica, peer, message.durable.get(replica->document.self()))) return;
  const bool had_to_take_over = link.must_take_over();
  Link::absorb(link.durable, message.durable, replica->document);
  Link::absorb(link.applied, message.durable, replica->document);
  sample_round_trip(*replica, peer, message.durable);
  for (const ReplicaId& writer : message.enough) {
    const bool is_known = replica->document.clock().get(writer) > 0;
    if (is_known && !REJOIN_MUTATED(branches_are_not_pruned)) link.lazy.insert(writer);
  }
  // The next portion; or what was kept back meanwhile.
  if (link.resend_goes_on || (had_to_take_over && !link.must_take_over())) {
    link.resend_goes_on = false;
    Clock base = link.sent;
    base.join(link.applied);
    if (!base.includes(replica->sendable_clock())) send_missing_events(*replica, peer, link, base);
  }
  progress_of_peer(*replica);
}

void Core::Impl::acknowledge_to_others(Replica& replica) {
  for (std::uint32_t slot = 0; slot < replica.links.size(); ++slot) {
    Link& link = replica.links[slot];
    const Peer& peer = *peers[slot];
    if (link.ack_wanted || link.ack_due != never) continue;
    if (!peer.alive || !hears(peer, replica, link)) continue;
    // Soon enough to keep them from relaying to us what we have.
    link.ack_due = now.monotonic + options.relay_delay / 4;
    hurry(replica, link.ack_due);
  }
}

void Core::Impl::send_ack(Replica& replica, Peer& peer, Link& link) {
  const Clock& durable =
      REJOIN_MUTANT(acknowledged_before_the_sync, replica.durable_part(), replica.document.clock());
  Clock changed = durable.beyond(link.acked);
  link.ack_due = never;
  link.ack_now = false;
  link.ack_wanted = replica.durable && durable != replica.document.clock();
  if (changed.empty() && link.enough.empty()) return;
  link.acked = durable;
  transport::Ack ack{replica.name, std::move(changed)};
  const auto count = std::min(link.enough.size(), transport::writers_enough_max);
  const auto told = link.enough.begin() + static_cast<std::ptrdiff_t>(count);
  ack.enough.assign(link.enough.begin(), told);
  link.enough.erase(link.enough.begin(), told);
  send(peer, std::move(ack), 0);
}

void Core::Impl::sample_round_trip(const Replica& replica, Peer& peer, const Clock& durable) {
  if (peer.sample.sequence == 0 || peer.sample_space != replica.index) return;
  if (!durable.includes(peer.sample)) return;
  peer.round_trip.sample(std::min(now.monotonic - peer.sample_sent_at, sample_age_max));
  peer.sample = Dot{};
}

// ---- Storage ----

void Core::Impl::persisted(std::uint64_t ticket, const Status& outcome) {
  REJOIN_ASSERT(queue.in_flight() && queue.flight()->ticket == ticket);
  if (!outcome.ok() && !REJOIN_MUTATED(refused_write_counts_as_durable)) {
    ++counters.storage_failures;
    storage_pause = std::clamp(storage_pause * 2, options.storage_retry_after, storage_pause_max);
    storage_retry_at =
        REJOIN_MUTANT(refused_write_is_not_retried, now.monotonic + storage_pause, never);
    if (limit("storage", notice_interval)) {
      notice(Notice::Kind::storage_failed, "", "", outcome.error().to_string());
    }
    return;
  }
  storage_pause = Micros{0};
  queue.succeeded();
  for (InFlight& written : in_flight) {
    Replica& replica = *written.replica;
    const ReplicaId self = replica.document.self();
    const bool others = std::ranges::any_of(written.clock, [&](const auto& entry) {
      return entry.first != self && entry.second > replica.durable_clock.get(entry.first);
    });
    replica.durable_clock = std::move(written.clock);
    while (!replica.own_pending.empty() && replica.own_pending.front().first <= queue.durable()) {
      replica.unpushed.push_back(std::move(replica.own_pending.front().second));
      replica.own_pending.pop_front();
    }
    for (Link& link : replica.links) link.ack_now |= link.ack_wanted;
    if (others) acknowledge_to_others(replica);
    want_flush(replica);
    progress(replica);
    if (peers.empty()) retire_soon(replica);  // no report comes
  }
  in_flight.clear();
  // New events leave before the reports that were kept back with them: whoever reads the report
  // then has the events already.
  flush();
  outbox.release(queue.durable());
}

// ---- Out ----

void Core::Impl::want_flush(Replica& replica) {
  if (replica.to_flush) return;
  replica.to_flush = true;
  to_flush.push_back(&replica);
}

void Core::Impl::flush() {
  if (overlay) tell_news();
  for (Replica* replica : to_flush) {
    replica->to_flush = false;
    push(*replica);
    relay_at_once(*replica);
    for (std::uint32_t slot = 0; slot < replica->links.size(); ++slot) {
      Link& link = replica->links[slot];
      Peer& peer = *peers[slot];
      if (!link.ack_now && (replica->durable || !link.ack_wanted)) continue;
      if (link.epoch != peer.epoch || !peer.alive) continue;
      if (hears(peer, *replica, link)) send_ack(*replica, peer, link);
    }
  }
  to_flush.clear();
}

void Core::Impl::push(Replica& replica) {
  std::vector<EventPtr> pushed = std::exchange(replica.unpushed, {});
  std::vector<EventPtr> group;
  std::size_t bytes = 0;
  const auto send_group = [&] {
    if (group.empty()) return;
    for (const auto& peer : peers) {
      if (peer->alive) push_to(replica, *peer, group);
    }
    group.clear();
    bytes = 0;
  };
  for (EventPtr& event : pushed) {
    const std::size_t size = event->encoded().size();
    const bool fits = bytes + size <= options.push_bytes_max;
    const bool full = !fits || group.size() >= transport::events_max;
    if (!group.empty() && (full || group.back()->writer() != event->writer())) send_group();
    group.push_back(std::move(event));
    bytes += size;
  }
  send_group();
}

// `events` are consecutive ones of one writer.
void Core::Impl::push_to(Replica& replica, Peer& peer, const std::vector<EventPtr>& events) {
  Link& link = this->link(replica, peer);
  if (!hears(peer, replica, link) || link.must_take_over()) return;
  const Sequence reach = link.reach(events.front()->writer());
  // One that misses earlier events could not use these: the next exchange brings it all of them.
  if (reach + 1 < events.front()->first() || reach >= events.back()->last()) return;
  if (peer.sample.sequence == 0 || now.monotonic - peer.sample_sent_at > sample_age_max) {
    peer.sample = events.back()->id();
    peer.sample_space = replica.index;
    peer.sample_sent_at = now.monotonic;
  }
  const auto first = std::ranges::find_if(
      events, [&](const EventPtr& event) { return event->first() == reach + 1; });
  send_events(replica, peer, link, std::vector<EventPtr>(first, events.end()));
}

void Core::Impl::send_events(Replica& replica, Peer& peer, Link& link,
                             const std::vector<EventPtr>& events) {
  std::vector<EventPtr> group;
  std::size_t bytes = 0;
  const auto send_group = [&] {
    if (!group.empty()) send(peer, transport::Events{replica.name, std::move(group)}, 0);
    group.clear();
    bytes = 0;
  };
  for (const EventPtr& event : events) {
    const bool full = bytes + event->encoded().size() > options.push_bytes_max ||
                      group.size() >= transport::events_max;
    if (full) send_group();
    group.push_back(event);
    bytes += event->encoded().size();
    link.mark_sent(event->id(), now.monotonic, resend_after(peer));
  }
  send_group();
}

// Plumtree (Leitao, Pereira and Rodrigues, "Epidemic Broadcast Trees", 2007), with a tree for each
// writer: events go on at once by all links but those on which they would be the second to come. An
// acknowledgement is the announcement of what one has; who does not announce it in time is sent it
// after all, and its link is a branch again.
bool Core::Impl::relays_at_once(const Peer& peer, const Link& link, const ReplicaId& writer) const {
  if (!has_full_mesh()) return peer.alive && !link.lazy.contains(writer);
  const auto until = link.relay_at_once_until.find(writer);
  return until != link.relay_at_once_until.end() && until->second > now.monotonic;
}

void Core::Impl::relay_at_once(Replica& replica) {
  for (auto& [slot, events] : std::exchange(replica.relays, {})) {
    Peer& peer = *peers[slot];
    Link& link = this->link(replica, peer);
    if (!peer.alive || !hears(peer, replica, link) || link.must_take_over()) continue;
    Clock reach;
    std::erase_if(events, [&](const EventPtr& event) {
      const ReplicaId& writer = event->writer();
      if (std::max(link.reach(writer), reach.get(writer)) + 1 != event->first()) return true;
      reach.advance(event->id());
      return false;
    });
    counters.events_relayed += events.size();
    send_events(replica, peer, link, events);
  }
}

Micros Core::Impl::relay(Replica& replica, Peer& peer, Link& link) {
  if (link.must_take_over()) return never;
  const RecentEvents& recent = replica.recent;
  const Micros wait = relay_wait(peer);
  std::vector<EventPtr> due;
  Micros next = never;
  Clock reach;  // with what is in `due`
  link.relayed_to = std::max(link.relayed_to, recent.begin_number());
  for (; link.relayed_to < recent.end_number(); ++link.relayed_to) {
    const RecentEvents::Entry& entry = recent.entry(link.relayed_to);
    if (!entry.event || entry.from == RecentEvents::from_here || entry.from == peer.slot) continue;
    if (entry.arrived < peer.alive_since) continue;
    const ReplicaId& writer = entry.event->writer();
    const Sequence known = std::max(link.reach(writer), reach.get(writer));
    // Without the earlier ones it could not use this one: the next exchange brings them together.
    if (known + 1 != entry.event->first()) continue;
    if (now.monotonic - entry.arrived < wait) {
      next = entry.arrived + wait;
      break;
    }
    due.push_back(entry.event);
    reach.advance(entry.event->id());
    if (has_full_mesh()) {
      link.relay_at_once_until[writer] =
          now.monotonic + relay_at_once_intervals * options.exchange_interval;
    } else if (!REJOIN_MUTATED(branches_do_not_grow_again)) {
      link.lazy.erase(writer);
    }
  }
  if (!due.empty() && !REJOIN_MUTATED(relays_are_dropped)) {
    counters.events_relayed += due.size();
    send_events(replica, peer, link, due);
  }
  return next;
}

}  // namespace rejoin::node
