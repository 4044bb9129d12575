#include "demo/report/table.h"

#include <algorithm>
#include <sstream>

namespace rejoin::demo {
namespace {

std::string grouped(std::uint64_t number) {
  std::string digits = std::to_string(number);
  for (std::size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, ",");
  return digits;
}

}  // namespace

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
