#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <array>
#include <limits>
#include <map>
#include <memory>
#include <set>

#include "rejoin/crdt/agent/windowed_counter.h"
#include "rejoin/crdt/document.h"
#include "rejoin/crdt/transaction.h"
#include "site.h"

namespace rejoin::agent {
namespace {

using namespace std::chrono_literals;
using std::chrono::sys_days;
using std::chrono::sys_seconds;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr auto minute = Granularity::minute;
constexpr auto hour = Granularity::hour;
constexpr auto day = Granularity::day;

constexpr sys_seconds at(int d, int h, int m, int s = 0) {
  return sys_days(std::chrono::year(2026) / 11 / d) + std::chrono::hours(h) +
         std::chrono::minutes(m) + std::chrono::seconds(s);
}

class Replica : public Site {
 public:
  explicit Replica(std::uint64_t n) : Site(ReplicaId::from_words(n, ~n)) {}
  template <class Write>
  EventPtr commit(Write write) {
    return Site::commit([&](MapRef root) { write(WindowedCounterRef(root.map("use"))); });
  }
  EventPtr add(std::int64_t amount, sys_seconds when) {
    return commit([&](WindowedCounterRef use) { ASSERT_TRUE(use.add(amount, when).ok()); });
  }
  std::size_t expire(const ExpiryPolicy& policy, sys_seconds now) {
    std::size_t removed = 0;
    commit([&](WindowedCounterRef use) { removed = use.expire(policy, now).value(); });
    return removed;
  }
  WindowedCounterView use() const { return WindowedCounterView(document.root().map("use")); }
  std::int64_t value(Granularity granularity, sys_seconds when) const {
    return use().value(granularity, when).value();
  }
};

// ---- Buckets ----

TEST(WindowedCounter, a_bucket_is_named_by_the_time_at_which_it_begins) {
  EXPECT_EQ(bucket_name(minute, at(25, 3, 51, 59)), "2026-11-25T03:51Z");
  EXPECT_EQ(bucket_name(hour, at(25, 3, 51, 59)), "2026-11-25T03Z");
  EXPECT_EQ(bucket_name(day, at(25, 23, 59, 59)), "2026-11-25");
  EXPECT_EQ(bucket_name(day, sys_days(std::chrono::year(2024) / 2 / 29)), "2024-02-29");
  EXPECT_EQ(bucket_name(minute, bucket_time_min), "1970-01-01T00:00Z");
  EXPECT_EQ(bucket_name(minute, bucket_time_end - 1s), "9999-12-31T23:59Z");
}

TEST(WindowedCounter, names_of_no_bucket_are_told_apart) {
  EXPECT_EQ(parse_bucket(hour, "2026-11-25T03Z"), at(25, 3, 0));
  for (const char* name :
       {"", "2026-11-25", "2026-11-25T24Z", "2026-11-25t03Z", "2026-13-25T03Z", "2026-02-29T03Z",
        "2026-11-25T03Z ", "2026-11-25T 3Z", "1969-11-25T03Z", "+026-11-25T03Z"}) {
    EXPECT_FALSE(parse_bucket(hour, name)) << name;
  }
  EXPECT_FALSE(parse_bucket(minute, "2026-11-25T03:60Z"));
}

RC_GTEST_PROP(windowed_counter, every_time_is_in_the_bucket_of_its_name, ()) {
  const sys_seconds when = bucket_time_min + std::chrono::seconds(*rc::gen::inRange<std::int64_t>(
                                                 0, (bucket_time_end - bucket_time_min).count()));
  for (const Granularity granularity : granularities) {
    const auto start = parse_bucket(granularity, bucket_name(granularity, when));
    RC_ASSERT(start == bucket_start(granularity, when));
    RC_ASSERT(*start <= when && when < *start + length_of(granularity));
  }
}

// ---- Reading and writing ----

TEST(WindowedCounter, an_amount_is_in_its_minute_hour_and_day) {
  Replica a(1);
  a.add(5, at(25, 3, 51, 10));
  a.add(7, at(25, 3, 51, 50));
  a.add(1, at(25, 3, 52));
  a.add(2, at(25, 4, 0));
  a.add(-1, at(26, 0, 0));
  EXPECT_EQ(a.value(minute, at(25, 3, 51)), 12);
  EXPECT_EQ(a.value(minute, at(25, 3, 53)), 0);
  EXPECT_EQ(a.value(hour, at(25, 3, 0)), 13);
  EXPECT_EQ(a.value(day, at(25, 12, 0)), 15);
  EXPECT_EQ(a.value(day, at(26, 12, 0)), -1);
  // Whole buckets: `to` is in one that is left out.
  EXPECT_EQ(a.use().sum(minute, at(25, 3, 51, 30), at(25, 3, 52, 30)).value(), 12);
  EXPECT_EQ(a.use().sum(minute, at(25, 0, 0), at(27, 0, 0)).value(), 14);
  EXPECT_EQ(a.use().sum(hour, at(25, 3, 0), at(25, 5, 0)).value(), 15);
  EXPECT_EQ(a.use().sum(day, at(25, 3, 0), at(25, 5, 0)).value(), 0);
  EXPECT_EQ(a.use().sum(day, at(1, 0, 0), bucket_time_end).value(), 14);
  EXPECT_THAT(a.use().series(minute, at(25, 3, 50, 59), at(25, 3, 54)).value(),
              ElementsAre(0, 12, 1, 0));
  EXPECT_THAT(a.use().series(hour, at(25, 2, 0), at(25, 6, 0)).value(), ElementsAre(0, 13, 2, 0));
  EXPECT_THAT(a.use().series(minute, at(25, 3, 51, 10), at(25, 3, 52, 30)).value(),
              ElementsAre(12));
  EXPECT_THAT(a.use().series(hour, at(25, 3, 59), at(25, 4, 59)).value(), ElementsAre(13));
  EXPECT_THAT(a.use().series(day, at(25, 9, 0), at(27, 0, 0)).value(), ElementsAre(15, -1));
  EXPECT_THAT(a.use().series(day, at(25, 0, 0), at(24, 0, 0)).value(), IsEmpty());
}

TEST(WindowedCounter, nothing_written_reads_as_zeros_and_what_is_no_bucket_is_passed_over) {
  Replica a(1);
  EXPECT_EQ(a.value(hour, at(25, 0, 0)), 0);
  EXPECT_THAT(a.use().series(day, at(1, 0, 0), at(4, 0, 0)).value(), ElementsAre(0, 0, 0));
  EXPECT_EQ(a.commit([](WindowedCounterRef use) { ASSERT_TRUE(use.add(0, at(1, 0, 0)).ok()); }),
            nullptr);
  Transaction transaction = a.document.begin({HybridTime{9}, "", ""});
  MapRef days = transaction.root().map("use").map("day");
  ASSERT_TRUE(days.counter("yesterday").add(5).ok());
  ASSERT_TRUE(days.reg("2026-11-24").set("x").ok());
  transaction.commit();
  EXPECT_EQ(a.use().sum(day, bucket_time_min, bucket_time_end).value(), 0);
  EXPECT_EQ(a.expire({0, 0, 0}, at(25, 0, 0)), 0u);
}

TEST(WindowedCounter, times_without_a_bucket_are_refused_with_the_path) {
  Replica a(1);
  a.add(1, at(25, 0, 0));
  const sys_seconds early = bucket_time_min - 1s;
  const auto expect = [](const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::out_of_range);
    EXPECT_EQ(error.where, "/map:use");
  };
  for (const sys_seconds wrong : {early, bucket_time_end, sys_seconds::max(), sys_seconds::min()}) {
    EXPECT_EQ(a.commit([&](WindowedCounterRef use) {
      expect(use.add(1, wrong).error());
      expect(use.expire({}, wrong).error());
    }),
              nullptr);
    expect(a.use().value(minute, wrong).error());
    expect(a.use().sum(hour, wrong, at(25, 0, 0)).error());
    expect(a.use().series(hour, wrong, at(25, 0, 0)).error());
  }
  expect(a.use().sum(hour, at(25, 0, 0), bucket_time_end + 1s).error());
  const auto long_one = a.use().series(minute, bucket_time_min, bucket_time_end);
  EXPECT_EQ(long_one.error().code, ErrorCode::limit_exceeded);
  EXPECT_EQ(long_one.error().where, "/map:use");
  // Before anything is there as well.
  Replica fresh(2);
  EXPECT_FALSE(fresh.use().value(minute, early).ok());
  fresh.commit([&](WindowedCounterRef use) { expect(use.add(1, early).error()); });
}

TEST(WindowedCounter, an_amount_beyond_64_bits_is_refused) {
  constexpr auto max = std::numeric_limits<std::int64_t>::max();
  Replica a(1), b(2);
  a.add(max, at(25, 0, 0));
  a.commit([&](WindowedCounterRef use) {
    const Status refused = use.add(1, at(25, 0, 0));
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code, ErrorCode::out_of_range);
  });
  b.add(max, at(25, 1, 0));
  exchange(a, b);
  EXPECT_EQ(a.use().sum(hour, at(25, 0, 0), at(26, 0, 0)).value(), max);
}

// ---- Expiry ----

TEST(WindowedCounter, expiry_keeps_the_current_bucket_and_so_many_before_it) {
  Replica a(1);
  for (int h = 0; h < 4; ++h) {
    for (int m = 0; m < 60; ++m) a.add(1, at(25, h, m));
  }
  const sys_seconds now = at(25, 2, 30, 59);
  EXPECT_EQ(a.expire({10, 1, {}}, now), 140u + 1u);
  EXPECT_EQ(a.value(minute, at(25, 2, 19)), 0);
  EXPECT_EQ(a.value(minute, at(25, 2, 20)), 1);
  EXPECT_EQ(a.value(minute, at(25, 2, 30)), 1);
  EXPECT_EQ(a.value(minute, at(25, 3, 59)), 1);  // of a clock that is ahead
  EXPECT_THAT(a.use().series(hour, at(25, 0, 0), at(25, 4, 0)).value(), ElementsAre(0, 60, 60, 60));
  EXPECT_EQ(a.value(day, now), 240);
  EXPECT_EQ(a.expire({10, 1, {}}, now), 0u);
  EXPECT_EQ(a.expire({0, 0, 0}, now), 10u + 1u);
  EXPECT_EQ(a.value(minute, now), 1);
  EXPECT_EQ(a.value(hour, now), 60);
  EXPECT_EQ(a.value(day, now), 240);
  EXPECT_EQ(a.expire({{}, {}, std::numeric_limits<std::uint32_t>::max()}, now), 0u);
}

TEST(WindowedCounter,
     an_addition_concurrent_with_expiry_is_left_alone_in_its_bucket_until_the_next) {
  Replica a(1), b(2);
  a.add(5, at(25, 3, 51));
  exchange(a, b);
  EXPECT_EQ(a.expire({1, {}, {}}, at(25, 3, 55)), 1u);
  b.add(7, at(25, 3, 51));
  exchange(a, b);
  EXPECT_EQ(a.value(minute, at(25, 3, 51)), 7);
  EXPECT_EQ(b.value(hour, at(25, 3, 0)), 12);
  // Two replicas expire it at once.
  EXPECT_EQ(a.expire({1, {}, {}}, at(25, 3, 55)), 1u);
  EXPECT_EQ(b.expire({1, {}, {}}, at(25, 3, 56)), 1u);
  exchange(a, b);
  for (const Replica* replica : {&a, &b}) {
    EXPECT_EQ(replica->value(minute, at(25, 3, 51)), 0);
    EXPECT_EQ(replica->value(hour, at(25, 3, 0)), 12);
    EXPECT_EQ(replica->value(day, at(25, 3, 0)), 12);
  }
}

TEST(WindowedCounter, an_expired_bucket_costs_nothing_once_its_removal_is_stable) {
  Replica a(1);
  a.add(1, at(24, 0, 0));
  a.add(1, at(25, 0, 0));
  const std::size_t before = a.document.cell_count();
  EXPECT_EQ(a.expire({60, 24, 30}, at(25, 0, 0, 1)), 1u);
  EXPECT_EQ(a.document.cell_count(), before - 1);
  a.document.prune(a.document.clock());
  EXPECT_EQ(a.document.touch_count(), 0u);
}

// ---- Random histories against a multiset of writes ----

struct Addition {
  std::int64_t amount;
  sys_seconds when;
};
struct Expiry {
  ExpiryPolicy policy;
  sys_seconds now;
  std::set<std::size_t> seen;  // what its replica knew
};
// All writes there ever were. A replica is the set of those that it knows: an addition counts in a
// bucket unless a known expiry had seen it and does not keep the bucket.
struct Specification {
  std::vector<std::pair<std::optional<Addition>, std::optional<Expiry>>> writes;

  static bool keeps(const Expiry& expiry, Granularity granularity, sys_seconds when) {
    const auto bucket = [&](sys_seconds t) {
      return t.time_since_epoch().count() / length_of(granularity).count();
    };
    const std::optional<std::uint32_t> keep = granularity == minute ? expiry.policy.minutes
                                              : granularity == hour ? expiry.policy.hours
                                                                    : expiry.policy.days;
    return !keep || bucket(when) >= bucket(expiry.now) - std::int64_t{*keep};
  }
  std::map<std::string, std::int64_t> buckets(const std::set<std::size_t>& known,
                                              Granularity granularity) const {
    std::map<std::string, std::int64_t> result;
    for (const std::size_t i : known) {
      const auto& addition = writes[i].first;
      if (!addition) continue;
      bool counts = true;
      for (const std::size_t j : known) {
        const auto& expiry = writes[j].second;
        if (expiry && expiry->seen.contains(i)) {
          counts &= keeps(*expiry, granularity, addition->when);
        }
      }
      if (counts) result[bucket_name(granularity, addition->when)] += addition->amount;
    }
    return result;
  }
};

struct Step {
  unsigned kind, replica, other;
  int amount, minutes, keep;
};
void showValue(const Step& step, std::ostream& out) {
  out << "{" << step.kind << " at " << step.replica << ", " << step.other << "; " << step.amount
      << " " << step.minutes << " " << step.keep << "}";
}

std::vector<Step> any_steps() {
  return *rc::gen::container<std::vector<Step>>(rc::gen::build<Step>(
      rc::gen::set(&Step::kind, rc::gen::inRange(0u, 10u)),
      rc::gen::set(&Step::replica, rc::gen::inRange(0u, 3u)),
      rc::gen::set(&Step::other, rc::gen::inRange(0u, 3u)),
      rc::gen::set(&Step::amount, rc::gen::inRange(-3, 10)),
      // Around the end of an hour and of a day.
      rc::gen::set(&Step::minutes,
                   rc::gen::oneOf(rc::gen::inRange(-4, 4), rc::gen::inRange(-3000, 3000))),
      rc::gen::set(&Step::keep, rc::gen::inRange(0, 4))));
}

class Regions {
 public:
  Regions() {
    for (std::uint64_t i = 0; i < replicas_.size(); ++i) {
      replicas_[i] = std::make_unique<Replica>(i + 1);
    }
  }
  void perform(const Step& step, bool expires) {
    Replica& replica = *replicas_[step.replica];
    std::set<std::size_t>& known = known_[step.replica];
    const sys_seconds when = at(25, 0, 0) + std::chrono::minutes(step.minutes);
    if (step.kind < 5) {
      const EventPtr event = replica.add(step.amount, when);
      if (event == nullptr) return;
      events_.push_back(event);
      specification_.writes.push_back({Addition{step.amount, when}, {}});
      known.insert(specification_.writes.size() - 1);
    } else if (step.kind == 5 && expires) {
      const auto keep = static_cast<std::uint32_t>(step.keep);
      const ExpiryPolicy policy{keep, step.amount % 2 == 0 ? std::optional(keep) : std::nullopt,
                                step.amount % 3 == 0 ? std::optional(keep) : std::nullopt};
      const EventPtr event =
          replica.commit([&](WindowedCounterRef use) { RC_ASSERT(use.expire(policy, when).ok()); });
      if (event == nullptr) return;
      events_.push_back(event);
      specification_.writes.push_back({{}, Expiry{policy, when, known}});
      known.insert(specification_.writes.size() - 1);
    } else if (step.kind == 6) {
      // One event, if its turn has come.
      if (events_.empty()) return;
      const std::size_t e = static_cast<std::size_t>(step.minutes + 3000) % events_.size();
      const auto applied = replica.document.apply(*events_[e]);
      RC_ASSERT(applied.ok());
      if (*applied == Applied::applied) known.insert(e);
    } else {
      replica.pull(*replicas_[step.other]);
      known.insert(known_[step.other].begin(), known_[step.other].end());
    }
    check(step.replica);
  }
  void heal() {
    for (int round = 0; round < 2; ++round) {
      for (std::size_t i = 0; i < replicas_.size(); ++i) {
        const std::size_t next = (i + 1) % replicas_.size();
        replicas_[next]->pull(*replicas_[i]);
        known_[next].insert(known_[i].begin(), known_[i].end());
      }
    }
    for (std::size_t i = 0; i < replicas_.size(); ++i) {
      RC_ASSERT(known_[i].size() == specification_.writes.size());
      RC_ASSERT(replicas_[i]->document.hash() == replicas_[0]->document.hash());
      check(i);
    }
  }
  void check(std::size_t i) const {
    const Replica& replica = *replicas_[i];
    for (const Granularity granularity : granularities) {
      const auto expected = specification_.buckets(known_[i], granularity);
      std::map<std::string, std::int64_t> shown;
      std::int64_t sum = 0;
      const MapView buckets = replica.document.root().map("use").map(to_string(granularity));
      for (const Child& child : buckets.children()) {
        shown[child.name] = replica.value(granularity, *parse_bucket(granularity, child.name));
        sum += shown[child.name];
      }
      RC_ASSERT(shown == expected);
      RC_ASSERT(replica.use().sum(granularity, bucket_time_min, bucket_time_end).value() == sum);
      // Of the minutes, those around midnight.
      const sys_seconds from = granularity == minute ? at(24, 22, 0) : at(22, 0, 0);
      const sys_seconds to = granularity == minute ? at(25, 2, 0) : at(28, 0, 0);
      const auto series = replica.use().series(granularity, from, to).value();
      for (std::size_t n = 0; n < series.size(); ++n) {
        const auto name =
            bucket_name(granularity, from + static_cast<std::int64_t>(n) * length_of(granularity));
        RC_ASSERT(series[n] == (expected.contains(name) ? expected.at(name) : 0));
        sum -= series[n];
      }
      RC_ASSERT(granularity == minute || sum == 0);
    }
  }
  const Replica& replica(std::size_t i) const { return *replicas_[i]; }

 private:
  std::array<std::unique_ptr<Replica>, 3> replicas_;
  std::array<std::set<std::size_t>, 3> known_;
  std::vector<EventPtr> events_;  // with the indexes of the specification's writes
  Specification specification_;
};

RC_GTEST_PROP(windowed_counter, every_replica_shows_what_the_writes_that_it_knows_add_up_to, ()) {
  Regions regions;
  for (const Step& step : any_steps()) regions.perform(step, true);
  regions.heal();
}

RC_GTEST_PROP(windowed_counter, hours_and_days_are_the_sums_of_their_minutes, ()) {
  Regions regions;
  for (const Step& step : any_steps()) regions.perform(step, false);
  for (std::size_t i = 0; i < 3; ++i) {
    const WindowedCounterView use = regions.replica(i).use();
    for (const Granularity granularity : {hour, day}) {
      for (sys_seconds t = at(22, 0, 0); t < at(28, 0, 0); t += length_of(granularity)) {
        RC_ASSERT(use.sum(minute, t, t + length_of(granularity)).value() ==
                  use.value(granularity, t).value());
      }
    }
  }
}

}  // namespace
}  // namespace rejoin::agent
