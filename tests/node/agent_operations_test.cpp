// What admin requests write of agent sessions.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "admin_operations.h"
#include "rejoin/crdt/agent/session.h"
#include "rejoin/crdt/document.h"
#include "rejoin/crdt/transaction.h"

namespace rejoin::node {
namespace {

using Json = nlohmann::json;

class AgentOperations : public testing::Test {
 protected:
  // The event that the operations made; null when they wrote nothing. As the node does, an error
  // undoes all of them.
  Result<EventPtr> apply(const char* operations) {
    Transaction transaction = document_.begin({HybridTime{++time_}, "", ""});
    if (auto ok = apply_operations(transaction, Json::parse(operations)); !ok) return ok.error();
    return transaction.commit();
  }
  void expect_refused(const char* operations, const char* names) {
    const std::string before = document_.canonical_state();
    const auto outcome = apply(operations);
    ASSERT_FALSE(outcome.ok()) << operations;
    EXPECT_EQ(outcome.error().code, ErrorCode::invalid_argument) << outcome.error().to_string();
    EXPECT_NE(outcome.error().message.find(names), std::string::npos)
        << outcome.error().to_string();
    EXPECT_EQ(document_.canonical_state(), before);
  }
  agent::SessionView session() const { return agent::SessionView(document_, "s/1"); }

  Document document_{ReplicaId::from_words(1, 2)};
  std::uint64_t time_ = 0;
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
