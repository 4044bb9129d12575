// Rendezvous hashing: what moves when members come and go, and what does not.
#include "rejoin/node/affinity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "rejoin/crdt/hash.h"

namespace rejoin::node {
namespace {

using ::testing::IsEmpty;

std::vector<std::string> names_of(const std::vector<AffinityCandidate>& nodes) {
  std::vector<std::string> names;
  for (const AffinityCandidate& node : nodes) names.push_back(node.name);
  return names;
}

std::vector<AffinityCandidate> nodes(std::size_t count) {
  std::vector<AffinityCandidate> all;
  for (std::size_t i = 0; i < count; ++i) all.push_back({"n" + std::to_string(i), "", true});
  return all;
}

// Nodes with different names in three regions or none, some of them not alive.
std::vector<AffinityCandidate> any_nodes() {
  const auto names = *rc::gen::arbitrary<std::set<std::string>>();
  std::vector<AffinityCandidate> all;
  for (const std::string& name : names) {
    all.push_back({name, *rc::gen::element<std::string>("", "asia", "europe", "america"),
                   *rc::gen::weightedElement<bool>({{3, true}, {1, false}})});
  }
  return all;
}

std::map<std::string, std::size_t> share_of_each(const std::vector<AffinityCandidate>& candidates,
                                                 std::size_t keys) {
  std::map<std::string, std::size_t> shares;
  for (std::size_t i = 0; i < keys; ++i) {
    ++shares[rank_by_affinity("session-" + std::to_string(i), candidates).front().name];
  }
  return shares;
}

// Of `keys` that fall on `count` nodes by chance alone each node gets so many, give or take six
// standard deviations of the binomial distribution: less than one in 10^7 is further away.
void expect_balanced(const std::map<std::string, std::size_t>& shares, std::size_t count,
                     std::size_t keys) {
  EXPECT_EQ(shares.size(), count);
  const double p = 1.0 / static_cast<double>(count);
  const double mean = static_cast<double>(keys) * p;
  const double bound = 6 * std::sqrt(mean * (1 - p));
  for (const auto& [name, share] : shares) {
    EXPECT_NEAR(static_cast<double>(share), mean, bound) << name;
  }
}

RC_GTEST_PROP(Affinity, one_that_goes_moves_its_own_keys_alone, (const std::string& key)) {
  const auto before = any_nodes();
  RC_PRE(!before.empty());
  const auto gone = *rc::gen::elementOf(before);
  const auto region = *rc::gen::element<std::string>("", "asia", "mars");
  auto left = before;
  if (*rc::gen::arbitrary<bool>()) {
    std::erase(left, gone);
  } else {
    std::ranges::find(left, gone)->alive = false;
  }
  auto expected = rank_by_affinity(key, before, region);
  std::erase(expected, gone);
  RC_ASSERT(rank_by_affinity(key, left, region) == expected);
}

RC_GTEST_PROP(Affinity, the_order_in_which_they_are_known_says_nothing, (const std::string& key)) {
  const auto known = any_nodes();
  auto otherwise = known;
  std::ranges::reverse(otherwise);
  RC_ASSERT(rank_by_affinity(key, known, "asia") == rank_by_affinity(key, otherwise, "asia"));
}

RC_GTEST_PROP(Affinity, the_region_comes_first_and_the_dead_do_not_come_at_all,
              (const std::string& key)) {
  const auto candidates = any_nodes();
  const auto ranked = rank_by_affinity(key, candidates, "asia");
  RC_ASSERT(std::ranges::is_partitioned(
      ranked, [](const AffinityCandidate& node) { return node.region == "asia"; }));
  RC_ASSERT(std::ranges::all_of(ranked, &AffinityCandidate::alive));
  RC_ASSERT(std::ranges::count(candidates, true, &AffinityCandidate::alive) ==
            static_cast<std::ptrdiff_t>(ranked.size()));
  // Within the region, and beyond it, the order is that of those nodes alone.
  for (const bool inside : {true, false}) {
    const auto elsewhere = [&](const AffinityCandidate& node) {
      return (node.region == "asia") != inside;
    };
    auto some = candidates, ranks = ranked;
    std::erase_if(some, elsewhere);
    std::erase_if(ranks, elsewhere);
    RC_ASSERT(rank_by_affinity(key, some) == ranks);
  }
}

TEST(Affinity, keys_are_spread_evenly) {
  for (const std::size_t count : {2u, 3u, 10u, 100u}) {
    expect_balanced(share_of_each(nodes(count), 20'000), count, 20'000);
  }
}

TEST(Affinity, what_one_that_goes_had_is_spread_over_all_that_are_left) {
  const auto before = nodes(5);
  auto left = before;
  left.pop_back();
  std::map<std::string, std::size_t> heirs;
  std::size_t moved = 0;
  for (std::size_t i = 0; i < 20'000; ++i) {
    const std::string key = "session-" + std::to_string(i);
    if (rank_by_affinity(key, before).front() != before.back()) continue;
    ++moved;
    ++heirs[rank_by_affinity(key, left).front().name];
  }
  expect_balanced(heirs, 4, moved);
}

TEST(Affinity, one_that_joins_takes_its_share_from_all_and_moves_nothing_else) {
  const auto before = nodes(4);
  const auto after = nodes(5);
  std::map<std::string, std::size_t> taken_from;
  for (std::size_t i = 0; i < 20'000; ++i) {
    const std::string key = "session-" + std::to_string(i);
    const std::string former = rank_by_affinity(key, before).front().name;
    const std::string now = rank_by_affinity(key, after).front().name;
    if (now == former) continue;
    EXPECT_EQ(now, "n4");
    ++taken_from[former];
  }
  std::size_t moved = 0;
  for (const auto& [name, count] : taken_from) moved += count;
  expect_balanced(taken_from, 4, moved);
  EXPECT_NEAR(static_cast<double>(moved), 4000, 6 * std::sqrt(20'000 * 0.2 * 0.8));
}

// Two versions of this library, or another implementation, must agree.
TEST(Affinity, the_weights_are_those_that_are_documented) {
  using namespace std::string_literals;
  const auto candidates = nodes(10);
  std::map<std::uint64_t, std::string, std::greater<>> by_weight;
  for (const auto& [name, region, alive] : candidates) {
    by_weight[hash_bytes(name + "\0session-1"s).low] = name;
  }
  std::vector<std::string> expected;
  for (const auto& [weight, name] : by_weight) expected.push_back(name);
  EXPECT_EQ(names_of(rank_by_affinity("session-1", candidates)), expected);
}

TEST(Affinity, nobody_alive_is_nobody) {
  EXPECT_THAT(rank_by_affinity("s", {}), IsEmpty());
  EXPECT_THAT(rank_by_affinity("s", {{"a", "", false}}, "asia"), IsEmpty());
}

}  // namespace
}  // namespace rejoin::node
