#include "rejoin/crdt/types/bounded_counter.h"

#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "rejoin/crdt/document.h"
#include "rejoin/crdt/json.h"
#include "rejoin/crdt/transaction.h"
#include "site.h"

namespace rejoin {
namespace {

constexpr std::int64_t int64_max = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t int64_min = std::numeric_limits<std::int64_t>::min();

// A replica whose only cell is the bounded counter "stock".
class Holder : public Site {
 public:
  explicit Holder(std::uint64_t n) : Site(ReplicaId::from_words(n << 32, n)) {}

  template <class Write>
  EventPtr commit(Write write) {
    EventPtr event = Site::commit([&](MapRef root) { write(root.bounded_counter("stock")); });
    expect_within_bound();
    return event;
  }
  // A write that must succeed.
  template <class Write>
  EventPtr does(Write write) {
    return commit([&](BoundedCounterRef counter) {
      const auto status = write(counter);
      EXPECT_TRUE(status.ok()) << (status.ok() ? "" : status.error().to_string());
    });
  }
  void increments(std::int64_t n) {
    does([&](BoundedCounterRef c) { return c.increment(n); });
  }
  void decrements(std::int64_t n) {
    does([&](BoundedCounterRef c) { return c.decrement(n); });
  }
  void transfers(std::int64_t n, const Holder& to) {
    does([&](BoundedCounterRef c) { return c.transfer(n, to.id()); });
  }
  void asks(std::int64_t n, const Holder& whom) {
    commit([&](BoundedCounterRef c) {
      const Result<ReplicaId> asked = c.ask(n);
      ASSERT_TRUE(asked.ok());
      EXPECT_EQ(*asked, whom.id());
    });
  }
  void answers(std::int64_t expected, std::int64_t keep = 0) {
    commit([&](BoundedCounterRef c) {
      const Result<std::int64_t> given = c.answer(keep);
      ASSERT_TRUE(given.ok());
      EXPECT_EQ(*given, expected);
    });
  }
  // The error of a write that must be refused, and leave nothing behind.
  template <class Write>
  Error refused(Write write) {
    const std::string before = document.canonical_state();
    const Clock clock = document.clock();
    Error error;
    const EventPtr event = commit([&](BoundedCounterRef counter) {
      const auto status = write(counter);
      EXPECT_FALSE(status.ok());
      if (!status.ok()) error = status.error();
    });
    EXPECT_EQ(event, nullptr);
    EXPECT_EQ(document.canonical_state(), before);
    EXPECT_EQ(document.clock(), clock);
    return error;
  }
  void removes() {
    Site::commit(
        [](MapRef root) { ASSERT_TRUE(root.remove("stock", Type::bounded_counter).ok()); });
    expect_within_bound();
  }
  void pull(const Holder& other) {
    Site::pull(other);
    expect_within_bound();
  }
  void receive(const EventPtr& event) {
    EXPECT_EQ(Site::receive(event), Applied::applied);
    expect_within_bound();
  }
  BoundedCounterView stock() const { return document.root().bounded_counter("stock"); }
  ReplicaId id() const { return document.self(); }

 private:
  void expect_within_bound() const { EXPECT_GE(stock().value(), stock().bound()); }
};

void exchange(Holder& a, Holder& b) {
  a.pull(b);
  b.pull(a);
  EXPECT_EQ(a.document.canonical_state(), b.document.canonical_state());
  EXPECT_EQ(a.document.hash(), b.document.hash());
}

// A holds 6 of 10 rights above 0, B the other 4.
class BoundedCounter : public testing::Test {
 protected:
  BoundedCounter() {
    a.does([](BoundedCounterRef counter) { return counter.create(0); });
    a.increments(10);
    a.transfers(4, b);
    exchange(a, b);
  }
  Holder a{0xA};
  Holder b{0xB};
  Holder c{0xC};
};

TEST_F(BoundedCounter, what_a_replica_holds_it_may_use_while_cut_off) {
  a.decrements(6);
  b.decrements(1);
  b.decrements(3);
  exchange(a, b);
  EXPECT_EQ(a.stock().value(), 0);
  EXPECT_TRUE(a.stock().holders().empty());
  EXPECT_TRUE(a.stock().exists());
}

TEST_F(BoundedCounter, a_decrement_beyond_the_rights_here_is_refused_and_says_who_holds_more) {
  const Error error = b.refused([](BoundedCounterRef counter) { return counter.decrement(5); });
  EXPECT_EQ(error.code, ErrorCode::out_of_range);
  EXPECT_EQ(error.where, "/bounded_counter:stock");
  EXPECT_EQ(error.message, "only 4 rights above the bound 0 are here, not 5; 0000000a holds 6");
  EXPECT_EQ(c.refused([](BoundedCounterRef counter) { return counter.decrement(1); }).message,
            "only 0 rights above the bound 0 are here, not 1; nobody else is known to hold any");
}

TEST_F(BoundedCounter, a_refused_decrement_leaves_the_transaction_usable) {
  b.commit([](BoundedCounterRef counter) {
    ASSERT_TRUE(counter.decrement(3).ok());
    ASSERT_FALSE(counter.decrement(2).ok());
    ASSERT_TRUE(counter.increment(1).ok());
    ASSERT_TRUE(counter.decrement(2).ok());
  });
  EXPECT_EQ(b.stock().rights_here(), 0);
  EXPECT_EQ(b.stock().value(), 6);
}

TEST_F(BoundedCounter, a_transfer_moves_rights_in_one_event) {
  const EventPtr event =
      a.commit([&](BoundedCounterRef counter) { ASSERT_TRUE(counter.transfer(6, c.id()).ok()); });
  EXPECT_EQ(a.stock().rights_here(), 0);
  EXPECT_EQ(a.stock().value(), 10);
  b.receive(event);
  EXPECT_EQ(b.stock().rights(c.id()), 6);
  EXPECT_EQ(b.stock().holders(), (std::vector<RightsHolder>{{c.id(), 6}, {b.id(), 4}}));
  EXPECT_EQ(a.refused([&](BoundedCounterRef r) { return r.transfer(1, b.id()); }).code,
            ErrorCode::out_of_range);
  EXPECT_EQ(b.refused([&](BoundedCounterRef r) { return r.transfer(1, b.id()); }).code,
            ErrorCode::invalid_argument);
  EXPECT_EQ(b.refused([](BoundedCounterRef r) { return r.transfer(1, ReplicaId()); }).code,
            ErrorCode::invalid_argument);
}

TEST_F(BoundedCounter, negative_amounts_are_invalid) {
  const auto code = [&](auto write) { return b.refused(write).code; };
  EXPECT_EQ(code([](BoundedCounterRef r) { return r.increment(-1); }), ErrorCode::invalid_argument);
  EXPECT_EQ(code([](BoundedCounterRef r) { return r.decrement(-1); }), ErrorCode::invalid_argument);
  EXPECT_EQ(code([](BoundedCounterRef r) { return r.decrement(int64_min); }),
            ErrorCode::invalid_argument);
  EXPECT_EQ(code([&](BoundedCounterRef r) { return r.transfer(-1, a.id()); }),
            ErrorCode::invalid_argument);
  EXPECT_EQ(code([](BoundedCounterRef r) { return r.ask(0); }), ErrorCode::invalid_argument);
  EXPECT_EQ(code([](BoundedCounterRef r) { return r.answer(-1); }), ErrorCode::invalid_argument);
}

TEST_F(BoundedCounter, an_increment_beyond_64_bits_is_refused) {
  EXPECT_EQ(a.refused([](BoundedCounterRef r) { return r.increment(int64_max - 9); }).code,
            ErrorCode::out_of_range);
  a.increments(int64_max - 10);
  EXPECT_EQ(a.stock().value(), int64_max);
  // What was added concurrently makes the sum larger than can be said, and is there all the same.
  b.increments(5);
  exchange(a, b);
  EXPECT_EQ(a.stock().value(), int64_max);
  EXPECT_EQ(b.stock().rights_here(), 9);
  b.decrements(9);
}

TEST_F(BoundedCounter, it_has_one_bound) {
  EXPECT_EQ(a.commit([](BoundedCounterRef r) { ASSERT_TRUE(r.create(0).ok()); }), nullptr);
  EXPECT_EQ(a.refused([](BoundedCounterRef r) { return r.create(1); }).code,
            ErrorCode::invalid_argument);
  a.removes();
  a.does([](BoundedCounterRef r) { return r.create(-3); });
  EXPECT_EQ(a.stock().value(), -3);
}

TEST(BoundedCounterBound, of_bounds_given_concurrently_the_greatest_stands) {
  Holder a(0xA);
  Holder b(0xB);
  a.does([](BoundedCounterRef r) { return r.create(-100); });
  b.does([](BoundedCounterRef r) { return r.create(20); });
  a.increments(5);
  exchange(a, b);
  EXPECT_EQ(a.stock().bound(), 20);
  EXPECT_EQ(a.stock().value(), 25);
  EXPECT_FALSE(b.commit([](BoundedCounterRef r) { ASSERT_FALSE(r.decrement(1).ok()); }));
}

TEST(BoundedCounterBound, below_zero_and_at_the_end_of_64_bits) {
  Holder a(0xA);
  a.does([](BoundedCounterRef r) { return r.create(int64_min); });
  a.increments(int64_max);
  EXPECT_EQ(a.stock().value(), -1);
  a.decrements(int64_max);
  EXPECT_EQ(a.stock().value(), int64_min);
  EXPECT_FALSE(a.commit([](BoundedCounterRef r) { ASSERT_FALSE(r.decrement(1).ok()); }));
}

TEST(BoundedCounterBound, one_that_does_not_exist_reads_as_nothing) {
  const Holder a(0xA);
  EXPECT_FALSE(a.stock().exists());
  EXPECT_EQ(a.stock().value(), 0);
  EXPECT_EQ(a.stock().rights_here(), 0);
  EXPECT_TRUE(a.stock().holders().empty());
  EXPECT_TRUE(a.stock().requests().empty());
  EXPECT_FALSE(a.stock().own_request());
  EXPECT_EQ(BoundedCounterView().rights_here(), 0);
  EXPECT_TRUE(BoundedCounterView().requests().empty());
}

// ---- Asking ----

TEST_F(BoundedCounter, a_request_is_answered_once) {
  b.asks(3, a);
  a.pull(b);
  ASSERT_EQ(a.stock().requests().size(), 1u);
  EXPECT_EQ(a.stock().requests()[0].asker, b.id());
  EXPECT_EQ(a.stock().requests()[0].amount, 3);
  EXPECT_TRUE(b.stock().requests().empty());
  ASSERT_TRUE(b.stock().own_request());
  a.answers(3);
  a.answers(0);
  exchange(a, b);
  EXPECT_FALSE(b.stock().own_request());
  EXPECT_EQ(b.stock().rights_here(), 7);
  EXPECT_EQ(b.stock().value(), 10);
  b.decrements(7);
}

TEST_F(BoundedCounter, requests_travel_through_relays) {
  c.pull(a);
  b.asks(6, a);
  Holder relay(0xD);
  relay.pull(b);
  a.pull(relay);
  a.answers(6);
  relay.pull(a);
  b.pull(relay);
  EXPECT_EQ(b.stock().rights_here(), 10);
}

TEST_F(BoundedCounter, an_answer_gives_what_can_be_spared_and_the_oldest_first) {
  c.pull(a);
  b.asks(5, a);
  c.commit([](BoundedCounterRef) {});
  c.commit([](BoundedCounterRef) {});
  c.commit([](BoundedCounterRef) {});
  c.asks(5, a);
  a.pull(b);
  a.pull(c);
  a.answers(4, 2);
  EXPECT_EQ(a.stock().rights_here(), 2);
  EXPECT_EQ(a.stock().rights(b.id()), 8);
  // Nothing was left for C, whose request stays open.
  ASSERT_EQ(a.stock().requests().size(), 1u);
  EXPECT_EQ(a.stock().requests()[0].asker, c.id());
  a.increments(1);
  a.answers(1, 2);
  EXPECT_TRUE(a.stock().requests().empty());
}

TEST_F(BoundedCounter, asking_again_for_the_same_writes_nothing_unless_there_is_somebody_else) {
  b.asks(3, a);
  EXPECT_EQ(b.commit([](BoundedCounterRef r) { ASSERT_TRUE(r.ask(3).ok()); }), nullptr);
  c.pull(a);
  c.increments(2);
  b.pull(c);
  b.asks(3, c);
  b.asks(3, a);
  b.asks(2, c);
  exchange(a, b);
  EXPECT_TRUE(a.stock().requests().empty());
  ASSERT_EQ(a.stock().all_requests().size(), 1u);
  EXPECT_EQ(a.stock().all_requests()[0].asked, c.id());
}

TEST_F(BoundedCounter, an_answer_to_a_request_that_was_replaced_meanwhile_counts_too) {
  c.pull(a);
  c.increments(5);
  exchange(b, c);
  b.asks(2, a);
  a.pull(b);
  b.asks(2, c);  // A's answer is under way
  a.answers(2);
  exchange(a, b);
  EXPECT_EQ(b.stock().rights_here(), 6);
  ASSERT_TRUE(b.stock().own_request());  // A took the former request away, not this one
  EXPECT_EQ(b.stock().own_request()->asked, c.id());
  exchange(a, c);
  a.answers(0);
  c.answers(2);
  exchange(b, c);
  EXPECT_EQ(b.stock().rights_here(), 8);
  EXPECT_EQ(b.stock().value(), 15);
}

TEST_F(BoundedCounter, a_request_may_be_withdrawn_while_it_is_answered) {
  b.asks(2, a);
  a.pull(b);
  b.does([](BoundedCounterRef r) { return r.withdraw(); });
  EXPECT_EQ(b.commit([](BoundedCounterRef r) { ASSERT_TRUE(r.withdraw().ok()); }), nullptr);
  a.answers(2);
  exchange(a, b);
  EXPECT_TRUE(a.stock().all_requests().empty());
  EXPECT_EQ(b.stock().rights_here(), 6);
}

TEST_F(BoundedCounter, nobody_is_asked_where_nobody_holds_rights) {
  EXPECT_EQ(c.refused([](BoundedCounterRef r) { return r.ask(1); }).code, ErrorCode::not_found);
  b.asks(1, a);
  a.decrements(6);
  b.pull(a);
  EXPECT_EQ(b.refused([](BoundedCounterRef r) { return r.ask(2); }).code, ErrorCode::not_found);
}

// ---- Removal ----

TEST_F(BoundedCounter, a_removal_that_did_not_see_a_decrement_does_not_bring_it_back) {
  b.removes();
  a.decrements(4);
  exchange(a, b);
  // The 6 rights that A had are gone, and it used 4 of them: it is 4 short.
  EXPECT_EQ(a.stock().value(), 0);
  EXPECT_EQ(a.stock().rights_here(), 0);
  EXPECT_FALSE(a.commit([](BoundedCounterRef r) { ASSERT_FALSE(r.decrement(1).ok()); }));
  a.increments(5);
  EXPECT_EQ(a.stock().rights_here(), 1);
  b.increments(3);
  exchange(a, b);
  EXPECT_EQ(a.stock().value(), 4);
  a.decrements(1);
  b.decrements(3);
}

TEST_F(BoundedCounter, what_was_added_or_transferred_during_a_removal_stays) {
  b.removes();
  a.increments(2);
  a.transfers(5, c);
  exchange(a, b);
  c.pull(a);
  EXPECT_EQ(a.stock().rights_here(), 0);  // 2 new ones, and 5 of those that are gone given away
  EXPECT_EQ(c.stock().rights_here(), 5);
  EXPECT_EQ(c.stock().value(), 5);
}

TEST_F(BoundedCounter, a_removal_of_a_map_above_takes_rights_and_requests_away) {
  Document document(ReplicaId::from_words(1, 1));
  Transaction first = document.begin({HybridTime{1}, "", ""});
  BoundedCounterRef counter = first.root().map("shop").bounded_counter("stock");
  ASSERT_TRUE(counter.increment(3).ok());
  ASSERT_TRUE(counter.transfer(3, a.id()).ok());
  ASSERT_TRUE(counter.ask(1).ok());
  first.commit();
  Transaction second = document.begin({HybridTime{2}, "", ""});
  ASSERT_TRUE(second.root().remove("shop", Type::map).ok());
  second.commit();
  EXPECT_FALSE(document.exists(Path().map("shop")));
  EXPECT_EQ(document.cell_count(), 0u);
  EXPECT_TRUE(document.check_invariants().ok());
}

TEST_F(BoundedCounter, a_replica_with_a_new_id_has_no_rights) {
  b.document.become(ReplicaId::from_words(0xBB, 0));
  EXPECT_EQ(b.stock().rights_here(), 0);
  EXPECT_EQ(b.stock().value(), 10);
  EXPECT_FALSE(b.commit([](BoundedCounterRef r) { ASSERT_FALSE(r.decrement(1).ok()); }));
}

// ---- Other forms ----

TEST_F(BoundedCounter, json_shows_a_number_and_imports_a_difference) {
  EXPECT_EQ(to_json(b.document)->dump(), R"({"stock":10})");
  const auto import = [&](std::int64_t value) {
    Transaction transaction = b.document.begin({HybridTime::from_millis(1), "", ""});
    const Status status = from_json(transaction, Path(), {{"stock", value}});
    transaction.commit();
    return status;
  };
  ASSERT_TRUE(import(10).ok());
  ASSERT_TRUE(import(7).ok());
  EXPECT_EQ(b.stock().rights_here(), 1);
  ASSERT_TRUE(import(9).ok());
  EXPECT_EQ(b.stock().rights_here(), 3);
  const Status refused = import(5);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::out_of_range);
  EXPECT_EQ(refused.error().where, "/bounded_counter:stock");
  EXPECT_EQ(b.stock().value(), 9);
}

TEST_F(BoundedCounter, its_parts_have_paths) {
  b.asks(1, a);
  const Path stock = Path().child(Type::bounded_counter, "stock");
  const std::string account = "/bounded_counter:stock/counter:bytes:" + b.id().to_string();
  const std::string request = "/bounded_counter:stock/register:bytes:" + b.id().to_string();
  for (const std::string& text : {account, request}) {
    const Result<Path> path = Path::parse(text);
    ASSERT_TRUE(path.ok()) << path.error().to_string();
    EXPECT_EQ(path->parent(), stock);
    EXPECT_TRUE(b.document.exists(*path));
  }
  EXPECT_EQ(Path::parse(account)->to_string().size(), account.size());
  for (const char* wrong :
       {"/bounded_counter:stock/counter:x", "/bounded_counter:stock/counter:bytes:00",
        "/bounded_counter:stock/set:bytes:000102030405060708090A0B0C0D0E0F",
        "/bounded_counter:stock/x"}) {
    EXPECT_EQ(Path::parse(wrong).error().code, ErrorCode::invalid_argument) << wrong;
  }
}

TEST_F(BoundedCounter, it_comes_back_from_the_store) {
  b.asks(1, a);
  Document loaded(b.id());
  ASSERT_TRUE(loaded.load_header(b.document.header()).ok());
  b.document.take_dirty([&](const Document::StoredCell& cell) {
    ASSERT_TRUE(cell.bytes.empty() || loaded.load_cell(cell.key, cell.bytes).ok());
  });
  ASSERT_TRUE(loaded.finish_load().ok());
  EXPECT_EQ(loaded.canonical_state(), b.document.canonical_state());
  EXPECT_EQ(loaded.root().bounded_counter("stock").rights_here(), 4);
}

}  // namespace
}  // namespace rejoin
