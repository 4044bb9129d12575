// The sessions that the demo plays: read from JSONL, plain or compressed.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "rejoin/crdt/agent/turn.h"
#include "rejoin/crdt/result.h"

namespace rejoin::demo {

struct InputSession {
  std::string id;
  std::string user;  // task.user_id, where the line has one
  std::vector<agent::Turn> turns;
};

// Text of a file, decompressed if need be. `not_found` when there is none, `malformed` when it is
// empty or a compressed file is damaged or cut short, `limit_exceeded` beyond input_bytes_max.
Result<std::string> read_text(const std::string& file);
inline constexpr std::size_t input_bytes_max = std::size_t{1} << 30;

// One JSON object a line: `session` (unique), `turns` (each `role`, `content` or null, for
// assistants `tool_calls` as chat APIs write them, for tools `tool_call_id` and `name`), and
// optionally `task` with a `user_id`. Other fields and empty lines are passed over; reads at most
// `sessions_max` sessions. `malformed` names `source`, line and turn where the text is not of this
// form.
Result<std::vector<InputSession>> parse_sessions(std::string_view text, const std::string& source,
                                                 std::size_t sessions_max);

// The sample that is built into the program: examples/sessions.jsonl.
std::string_view sample_text();

}  // namespace rejoin::demo
