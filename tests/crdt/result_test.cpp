#include "rejoin/crdt/result.h"

#include <gtest/gtest.h>

#include <memory>
#include <set>

namespace rejoin {
namespace {

TEST(result, holds_a_value_or_an_error) {
  Result<std::unique_ptr<int>> good(std::make_unique<int>(7));
  ASSERT_TRUE(good.ok());
  EXPECT_EQ(**good, 7);
  const std::unique_ptr<int> taken = *std::move(good);
  EXPECT_EQ(*taken, 7);
  const Result<int> bad = make_error(ErrorCode::busy, "the queue is full; try again", "peer b");
  ASSERT_FALSE(bad.ok());
  EXPECT_FALSE(bad);
  EXPECT_EQ(bad.error().to_string(), "busy at peer b: the queue is full; try again");
  EXPECT_TRUE(Status().ok());
  EXPECT_FALSE(Status(bad.error()).ok());
}

TEST(result, asking_for_the_side_that_is_not_there_aborts) {
  const Result<int> good = 1;
  const Result<int> bad = make_error(ErrorCode::io, "x");
  EXPECT_DEATH((void)good.error(), "assertion");
  EXPECT_DEATH((void)bad.value(), "assertion");
  EXPECT_DEATH((void)*bad, "assertion");
  EXPECT_DEATH((void)Status().error(), "assertion");
}

TEST(result, an_error_without_a_place_says_so_little) {
  EXPECT_EQ(make_error(ErrorCode::timeout, "no answer within 2 s").to_string(),
            "timeout: no answer within 2 s");
}

TEST(result, codes_have_names_of_their_own) {
  std::set<std::string_view> names;
  const int last = static_cast<int>(ErrorCode::busy);
  for (int code = 0; code <= last; ++code) names.insert(to_string(static_cast<ErrorCode>(code)));
  EXPECT_EQ(names.size(), static_cast<std::size_t>(last) + 1);
}

}  // namespace
}  // namespace rejoin
