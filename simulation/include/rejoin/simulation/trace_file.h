// A trace in a file, with all that is needed to run it again.
#pragma once

#include <istream>
#include <ostream>
#include <string>

#include "rejoin/crdt/result.h"
#include "rejoin/simulation/scenario.h"

namespace rejoin::simulation {

// The head of a trace file: comment lines with its format and the whole scenario. Hand `out` to
// RunOptions::trace afterwards.
void write_trace_head(std::ostream& out, const Scenario& scenario, std::uint64_t seed);

// Whether text that begins like this is a trace rather than a scenario.
bool is_trace(std::string_view text);

struct TraceFile {
  Scenario scenario;  // with its seed
  std::string lines;  // what happened
};
// `malformed` when it is no trace, `unsupported_version` when the simulator that wrote it drew
// otherwise: it cannot be replayed.
Result<TraceFile> read_trace(std::string_view text, const std::string& source);

}  // namespace rejoin::simulation
