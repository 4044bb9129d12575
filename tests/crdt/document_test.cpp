#include "rejoin/crdt/document.h"

#include <gtest/gtest.h>

#include "rejoin/crdt/transaction.h"
#include "site.h"

namespace rejoin {
namespace {

ReplicaId replica(std::uint64_t n) { return ReplicaId::from_words(n, n); }

class Site : public rejoin::Site {
 public:
  explicit Site(std::uint64_t n) : rejoin::Site(replica(n)) {}
};

// Each test runs twice: with changes carried as events, and as deltas.
class Exchange : public testing::TestWithParam<bool> {
 protected:
  // Makes both sites hold both sets of writes.
  template <class A, class B>
  void concurrently(Site& a, Site& b, A write_a, B write_b) {
    const EventPtr from_a = a.commit(write_a);
    const EventPtr from_b = b.commit(write_b);
    if (GetParam()) {
      if (from_b) a.receive(from_b);
      if (from_a) b.receive(from_a);
    } else {
      a.pull(b);
      b.pull(a);
    }
    expect_equal(a, b);
  }
  template <class A>
  void then(Site& a, Site& b, A write) {
    concurrently(a, b, write, [](MapRef&) {});
  }
};
INSTANTIATE_TEST_SUITE_P(By, Exchange, testing::Bool(),
                         [](const auto& p) { return p.param ? "events" : "deltas"; });

TEST_P(Exchange, a_write_that_saw_another_wins_whatever_its_time) {
  Site a(1), b(2);
  b.time = 1'000'000;
  concurrently(
      a, b, [](MapRef& r) { EXPECT_TRUE(r.reg("x").set("a").ok()); },
      [](MapRef& r) { EXPECT_TRUE(r.reg("x").set("b").ok()); });
  EXPECT_EQ(a.root().reg("x").get(), Value("b"));
  EXPECT_EQ(a.root().reg("x").siblings().size(), 2u);
  then(a, b, [](MapRef& r) { EXPECT_TRUE(r.reg("x").set("c").ok()); });
  EXPECT_EQ(b.root().reg("x").get(), Value("c"));
  EXPECT_EQ(b.root().reg("x").siblings().size(), 1u);
}

TEST_P(Exchange, a_reset_takes_away_only_the_increments_that_it_saw) {
  Site a(1), b(2);
  then(a, b, [](MapRef& r) { EXPECT_TRUE(r.counter("n").add(5).ok()); });
  concurrently(
      a, b, [](MapRef& r) { EXPECT_TRUE(r.counter("n").add(1).ok()); },
      [](MapRef& r) { EXPECT_TRUE(r.counter("n").reset().ok()); });
  EXPECT_EQ(a.root().counter("n").value(), 1);
  concurrently(
      a, b, [](MapRef& r) { EXPECT_TRUE(r.counter("n").reset().ok()); },
      [](MapRef& r) { EXPECT_TRUE(r.counter("n").reset().ok()); });
  EXPECT_EQ(a.root().counter("n").value(), 0);
  EXPECT_FALSE(a.root().counter("n").exists());
  const Clock stable = a.document.clock();
  EXPECT_GT(a.document.prune(stable), 0u);
  EXPECT_TRUE(a.document.check_invariants().ok());
  EXPECT_EQ(a.document.cell_count(), 0u);
  // a forgot its part, b did not: a's next increment counts from zero at both.
  then(a, b, [](MapRef& r) { EXPECT_TRUE(r.counter("n").add(7).ok()); });
  EXPECT_EQ(b.root().counter("n").value(), 7);
}

TEST_P(Exchange, removed_subtree_keeps_concurrent_update) {
  Site a(1), b(2);
  then(a, b, [](MapRef& r) {
    EXPECT_TRUE(r.map("s").reg("title").set("old").ok());
    EXPECT_TRUE(r.map("s").list("turns").push("one").ok());
    EXPECT_TRUE(r.map("s").counter("n").add(3).ok());
    EXPECT_TRUE(r.map("s").set("tags").add("x").ok());
  });
  concurrently(
      a, b, [](MapRef& r) { EXPECT_TRUE(r.remove("s", Type::map).ok()); },
      [](MapRef& r) {
        EXPECT_TRUE(r.map("s").list("turns").push("two").ok());
        EXPECT_TRUE(r.map("s").counter("n").add(4).ok());
      });
  const MapView s = b.root().map("s");
  EXPECT_FALSE(s.reg("title").exists());
  EXPECT_FALSE(s.set("tags").contains("x"));
  EXPECT_EQ(s.list("turns").values(), std::vector<Value>{"two"});
  EXPECT_EQ(s.counter("n").value(), 4);
  then(b, a, [](MapRef& r) { EXPECT_TRUE(r.remove("s", Type::map).ok()); });
  EXPECT_FALSE(a.root().map("s").exists());
  EXPECT_EQ(a.document.cell_count(), 0u);
}

TEST_P(Exchange, sets_and_flags_have_their_winner) {
  Site a(1), b(2);
  then(a, b, [](MapRef& r) {
    EXPECT_TRUE(r.set("add").add(1).ok());
    EXPECT_TRUE(r.set("remove", Type::remove_wins_set).add(1).ok());
    EXPECT_TRUE(r.flag("on").set(true).ok());
    EXPECT_TRUE(r.flag("off", Type::disable_flag).set(true).ok());
  });
  EXPECT_TRUE(b.root().set("remove", Type::remove_wins_set).contains(1));
  const auto take = [](MapRef& r) {
    EXPECT_TRUE(r.set("add").remove(1).ok());
    EXPECT_TRUE(r.set("remove", Type::remove_wins_set).remove(1).ok());
    EXPECT_TRUE(r.flag("on").set(false).ok());
    EXPECT_TRUE(r.flag("off", Type::disable_flag).set(false).ok());
  };
  const auto give = [](MapRef& r) {
    EXPECT_TRUE(r.set("add").add(1).ok());
    EXPECT_TRUE(r.set("remove", Type::remove_wins_set).add(1).ok());
    EXPECT_TRUE(r.flag("on").set(true).ok());
    EXPECT_TRUE(r.flag("off", Type::disable_flag).set(true).ok());
  };
  concurrently(a, b, take, give);
  EXPECT_TRUE(a.root().set("add").contains(1));
  EXPECT_FALSE(a.root().set("remove", Type::remove_wins_set).contains(1));
  EXPECT_TRUE(a.root().flag("on").get());
  EXPECT_FALSE(a.root().flag("off", Type::disable_flag).get());
}

TEST_P(Exchange, concurrent_runs_in_a_list_do_not_interleave) {
  Site a(1), b(2);
  then(a, b, [](MapRef& r) { EXPECT_TRUE(r.list("l").insert(0, {1, 2}).ok()); });
  concurrently(
      a, b,
      [](MapRef& r) {
        EXPECT_TRUE(r.list("l").insert(1, "a").ok());
        EXPECT_TRUE(r.list("l").insert(2, "b").ok());
      },
      [](MapRef& r) {
        EXPECT_TRUE(r.list("l").insert(1, "y").ok());
        EXPECT_TRUE(r.list("l").insert(1, "x").ok());
      });
  const std::vector<Value> values = a.root().list("l").values();
  const std::vector<Value> ab{1, "a", "b", "x", "y", 2};
  const std::vector<Value> xy{1, "x", "y", "a", "b", 2};
  EXPECT_TRUE(values == ab || values == xy);
}

TEST(Document, aborted_transaction_leaves_no_trace) {
  Site a(1);
  a.commit([](MapRef& r) {
    EXPECT_TRUE(r.map("m").reg("x").set(1).ok());
    EXPECT_TRUE(r.map("m").list("l").insert(0, {1, 2, 3}).ok());
    EXPECT_TRUE(r.map("m").counter("c").add(2).ok());
  });
  const std::string before = a.document.canonical_state();
  const StateHash hash = a.document.hash();
  {
    Transaction tx = a.document.begin({HybridTime{99}, "", ""});
    EXPECT_TRUE(tx.root().map("m").list("l").remove(1).ok());
    EXPECT_TRUE(tx.root().map("m").list("l").push(9).ok());
    EXPECT_TRUE(tx.root().map("new").reg("y").set(2).ok());
    EXPECT_TRUE(tx.root().remove("m", Type::map).ok());
    EXPECT_TRUE(tx.root().map("m").reg("x").set(3).ok());
  }
  EXPECT_EQ(a.document.canonical_state(), before);
  EXPECT_EQ(a.document.hash(), hash);
  EXPECT_TRUE(a.document.check_invariants().ok())
      << a.document.check_invariants().error().to_string();
}

TEST(Document, event_before_its_dependencies_is_missing_and_twice_is_duplicate) {
  Site a(1), b(2), c(3);
  const EventPtr first = a.commit([](MapRef& r) { EXPECT_TRUE(r.reg("x").set(1).ok()); });
  b.receive(first);
  const EventPtr second = b.commit([](MapRef& r) { EXPECT_TRUE(r.reg("x").set(2).ok()); });
  EXPECT_EQ(c.receive(second), Applied::missing);
  EXPECT_EQ(c.document.cell_count(), 0u);
  EXPECT_EQ(c.receive(first), Applied::applied);
  EXPECT_EQ(c.receive(second), Applied::applied);
  EXPECT_EQ(c.receive(second), Applied::duplicate);
  expect_equal(b, c);
}

TEST(Document, stored_cells_bring_back_the_document) {
  Site a(1), b(2);
  a.commit([](MapRef& r) {
    EXPECT_TRUE(r.map("s").reg("title").set("t").ok());
    EXPECT_TRUE(r.map("s").list("turns").insert(0, {1, 2, 3}).ok());
    EXPECT_TRUE(r.map("s").list("turns").remove(1).ok());
    EXPECT_TRUE(r.map("t").reg("title").set("t").ok());
    EXPECT_TRUE(r.remove("t", Type::map).ok());
    EXPECT_TRUE(r.set("tags").add("x").ok());
    EXPECT_TRUE(r.set("tags").add("y").ok());
    EXPECT_TRUE(r.set("tags").remove("x").ok());
  });
  Site c(1);
  ASSERT_TRUE(c.document.load_header(a.document.header()).ok());
  std::size_t cells = 0;
  a.document.take_dirty([&](Document::StoredCell cell) {
    ++cells;
    ASSERT_TRUE(c.document.load_cell(cell.key, cell.bytes).ok());
  });
  ASSERT_TRUE(c.document.finish_load().ok());
  EXPECT_GE(cells, 4u);
  EXPECT_TRUE(c.document.check_invariants().ok());
  expect_equal(a, c);
  EXPECT_EQ(a.document.delta_since({}).body.size(), c.document.delta_since({}).body.size());
  b.pull(c);
  expect_equal(a, b);
}

// Whoever applies it must have seen what its writer had seen, under whatever id.
TEST(Document, the_first_event_under_another_replica_id_depends_on_all_that_is_there) {
  Site a(1), b(2);
  a.receive(b.commit([](MapRef& r) { EXPECT_TRUE(r.reg("x").set("b").ok()); }));
  ASSERT_TRUE(a.commit([](MapRef& r) { EXPECT_TRUE(r.reg("y").set("a").ok()); }));
  const Clock before = a.document.clock();
  a.document.become(replica(3));
  const EventPtr first = a.commit([](MapRef& r) { EXPECT_TRUE(r.reg("z").set("c").ok()); });
  EXPECT_EQ(first->dependencies(), before);
  const EventPtr second = a.commit([](MapRef& r) { EXPECT_TRUE(r.reg("z").set("d").ok()); });
  EXPECT_TRUE(second->dependencies().empty());
}

}  // namespace
}  // namespace rejoin
