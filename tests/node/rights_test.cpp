// Nodes that answer requests for rights of bounded counters, and decrements that wait for them.
#include "rejoin/node/rights.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "nodes.h"
#include "temp_directory.h"

namespace rejoin::node {
namespace {

using std::chrono::microseconds;
using testing::HasSubstr;

constexpr SpaceOptions ephemeral{.durable = false};

Path stock() { return Path().child(Type::bounded_counter, Value("stock")); }

// ---- Whom a waiting decrement asks, and when ----

// One replica's document and a clock that is set by hand.
class WaitingDecrement : public testing::Test {
 protected:
  static ReplicaId id(std::uint64_t n) { return ReplicaId::from_words(n, n); }

  Result<Committed> write(const std::function<Status(Transaction&)>& write) {
    Transaction transaction = document.begin({HybridTime{++time_}, "", ""});
    if (Status status = write(transaction); !status.ok()) {
      transaction.abort();
      return status.error();
    }
    return Committed{transaction.commit(), document.clock()};
  }
  BoundedCounterView counter() const { return document.root().bounded_counter("stock"); }
  // Rights of another replica, as if it had made them itself.
  void gives(std::int64_t amount, const ReplicaId& to) {
    must(write([&](Transaction& t) {
      BoundedCounterRef c = t.root().bounded_counter("stock");
      if (Status made = c.increment(amount); !made.ok()) return made;
      return c.transfer(amount, to);
    }));
  }
  void receives(std::int64_t amount) {
    must(
        write([&](Transaction& t) { return t.root().bounded_counter("stock").increment(amount); }));
  }
  void withdraws() {
    must(write([&](Transaction& t) { return t.root().bounded_counter("stock").withdraw(); }));
  }
  std::optional<Result<Committed>> step(PatientDecrement& decrement) {
    return decrement.step(document, now, [&](const auto& w) { return write(w); });
  }
  std::optional<ReplicaId> asked() const {
    const auto request = counter().own_request();
    return request ? std::optional(request->asked) : std::nullopt;
  }

  Document document{id(1)};
  microseconds now = std::chrono::seconds(100);
  PatientDecrement::Options options{.ask_again_after = microseconds(100),
                                    .ask_again_after_max = microseconds(300)};

 private:
  std::uint64_t time_ = 0;
};

TEST_F(WaitingDecrement, is_done_at_once_where_there_are_rights) {
  receives(5);
  PatientDecrement decrement(stock(), 5, options);
  const auto outcome = step(decrement);
  ASSERT_TRUE(outcome);
  EXPECT_TRUE(outcome->ok());
  EXPECT_EQ(counter().value(), 0);
}

TEST_F(WaitingDecrement, asks_one_holder_after_the_other_and_then_anew_with_longer_waits) {
  gives(3, id(2));
  gives(9, id(3));
  gives(6, id(4));
  receives(1);
  PatientDecrement decrement(stock(), 5, options);
  std::vector<ReplicaId> asked_in_turn;
  std::vector<microseconds> waits;
  for (int i = 0; i < 9; ++i) {
    EXPECT_FALSE(step(decrement));
    ASSERT_TRUE(asked());
    asked_in_turn.push_back(*asked());
    EXPECT_EQ(counter().own_request()->amount, 4);
    waits.push_back(decrement.look_again() - now);
    EXPECT_FALSE(decrement.needs_step(document));
    now = decrement.look_again() - microseconds(1);
    EXPECT_FALSE(step(decrement));  // too early to ask another
    EXPECT_EQ(*asked(), asked_in_turn.back());
    now = decrement.look_again();
  }
  const std::vector<ReplicaId> round{id(3), id(4), id(2)};
  std::vector<ReplicaId> expected;
  for (int i = 0; i < 3; ++i) expected.insert(expected.end(), round.begin(), round.end());
  EXPECT_EQ(asked_in_turn, expected);
  EXPECT_EQ(waits.front(), microseconds(100));
  EXPECT_EQ(waits[3], microseconds(200));
  EXPECT_EQ(waits[6], microseconds(300));
}

TEST_F(WaitingDecrement, asks_the_next_at_once_when_less_was_given) {
  gives(9, id(2));
  gives(6, id(3));
  PatientDecrement decrement(stock(), 5, options);
  EXPECT_FALSE(step(decrement));
  EXPECT_EQ(asked(), id(2));
  receives(2);
  EXPECT_FALSE(decrement.needs_step(document));
  withdraws();  // as an answer takes the request away
  EXPECT_TRUE(decrement.needs_step(document));
  EXPECT_FALSE(step(decrement));
  EXPECT_EQ(asked(), id(3));
  EXPECT_EQ(counter().own_request()->amount, 3);
  receives(3);
  EXPECT_TRUE(decrement.needs_step(document));
  const auto outcome = step(decrement);
  ASSERT_TRUE(outcome && outcome->ok());
  EXPECT_EQ(counter().rights_here(), 0);
  EXPECT_FALSE(asked());
}

TEST_F(WaitingDecrement, asks_as_soon_as_somebody_holds_rights) {
  PatientDecrement decrement(stock(), 5, options);
  EXPECT_FALSE(step(decrement));
  EXPECT_FALSE(asked());
  EXPECT_FALSE(decrement.needs_step(document));
  gives(1, id(2));
  EXPECT_TRUE(decrement.needs_step(document));
  EXPECT_FALSE(step(decrement));
  EXPECT_EQ(asked(), id(2));
}

TEST_F(WaitingDecrement, leaves_the_request_of_another_its_time) {
  gives(9, id(2));
  gives(6, id(3));
  PatientDecrement first(stock(), 5, options), second(stock(), 2, options);
  EXPECT_FALSE(step(first));
  EXPECT_FALSE(step(second));
  EXPECT_EQ(counter().own_request()->amount, 5);
  receives(5);
  withdraws();
  ASSERT_TRUE(step(first));
  EXPECT_TRUE(second.needs_step(document));
  EXPECT_FALSE(step(second));
  EXPECT_EQ(counter().own_request()->amount, 2);
}

TEST_F(WaitingDecrement, that_is_given_up_says_what_there_is_and_takes_its_request_back) {
  gives(9, id(2));
  receives(1);
  PatientDecrement decrement(stock(), 5, options);
  EXPECT_FALSE(step(decrement));
  const auto outcome = decrement.give_up([&](const auto& w) { return write(w); });
  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.error().code, ErrorCode::timeout);
  EXPECT_EQ(outcome.error().where, "/bounded_counter:stock");
  EXPECT_EQ(outcome.error().message, "only 1 right above the bound 0 is here, not 5; " +
                                         id(2).short_name() + " holds 9; asked " +
                                         id(2).short_name() + " last, and not enough came in time");
  EXPECT_FALSE(asked());
}

TEST_F(WaitingDecrement, passes_other_errors_on) {
  PatientDecrement negative(stock(), -1, options);
  auto outcome = step(negative);
  ASSERT_TRUE(outcome && !outcome->ok());
  EXPECT_EQ(outcome->error().code, ErrorCode::invalid_argument);

  gives(9, id(2));
  PatientDecrement decrement(stock(), 5, options);
  const auto fails_with = [&](ErrorCode code) {
    return decrement.step(document, now, [&](const auto&) -> Result<Committed> {
      return make_error(code, "refused");
    });
  };
  EXPECT_FALSE(fails_with(ErrorCode::busy));  // later, then
  EXPECT_GT(decrement.look_again(), now);
  now = decrement.look_again();
  outcome = fails_with(ErrorCode::closed);
  ASSERT_TRUE(outcome && !outcome->ok());
  EXPECT_EQ(outcome->error().code, ErrorCode::closed);
}

// ---- Nodes ----

Status increment(Space& space, std::int64_t amount) {
  auto done = space.transact(
      [&](Transaction& t) { return t.root().bounded_counter("stock").increment(amount); });
  return done ? Status() : done.error();
}

template <class Look>
auto look(const Space& space, Look look) {
  std::optional<decltype(look(BoundedCounterView()))> seen;
  space.read([&](const Document& d) { seen = look(d.root().bounded_counter("stock")); });
  return *seen;
}
std::int64_t value(const Space& space) {
  return look(space, [](BoundedCounterView c) { return c.value(); });
}
std::int64_t rights(const Space& space) {
  return look(space, [](BoundedCounterView c) { return c.rights_here(); });
}

// Waits until something holds of a space's counter.
template <class Condition>
bool comes_to(Space& space, Condition condition) {
  Signal changed;
  const Subscription watching = space.watch({}, [&](const ChangeNotice&) { changed.raise(); });
  return changed.wait_until([&] { return look(space, condition); });
}

class Rights : public testing::Test {
 protected:
  Rights() {
    for (const char* name : {"a", "b", "c"}) {
      nodes.push_back(must(Node::open(quick_options(name))));
      spaces.push_back(must(nodes.back().open_space("s", ephemeral)));
    }
    connect_all({&nodes[0], &nodes[1], &nodes[2]});
  }
  // Every node sees the counter at this value.
  void expect_everywhere(std::int64_t wanted) {
    for (Space& space : spaces) {
      EXPECT_TRUE(comes_to(space, [&](BoundedCounterView c) { return c.value() == wanted; }));
    }
  }
  void cut_off(std::size_t i, bool cut = true) {
    for (const char* peer : {"a", "b", "c"}) nodes[i].set_link(peer, !cut);
  }

  std::vector<Node> nodes;
  std::vector<Space> spaces;
};

TEST_F(Rights, a_node_that_answers_gives_what_another_asks_for) {
  must(increment(spaces[0], 10));
  must(spaces[0].answer_requests(stock()));
  expect_everywhere(10);
  const auto receipt = spaces[1].decrement_or_ask(stock(), 4, patience);
  ASSERT_TRUE(receipt) << receipt.error().to_string();
  EXPECT_TRUE(receipt->token().clock().includes(receipt->dot()));
  expect_everywhere(6);
  EXPECT_EQ(rights(spaces[1]), 0);
  EXPECT_EQ(rights(spaces[0]), 6);
  EXPECT_TRUE(look(spaces[1], [](BoundedCounterView c) { return c.all_requests().empty(); }));
}

TEST_F(Rights, what_was_asked_before_a_node_was_told_to_answer_is_answered_too) {
  must(increment(spaces[0], 10));
  expect_everywhere(10);
  must(spaces[1].transact([](Transaction& t) -> Status {
    const auto asked = t.root().bounded_counter("stock").ask(3);
    return asked ? Status() : asked.error();
  }));
  ASSERT_TRUE(comes_to(spaces[0], [](BoundedCounterView c) { return !c.requests().empty(); }));
  must(spaces[0].answer_requests(stock()));
  EXPECT_TRUE(comes_to(spaces[1], [](BoundedCounterView c) { return c.rights_here() == 3; }));
}

TEST_F(Rights, a_node_keeps_what_it_was_told_to_and_gives_more_when_there_is_more) {
  must(increment(spaces[0], 10));
  must(spaces[0].answer_requests(stock(), 8));
  expect_everywhere(10);
  std::thread asks([&] {
    const auto receipt = spaces[1].decrement_or_ask(stock(), 4, patience);
    EXPECT_TRUE(receipt) << receipt.error().to_string();
  });
  EXPECT_TRUE(comes_to(spaces[1], [](BoundedCounterView c) { return c.rights_here() == 2; }));
  EXPECT_EQ(rights(spaces[0]), 8);
  must(increment(spaces[0], 5));
  asks.join();
  EXPECT_EQ(value(spaces[1]), 11);
  EXPECT_GE(rights(spaces[0]), 8);
}

TEST_F(Rights, who_is_cut_off_is_told_in_time_how_many_rights_are_here_and_who_holds_more) {
  must(increment(spaces[0], 10));
  must(spaces[0].answer_requests(stock()));
  expect_everywhere(10);
  cut_off(1);
  const auto began = std::chrono::steady_clock::now();
  const auto refused = spaces[1].decrement_or_ask(stock(), 4, milliseconds(200));
  const auto took = std::chrono::steady_clock::now() - began;
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::timeout);
  EXPECT_THAT(refused.error().message,
              HasSubstr("only 0 rights above the bound 0 are here, not 4; " +
                        spaces[0].status().replica.short_name() + " holds 10"));
  EXPECT_GE(took, milliseconds(200));
  EXPECT_LT(took, patience);
  EXPECT_TRUE(look(spaces[1], [](BoundedCounterView c) { return c.all_requests().empty(); }));
  cut_off(1, false);
  const auto receipt = spaces[1].decrement_or_ask(stock(), 4, patience);
  EXPECT_TRUE(receipt) << receipt.error().to_string();
}

TEST_F(Rights, when_the_richest_is_silent_another_holder_is_asked) {
  must(increment(spaces[0], 10));
  must(increment(spaces[1], 5));
  for (Space& space : spaces) must(space.answer_requests(stock()));
  expect_everywhere(15);
  cut_off(0);
  const auto receipt = spaces[2].decrement_or_ask(stock(), 3, patience);
  ASSERT_TRUE(receipt) << receipt.error().to_string();
  cut_off(0, false);
  expect_everywhere(12);
}

TEST_F(Rights, many_that_wait_at_one_node_get_all_that_there_is_and_no_more) {
  must(increment(spaces[0], 20));
  must(increment(spaces[1], 20));
  for (Space& space : spaces) must(space.answer_requests(stock()));
  expect_everywhere(40);
  std::vector<std::thread> threads;
  std::atomic<int> done = 0;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      const auto receipt = spaces[2].decrement_or_ask(stock(), 5, patience);
      EXPECT_TRUE(receipt) << receipt.error().to_string();
      done += receipt ? 1 : 0;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(done, 8);
  EXPECT_EQ(value(spaces[2]), 0);
  EXPECT_FALSE(spaces[2].decrement_or_ask(stock(), 1, milliseconds(0)));
}

TEST_F(Rights, nodes_that_answer_each_other_come_to_rest) {
  must(increment(spaces[0], 10));
  for (Space& space : spaces) must(space.answer_requests(stock()));
  expect_everywhere(10);
  ASSERT_TRUE(spaces[1].decrement_or_ask(stock(), 4, patience));
  expect_everywhere(6);
  // Of each: the increment and the answer; the request and the decrement.
  EXPECT_EQ(nodes[0].counters().events_committed, 2u);
  EXPECT_EQ(nodes[1].counters().events_committed, 2u);
  EXPECT_EQ(nodes[2].counters().events_committed, 0u);
}

TEST_F(Rights, a_node_that_stopped_answering_answers_no_more) {
  must(increment(spaces[0], 10));
  must(spaces[0].answer_requests(stock()));
  spaces[0].stop_answering(stock());
  expect_everywhere(10);
  EXPECT_FALSE(spaces[1].decrement_or_ask(stock(), 4, milliseconds(100)));
  ASSERT_TRUE(comes_to(spaces[0], [](BoundedCounterView c) { return c.all_requests().empty(); }));
  EXPECT_EQ(rights(spaces[0]), 10);
}

TEST_F(Rights, a_stopping_node_ends_the_wait) {
  std::thread waits([&] {
    const auto refused = spaces[0].decrement_or_ask(stock(), 4, patience);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::closed);
  });
  nodes[0].stop();
  waits.join();
}

TEST_F(Rights, only_bounded_counters_below_maps_are_answered_for) {
  for (const char* path : {"/counter:stock", "/stock", "/",
                           "/bounded_counter:stock/counter:bytes:"
                           "00000000000000000000000000000001"}) {
    const Path wrong = *Path::parse(path);
    EXPECT_EQ(spaces[0].answer_requests(wrong).error().code, ErrorCode::wrong_type) << path;
    EXPECT_EQ(spaces[0].decrement_or_ask(wrong, 1, patience).error().code, ErrorCode::wrong_type);
  }
  EXPECT_EQ(spaces[0].answer_requests(stock(), -1).error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(spaces[0].decrement_or_ask(stock(), -1, patience).error().code,
            ErrorCode::invalid_argument);
}

TEST(RightsOnDisk, a_node_that_is_started_again_uses_and_gives_its_rights_under_its_own_id) {
  TempDirectory directory;
  NodeOptions options = quick_options("a", directory.path());
  options.members = {"a", "b"};
  options.spaces = {{"s", true, {{stock(), 2}}}};
  TempDirectory other;
  Node b = must(Node::open(quick_options("b", other.path())));
  Space at_b = must(b.open_space("s"));
  {
    Node a = must(Node::open(options));
    Space at_a = must(a.open_space("s"));
    connect_all({&a, &b});
    must(increment(at_a, 10));
    ASSERT_TRUE(comes_to(at_b, [](BoundedCounterView c) { return c.value() == 10; }));
  }
  Node a = must(Node::open(options));
  Space at_a = must(a.open_space("s"));
  const auto refused = at_a.decrement_or_ask(stock(), 3, milliseconds(50));
  ASSERT_FALSE(refused);  // nobody was there to confirm
  EXPECT_EQ(refused.error().code, ErrorCode::timeout);
  EXPECT_THAT(refused.error().message, HasSubstr("replica id"));
  connect_all({&a, &b});
  auto receipt = at_a.decrement_or_ask(stock(), 3, patience);
  EXPECT_TRUE(receipt) << receipt.error().to_string();
  receipt = at_b.decrement_or_ask(stock(), 5, patience);
  EXPECT_TRUE(receipt) << receipt.error().to_string();
  EXPECT_TRUE(comes_to(at_a, [](BoundedCounterView c) { return c.value() == 2; }));
  EXPECT_EQ(a.counters().replica_ids_replaced, 0u);
  EXPECT_FALSE(at_b.decrement_or_ask(stock(), 1, milliseconds(100)));  // A keeps them
}

}  // namespace
}  // namespace rejoin::node
