#include "demo/verify.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

namespace rejoin::demo {
namespace {

using Json = nlohmann::json;

constexpr int stored_running = 20;
constexpr int stored_done = 40;
constexpr std::size_t places_max = 5;

// Which region writes each turn, and which wrote the last turns: one of a handed session, one a
// stream of a shared one.
struct Expectation {
  std::vector<Region> writers;
  std::set<std::string> last_regions;
};

Expectation expect(const InputSession& session, const SessionPlan& plan) {
  Expectation expected;
  expected.writers.resize(session.turns.size());
  for (const std::vector<Stream>& streams : plan.phases) {
    std::set<std::string> regions;
    for (const Stream& stream : streams) {
      for (const PlannedTurn& turn : stream) expected.writers[turn.index] = turn.region;
      if (!stream.empty()) regions.insert(std::string(region_names[stream.back().region]));
    }
    if (plan.shared) {
      // A region enters its name once a stream, and does not wait for what the others wrote before.
      expected.last_regions.merge(regions);
    } else if (!regions.empty()) {
      expected.last_regions = std::move(regions);
    }
  }
  return expected;
}

class SessionCheck {
 public:
  SessionCheck(const InputSession& session, const SessionPlan& plan, const Json& exported,
               std::vector<std::string>& found)
      : session_(session),
        plan_(plan),
        expected_(expect(session, plan)),
        exported_(exported),
        found_(found) {}

  void run() {
    turns();
    usage();
    steps();
    preferences();
  }

 private:
  void differs(const std::string& what) {
    found_.push_back("session " + session_.id + ": " + what);
  }

  Json part(const char* name) const {
    const auto found = exported_.find(name);
    return found == exported_.end() ? Json() : *found;
  }

  void turns() {
    std::map<std::string, std::size_t> index_of;
    for (std::size_t i = 0; i < session_.turns.size(); ++i) index_of[turn_id(session_, i)] = i;
    std::vector<std::size_t> times(session_.turns.size(), 0);
    std::vector<std::size_t> order;
    for (const Json& element : part("turns")) {
      const Json record = element.is_string()
                              ? Json::parse(element.get_ref<const std::string&>(), nullptr, false)
                              : Json();
      const std::string id = record.is_object() ? record.value("id", "") : "";
      const auto known = index_of.find(id);
      if (known == index_of.end()) {
        differs("a turn that nobody wrote: " + element.dump().substr(0, 120));
        continue;
      }
      ++times[known->second];
      order.push_back(known->second);
      same_turn(record, known->second);
    }
    for (std::size_t i = 0; i < times.size(); ++i) {
      if (times[i] != 1) {
        differs("turn " + std::to_string(i) + " is there " + std::to_string(times[i]) +
                " times, not once");
      }
    }
    in_order(order);
  }

  void same_turn(Json record, std::size_t index) {
    const agent::Turn& turn = session_.turns[index];
    Json wanted = {{"role", agent::to_string(turn.role)},
                   {"author", region_names[expected_.writers[index]]},
                   {"id", turn_id(session_, index)}};
    if (turn.content) wanted["content"] = *turn.content;
    if (!turn.tool_call_id.empty()) wanted["tool_call_id"] = turn.tool_call_id;
    if (!turn.name.empty()) wanted["name"] = turn.name;
    for (const agent::ToolCall& call : turn.tool_calls) {
      Json one = {{"name", call.name}, {"arguments", call.arguments}};
      if (!call.id.empty()) one["id"] = call.id;
      wanted["tool_calls"].push_back(one);
    }
    record.erase("time");
    if (record != wanted) {
      differs("turn " + std::to_string(index) + " reads " + record.dump().substr(0, 200) +
              ", but " + wanted.dump().substr(0, 200) + " was written");
    }
  }

  void in_order(const std::vector<std::size_t>& order) {
    std::array<std::optional<std::size_t>, region_count> last_of;
    for (std::size_t index : order) {
      auto& last = last_of[plan_.shared ? expected_.writers[index] : 0];
      if (last && *last > index) {
        differs("turn " + std::to_string(index) + " comes after turn " + std::to_string(*last) +
                ", which its writer wrote later");
      }
      last = index;
    }
  }

  void usage() {
    agent::Usage sum;
    for (const agent::Usage& used : plan_.usage) {
      sum.tokens_in += used.tokens_in;
      sum.tokens_out += used.tokens_out;
      sum.calls += used.calls;
    }
    const Json counted = part("usage");
    for (const auto& [name, wanted] :
         {std::pair<const char*, std::int64_t>{"tokens_in", sum.tokens_in},
          {"tokens_out", sum.tokens_out},
          {"calls", sum.calls}}) {
      const Json value = counted.is_object() ? counted.value(name, Json(0)) : Json(0);
      if (value != wanted) {
        differs(std::string(name) + " is " + value.dump() + ", not " + std::to_string(wanted));
      }
    }
  }

  void steps() {
    std::map<std::string, int> wanted;
    for (const agent::Turn& turn : session_.turns) {
      for (const agent::ToolCall& call : turn.tool_calls) {
        if (!call.id.empty()) wanted.emplace(call.id, stored_running);
      }
      if (!turn.tool_call_id.empty()) wanted[turn.tool_call_id] = stored_done;
    }
    std::map<std::string, int> there;
    const Json exported = part("steps");
    for (const auto& [name, step] : exported.items()) {
      there[name] =
          step.is_object() && step.contains("status") && step["status"].is_number_integer()
              ? step["status"].get<int>()
              : 0;
    }
    for (const auto& [name, status] : wanted) {
      const auto found = there.find(name);
      if (found == there.end() || found->second != status) {
        differs("step " + name + " has status " +
                (found == there.end() ? "nothing" : std::to_string(found->second)) + ", not " +
                std::to_string(status));
      }
    }
    for (const auto& [name, status] : there) {
      if (!wanted.contains(name)) differs("a step that nobody wrote: " + name);
    }
  }

  void preferences() {
    const Json exported = part("preferences");
    const auto text = [&](const char* name) {
      const bool there = exported.is_object() && exported.contains(name);
      return there && exported[name].is_string() ? exported[name].get<std::string>() : "";
    };
    if (text("user") != session_.user) {
      differs("the user is \"" + text("user") + "\", not \"" + session_.user + "\"");
    }
    if (!expected_.last_regions.contains(text("region"))) {
      differs("the region is \"" + text("region") + "\", which did not write last");
    }
  }

  const InputSession& session_;
  const SessionPlan& plan_;
  const Expectation expected_;
  const Json& exported_;
  std::vector<std::string>& found_;
};

}  // namespace

std::vector<std::string> differences(const Json& exported,
                                     const std::vector<InputSession>& sessions,
                                     const std::vector<SessionPlan>& plans) {
  std::vector<std::string> found;
  std::set<std::string> known;
  for (std::size_t i = 0; i < sessions.size(); ++i) {
    known.insert(sessions[i].id);
    const auto there = exported.find(sessions[i].id);
    if (there == exported.end() || !there->is_object()) {
      found.push_back("session " + sessions[i].id + " is missing");
    } else {
      SessionCheck(sessions[i], plans[i], *there, found).run();
    }
  }
  for (const auto& [id, session] : exported.items()) {
    if (!known.contains(id)) found.push_back("a session that nobody wrote: " + id);
  }
  return found;
}

std::vector<std::string> differences_between(const Json& one, const Json& other) {
  std::vector<std::string> places;
  for (const Json& step : Json::diff(one, other)) {
    places.push_back(step.at("path").get<std::string>());
    if (places.size() == places_max) break;
  }
  return places;
}

}  // namespace rejoin::demo
