// The history of nodes that did everything right, as a feed tells it: built from input and plan
// alone, with a clock of its own for each node.
#pragma once

#include <array>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "demo/history_check.h"
#include "rejoin/crdt/path.h"

namespace rejoin::demo {

struct Fed {
  nlohmann::json steps = nlohmann::json::array();
  std::vector<WrittenTurn> written;
  Homes homes;
};

inline constexpr std::uint64_t fed_from_ms = 1'700'000'000'000;

class FeedWriter {
 public:
  FeedWriter(const std::vector<InputSession>& sessions, const std::vector<SessionPlan>& plans)
      : sessions_(sessions), plans_(plans) {
    for (std::size_t i = 0; i < region_count; ++i) {
      replicas_[i] = ReplicaId::parse(std::string(32, static_cast<char>('a' + i))).value();
      fed_.homes[replicas_[i]] = static_cast<Region>(i);
    }
  }

  Fed write() {
    for (std::size_t i = 0; i < sessions_.size(); ++i) {
      Clock token;
      Dot region_set;
      bool entered = false;
      Region last = frankfurt;
      for (const std::vector<Stream>& streams : plans_[i].phases) {
        for (const Stream& stream : streams) {
          if (plans_[i].shared) {
            token = {};
            entered = false;
          }
          for (const PlannedTurn& turn : stream) {
            clocks_[turn.region].join(token);
            const bool enters = !entered || turn.region != last;
            // What stood there before is known to be overwritten where its write was seen.
            const bool saw = region_set.sequence > 0 && clocks_[turn.region].includes(region_set);
            write_turn(i, turn, enters, saw ? &region_set : nullptr, region_set);
            token = clocks_[turn.region];
            entered = true;
            last = turn.region;
          }
        }
      }
    }
    return std::move(fed_);
  }

 private:
  using Json = nlohmann::json;

  void write_turn(std::size_t number, const PlannedTurn& planned, bool enters,
                  const Dot* overwritten, Dot& region_set) {
    const InputSession& session = sessions_[number];
    agent::Turn turn = session.turns[planned.index];
    turn.author = region_names[planned.region];
    turn.id = turn_id(session, planned.index);
    const std::string place = Path().map("sessions").map(session.id).to_string();
    Clock& clock = clocks_[planned.region];
    const Clock dependencies = clock.beyond(told_[planned.region]);
    told_[planned.region].join(clock);
    Dot dot{replicas_[planned.region], clock.get(replicas_[planned.region])};

    Json writes = Json::array();
    const auto write = [&](const char* kind, const std::string& below) -> Json& {
      ++dot.sequence;
      writes.push_back({{"write", kind}, {"path", place + below}});
      return writes.back();
    };
    write("insert", "/list:turns")["values"] = {agent::encode_turn(turn)->as_string()};
    const agent::Usage& used = plans_[number].usage[planned.index];
    for (const auto& [name, amount] :
         {std::pair{"tokens_in", used.tokens_in}, std::pair{"tokens_out", used.tokens_out},
          std::pair{"calls", used.calls}}) {
      if (amount == 0) continue;
      std::int64_t& total = totals_[dot.replica.to_string() + session.id + name];
      write("add", std::string("/map:usage/counter:") + name)["total"] = total += amount;
    }
    const auto move = [&](const std::string& call, int status) {
      write("put", "/map:steps/map:" + call + "/max_register:status")["value"] = status;
    };
    for (const agent::ToolCall& call : turn.tool_calls) move(call.id, 20);
    if (!turn.tool_call_id.empty()) move(turn.tool_call_id, 40);
    if (planned.index == 0 && !session.user.empty()) {
      write("put", "/map:preferences/register:user")["value"] = session.user;
    }
    if (enters) {
      Json& put = write("put", "/map:preferences/register:region");
      put["value"] = region_names[planned.region];
      if (overwritten != nullptr) put["replaced"] = {overwritten->full_name()};
      region_set = dot;
    }
    Json seen = Json::object();
    for (const auto& [replica, sequence] : dependencies) seen[replica.to_string()] = sequence;
    fed_.steps.push_back({{"event", dot.full_name()},
                          {"time_ms", fed_from_ms + fed_.steps.size()},
                          {"author", author_of(session, planned.index)},
                          {"note", ""},
                          {"dependencies", seen},
                          {"writes", writes}});
    clock.advance(dot);
    told_[planned.region].advance(dot);
    fed_.written.push_back({number, planned.index, planned.region, dot});
  }

  const std::vector<InputSession>& sessions_;
  const std::vector<SessionPlan>& plans_;
  std::array<ReplicaId, region_count> replicas_;
  std::array<Clock, region_count> clocks_;  // what each node has
  std::array<Clock, region_count> told_;    // of that, what its events say
  std::map<std::string, std::int64_t> totals_;
  Fed fed_;
};

}  // namespace rejoin::demo
