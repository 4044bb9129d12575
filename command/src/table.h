// A table for people to read on a terminal.
#pragma once

#include <algorithm>
#include <cstddef>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace rejoin::command {

// Places that UTF-8 takes on a terminal, if all its characters are of the usual width.
inline std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

// At most so wide; what is cut off shows by a dot at the end.
inline std::string shortened(std::string_view text, std::size_t width) {
  if (width_of(text) <= width) return std::string(text);
  if (width == 0) return "";
  std::size_t end = 0;
  for (std::size_t places = 0; end < text.size(); ++end) {
    if ((static_cast<unsigned char>(text[end]) & 0xC0) != 0x80 && places++ == width - 1) break;
  }
  return std::string(text.substr(0, end)) + ".";
}

// Columns as wide as their widest cell; numbers are set to the right, with their heads.
class Table {
 public:
  explicit Table(std::vector<std::string> head) { rows_.push_back(std::move(head)); }
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }

  // The head's first.
  std::vector<std::string> lines() const {
    std::vector<std::size_t> widths(rows_.front().size());
    for (const auto& row : rows_) {
      for (std::size_t i = 0; i < row.size(); ++i)
        widths[i] = std::max(widths[i], width_of(row[i]));
    }
    std::vector<std::string> out;
    for (const auto& row : rows_) {
      std::string line;
      for (std::size_t i = 0; i < row.size(); ++i) {
        const std::string padding(widths[i] - width_of(row[i]), ' ');
        const bool right =
            is_number(&row == &rows_.front() && rows_.size() > 1 ? rows_[1][i] : row[i]);
        line += (i == 0 ? "" : "  ") + (right ? padding + row[i] : row[i] + padding);
      }
      line.erase(line.find_last_not_of(' ') + 1);
      out.push_back(std::move(line));
    }
    return out;
  }

  void print(std::ostream& out, const std::string& indent) const {
    for (const std::string& line : lines()) out << indent << line << "\n";
  }

 private:
  static bool is_number(const std::string& cell) {
    return !cell.empty() && cell.find_first_not_of("0123456789.k?") == std::string::npos;
  }

  std::vector<std::vector<std::string>> rows_;
};

}  // namespace rejoin::command
