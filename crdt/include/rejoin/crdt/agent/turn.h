// One turn of an agent's conversation, and how it is written down.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rejoin/crdt/agent/content_hash.h"
#include "rejoin/crdt/agent/label.h"
#include "rejoin/crdt/result.h"
#include "rejoin/crdt/value.h"

namespace rejoin::agent {

// Who speaks. `unknown` is only ever read: a role that a newer or foreign writer used.
enum class Role : std::uint8_t { unknown, system, user, assistant, tool };

std::string_view to_string(Role role);  // "system", "user", "assistant", "tool"; "unknown"
// `invalid_argument` for any other word, "unknown" included.
Result<Role> parse_role(std::string_view name);

// A call that an assistant asks for. `arguments` is text, by custom a JSON object; it is kept as it
// came.
struct ToolCall {
  std::string id;
  std::string name;
  std::string arguments;
  friend bool operator==(const ToolCall&, const ToolCall&) = default;
};

// A turn never changes once written. The views own no clock and no randomness: `time_millis` and
// `id` are the writer's.
struct Turn {
  Role role = Role::unknown;
  std::optional<std::string> content;    // absent: an assistant that only calls tools, as a rule
  std::vector<ToolCall> tool_calls;      // of an assistant
  std::vector<ContentHash> attachments;  // what it shows, as in SessionView::attachments()
  std::string tool_call_id;              // of a tool: the call that this answers; may be empty
  std::string name;                      // of a tool: which; may be empty
  std::string author;                    // the agent, person or region that wrote it; may be empty
  std::uint64_t time_millis = 0;         // Unix time of the author's clock; 0: not recorded
  // Names the write for ever, so that it can be repeated when its outcome is not known (see
  // SessionRef::append_once): any text that nobody uses twice in one session. May be empty.
  std::string id;
  // Only read: the word that stands in the record, where `role` is unknown.
  std::string role_name;

  friend bool operator==(const Turn&, const Turn&) = default;
};

// The turn as one scalar: JSON text with sorted keys, without what is empty (docs/agent-state.md).
// `invalid_argument` for an unknown role, text that is not UTF-8, tool calls of a turn that is not
// an assistant's, a tool call without a name, an attachment without a hash, or a time beyond int64;
// `limit_exceeded` for a label (id, author, name, tool_call_id, a call's id and name) beyond
// label_bytes_max.
Result<Value> encode_turn(const Turn& turn);

// What can be read of any value: fields of the wrong type and unknown ones are passed over. A value
// that is no JSON object reads as a turn of role `unknown` whose content is the value's text, so
// that a foreign element is seen and counted, never hidden.
Turn decode_turn(const Value& value);

// A turn as somebody asks to write it, in the form of the record: {"role": "user", "content":
// "..."}. Strict where decode_turn is not: `invalid_argument` names an unknown role or field, or
// one of the wrong type.
Result<Turn> turn_from_json(const nlohmann::json& record);

}  // namespace rejoin::agent
