#include "core/liveness.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rejoin::node {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class LivenessTest : public ::testing::Test {
 protected:
  LivenessTest() { here.set_members({"a", "b", "c"}); }
  Liveness here{"a"};
};

TEST_F(LivenessTest, nobody_is_dead_of_whom_nothing_was_said) {
  EXPECT_EQ(here.of("b"), Life::alive);
  EXPECT_THAT(here.all(), IsEmpty());
  EXPECT_EQ(here.hash(), 0u);
  EXPECT_EQ(here.oldest_suspicion(), never);
}

TEST_F(LivenessTest, a_suspicion_is_passed_on_once_and_becomes_a_death) {
  const auto suspicion = here.suspect("b", seconds(1));
  ASSERT_TRUE(suspicion);
  EXPECT_EQ(*suspicion, (Rumour{"b", 0, Life::suspected}));
  EXPECT_FALSE(here.suspect("b", seconds(2)));
  EXPECT_EQ(here.oldest_suspicion(), seconds(1));
  EXPECT_THAT(here.confirm(Micros{999'999}), IsEmpty());
  EXPECT_THAT(here.confirm(seconds(1)), ElementsAre(Rumour{"b", 0, Life::dead}));
  EXPECT_EQ(here.of("b"), Life::dead);
  EXPECT_THAT(here.confirm(seconds(9)), IsEmpty());
}

TEST_F(LivenessTest, of_equal_numbers_the_worse_news_count_and_a_higher_number_before_all) {
  EXPECT_TRUE(here.hear({"b", 4, Life::dead}, seconds(1)));
  EXPECT_FALSE(here.hear({"b", 4, Life::suspected}, seconds(1)));
  EXPECT_FALSE(here.hear({"b", 4, Life::alive}, seconds(1)));
  EXPECT_FALSE(here.hear({"b", 3, Life::dead}, seconds(1)));
  EXPECT_EQ(here.of("b"), Life::dead);
  EXPECT_TRUE(here.hear({"b", 5, Life::alive}, seconds(1)));
  EXPECT_EQ(here.of("b"), Life::alive);
}

TEST_F(LivenessTest, one_that_is_suspected_denies_it_under_a_higher_number) {
  const auto denial = here.hear({"a", 0, Life::suspected}, seconds(1));
  ASSERT_TRUE(denial);
  EXPECT_EQ(*denial, (Rumour{"a", 1, Life::alive}));
  // What it said itself comes back to it.
  EXPECT_FALSE(here.hear({"a", 1, Life::alive}, seconds(2)));
  EXPECT_FALSE(here.hear({"a", 0, Life::dead}, seconds(2)));
  EXPECT_EQ(here.hear({"a", 1, Life::dead}, seconds(3)), (Rumour{"a", 2, Life::alive}));
}

// An earlier process of this name had got further.
TEST_F(LivenessTest, one_that_was_started_again_outdoes_its_former_number) {
  EXPECT_EQ(here.hear({"a", 7, Life::alive}, seconds(1)), (Rumour{"a", 8, Life::alive}));
}

TEST_F(LivenessTest, the_highest_number_is_not_outdone) {
  EXPECT_FALSE(here.hear({"a", transport::rumour_number_max, Life::dead}, seconds(1)));
}

TEST_F(LivenessTest, strangers_are_not_talked_about) {
  EXPECT_FALSE(here.hear({"x", 1, Life::dead}, seconds(1)));
  EXPECT_THAT(here.all(), IsEmpty());
}

TEST_F(LivenessTest, equal_beliefs_have_equal_hashes_in_whatever_order_they_came) {
  Liveness there("b");
  there.set_members({"a", "b", "c"});
  here.hear({"c", 1, Life::dead}, seconds(1));
  here.hear({"b", 0, Life::suspected}, seconds(1));
  EXPECT_NE(here.hash(), there.hash());
  here.hear({"b", 1, Life::alive}, seconds(2));
  there.hear({"b", 0, Life::suspected}, seconds(1));  // of itself: denied as 1
  EXPECT_NE(here.hash(), there.hash());
  there.hear({"c", 0, Life::suspected}, seconds(3));
  there.hear({"c", 1, Life::dead}, seconds(4));
  EXPECT_EQ(here.hash(), there.hash());
  EXPECT_EQ(here.all(), there.all());
}

TEST_F(LivenessTest, nothing_is_believed_of_one_who_is_no_member_any_more) {
  here.hear({"c", 3, Life::dead}, seconds(1));
  here.set_members({"a", "b"});
  EXPECT_EQ(here.hash(), 0u);
  here.set_members({"a", "b", "c"});
  EXPECT_EQ(here.of("c"), Life::alive);
}

}  // namespace
}  // namespace rejoin::node
