// `rejoin demo`: agent sessions that live through a partition and a kill -9.
#pragma once

#include <cstddef>
#include <string>

#include "rejoin/crdt/result.h"

namespace rejoin::demo {

struct DemoOptions {
  std::string input;             // a JSONL file; empty: the sample
  std::size_t sessions_max = 0;  // 0: all
  std::string report = "rejoin-demo.html";
  std::string keep;    // a folder for the nodes' stores and logs; empty: a temporary one
  double seconds = 6;  // at least so long, so that one can watch
};

// Plays, checks and reports on stdout. True when all nodes agreed with what was written; an error
// when it could not be played to its end.
Result<bool> run_demo(const DemoOptions& options);

}  // namespace rejoin::demo
