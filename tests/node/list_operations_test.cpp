// What admin requests do to lists, and to the maps in them.
#include "operations.h"

namespace rejoin::node {
namespace {

using ListOperations = AdminOperations;

TEST_F(ListOperations, objects_become_maps_and_elements_move) {
  ASSERT_TRUE(apply(R"([{"op": "push", "path": "/plan", "values": [{"task": "pay"}, 1, 2]},
                        {"op": "insert", "path": "/plan", "index": 1, "value": {"task": "fly"}},
                        {"op": "move", "path": "/plan", "from": 3, "to": 0}])")
                  .ok());
  EXPECT_EQ(exported(), R"({"plan":[2,{"task":"pay"},{"task":"fly"},1]})");
}

TEST_F(ListOperations, operations_reach_into_an_element_that_is_a_map) {
  ASSERT_TRUE(
      apply(R"([{"op": "push", "path": "/l", "values": [0, {"n": {"steps": [{}]}}]}])").ok());
  ASSERT_TRUE(apply(R"([{"op": "within", "path": "/l", "index": 1, "ops": [
                          {"op": "set", "path": "/title", "value": "Trip"},
                          {"op": "add", "path": "/n/cost", "amount": 3},
                          {"op": "import", "json": {"a": [1]}, "remove_missing": false},
                          {"op": "import", "path": "/m", "json": {"b": true}},
                          {"op": "within", "path": "/n/steps", "index": 0, "ops": [
                            {"op": "flag", "path": "/done", "on": true}]}]}])")
                  .ok());
  EXPECT_EQ(exported(), R"({"l":[0,{"a":[1],"m":{"b":true},"n":{"cost":3,"steps":[{"done":true}]},)"
                        R"("title":"Trip"}]})");
}

TEST_F(ListOperations, a_move_is_one_write_and_the_element_stays_the_same) {
  ASSERT_TRUE(apply(R"([{"op": "push", "path": "/l", "values": [{"a": 1}, 2, 3]}])").ok());
  Document other(ReplicaId::from_words(3, 4));
  ASSERT_TRUE(other.join(document_).ok());
  {
    Transaction transaction = other.begin({HybridTime{++time_}, "", ""});
    ASSERT_TRUE(transaction.root().list("l").map(0)->reg("b").set(true).ok());
    transaction.commit();
  }
  const auto moved = apply(R"([{"op": "move", "path": "/l", "from": 0, "to": 2}])");
  ASSERT_TRUE(moved.ok());
  EXPECT_EQ((*moved)->first(), (*moved)->last());
  ASSERT_TRUE(document_.join(other).ok());
  EXPECT_EQ(exported(), R"({"l":[2,3,{"a":1,"b":true}]})");
}

TEST_F(ListOperations, what_is_wrong_is_refused_and_nothing_is_written) {
  ASSERT_TRUE(apply(R"([{"op": "push", "path": "/l", "values": [1, {"x": 2}]}])").ok());
  const auto out_of_range = ErrorCode::out_of_range;
  const auto wrong_type = ErrorCode::wrong_type;
  expect_refused(R"([{"op": "move", "path": "/l", "from": 2, "to": 0}])", "list of 2",
                 out_of_range);
  expect_refused(R"([{"op": "move", "path": "/l", "from": 0, "to": -1}])", "list of 2",
                 out_of_range);
  expect_refused(R"([{"op": "move", "path": "/l", "from": 0}])", "\"to\" is missing");
  expect_refused(R"([{"op": "move", "path": "/log:l", "from": 0, "to": 1}])",
                 "does not apply to a log", wrong_type);
  expect_refused(R"([{"op": "push", "path": "/l", "value": [1]}])", "an array holds an array",
                 wrong_type);
  expect_refused(R"([{"op": "push", "path": "/l", "values": {"x": 2}}])", "must be an array");
  expect_refused(R"([{"op": "push", "path": "/log:g", "value": {"x": 2}}])", "\"value\" must be");
  expect_refused(R"([{"op": "within", "path": "/l", "index": 0, "ops": []}])", "is a value",
                 wrong_type);
  expect_refused(R"([{"op": "within", "path": "/l", "index": 2, "ops": []}])", "list of 2",
                 out_of_range);
  expect_refused(R"([{"op": "within", "path": "/l", "index": 1, "ops": {}}])", "must be an array");
  expect_refused(R"([{"op": "within", "path": "/l", "index": 1, "ops": [
                      {"op": "set", "path": "/x", "value": 3},
                      {"op": "usage", "session": "s", "calls": 1}]}])",
                 "\"usage\" is not known here");
}

}  // namespace
}  // namespace rejoin::node
