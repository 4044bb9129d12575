// Replica ids that are left out of the clock.
#include <gtest/gtest.h>

#include "rejoin/crdt/types/map.h"
#include "site.h"

namespace rejoin {
namespace {

ReplicaId id(std::uint64_t n) { return ReplicaId::from_words(n, 7); }

// b's writes are everywhere.
struct Pair {
  Pair() {
    b.commit([](MapRef& root) {
      ASSERT_TRUE(root.map("m").reg("x").set(Value("b's")).ok());
      ASSERT_TRUE(root.reg("y").set(Value("b's")).ok());
    });
    a.pull(b);
    a.commit([](MapRef& root) { ASSERT_TRUE(root.reg("z").set(Value("a's")).ok()); });
    c.pull(a);
  }
  Site a{id(1)}, b{id(2)}, c{id(3)};
};

TEST(Retire, state_stays_and_the_hash_says_what_the_clock_leaves_out) {
  Pair p;
  const std::string before = p.a.document.canonical_state();
  EXPECT_FALSE(p.a.document.retire(id(9))) << "nobody has heard of it";
  ASSERT_TRUE(p.a.document.retire(id(2)));
  EXPECT_EQ(p.a.document.clock().size(), 1u);
  EXPECT_EQ(p.a.document.canonical_state(), before);
  EXPECT_TRUE(p.a.document.includes(p.c.document.clock()));
  EXPECT_NE(p.a.document.retired_hash(), p.c.document.retired_hash());
  p.a.document.restore(id(2));
  EXPECT_EQ(p.a.document.clock(), p.c.document.clock());
  EXPECT_EQ(p.a.document.retired_hash(), StateHash{});
  p.a.expect_sound();
}

TEST(Retire, clock_that_leaves_out_more_or_less_is_told_as_ours) {
  Pair p;
  p.a.document.retire(id(2));
  const auto there = p.a.document.seen_there(p.c.document.clock(), p.c.document.retired_hash());
  ASSERT_TRUE(there.has_value());
  EXPECT_EQ(there->clock, p.a.document.clock());
  EXPECT_FALSE(there->lacks_retired);
  const auto here = p.c.document.seen_there(p.a.document.clock(), p.a.document.retired_hash());
  ASSERT_TRUE(here.has_value());
  EXPECT_EQ(here->clock, p.c.document.clock());
}

TEST(Retire, who_lacks_a_part_of_a_retired_id_is_found_out) {
  Pair p;
  p.b.commit([](MapRef& root) { ASSERT_TRUE(root.reg("y").set(Value("again")).ok()); });
  p.a.pull(p.b);
  p.a.document.retire(id(2));
  const auto there = p.a.document.seen_there(p.c.document.clock(), p.c.document.retired_hash());
  ASSERT_TRUE(there.has_value());
  EXPECT_TRUE(there->lacks_retired);
  // c cannot tell: that hash is of more than c has.
  EXPECT_FALSE(p.c.document.seen_there(p.a.document.clock(), p.a.document.retired_hash()));
  ASSERT_TRUE(p.c.document.join(p.a.document).ok());
  EXPECT_EQ(p.c.root().reg("y").get(), Value("again"));
  EXPECT_EQ(p.c.document.retired_hash(), p.a.document.retired_hash());
  p.c.expect_sound();
}

TEST(Retire, delta_whose_clock_leaves_out_the_unknown_is_not_joined) {
  Pair p;
  p.a.document.retire(id(2));
  Site newcomer(id(4));
  const Result<Applied> joined =
      newcomer.document.join(p.a.document.delta_since(newcomer.document.clock()));
  ASSERT_TRUE(joined.ok());
  EXPECT_EQ(*joined, Applied::missing);
  EXPECT_TRUE(newcomer.document.clock_with_retired().empty());
}

TEST(Retire, removal_of_a_subtree_takes_what_a_retired_id_wrote) {
  Pair p;
  p.a.document.retire(id(2));
  const EventPtr removal =
      p.a.commit([](MapRef& root) { ASSERT_TRUE(root.map("m").clear().ok()); });
  EXPECT_EQ(p.c.receive(removal), Applied::applied);
  EXPECT_FALSE(p.c.root().map("m").reg("x").exists());
  EXPECT_EQ(p.c.document.hash(), p.a.document.hash());
}

// As after a restart.
void load_again(Site& site) {
  Document loaded(site.document.self());
  ASSERT_TRUE(loaded.load_header(site.document.header()).ok());
  site.document.take_dirty([&](Document::StoredCell cell) {
    ASSERT_TRUE(cell.bytes.empty() || loaded.load_cell(cell.key, cell.bytes).ok());
  });
  ASSERT_TRUE(loaded.finish_load().ok());
  site.document = std::move(loaded);
}

// The removal does not name a retired id of which nothing is left here; and it takes along what
// told that something of it was overwritten. Whoever has that still must not keep it, be the id
// retired where the state comes from or not.
TEST(Retire, removal_of_a_subtree_takes_what_was_overwritten_before) {
  for (const bool told_by_the_writer : {true, false}) {
    Site a{id(1)}, b{id(2)}, c{id(3)}, d{id(4)};
    b.commit([](MapRef& root) { ASSERT_TRUE(root.map("m").reg("x").set(Value("b's")).ok()); });
    for (Site* site : {&a, &c, &d}) site->pull(b);
    const EventPtr overwrites =
        a.commit([](MapRef& root) { ASSERT_TRUE(root.map("m").reg("x").set(Value("a's")).ok()); });
    a.document.retire(id(2));
    load_again(a);
    const EventPtr removal =
        a.commit([](MapRef& root) { ASSERT_TRUE(root.map("m").clear().ok()); });
    ASSERT_EQ(c.receive(overwrites), Applied::applied);
    ASSERT_EQ(c.receive(removal), Applied::applied);
    d.pull(told_by_the_writer ? a : c);
    EXPECT_FALSE(d.root().map("m").reg("x").exists());
    EXPECT_EQ(d.document.hash(), a.document.hash());
    d.expect_sound();
  }
}

TEST(Retire, news_of_a_retired_id_names_it_again) {
  Pair p;
  p.a.document.retire(id(2));
  const EventPtr later =
      p.b.commit([](MapRef& root) { ASSERT_TRUE(root.reg("y").set(Value("later")).ok()); });
  EXPECT_EQ(p.a.receive(later), Applied::applied);
  EXPECT_EQ(p.a.document.clock().get(id(2)), later->last());
  EXPECT_TRUE(p.a.document.retired().empty());
}

TEST(Retire, own_id_is_named_again_with_the_next_commit) {
  Pair p;
  ASSERT_TRUE(p.a.document.retire(id(1)));
  EXPECT_EQ(p.a.document.clock().get(id(1)), 0u);
  const StateHash retired = p.a.document.retired_hash();
  Transaction undone = p.a.document.begin({});
  ASSERT_TRUE(undone.root().reg("z").set(Value("undone")).ok());
  undone.abort();
  EXPECT_EQ(p.a.document.retired_hash(), retired);
  p.a.expect_sound();
  const EventPtr next = p.a.commit([](MapRef& root) {
    ASSERT_TRUE(root.reg("z").set(Value("next")).ok());
    ASSERT_TRUE(root.map("m").clear().ok());
  });
  EXPECT_EQ(next->first(), p.c.document.seen(id(1)) + 1);
  EXPECT_EQ(p.a.document.clock().get(id(1)), next->last());
  EXPECT_TRUE(p.a.document.retired().empty());
  p.a.expect_sound();
  EXPECT_EQ(p.c.receive(next), Applied::applied);
  EXPECT_EQ(p.c.document.hash(), p.a.document.hash());
}

// Format 1 had no retired ids: an empty clock, one byte, behind the replicas.
TEST(Retire, header_of_format_1_is_read) {
  Site a(ReplicaId::from_words(1, 1));
  a.commit([](MapRef& root) { ASSERT_TRUE(root.reg("x").set(Value("kept")).ok()); });
  std::string header = a.document.header();
  const std::size_t behind = 1 + 1 + 16 + 1;
  ASSERT_EQ(header[0], 2);
  ASSERT_EQ(header[behind], 0);
  header.erase(behind, 1);
  header[0] = 1;
  Document loaded(a.document.self());
  ASSERT_TRUE(loaded.load_header(header).ok());
  a.document.take_dirty(
      [&](Document::StoredCell cell) { EXPECT_TRUE(loaded.load_cell(cell.key, cell.bytes).ok()); });
  ASSERT_TRUE(loaded.finish_load().ok());
  EXPECT_EQ(loaded.clock(), a.document.clock());
  EXPECT_EQ(loaded.hash(), a.document.hash());
}

// An id that is retired and named by nothing gives its number to a new one.
TEST(Retire, numbers_of_retired_ids_are_used_again) {
  Site a(ReplicaId::from_words(1, 1));
  std::size_t most = 0;
  for (std::uint64_t n = 0; n < 500; ++n) {
    Site writer(ReplicaId::from_words(2, n + 1), n * 10);
    ASSERT_TRUE(writer.document.join(a.document).ok());
    writer.commit([&](MapRef& root) {
      ASSERT_TRUE(root.reg("x").set(Value(std::int64_t(n))).ok());
      ASSERT_TRUE(root.text("t").insert(0, "ab").ok());
      ASSERT_TRUE(root.text("t").remove(1, 1).ok());
    });
    ASSERT_TRUE(a.document.join(writer.document).ok());
    a.commit([&](MapRef& root) { ASSERT_TRUE(root.text("t").remove(0, 1).ok()); });
    ASSERT_TRUE(a.document.retire(writer.document.self()));
    a.document.prune(a.document.clock());
    a.document.forget_elements(a.document.clock());
    a.expect_sound();
    most = std::max(most, a.document.header().size());
  }
  EXPECT_EQ(a.document.clock().size(), 1u);
  EXPECT_EQ(a.document.retired().size(), 500u);
  EXPECT_EQ(a.root().reg("x").get(), Value(std::int64_t{499}));
  // The record, and some that have kept their numbers.
  EXPECT_LT(most, 500u * 19 + 80 * 19);
}

}  // namespace
}  // namespace rejoin
