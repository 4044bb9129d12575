#include "agent/record.h"

#include <limits>

namespace rejoin::agent {

using nlohmann::json;

json record_of(const Value& value) {
  if (!value.is_string()) return {};
  json record = json::parse(value.as_string(), nullptr, /*allow_exceptions=*/false);
  return record.is_object() ? record : json();
}

std::string foreign_text(const Value& value) {
  return value.is_string() ? std::string(value.as_string()) : value.to_string();
}

std::string text_at(const json& record, const char* key) {
  const auto found = record.find(key);
  return found != record.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::uint64_t time_at(const json& record, const char* key) {
  const auto found = record.find(key);
  const bool is_time = found != record.end() && found->is_number_unsigned();
  return is_time ? found->get<std::uint64_t>() : 0;
}

Status check_time(std::string_view what, std::uint64_t millis) {
  if (millis <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) return {};
  return make_error(ErrorCode::invalid_argument, std::string(what) + " lies beyond int64");
}

}  // namespace rejoin::agent
