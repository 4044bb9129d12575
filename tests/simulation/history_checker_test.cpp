// Small histories, right and wrong ones, and what the checker says of them.
#include "check/history_checker.h"

#include <gtest/gtest.h>

namespace rejoin::simulation {
namespace {

// Two nodes, n1 and n2, two registers, x and y, and two clients. Everything happens a second after
// what was before it.
class History : public ::testing::Test {
 protected:
  using Cells = std::vector<HistoryChecker::Cell>;
  static constexpr NodeIndex n1 = 0, n2 = 1;

  HistoryChecker checker{{"n1", "n2"}};
  const HistoryChecker::Place x = checker.place("x"), y = checker.place("y");
  const HistoryChecker::Session alice = checker.begin_session("alice");
  const HistoryChecker::Session bob = checker.begin_session("bob");
  int now = 0;

  Duration next() { return std::chrono::seconds(++now); }
  HistoryChecker::WriteNumber write(HistoryChecker::Session who, NodeIndex node, Cells cells) {
    return checker.write({who, node, next(), std::move(cells)});
  }
  // Empty when nothing is wrong; else "<promise>: <what>".
  std::string read(HistoryChecker::Session who, NodeIndex node, Cells cells) {
    const auto wrong = checker.read({who, node, next(), std::move(cells)});
    return wrong ? std::string(to_string(wrong->promise)) + ": " + wrong->what : "";
  }
  std::string look(NodeIndex node, Cells cells) {
    return read(checker.onlooker(), node, std::move(cells));
  }
  void receipt(HistoryChecker::WriteNumber write, NodeIndex by, NodeIndex keeper) {
    checker.receipt(write, by, keeper, next());
  }
  void lose_disk(NodeIndex node) {
    checker.process_ended(node);
    checker.disk_lost(node, next());
  }
};

// ---- What must not be ----

TEST_F(History, own_write_is_missing_where_the_token_went) {
  write(alice, n1, {{x, 1}});
  EXPECT_EQ(read(alice, n2, {{x, 0}}),
            "token: alice reads x = nothing at n2 at 2.000 s, although alice wrote 1 there at n1 "
            "at 1.000 s: it does not read its own write");
}

TEST_F(History, own_write_is_replaced_by_what_it_had_seen) {
  write(bob, n1, {{x, 1}});
  ASSERT_EQ(read(alice, n1, {{x, 1}}), "");
  write(alice, n1, {{x, 2}});
  EXPECT_EQ(read(alice, n2, {{x, 1}}),
            "token: alice reads x = 1 at n2 at 4.000 s, although alice wrote 2 there at n1 at "
            "3.000 s: it does not read its own write");
}

TEST_F(History, what_was_read_is_missing_where_the_token_went) {
  write(bob, n1, {{x, 1}});
  ASSERT_EQ(read(alice, n1, {{x, 1}}), "");
  checker.carry(alice);
  EXPECT_EQ(read(alice, n2, {{x, 0}}),
            "token: alice reads x = nothing at n2 at 3.000 s, although bob wrote 1 there at n1 at "
            "1.000 s, which its causal token stands for: it reads less than before");
}

TEST_F(History, what_was_read_goes_away_at_the_same_node) {
  write(bob, n1, {{x, 1}});
  ASSERT_EQ(read(alice, n1, {{x, 1}}), "");
  EXPECT_EQ(read(alice, n1, {{x, 0}}),
            "token: alice reads x = nothing at n1 at 3.000 s, although bob wrote 1 there at n1 at "
            "1.000 s, which it has seen at this node: it reads less than before");
}

// What alice saw in bob's write is in her token, too, although she did not look there.
TEST_F(History, token_stands_for_what_the_writer_had_seen) {
  write(bob, n1, {{x, 1}});
  write(bob, n1, {{y, 2}});
  ASSERT_EQ(read(alice, n1, {{y, 2}}), "");
  checker.carry(alice);
  EXPECT_NE(read(alice, n2, {{x, 0}}), "");
}

TEST_F(History, cause_of_what_is_read_is_missing) {
  write(alice, n1, {{x, 1}});
  ASSERT_EQ(read(bob, n1, {{x, 1}}), "");
  write(bob, n1, {{y, 2}});
  EXPECT_EQ(look(n2, {{y, 2}, {x, 0}}),
            "causality: an onlooker reads x = nothing at n2 at 4.000 s, although alice wrote 1 "
            "there at n1 at 1.000 s, and that was seen by whoever wrote what it reads in y: bob "
            "wrote 2 there at n1 at 3.000 s");
}

TEST_F(History, cause_is_missing_over_several_clients_and_nodes) {
  const auto carol = checker.begin_session("carol");
  write(alice, n1, {{x, 1}});
  ASSERT_EQ(read(bob, n2, {{x, 1}}), "");
  write(bob, n2, {{y, 2}});
  ASSERT_EQ(read(carol, n1, {{y, 2}}), "");
  write(carol, n1, {{y, 3}});
  EXPECT_NE(look(n2, {{x, 0}, {y, 3}}), "");
}

TEST_F(History, overwritten_value_is_read_beside_what_came_after) {
  write(alice, n1, {{x, 1}});
  write(alice, n1, {{x, 2}});
  write(alice, n1, {{y, 3}});
  EXPECT_NE(look(n2, {{x, 1}, {y, 3}}), "");
  EXPECT_EQ(look(n2, {{x, 2}, {y, 3}}), "");
}

TEST_F(History, transaction_is_seen_in_part) {
  write(alice, n1, {{x, 1}, {y, 1}});
  EXPECT_EQ(look(n2, {{x, 1}, {y, 0}}),
            "whole_transactions: an onlooker reads y = nothing at n2 at 2.000 s, although it also "
            "reads x = 1 of the transaction in which alice wrote 1 there at n1 at 1.000 s: a "
            "transaction is seen in part");
}

TEST_F(History, later_part_of_a_transaction_is_seen_beside_what_it_replaced) {
  write(alice, n1, {{x, 1}, {y, 1}});
  write(alice, n1, {{x, 2}, {y, 2}});
  EXPECT_NE(look(n2, {{x, 1}, {y, 2}}), "");
}

TEST_F(History, half_of_each_of_two_concurrent_transactions_is_seen) {
  write(alice, n1, {{x, 1}, {y, 1}});
  write(bob, n2, {{x, 2}, {y, 2}});
  EXPECT_EQ(look(n1, {{x, 1}, {y, 2}}),
            "whole_transactions: an onlooker reads x = 1 at n1 at 3.000 s (alice wrote 1 "
            "there at n1 at 1.000 s) and y = 2 (bob wrote 2 there at n2 at 2.000 s): each of these "
            "two transactions wrote both, and half of each is seen");
}

TEST_F(History, acknowledged_write_is_gone_after_a_crash) {
  receipt(write(alice, n1, {{x, 1}}), n1, n1);
  checker.process_ended(n1);
  EXPECT_EQ(look(n1, {{x, 0}}),
            "receipt: an onlooker reads x = nothing at n1 at 3.000 s, although alice wrote 1 there "
            "at n1 at 1.000 s, of which n1 said at 2.000 s that it is durable at n1");
}

TEST_F(History, write_said_to_be_at_another_node_is_not_there) {
  receipt(write(alice, n1, {{x, 1}}), n1, n2);
  EXPECT_EQ(look(n2, {{x, 0}}),
            "receipt: an onlooker reads x = nothing at n2 at 3.000 s, although alice wrote 1 there "
            "at n1 at 1.000 s, of which n1 said at 2.000 s that it is durable at n2");
}

TEST_F(History, what_an_acknowledged_write_followed_on_is_gone_after_a_crash) {
  write(alice, n1, {{x, 1}});
  receipt(write(alice, n1, {{y, 2}}), n1, n1);
  checker.process_ended(n1);
  EXPECT_EQ(look(n1, {{y, 2}, {x, 0}}),
            "receipt: an onlooker reads x = nothing at n1 at 4.000 s, although alice wrote 1 there "
            "at n1 at 1.000 s, and what followed on it at 2.000 s, of which n1 said at 3.000 s "
            "that it is durable at n1");
}

TEST_F(History, acknowledged_write_never_reaches_another_node) {
  receipt(write(alice, n1, {{x, 1}}), n1, n1);
  ASSERT_EQ(look(n2, {{x, 0}}), "");
  checker.all_agree();
  EXPECT_NE(look(n2, {{x, 0}}), "");
}

TEST_F(History, write_at_two_nodes_is_gone_although_one_kept_its_disk) {
  const auto written = write(alice, n1, {{x, 1}});
  receipt(written, n1, n1);
  receipt(written, n1, n2);
  lose_disk(n1);
  checker.all_agree();
  EXPECT_NE(look(n1, {{x, 0}}), "");
}

TEST_F(History, value_that_nobody_wrote_is_read) {
  EXPECT_EQ(look(n1, {{x, 7}}),
            "state: an onlooker reads x = 7 at n1 at 1.000 s, which nobody wrote");
}

TEST_F(History, removed_value_is_read_beside_what_came_after) {
  write(alice, n1, {{x, 1}});
  write(alice, n1, {{x, 0}});
  write(alice, n1, {{y, 2}});
  EXPECT_EQ(look(n2, {{x, 1}, {y, 2}}),
            "causality: an onlooker reads x = 1 at n2 at 4.000 s, although alice removed what was "
            "there at n1 at 2.000 s, and that was seen by whoever wrote what it reads in y: alice "
            "wrote 2 there at n1 at 3.000 s");
}

TEST_F(History, removal_takes_half_of_a_transaction) {
  write(alice, n1, {{x, 1}, {y, 1}});
  write(bob, n2, {{x, 0}, {y, 0}});
  EXPECT_NE(look(n1, {{x, 1}, {y, 0}}), "");
}

TEST_F(History, write_is_gone_although_nothing_was_removed_since) {
  write(bob, n1, {{x, 0}});
  write(alice, n1, {{x, 1}});
  EXPECT_NE(read(alice, n1, {{x, 0}}), "");
}

// ---- What looks odd and is right ----

TEST_F(History, removal_takes_what_its_client_had_not_read) {
  write(alice, n1, {{x, 1}, {y, 1}});
  ASSERT_EQ(read(alice, n1, {{x, 1}, {y, 1}}), "");
  write(bob, n1, {{x, 0}, {y, 0}});
  EXPECT_EQ(read(alice, n1, {{x, 0}, {y, 0}}), "");
}

TEST_F(History, write_survives_a_concurrent_removal) {
  write(bob, n2, {{x, 0}});
  write(alice, n1, {{x, 1}});
  EXPECT_EQ(look(n2, {{x, 1}}), "");
}

TEST_F(History, removal_takes_one_transaction_and_not_a_concurrent_one) {
  write(alice, n1, {{x, 1}});
  write(alice, n2, {{y, 2}});
  write(bob, n1, {{x, 0}, {y, 0}});
  EXPECT_EQ(read(alice, n2, {{x, 0}, {y, 2}}), "");
}

TEST_F(History, either_of_two_concurrent_writes_may_be_read) {
  write(alice, n1, {{x, 1}});
  write(bob, n2, {{x, 2}});
  EXPECT_EQ(read(alice, n2, {{x, 2}}), "");
  EXPECT_EQ(read(bob, n1, {{x, 1}}), "");
  // And not the same one at different nodes: which of them wins is not asked here.
  EXPECT_EQ(read(alice, n1, {{x, 1}}), "");
}

TEST_F(History, other_half_of_a_transaction_may_be_replaced_by_a_later_write) {
  write(alice, n1, {{x, 1}, {y, 1}});
  ASSERT_EQ(read(bob, n1, {{x, 1}, {y, 1}}), "");
  write(bob, n1, {{y, 2}});
  EXPECT_EQ(look(n2, {{x, 1}, {y, 2}}), "");
}

TEST_F(History, client_without_a_token_may_read_less_elsewhere) {
  write(bob, n1, {{x, 1}});
  ASSERT_EQ(read(alice, n1, {{x, 1}}), "");
  EXPECT_EQ(read(alice, n2, {{x, 0}}), "");
}

TEST_F(History, client_that_forgot_what_it_read_elsewhere_does_not_build_on_it) {
  write(bob, n1, {{x, 1}});
  ASSERT_EQ(read(alice, n1, {{x, 1}}), "");
  write(alice, n2, {{y, 2}});
  EXPECT_EQ(look(n2, {{y, 2}, {x, 0}}), "");
}

TEST_F(History, crash_may_take_what_no_receipt_was_given_for) {
  write(alice, n1, {{x, 1}});
  ASSERT_EQ(read(bob, n1, {{x, 1}}), "");
  checker.process_ended(n1);
  EXPECT_EQ(read(bob, n1, {{x, 0}}), "");
  checker.all_agree();
  EXPECT_EQ(look(n2, {{x, 0}}), "");
}

TEST_F(History, new_session_of_a_client_promises_nothing_of_the_old_one) {
  write(alice, n1, {{x, 1}});
  checker.process_ended(n1);
  const auto anew = checker.begin_session("alice again");
  EXPECT_EQ(read(anew, n1, {{x, 0}}), "");
}

TEST_F(History, receipt_ends_with_the_disk) {
  receipt(write(alice, n1, {{x, 1}}), n1, n1);
  lose_disk(n1);
  EXPECT_EQ(look(n1, {{x, 0}}), "");
  checker.all_agree();
  EXPECT_EQ(look(n2, {{x, 0}}), "");
}

// n1 may have heard of it from the disk that n2 had before.
TEST_F(History, receipt_may_tell_of_the_disk_that_another_node_had_before) {
  const auto written = write(alice, n1, {{x, 1}});
  lose_disk(n2);
  receipt(written, n1, n2);
  EXPECT_EQ(look(n2, {{x, 0}}), "");
}

TEST_F(History, receipt_for_a_write_after_the_loss_counts_again) {
  lose_disk(n2);
  receipt(write(alice, n1, {{x, 1}}), n1, n2);
  EXPECT_NE(look(n2, {{x, 0}}), "");
}

TEST_F(History, node_knows_its_own_new_disk) {
  const auto written = write(alice, n1, {{x, 1}});
  lose_disk(n2);
  receipt(written, n2, n2);
  EXPECT_NE(look(n2, {{x, 0}}), "");
}

}  // namespace
}  // namespace rejoin::simulation
