// Forgetting removals that every member has seen, and what orders elements that every member keeps.
#include <algorithm>
#include <optional>
#include <utility>

#include "core/impl.h"
#include "rejoin/crdt/mutant.h"

namespace rejoin::node {

namespace {
constexpr int kept_clocks_max = 4;  // a space
}  // namespace

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
  retire_soon(replica);
}

void Core::Impl::forget_soon(Replica& replica) {
  if (replica.prune_due != never) return;
  if (!waits_for_all(replica) && !replica.document.remembers_removals()) return;
  replica.prune_due = replica.pruned_at < Micros{0}
                          ? now.monotonic
                          : std::max(now.monotonic, replica.pruned_at + options.exchange_interval);
  hurry(replica, replica.prune_due);
}

// Whether there is something that goes only when all members have kept what is there for long.
bool Core::Impl::waits_for_all(const Replica& replica) const {
  const Document& document = replica.document;
  return !options.members.empty() &&
         (document.remembers_removals() || document.remembers_elements() || replica.has_strangers);
}

bool Core::Impl::may_not_know_all() const {
  return overlay && !REJOIN_MUTATED(members_known_here_count_as_all);
}

// Nobody's report will tell when there is something to forget.
bool Core::Impl::is_alone() const {
  if (overlay) return false;
  const auto& members = options.members.empty() ? options.peers : options.members;
  return std::ranges::all_of(members, [&](const auto& member) { return member == options.name; });
}

// A member that was never heard is away since we began.
bool Core::Impl::is_away(const Peer* member) const {
  const Micros heard_at = std::max(started_at, member ? member->last_heard : Micros{0});
  return now.monotonic - heard_at >= options.member_away_after &&
         !REJOIN_MUTATED(who_left_is_waited_for);
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
  const bool waits = waits_for_all(replica);
  const std::optional<Replica::Kept> kept =
      waits || may_not_know_all() ? kept_by_all(replica) : std::nullopt;
  if (may_not_know_all()) {
    // There may be more members than are known here, unless all mean the same ones.
    stable = kept ? kept->clock : Clock{};
    early.join(stable);
  }
  if (!waits) replica.forgettable.clear();
  const bool forget = waits && advance_forgetting(replica, kept);
  if (forget && replica.has_strangers) retire(replica);
  if (!options.members.empty() && !REJOIN_MUTATED(evicted_meets_no_removals)) {
    stable = replica.kept_to;
    stable.meet(early);
  }
  const StateHash retired = replica.document.retired_hash();
  const bool more_retired = std::exchange(replica.pruned_retired, retired) != retired;
  if (stable == replica.pruned_to && early == replica.pruned_early_to && !forget && !more_retired) {
    return;
  }
  replica.pruned_to = stable;
  replica.pruned_early_to = early;
  // Of elements more is to be forgotten than their removals, so these wait for that: but not for
  // somebody who may never come.
  const bool wait = all_here && !options.members.empty();
  counters.touches_pruned += replica.document.prune(stable, early, wait ? replica.kept_to : early);
  if (!forget) return;
  counters.elements_forgotten += replica.document.forget_elements(replica.kept_to);
}

// ---- Forgetting elements ----

// What all members, as we know them now, said to keep. Nothing while one has not said so.
std::optional<Replica::Kept> Core::Impl::kept_by_all(const Replica& replica) const {
  // Who finds the others has not found them yet.
  if (may_not_know_all() && options.members.size() < 2) return std::nullopt;
  Replica::Kept kept{replica.durable_part(), replica.document.retired_hash(), Micros{0},
                     now.monotonic};
  if (is_alone()) kept.at = now.monotonic;
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
    kept.confirmed_at = std::min(kept.confirmed_at, at);
  }
  return kept;
}

// A disk that fell back shows when its member reports less than before. So what all said to keep is
// believed when all say so again `forget_after` later. Whether there is more to forget.
bool Core::Impl::advance_forgetting(Replica& replica, const std::optional<Replica::Kept>& kept) {
  auto& candidates = replica.forgettable;
  const Micros spacing = options.forget_after / kept_clocks_max;
  Micros next = never;
  bool advanced = false;
  if (kept) {
    while (!candidates.empty() &&
           REJOIN_MUTANT(elements_forgotten_at_once,
                         candidates.front().at + options.forget_after <= kept->confirmed_at,
                         true) &&
           kept->clock.includes(candidates.front().clock)) {
      replica.kept_to = std::move(candidates.front().clock);
      replica.kept_to_retired = candidates.front().retired;
      candidates.pop_front();
      advanced = true;
    }
    const Clock& last = candidates.empty() ? replica.kept_to : candidates.back().clock;
    const StateHash& last_retired =
        candidates.empty() ? replica.kept_to_retired : candidates.back().retired;
    if ((kept->clock != last || kept->retired != last_retired) &&
        std::ssize(candidates) < kept_clocks_max) {
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
    const Micros ready = candidates.front().at + options.forget_after;
    const bool late = ready + 2 * options.exchange_interval <= now.monotonic;
    const Micros pause = std::max(options.exchange_interval, late ? spacing : Micros{0});
    replica.forget_due = std::max(std::min(next, ready), now.monotonic + pause);
    hurry(replica, replica.forget_due);
  }
  return advanced;
}

}  // namespace rejoin::node
