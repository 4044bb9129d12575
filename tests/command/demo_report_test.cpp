// What the report's page is rendered from, held against input and plan.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "demo/report/page.h"
#include "demo_feed.h"

namespace rejoin::demo {
namespace {

using Json = nlohmann::json;
using testing::HasSubstr;
using testing::Not;

class DemoReport : public testing::Test {
 protected:
  void SetUp() override { play(parse_sessions(sample_text(), "the sample", 100).value()); }

  void play(std::vector<InputSession> sessions) {
    sessions_ = std::move(sessions);
    plans_ = make_plan(sessions_);
    fed_ = FeedWriter(sessions_, plans_).write();
    story_ = Story();
    story_.historian = virginia;
    story_.start_millis = fed_from_ms;
    story_.end = 1;
    story_.homes = fed_.homes;
    story_.intervals = {{Interval::Kind::killed, virginia, 0.25, 0.5}};
    ASSERT_TRUE(story_.history.add(fed_.steps));
    for (const HistoryEvent& event : story_.history.events()) {
      story_.conversations[event.session].push_back(event.turn);
    }
  }

  static Json data_of(const std::string& page) {
    const std::string begin = "<script type=\"application/json\" id=\"data\">";
    const std::size_t from = page.find(begin) + begin.size();
    return Json::parse(page.substr(from, page.find("</script>", from) - from));
  }
  Json data() const { return data_of(render_page(story_)); }

  // By the number of the session in the input, and of the turn in its recording.
  std::size_t event_number(std::size_t session, std::size_t turn) const {
    for (std::size_t i = 0; i < fed_.written.size(); ++i) {
      const WrittenTurn& written = fed_.written[i];
      if (written.session == session && written.index == turn) return i;
    }
    throw std::logic_error("no such turn");
  }
  static bool saw(const Json& event, const Json& other) {
    return event["seen"][other["writer"].get<std::size_t>()] >= other["sequence"];
  }

  std::vector<InputSession> sessions_;
  std::vector<SessionPlan> plans_;
  Fed fed_;
  Story story_;
};

TEST_F(DemoReport, every_turn_is_there_with_its_event_node_time_and_author) {
  const Json page = data();
  EXPECT_EQ(page["source"], "virginia");
  EXPECT_EQ(page["nodes"], Json({"frankfurt", "virginia", "tokyo"}));
  EXPECT_EQ(page["start_ms"], fed_from_ms);
  EXPECT_EQ(page["intervals"],
            Json::parse(R"([{"kind":"killed","node":1,"from":250.0,"to":500.0}])"));
  ASSERT_EQ(page["events"].size(), fed_.written.size());
  ASSERT_EQ(page["sessions"].size(), sessions_.size());
  for (std::size_t i = 0; i < fed_.written.size(); ++i) {
    const WrittenTurn& written = fed_.written[i];
    const InputSession& session = sessions_[written.session];
    const agent::Turn& turn = session.turns[written.index];
    const Json& event = page["events"][i];
    const Json& writer = page["writers"][event["writer"].get<std::size_t>()];
    EXPECT_EQ(writer["replica"], written.event->replica.to_string());
    EXPECT_EQ(writer["node"], +written.region);
    EXPECT_EQ(event["sequence"], written.event->sequence);
    EXPECT_EQ(event["at"], i);
    EXPECT_EQ(event["author"], author_of(session, written.index));
    EXPECT_EQ(page["sessions"][event["session"].get<std::size_t>()]["id"], session.id);
    EXPECT_EQ(event["turn"]["id"], turn_id(session, written.index));
    EXPECT_EQ(event["turn"]["role"], agent::to_string(turn.role));
    EXPECT_EQ(event["turn"].contains("content"), turn.content.has_value());
    if (turn.content) {
      EXPECT_EQ(page["contents"][event["turn"]["content"].get<std::size_t>()], *turn.content);
    }
  }
}

TEST_F(DemoReport, tools_and_usage_are_those_of_the_recording) {
  const Json page = data();
  std::size_t calls = 0;
  for (std::size_t i = 0; i < fed_.written.size(); ++i) {
    const WrittenTurn& written = fed_.written[i];
    const agent::Turn& turn = sessions_[written.session].turns[written.index];
    const Json& event = page["events"][i];
    Json steps = Json::array();
    for (std::size_t c = 0; c < turn.tool_calls.size(); ++c) {
      const Json& call = event["turn"]["tool_calls"][c];
      EXPECT_EQ(call["name"], turn.tool_calls[c].name);
      EXPECT_EQ(call["arguments"], turn.tool_calls[c].arguments);
      steps.push_back({turn.tool_calls[c].id, 20});
      ++calls;
    }
    if (!turn.tool_call_id.empty()) steps.push_back({turn.tool_call_id, 40});
    EXPECT_EQ(event.value("steps", Json::array()), steps);
    const agent::Usage& used = plans_[written.session].usage[written.index];
    EXPECT_EQ(event.contains("used"), used != agent::Usage{});
    if (event.contains("used")) {
      EXPECT_EQ(event["used"], (Json{{"tokens_in", used.tokens_in},
                                     {"tokens_out", used.tokens_out},
                                     {"calls", used.calls}}));
    }
  }
  EXPECT_GT(calls, 20u);
}

// In a handed session each region's name replaces the one before.
TEST_F(DemoReport, preferences_name_the_event_that_they_overwrote) {
  const Json page = data();
  ASSERT_FALSE(plans_[0].shared);
  Json before;  // the event that set the region last
  std::size_t overwritten = 0;
  for (std::size_t turn = 0; turn < sessions_[0].turns.size(); ++turn) {
    const std::size_t number = event_number(0, turn);
    for (const Json& set : page["events"][number].value("preferences", Json::array())) {
      if (set["name"] != "region") continue;
      EXPECT_EQ(set["value"], region_names[fed_.written[number].region]);
      EXPECT_EQ(set["overwrote"], before.is_null() ? Json::array() : Json({before}));
      overwritten += set["overwrote"].size();
      before = number;
    }
  }
  EXPECT_GE(overwritten, 3u);
}

TEST_F(DemoReport, it_can_be_told_what_a_writer_had_seen_and_what_not) {
  const Json events = data()["events"];
  ASSERT_FALSE(plans_[0].shared);
  for (std::size_t turn = 1; turn < sessions_[0].turns.size(); ++turn) {
    const Json& event = events[event_number(0, turn)];
    EXPECT_FALSE(saw(event, event));
    for (std::size_t other = 0; other < turn; ++other) {
      EXPECT_TRUE(saw(event, events[event_number(0, other)]));
      EXPECT_FALSE(saw(events[event_number(0, other)], event));
    }
  }
  ASSERT_TRUE(plans_[3].shared);
  const auto& streams = plans_[3].phases[before];
  ASSERT_EQ(streams.size(), 2u);
  for (const PlannedTurn& one : streams[0]) {
    for (const PlannedTurn& other : streams[1]) {
      EXPECT_FALSE(saw(events[event_number(3, one.index)], events[event_number(3, other.index)]));
    }
  }
}

TEST_F(DemoReport, turns_stand_as_the_conversation_reads) {
  std::ranges::reverse(story_.conversations[sessions_[3].id]);
  const Json page = data();
  for (const Json& session : page["sessions"]) {
    std::vector<std::string> read;
    for (const Json& number : session["turns"]) {
      read.push_back(page["events"][number.get<std::size_t>()]["turn"]["id"]);
    }
    std::vector<std::string> wanted;
    for (const std::string& record : story_.conversations[session["id"].get<std::string>()]) {
      wanted.push_back(Json::parse(record)["id"]);
    }
    EXPECT_EQ(read, wanted);
  }
}

TEST_F(DemoReport, what_sessions_say_is_text_and_nothing_else) {
  const std::string evil = "</script><script>alert(1)</script><!-- & \"'>";
  const std::string line =
      Json{{"session", evil},
           {"task", {{"user_id", evil}}},
           {"turns",
            {{{"role", "user"}, {"content", evil}},
             {{"role", "assistant"},
              {"content", nullptr},
              {"tool_calls", {{{"id", "c"}, {"function", {{"name", evil}, {"arguments", evil}}}}}}},
             {{"role", "tool"}, {"tool_call_id", "c"}, {"name", evil}, {"content", evil}}}}}
          .dump();
  play(parse_sessions(line, "evil", 1).value());
  story_.input = evil;
  story_.outcome = evil;
  const std::string page = render_page(story_);
  EXPECT_THAT(page, Not(HasSubstr("alert(1)</script>")));
  EXPECT_THAT(page, Not(HasSubstr("<!--")));
  const Json read = data_of(page);
  EXPECT_EQ(read["sessions"][0]["id"], evil);
  EXPECT_EQ(read["contents"], Json({evil}));  // once, although two turns say it
  EXPECT_EQ(read["events"][1]["turn"]["tool_calls"][0]["arguments"], evil);
  EXPECT_EQ(read["events"][2]["author"], evil);
}

TEST_F(DemoReport, a_node_knows_the_turns_within_its_clock) {
  const Dot third = *fed_.written[2].event;
  NodeSample sample;
  sample.seconds = 1;
  sample.clock[third.replica.to_string()] = third.sequence;
  sample.clock[std::string(32, 'f')] = 7;  // of somebody else
  story_.samples[tokyo] = {sample};
  std::array<std::size_t, region_count> wanted{};
  for (const WrittenTurn& written : fed_.written) {
    const bool within =
        written.event->replica == third.replica && written.event->sequence <= third.sequence;
    wanted[written.region] += within ? 1 : 0;
  }
  const std::vector<Knowledge> known = knowledge_of(story_, tokyo);
  ASSERT_EQ(known.size(), 1u);
  EXPECT_EQ(known[0].turns, wanted);
  EXPECT_GT(known[0].total(), 0u);
  EXPECT_EQ(rows_of(story_)[tokyo].turns_behind_max, fed_.written.size() - known[0].total());
}

}  // namespace
}  // namespace rejoin::demo
