// What a run did, line by line: the same bytes for the same seed, from every build.
#pragma once

#include <cstdint>
#include <ostream>
#include <string>
#include <string_view>

#include "rejoin/crdt/hash.h"
#include "rejoin/simulation/scenario.h"

namespace rejoin::simulation {

// "<seconds>.<microseconds> <text>\n". Ask enabled() before putting a text together.
class Trace {
 public:
  Trace(std::ostream* out, bool hashed) : out_(out), enabled_(out != nullptr || hashed) {}

  bool enabled() const { return enabled_; }
  void line(Duration now, std::string_view text);
  StateHash hash() const { return hash_; }  // of all lines so far

 private:
  std::ostream* out_;
  bool enabled_;
  std::string buffer_;
  StateHash hash_;
};

// The first eight hexadecimal digits: enough to tell two runs apart.
std::string brief(const StateHash& hash);

}  // namespace rejoin::simulation
