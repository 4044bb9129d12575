// A counter that never falls below its bound, in any partition, without asking anybody first.
//
// Its distance from the bound is divided into rights, and each replica holds some of them (escrow:
// O'Neil 1986; Balegas et al., "Extending eventually consistent cloud databases for enforcing
// numeric invariants", SRDS 2015). Increasing by n makes n rights here; decreasing by n uses up n
// of the rights that are here, and is refused when there are fewer, whatever others hold. Rights
// move from one replica to another by transfer(), which only the giver writes. So every replica
// alone knows how many it may still use, and no two can use the same ones.
//
//   value = bound + all rights
//
// Example: the bound is 0 and A increased by 10, so A holds 10 rights. It transfers 4 to B. Now the
// two are cut off from each other: A may decrease by 6 and B by 4, in any number of steps. B's
// decrease by 5 is refused with `out_of_range`: "only 4 rights above the bound 0 are here,
// not 5; 0a1b2c3d holds 6". When they meet again the value is what is left, and never was below 0.
//
// What may not be exceeded is counted from the other end: for "at most 100 places taken" count the
// places that are free, with the bound 0, and decrease for each one taken.
//
// Who needs rights says so with ask(): a request to the replica that holds the most. It is state
// like any other, so it reaches that replica through whatever relays there are; there answer()
// transfers what can be spared and takes the request away in one event, so nobody answers twice
// what was asked once. A request names one holder, and nobody else answers it. Asking again, when
// there is no answer, names another holder in its place. An answer to the former request that was
// under way then arrives as well: the asker holds more than it asked for, and nothing is lost. To
// ask the same holder for the same amount once more writes nothing. A node can be told to answer
// by itself, and to ask until rights come or a deadline: Space::answer_requests() and
// Space::decrement_or_ask() (rejoin/node/node.h).
//
// Removal. Removing the counter, or a map above it, takes away the rights and the bound that the
// remover saw. What others wrote meanwhile stays: increases and transfers count, and of decreases
// of rights that are gone the holder's account keeps a shortfall. It reads as no rights, and what
// the holder receives later makes it up first. So a removal never lets anybody decrease by more
// than was ever increased, and the value is never below the bound.
//
// A replica that takes a new id leaves its rights under the old one: nobody else may use them,
// since nobody can know whether the old one did. A restarted node keeps its id once all members
// have confirmed that they hold nothing newer of it, unless it commits before that.
//
// Under the counter are a `counter` for each holder and a `register` for each open request, both
// named by the replica id; docs/formats.md has the request's bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "rejoin/crdt/hybrid_time.h"
#include "rejoin/crdt/id.h"
#include "rejoin/crdt/types/cell.h"

namespace rejoin {

// A replica that holds rights, and how many.
struct RightsHolder {
  ReplicaId replica;
  std::int64_t rights = 0;
  friend bool operator==(const RightsHolder&, const RightsHolder&) = default;
};

// Somebody needs rights and asks for them.
struct RightsRequest {
  ReplicaId asker;
  ReplicaId asked;
  std::int64_t amount = 0;
  HybridTime time;  // of the asking
  friend bool operator==(const RightsRequest&, const RightsRequest&) = default;
};

// What is seen here of other replicas' rights may be out of date: they may have used or transferred
// some. Of this replica's own rights nothing is unknown, except what it is about to receive. All
// sums saturate at the bounds of int64. Threads: as for the document.
class BoundedCounterView : public View {
 public:
  using View::View;
  // The bound and all rights. O(holders).
  std::int64_t value() const;
  // 0 where none was given; the greatest of several that were given concurrently. O(1).
  std::int64_t bound() const;
  // Of one replica. O(1).
  std::int64_t rights(const ReplicaId& replica) const;
  // Of this one: how far decrement() may go. O(1).
  std::int64_t rights_here() const;
  // All who hold rights, those with the most first, equal ones by id. O(holders log holders).
  std::vector<RightsHolder> holders() const;
  // Open requests to this replica, the oldest first by its asker's clock. O(holders).
  std::vector<RightsRequest> requests() const;
  // Open requests to anybody, in the same order.
  std::vector<RightsRequest> all_requests() const;
  // This replica's own open request. O(1).
  std::optional<RightsRequest> own_request() const;

 protected:
  std::uint32_t child(Type type, const ReplicaId& replica) const;
};

// Every refused write leaves the document as it was, and its error names the path. Each is one
// event's worth of at most two effects, O(1) unless said otherwise.
class BoundedCounterRef : public BoundedCounterView {
 public:
  using BoundedCounterView::BoundedCounterView;
  // Makes the counter exist with this bound; nothing when it does so already. A counter that was
  // never created and is increased has the bound 0. `invalid_argument` when it has another bound:
  // remove it first.
  Status create(std::int64_t bound);
  // Makes `amount` rights here. `invalid_argument` when it is negative, `out_of_range` when the
  // value would pass int64. 0 is nothing.
  Status increment(std::int64_t amount);
  // Uses up `amount` of the rights here. `invalid_argument` when it is negative; `out_of_range`
  // when there are fewer here: the sentence says how many there are, the bound, and who holds more.
  // O(holders log holders) when refused.
  Status decrement(std::int64_t amount);
  // Gives `amount` of the rights here to another replica. Errors as decrement(), and
  // `invalid_argument` for this replica or nobody (the zero id) as receiver.
  Status transfer(std::int64_t amount, const ReplicaId& to);

  // Asks the replica that seems to hold the most for `amount` rights more, and gives its id. In
  // place of an open request of this replica's, and then of another holder than that one asked, if
  // there is one. `invalid_argument` unless the amount is positive, `not_found` when no other
  // replica holds rights here. O(holders log holders).
  Result<ReplicaId> ask(std::int64_t amount);
  // Asks this holder, whatever it seems to hold, in place of an open request of this replica's.
  // `invalid_argument` also for this replica or nobody (the zero id). O(1).
  Status ask(std::int64_t amount, const ReplicaId& holder);
  // Takes this replica's own request back; it may have been answered already.
  Status withdraw();
  // Answers the requests to this replica, the oldest first: transfers what was asked for, or as
  // much as there is beyond `keep`, and takes the request away. Stops when nothing can be spared;
  // requests without an answer stay open. Gives what was transferred in all. `invalid_argument`
  // when `keep` is negative. O(holders log holders).
  Result<std::int64_t> answer(std::int64_t keep = 0);

 private:
  Status check_amount(std::int64_t amount, std::uint32_t at) const;
  Status check_asked_for(std::int64_t amount, std::uint32_t at) const;
  Status check_rights(std::int64_t amount, std::uint32_t at) const;
};

}  // namespace rejoin
