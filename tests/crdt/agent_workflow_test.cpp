#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>

#include "agent_replicas.h"
#include "rejoin/crdt/agent/workflow.h"

namespace rejoin::agent {
namespace {

void advance(Replica& replica, StepStatus status, const char* detail = nullptr) {
  replica.commit([&](SessionRef& s) {
    const auto advanced =
        s.workflow().advance("book", status, detail ? std::optional<Value>(detail) : std::nullopt);
    ASSERT_TRUE(advanced.ok());
  });
}

std::optional<WorkflowStep> step_at(const Replica& replica) {
  return replica.session().workflow().step("book");
}

TEST(AgentWorkflow, a_step_that_failed_here_and_was_done_there_is_done_with_what_was_said_of_that) {
  Replica a(1, 1'000'000), b(2);
  advance(a, StepStatus::running);
  exchange(a, b);
  advance(a, StepStatus::failed, "no answer");
  advance(b, StepStatus::done, "booked R-7");
  exchange(a, b);
  for (const Replica* replica : {&a, &b}) {
    EXPECT_EQ(step_at(*replica)->status, StepStatus::done);
    EXPECT_EQ(step_at(*replica)->detail, Value("booked R-7"));
  }
}

TEST(AgentWorkflow, a_step_never_moves_back_whether_the_later_status_was_seen_or_not) {
  Replica a(1), b(2);
  advance(a, StepStatus::done, "ok");
  exchange(a, b);
  const StateHash before = b.document.hash();
  b.commit([](SessionRef& s) {
    EXPECT_EQ(s.workflow().advance("book", StepStatus::running, Value("late")).value(),
              StepStatus::done);
  });
  EXPECT_EQ(b.document.hash(), before);

  Replica c(3);
  advance(c, StepStatus::running, "unaware");
  exchange(a, c);
  EXPECT_EQ(step_at(c)->status, StepStatus::done);
  EXPECT_EQ(step_at(c)->detail, Value("ok"));
}

TEST(AgentWorkflow, a_failed_step_may_still_be_done_by_a_retry) {
  Replica a(1);
  advance(a, StepStatus::failed, "busy");
  EXPECT_EQ(step_at(a)->detail, Value("busy"));
  advance(a, StepStatus::done);
  EXPECT_EQ(step_at(a)->status, StepStatus::done);
  EXPECT_EQ(step_at(a)->detail, std::nullopt);  // not what was said of the failure
}

TEST(AgentWorkflow, a_status_of_a_newer_writer_reads_as_the_known_one_below_it) {
  Replica a(1);
  const auto store = [&](const Value& status) {
    Transaction transaction = a.document.begin({HybridTime{1000}, "", ""});
    ASSERT_TRUE(transaction.root()
                    .at(session_path("s").map("steps").map("book"))
                    .reg("status", Type::max_register)
                    .set(status)
                    .ok());
    transaction.commit();
  };
  store(Value(25));
  EXPECT_EQ(step_at(a)->status, StepStatus::running);
  a.commit([](SessionRef& s) {  // and does not pull the newer one down
    EXPECT_TRUE(s.workflow().advance("book", StepStatus::running).ok());
  });
  EXPECT_EQ(a.document.root()
                .at(session_path("s").map("steps").map("book"))
                .reg("status", Type::max_register)
                .get(),
            Value(25));
  store(Value(1000));
  EXPECT_EQ(step_at(a)->status, StepStatus::done);
}

TEST(AgentWorkflow, a_status_that_is_no_number_reads_as_pending) {
  Replica a(1);
  Transaction transaction = a.document.begin({HybridTime{1}, "", ""});
  ASSERT_TRUE(transaction.root()
                  .at(session_path("s").map("steps").map("book"))
                  .reg("status", Type::max_register)
                  .set(Value("done"))
                  .ok());
  transaction.commit();
  EXPECT_EQ(step_at(a)->status, StepStatus::pending);
}

TEST(AgentWorkflow, steps_are_listed_by_name_and_wrong_words_are_refused) {
  Replica a(1);
  a.commit([](SessionRef& s) {
    ASSERT_TRUE(s.workflow().advance("02-pay", StepStatus::pending).ok());
    ASSERT_TRUE(s.workflow().advance("01-search", StepStatus::done).ok());
    EXPECT_EQ(s.workflow().advance("", StepStatus::done).error().code, ErrorCode::invalid_argument);
    EXPECT_EQ(s.workflow().advance("x", static_cast<StepStatus>(3)).error().code,
              ErrorCode::invalid_argument);
  });
  const auto steps = a.session().workflow().steps();
  ASSERT_EQ(steps.size(), 2u);
  EXPECT_EQ(steps[0].name, "01-search");
  EXPECT_EQ(steps[0].status, StepStatus::done);
  EXPECT_EQ(steps[1].name, "02-pay");
  EXPECT_EQ(a.session().workflow().step("03"), std::nullopt);
  EXPECT_EQ(parse_step_status("over").error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(parse_step_status("failed").value(), StepStatus::failed);
}

// The number of the status; 0 for no step.
int rank_at(const Replica& replica) {
  const auto step = step_at(replica);
  return step ? static_cast<int>(step->status) : 0;
}

// The status is the greatest that anybody wrote, and never falls at any replica on the way.
RC_GTEST_PROP(AgentWorkflow, status_is_the_greatest_ever_written_and_never_falls, ()) {
  const auto statuses = rc::gen::element(StepStatus::pending, StepStatus::running,
                                         StepStatus::failed, StepStatus::done);
  std::vector<Replica> replicas;
  for (std::uint64_t n = 1; n <= 3; ++n) replicas.emplace_back(n);
  std::vector<int> last(3, 0);
  int greatest = 0;
  const int moves = *rc::gen::inRange(1, 25);
  for (int move = 0; move < moves; ++move) {
    const auto at = *rc::gen::inRange<std::size_t>(0, 3);
    if (*rc::gen::arbitrary<bool>()) {
      const StepStatus status = *statuses;
      advance(replicas[at], status);
      greatest = std::max(greatest, static_cast<int>(status));
    } else {
      replicas[at].pull(replicas[*rc::gen::inRange<std::size_t>(0, 3)]);
    }
    const int now = rank_at(replicas[at]);
    RC_ASSERT(now >= last[at]);
    last[at] = now;
  }
  for (int round = 0; round < 2; ++round) {
    for (Replica& to : replicas) {
      for (Replica& from : replicas) to.pull(from);
    }
  }
  for (const Replica& replica : replicas) RC_ASSERT(rank_at(replica) == greatest);
}

}  // namespace
}  // namespace rejoin::agent
