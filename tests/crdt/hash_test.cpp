#include "rejoin/crdt/hash.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <set>

namespace rejoin {
namespace {

StateHash of(std::uint64_t high, std::uint64_t low) { return StateHash{low, high}; }

// The published test vector of XXH3-128 for the empty input: whatever the build, hashes must be the
// same, for they are compared between nodes.
TEST(hash, is_xxh3_128) {
  EXPECT_EQ(hash_bytes("").to_string(), "99aa06d3014798d86001c324468d497f");
}

TEST(hash, sums_carry_into_the_high_word) {
  StateHash hash = of(1, ~0ull);
  hash += of(0, 1);
  EXPECT_EQ(hash, of(2, 0));
  hash -= of(0, 1);
  EXPECT_EQ(hash, of(1, ~0ull));
  hash -= of(1, ~0ull);
  EXPECT_EQ(hash, StateHash{});
  hash -= of(0, 1);
  EXPECT_EQ(hash, of(~0ull, ~0ull));
}

RC_GTEST_PROP(hash, sums_do_not_depend_on_order_and_can_be_undone,
              (const std::vector<std::string>& entries)) {
  StateHash forward;
  StateHash backward;
  for (const std::string& entry : entries) forward += hash_bytes(entry);
  for (auto it = entries.rbegin(); it != entries.rend(); ++it) backward += hash_bytes(*it);
  RC_ASSERT(forward == backward);
  for (const std::string& entry : entries) forward -= hash_bytes(entry);
  RC_ASSERT(forward == StateHash{});
}

TEST(hash, differs_by_contents_length_and_seed) {
  std::set<StateHash> seen;
  const std::string zeros(300, '\0');
  for (std::size_t n = 0; n <= zeros.size(); ++n) {
    seen.insert(hash_bytes(std::string_view(zeros).substr(0, n)));
    seen.insert(hash_bytes(std::string_view(zeros).substr(0, n), 1));
  }
  EXPECT_EQ(seen.size(), 2 * (zeros.size() + 1));
}

TEST(hash, prints_the_high_word_first) {
  EXPECT_EQ(of(0x0123456789ABCDEF, 0xF).to_string(), "0123456789abcdef000000000000000f");
}

}  // namespace
}  // namespace rejoin
