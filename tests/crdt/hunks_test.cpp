#include "store/hunks.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "rejoin/crdt/value.h"

namespace rejoin {
namespace {

// Code points of one, two and four bytes.
const std::vector<std::string> alphabet = {"a", "b", "c", "\u00E9", "\U0001F600"};

std::string joined(const std::vector<std::string>& letters) {
  std::string text;
  for (const std::string& letter : letters) text += letter;
  return text;
}

// What a sequence becomes when its hunks are done, one after the other.
std::vector<std::string> done(std::vector<std::string> base, const Hunks<std::string>& edits) {
  std::size_t longer = 0;
  for (const auto& hunk : edits.hunks()) {
    const auto at = base.begin() + static_cast<std::ptrdiff_t>(hunk.base + longer);
    base.erase(at, at + static_cast<std::ptrdiff_t>(hunk.removed));
    std::size_t unit = 0;
    for (std::size_t i = 0; i < hunk.inserted; ++i) {
      const std::size_t begin = unit;
      do ++unit;
      while (unit < hunk.content.size() && is_utf8_continuation(hunk.content[unit]));
      base.insert(base.begin() + static_cast<std::ptrdiff_t>(hunk.base + longer + i),
                  hunk.content.substr(begin, unit - begin));
    }
    RC_ASSERT(unit == hunk.content.size());
    longer += hunk.inserted - hunk.removed;
  }
  return base;
}

RC_GTEST_PROP(hunks, do_together_what_the_edits_do_one_by_one, ()) {
  const auto base = *rc::gen::resize(
      40, rc::gen::container<std::vector<std::string>>(rc::gen::elementOf(alphabet)));
  std::vector<std::string> expected = base;
  Hunks<std::string> edits;
  const int steps = *rc::gen::inRange(0, 120);
  std::size_t last = 0;
  for (int i = 0; i < steps; ++i) {
    // Near the last edit more often than not, as people type.
    const std::size_t size = expected.size();
    const bool near = *rc::gen::inRange(0, 3) > 0 && last <= size;
    const auto at = near ? *rc::gen::inRange(last - std::min<std::size_t>(last, 2),
                                             std::min(last + 2, size) + 1)
                         : *rc::gen::inRange<std::size_t>(0, size + 1);
    const auto begin = expected.begin() + static_cast<std::ptrdiff_t>(at);
    if (*rc::gen::inRange(0, 5) < 3) {
      const auto typed = *rc::gen::resize(
          3, rc::gen::nonEmpty(
                 rc::gen::container<std::vector<std::string>>(rc::gen::elementOf(alphabet))));
      if (!edits.insert(at, typed.size(), joined(typed))) break;
      expected.insert(begin, typed.begin(), typed.end());
      last = at + typed.size();
    } else {
      const auto count = *rc::gen::inRange<std::size_t>(0, std::min<std::size_t>(size - at, 9) + 1);
      if (!edits.remove(at, count)) break;
      expected.erase(begin, begin + static_cast<std::ptrdiff_t>(count));
      last = at;
    }
    RC_ASSERT(done(base, edits) == expected);
  }
  RC_ASSERT(base.size() + edits.inserted() - edits.removed() == expected.size());
  std::size_t content = 0;
  std::size_t kept_from = 0;
  for (std::size_t i = 0; i < edits.hunks().size(); ++i) {
    const auto& hunk = edits.hunks()[i];
    content += hunk.content.size();
    // In order, with something kept between two.
    RC_ASSERT(i == 0 || hunk.base > kept_from);
    kept_from = hunk.base + hunk.removed;
  }
  RC_ASSERT(content == edits.content_size());
  RC_CLASSIFY(edits.hunks().size() > 5, "more than five hunks");
  RC_CLASSIFY(edits.empty(), "nothing left");
}

TEST(Hunks, are_refused_beyond_some_and_stay_as_they_were) {
  Hunks<std::string> edits;
  std::size_t kept = 0;
  while (edits.insert(2 * kept, 1, "x")) ++kept;
  EXPECT_EQ(edits.hunks().size(), kept);
  EXPECT_GT(kept, 10u);
  EXPECT_FALSE(edits.remove(2 * kept + 1, 1));
  EXPECT_EQ(edits.hunks().size(), kept);
  EXPECT_EQ(edits.inserted(), kept);
  EXPECT_TRUE(edits.insert(2, 1, "y"));  // where one is
}

TEST(Hunks, long_contents_are_not_changed_in_their_middle) {
  Hunks<std::string> edits;
  const std::string pasted(100000, 'x');
  ASSERT_TRUE(edits.insert(0, pasted.size(), pasted));
  EXPECT_FALSE(edits.insert(5, 1, "y"));
  EXPECT_FALSE(edits.remove(5, 1));
  EXPECT_EQ(edits.inserted(), pasted.size());
  EXPECT_TRUE(edits.insert(pasted.size(), 1, "y"));
  EXPECT_TRUE(edits.remove(pasted.size() - 1, 2));
  EXPECT_TRUE(edits.remove(0, pasted.size() - 1));
  EXPECT_TRUE(edits.empty());
}

}  // namespace
}  // namespace rejoin
