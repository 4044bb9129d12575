// The kernel against its specification, and the laws of its join, over random histories. The number
// of cases grows with REJOIN_PROPERTY_RUNS (1 by default: 4,000 a property); REJOIN_HISTORY_TYPE
// keeps to one type (scripts/histories does each in turn); RC_PARAMS has RapidCheck's own settings,
// among them the seed that a failure prints.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cstdlib>

#include "history.h"

namespace rejoin {
namespace {

// Before RapidCheck reads its settings.
[[maybe_unused]] const bool runs_scaled = [] {
  const char* runs = std::getenv("REJOIN_PROPERTY_RUNS");
  const char* already = std::getenv("RC_PARAMS");
  const std::string cases =
      std::to_string(4000 * (runs == nullptr ? 1 : std::strtoul(runs, nullptr, 10)));
  const std::string settings = "max_success=" + cases + " " + (already == nullptr ? "" : already);
  return setenv("RC_PARAMS", settings.c_str(), 1) == 0;
}();

RC_GTEST_PROP(document_property, every_replica_shows_what_the_specification_says, ()) {
  World world(*rc::gen::inRange(2u, 5u));
  world.perform(*any_actions());
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
