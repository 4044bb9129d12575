// Recorded links: when a cellular link could carry something, and how far apart regions are.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "rejoin/crdt/result.h"
#include "rejoin/simulation/scenario.h"

namespace rejoin::simulation {

// One direction of a recorded link, in the format of mahimahi: a line a time in milliseconds at
// which the link could deliver 1,500 bytes, in ascending order; the same line again is another
// 1,500 bytes. After the last line it begins anew, that long after its beginning.
class LinkTrace {
 public:
  static constexpr std::uint64_t opportunity_bytes = 1'500;

  // `malformed`, with the line, for what is not such a recording; so is one that ends at 0 ms.
  static Result<LinkTrace> parse(std::string_view text, const std::string& source);
  // Of a file, plain or gzip. `not_found` when it cannot be read.
  static Result<LinkTrace> read(const std::string& path);

  // Opportunities are numbered from 0 and go on for ever.
  Duration at(std::uint64_t opportunity) const;
  // The first that is not before this time. O(log of the recording's length).
  std::uint64_t first_from(Duration time) const;
  // The longest that so many bytes take, whenever they begin. O(length of the recording).
  Duration longest(std::uint64_t bytes) const;

 private:
  std::vector<std::uint32_t> times_ms_;  // not empty; the last is the period, and not 0
};

// Mean round-trip times between regions, in milliseconds: a table of comma-separated values with
// the header "from,REGION,...", and a line "REGION,MS,..." for each.
class RegionLatency {
 public:
  static Result<RegionLatency> parse(std::string_view text, const std::string& source);
  static Result<RegionLatency> read(const std::string& path);

  bool knows(const std::string& region) const { return names_.contains(region); }
  std::vector<std::string> names() const { return {names_.begin(), names_.end()}; }
  // One way: half of the round trip; half a millisecond at least, as within a region. Both must be
  // known.
  Duration one_way(const std::string& from, const std::string& to) const;

 private:
  std::set<std::string> names_;
  std::map<std::pair<std::string, std::string>, std::uint64_t> round_trip_ms_;
};

}  // namespace rejoin::simulation
