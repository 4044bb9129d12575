// What was committed to sessions, kept beside the nodes that they were committed to: it knows how
// the sessions stood at any version without asking a node.
#pragma once

#include <algorithm>
#include <cstddef>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "rejoin/crdt/agent/usage.h"
#include "rejoin/crdt/clock.h"
#include "rejoin/crdt/id.h"

namespace rejoin::node {

// A turn, and what was committed with it.
struct LoggedTurn {
  std::size_t session = 0;
  std::string record;  // as text
  std::string author;
  std::string note;
  agent::Usage usage;                                         // zeros: nothing was added
  enum class Desk { stays, taken, left } desk = Desk::stays;  // by its author
  Dot event;
  Clock seen;    // by the commit, and the commit itself
  Clock before;  // the same without it
};

class SessionLog {
 public:
  // `turns`: of each writer in the order in which it committed.
  SessionLog(std::vector<std::string> sessions, std::vector<LoggedTurn> turns)
      : turns_(std::move(turns)) {
    for (std::string& name : sessions) sessions_.push_back({std::move(name), {}});
    Clock written;
    for (std::size_t i = 0; i < turns_.size(); ++i) {
      LoggedTurn& turn = turns_[i];
      turn.before = turn.seen;
      turn.before.set(turn.event.replica, written.get(turn.event.replica));
      written.advance(turn.event);
      sessions_[turn.session].turns.push_back(i);
      by_record_[turn.record] = i;
      by_event_[turn.event] = i;
      all_.join(turn.seen);
    }
  }

  const std::vector<LoggedTurn>& turns() const { return turns_; }
  const Clock& all() const { return all_; }
  const LoggedTurn* find(const Dot& event) const {
    const auto found = by_event_.find(event);
    return found == by_event_.end() ? nullptr : &turns_[found->second];
  }
  const LoggedTurn* find(const std::string& record) const {
    const auto found = by_record_.find(record);
    return found == by_record_.end() ? nullptr : &turns_[found->second];
  }
  std::size_t size() const { return sessions_.size(); }
  const std::string& name(std::size_t session) const { return sessions_[session].name; }
  // Those of a session within a version.
  std::vector<const LoggedTurn*> turns_of(std::size_t session, const Clock& version) const {
    std::vector<const LoggedTurn*> within;
    for (const std::size_t i : sessions_[session].turns) {
      if (version.includes(turns_[i].event)) within.push_back(&turns_[i]);
    }
    return within;
  }

  // Who took the session's desk, and neither left it nor was followed by one who knew.
  std::vector<std::string> at_the_desk(std::size_t session, const Clock& version) const {
    const auto turns = turns_of(session, version);
    std::vector<std::string> there;
    for (const LoggedTurn* turn : turns) {
      if (turn->desk != LoggedTurn::Desk::taken) continue;
      const bool over = std::ranges::any_of(turns, [&](const LoggedTurn* later) {
        return later != turn && later->desk != LoggedTurn::Desk::stays &&
               later->seen.includes(turn->event);
      });
      if (!over) there.push_back(turn->author);
    }
    std::ranges::sort(there);
    return there;
  }

  // A session at a version; empty when nothing was written yet. What only a rule of the data model
  // decides, the order of concurrent turns and which of several at the desk is read, is as in
  // `shown` where that is possible.
  nlohmann::json session_at(std::size_t session, const Clock& version,
                            const nlohmann::json& shown) const {
    const auto turns = turns_of(session, version);
    nlohmann::json state = nlohmann::json::object();
    if (turns.empty()) return state;
    state["turns"] = nlohmann::json::array();
    for (const LoggedTurn* turn : turns) state["turns"].push_back(turn->record);
    if (const auto order = shown.find("turns"); order != shown.end()) {
      if (is_possible(turns, *order)) state["turns"] = *order;
    }
    agent::Usage usage;
    for (const LoggedTurn* turn : turns) {
      usage.tokens_in += turn->usage.tokens_in;
      usage.tokens_out += turn->usage.tokens_out;
      usage.calls += turn->usage.calls;
    }
    if (usage.calls > 0) {
      state["usage"] = {
          {"tokens_in", usage.tokens_in}, {"tokens_out", usage.tokens_out}, {"calls", usage.calls}};
    }
    if (const auto there = at_the_desk(session, version); !there.empty()) {
      const auto one =
          shown.value(nlohmann::json::json_pointer("/preferences/desk"), std::string());
      state["preferences"]["desk"] = std::ranges::count(there, one) > 0 ? one : there.front();
    }
    return state;
  }

  // The whole space.
  nlohmann::json state_at(const Clock& version, const nlohmann::json& shown) const {
    nlohmann::json state = nlohmann::json::object();
    for (std::size_t session = 0; session < size(); ++session) {
      nlohmann::json one =
          session_at(session, version,
                     shown.value(nlohmann::json::json_pointer("/sessions") / name(session),
                                 nlohmann::json::object()));
      if (!one.empty()) state["sessions"][name(session)] = std::move(one);
    }
    return state;
  }

 private:
  struct Session {
    std::string name;
    std::vector<std::size_t> turns;
  };

  // Whether these turns may be shown in this order: each once, and none before one that its writer
  // had seen.
  bool is_possible(const std::vector<const LoggedTurn*>& turns, const nlohmann::json& order) const {
    std::vector<const LoggedTurn*> shown;
    for (const nlohmann::json& record : order) {
      const LoggedTurn* turn = find(record.get_ref<const std::string&>());
      if (turn == nullptr) return false;
      for (const LoggedTurn* earlier : shown) {
        if (earlier->seen.includes(turn->event)) return false;
      }
      shown.push_back(turn);
    }
    return std::ranges::is_permutation(shown, turns);
  }

  std::vector<LoggedTurn> turns_;
  std::vector<Session> sessions_;
  std::map<std::string, std::size_t> by_record_;
  std::map<Dot, std::size_t> by_event_;
  Clock all_;
};

}  // namespace rejoin::node
