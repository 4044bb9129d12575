// The demo must notice what could be wrong with a history: each test breaks a correct one in one
// way.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "demo_feed.h"

namespace rejoin::demo {
namespace {

using Json = nlohmann::json;
using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class DemoHistory : public testing::Test {
 protected:
  const std::vector<InputSession> sessions_ =
      parse_sessions(sample_text(), "the sample", 100).value();
  const std::vector<SessionPlan> plans_ = make_plan(sessions_);
  Fed fed_ = FeedWriter(sessions_, plans_).write();

  History history() const {
    History history;
    const Status read = history.add(fed_.steps);
    EXPECT_TRUE(read) << read.error().to_string();
    return history;
  }
  std::vector<std::string> found() const {
    return differences(history(), fed_.written, fed_.homes, sessions_, plans_);
  }
  // The event of a session's turn.
  Json& step(std::size_t session, std::size_t turn) {
    for (std::size_t i = 0; i < fed_.written.size(); ++i) {
      const WrittenTurn& written = fed_.written[i];
      if (written.session == session && written.index == turn) return fed_.steps[i];
    }
    throw std::logic_error("no such turn");
  }
  void erase(const Json& step) {
    fed_.steps.erase(std::find(fed_.steps.begin(), fed_.steps.end(), step));
  }
};

TEST_F(DemoHistory, a_correct_one_has_no_differences) {
  EXPECT_EQ(fed_.steps.size(), 108u);
  EXPECT_THAT(found(), IsEmpty());
}

TEST_F(DemoHistory, a_missing_event_is_found) {
  erase(step(0, 8));
  EXPECT_THAT(found(), ElementsAre(HasSubstr("turn repair-01/8 is in 0 events")));
}

TEST_F(DemoHistory, a_turn_that_two_events_wrote_is_found) {
  fed_.steps.push_back(step(0, 8));
  fed_.steps.back()["event"] = std::string(32, 'a') + ":99999";
  EXPECT_THAT(found(), ElementsAre(HasSubstr("turn repair-01/8 is in 2 events")));
}

TEST_F(DemoHistory, a_wrong_author_is_found) {
  step(0, 1)["author"] = "agent";
  EXPECT_THAT(found(),
              ElementsAre(AllOf(HasSubstr("author of turn repair-01/1"), HasSubstr("\"ana_17\""))));
}

TEST_F(DemoHistory, a_turn_that_another_node_wrote_is_found) {
  std::swap(fed_.homes.begin()->second, std::next(fed_.homes.begin())->second);
  EXPECT_THAT(found(), Contains(HasSubstr("was written at virginia, not at frankfurt")));
  fed_.homes.clear();
  EXPECT_THAT(found(), Contains(HasSubstr("at a node that nobody knows")));
}

TEST_F(DemoHistory, an_event_under_another_name_than_the_client_was_told_is_found) {
  ++fed_.written[3].event->sequence;
  EXPECT_THAT(found(), ElementsAre(HasSubstr("its client was told of")));
}

TEST_F(DemoHistory, a_turn_that_was_there_already_when_it_was_repeated_has_no_name_to_compare) {
  fed_.written[3].event.reset();
  EXPECT_THAT(found(), IsEmpty());
}

TEST_F(DemoHistory, writes_without_events_are_found) {
  fed_.steps.insert(
      fed_.steps.begin(),
      Json{{"missing", {{"replica", std::string(32, 'f')}, {"first", 3}, {"last", 7}}}});
  EXPECT_THAT(found(), ElementsAre(HasSubstr("5 writes are there without their events")));
}

TEST_F(DemoHistory, a_turn_that_nobody_wrote_is_found) {
  fed_.steps.push_back(step(0, 8));
  fed_.steps.back()["event"] = std::string(32, 'a') + ":99999";
  fed_.steps.back()["writes"][0]["values"][0] = R"({"id":"repair-01/9","role":"user"})";
  EXPECT_THAT(found(), ElementsAre(HasSubstr("a turn that nobody wrote: repair-01/9")));
}

TEST_F(DemoHistory, writes_that_belong_to_no_turn_are_found) {
  step(0, 2)["writes"].push_back(
      {{"write", "remove_below"}, {"path", "/map:sessions/map:order-02"}});
  EXPECT_THAT(found(), ElementsAre(HasSubstr("wrote at /map:sessions/map:order-02, which nobody")));
  step(0, 2)["writes"] = Json::array();
  EXPECT_THAT(found(), ElementsAre(HasSubstr("carries no turn"), HasSubstr("is in 0 events")));
}

// Where a session is handed over, the node must have waited for what the client had written before.
TEST_F(DemoHistory, a_turn_whose_writer_had_not_seen_the_one_before_is_found) {
  ASSERT_FALSE(plans_[0].shared);
  bool broke = false;
  for (std::size_t turn = 1; turn < sessions_[0].turns.size() && !broke; ++turn) {
    Json& dependencies = step(0, turn)["dependencies"];
    if (dependencies.empty()) continue;
    dependencies.clear();
    broke = true;
    EXPECT_THAT(found(), Contains(HasSubstr("turn repair-01/" + std::to_string(turn) +
                                            " was written without having seen repair-01/" +
                                            std::to_string(turn - 1))));
  }
  EXPECT_TRUE(broke);
}

// What is read of an event: amounts and not totals, and the event of any of its dots.
TEST_F(DemoHistory, events_are_read_with_what_they_did) {
  const History all = history();
  agent::Usage sum;
  agent::Usage planned;
  for (const HistoryEvent& event : all.events()) {
    sum.tokens_in += event.used.tokens_in;
    sum.tokens_out += event.used.tokens_out;
    sum.calls += event.used.calls;
  }
  for (const SessionPlan& plan : plans_) {
    for (const agent::Usage& used : plan.usage) {
      planned.tokens_in += used.tokens_in;
      planned.tokens_out += used.tokens_out;
      planned.calls += used.calls;
    }
  }
  EXPECT_EQ(sum, planned);
  const HistoryEvent& first = all.events().front();
  ASSERT_GT(first.id.sequence, 1u);
  EXPECT_EQ(all.find(first.id), 0u);
  EXPECT_EQ(all.find({first.id.replica, 1}), 0u);
  EXPECT_NE(all.find({first.id.replica, first.id.sequence + 1}), 0u);
  EXPECT_EQ(all.find({ReplicaId::parse(std::string(32, 'f')).value(), 1}), std::nullopt);
}

TEST(DemoHistoryText, what_is_no_feed_is_malformed) {
  for (const char* text : {R"([{}])", R"([{"event":"x"}])", R"([{"missing":{}}])", R"(["x"])",
                           R"([{"event":"0123456789abcdef0123456789abcdef:1","time_ms":1,
                                "author":"","note":"","dependencies":{"x":1},"writes":[]}])"}) {
    History history;
    const Status read = history.add(Json::parse(text));
    ASSERT_FALSE(read) << text;
    EXPECT_EQ(read.error().code, ErrorCode::malformed) << text;
  }
}

}  // namespace
}  // namespace rejoin::demo
