#include "rejoin/crdt/clock.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>

#include "generators.h"
#include "rejoin/crdt/codec.h"
#include "rejoin/crdt/limits.h"

namespace rejoin {
namespace {

const ReplicaId a = ReplicaId::from_words(0xA, 0);
const ReplicaId b = ReplicaId::from_words(0xB, 0);

Clock joined(Clock left, const Clock& right) {
  left.join(right);
  return left;
}

Clock met(Clock left, const Clock& right) {
  left.meet(right);
  return left;
}

// The definition of a clock, entry by entry: what the fast forms are checked against.
std::map<ReplicaId, Sequence> entries(const Clock& clock) { return {clock.begin(), clock.end()}; }

std::map<ReplicaId, Sequence> by_definition(const Clock& left, const Clock& right, bool greater) {
  std::map<ReplicaId, Sequence> result;
  for (const Clock* clock : {&left, &right}) {
    for (const auto& [id, sequence] : *clock) {
      const Sequence one = left.get(id);
      const Sequence other = right.get(id);
      const Sequence chosen = (one > other) == greater ? one : other;
      if (chosen != 0) result[id] = chosen;
    }
  }
  return result;
}

TEST(clock, counts_the_writes_of_each_replica) {
  Clock clock;
  EXPECT_TRUE(clock.empty());
  EXPECT_EQ(clock.get(a), 0u);
  clock.advance(Dot{a, 3});
  clock.advance(Dot{a, 2});
  clock.set(b, 5);
  EXPECT_EQ(clock.get(a), 3u);
  EXPECT_TRUE(clock.includes(Dot{a, 3}));
  EXPECT_FALSE(clock.includes(Dot{a, 4}));
  EXPECT_EQ(clock.to_string(), "{00000000:3, 00000000:5}");
  clock.set(a, 0);
  clock.advance(Dot{a, 0});
  EXPECT_EQ(clock.size(), 1u);
}

RC_GTEST_PROP(clock, join_is_the_entrywise_maximum_and_meet_the_minimum, ()) {
  const Clock x = *generators::clock();
  const Clock y = *generators::clock();
  RC_ASSERT(entries(joined(x, y)) == by_definition(x, y, true));
  RC_ASSERT(entries(met(x, y)) == by_definition(x, y, false));
}

RC_GTEST_PROP(clock, join_and_meet_form_a_lattice, ()) {
  const Clock x = *generators::clock();
  const Clock y = *generators::clock();
  const Clock z = *generators::clock();
  RC_ASSERT(joined(x, y) == joined(y, x));
  RC_ASSERT(met(x, y) == met(y, x));
  RC_ASSERT(joined(joined(x, y), z) == joined(x, joined(y, z)));
  RC_ASSERT(met(met(x, y), z) == met(x, met(y, z)));
  RC_ASSERT(joined(x, x) == x);
  RC_ASSERT(met(x, x) == x);
  RC_ASSERT(joined(x, met(x, y)) == x);
  RC_ASSERT(met(x, joined(x, y)) == x);
}

RC_GTEST_PROP(clock, comparison_agrees_with_inclusion_join_and_meet, ()) {
  const Clock x = *generators::clock();
  // Half the time one that is surely comparable.
  const Clock y = *rc::gen::oneOf(
      generators::clock(),
      rc::gen::map(generators::clock(), [&](Clock c) { return joined(std::move(c), x); }));
  const bool includes_y = x.includes(y);
  const bool included = y.includes(x);
  RC_ASSERT(includes_y == (joined(x, y) == x));
  RC_ASSERT(includes_y == (met(x, y) == y));
  RC_ASSERT((x.compare(y) == Causality::equal) == (x == y));
  RC_ASSERT((x.compare(y) == Causality::after) == (includes_y && x != y));
  RC_ASSERT((x.compare(y) == Causality::before) == (included && x != y));
  RC_ASSERT((x.compare(y) == Causality::concurrent) == (!includes_y && !included));
  RC_ASSERT((x.distance_beyond(y) == 0) == included);
  RC_CLASSIFY(includes_y || included, "comparable");
}

RC_GTEST_PROP(clock, what_is_beyond_another_are_the_greater_entries, ()) {
  const Clock x = *generators::clock();
  const Clock y = *generators::clock();
  std::map<ReplicaId, Sequence> expected;
  for (const auto& [id, sequence] : x) {
    if (sequence > y.get(id)) expected[id] = sequence;
  }
  RC_ASSERT(entries(x.beyond(y)) == expected);
  RC_ASSERT(joined(y, x.beyond(y)) == joined(x, y));
}

TEST(clock, distance_counts_missing_writes_and_saturates) {
  Clock x;
  x.set(a, 10);
  x.set(b, 2);
  Clock y;
  y.set(a, 7);
  y.set(b, 9);
  EXPECT_EQ(x.distance_beyond(y), 3u);
  EXPECT_EQ(y.distance_beyond(x), 7u);
  Clock many;
  for (std::uint64_t i = 1; i <= 5; ++i)
    many.set(ReplicaId::from_words(0, i), limits::sequence_max);
  EXPECT_EQ(many.distance_beyond(Clock()), ~0ull);
}

RC_GTEST_PROP(clock, one_event_more_is_exactly_one_step, ()) {
  const Clock x = *generators::clock();
  const ReplicaId id = *generators::replica();
  RC_PRE(x.get(id) < limits::sequence_max);
  Clock y = x;
  y.advance(Dot{id, x.get(id) + 1});
  RC_ASSERT(y.compare(x) == Causality::after);
  RC_ASSERT(y.distance_beyond(x) == 1u);
  RC_ASSERT(y.fingerprint() != x.fingerprint());
}

RC_GTEST_PROP(clock, encoding_round_trips_and_is_the_same_for_equal_clocks, ()) {
  const Clock x = *generators::clock();
  const Result<Clock> decoded = Clock::decode(x.encoded());
  RC_ASSERT(decoded.ok());
  RC_ASSERT(*decoded == x);
  Clock other_way;
  for (auto it = x.entries().rbegin(); it != x.entries().rend(); ++it) {
    other_way.advance(Dot{it->first, it->second});
  }
  RC_ASSERT(other_way.encoded() == x.encoded());
  RC_ASSERT(other_way.fingerprint() == x.fingerprint());
}

RC_GTEST_PROP(clock, no_prefix_of_an_encoding_is_a_clock, ()) {
  const std::string bytes = (*generators::clock()).encoded();
  const auto size = *rc::gen::inRange<std::size_t>(0, bytes.size());
  RC_ASSERT(!Clock::decode(std::string_view(bytes).substr(0, size)).ok());
}

// Whatever decodes is in the one form that encodes it.
RC_GTEST_PROP(clock, damaged_encodings_are_refused_or_another_clock_in_its_one_form, ()) {
  std::string bytes = (*generators::clock()).encoded();
  const auto at = *rc::gen::inRange<std::size_t>(0, bytes.size());
  bytes[at] = static_cast<char>(bytes[at] ^ (1 << *rc::gen::inRange(0, 8)));
  const Result<Clock> decoded = Clock::decode(bytes);
  if (decoded.ok()) RC_ASSERT(decoded->encoded() == bytes);
}

std::string encode_entries(const std::vector<std::pair<ReplicaId, Sequence>>& list) {
  std::string bytes;
  Writer out(bytes);
  out.varint(list.size());
  for (const auto& [id, sequence] : list) {
    out.replica(id);
    out.varint(sequence);
  }
  return bytes;
}

TEST(clock, encodings_that_break_a_rule_are_malformed) {
  EXPECT_TRUE(Clock::decode(encode_entries({{a, 1}, {b, limits::sequence_max}})).ok());
  const std::string one = encode_entries({{a, 1}});
  std::string long_form = one;
  long_form.pop_back();
  long_form += std::string("\x81\x00", 2);
  std::string huge_count;
  Writer(huge_count).varint(limits::clock_entries_max);
  for (const std::string& bytes :
       {encode_entries({{b, 1}, {a, 1}}), encode_entries({{a, 1}, {a, 2}}),
        encode_entries({{a, 0}}), encode_entries({{ReplicaId(), 1}}),
        encode_entries({{a, limits::sequence_max + 1}}), long_form, huge_count, one + "x",
        std::string()}) {
    const Result<Clock> decoded = Clock::decode(bytes);
    ASSERT_FALSE(decoded.ok());
    EXPECT_EQ(decoded.error().code, ErrorCode::malformed);
  }
}

}  // namespace
}  // namespace rejoin
