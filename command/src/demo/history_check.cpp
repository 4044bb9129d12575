#include "demo/history_check.h"

#include <nlohmann/json.hpp>
#include <set>

namespace rejoin::demo {
namespace {

using Json = nlohmann::json;

class HistoryCheck {
 public:
  HistoryCheck(const History& history, const Homes& homes,
               const std::vector<InputSession>& sessions, const std::vector<SessionPlan>& plans)
      : history_(history), homes_(homes), sessions_(sessions), plans_(plans) {}

  std::vector<std::string> run(const std::vector<WrittenTurn>& written) {
    if (history_.missing() > 0) {
      differs(std::to_string(history_.missing()) + " writes are there without their events");
    }
    for (const HistoryEvent& event : history_.events()) find_turn(event);
    for (const WrittenTurn& turn : written) check(turn);
    for (const auto& [id, events] : events_of_) {
      if (!written_.contains(id)) differs("a turn that nobody wrote: " + id);
    }
    for (std::size_t i = 0; i < sessions_.size(); ++i) check_causes(i);
    return std::move(found_);
  }

 private:
  void differs(const std::string& what) { found_.push_back("history: " + what); }

  void find_turn(const HistoryEvent& event) {
    for (const std::string& place : event.others) {
      differs("event " + event.id.full_name() + " wrote at " + place + ", which nobody asked for");
    }
    const Json record = Json::parse(event.turn, nullptr, false);
    const std::string id = record.is_object() ? record.value("id", "") : "";
    if (id.empty()) {
      differs("event " + event.id.full_name() + " carries no turn");
    } else {
      events_of_[id].push_back(&event);
    }
  }

  void check(const WrittenTurn& turn) {
    const InputSession& session = sessions_[turn.session];
    const std::string id = turn_id(session, turn.index);
    written_.insert(id);
    const auto there = events_of_.find(id);
    const std::size_t times = there == events_of_.end() ? 0 : there->second.size();
    if (times != 1) {
      differs("turn " + id + " is in " + std::to_string(times) + " events, not in one");
      return;
    }
    const HistoryEvent& event = *there->second.front();
    if (turn.event && event.id != *turn.event) {
      differs("turn " + id + " is in event " + event.id.full_name() +
              ", but its client was told of " + turn.event->full_name());
    }
    if (event.session != session.id) {
      differs("turn " + id + " is in session " + event.session);
    }
    if (event.author != author_of(session, turn.index)) {
      differs("the author of turn " + id + " is \"" + event.author + "\", not \"" +
              author_of(session, turn.index) + "\"");
    }
    const auto home = homes_.find(event.id.replica);
    if (home == homes_.end() || home->second != turn.region) {
      differs("turn " + id + " was written at " +
              (home == homes_.end() ? "a node that nobody knows"
                                    : std::string(region_names[home->second])) +
              ", not at " + std::string(region_names[turn.region]));
    }
  }

  const HistoryEvent* event_of(std::size_t session, const PlannedTurn& turn) const {
    const auto there = events_of_.find(turn_id(sessions_[session], turn.index));
    return there == events_of_.end() ? nullptr : there->second.front();
  }

  void check_causes(std::size_t session) {
    const PlannedTurn* before = nullptr;
    for (const std::vector<Stream>& streams : plans_[session].phases) {
      for (const Stream& stream : streams) {
        // The clients of a shared session carry nothing from one stream to the next.
        if (plans_[session].shared) before = nullptr;
        for (const PlannedTurn& turn : stream) {
          if (before != nullptr) check_cause(session, *before, turn);
          before = &turn;
        }
      }
    }
  }

  void check_cause(std::size_t session, const PlannedTurn& before, const PlannedTurn& turn) {
    const HistoryEvent* cause = event_of(session, before);
    const HistoryEvent* event = event_of(session, turn);
    if (cause == nullptr || event == nullptr || event->seen.includes(cause->id)) return;
    differs("turn " + turn_id(sessions_[session], turn.index) +
            " was written without having seen " + turn_id(sessions_[session], before.index) +
            ", which its client wrote before");
  }

  const History& history_;
  const Homes& homes_;
  const std::vector<InputSession>& sessions_;
  const std::vector<SessionPlan>& plans_;
  std::map<std::string, std::vector<const HistoryEvent*>> events_of_;  // by the turn's id
  std::set<std::string> written_;                                      // ids of turns
  std::vector<std::string> found_;
};

}  // namespace

std::vector<std::string> differences(const History& history,
                                     const std::vector<WrittenTurn>& written, const Homes& homes,
                                     const std::vector<InputSession>& sessions,
                                     const std::vector<SessionPlan>& plans) {
  return HistoryCheck(history, homes, sessions, plans).run(written);
}

}  // namespace rejoin::demo
