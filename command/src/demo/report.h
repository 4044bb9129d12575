// What the demo shows at its end: a table for the terminal, and a picture of who knew what when.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "demo/observer.h"
#include "demo/plan.h"
#include "demo/player.h"

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
  std::vector<WrittenTurn> written;
  std::array<std::vector<NodeSample>, region_count> samples;
  std::string outcome;  // the last line of the demo
};

// At one moment, the turns that a node knew, by the region that they were written in.
struct Knowledge {
  double seconds = 0;
  std::array<std::size_t, region_count> turns{};
  std::size_t total() const;
};
std::vector<Knowledge> knowledge_of(const Story& story, Region region);

// Of a node that was killed, what it received and sent after the last look at it is not counted.
struct NodeRow {
  std::string name;
  std::uint64_t events_written = 0;  // acknowledged to a client, one a turn
  std::uint64_t events_received = 0;
  std::uint64_t bytes_sent = 0;
  std::uint64_t bytes_received = 0;
  std::uint64_t lag = 0;             // at the end: writes that some peer is not known to have
  std::size_t turns_behind_max = 0;  // of all turns that were acknowledged anywhere
  std::string hash;
};
std::vector<NodeRow> rows_of(const Story& story);

std::string render_table(const std::vector<NodeRow>& rows);

// A self-contained page.
std::string render_page(const Story& story);

}  // namespace rejoin::demo
