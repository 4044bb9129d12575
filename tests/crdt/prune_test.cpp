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

// What a writer who knows nothing of a text inserts stands before or behind all that descends from
// the text's first element: also where that one and its like are removed and mostly forgotten.
TEST_F(Prune, an_element_stays_for_as_long_as_one_names_it_that_is_not_stable) {
  Document forgetful(a);
  Document mindful(ReplicaId::from_words(0xE, 1));
  Document author(c);
  Document newcomer(b);
  const auto edit = [&](Document& document, const std::function<void(TextRef)>& change) {
    return write(document, [&](MapRef root) { change(root.text("t")); });
  };
  const EventPtr typed = edit(forgetful, [](TextRef t) { ASSERT_TRUE(t.insert(0, "xy").ok()); });
  apply(mindful, typed);
  apply(author, typed);
  const EventPtr behind = edit(author, [](TextRef t) { ASSERT_TRUE(t.insert(2, "u").ok()); });
  const EventPtr removal = edit(forgetful, [](TextRef t) { ASSERT_TRUE(t.remove(0, 2).ok()); });
  apply(mindful, removal);
  apply(author, removal);
  apply(forgetful, behind);
  apply(mindful, behind);
  Clock stable;  // everyone has what `a` wrote, and not everyone `u`
  stable.advance({a, forgetful.clock().get(a)});
  forgetful.prune(stable);
  forgetful.forget_elements(stable);
  const EventPtr apart = edit(newcomer, [](TextRef t) { ASSERT_TRUE(t.insert(0, "p").ok()); });
  apply(forgetful, apart);
  apply(mindful, apart);
  EXPECT_EQ(mindful.root().text("t").to_string(), "up");
  EXPECT_EQ(forgetful.root().text("t").to_string(), "up");
  EXPECT_EQ(forgetful.hash(), mindful.hash());
}

// Where a member was given up, removals are forgotten that are not stable: the elements still stay,
// since that member may come back with what it wrote beside them.
TEST_F(Prune, elements_stay_until_all_know_of_a_removal_that_was_forgotten_early) {
  Document forgetful(a);
  Document away(b);
  const auto edit = [&](Document& document, const std::function<void(TextRef)>& change) {
    return write(document, [&](MapRef root) { change(root.text("t")); });
  };
  apply(away, edit(forgetful, [](TextRef t) { ASSERT_TRUE(t.insert(0, "<xyz>").ok()); }));
  const Clock stable = away.clock();
  const EventPtr beside = edit(away, [](TextRef t) { ASSERT_TRUE(t.insert(3, "m").ok()); });
  const EventPtr removal = edit(forgetful, [](TextRef t) { ASSERT_TRUE(t.remove(1, 3).ok()); });
  const EventPtr insertion = edit(forgetful, [](TextRef t) { ASSERT_TRUE(t.insert(1, "n").ok()); });
  forgetful.prune(stable, forgetful.clock(), forgetful.clock());
  forgetful.forget_elements(stable);
  apply(forgetful, beside);
  apply(away, removal);
  apply(away, insertion);
  EXPECT_EQ(away.root().text("t").to_string(), "<nm>");
  EXPECT_EQ(forgetful.root().text("t").to_string(), "<nm>");
  EXPECT_EQ(forgetful.hash(), away.hash());
}

// ---- Of whom did not see what was forgotten ----

// A node loses its disk, and what comes first is an old write from before a removal that all others
// have forgotten: what they send must take it away all the same.
class PruneForNewcomer : public Prune {
 protected:
  // Writes, then removes; a newcomer has only the first.
  void forget_behind(const std::function<void(MapRef)>& put,
                     const std::function<void(MapRef)>& take) {
    apply(newcomer, write(forgetful, put));
    write(forgetful, take);
    forgetful.prune(forgetful.clock());
    ASSERT_EQ(forgetful.touch_count(), 0u);
  }
  void expect_told() { expect_told(forgetful, newcomer); }
  static void expect_told(const Document& from, Document& to) {
    const Result<Delta> delta = Delta::decode(from.delta_since(to.clock()).encoded());
    ASSERT_TRUE(delta.ok());
    const Result<Applied> joined = to.join(*delta);
    ASSERT_TRUE(joined.ok());
    EXPECT_EQ(*joined, Applied::applied);
    EXPECT_EQ(to.canonical_state(), from.canonical_state());
    EXPECT_EQ(to.hash(), from.hash());
    const Status invariants = to.check_invariants();
    EXPECT_TRUE(invariants.ok()) << invariants.error().to_string();
  }
  Document forgetful{a};
  Document newcomer{b};
};

TEST_F(PruneForNewcomer, a_register_is_gone) {
  forget_behind([](MapRef root) { ASSERT_TRUE(root.map("m").reg("r").set(1).ok()); },
                [](MapRef root) { ASSERT_TRUE(root.map("m").reg("r").clear().ok()); });
  expect_told();
  EXPECT_FALSE(newcomer.root().map("m").reg("r").get());
}

TEST_F(PruneForNewcomer, a_map_is_gone_but_for_what_it_wrote_itself) {
  forget_behind(
      [](MapRef root) {
        ASSERT_TRUE(root.map("m").reg("r").set(1).ok());
        ASSERT_TRUE(root.map("m").counter("c").add(5).ok());
      },
      [](MapRef root) { ASSERT_TRUE(root.remove("m", Type::map).ok()); });
  const EventPtr own =
      write(newcomer, [](MapRef root) { ASSERT_TRUE(root.map("m").reg("own").set(2).ok()); });
  apply(forgetful, own);
  expect_told();
  EXPECT_FALSE(newcomer.root().map("m").reg("r").get());
  EXPECT_EQ(newcomer.root().map("m").counter("c").value(), 0);
  EXPECT_EQ(newcomer.root().map("m").reg("own").get()->as_integer(), 2);
}

TEST_F(PruneForNewcomer, a_counter_starts_from_zero) {
  forget_behind([](MapRef root) { ASSERT_TRUE(root.counter("c").add(5).ok()); },
                [](MapRef root) { ASSERT_TRUE(root.counter("c").reset().ok()); });
  write(forgetful, [](MapRef root) { ASSERT_TRUE(root.counter("c").add(2).ok()); });
  expect_told();
  EXPECT_EQ(newcomer.root().counter("c").value(), 2);
}

TEST_F(PruneForNewcomer, removed_text_is_gone_between_what_stays_and_what_is_new) {
  forget_behind([](MapRef root) { ASSERT_TRUE(root.text("t").insert(0, "abcdefgh").ok()); },
                [](MapRef root) {
                  ASSERT_TRUE(root.text("t").remove(5, 2).ok());
                  ASSERT_TRUE(root.text("t").remove(1, 2).ok());
                });
  write(forgetful, [](MapRef root) { ASSERT_TRUE(root.text("t").insert(1, "X").ok()); });
  apply(forgetful,
        write(newcomer, [](MapRef root) { ASSERT_TRUE(root.text("t").insert(6, "Y").ok()); }));
  expect_told();
  EXPECT_EQ(newcomer.root().text("t").to_string(), "aXdeYh");
}

TEST_F(PruneForNewcomer, a_removed_list_takes_along_what_its_elements_hold) {
  forget_behind(
      [](MapRef root) {
        Result<MapRef> element = root.list("l").insert_map(0);
        ASSERT_TRUE(element.ok());
        ASSERT_TRUE(element->reg("r").set(1).ok());
        ASSERT_TRUE(root.list("l").insert(1, Value(7)).ok());
        ASSERT_TRUE(root.list("l").move(1, 0).ok());
      },
      [](MapRef root) { ASSERT_TRUE(root.remove("l", Type::list).ok()); });
  expect_told();
  EXPECT_EQ(newcomer.root().list("l").size(), 0u);
}

// It cannot tell one by one what it was not told itself.
TEST_F(PruneForNewcomer, it_passes_on_what_it_took_over) {
  forget_behind([](MapRef root) { ASSERT_TRUE(root.reg("r").set(1).ok()); },
                [](MapRef root) { ASSERT_TRUE(root.reg("r").clear().ok()); });
  Document other(c);
  ASSERT_TRUE(other.join(newcomer).ok());
  expect_told();
  Document restarted(b);
  ASSERT_TRUE(restarted.load_header(newcomer.header()).ok());
  ASSERT_TRUE(restarted.finish_load().ok());
  expect_told(restarted, other);
}

TEST_F(PruneForNewcomer, who_has_seen_it_is_sent_what_is_new_alone) {
  forget_behind([](MapRef root) { ASSERT_TRUE(root.reg("r").set(1).ok()); },
                [](MapRef root) { ASSERT_TRUE(root.reg("r").clear().ok()); });
  for (int i = 0; i < 100; ++i) {
    write(forgetful, [&](MapRef root) { ASSERT_TRUE(root.reg(std::to_string(i)).set(i).ok()); });
  }
  expect_told();
  write(forgetful, [](MapRef root) { ASSERT_TRUE(root.reg("new").set(1).ok()); });
  EXPECT_EQ(forgetful.delta_since(newcomer.clock()).cells, 1u);
  expect_told();
}

}  // namespace
}  // namespace rejoin
