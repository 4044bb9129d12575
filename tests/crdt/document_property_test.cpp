// The kernel against its specification, and the laws of its join, over random histories.
// REJOIN_HISTORY_TYPE keeps to one type (scripts/histories does each in turn).
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "history.h"
#include "property_runs.h"

namespace rejoin {
namespace {

[[maybe_unused]] const bool runs_scaled = scale_property_runs(4000);

RC_GTEST_PROP(document_property, every_replica_shows_what_the_specification_says, ()) {
  World world(*rc::gen::inRange(2u, 5u));
  world.perform(*any_actions());
  world.heal();
}

RC_GTEST_PROP(document_property, members_that_lose_their_disks_bring_nothing_back, ()) {
  World world(*rc::gen::inRange(2u, 5u), World::Disks::lost);
  world.perform(*any_actions());
  world.heal();
}

// Against the specification, which leaves nothing out.
RC_GTEST_PROP(document_property, ids_that_are_retired_anywhere_at_any_time_change_nothing, ()) {
  World world(*rc::gen::inRange(2u, 5u), *rc::gen::element(World::Disks::safe, World::Disks::lost));
  world.perform(*any_actions_that_retire());
  world.heal();
}

Document joined(const Document& left, const Document& right) {
  Document result = copy_of(left, ReplicaId::from_words(~0ull, 1));
  const Result<Applied> applied = result.join(right);
  RC_ASSERT(applied.ok());
  const Status invariants = result.check_invariants();
  require(invariants.ok(), invariants.ok() ? "" : invariants.error().to_string());
  return result;
}

RC_GTEST_PROP(document_property, join_is_commutative_associative_and_idempotent, ()) {
  World world(3);
  world.perform(*any_actions());
  const Document& a = world.peer(0).document;
  const Document& b = world.peer(1).document;
  const Document& c = world.peer(2).document;
  const Document ab = joined(a, b);
  RC_ASSERT(snapshot(ab) == snapshot(joined(b, a)));
  RC_ASSERT(snapshot(joined(ab, c)) == snapshot(joined(a, joined(b, c))));
  RC_ASSERT(snapshot(joined(a, a)) == snapshot(a));
  RC_ASSERT(snapshot(joined(ab, b)) == snapshot(ab));
  RC_ASSERT(snapshot(joined(a, ab)) == snapshot(ab));
}

}  // namespace
}  // namespace rejoin
