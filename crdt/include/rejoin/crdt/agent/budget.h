// Budgets: tokens, money or GPU slots that replicas hand out to each other without coordination.
//
// The funds are a bounded counter, the pool: granting takes from the rights that the grantor holds
// there, so all grants together never exceed the funds, in any partition. A grant names a holder,
// an amount, what it is for, and when it expires. There are two kinds:
//
//   capacity    is used and given back: a GPU slot. Its holder may use it until it expires, and the
//               grantor takes it back then without hearing from the holder, so a holder that died
//               costs nothing but the wait.
//   consumable  is used up: tokens. The holder says what it spends. What is left returns when the
//               holder has closed the grant, and never by the clock alone: what was spent before
//               the expiry may not have arrived yet. A holder that never comes back counts as
//               having spent all of it.
//
// Clocks. Capacity needs clocks that err by less than a bound, which the grantor states in the
// grant: the holder stops at expiry - bound by its clock, the grantor takes back after expiry +
// bound by its own. So it is never used twice at one moment as long as that holds. Consumables do
// not depend on clocks. These classes have none: whoever calls says what time it is, in
// milliseconds since the Unix epoch (HybridTime::millis, or the system's clock).
//
// Who writes what: the grantor makes a grant, extends and reclaims it; the holder spends from it
// and closes it. So nothing is written by two, and nothing returns twice.
//
// Example: A funds a budget with 1,000 tokens and grants 300 to B, until noon. The two are cut off.
// B spends 120 of them, A grants 700 to itself, and its next grant is refused: `out_of_range`. At
// noon B may spend no more, and still A has nothing back. They meet, B closes its grant, and A
// reclaims 180. Had it been capacity, A would have had 300 back soon after noon.
//
// A replica that takes a new id can use neither the grants that it made nor those that it held:
// capacity granted by it, its share of the pool, and what it held of consumables are lost to the
// budget. Let nodes that keep their disks grant, and remove what is lost with the budget.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rejoin/crdt/types/map.h"

namespace rejoin::agent {

enum class GrantKind : std::uint8_t { capacity, consumable };
std::string_view to_string(GrantKind kind);

struct GrantTerms {
  GrantKind kind = GrantKind::consumable;
  ReplicaId holder;
  std::int64_t amount = 0;          // positive
  std::int64_t expires_ms = 0;      // since the Unix epoch
  std::int64_t clock_error_ms = 0;  // by how much clocks may err; not negative; for capacity
  std::string purpose;              // for people: which agent, what for
};

struct Grant : GrantTerms {
  std::string id;  // "<32 hexadecimal digits of the grantor>-<number>", never given twice
  ReplicaId grantor;
  std::int64_t spent = 0;  // of a consumable, as far as it is known here
  bool closed = false;     // by its holder, for good

  std::int64_t left() const { return spent < amount ? amount - spent : 0; }
  // Whether its holder may use or spend it at this time by its own clock.
  bool is_usable(std::int64_t now_ms) const;
  // Whether its grantor may take back what is left, at this time by its own clock.
  bool is_reclaimable(std::int64_t now_ms) const;
};

// A map with the bounded counter "pool", the counter "spent", and the map "grants": see
// docs/agent-state.md. What other writers put there that is no grant is passed over.
class BudgetView {
 public:
  explicit BudgetView(MapView map) : map_(map) {}
  // Not granted, by anybody, as far as is known here. O(holders of rights).
  std::int64_t available() const { return map_.bounded_counter("pool").value(); }
  // What this replica may grant. O(1).
  std::int64_t available_here() const { return map_.bounded_counter("pool").rights_here(); }
  // Spent of all consumables that there ever were.
  std::int64_t spent() const { return map_.counter("spent").value(); }
  // Those not reclaimed yet, by id. O(grants log grants).
  std::vector<Grant> grants() const;
  std::optional<Grant> grant(std::string_view id) const;  // O(1)
  // What this replica may use of a capacity grant now: its amount; 0 when it is not the holder's,
  // expired, closed, not here or no capacity. Ask again before each use that may begin later.
  std::int64_t usable_capacity(std::string_view id, std::int64_t now_ms) const;

 protected:
  MapView map_;
};

// A refused write leaves the document as it was unless it says otherwise, and its error names the
// path. Valid until its transaction ends.
class BudgetRef : public BudgetView {
 public:
  explicit BudgetRef(MapRef map) : BudgetView(map), map_(map) {}
  // Adds to the funds; granting them is this replica's right. Errors as
  // BoundedCounterRef::increment().
  Status fund(std::int64_t amount) { return pool().increment(amount); }
  // To transfer, ask for and answer requests for the right to grant. What is decremented there is
  // taken out of the budget.
  BoundedCounterRef pool() { return map_.bounded_counter("pool"); }

  // Makes a grant from this replica's share of the pool, and gives its id. `out_of_range` when the
  // share is smaller; `invalid_argument` for an amount that is not positive, nobody as holder, a
  // negative clock error, an expiry so far away that the two pass 64 bits, or a purpose that is no
  // UTF-8. O(1). On `limit_exceeded` (a transaction too large) return it from the transaction.
  Result<std::string> grant(const GrantTerms& terms);
  using BudgetView::grant;
  // Lets a grant of this replica's expire later. `invalid_argument` for an earlier time, or when
  // another replica granted it; `not_found`. A holder that has not heard of it stops as before.
  Status extend(std::string_view id, std::int64_t expires_ms);
  // Spends from a consumable grant that this replica holds. `not_found`, `wrong_type` for capacity,
  // `invalid_argument` for a negative amount or another's grant, `timeout` when it has expired,
  // `closed`, `out_of_range` when less is left: nothing is written then. 0 is nothing.
  Status spend(std::string_view id, std::int64_t amount, std::int64_t now_ms);
  // Says that this replica, the holder, is done with a grant: it uses and spends nothing of it any
  // more. At any time, also after it expired. Nothing when it is closed already. `not_found`,
  // `invalid_argument` for another's grant.
  Status close(std::string_view id);
  // Closes all grants of this replica's that have expired, so that what is left of them can return.
  // O(grants log grants).
  Status close_expired(std::int64_t now_ms);
  // Takes back what this replica granted and may have again: of capacity all, once it is closed or
  // expired; of consumables what was left when they were closed. These grants are gone then. Gives
  // what was taken back in all. O(grants). On an error (the pool would pass 64 bits) return it from
  // the transaction.
  Result<std::int64_t> reclaim(std::int64_t now_ms);

 private:
  MapRef map_;
};

}  // namespace rejoin::agent
