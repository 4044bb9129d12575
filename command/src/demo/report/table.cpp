#include <algorithm>
#include <map>
#include <sstream>

#include "demo/report.h"

namespace rejoin::demo {
namespace {

std::string grouped(std::uint64_t number) {
  std::string digits = std::to_string(number);
  for (std::size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, ",");
  return digits;
}

}  // namespace

std::size_t Knowledge::total() const {
  std::size_t sum = 0;
  for (std::size_t count : turns) sum += count;
  return sum;
}

// A node knows a turn when its clock includes the write that carries it.
std::vector<Knowledge> knowledge_of(const Story& story, Region region) {
  struct Origin {
    Region region = frankfurt;
    std::vector<std::uint64_t> sequences;
  };
  std::map<std::string, Origin> origins;  // by replica id, which belongs to one region
  for (const WrittenTurn& turn : story.written) {
    Origin& origin = origins[turn.replica];
    origin.region = turn.region;
    origin.sequences.push_back(turn.sequence);
  }
  for (auto& [replica, origin] : origins) std::ranges::sort(origin.sequences);

  std::vector<Knowledge> known;
  for (const NodeSample& sample : story.samples[region]) {
    Knowledge at{sample.seconds, {}};
    for (const auto& [replica, count] : sample.clock) {
      const auto origin = origins.find(replica);
      if (origin == origins.end()) continue;
      const auto& sequences = origin->second.sequences;
      at.turns[origin->second.region] +=
          static_cast<std::size_t>(std::ranges::upper_bound(sequences, count) - sequences.begin());
    }
    known.push_back(at);
  }
  return known;
}

std::vector<NodeRow> rows_of(const Story& story) {
  std::vector<double> acknowledged;
  for (const WrittenTurn& turn : story.written) acknowledged.push_back(turn.seconds);
  std::ranges::sort(acknowledged);

  std::vector<NodeRow> rows;
  for (std::size_t i = 0; i < region_count; ++i) {
    const auto region = static_cast<Region>(i);
    const NodeSample sum = add_up(story.samples[region]);
    NodeRow row;
    row.name = region_names[region];
    row.events_written =
        static_cast<std::uint64_t>(std::ranges::count(story.written, region, &WrittenTurn::region));
    row.events_received = sum.events_applied;
    row.bytes_sent = sum.bytes_sent;
    row.bytes_received = sum.bytes_received;
    row.lag = sum.lag;
    row.hash = sum.hash;
    for (const Knowledge& at : knowledge_of(story, region)) {
      const auto written = static_cast<std::size_t>(
          std::ranges::upper_bound(acknowledged, at.seconds) - acknowledged.begin());
      const std::size_t known = at.total();
      if (written > known) row.turns_behind_max = std::max(row.turns_behind_max, written - known);
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

std::string render_table(const std::vector<NodeRow>& rows) {
  std::vector<std::vector<std::string>> cells = {{"node", "events written", "received",
                                                  "bytes sent", "bytes received", "lag",
                                                  "most behind", "hash"}};
  for (const NodeRow& row : rows) {
    cells.push_back({row.name, grouped(row.events_written), grouped(row.events_received),
                     grouped(row.bytes_sent), grouped(row.bytes_received), grouped(row.lag),
                     grouped(row.turns_behind_max) + " turns", row.hash});
  }
  std::vector<std::size_t> widths(cells.front().size(), 0);
  for (const auto& line : cells) {
    for (std::size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], line[i].size());
  }
  std::ostringstream out;
  for (const auto& line : cells) {
    for (std::size_t i = 0; i < line.size(); ++i) {
      const bool words = i == 0 || i + 1 == line.size();  // to the left, numbers to the right
      const std::string space(widths[i] - line[i].size(), ' ');
      out << (i == 0 ? "" : "  ") << (words ? line[i] : space + line[i]);
      if (words && i + 1 < line.size()) out << space;
    }
    out << "\n";
  }
  return out.str();
}

}  // namespace rejoin::demo
