// What a run did, line by line: the same bytes for the same seed, from every build.
#pragma once

#include <cstdint>
#include <ostream>
#include <string>
#include <string_view>

#include "rejoin/crdt/hash.h"
#include "rejoin/simulation/scenario.h"
#include "world/recorder.h"

namespace rejoin::simulation {

// "<seconds>.<microseconds> <text>\n". Ask enabled() before putting a text together.
class Trace {
 public:
  // `recorder` may be null.
  Trace(std::ostream* out, bool hashed, Recorder* recorder)
      : out_(out), enabled_(out != nullptr || hashed), recorder_(recorder) {}

  bool enabled() const { return enabled_; }
  Recorder* recorder() const { return recorder_; }  // null when nobody records
  void line(Duration now, std::string_view text);
  StateHash hash() const { return hash_; }  // of all lines so far

 private:
  std::ostream* out_;
  bool enabled_;
  Recorder* recorder_;
  std::string buffer_;
  StateHash hash_;
};

// The first eight hexadecimal digits: enough to tell two runs apart.
std::string brief(const StateHash& hash);

}  // namespace rejoin::simulation
