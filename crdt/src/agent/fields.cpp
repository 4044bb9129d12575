#include "agent/fields.h"

#include "rejoin/crdt/agent/label.h"

namespace rejoin::agent {

std::optional<std::int64_t> integer_at(const MapView& map, std::string_view name, Type type) {
  const std::optional<Value> value = map.reg(name, type).get();
  return value && value->is_integer() ? std::optional(value->as_integer()) : std::nullopt;
}

std::optional<std::string> string_at(const MapView& map, std::string_view name) {
  const std::optional<Value> value = map.reg(name).get();
  return value && value->is_string() ? std::optional(std::string(value->as_string()))
                                     : std::nullopt;
}

Status check_text(std::string_view what, std::string_view text) {
  if (is_valid_utf8(text)) return {};
  return make_error(ErrorCode::invalid_argument,
                    std::string(what) + " is not valid UTF-8; send text as UTF-8");
}

Status check_label(std::string_view what, std::string_view text) {
  if (text.size() > label_bytes_max) {
    return make_error(ErrorCode::limit_exceeded,
                      std::string(what) + " has " + std::to_string(text.size()) +
                          " bytes; at most " + std::to_string(label_bytes_max) + " are allowed");
  }
  return check_text(what, text);
}

Status check_name(std::string_view what, std::string_view text) {
  if (!text.empty()) return check_label(what, text);
  return make_error(ErrorCode::invalid_argument, std::string(what) + " must not be empty");
}

}  // namespace rejoin::agent
