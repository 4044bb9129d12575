// Forgetting removals on some replicas and not on others.
#include <gtest/gtest.h>

#include "rejoin/crdt/document.h"
#include "rejoin/crdt/transaction.h"

namespace rejoin {
namespace {

const ReplicaId a = ReplicaId::from_words(0xA, 1);
const ReplicaId b = ReplicaId::from_words(0xB, 1);
const ReplicaId c = ReplicaId::from_words(0xC, 1);

class Prune : public testing::Test {
 protected:
  template <class Writes>
  EventPtr write(Document& document, Writes writes) {
    Transaction transaction = document.begin({HybridTime::from_millis(++millis), "", ""});
    writes(transaction.root());
    return transaction.commit();
  }
  EventPtr set_member(Document& document, bool in) {
    return write(document, [&](MapRef root) {
      SetRef set = root.set("s", Type::remove_wins_set);
      ASSERT_TRUE((in ? set.add("x") : set.remove("x")).ok());
    });
  }
  static void apply(Document& document, const EventPtr& event) {
    const Result<Applied> applied = document.apply(*event);
    ASSERT_TRUE(applied.ok());
    ASSERT_EQ(*applied, Applied::applied);
  }
  static bool has(const Document& document) {
    return document.root().set("s", Type::remove_wins_set).contains("x");
  }
  std::uint64_t millis = 0;
};

TEST_F(Prune, an_element_added_where_its_removal_is_forgotten_is_in_everywhere) {
  Document forgetful(a);
  Document mindful(b);
  const EventPtr removal = set_member(forgetful, false);
  apply(mindful, removal);
  forgetful.prune(forgetful.clock());
  apply(mindful, set_member(forgetful, true));
  EXPECT_TRUE(has(forgetful));
  EXPECT_TRUE(has(mindful));
  EXPECT_EQ(mindful.hash(), forgetful.hash());
}

TEST_F(Prune, it_is_in_everywhere_although_the_forgetting_was_someone_elses) {
  Document forgetful(a);
  Document mindful(b);
  apply(mindful, set_member(forgetful, false));
  forgetful.prune(forgetful.clock());
  Document newcomer(c);
  ASSERT_TRUE(newcomer.join(forgetful).ok());
  apply(mindful, set_member(newcomer, true));
  EXPECT_TRUE(has(mindful));
  EXPECT_EQ(mindful.hash(), newcomer.hash());
}

TEST_F(Prune, what_was_forgotten_survives_a_restart) {
  Document forgetful(a);
  Document mindful(b);
  apply(mindful, set_member(forgetful, false));
  forgetful.prune(forgetful.clock());
  Document restarted(a);
  ASSERT_TRUE(restarted.load_header(forgetful.header()).ok());
  forgetful.take_dirty([&](const Document::StoredCell& cell) {
    ASSERT_TRUE(cell.bytes.empty() || restarted.load_cell(cell.key, cell.bytes).ok());
  });
  ASSERT_TRUE(restarted.finish_load().ok());
  apply(mindful, set_member(restarted, true));
  EXPECT_TRUE(has(mindful));
}

TEST_F(Prune, an_addition_beaten_by_a_forgotten_removal_stays_beaten) {
  Document forgetful(a);
  Document mindful(b);
  const EventPtr addition = set_member(mindful, true);
  const EventPtr removal = set_member(forgetful, false);
  apply(forgetful, addition);
  apply(mindful, removal);
  EXPECT_FALSE(has(mindful));
  forgetful.prune(forgetful.clock());
  const EventPtr again = set_member(forgetful, false);
  apply(mindful, again);
  EXPECT_FALSE(has(forgetful));
  EXPECT_FALSE(has(mindful));
  apply(forgetful, set_member(mindful, true));
  EXPECT_TRUE(has(forgetful));
  EXPECT_EQ(mindful.hash(), forgetful.hash());
}

// The reset takes away what B had added so far, and A's own addition afterwards takes the place of
// the reset's touch. All have seen B's first addition, but not the reset: it may not be forgotten.
TEST_F(Prune, a_reset_is_remembered_until_it_is_stable_although_its_writer_went_on) {
  Document resetter(a);
  Document adder(b);
  const auto add = [&](Document& document, std::int64_t amount) {
    return write(document, [&](MapRef root) { ASSERT_TRUE(root.counter("c").add(amount).ok()); });
  };
  apply(resetter, add(adder, 5));
  const Clock stable = adder.clock();
  write(resetter, [](MapRef root) { ASSERT_TRUE(root.counter("c").reset().ok()); });
  add(resetter, 2);
  add(adder, 7);
  resetter.prune(stable);
  const Delta delta = resetter.delta_since(stable);
  ASSERT_TRUE(resetter.join(adder.delta_since(stable)).ok());
  ASSERT_TRUE(adder.join(delta).ok());
  EXPECT_EQ(resetter.root().counter("c").value(), 9);
  EXPECT_EQ(adder.root().counter("c").value(), 9);
  EXPECT_EQ(resetter.hash(), adder.hash());
  resetter.prune(resetter.clock());
  ASSERT_TRUE(adder.join(resetter).ok());
  EXPECT_EQ(adder.root().counter("c").value(), 9);
  EXPECT_TRUE(resetter.check_invariants().ok());
}

// The writer's first increment after it forgot follows directly on the last that the reset saw.
TEST_F(Prune, a_counter_starts_again_from_zero_where_its_writers_part_was_forgotten) {
  Document counting(a);
  Document resetting(b);
  const auto add = [&](Document& document, std::int64_t amount) {
    return write(document, [&](MapRef root) { ASSERT_TRUE(root.counter("n").add(amount).ok()); });
  };
  apply(resetting, add(counting, 10));
  apply(counting,
        write(resetting, [](MapRef root) { ASSERT_TRUE(root.counter("n").reset().ok()); }));
  counting.prune(counting.clock());
  apply(resetting, add(counting, 1));
  EXPECT_EQ(counting.root().counter("n").value(), 1);
  EXPECT_EQ(resetting.root().counter("n").value(), 1);
  EXPECT_EQ(counting.hash(), resetting.hash());
}

// Removed elements that are stable go, but for one where they stood; whoever has not forgotten them
// yet goes on to agree with those who have.
TEST_F(Prune, removed_text_leaves_one_element_a_gap_and_stays_mergeable) {
  Document forgetful(a);
  Document mindful(b);
  const auto edit = [&](Document& document, const std::function<void(TextRef)>& change) {
    return write(document, [&](MapRef root) { change(root.text("t")); });
  };
  apply(mindful, edit(forgetful, [](TextRef t) {
          ASSERT_TRUE(t.insert(0, "<" + std::string(5000, 'x') + ">").ok());
        }));
  for (int i = 0; i < 2500; ++i) {  // from both sides, so that the records do not become one
    const std::size_t at = i % 2 == 0 ? 1 : forgetful.root().text("t").size() - 2;
    apply(mindful, edit(forgetful, [&](TextRef t) { ASSERT_TRUE(t.remove(at, 1).ok()); }));
  }
  const std::size_t remembered = forgetful.delta_since({}).body.size();
  const StateHash hash = forgetful.hash();
  forgetful.prune(mindful.clock());
  forgetful.forget_elements(mindful.clock());
  EXPECT_EQ(forgetful.hash(), hash);
  EXPECT_TRUE(forgetful.check_invariants().ok());
  EXPECT_LT(forgetful.delta_since({}).body.size(), remembered / 4);
  // Both insert where the gap is; only one has forgotten what was there.
  const EventPtr one = edit(forgetful, [](TextRef t) { ASSERT_TRUE(t.insert(1, "one").ok()); });
  const EventPtr two = edit(mindful, [](TextRef t) { ASSERT_TRUE(t.insert(1, "two").ok()); });
  apply(mindful, one);
  apply(forgetful, two);
  EXPECT_EQ(forgetful.root().text("t").to_string(), mindful.root().text("t").to_string());
  EXPECT_EQ(forgetful.hash(), mindful.hash());
  Document loaded(ReplicaId::from_words(0, 7));
  ASSERT_TRUE(loaded.join(forgetful.delta_since({})).ok());
  EXPECT_EQ(loaded.hash(), mindful.hash());
}

}  // namespace
}  // namespace rejoin
