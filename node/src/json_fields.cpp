#include "json_fields.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "rejoin/crdt/json.h"

namespace rejoin::node {
namespace {

const nlohmann::json null_json;

bool is_int64(const nlohmann::json& number) {
  if (number.is_number_unsigned()) {
    return number.get<std::uint64_t>() <= std::uint64_t{std::numeric_limits<std::int64_t>::max()};
  }
  return number.is_number_integer();
}

}  // namespace

JsonFields::JsonFields(const nlohmann::json& object, std::string what)
    : object_(object), what_(std::move(what)) {
  if (!object_.is_object()) {
    fail(make_error(ErrorCode::malformed, what_ + ": expected a JSON object"));
  }
}

void JsonFields::fail(Error error) {
  if (!error_) error_ = std::move(error);
}

void JsonFields::wrong(const char* key, const char* expected) {
  fail(make_error(ErrorCode::invalid_argument, what_ + ": \"" + key + "\" must be " + expected));
}

const nlohmann::json* JsonFields::find(const char* key, bool required) {
  if (error_) return nullptr;
  taken_.emplace_back(key);
  const auto found = object_.find(key);
  if (found != object_.end()) return &*found;
  if (required) {
    fail(make_error(ErrorCode::invalid_argument, what_ + ": \"" + key + "\" is missing"));
  }
  return nullptr;
}

bool JsonFields::has(const char* key) const { return object_.is_object() && object_.contains(key); }

std::string JsonFields::string(const char* key) {
  const nlohmann::json* field = find(key, true);
  if (field == nullptr) return {};
  if (field->is_string()) return field->get<std::string>();
  wrong(key, "a string");
  return {};
}

std::string JsonFields::string(const char* key, const std::string& otherwise) {
  return has(key) ? string(key) : otherwise;
}

std::int64_t JsonFields::integer(const char* key) {
  const nlohmann::json* field = find(key, true);
  if (field == nullptr) return 0;
  if (is_int64(*field)) return field->get<std::int64_t>();
  wrong(key, "an integer of 64 bits");
  return 0;
}

std::int64_t JsonFields::integer(const char* key, std::int64_t otherwise) {
  return has(key) ? integer(key) : otherwise;
}

bool JsonFields::boolean(const char* key) {
  const nlohmann::json* field = find(key, true);
  if (field == nullptr) return false;
  if (field->is_boolean()) return field->get<bool>();
  wrong(key, "true or false");
  return false;
}

bool JsonFields::boolean(const char* key, bool otherwise) {
  return has(key) ? boolean(key) : otherwise;
}

Value JsonFields::value(const char* key) {
  const nlohmann::json* field = find(key, true);
  if (field == nullptr) return {};
  auto value = value_from_json(*field);
  if (value) return *std::move(value);
  wrong(key, "null, a boolean, a number, a string, or {\"$bytes\": ...}");
  return {};
}

std::vector<Value> JsonFields::values(const char* key) {
  const nlohmann::json* field = find(key, true);
  if (field == nullptr) return {};
  if (!field->is_array()) {
    wrong(key, "an array of values");
    return {};
  }
  std::vector<Value> values;
  values.reserve(field->size());
  for (const nlohmann::json& item : *field) {
    auto value = value_from_json(item);
    if (!value) {
      wrong(key, "an array of null, booleans, numbers, strings, or {\"$bytes\": ...}");
      return {};
    }
    values.push_back(*std::move(value));
  }
  return values;
}

Path JsonFields::path(const char* key, Type last) {
  const std::string text = string(key);
  if (!ok()) return {};
  auto path = Path::parse(text, last);
  if (path) return *std::move(path);
  fail(path.error());
  return {};
}

Path JsonFields::path_or_root(const char* key) { return has(key) ? path(key, Type::map) : Path{}; }

const nlohmann::json& JsonFields::any(const char* key) {
  const nlohmann::json* field = find(key, true);
  return field == nullptr ? null_json : *field;
}

Status JsonFields::finish() {
  if (error_) return *error_;
  for (const auto& [key, field] : object_.items()) {
    if (std::find(taken_.begin(), taken_.end(), key) != taken_.end()) continue;
    return make_error(ErrorCode::invalid_argument, what_ + ": \"" + key + "\" is not known here");
  }
  return {};
}

}  // namespace rejoin::node
