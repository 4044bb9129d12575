#include "demo/report/story.h"

#include <algorithm>

namespace rejoin::demo {

double Story::seconds_of(const HistoryEvent& event) const {
  return (static_cast<double>(event.time_ms) - static_cast<double>(start_millis)) / 1000;
}

std::optional<Region> Story::home_of(const HistoryEvent& event) const {
  const auto home = homes.find(event.id.replica);
  if (home == homes.end()) return std::nullopt;
  return home->second;
}

std::size_t Knowledge::total() const {
  std::size_t sum = 0;
  for (std::size_t count : turns) sum += count;
  return sum;
}

// A node knows a turn when its clock includes the write that carries it.
std::vector<Knowledge> knowledge_of(const Story& story, Region region) {
  std::map<std::string, std::vector<Sequence>> turns;  // by replica id, ascending
  std::map<std::string, Region> regions;
  for (const auto& [replica, home] : story.homes) regions[replica.to_string()] = home;
  for (const HistoryEvent& event : story.history.events()) {
    if (!event.turn.empty()) turns[event.id.replica.to_string()].push_back(event.id.sequence);
  }

  std::vector<Knowledge> known;
  for (const NodeSample& sample : story.samples[region]) {
    Knowledge at{sample.seconds, {}};
    for (const auto& [replica, count] : sample.clock) {
      const auto home = regions.find(replica);
      if (home == regions.end()) continue;
      const std::vector<Sequence>& sequences = turns[replica];
      at.turns[home->second] +=
          static_cast<std::size_t>(std::ranges::upper_bound(sequences, count) - sequences.begin());
    }
    known.push_back(at);
  }
  return known;
}

std::vector<double> turn_times(const Story& story) {
  std::vector<double> times;
  for (const HistoryEvent& event : story.history.events()) {
    if (!event.turn.empty()) times.push_back(story.seconds_of(event));
  }
  std::ranges::sort(times);
  return times;
}

std::vector<NodeRow> rows_of(const Story& story) {
  const std::vector<double> times = turn_times(story);

  std::vector<NodeRow> rows;
  for (std::size_t i = 0; i < region_count; ++i) {
    const auto region = static_cast<Region>(i);
    const NodeSample sum = add_up(story.samples[region]);
    NodeRow row;
    row.name = region_names[region];
    row.events_written = static_cast<std::uint64_t>(std::ranges::count_if(
        story.history.events(),
        [&](const HistoryEvent& event) { return story.home_of(event) == region; }));
    row.events_received = sum.events_applied;
    row.bytes_sent = sum.bytes_sent;
    row.bytes_received = sum.bytes_received;
    row.lag = sum.lag;
    row.hash = sum.hash;
    for (const Knowledge& at : knowledge_of(story, region)) {
      const auto written =
          static_cast<std::size_t>(std::ranges::upper_bound(times, at.seconds) - times.begin());
      const std::size_t known = at.total();
      if (written > known) row.turns_behind_max = std::max(row.turns_behind_max, written - known);
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace rejoin::demo
