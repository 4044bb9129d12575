// What a node's history tells of the sessions, read over its admin socket.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "rejoin/crdt/agent/usage.h"
#include "rejoin/crdt/clock.h"
#include "rejoin/crdt/id.h"
#include "rejoin/node/admin_client.h"

namespace rejoin::demo {

struct StepMove {
  std::string step;
  std::int64_t status = 0;  // as stored: 20 is running, 40 done (docs/agent-state.md)
};

struct PreferenceSet {
  std::string name;
  std::string value;
  std::vector<Dot> overwrote;
};

// An event, and what it did to a session.
struct HistoryEvent {
  Dot id;
  std::uint64_t time_ms = 0;  // Unix time
  std::string author;
  std::string note;
  Clock seen;  // all that its writer had seen just before it, its own writes included
  std::string session;
  std::string turn;  // the record that it appended; empty: none
  agent::Usage used;
  std::vector<StepMove> steps;
  std::vector<PreferenceSet> preferences;
  std::vector<std::string> others;  // places at which it wrote something else
};

// Each event after all that it depends on.
class History {
 public:
  // Goes on with the steps of a feed. `malformed` for what is no such thing.
  Status add(const nlohmann::json& steps);

  const std::vector<HistoryEvent>& events() const { return events_; }
  std::uint64_t missing() const { return missing_; }  // writes that came without their events
  // The number of the event that took this dot.
  std::optional<std::size_t> find(const Dot& dot) const;

 private:
  void add_write(const nlohmann::json& write, HistoryEvent& event);

  std::vector<HistoryEvent> events_;
  std::map<Dot, std::size_t> numbers_;
  std::uint64_t missing_ = 0;
  std::map<ReplicaId, Clock> seen_;                                   // by each writer
  std::map<std::pair<ReplicaId, std::string>, std::int64_t> totals_;  // of a counter's increments
};

// All that the node keeps.
Result<History> read_history(node::AdminClient& client);

}  // namespace rejoin::demo
