// The demo's checks must notice what could go wrong: each test breaks a correct export in one way.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "demo/verify.h"

namespace rejoin::demo {
namespace {

using Json = nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

// The export of nodes that did everything right, built from input and plan alone.
Json correct_export(const std::vector<InputSession>& sessions,
                    const std::vector<SessionPlan>& plans) {
  Json all = Json::object();
  for (std::size_t i = 0; i < sessions.size(); ++i) {
    const InputSession& session = sessions[i];
    Json& out = all[session.id];
    std::map<std::size_t, Region> writers;
    for (const auto& streams : plans[i].phases) {
      for (const Stream& stream : streams) {
        for (const PlannedTurn& turn : stream) {
          writers[turn.index] = turn.region;
          out["preferences"]["region"] = region_names[turn.region];
        }
      }
    }
    if (!session.user.empty()) out["preferences"]["user"] = session.user;
    out["usage"] = {{"tokens_in", 0}, {"tokens_out", 0}, {"calls", 0}};
    for (std::size_t t = 0; t < session.turns.size(); ++t) {
      agent::Turn turn = session.turns[t];
      turn.author = region_names[writers.at(t)];
      turn.id = turn_id(session, t);
      turn.time_millis = 1700000000000 + t;
      out["turns"].push_back(std::string(agent::encode_turn(turn)->as_string()));
      for (const agent::ToolCall& call : turn.tool_calls) out["steps"][call.id]["status"] = 20;
      if (!turn.tool_call_id.empty()) out["steps"][turn.tool_call_id]["status"] = 40;
      const agent::Usage& used = plans[i].usage[t];
      out["usage"]["tokens_in"] = out["usage"]["tokens_in"].get<std::int64_t>() + used.tokens_in;
      out["usage"]["tokens_out"] = out["usage"]["tokens_out"].get<std::int64_t>() + used.tokens_out;
      out["usage"]["calls"] = out["usage"]["calls"].get<std::int64_t>() + used.calls;
    }
  }
  return all;
}

class DemoVerify : public testing::Test {
 protected:
  const std::vector<InputSession> sessions_ =
      parse_sessions(sample_text(), "the sample", 100).value();
  const std::vector<SessionPlan> plans_ = make_plan(sessions_);
  Json export_ = correct_export(sessions_, plans_);
  std::vector<std::string> found() const { return differences(export_, sessions_, plans_); }
  Json& session(std::size_t number) { return export_[sessions_[number].id]; }
};

TEST_F(DemoVerify, a_correct_export_has_no_differences) { EXPECT_THAT(found(), IsEmpty()); }

TEST_F(DemoVerify, a_missing_turn_is_found) {
  session(0)["turns"].erase(2);
  EXPECT_THAT(found(), ElementsAre(HasSubstr("turn 2 is there 0 times")));
}

TEST_F(DemoVerify, a_doubled_turn_is_found) {
  session(0)["turns"].push_back(session(0)["turns"].back());
  EXPECT_THAT(found(), ElementsAre(HasSubstr("is there 2 times")));
}

TEST_F(DemoVerify, turns_out_of_order_are_found_in_a_handed_session) {
  std::swap(session(0)["turns"][1], session(0)["turns"][2]);
  EXPECT_THAT(found(), ElementsAre(HasSubstr("turn 1 comes after turn 2")));
}

TEST_F(DemoVerify, in_a_shared_session_only_the_order_of_each_region_counts) {
  ASSERT_TRUE(plans_[3].shared);
  const auto region_of = [&](std::size_t t) {
    return Json::parse(session(3)["turns"][t].get<std::string>())["author"].get<std::string>();
  };
  std::size_t differ = 0, same = 0;  // neighbours of two regions, and of one
  for (std::size_t t = 0; t + 1 < sessions_[3].turns.size(); ++t) {
    (region_of(t) == region_of(t + 1) ? same : differ) = t;
  }
  std::swap(session(3)["turns"][differ], session(3)["turns"][differ + 1]);
  EXPECT_THAT(found(), IsEmpty());
  export_ = correct_export(sessions_, plans_);
  ASSERT_EQ(region_of(same), region_of(same + 1));
  std::swap(session(3)["turns"][same], session(3)["turns"][same + 1]);
  EXPECT_THAT(found(), Not(IsEmpty()));
}

TEST_F(DemoVerify, a_changed_turn_is_found) {
  Json& text = session(1)["turns"][1];
  Json record = Json::parse(text.get<std::string>());
  record["content"] = "something else";
  text = record.dump();
  EXPECT_THAT(found(), ElementsAre(HasSubstr("turn 1 reads")));
}

TEST_F(DemoVerify, a_turn_that_nobody_wrote_is_found) {
  session(1)["turns"].push_back(R"({"id":"x","role":"user"})");
  session(2)["turns"].push_back(17);
  EXPECT_THAT(found(), ElementsAre(HasSubstr("nobody wrote"), HasSubstr("nobody wrote")));
}

TEST_F(DemoVerify, usage_that_is_off_by_one_is_found) {
  session(0)["usage"]["calls"] = session(0)["usage"]["calls"].get<int>() + 1;
  EXPECT_THAT(found(), ElementsAre(HasSubstr("calls is")));
}

TEST_F(DemoVerify, a_missing_and_a_foreign_session_are_found) {
  export_.erase(sessions_[5].id);
  export_["other"] = Json::object();
  EXPECT_THAT(found(), ElementsAre(HasSubstr("is missing"), HasSubstr("nobody wrote: other")));
}

TEST_F(DemoVerify, a_step_that_fell_back_is_found) {
  session(0)["steps"].begin().value()["status"] = 20;
  EXPECT_THAT(found(), ElementsAre(HasSubstr("has status 20, not 40")));
}

TEST_F(DemoVerify, a_region_that_did_not_write_last_is_found) {
  session(0)["preferences"]["region"] = "atlantis";
  EXPECT_THAT(found(), ElementsAre(HasSubstr("atlantis")));
}

TEST_F(DemoVerify, the_places_where_two_exports_differ_are_named) {
  Json other = export_;
  EXPECT_THAT(differences_between(export_, other), IsEmpty());
  other[sessions_[0].id]["usage"]["calls"] = -1;
  EXPECT_THAT(differences_between(export_, other),
              ElementsAre("/" + sessions_[0].id + "/usage/calls"));
}

// The plan is what the demo is about: it must contain what it promises.
TEST(DemoPlan, every_turn_is_written_once_and_no_stream_crosses_the_cut) {
  const auto sessions = parse_sessions(sample_text(), "the sample", 100).value();
  const auto plans = make_plan(sessions);
  bool cut_sides_share = false;
  std::size_t handed_over = 0;
  for (std::size_t i = 0; i < sessions.size(); ++i) {
    std::multiset<std::size_t> indexes;
    for (std::size_t phase = 0; phase < phase_count; ++phase) {
      std::set<bool> sides;
      for (const Stream& stream : plans[i].phases[phase]) {
        std::set<bool> stream_sides;
        for (std::size_t t = 0; t < stream.size(); ++t) {
          indexes.insert(stream[t].index);
          stream_sides.insert(stream[t].region == tokyo);
          if (t > 0 && stream[t].region != stream[t - 1].region) ++handed_over;
          if (t > 0) {
            EXPECT_EQ(stream[t].index, stream[t - 1].index + 1);
          }
        }
        EXPECT_TRUE(phase != apart || stream_sides.size() <= 1);
        sides.merge(stream_sides);
      }
      cut_sides_share = cut_sides_share || (phase == apart && sides.size() == 2);
      if (plans[i].shared && plans[i].phases[phase].size() == 2) {
        const auto& streams = plans[i].phases[phase];
        if (!streams[0].empty() && !streams[1].empty()) {
          EXPECT_NE(streams[0][0].region, streams[1][0].region);
        }
      }
    }
    EXPECT_EQ(indexes.size(), sessions[i].turns.size());
    EXPECT_EQ(std::set(indexes.begin(), indexes.end()).size(), sessions[i].turns.size());
  }
  EXPECT_TRUE(cut_sides_share);
  EXPECT_GT(handed_over, 0u);
}

}  // namespace
}  // namespace rejoin::demo
