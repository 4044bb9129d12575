// What happened, as the demo's report tells it.
//
// Of the sessions it knows what a node's history says, and nothing that the demo noted itself.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "demo/history.h"
#include "demo/history_check.h"
#include "demo/observer.h"
#include "demo/plan.h"

namespace rejoin::demo {

// A time during which a node was cut off, or its process gone.
struct Interval {
  enum class Kind { cut_off, killed };
  Kind kind = Kind::cut_off;
  Region region = frankfurt;
  double from = 0;
  double to = 0;
};

struct Story {
  std::string input;
  std::size_t sessions = 0;
  std::size_t turns = 0;
  double end = 0;     // seconds; of the whole play
  double agreed = 0;  // when the last node knew everything; 0 when they never did
  std::vector<Interval> intervals;
  std::uint64_t start_millis = 0;  // the Unix time of second 0
  Region historian = frankfurt;    // whose history this is
  History history;
  // The records of each session's turns, in the order in which they read once all is done.
  std::map<std::string, std::vector<std::string>> conversations;
  Homes homes;
  std::array<std::vector<NodeSample>, region_count> samples;
  std::string history_outcome;  // what was found when the histories were verified
  std::string outcome;          // the last line of the demo

  double seconds_of(const HistoryEvent& event) const;
  std::optional<Region> home_of(const HistoryEvent& event) const;  // where it was written
};

// At one moment, the turns that a node knew, by the region that they were written in.
struct Knowledge {
  double seconds = 0;
  std::array<std::size_t, region_count> turns{};
  std::size_t total() const;
};
std::vector<Knowledge> knowledge_of(const Story& story, Region region);

// In seconds, ascending: when the turns were written.
std::vector<double> turn_times(const Story& story);

// Of a node that was killed, what it received and sent after the last look at it is not counted.
struct NodeRow {
  std::string name;
  std::uint64_t events_written = 0;
  std::uint64_t events_received = 0;
  std::uint64_t bytes_sent = 0;
  std::uint64_t bytes_received = 0;
  std::uint64_t lag = 0;             // at the end: writes that some peer is not known to have
  std::size_t turns_behind_max = 0;  // of all turns that were written anywhere
  std::string hash;
};
std::vector<NodeRow> rows_of(const Story& story);

}  // namespace rejoin::demo
