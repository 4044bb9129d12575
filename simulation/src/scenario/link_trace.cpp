#include "rejoin/simulation/link_trace.h"

#include <zlib.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <optional>

#include "rejoin/crdt/assert.h"

namespace rejoin::simulation {

namespace {

std::optional<std::uint32_t> as_number(std::string_view text) {
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::vector<std::string_view> split(std::string_view text, char at) {
  std::vector<std::string_view> parts;
  while (true) {
    const std::size_t end = text.find(at);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

// Without the last, empty one, and without carriage returns.
std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines = split(text, '\n');
  for (auto& line : lines) {
    if (line.ends_with('\r')) line.remove_suffix(1);
  }
  if (lines.back().empty()) lines.pop_back();
  return lines;
}

Error malformed(const std::string& source, std::size_t line, const std::string& what) {
  return make_error(ErrorCode::malformed, what, source + ':' + std::to_string(line));
}

// What is not compressed is read as it is.
Result<std::string> text_of(const std::string& path) {
  struct Close {
    void operator()(gzFile file) const { gzclose(file); }
  };
  const std::unique_ptr<gzFile_s, Close> file(gzopen(path.c_str(), "rb"));
  if (!file) return make_error(ErrorCode::not_found, "the recording cannot be read", path);
  std::string text;
  char buffer[1 << 16];
  while (true) {
    const int length = gzread(file.get(), buffer, sizeof buffer);
    if (length < 0) {
      return make_error(ErrorCode::malformed, "the recording cannot be decompressed", path);
    }
    if (length == 0) return text;
    text.append(buffer, static_cast<std::size_t>(length));
  }
}

}  // namespace

Result<LinkTrace> LinkTrace::parse(std::string_view text, const std::string& source) {
  LinkTrace trace;
  std::size_t number = 0;
  for (const auto line : lines_of(text)) {
    ++number;
    const auto time = as_number(line);
    if (!time) return malformed(source, number, "expected a time in whole milliseconds");
    if (!trace.times_ms_.empty() && *time < trace.times_ms_.back()) {
      return malformed(source, number, "this time is before the one of the line above");
    }
    trace.times_ms_.push_back(*time);
  }
  if (trace.times_ms_.empty() || trace.times_ms_.back() == 0) {
    return malformed(source, number, "a recording has a time after 0 ms");
  }
  return trace;
}

Result<LinkTrace> LinkTrace::read(const std::string& path) {
  const auto text = text_of(path);
  if (!text.ok()) return text.error();
  return parse(*text, path);
}

Duration LinkTrace::at(std::uint64_t opportunity) const {
  const std::uint64_t rounds = opportunity / times_ms_.size();
  const std::uint64_t in_round = times_ms_[opportunity % times_ms_.size()];
  return std::chrono::milliseconds(rounds * times_ms_.back() + in_round);
}

std::uint64_t LinkTrace::first_from(Duration time) const {
  const std::uint64_t ms = static_cast<std::uint64_t>((time.count() + 999) / 1'000);
  const std::uint64_t period = times_ms_.back();
  // A time at the end of a round may be that of the last opportunities of that round.
  const std::uint64_t round = ms == 0 ? 0 : (ms - 1) / period;
  const auto found = std::lower_bound(times_ms_.begin(), times_ms_.end(), ms - round * period);
  return round * times_ms_.size() + static_cast<std::uint64_t>(found - times_ms_.begin());
}

Duration LinkTrace::longest(std::uint64_t bytes) const {
  const std::uint64_t needed = (bytes + opportunity_bytes - 1) / opportunity_bytes;
  Duration longest{0};
  for (std::uint64_t missed = 0; missed < times_ms_.size(); ++missed) {
    longest = std::max(longest, at(missed + needed) - at(missed));
  }
  return longest;
}

Result<RegionLatency> RegionLatency::parse(std::string_view text, const std::string& source) {
  RegionLatency latency;
  const auto lines = lines_of(text);
  const auto header = lines.empty() ? std::vector<std::string_view>{} : split(lines[0], ',');
  if (header.size() < 2 || header[0] != "from") {
    return malformed(source, 1, "expected the header \"from,REGION,...\"");
  }
  for (std::size_t i = 1; i < lines.size(); ++i) {
    const auto cells = split(lines[i], ',');
    if (cells.size() != header.size()) {
      return malformed(source, i + 1,
                       "expected a region and " + std::to_string(header.size() - 1) + " times");
    }
    latency.names_.emplace(cells[0]);
    for (std::size_t column = 1; column < cells.size(); ++column) {
      const auto time = as_number(cells[column]);
      if (!time) return malformed(source, i + 1, "expected times in whole milliseconds");
      latency.round_trip_ms_[{std::string(cells[0]), std::string(header[column])}] = *time;
    }
  }
  for (std::size_t column = 1; column < header.size(); ++column) {
    if (latency.knows(std::string(header[column]))) continue;
    return malformed(source, 1, "there is no line of " + std::string(header[column]));
  }
  if (latency.names_.size() != header.size() - 1) {
    return malformed(source, 1, "expected a column for each line");
  }
  return latency;
}

Result<RegionLatency> RegionLatency::read(const std::string& path) {
  const auto text = text_of(path);
  if (!text.ok()) return text.error();
  return parse(*text, path);
}

Duration RegionLatency::one_way(const std::string& from, const std::string& to) const {
  const auto found = round_trip_ms_.find({from, to});
  REJOIN_ASSERT(found != round_trip_ms_.end());
  return std::chrono::microseconds(500) * std::max<std::uint64_t>(1, found->second);
}

}  // namespace rejoin::simulation
