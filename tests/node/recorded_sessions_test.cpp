// The recorded sessions, written in three regions and looked back at.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <future>
#include <nlohmann/json.hpp>
#include <random>
#include <span>
#include <thread>

#include "../recorded_data.h"
#include "demo/input.h"
#include "nodes.h"
#include "rejoin/crdt/agent/session.h"
#include "rejoin/crdt/json.h"
#include "session_log.h"
#include "temp_directory.h"

namespace rejoin::node {
namespace {

using demo::InputSession;
using nlohmann::json;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using testing::UnorderedElementsAreArray;

constexpr std::array<const char*, 3> region_names = {"frankfurt", "virginia", "tokyo"};
constexpr std::size_t frankfurt = 0;
constexpr std::size_t virginia = 1;
constexpr std::size_t tokyo = 2;

// Turns of a session that one region appends, after it has what an earlier one wrote.
struct Stretch {
  std::size_t session = 0;
  std::vector<std::size_t> turns;
  std::shared_future<CausalToken> after;  // not valid: it waits for nothing
  std::promise<CausalToken> written;
};
using Plan = std::array<std::vector<std::unique_ptr<Stretch>>, region_names.size()>;

// Every third session is written in all regions at once, the others are handed from one to the
// next. What one region waits for comes before whatever another one does for it.
Plan plan_of(std::size_t first, std::size_t last, const std::vector<InputSession>& sessions,
             bool tokyo_is_cut_off) {
  Plan plan;
  std::vector<std::shared_future<CausalToken>> handed(last);
  for (std::size_t round = 0; round < region_names.size(); ++round) {
    for (std::size_t session = first; session < last; ++session) {
      auto stretch = std::make_unique<Stretch>();
      stretch->session = session;
      std::size_t region = (session + round) % region_names.size();
      const std::size_t turns = sessions[session].turns.size();
      const bool shared = session / region_names.size() % 3 == 0;
      for (std::size_t turn = 0; turn < turns; ++turn) {
        const std::size_t its_round =
            shared ? turn / 2 % region_names.size() : turn * region_names.size() / turns;
        if (its_round == round) stretch->turns.push_back(turn);
      }
      if (!shared) {
        if (tokyo_is_cut_off) {
          region = session % 3 == tokyo ? tokyo : (session + round) % tokyo;
        }
        stretch->after = std::exchange(handed[session], stretch->written.get_future().share());
      }
      if (!stretch->turns.empty()) plan[region].push_back(std::move(stretch));
    }
  }
  return plan;
}

struct Region {
  std::size_t index = 0;
  std::string directory;
  std::optional<Node> node;
  std::optional<Space> space;
  std::vector<LoggedTurn> log;
  Receipt last;

  std::string name() const { return region_names[index]; }
  void open() {
    node.emplace(must(Node::open(quick_options(name(), directory))));
    space.emplace(must(node->open_space("sessions", {.durable = true, .history = true})));
  }
};

class RecordedSessions : public testing::Test {
 protected:
  void SetUp() override {
    REJOIN_SKIP_WITHOUT(recorded_sessions());
    const std::string text = must(demo::read_text(recorded_sessions()));
    sessions_ = must(demo::parse_sessions(text, recorded_sessions(), 200));
    ASSERT_THAT(sessions_, SizeIs(200));
    for (std::size_t i = 0; i < regions_.size(); ++i) {
      regions_[i].index = i;
      regions_[i].directory = directory_.file(region_names[i]);
      regions_[i].open();
    }
    connect();
  }

  void connect() { connect_all({&*regions_[0].node, &*regions_[1].node, &*regions_[2].node}); }

  void restart(Region& region) {
    region.space.reset();
    region.node.reset();
    region.open();
    connect();
  }

  void append(Region& region, const Stretch& stretch, std::size_t index) {
    const InputSession& session = sessions_[stretch.session];
    agent::Turn turn = session.turns[index];
    turn.author = region.name();
    turn.id = session.id + "/" + std::to_string(index);
    LoggedTurn logged;
    logged.session = stretch.session;
    logged.author = region.name();
    logged.note = "turn " + std::to_string(index);
    logged.record = record_of(turn).dump();
    if (turn.role == agent::Role::assistant) {
      logged.usage = {static_cast<std::int64_t>(index + 1), 7, 1};
    }
    if (index == stretch.turns.front()) logged.desk = LoggedTurn::Desk::taken;
    if (index + 1 == session.turns.size()) logged.desk = LoggedTurn::Desk::left;
    region.last = must(region.space->transact(
        {logged.author, logged.note}, [&](Transaction& transaction) -> Status {
          agent::SessionRef to(transaction, session.id);
          if (auto ok = to.append(turn); !ok) return ok;
          if (logged.usage.calls > 0) {
            if (auto ok = to.usage().add(logged.usage); !ok) return ok;
          }
          switch (logged.desk) {
            case LoggedTurn::Desk::stays:
              return {};
            case LoggedTurn::Desk::taken:
              return to.preferences().set("desk", logged.author);
            case LoggedTurn::Desk::left:
              return to.preferences().remove("desk");
          }
          return {};
        }));
    logged.event = region.last.dot();
    logged.seen = region.last.token().clock();
    region.log.push_back(std::move(logged));
  }

  // As docs/agent-state.md says that a turn is written down.
  static json record_of(const agent::Turn& turn) {
    json record = {{"role", agent::to_string(turn.role)}, {"author", turn.author}, {"id", turn.id}};
    if (turn.content) record["content"] = *turn.content;
    if (!turn.name.empty()) record["name"] = turn.name;
    if (!turn.tool_call_id.empty()) record["tool_call_id"] = turn.tool_call_id;
    for (const agent::ToolCall& call : turn.tool_calls) {
      record["tool_calls"].push_back(
          {{"id", call.id}, {"name", call.name}, {"arguments", call.arguments}});
    }
    return record;
  }

  // When it fails, so do those who wait for what it would have written.
  void write(Region& region, std::vector<std::unique_ptr<Stretch>> stretches, bool restarts) {
    for (std::size_t i = 0; i < stretches.size(); ++i) {
      if (restarts && i == stretches.size() / 2) restart(region);
      Stretch& stretch = *stretches[i];
      if (stretch.after.valid()) must(region.space->wait_for(stretch.after.get(), patience));
      for (const std::size_t turn : stretch.turns) append(region, stretch, turn);
      must(region.last.wait_durable(patience));
      stretch.written.set_value(region.last.token());
    }
  }

  // All regions at once.
  void write(Plan plan, std::optional<std::size_t> restarts = std::nullopt) {
    std::vector<std::future<void>> writers;
    for (Region& region : regions_) {
      writers.push_back(std::async(std::launch::async, [this, &region, &plan, restarts] {
        write(region, std::move(plan[region.index]), restarts == region.index);
      }));
    }
    for (std::size_t i = 0; i < writers.size(); ++i) {
      EXPECT_NO_THROW(writers[i].get()) << region_names[i];
    }
  }

  // Tokyo is cut off during the second third, Virginia starts anew during the last, in which Tokyo
  // catches up.
  SessionLog load() {
    const std::size_t third = sessions_.size() / 3;
    write(plan_of(0, third, sessions_, false));
    for (const std::size_t other : {frankfurt, virginia}) {
      regions_[tokyo].node->set_link(region_names[other], false);
    }
    write(plan_of(third, 2 * third, sessions_, true));
    for (const std::size_t other : {frankfurt, virginia}) {
      EXPECT_FALSE(
          regions_[other].space->wait_for(regions_[tokyo].space->token(), milliseconds(0)));
      regions_[tokyo].node->set_link(region_names[other], true);
    }
    write(plan_of(2 * third, sessions_.size(), sessions_, false), virginia);

    std::vector<std::string> names;
    for (const InputSession& session : sessions_) names.push_back(session.id);
    std::vector<LoggedTurn> turns;
    for (Region& region : regions_) {
      std::move(region.log.begin(), region.log.end(), std::back_inserter(turns));
    }
    return SessionLog(std::move(names), std::move(turns));
  }

  const Space& space(std::size_t region) const { return *regions_[region].space; }

  // Everybody has everything, with its history.
  void converge(const SessionLog& log) {
    for (Region& region : regions_) must(region.last.wait_on_peers(2, patience));
    for (const Region& region : regions_) {
      EXPECT_TRUE(eventually([&] {
        return must(region.space->missing_history()).empty() &&
               must(region.space->version_until(HybridTime{~std::uint64_t{0}})) == log.all();
      })) << region.name();
    }
  }

  // Of a whole space or one session at a version, at all nodes; it is the same, and what the log
  // says.
  json state_at(const SessionLog& log, const Clock& version,
                std::optional<std::size_t> session = std::nullopt) {
    const Path place = session ? agent::session_path(log.name(*session)) : Path();
    const Document past = must(space(frankfurt).at(version, place));
    for (const std::size_t other : {virginia, tokyo}) {
      EXPECT_EQ(must(space(other).at(version, place)).hash(), past.hash())
          << region_names[other] << " at " << version.to_string();
    }
    if (session && !past.exists(place)) {
      EXPECT_THAT(log.turns_of(*session, version), IsEmpty());
      return json::object();
    }
    json shown = must(to_json(past, place));
    const json logged =
        session ? log.session_at(*session, version, shown) : log.state_at(version, shown);
    EXPECT_TRUE(shown == logged) << "at " << version.to_string() << ": the log has "
                                 << json::diff(shown, logged).at(0).dump();
    if (session) {
      const agent::SessionView view(past, log.name(*session));
      std::vector<Value> there;
      for (const std::string& region : log.at_the_desk(*session, version)) there.push_back(region);
      EXPECT_THAT(view.preferences().conflicts("desk"), UnorderedElementsAreArray(there));
    }
    return shown;
  }

  // Everything, as three nodes tell it.
  void check_exports(const SessionLog& log) {
    const std::string exported = must(space(frankfurt).export_json());
    for (const std::size_t other : {virginia, tokyo}) {
      EXPECT_TRUE(must(space(other).export_json()) == exported) << region_names[other];
      EXPECT_EQ(space(other).status().hash, space(frankfurt).status().hash);
    }
    const json shown = json::parse(exported);
    const json logged = log.state_at(log.all(), shown);
    EXPECT_TRUE(shown == logged) << "the log has " << json::diff(shown, logged).at(0).dump();
  }

  // Who wrote what, when and how it was known then: as the log has it.
  void check_history(const SessionLog& log, std::size_t region, std::size_t session,
                     const Clock& version) {
    const Path place = agent::session_path(log.name(session));
    const auto past = must(space(region).history(place, {.limit = 1000, .until = version}));
    std::vector<Dot> told;
    for (const PastEvent& entry : past) {
      told.push_back(entry.event->id());
      const LoggedTurn* turn = log.find(told.back());
      ASSERT_NE(turn, nullptr) << log.name(session);
      EXPECT_EQ(entry.event->author(), turn->author);
      EXPECT_EQ(entry.event->note(), turn->note);
      std::vector<Value> records;
      for (const Written& write : entry.writes) {
        if (write.kind != Written::Kind::insert) continue;
        records.insert(records.end(), write.values.begin(), write.values.end());
      }
      EXPECT_THAT(records, ElementsAre(Value(turn->record)));
      for (const PastEvent& newer : std::span(past).first(told.size() - 1)) {
        EXPECT_FALSE(turn->seen.includes(newer.event->id())) << "older is told before newer";
      }
    }
    std::vector<Dot> logged;
    for (const LoggedTurn* turn : log.turns_of(session, version)) logged.push_back(turn->event);
    EXPECT_THAT(told, UnorderedElementsAreArray(logged)) << log.name(session);
  }

  // The event behind each turn that is read.
  void check_why(const SessionLog& log, std::size_t region, std::size_t session) {
    const Path place = agent::session_path(log.name(session)).child(Type::list, "turns");
    json shown;
    space(region).read([&](const Document& now) { shown = must(to_json(now, place)); });
    std::size_t told = 0;
    for (const Reason& reason : must(space(region).why(place))) {
      ASSERT_EQ(reason.origin.at, told);
      ASSERT_NE(reason.event, nullptr);
      EXPECT_EQ(reason.origin.value, Value(shown.at(told).get<std::string>()));
      for (Sequence i = 0; i < reason.origin.count; ++i, ++told) {
        const LoggedTurn* turn = log.find(shown.at(told).get<std::string>());
        ASSERT_NE(turn, nullptr);
        EXPECT_EQ(reason.event->id(), turn->event) << turn->record;
      }
    }
    EXPECT_EQ(told, shown.size());
  }

  // Applied to the one state, the differences give the other.
  void check_diff(const SessionLog& log, std::size_t region, std::size_t session,
                  const Clock& before, const Clock& after) {
    const Path place = agent::session_path(log.name(session));
    json state = state_at(log, before, session);
    const json wanted = state_at(log, after, session);
    for (const Difference& difference : must(space(region).diff(before, after, place))) {
      const json::json_pointer at(difference.path);
      EXPECT_EQ(state.value(at, json()),
                difference.before.empty() ? json() : json::parse(difference.before));
      EXPECT_NE(difference.before, difference.after);
      if (difference.after.empty()) {
        state[at.parent_pointer()].erase(at.back());
        if (state[at.parent_pointer()].empty()) state.erase(at.parent_pointer().back());
      } else {
        state[at] = json::parse(difference.after);
      }
    }
    EXPECT_EQ(state, wanted) << log.name(session);
  }

  TempDirectory directory_;
  std::vector<InputSession> sessions_;
  std::array<Region, region_names.size()> regions_;
};

// Versions of all kinds, as the log would have them.
class Versions {
 public:
  Versions(const SessionLog& log, const Space& space, std::mt19937& random)
      : log_(log), space_(space), random_(random) {
    Clock cursor;
    for (Feed feed = must(space.feed(cursor)); !feed.steps.empty();
         feed = must(space.feed(cursor))) {
      for (const Feed::Step& step : feed.steps) {
        times_.push_back({step.event->time(), step.event->id()});
      }
      cursor = feed.steps.back().cursor;
    }
    EXPECT_EQ(times_.size(), log.turns().size());
  }

  Clock next() {
    const LoggedTurn& turn = any();
    Clock version = turn.seen;
    switch (random_() % 4) {
      case 0:
        return version;
      case 1:
        version.join(any().seen);
        version.join(any().seen);
        return version;
      case 2:
        EXPECT_EQ(must(space_.version_before(turn.event)), turn.before) << turn.record;
        return turn.before;
      default: {
        const HybridTime time = times_[random_() % times_.size()].first;
        Clock until;
        for (const auto& [written, event] : times_) {
          if (written <= time) until.join(log_.find(event)->seen);
        }
        EXPECT_EQ(must(space_.version_until(time)), until);
        return until;
      }
    }
  }

 private:
  const LoggedTurn& any() { return log_.turns()[random_() % log_.turns().size()]; }

  const SessionLog& log_;
  const Space& space_;
  std::mt19937& random_;
  std::vector<std::pair<HybridTime, Dot>> times_;
};

TEST_F(RecordedSessions, written_in_three_regions_are_looked_back_at) {
  const SessionLog log = load();
  converge(log);
  check_exports(log);

  std::mt19937 random(8);
  Versions versions(log, space(frankfurt), random);
  for (int point = 0; point < 100; ++point) {
    SCOPED_TRACE("point " + std::to_string(point));
    const Clock version = versions.next();
    (void)state_at(log, version);
    const std::size_t region = random() % regions_.size();
    const std::size_t session = random() % log.size();
    check_history(log, region, session, version);
    check_why(log, region, session);
    check_diff(log, region, session, version, versions.next());
    if (HasFailure()) break;
  }

  for (Region& region : regions_) region.node.reset();
  Heads heads;
  for (const Region& region : regions_) {
    const auto audited = must(audit(region.directory));
    ASSERT_THAT(audited, SizeIs(1));
    EXPECT_EQ(audited[0].broken, "");
    EXPECT_THAT(audited[0].missing, IsEmpty());
    EXPECT_EQ(audited[0].events, log.turns().size());
    if (heads.empty()) heads = audited[0].heads;
    EXPECT_EQ(audited[0].heads, heads) << region.name();
  }
}

}  // namespace
}  // namespace rejoin::node
