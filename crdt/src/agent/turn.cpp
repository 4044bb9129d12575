#include "rejoin/crdt/agent/turn.h"

#include <nlohmann/json.hpp>

#include "agent/fields.h"
#include "agent/record.h"

namespace rejoin::agent {
namespace {

using Json = nlohmann::json;

Status check_turn(const Turn& turn) {
  if (turn.role == Role::unknown || to_string(turn.role) == "unknown") {
    return make_error(ErrorCode::invalid_argument,
                      "a turn needs a role: system, user, assistant or tool");
  }
  if (auto ok = check_time("the turn's time", turn.time_millis); !ok) return ok;
  if (turn.content) {
    if (auto ok = check_text("the turn's content", *turn.content); !ok) return ok;
  }
  for (auto [field, text] : {std::pair<std::string_view, std::string_view>{"id", turn.id},
                             {"author", turn.author},
                             {"name", turn.name},
                             {"tool_call_id", turn.tool_call_id}}) {
    if (auto ok = check_label("the turn's " + std::string(field), text); !ok) return ok;
  }
  for (const ContentHash& attachment : turn.attachments) {
    if (!attachment.is_nil()) continue;
    return make_error(ErrorCode::invalid_argument, "a turn's attachment needs a hash");
  }
  if (!turn.tool_calls.empty() && turn.role != Role::assistant) {
    return make_error(ErrorCode::invalid_argument,
                      "only an assistant's turn has tool calls, not a " +
                          std::string(to_string(turn.role)) + "'s");
  }
  for (const ToolCall& call : turn.tool_calls) {
    if (call.name.empty()) {
      return make_error(ErrorCode::invalid_argument, "a tool call needs the tool's name");
    }
    if (auto ok = check_label("the turn's tool call id", call.id); !ok) return ok;
    if (auto ok = check_label("the turn's tool call name", call.name); !ok) return ok;
    if (auto ok = check_text("the turn's tool call arguments", call.arguments); !ok) return ok;
  }
  return {};
}

// Whatever can be understood of a record.
Turn read_record(const Json& record) {
  Turn turn;
  const std::string role = text_at(record, "role");
  if (const auto known = parse_role(role); known) {
    turn.role = *known;
  } else {
    turn.role_name = role;
  }
  if (const auto content = record.find("content");
      content != record.end() && content->is_string()) {
    turn.content = content->get<std::string>();
  }
  turn.tool_call_id = text_at(record, "tool_call_id");
  turn.name = text_at(record, "name");
  turn.author = text_at(record, "author");
  turn.id = text_at(record, "id");
  turn.time_millis = time_at(record, "time");
  if (const auto hashes = record.find("attachments"); hashes != record.end()) {
    for (const Json& hash : *hashes) {
      if (!hash.is_string()) continue;
      const auto named = ContentHash::parse(hash.get_ref<const std::string&>());
      if (named) turn.attachments.push_back(*named);
    }
  }
  if (const auto calls = record.find("tool_calls"); calls != record.end() && calls->is_array()) {
    for (const Json& call : *calls) {
      if (!call.is_object()) continue;
      turn.tool_calls.push_back(
          ToolCall{text_at(call, "id"), text_at(call, "name"), text_at(call, "arguments")});
    }
  }
  return turn;
}

Status check_call_field(const std::string& key, const Json& value) {
  if (key != "id" && key != "name" && key != "arguments") {
    return make_error(ErrorCode::invalid_argument,
                      "unknown field \"" + key + "\" in a tool call; it has id, name, arguments");
  }
  if (!value.is_string()) {
    return make_error(ErrorCode::invalid_argument,
                      "a tool call's \"" + key + "\" must be a string");
  }
  return {};
}

Status check_field(const std::string& key, const Json& value) {
  if (key == "tool_calls") {
    if (!value.is_array()) {
      return make_error(ErrorCode::invalid_argument, "a turn's \"tool_calls\" must be an array");
    }
    for (const Json& call : value) {
      if (!call.is_object()) {
        return make_error(ErrorCode::invalid_argument, "a tool call must be a JSON object");
      }
      for (const auto& [name, field] : call.items()) {
        if (auto ok = check_call_field(name, field); !ok) return ok;
      }
    }
    return {};
  }
  if (key == "attachments") {
    if (!value.is_array()) {
      return make_error(ErrorCode::invalid_argument, "a turn's \"attachments\" must be an array");
    }
    for (const Json& hash : value) {
      const auto named = ContentHash::parse(hash.is_string() ? hash.get<std::string>() : "");
      if (!named) return named.error();
    }
    return {};
  }
  if (key == "time") {
    if (value.is_number_unsigned()) return {};
    return make_error(ErrorCode::invalid_argument,
                      "a turn's \"time\" must be a whole number of milliseconds");
  }
  for (std::string_view known : {"role", "content", "author", "id", "name", "tool_call_id"}) {
    if (key != known) continue;
    if (value.is_string() || (key == "content" && value.is_null())) return {};
    return make_error(ErrorCode::invalid_argument, "a turn's \"" + key + "\" must be a string");
  }
  return make_error(ErrorCode::invalid_argument,
                    "unknown field \"" + key +
                        "\" in a turn; it has role, content, attachments, tool_calls, "
                        "tool_call_id, name, author, time, id");
}

}  // namespace

std::string_view to_string(Role role) {
  switch (role) {
    case Role::system:
      return "system";
    case Role::user:
      return "user";
    case Role::assistant:
      return "assistant";
    case Role::tool:
      return "tool";
    case Role::unknown:
      break;
  }
  return "unknown";
}

Result<Role> parse_role(std::string_view name) {
  for (Role role : {Role::system, Role::user, Role::assistant, Role::tool}) {
    if (name == to_string(role)) return role;
  }
  return make_error(
      ErrorCode::invalid_argument,
      "unknown role '" + std::string(name) + "'; it must be system, user, assistant or tool");
}

Result<Value> encode_turn(const Turn& turn) {
  if (auto ok = check_turn(turn); !ok) return ok.error();
  Json record = {{"role", to_string(turn.role)}};
  if (turn.content) record["content"] = *turn.content;
  if (!turn.tool_call_id.empty()) record["tool_call_id"] = turn.tool_call_id;
  if (!turn.name.empty()) record["name"] = turn.name;
  if (!turn.author.empty()) record["author"] = turn.author;
  if (!turn.id.empty()) record["id"] = turn.id;
  if (turn.time_millis != 0) record["time"] = turn.time_millis;
  for (const ContentHash& attachment : turn.attachments) {
    record["attachments"].push_back(attachment.to_string());
  }
  for (const ToolCall& call : turn.tool_calls) {
    Json written = {{"name", call.name}, {"arguments", call.arguments}};
    if (!call.id.empty()) written["id"] = call.id;
    record["tool_calls"].push_back(std::move(written));
  }
  return Value(record.dump());  // nlohmann keeps keys sorted: equal turns give equal text
}

Turn decode_turn(const Value& value) {
  const Json record = record_of(value);
  if (record.is_object()) return read_record(record);
  Turn turn;
  turn.content = foreign_text(value);
  return turn;
}

Result<Turn> turn_from_json(const Json& record) {
  if (!record.is_object()) {
    return make_error(ErrorCode::invalid_argument, "a turn must be a JSON object");
  }
  for (const auto& [key, value] : record.items()) {
    if (auto ok = check_field(key, value); !ok) return ok.error();
  }
  if (const auto role = parse_role(text_at(record, "role")); !role) return role.error();
  Turn turn = read_record(record);
  if (auto ok = check_turn(turn); !ok) return ok.error();
  return turn;
}

}  // namespace rejoin::agent
