// Messages in: what is dropped, and who hears it. Peers coming and going. Ticks.
#include <algorithm>
#include <functional>
#include <utility>

#include "core/impl.h"
#include "rejoin/crdt/assert.h"
#include "rejoin/crdt/codec.h"
#include "rejoin/crdt/mutant.h"

namespace rejoin::node {

namespace {

constexpr Micros notice_interval = std::chrono::seconds(1);
constexpr Micros waiting_age_max = std::chrono::seconds(10);
constexpr std::size_t history_inbox_max = 64;
// Of an overlay: how many places of peers there are before those of former ones are given away.
constexpr std::size_t peers_kept = 32;

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};
template <class... F>
Overloaded(F...) -> Overloaded<F...>;

}  // namespace

// ---- Messages ----

void Core::Impl::malformed(const std::string& from, const std::string& space,
                           const std::string& reason) {
  ++counters.messages_malformed;
  if (limit("malformed " + from, notice_interval)) {
    notice(Notice::Kind::malformed_message, space, from, reason);
  }
}

void Core::Impl::reject(const std::string& to, ErrorCode code, std::string reason) {
  if (reason.size() > transport::reject_reason_bytes_max) {
    reason.resize(transport::reject_reason_bytes_max);
    while (!is_valid_utf8(reason)) reason.pop_back();
  }
  ++counters.messages_rejected;
  if (!limit("reject " + to, notice_interval) && !REJOIN_MUTATED(each_refusal_is_told)) return;
  notice(Notice::Kind::rejected, "", to, reason);
  outbox.add(Send{to, encode(0, transport::Reject{code, reason}), "reject"}, 0, queue.durable());
}

const char* Core::Impl::receive(const std::string& from, std::string_view bytes) {
  constexpr const char* unknown = "unknown";
  if (!transport::is_valid_name(from) || from == options.name) {
    malformed("", "", "a message from a node of an impossible name");
    return unknown;
  }
  Result<transport::Message> decoded = transport::decode(bytes);
  if (decoded.ok()) {
    const char* kind = transport::kind_name(decoded->body);
    take(from, *decoded);
    return kind;
  }
  if (decoded.error().code == ErrorCode::unsupported_version) {
    reject(from, ErrorCode::unsupported_version, decoded.error().message);
  } else {
    malformed(from, "", decoded.error().message);
  }
  return unknown;
}

void Core::Impl::take(const std::string& from, transport::Message& message) {
  if (const auto* rejected = std::get_if<transport::Reject>(&message.body)) {
    ++counters.messages_rejected;
    if (limit("rejected " + from, notice_interval)) {
      notice(Notice::Kind::rejected, "", from, "it will not talk to us: " + rejected->reason);
    }
    return;
  }
  if (message.cluster != options.cluster) {
    return reject(from, ErrorCode::invalid_argument,
                  "'" + from + "' is of cluster '" + message.cluster + "', '" + options.name +
                      "' of cluster '" + options.cluster + "'");
  }
  if (message.sender != from) {
    malformed(from, "", "it says that it is '" + message.sender + "'");
    return;
  }
  if (message.incarnation == 0) {
    malformed(from, "", "its incarnation is 0");
    return;
  }
  Peer* peer = peer_for(from);
  if (!peer) return;
  peer->last_message = now.monotonic;
  if (const auto* hello = std::get_if<transport::Hello>(&message.body)) {
    return on_hello(*peer, message.incarnation, *hello);
  }
  if (REJOIN_MUTATED(former_incarnation_is_believed)) confirm(*peer, message.incarnation);
  const bool confirmed = message.incarnation == peer->incarnation;
  const bool for_us =
      message.receiver == incarnation || REJOIN_MUTATED(message_to_a_former_incarnation_is_taken);
  if (!confirmed && (peer->challenged_at < Micros{0} ||
                     now.monotonic - peer->challenged_at >= resend_after(*peer))) {
    challenge(*peer);
  }
  if (!confirmed || !for_us) {
    ++counters.messages_stale;
    return;
  }
  if (const auto* neighbour = std::get_if<transport::Neighbour>(&message.body)) {
    return on_neighbour(*peer, *neighbour);
  }
  if (peer->standing == Standing::none) return tell_parted(*peer);
  // That it took us was lost on the way.
  if (peer->standing == Standing::candidate) become_neighbours(*peer);
  heard(*peer);
  std::visit(Overloaded{
                 [&](const transport::Summary& m) { on_summary(*peer, m); },
                 [&](const transport::Digests& m) { on_digests(*peer, m); },
                 [&](const transport::ClockReport& m) { on_clock_report(*peer, m); },
                 [&](transport::Events& m) { on_events(*peer, m); },
                 [&](const transport::Ack& m) { on_ack(*peer, m); },
                 [&](transport::Chunk& m) { on_chunk(*peer, m); },
                 [&](const transport::ChunkAck& m) { on_chunk_ack(*peer, m); },
                 [&](const transport::Sketch& m) { on_sketch(*peer, m); },
                 [&](const transport::SketchAnswer& m) { on_sketch_answer(*peer, m); },
                 [&](const transport::Rumours& m) { on_rumours(*peer, m); },
                 [&](transport::WantHistory& m) { on_history(*peer, m); },
                 [&](transport::History& m) { on_history(*peer, m); },
                 [](const transport::Neighbour&) {},
                 [](const transport::Hello&) {},
                 [](const transport::Reject&) {},
             },
             message.body);
}

// ---- Histories: only passed on ----

template <class Body>
void Core::Impl::on_history(const Peer& peer, Body& body) {
  const bool wanted = find(body.space, peer) && history_inbox.size() < history_inbox_max;
  if (wanted) history_inbox.push_back({peer.name, std::move(body)});
}

std::vector<HistoryMessage> Core::take_history() { return std::exchange(impl_->history_inbox, {}); }

void Core::send_history(HistoryMessage message) {
  const auto slot = impl_->slots.find(message.peer);
  if (slot == impl_->slots.end()) return;
  const Peer& peer = *impl_->peers[slot->second];
  const std::string& space =
      std::visit([](const auto& body) -> const std::string& { return body.space; }, message.body);
  if (!peer.alive || !impl_->find(space, peer)) return;
  std::visit([&](auto& body) { impl_->send(peer, std::move(body), 0); }, message.body);
}

std::vector<std::string> Core::heard(const std::string& space) const {
  const Replica* replica = impl_->find(space);
  std::vector<const Peer*> heard;
  for (const auto& peer : impl_->peers) {
    const Link* link = replica ? impl_->link_if(*replica, *peer) : nullptr;
    if (peer->alive && link && impl_->hears(*peer, *replica, *link)) heard.push_back(peer.get());
  }
  std::ranges::stable_sort(heard, std::ranges::greater{}, &Peer::last_heard);
  std::vector<std::string> names;
  for (const Peer* peer : heard) names.push_back(peer->name);
  return names;
}

std::string Core::Impl::encode(std::uint64_t receiver, transport::Body body) const {
  return transport::encode(
      transport::Message{options.cluster, options.name, incarnation, receiver, std::move(body)});
}

void Core::Impl::send(const Peer& peer, transport::Body body, Position gate) {
  const char* kind = transport::kind_name(body);
  REJOIN_ASSERT(peer.incarnation != 0);
  std::string bytes = encode(peer.incarnation, std::move(body));
  if (!outbox.add(Send{peer.name, std::move(bytes), kind}, gate, queue.durable())) {
    ++counters.messages_kept_back;
  }
}

// ---- Who is there ----

void Core::Impl::send_hello(const Peer& peer, const transport::Hello& hello) {
  outbox.add(Send{peer.name, encode(0, hello), "hello"}, 0, queue.durable());
}

std::uint64_t Core::Impl::challenge_for(Peer& peer) {
  if (peer.challenge == 0) peer.challenged_at = now.monotonic;
  while (peer.challenge == 0) peer.challenge = random.next();
  return peer.challenge;
}

void Core::Impl::challenge(Peer& peer) {
  send_hello(peer, {.challenge = challenge_for(peer)});
  peer.challenged_at = now.monotonic;
}

void Core::Impl::on_hello(Peer& peer, std::uint64_t sender, const transport::Hello& hello) {
  const bool answered = hello.answer != 0 && (hello.answer == peer.challenge ||
                                              REJOIN_MUTATED(any_answer_to_a_challenge_counts));
  if (answered) {
    peer.challenge = 0;
    peer.round_trip.sample(now.monotonic - peer.challenged_at);
    confirm(peer, sender);
  }
  const bool confirmed = sender == peer.incarnation;
  if (hello.challenge != 0) {
    // The other side first learns who we are, and then hears the rest.
    send_hello(peer, {.challenge = confirmed ? 0 : challenge_for(peer), .answer = hello.challenge});
  }
  if (!confirmed) return;
  if (peer.standing == Standing::candidate) ask_to_be_neighbour(peer);
  if (peer.standing == Standing::neighbour) heard(peer);
}

void Core::Impl::confirm(Peer& peer, std::uint64_t seen) {
  if (peer.incarnation == seen) return;
  if (peer.incarnation != 0 && !REJOIN_MUTATED(incarnation_is_ignored)) {
    forget(peer);  // it may have lost anything
    peer.alive = false;
  }
  peer.incarnation = seen;
  refresh_view();
  for (const auto& replica : replicas) {
    expect_takeover(*replica, peer);
    // What waits came from a process that no longer counts, and may never be in a report.
    if (!REJOIN_MUTATED(what_waits_outlives_its_sender)) replica->waiting.drop_from(peer.slot);
  }
}

void Core::Impl::forget(Peer& peer) {
  ++peer.epoch;
  peer.unagreed.clear();
  peer.all_unagreed = true;
  peer.lacking.clear();
  peer.differing_summaries = 0;
  peer.digests_sent_at = Micros{-1};
  peer.agreed_view = 0;
  peer.agreed_at = Micros{-1};
  peer.sample = Dot{};
}

bool Core::Impl::shares_view(std::uint64_t their_view) const {
  return view != 0 && REJOIN_MUTANT(views_are_ignored, their_view == view, true);
}

void Core::Impl::refresh_view() {
  view = 0;
  const auto known = [&](const std::string& name) {
    const auto slot = slots.find(name);
    if (name == options.name) return incarnation;
    return slot == slots.end() ? 0 : peers[slot->second]->incarnation;
  };
  const auto& members = options.members;
  if (std::ranges::any_of(members, [&](const auto& name) { return known(name) == 0; })) return;
  std::vector<std::string> names = members;
  std::ranges::sort(names);
  std::string bytes;
  Writer out(bytes);
  for (const std::string& name : names) {
    out.varint(name.size());
    out.raw(name);
    out.fixed64(known(name));
  }
  if (!names.empty()) view = hash_bytes(bytes).low;
}

// ---- Peers ----

Peer& Core::Impl::add_peer(const std::string& name, bool configured) {
  if (overlay && peers.size() >= peers_kept) {
    Peer* oldest = nullptr;
    for (const auto& peer : peers) {
      const bool is_silent = now.monotonic - peer->last_message >= options.peer_timeout;
      if (peer->standing != Standing::none || !is_silent) continue;
      if (!oldest || peer->last_message < oldest->last_message) oldest = peer.get();
    }
    if (oldest) return reuse(*oldest, name);
  }
  peers.push_back(std::make_unique<Peer>());
  peers.back()->slot = static_cast<std::uint32_t>(peers.size() - 1);
  // The first exchange is due at once, and then a random part of the interval apart.
  Peer& peer = reuse(*peers.back(), name);
  peer.configured = configured;
  if (configured) options.peers.push_back(name);
  return peer;
}

Peer* Core::Impl::peer_for(const std::string& name) {
  const auto it = slots.find(name);
  if (it != slots.end()) return peers[it->second].get();
  std::size_t strangers = 0;
  Peer* oldest = nullptr;
  for (const auto& peer : peers) {
    if (peer->configured) continue;
    ++strangers;
    if (!peer->alive && (!oldest || peer->last_message < oldest->last_message)) oldest = peer.get();
  }
  if (strangers < options.strangers_max) return &add_peer(name, false);
  if (!oldest) {
    if (limit("strangers", notice_interval)) {
      notice(Notice::Kind::rejected, "", name,
             "too many nodes that are no peers of this one talk to it");
    }
    return nullptr;
  }
  return &reuse(*oldest, name);
}

Peer& Core::Impl::reuse(Peer& peer, const std::string& name) {
  slots.erase(peer.name);
  const std::uint32_t slot = peer.slot;
  const std::uint32_t epoch = peer.epoch + 1;
  peer = Peer{};
  peer.name = name;
  peer.slot = slot;
  peer.epoch = epoch;
  if (overlay) {
    peer.standing = Standing::none;
    peer.is_member = is_member(name);
  }
  peer.pace = Pace(options.link_bytes_per_second);
  peer.next_exchange = now.monotonic;
  slots.emplace(name, slot);
  return peer;
}

void Core::Impl::heard(Peer& peer) {
  peer.last_heard = now.monotonic;
  peer.heard = true;
  if (peer.alive) return;
  peer.alive = true;
  peer.alive_since = now.monotonic;
  notice(Notice::Kind::peer_up, "", peer.name, "");
  send_summary(peer);
  peer.next_exchange = now.monotonic + options.exchange_interval;
  for (const auto& replica : replicas) {
    const Link* link = link_if(*replica, peer);
    if (link && link->tell_due != never) hurry(*replica, now.monotonic);
  }
  for (const auto& [index, slot] : transfers_out) {
    if (slot != peer.slot) continue;
    Link& link = this->link(*replicas[index], peer);
    if (!link.outgoing) continue;
    link.outgoing->resume();
    hurry(*replicas[index], now.monotonic);
  }
}

void Core::Impl::gone(Peer& peer) {
  peer.alive = false;
  peer.sample = Dot{};
  notice(Notice::Kind::peer_down, "", peer.name,
         "silent for " +
             std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(now.monotonic -
                                                                                  peer.last_heard)
                                .count()) +
             " ms");
  // What it wrote under may be left out, if it is no member.
  for (const auto& replica : replicas) retire_soon(*replica);
  if (overlay) lost_neighbour(peer);
}

Link& Core::Impl::link(Replica& replica, Peer& peer) {
  if (replica.links.size() <= peer.slot) replica.links.resize(peers.size());
  Link& link = replica.links[peer.slot];
  if (link.epoch != peer.epoch) {
    if (link.outgoing || link.incoming || link.comparing) ++counters.transfers_abandoned;
    link = Link{};
    link.epoch = peer.epoch;
    link.relayed_to = replica.recent.begin_number();
    link.may_lack_retired =
        !replica.document.retired().empty() && !REJOIN_MUTATED(everybody_has_what_is_retired);
  }
  return link;
}

void Core::Impl::expect_takeover(Replica& replica, Peer& peer) {
  if (REJOIN_MUTATED(newcomer_is_told_events)) return;
  link(replica, peer).takeover = replica.durable_part();
}

const Link* Core::Impl::link_if(const Replica& replica, const Peer& peer) const {
  if (replica.links.size() <= peer.slot) return nullptr;
  const Link& link = replica.links[peer.slot];
  return link.epoch == peer.epoch ? &link : nullptr;
}

Micros Core::Impl::resend_after(const Peer& peer) const {
  return options.resend_after + 2 * peer.round_trip.estimate();
}

// ---- Time ----

void Core::Impl::tick() {
  if (storage_retry_at <= now.monotonic) {
    storage_retry_at = never;
    storage_retry_allowed = true;
  }
  if (overlay && overlay->due <= now.monotonic) tend_overlay();
  for (std::size_t slot = 0; slot < peers.size(); ++slot) {
    Peer& peer = *peers[slot];
    if (peer.alive && now.monotonic - peer.last_heard >= options.peer_timeout) gone(peer);
    if (probe_due(peer) <= now.monotonic) challenge(peer);
    if (peer.next_exchange <= now.monotonic) exchange(peer);
  }
  while (!timers.empty() && timers.begin()->first <= now.monotonic) {
    run(*replicas[timers.begin()->second]);
  }
}

Micros Core::Impl::next_deadline() const {
  Micros earliest = overlay ? std::min(storage_retry_at, overlay->due) : storage_retry_at;
  for (const auto& peer : peers) {
    earliest = std::min(earliest, peer->next_exchange);
    if (peer->alive) earliest = std::min(earliest, peer->last_heard + options.peer_timeout);
    earliest = std::min(earliest, probe_due(*peer));
  }
  if (!timers.empty()) earliest = std::min(earliest, timers.begin()->first);
  return earliest;
}

void Core::Impl::schedule(Replica& replica, Micros when) {
  if (replica.timer == when) return;
  if (replica.timer != never) timers.erase({replica.timer, replica.index});
  replica.timer = when;
  if (when != never) timers.emplace(when, replica.index);
}

void Core::Impl::hurry(Replica& replica, Micros when) {
  if (when < replica.timer) schedule(replica, when);
}

void Core::Impl::run(Replica& replica) {
  Micros next = never;
  const auto also = [&](Micros when) { next = std::min(next, when); };
  if (!replica.waiting.empty()) {
    if (replica.waiting_due <= now.monotonic) {
      const Micros oldest = replica.waiting.drop_older_than(now.monotonic - waiting_age_max);
      replica.waiting_due = oldest == never ? never : oldest + waiting_age_max + Micros(1);
    } else if (replica.waiting_due == never) {
      replica.waiting_due = now.monotonic + waiting_age_max;
    }
    also(replica.waiting_due);
  }
  if (replica.retire_due <= now.monotonic) retire(replica);
  if (std::min(replica.prune_due, replica.forget_due) <= now.monotonic) prune(replica);
  for (std::uint32_t slot = 0; slot < peers.size(); ++slot) {
    Peer& peer = *peers[slot];
    Link& link = this->link(replica, peer);
    also(run_transfers(replica, peer, link));
    if (!peer.alive || !hears(peer, replica, link)) {
      link.ack_due = link.gap_due = never;
      link.deferred = false;
      continue;
    }
    if (link.ack_due <= now.monotonic) send_ack(replica, peer, link);
    also(link.ack_due);
    if (link.gap_due <= now.monotonic) {
      link.gap_due = never;
      if (!replica.waiting.empty()) report_gap(replica, peer, link);
    }
    also(link.gap_due);
    if (link.deferred) {
      if (catching_up_from_other(replica, peer)) {
        also(std::max(replica.asked_until, now.monotonic + options.gap_report_interval));
      } else {
        ask(replica, peer, link);
      }
    }
    also(relay(replica, peer, link));
    also(tell_what_is_left_out(replica, peer, link));
  }
  also(std::min(replica.prune_due, replica.forget_due));
  also(replica.retire_due);
  REJOIN_ASSERT(next > now.monotonic);
  schedule(replica, next);
}

}  // namespace rejoin::node
