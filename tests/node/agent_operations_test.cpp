// What admin requests write of agent sessions.
#include <gtest/gtest.h>

#include "operations.h"
#include "rejoin/crdt/agent/session.h"

namespace rejoin::node {
namespace {

class AgentOperations : public AdminOperations {
 protected:
  agent::SessionView session() const { return agent::SessionView(document_, "s/1"); }
};

TEST_F(AgentOperations, one_request_writes_all_parts_of_a_session) {
  const auto event = apply(R"([
    {"op": "turn", "session": "s/1", "turn": {"role": "assistant", "content": "Hm.", "id": "t1"}},
    {"op": "step", "session": "s/1", "step": "search", "status": "done", "detail": 3},
    {"op": "usage", "session": "s/1", "tokens_in": 5, "calls": 1},
    {"op": "preference", "session": "s/1", "name": "seat", "value": "aisle"}])");
  ASSERT_TRUE(event.ok()) << event.error().to_string();
  ASSERT_EQ(session().turns().size(), 1u);
  EXPECT_EQ(session().turns()[0].role, agent::Role::assistant);
  EXPECT_EQ(session().turns()[0].content, "Hm.");
  EXPECT_EQ(session().workflow().step("search")->status, agent::StepStatus::done);
  EXPECT_EQ(session().workflow().step("search")->detail, Value(3));
  EXPECT_EQ(session().usage().get(), (agent::Usage{5, 0, 1}));
  EXPECT_EQ(session().preferences().get("seat"), Value("aisle"));
}

TEST_F(AgentOperations, a_repeated_request_writes_nothing_of_what_belongs_to_its_turn) {
  const char* request = R"([
    {"op": "usage", "session": "s/1", "calls": 1},
    {"op": "turn", "session": "s/1", "turn": {"role": "user", "id": "t1"}, "once": true},
    {"op": "usage", "session": "s/1", "tokens_in": 9}])";
  ASSERT_NE(apply(request).value(), nullptr);
  EXPECT_EQ(apply(request).value(), nullptr);
  EXPECT_EQ(session().turn_entries(), 1u);
  EXPECT_EQ(session().usage().get(), (agent::Usage{9, 0, 1}));
}

TEST_F(AgentOperations, what_is_wrong_is_refused_by_name_and_nothing_is_written) {
  expect_refused(R"([{"op": "usage", "session": "s/1", "calls": 1},
                     {"op": "turn", "session": "s/1", "turn": {"role": "wizard"}}])",
                 "wizard");
  expect_refused(R"([{"op": "turn", "session": "s/1"}])", "turn");
  expect_refused(R"([{"op": "turn", "turn": {"role": "user"}}])", "session");
  expect_refused(R"([{"op": "turn", "session": "s/1", "turn": {"role": "user"}, "one": true}])",
                 "one");
  expect_refused(R"([{"op": "turn", "session": "s/1", "turn": {"role": "user"}, "once": true}])",
                 "id");
  expect_refused(R"([{"op": "step", "session": "s/1", "step": "x", "status": "over"}])", "over");
  expect_refused(R"([{"op": "usage", "session": "s/1", "calls": -1}])", "calls");
  expect_refused(R"([{"op": "usage", "session": "s/1", "calls": 1.5}])", "calls");
  expect_refused(R"([{"op": "preference", "session": "s/1", "name": "", "value": 1}])", "name");
  expect_refused(R"([{"op": "preference", "session": "s/1", "name": "x"}])", "value");
}

TEST_F(AgentOperations, a_session_without_an_id_is_refused) {
  expect_refused(R"([{"op": "usage", "session": "", "calls": 1}])", "session");
}

}  // namespace
}  // namespace rejoin::node
