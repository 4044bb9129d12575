// One space of a node, and what its peers hold of it.
#pragma once

#include <algorithm>
#include <boost/container/flat_map.hpp>
#include <boost/container/flat_set.hpp>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/comparison.h"
#include "core/peer.h"
#include "core/recent_events.h"
#include "core/transfer.h"
#include "core/waiting_events.h"
#include "rejoin/crdt/document.h"

namespace rejoin::node {

// One space as seen at one peer.
struct Link {
  std::uint32_t epoch = 0;  // of the peer when this was written; another one: all of it is void

  // What the peer holds, as far as it told us or sent us itself; `applied` includes `durable`.
  // Entries of replica ids that are unknown here are kept only up to a bound.
  Clock applied;
  Clock durable;
  // The durable clock of its last complete report that we have caught up with: below it nothing of
  // what it wrote is news to us. For forgetting removals.
  Clock settled;
  bool has_settled = false;
  // The same of reports whose sender and we meant the same processes by the members' names, and of
  // which everything applied there is here, too. For forgetting elements. Void in another view.
  Clock settled_in_view;
  std::uint64_t settled_view = 0;
  Micros settled_in_view_at{-1};

  // What was durable here when the peer's incarnation was confirmed. Until it has all of that, it
  // may be one that began anew, and must take over our state in one step: it gets no single events.
  Clock takeover;
  // The same where it is not known to keep all that retired ids wrote. (What else is kept here of
  // its clocks is told as ours is, and takes it to have that.)
  bool may_lack_retired = false;
  bool puzzling = false;    // it cannot be told what its last report left out
  int puzzled_reports = 0;  // in a row, of its
  ReplicaId writes_as;      // what its last report said; nil: none did
  Micros tell_due = never;  // what we leave out, and what we write under

  // What it holds if everything that we sent arrives. `sent_before` is older than resend_after:
  // what of it the peer still lacks was lost. (`sent_snapshot` becomes `sent_before` in turn.)
  Clock sent;
  Clock sent_snapshot;
  Clock sent_before;
  Micros snapshot_at{0};
  Micros sent_at{0};
  // The last catching up with events: up to where, and when.
  Clock resent;
  Micros resent_at{-1};
  bool resend_goes_on = false;  // more than fits under way at once: continues with the next Ack

  Clock acked;              // what we told it is durable here
  bool ack_wanted = false;  // events came from it: tell it with the next group commit
  bool ack_now = false;     // with the next flush
  Micros ack_due = never;   // others hear a little later, many at once

  bool lacks = false;     // it said that it does not have the space
  bool agreed = false;    // its digest was ours when last compared, and ours has not changed since
  Micros asked_at{-1};    // our last report that wants a reply; negative: none, or it was answered
  bool deferred = false;  // to be asked when another peer has answered
  Micros gap_reported_at{-1};
  Micros gap_due = never;

  std::uint64_t relayed_to = 0;  // number in RecentEvents up to which relaying is done
  // Writers whose events this peer was seen to lack: relayed at once until then.
  boost::container::flat_map<ReplicaId, Micros> relay_at_once_until;

  // Where events travel along a tree: writers whose events the peer has from elsewhere, so that
  // they are not relayed to it at once; and those of whom it is to be told the same.
  boost::container::flat_set<ReplicaId> lazy;
  boost::container::flat_set<ReplicaId> enough;

  std::unique_ptr<OutgoingTransfer> outgoing;
  std::unique_ptr<IncomingTransfer> incoming;
  std::unique_ptr<OutgoingComparison> comparing;
  std::unique_ptr<IncomingComparison> compared;
  std::uint64_t completed_transfer = 0;  // the last one that came in whole
  // A peer that has taken a delta and does not show it is not served again at any rate.
  Clock transferred;
  Micros next_transfer_at{0};
  Micros transfer_pause{0};
  StateHash divergent_state;  // the last unequal hash that was reported

  bool must_take_over() {
    if (!takeover.empty() && applied.includes(takeover)) takeover = Clock{};
    return !takeover.empty() || may_lack_retired;
  }
  // Calls visit(clock) for every clock that is kept here.
  template <class Visit>
  void for_each_clock(Visit visit) {
    for (Clock* clock : {&applied, &durable, &settled, &settled_in_view, &takeover, &sent,
                         &sent_snapshot, &sent_before, &resent, &acked, &transferred}) {
      visit(*clock);
    }
  }
  // How far it is with this writer's events, if everything that we sent arrives.
  Sequence reach(const ReplicaId& writer) const {
    return std::max(sent.get(writer), applied.get(writer));
  }
  // Joins what was reported into what is known, bounded as described at `applied`.
  static void absorb(Clock& known, const Clock& reported, const Document& ours);
  // Records that everything in `clock` was sent now.
  void mark_sent(const Clock& clock, Micros now, Micros resend_after);
  void mark_sent(const Dot& dot, Micros now, Micros resend_after);
  // What was sent longer than resend_after ago, or part of it.
  const Clock& sent_long_ago(Micros now, Micros resend_after) const;

 private:
  void turn_snapshots(Micros now, Micros resend_after);
};

// What may be known of the replica id that a space writes under.
enum class Identity {
  fresh,        // drawn in this incarnation: nobody can hold more of it than we do
  confirmed,    // loaded; every other member has said that it holds nothing newer
  unconfirmed,  // loaded; the storage may have lost writes that others have seen
};

struct Replica {
  Replica(std::string name_, std::uint32_t index_, bool durable_, Document document_,
          std::size_t recent_bytes_max)
      : name(std::move(name_)),
        index(index_),
        durable(durable_),
        document(std::move(document_)),
        recent(recent_bytes_max) {}

  const std::string name;
  const std::uint32_t index;
  const bool durable;
  bool keeps_history = false;
  Document document;
  Clock durable_clock;  // of a durable space: what a crash would leave
  Identity identity = Identity::fresh;
  std::set<std::string> confirmed_by;

  RecentEvents recent;
  WaitingEvents waiting;
  std::vector<Link> links;  // by slot; use Core::Impl::link()

  // The gate: position of the last own write (or of the record of our replica id).
  Position last_own = 0;
  Position retired_end = 0;  // when this is durable, so is all that retired ids wrote
  std::deque<std::pair<Position, EventPtr>> own_pending;  // own events that are not durable yet
  std::vector<EventPtr> unpushed;  // durable, to be pushed with the next flush
  std::map<std::uint32_t, std::vector<EventPtr>> relays;  // by slot, to go with the next flush

  std::size_t log_bytes = 0;  // since the last checkpoint
  bool queued = false;        // has records in the next batch
  bool to_flush = false;
  bool changed = false;  // notices that are due
  bool progressed = false;

  // (clocks, state) as peers compare them, and this space's part of the summary. Valid unless
  // `digest_stale`.
  bool digest_stale = true;
  StateHash digest_clock;
  StateHash summary_part;

  std::uint32_t asked_slot = 0;  // the peer that we wait for to catch us up
  Micros asked_until{0};
  Micros timer = never;
  Micros waiting_due = never;  // when to look for events that waited too long
  Micros prune_due = never;
  Micros forget_due = never;  // the same, for what all have kept for long enough
  Micros pruned_at{-1};
  Clock pruned_to;
  Clock pruned_early_to;
  StateHash pruned_retired;  // what these leave out
  // What all members, as they are now, had said to keep; the oldest first. And up to where they
  // have kept it for `forget_after`.
  struct Kept {
    Clock clock;
    StateHash retired;    // what it left out then
    Micros at;            // when the last of them had
    Micros confirmed_at;  // when the one did that was not heard for the longest
  };
  std::deque<Kept> forgettable;
  Clock kept_to;
  StateHash kept_to_retired;

  bool has_strangers = false;  // ids in the clock that are to be retired
  Micros retire_due = never;
  Micros retired_at{-1};

  const Clock& durable_part() const { return durable ? durable_clock : document.clock(); }
  // Our clock without own writes that are not durable: what a peer may get now.
  Clock sendable_clock() const;
};

}  // namespace rejoin::node
