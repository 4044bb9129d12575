// Summaries, digests and clock reports, and how a peer is caught up.
#include <algorithm>
#include <utility>

#include "core/impl.h"
#include "rejoin/crdt/codec.h"
#include "rejoin/crdt/mutant.h"

namespace rejoin::node {

namespace {

// Up to here missing events are sent without asking what the cells would cost.
constexpr std::uint64_t few_event_bytes = 1024;
// Deltas are seldom packed to less than this part of their estimate.
constexpr std::uint64_t packing_max = 8;
// After so many differing summaries in a row all spaces are compared, also those that were the same
// when they were last compared: without a space that is known to differ, and with one.
constexpr int differing_summaries_max = 3;
constexpr int differing_summaries_busy_max = 30;

StateHash hash_of(const StateHash& a, const StateHash& b, std::string_view name = {}) {
  std::string bytes;
  Writer out(bytes);
  out.fixed64(a.low);
  out.fixed64(a.high);
  out.fixed64(b.low);
  out.fixed64(b.high);
  out.raw(name);
  return hash_bytes(bytes);
}

}  // namespace

// ---- Comparing ----

void Core::Impl::exchange(Peer& peer) {
  const Micros interval = REJOIN_MUTATED(absent_peer_is_asked_all_the_time) && !peer.alive
                              ? options.exchange_interval / 20
                              : options.exchange_interval;
  peer.next_exchange =
      now.monotonic + std::max(Micros{1}, interval - interval / 10 +
                                              Micros(random.below(interval.count() / 5 + 1)));
  if (peer.alive) return send_summary(peer);
  if (is_away(&peer)) {
    for (const auto& replica : replicas) forget_soon(*replica);
  }
  if (!peer.configured) {
    peer.next_exchange = never;
    return;
  }
  if (peer.standing == Standing::candidate) {  // it may not be connected yet
    peer.next_exchange = now.monotonic + options.exchange_interval / 5;
  }
  challenge(peer);
}

void Core::Impl::exchange_soon(Micros delay, std::uint32_t except) {
  for (const auto& peer : peers) {
    if (!peer->alive || peer->slot == except) continue;
    peer->next_exchange = std::min(peer->next_exchange, now.monotonic + delay);
  }
}

void Core::Impl::refresh(Replica& replica) {
  if (!replica.digest_stale) return;
  replica.digest_stale = false;
  summary_of_all -= replica.summary_part;
  // Of what is here and what is durable, whatever of it is left out.
  StateHash durable = replica.durable_part().fingerprint();
  durable += replica.document.retired_hash();
  replica.digest_clock = hash_of(replica.document.fingerprint(), durable);
  replica.summary_part = hash_of(replica.digest_clock, replica.document.hash(), replica.name);
  summary_of_all += replica.summary_part;
  for (std::uint32_t slot = 0; slot < replica.links.size(); ++slot) {
    Link& link = replica.links[slot];
    if (!link.agreed) continue;
    link.agreed = false;
    if (link.epoch == peers[slot]->epoch) peers[slot]->unagreed.push_back(replica.index);
  }
}

void Core::Impl::refresh_digests() {
  for (const std::uint32_t index : std::exchange(stale_digests, {})) refresh(*replicas[index]);
}

transport::Summary Core::Impl::summary_for(Peer& peer) {
  refresh_digests();
  transport::Summary summary{{}, 0, view, overlay ? overlay->liveness.hash() : 0};
  if (peer.is_member) {
    summary.of_all = summary_of_all;
    for (const std::uint32_t index : peer.lacking) summary.of_all -= replicas[index]->summary_part;
    summary.spaces = static_cast<std::uint32_t>(replicas.size() - peer.lacking.size());
  } else if (Replica* members = find(members_space);
             members && hears(peer, *members, link(*members, peer))) {
    summary.of_all = members->summary_part;
    summary.spaces = 1;
  }
  return summary;
}

void Core::Impl::send_summary(Peer& peer) { send(peer, summary_for(peer), last_own); }

void Core::Impl::on_summary(Peer& peer, const transport::Summary& message) {
  const transport::Summary ours = summary_for(peer);
  if (overlay && message.life != ours.life) tell_beliefs(peer);
  if (ours.of_all != message.of_all || ours.spaces != message.spaces ||
      REJOIN_MUTATED(summaries_never_match)) {
    ++peer.differing_summaries;
    return send_digests(peer);
  }
  // Equal in every space: also in those of which we did not know it yet.
  peer.differing_summaries = 0;
  const auto agree_in = [&](Replica& replica) {
    Link& link = this->link(replica, peer);
    if (hears(peer, replica, link)) agree(replica, peer, link, message.view);
  };
  const bool same_view = shares_view(message.view);
  const bool first_in_view = same_view && std::exchange(peer.agreed_view, view) != view;
  if (same_view) peer.agreed_at = now.monotonic;
  if (std::exchange(peer.all_unagreed, false) || first_in_view) {
    for (const auto& replica : replicas) agree_in(*replica);
  } else {
    for (const std::uint32_t index : peer.unagreed) agree_in(*replicas[index]);
  }
  peer.unagreed.clear();
}

void Core::Impl::send_digests(Peer& peer) {
  const Micros pause = std::min(options.resend_after, options.exchange_interval / 2);
  if (peer.digests_sent_at >= Micros{0} && now.monotonic - peer.digests_sent_at < pause) return;
  std::vector<std::uint32_t> listed;
  const bool all = peer.all_unagreed || peer.differing_summaries >= differing_summaries_busy_max ||
                   (peer.unagreed.empty() && peer.differing_summaries >= differing_summaries_max);
  if (all) {
    for (const auto& replica : replicas) listed.push_back(replica->index);
    peer.differing_summaries = 0;
    peer.all_unagreed = false;
    peer.unagreed.clear();
    for (const std::uint32_t index : listed) {
      Link& link = this->link(*replicas[index], peer);
      if (hears(peer, *replicas[index], link) && !link.agreed) peer.unagreed.push_back(index);
    }
  } else {
    std::ranges::sort(peer.unagreed);
    peer.unagreed.erase(std::unique(peer.unagreed.begin(), peer.unagreed.end()),
                        peer.unagreed.end());
    std::erase_if(peer.unagreed, [&](std::uint32_t index) {
      const Link& link = this->link(*replicas[index], peer);
      return link.agreed || !hears(peer, *replicas[index], link);
    });
    listed = peer.unagreed;
  }
  if (listed.empty()) return;
  peer.digests_sent_at = now.monotonic;
  transport::Digests page{{}, view};
  for (const std::uint32_t index : listed) {
    Replica& replica = *replicas[index];
    if (!hears(peer, replica, link(replica, peer))) continue;
    refresh(replica);
    page.digests.push_back(
        transport::SpaceDigest{replica.name, replica.digest_clock, replica.document.hash()});
    if (page.digests.size() < options.digests_per_message) continue;
    send(peer, std::exchange(page, {{}, view}), last_own);
  }
  if (!page.digests.empty()) send(peer, std::move(page), last_own);
}

void Core::Impl::on_digests(Peer& peer, const transport::Digests& message) {
  transport::Digests absent;
  for (const transport::SpaceDigest& digest : message.digests) {
    Replica* replica = find(digest.space, peer);
    const bool none = digest.clock == StateHash{} && digest.state == StateHash{};
    if (!replica) {
      if (!none) absent.digests.push_back(transport::SpaceDigest{digest.space, {}, {}});
      continue;
    }
    Link& link = this->link(*replica, peer);
    set_lacks(*replica, peer, link, none);
    if (none) continue;
    refresh(*replica);
    if (digest.clock != replica->digest_clock) {
      ask(*replica, peer, link);
    } else if (digest.state != replica->document.hash()) {
      ++counters.certificate_checks;
      diverged(*replica, peer, link, digest.state);
    } else {
      ++counters.certificate_checks;
      agree(*replica, peer, link, message.view);
    }
  }
  if (!absent.digests.empty()) send(peer, std::move(absent), 0);
}

// The peer may lack something, whatever was agreed before: a summary that is equal tells.
void Core::Impl::doubt(Replica& replica, Peer& peer, Link& link) {
  if (!link.agreed || REJOIN_MUTATED(doubts_outlast_agreement)) return;
  link.agreed = false;
  peer.unagreed.push_back(replica.index);
}

void Core::Impl::set_lacks(Replica& replica, Peer& peer, Link& link, bool lacks) {
  if (link.lacks == lacks) return;
  link.lacks = lacks;
  link.agreed = false;
  if (lacks) {
    peer.lacking.push_back(replica.index);
  } else {
    std::erase(peer.lacking, replica.index);
    peer.unagreed.push_back(replica.index);
  }
}

void Core::Impl::agree(Replica& replica, Peer& peer, Link& link, std::uint64_t their_view) {
  refresh(replica);
  link.agreed = true;
  link.deferred = false;
  const Clock& clock_here = replica.document.clock();
  const Clock& durable = replica.durable_part();
  link.may_lack_retired = link.puzzling = false;
  Link::absorb(link.applied, clock_here, replica.document);
  Link::absorb(link.durable, REJOIN_MUTANT(agreement_counts_as_durable, durable, clock_here),
               replica.document);
  settle(replica, link, durable);
  settle_in_view(replica, link, clock_here, durable, their_view);
  if (!shares_view(their_view)) peer.agreed_view = 0;  // it is to be said again when they do
  confirm_identity(replica, peer);
  progress_of_peer(replica);
}

// ---- Asking ----

bool Core::Impl::catching_up_from_other(const Replica& replica, const Peer& peer) const {
  if (replica.asked_until > now.monotonic && replica.asked_slot != peer.slot) return true;
  for (std::uint32_t slot = 0; slot < replica.links.size(); ++slot) {
    const Link& link = replica.links[slot];
    if (slot == peer.slot || link.epoch != peers[slot]->epoch) continue;
    const auto goes_on = [&](Micros progress_at) {
      return now.monotonic - progress_at < 2 * options.resend_after;
    };
    if (link.incoming && goes_on(link.incoming->progress_at())) return true;
    if (link.compared && goes_on(link.compared->progress_at)) return true;
  }
  return false;
}

// One peer at a time: otherwise each of them would send what we lack.
void Core::Impl::ask(Replica& replica, Peer& peer, Link& link) {
  if (catching_up_from_other(replica, peer)) {
    link.deferred = true;
    return hurry(replica,
                 std::max(replica.asked_until, now.monotonic + options.gap_report_interval));
  }
  link.deferred = false;
  if (link.asked_at >= Micros{0} && now.monotonic - link.asked_at < resend_after(peer)) return;
  link.asked_at = now.monotonic;
  replica.asked_slot = peer.slot;
  replica.asked_until =
      now.monotonic +
      REJOIN_MUTANT(who_was_asked_is_waited_for, resend_after(peer), Micros{std::chrono::hours(1)});
  send_report(replica, peer, link, true, false);
}

void Core::Impl::send_report(Replica& replica, Peer& peer, Link& link, bool want_reply, bool gap) {
  link.acked = replica.durable_part();
  send(peer,
       transport::ClockReport{replica.name, replica.document.clock(),
                              REJOIN_MUTANT(report_says_more_than_is_durable,
                                            replica.durable_part(), replica.document.clock()),
                              replica.document.hash(), want_reply, gap, view,
                              replica.document.retired_hash(), link.puzzling,
                              replica.document.self()},
       replica.last_own);
}

void Core::Impl::on_clock_report(Peer& peer, const transport::ClockReport& message) {
  Replica* replica = find(message.space, peer);
  if (!replica) return tell_absent(peer, message.space);
  if (!message.applied.includes(message.durable)) {
    return malformed(peer.name, message.space, "it says that it keeps more than it has");
  }
  Link& link = this->link(*replica, peer);
  set_lacks(*replica, peer, link, false);
  if (!own_id_holds(*replica, peer, message.applied.get(replica->document.self()))) return;
  link.writes_as = message.writer;
  const std::optional<Told> told = understand(*replica, message);
  if (!told) return on_puzzling_report(*replica, peer, link, message);
  link.puzzling = false;
  confirm_identity(*replica, peer);

  const Clock& clock_here = replica->document.clock();
  // One that does not understand us must be told what we leave out, too.
  link.may_lack_retired = told->lacks_retired || !told->durable || message.puzzled;
  if (link.may_lack_retired) doubt(*replica, peer, link);
  Link::absorb(link.applied, told->applied, replica->document);
  if (told->durable) {
    Link::absorb(link.durable, *told->durable, replica->document);
    sample_round_trip(*replica, peer, *told->durable);
  }
  if (!told->lacks_retired) {
    if (told->applied == clock_here) {
      ++counters.certificate_checks;
      if (message.state != replica->document.hash()) diverged(*replica, peer, link, message.state);
    }
    if (told->durable) {
      settle(*replica, link,
             REJOIN_MUTANT(applied_removals_are_forgotten, *told->durable, told->applied));
      settle_in_view(*replica, link, told->applied, *told->durable, message.view);
    }
  }
  progress_of_peer(*replica);

  if (!message.want_reply && !message.gap && link.asked_at >= Micros{0}) {
    peer.round_trip.sample(now.monotonic - link.asked_at);
    link.asked_at = Micros{-1};
    if (replica->asked_slot == peer.slot && clock_here.includes(told->applied)) {
      replica->asked_until = now.monotonic;  // it has nothing for us: on to the next
      hurry(*replica, now.monotonic);
    }
  }
  if (!link.transferred.empty() && !told->lacks_retired &&
      told->applied.includes(link.transferred)) {
    link.transferred = Clock{};
    link.transfer_pause = link.next_transfer_at = Micros{0};
  }
  // One that does not understand us can join nothing less than the whole state. But it may come to
  // understand our answer.
  link.puzzled_reports = message.puzzled ? link.puzzled_reports + 1 : 0;
  if (told->lacks_retired ||
      (link.puzzled_reports > 1 && !REJOIN_MUTATED(who_is_puzzled_stays_so))) {
    hand_over(*replica, peer, link, told->applied);
  } else if (!message.puzzled) {
    catch_up(*replica, peer, link, told->applied, message.gap);
  }
  const bool puzzled = message.puzzled && !link.outgoing && !link.comparing;
  if (!told->lacks_retired) {
    retire_what_is_retired_there(*replica, message.applied, told->applied);
    note_what_is_left_out(*replica, link, message);
  }
  if (puzzled || (message.want_reply && !catching_up_from_other(*replica, peer))) {
    send_report(*replica, peer, link, false, false);
  }
}

void Core::Impl::diverged(Replica& replica, Peer& peer, Link& link, const StateHash& theirs) {
  ++counters.divergences;
  if (link.divergent_state == theirs) return;
  link.divergent_state = theirs;
  notice(Notice::Kind::divergence, replica.name, peer.name,
         "at clock " + replica.document.clock().to_string() + " the state here is " +
             replica.document.hash().to_string() + " and there " + theirs.to_string());
}

void Core::Impl::confirm_identity(Replica& replica, const Peer& peer) {
  if (replica.identity != Identity::unconfirmed) return;
  replica.confirmed_by.insert(peer.name);
  const auto& members = options.members.empty() ? options.peers : options.members;
  const bool all = std::ranges::all_of(members, [&](const std::string& member) {
    return member == options.name || replica.confirmed_by.contains(member);
  });
  if (!all) return;
  replica.identity = Identity::confirmed;
  replica.confirmed_by.clear();
  progress_of_peer(replica);
}

// ---- Catching up ----

// `have` without the events that came from peers after `since`.
Clock Core::Impl::without_news(const Replica& replica, Clock have, Micros since) const {
  const RecentEvents& recent = replica.recent;
  for (std::uint64_t number = recent.end_number(); number-- > recent.begin_number();) {
    const RecentEvents::Entry& entry = recent.entry(number);
    if (entry.arrived <= since) break;
    if (!entry.event || entry.from == RecentEvents::from_here) continue;
    have.set(entry.event->writer(),
             std::min(have.get(entry.event->writer()), entry.event->first() - 1));
  }
  return have;
}

void Core::Impl::catch_up(Replica& replica, Peer& peer, Link& link, const Clock& reported,
                          bool gap) {
  const Clock have = replica.sendable_clock();
  if (reported.includes(have) || link.outgoing || link.comparing) return;
  const Micros patience = resend_after(peer);
  // What is under way to it need not be sent again. A gap is proof that something was lost, and so
  // is that it lacks what was sent long ago.
  Clock base = reported;
  if (link.resent_at >= Micros{0} && now.monotonic - link.resent_at < patience) {
    base.join(link.resent);
  }
  if (!gap) {
    const Clock& long_ago = link.sent_long_ago(now.monotonic, patience);
    const bool lost = std::ranges::any_of(long_ago, [&](const auto& entry) {
      return std::min(entry.second, have.get(entry.first)) > base.get(entry.first);
    });
    if (!lost || REJOIN_MUTATED(lost_events_are_not_sent_again)) base.join(link.sent);
    // Nor what came here from others just now: it comes to the peer from them, too.
    if (base.includes(without_news(replica, have, now.monotonic - relay_wait(peer)))) return;
  }
  if (base.includes(have)) return;
  const auto event_bytes = link.must_take_over() ? std::optional<std::uint64_t>()
                                                 : replica.recent.bytes_beyond(base, have);
  const bool few = event_bytes && *event_bytes <= few_event_bytes;
  if (!few && now.monotonic < link.next_transfer_at) return;
  link.sent = base;
  if (events_are_cheaper(replica, reported, event_bytes) &&
      send_missing_events(replica, peer, link, base)) {
    return;
  }
  if (outgoing_transfers() >= options.outgoing_transfers_max) return;
  if (comparing_pays(replica, reported)) return start_comparison(replica, peer, link);
  start_transfer(replica, peer, link, replica.document.delta_since(reported));
}

void Core::Impl::hand_over(Replica& replica, Peer& peer, Link& link, const Clock& reported) {
  if (link.outgoing || link.comparing || now.monotonic < link.next_transfer_at ||
      outgoing_transfers() >= options.outgoing_transfers_max) {
    return;
  }
  link.sent = reported;
  const bool comparing_pays =
      !reported.empty() && replica.document.whole_bytes_estimate() >= options.compare_from_bytes;
  if (comparing_pays) return start_comparison(replica, peer, link);
  start_transfer(replica, peer, link, replica.document.whole());
}

// The estimate knows nothing of packing, which may take off most. Where that could decide, the
// delta is made; it must save half, since events can be relayed and take effect one by one.
bool Core::Impl::events_are_cheaper(const Replica& replica, const Clock& reported,
                                    std::optional<std::uint64_t> event_bytes) const {
  if (!event_bytes) return false;
  if (*event_bytes <= few_event_bytes) return true;
  const std::uint64_t estimate = replica.document.delta_bytes_estimate(reported);
  if (*event_bytes > estimate) return false;
  if (*event_bytes > options.catchup_bytes_max || estimate / packing_max > *event_bytes)
    return true;
  return replica.document.delta_since(reported).encoded().size() * 2 > *event_bytes;
}

bool Core::Impl::send_missing_events(Replica& replica, Peer& peer, Link& link, const Clock& base) {
  const Clock have = replica.sendable_clock();
  if (!replica.recent.bytes_beyond(base, have)) return false;
  const std::vector<EventPtr> events =
      replica.recent.collect(base, have, queue.durable(), options.catchup_bytes_max);
  if (events.empty()) return false;
  ++counters.event_catchups_sent;
  send_events(replica, peer, link, events);
  link.resent = link.sent;
  link.resent_at = now.monotonic;
  link.resend_goes_on = !link.sent.includes(have);
  return true;
}

}  // namespace rejoin::node
