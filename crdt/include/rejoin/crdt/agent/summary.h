// Summaries: what stands for old turns in an agent's context.
#pragma once

#include <cstdint>
#include <string>

#include "rejoin/crdt/agent/label.h"
#include "rejoin/crdt/clock.h"
#include "rejoin/crdt/value.h"

namespace rejoin::agent {

struct Summary {
  std::string content;
  std::string author = {};        // may be empty
  std::uint64_t time_millis = 0;  // Unix time of the author's clock; 0: not recorded

  // Only read. A turn is summarised when its dot is in `covers`, so one that came from elsewhere
  // since is not, wherever it stands among the turns.
  std::int64_t turns = 0;  // how many those were
  Clock covers = {};
  friend bool operator==(const Summary&, const Summary&) = default;
};

// The summary as one scalar: JSON text with sorted keys (docs/agent-state.md). `invalid_argument`
// for one without content, or text that is not UTF-8; `limit_exceeded` for an author beyond
// label_bytes_max.
Result<Value> encode_summary(const Summary& summary);
// What can be read of any value: one that is no record is a summary of nothing.
Summary decode_summary(const Value& value);

}  // namespace rejoin::agent
