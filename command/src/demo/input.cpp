#include "demo/input.h"

#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <unordered_set>

namespace rejoin::demo {
namespace {

using Json = nlohmann::json;

Error malformed(std::string message, std::string where) {
  return make_error(ErrorCode::malformed, std::move(message), std::move(where));
}

std::string text_at(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

Status parse_tool_calls(const Json& calls, agent::Turn& turn, const std::string& where) {
  if (!calls.is_array()) return malformed("\"tool_calls\" must be an array", where);
  for (const Json& call : calls) {
    const auto function = call.is_object() ? call.find("function") : call.end();
    if (!call.is_object() || function == call.end() || !function->is_object() ||
        text_at(*function, "name").empty()) {
      return malformed("a tool call needs {\"function\": {\"name\": ..., \"arguments\": ...}}",
                       where);
    }
    turn.tool_calls.push_back(agent::ToolCall{text_at(call, "id"), text_at(*function, "name"),
                                              text_at(*function, "arguments")});
  }
  return {};
}

Result<agent::Turn> parse_turn(const Json& from, const std::string& where) {
  if (!from.is_object()) return malformed("a turn must be a JSON object", where);
  agent::Turn turn;
  const auto role = agent::parse_role(text_at(from, "role"));
  if (!role) return malformed(role.error().message, where);
  turn.role = *role;
  if (const auto content = from.find("content"); content != from.end() && !content->is_null()) {
    if (!content->is_string()) return malformed("\"content\" must be a string or null", where);
    turn.content = content->get<std::string>();
  }
  turn.tool_call_id = text_at(from, "tool_call_id");
  turn.name = text_at(from, "name");
  if (const auto calls = from.find("tool_calls"); calls != from.end() && !calls->is_null()) {
    if (auto ok = parse_tool_calls(*calls, turn, where); !ok) return ok.error();
  }
  // The rules of the data model, before anything is started: too long a name, calls by a user.
  if (auto encoded = agent::encode_turn(turn); !encoded) {
    return malformed(encoded.error().message, where);
  }
  return turn;
}

Result<InputSession> parse_session(std::string_view line, const std::string& where) {
  Json from;
  try {
    from = Json::parse(line);
  } catch (const Json::parse_error& error) {
    return malformed("not JSON, at byte " + std::to_string(error.byte) +
                         "; each line must be one session as a JSON object",
                     where);
  } catch (const Json::exception&) {  // a number that no double can hold
    return malformed("holds a number that is out of range", where);
  }
  InputSession session;
  if (from.is_object()) session.id = text_at(from, "session");
  if (session.id.empty() || session.id.size() > agent::label_bytes_max / 2) {
    return malformed("needs a JSON object with a \"session\" of 1 to 128 bytes", where);
  }
  if (const auto task = from.find("task"); task != from.end() && task->is_object()) {
    session.user = text_at(*task, "user_id");
  }
  const auto turns = from.find("turns");
  if (turns == from.end() || !turns->is_array() || turns->empty()) {
    return malformed("session \"" + session.id + "\" needs \"turns\", an array that is not empty",
                     where);
  }
  for (const Json& from_turn : *turns) {
    auto turn = parse_turn(from_turn, where + ", turn " + std::to_string(session.turns.size() + 1));
    if (!turn) return turn.error();
    session.turns.push_back(*std::move(turn));
  }
  return session;
}

struct CloseGz {
  void operator()(gzFile file) const { gzclose(file); }
};

}  // namespace

Result<std::string> read_text(const std::string& file) {
  errno = 0;
  const std::unique_ptr<gzFile_s, CloseGz> in(gzopen(file.c_str(), "rb"));
  if (!in) {
    return make_error(
        ErrorCode::not_found,
        std::string("cannot be read: ") + (errno != 0 ? std::strerror(errno) : "out of memory"),
        file);
  }
  std::string text;
  std::string chunk(1u << 20, '\0');
  for (;;) {
    const int got = gzread(in.get(), chunk.data(), static_cast<unsigned>(chunk.size()));
    int problem = Z_OK;
    const std::string words = gzerror(in.get(), &problem);
    if (got < 0 || (got == 0 && problem != Z_OK && problem != Z_STREAM_END)) {
      if (problem == Z_ERRNO) {
        return make_error(ErrorCode::io, std::string("cannot be read: ") + std::strerror(errno),
                          file);
      }
      return malformed("is damaged or cut short (" + words + ")", file);
    }
    if (got == 0) break;
    text.append(chunk, 0, static_cast<std::size_t>(got));
    if (text.size() > input_bytes_max) {
      return make_error(ErrorCode::limit_exceeded, "is longer than 1 GiB", file);
    }
  }
  if (text.find_first_not_of(" \t\r\n") == std::string::npos) {
    return malformed("is empty; it must hold one session as a JSON object a line", file);
  }
  return text;
}

Result<std::vector<InputSession>> parse_sessions(std::string_view text, const std::string& source,
                                                 std::size_t sessions_max) {
  std::vector<InputSession> sessions;
  std::unordered_set<std::string> ids;
  std::size_t line_number = 0;
  while (!text.empty() && sessions.size() < sessions_max) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    const std::string where = source + ", line " + std::to_string(++line_number);
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    auto session = parse_session(line, where);
    if (!session) return session.error();
    if (!ids.insert(session->id).second) {
      return malformed("session \"" + session->id + "\" was there already; ids must be unique",
                       where);
    }
    sessions.push_back(*std::move(session));
  }
  return sessions;
}

}  // namespace rejoin::demo
