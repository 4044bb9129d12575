// Reads the answers of a running node, which may be of another version: a field that is missing or
// of another type is nothing.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace rejoin::command {

inline std::string text_of(const nlohmann::json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

inline std::optional<std::int64_t> integer_of(const nlohmann::json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number_integer()) return std::nullopt;
  return found->get<std::int64_t>();
}

inline bool flag_of(const nlohmann::json& object, const char* key, bool otherwise = false) {
  const auto found = object.find(key);
  return found != object.end() && found->is_boolean() ? found->get<bool>() : otherwise;
}

inline nlohmann::json object_of(const nlohmann::json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_object() ? *found : nlohmann::json::object();
}

// Of an array, those that are objects; with `texts_of`, those that are strings.
inline std::vector<nlohmann::json> objects_of(const nlohmann::json& object, const char* key) {
  std::vector<nlohmann::json> all;
  const auto found = object.find(key);
  if (found == object.end() || !found->is_array()) return all;
  for (const nlohmann::json& item : *found) {
    if (item.is_object()) all.push_back(item);
  }
  return all;
}
inline std::vector<std::string> texts_of(const nlohmann::json& object, const char* key) {
  std::vector<std::string> all;
  const auto found = object.find(key);
  if (found == object.end() || !found->is_array()) return all;
  for (const nlohmann::json& item : *found) {
    if (item.is_string()) all.push_back(item.get<std::string>());
  }
  return all;
}

// How many writes the clock counts that is there; nothing where there is none.
inline std::optional<std::int64_t> writes_of(const nlohmann::json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_object()) return std::nullopt;
  std::int64_t sum = 0;
  for (const auto& [replica, sequence] : found->items()) {
    if (sequence.is_number_integer()) sum += sequence.get<std::int64_t>();
  }
  return sum;
}

// "?" where there is no number.
inline std::string number_text(const std::optional<std::int64_t>& number) {
  return number ? std::to_string(*number) : "?";
}

}  // namespace rejoin::command
