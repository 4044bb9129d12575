#include "demo/report/page_data.h"

#include <deque>
#include <nlohmann/json.hpp>

namespace rejoin::demo {
namespace {

using Json = nlohmann::json;

class PageData {
 public:
  explicit PageData(const Story& story) : story_(story) {}

  Json build() {
    data_ = {{"source", region_names[story_.historian]},
             {"nodes", region_names},
             {"start_ms", story_.start_millis},
             {"intervals", Json::array()},
             {"writers", Json::array()},
             {"sessions", Json::array()},
             {"events", Json::array()},
             {"contents", Json::array()}};
    for (const Interval& interval : story_.intervals) {
      const bool cut = interval.kind == Interval::Kind::cut_off;
      data_["intervals"].push_back({{"kind", cut ? "cut off" : "killed"},
                                    {"node", interval.region},
                                    {"from", interval.from * 1000},
                                    {"to", interval.to * 1000}});
    }
    for (const HistoryEvent& event : story_.history.events()) {
      number_writer(event);
      sessions_.try_emplace(event.session, sessions_.size());
    }
    for (const HistoryEvent& event : story_.history.events()) add(event);
    add_sessions();
    return std::move(data_);
  }

 private:
  void number_writer(const HistoryEvent& event) {
    if (!writers_.try_emplace(event.id.replica, writers_.size()).second) return;
    const auto home = story_.home_of(event);
    data_["writers"].push_back(
        {{"replica", event.id.replica.to_string()}, {"node", home ? Json(*home) : Json()}});
  }

  void add(const HistoryEvent& event) {
    Json& events = data_["events"];
    Json seen = Json::array();
    for (std::size_t i = 0; i < writers_.size(); ++i) seen.push_back(0);
    for (const auto& [writer, number] : writers_) seen[number] = event.seen.get(writer);
    Json out = {{"writer", writers_.at(event.id.replica)},
                {"sequence", event.id.sequence},
                {"at", static_cast<std::int64_t>(event.time_ms - story_.start_millis)},
                {"author", event.author},
                {"note", event.note},
                {"seen", std::move(seen)},
                {"session", sessions_.at(event.session)}};
    if (!event.turn.empty()) {
      turns_[{event.session, event.turn}].push_back(events.size());
      out["turn"] = turn_of(event.turn);
    }
    if (event.used != agent::Usage{}) {
      out["used"] = {{"tokens_in", event.used.tokens_in},
                     {"tokens_out", event.used.tokens_out},
                     {"calls", event.used.calls}};
    }
    for (const StepMove& step : event.steps) out["steps"].push_back({step.step, step.status});
    for (const PreferenceSet& set : event.preferences) {
      Json overwrote = Json::array();
      for (const Dot& dot : set.overwrote) {
        const auto number = story_.history.find(dot);
        overwrote.push_back(number ? Json(*number) : Json());
      }
      out["preferences"].push_back(
          {{"name", set.name}, {"value", set.value}, {"overwrote", std::move(overwrote)}});
    }
    events.push_back(std::move(out));
  }

  // Prompts and the answers of tools come again and again.
  Json turn_of(const std::string& record) {
    Json turn = Json::parse(record, nullptr, false);
    if (!turn.is_object()) return {{"role", "unknown"}, {"content", number_of(record)}};
    if (const auto content = turn.find("content"); content != turn.end() && content->is_string()) {
      *content = number_of(content->get<std::string>());
    }
    return turn;
  }

  std::size_t number_of(const std::string& content) {
    const auto [known, is_new] = contents_.try_emplace(content, contents_.size());
    if (is_new) data_["contents"].push_back(content);
    return known->second;
  }

  void add_sessions() {
    std::vector<std::string> ids(sessions_.size());
    for (const auto& [id, number] : sessions_) ids[number] = id;
    for (const std::string& id : ids) {
      Json turns = Json::array();
      const auto conversation = story_.conversations.find(id);
      if (conversation != story_.conversations.end()) {
        for (const std::string& record : conversation->second) {
          auto& events = turns_[{id, record}];
          if (events.empty()) continue;
          turns.push_back(events.front());
          events.pop_front();
        }
      }
      data_["sessions"].push_back({{"id", id}, {"turns", std::move(turns)}});
    }
  }

  const Story& story_;
  Json data_;
  std::map<ReplicaId, std::size_t> writers_;
  std::map<std::string, std::size_t> sessions_;
  std::map<std::string, std::size_t> contents_;
  // Of each session and record, the events that wrote it.
  std::map<std::pair<std::string, std::string>, std::deque<std::size_t>> turns_;
};

}  // namespace

Json page_data(const Story& story) { return PageData(story).build(); }

}  // namespace rejoin::demo
