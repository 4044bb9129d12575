// Replica ids whose writers are gone: when they leave the clock, and what is made of a clock that
// leaves out others than ours (docs/protocol.md, "Retired replica ids").
#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "core/impl.h"
#include "rejoin/crdt/mutant.h"

namespace rejoin::node {

namespace {
constexpr int pause_intervals = 4;  // before it is tried again
}  // namespace

// ---- What others leave out ----

std::optional<Core::Impl::Told> Core::Impl::understand(Replica& replica,
                                                       const transport::ClockReport& message) {
  Document& document = replica.document;
  if (!document.seen_there(message.applied, message.retired)) return std::nullopt;
  Clock again;
  for (const auto& [id, sequence] : message.applied) {
    const Sequence last = document.retired().get(id);
    if (last != 0 && sequence > last) again.set(id, last);
  }
  if (!REJOIN_MUTATED(news_of_the_retired_is_not_heard)) restore(replica, again);
  const auto seen = document.seen_there(message.applied, message.retired);
  if (!seen) return std::nullopt;
  Told told{seen->clock, message.durable, seen->lacks_retired};
  for (const auto& [id, last] : seen->clock) {
    if (message.applied.get(id) == 0) told.durable->set(id, last);
  }
  for (const auto& [id, sequence] : message.applied) {
    const Sequence last = document.retired().get(id);
    if (last == 0) continue;
    if (message.durable.get(id) < last) {
      told.durable.reset();  // our clocks have no way to say so
      break;
    }
    told.durable->set(id, 0);
  }
  return told;
}

void Core::Impl::restore(Replica& replica, const Clock& ids) {
  if (ids.empty()) return;
  for (const auto& [id, last] : ids) {
    replica.document.restore(id);
    named_again(replica, {id, last});
  }
  if (replica.durable) enqueue(replica, RecordKind::restored, ids.encoded());
  // What peers keep of them was left out with them, too, and is known when a summary is equal.
  for (std::uint32_t slot = 0; slot < replica.links.size(); ++slot) {
    Link& link = replica.links[slot];
    if (link.epoch == peers[slot]->epoch) doubt(replica, *peers[slot], link);
  }
  progress(replica);
}

// Who lacks nothing of retired ids has that, too.
void Core::Impl::named_again(Replica& replica, const Dot& last) {
  if (last.sequence == 0) return;
  for (Link& link : replica.links) {
    if (link.may_lack_retired) continue;
    link.applied.advance(last);
    link.durable.advance(last);
  }
}

std::set<ReplicaId> Core::Impl::present_ids(const Replica& replica) const {
  std::set<ReplicaId> present{replica.document.self()};
  for (const auto& peer : peers) {
    const bool counts = peer->alive || std::ranges::count(options.members, peer->name) > 0;
    const Link* link = link_if(replica, *peer);
    if (counts && link) present.insert(link->writes_as);
  }
  return present;
}

// Nobody knows more than the ids that it names. When it understands us as little, each of us gives
// the other the whole state; which says what it leaves out.
void Core::Impl::on_puzzling_report(Replica& replica, Peer& peer, Link& link,
                                    const transport::ClockReport& message) {
  link.may_lack_retired = link.puzzling = true;
  doubt(replica, peer, link);
  if (message.puzzled) {
    Clock known = listed(replica, message.applied);
    known.meet(replica.document.clock());
    hand_over(replica, peer, link, known);
  }
  if (limit("puzzled " + peer.name + " " + replica.name, options.gap_report_interval)) {
    send_report(replica, peer, link, false, false);
  }
}

Clock Core::Impl::listed(const Replica& replica, Clock clock) {
  const Clock& retired = replica.document.retired();
  if (retired.empty()) return clock;
  Clock rest;
  for (const auto& [id, sequence] : clock) {
    if (retired.get(id) == 0) rest.set(id, sequence);
  }
  return rest;
}

bool Core::Impl::has_all(const Replica& replica, const Clock& clock, const StateHash& retired) {
  const auto seen = replica.document.seen_there(clock, retired);
  return seen && replica.document.includes(seen->clock);
}

// ---- What we leave out ----

// Whoever is not known to have an id would be taken to have it from now on. `known` says what there
// was of each before; of others nobody is known to have anything.
void Core::Impl::leave_out(Replica& replica, const Clock& known) {
  const auto drop = [&](Clock& kept) { kept = listed(replica, std::move(kept)); };
  for (Link& link : replica.links) {
    const bool has_all = !known.empty() && link.durable.includes(known);
    if (!has_all && !REJOIN_MUTATED(everybody_has_what_is_retired_now)) {
      link.may_lack_retired = true;
      link.has_settled = false;
      link.settled = link.settled_in_view = Clock{};
      link.settled_view = 0;
    }
    link.for_each_clock(drop);
    for (const auto& [id, last] : known) {
      link.relay_at_once_until.erase(id);
      link.lazy.erase(id);
      link.enough.erase(id);
    }
  }
  for (InFlight& written : in_flight) {
    if (written.replica == &replica) drop(written.clock);
  }
  for (Clock* kept :
       {&replica.durable_clock, &replica.pruned_to, &replica.pruned_early_to, &replica.kept_to}) {
    drop(*kept);
  }
  for (Replica::Kept& kept : replica.forgettable) drop(kept.clock);
  for (const auto& [id, last] : known) replica.recent.leave_out(id);
  progress(replica);
  tell_what_is_left_out(replica);
}

void Core::Impl::retire_soon(Replica& replica) {
  if (replica.retire_due != never || view == 0 || replica.document.clock().empty()) return;
  replica.retire_due =
      replica.retired_at < Micros{0}
          ? now.monotonic
          : std::max(now.monotonic, replica.retired_at + options.exchange_interval);
  hurry(replica, replica.retire_due);
}

void Core::Impl::retire_what_is_retired_there(Replica& replica, const Clock& named,
                                              const Clock& told) {
  // What a retired id removed is forgotten. Whoever retired it had all that may have been written
  // without having seen that; and so must we.
  const bool caught_up = replica.document.clock().includes(told);
  if (!caught_up && !REJOIN_MUTATED(ids_are_retired_before_catching_up)) return;
  Clock gone;
  for (const auto& [id, last] : told) {
    if (named.get(id) != 0 || replica.document.clock().get(id) != last) continue;
    if (replica.durable_part().get(id) == last) gone.set(id, last);
  }
  if (!REJOIN_MUTATED(nobody_retires_what_others_retired)) retire(replica, std::move(gone));
}

// Equal digests say neither what is left out nor who writes under which id. So both are told until
// a report shows that they are known.
void Core::Impl::tell_what_is_left_out(Replica& replica) {
  if (REJOIN_MUTATED(retirement_is_not_told)) return;
  for (Link& link : replica.links) link.tell_due = now.monotonic;
  hurry(replica, now.monotonic);
}

Micros Core::Impl::tell_what_is_left_out(Replica& replica, Peer& peer, Link& link) {
  if (link.tell_due <= now.monotonic) {
    link.tell_due = now.monotonic + pause_intervals * options.exchange_interval;
    send_report(replica, peer, link, true, false);
  }
  return link.tell_due;
}

void Core::Impl::note_what_is_left_out(const Replica& replica, Link& link,
                                       const transport::ClockReport& message) {
  const Clock& retired = replica.document.retired();
  const bool names_retired = std::ranges::any_of(
      message.applied, [&](const auto& entry) { return retired.get(entry.first) != 0; });
  if (!names_retired) link.tell_due = never;
}

bool Core::Impl::leave_out_the_same(Replica& replica, const Delta& delta) {
  const Document& document = replica.document;
  if (delta.retired_hash == StateHash{} || delta.retired_hash == document.retired_hash())
    return true;
  const auto seen = document.seen_there(delta.clock, delta.retired_hash);
  if (!seen || !document.includes(delta.base)) return false;  // it cannot be joined
  Clock named;
  for (const auto& [id, sequence] : delta.clock) named.set(id, document.retired().get(id));
  restore(replica, named);
  Clock gone;
  for (const auto& [id, last] : seen->clock) {
    if (delta.clock.get(id) == 0) gone.set(id, last);
  }
  const bool durable = replica.durable_part().includes(gone);
  retire(replica, std::move(gone));
  if (!durable) replica.retired_end = replica.last_own = last_own = queue.end();
  return delta.retired_hash == document.retired_hash();
}

// An id goes when no member writes under it, all of them have kept for long what it wrote, and
// something that the clock goes on naming depends on it.
void Core::Impl::retire(Replica& replica) {
  replica.retire_due = never;
  replica.retired_at = now.monotonic;
  if (view == 0) return;
  const std::set<ReplicaId> present = present_ids(replica);
  const Clock& clock_here = replica.document.clock();
  const auto is_strange = [&](const auto& entry) {
    return !present.contains(entry.first) || REJOIN_MUTATED(living_ids_are_retired);
  };
  const auto may_go = [&](const auto& entry) {
    return is_strange(entry) && (replica.document.is_depended_on(entry.first) ||
                                 REJOIN_MUTATED(retired_unseen_by_any_event));
  };
  replica.has_strangers = std::ranges::any_of(clock_here, may_go);
  const auto strange = std::ranges::count_if(clock_here, is_strange);
  std::vector<Peer*> unknown;  // under which id they write
  for (const std::string& member : options.members) {
    if (member == options.name) continue;
    const auto slot = slots.find(member);
    if (slot == slots.end()) return;
    Peer& peer = *peers[slot->second];
    const bool waits = !REJOIN_MUTATED(writers_are_not_waited_for);
    if (waits && link(replica, peer).writes_as.is_nil()) unknown.push_back(&peer);
  }
  // All of them may be theirs: asking costs more than naming them.
  if (strange <= std::ssize(unknown)) return;
  forget_soon(replica);
  // What is missing comes with a report. Or somebody may be away for long.
  replica.retire_due = now.monotonic + pause_intervals * options.exchange_interval;
  if (!unknown.empty()) {
    Peer& peer = *unknown.front();
    if (peer.alive) ask(replica, peer, link(replica, peer));
    return;
  }
  // Of others nothing is to be found out here.
  if (!replica.has_strangers) replica.retire_due = never;
  const bool asks = !REJOIN_MUTATED(ids_are_retired_without_asking);
  Clock gone;
  for (const auto& entry : clock_here) {
    const auto& [id, last] = entry;
    if (may_go(entry) && (!asks || replica.kept_to.get(id) == last)) gone.set(id, last);
  }
  retire(replica, gone);
}

void Core::Impl::retire(Replica& replica, Clock gone) {
  if (gone.empty()) return;
  replica.retire_due = never;
  for (const auto& [id, last] : gone) replica.document.retire(id);
  counters.ids_retired += gone.size();
  if (replica.durable && !REJOIN_MUTATED(retirement_is_not_logged)) {
    enqueue(replica, RecordKind::retired, gone.encoded());
  }
  leave_out(replica, gone);
}

}  // namespace rejoin::node
