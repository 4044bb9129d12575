// Records: what is written once and as a whole, as JSON text with sorted keys
// (docs/agent-state.md).
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "rejoin/crdt/value.h"

namespace rejoin::agent {

// Null where the value is no JSON object.
nlohmann::json record_of(const Value& value);
// The words of a value that is no record.
std::string foreign_text(const Value& value);

// Empty, and 0, where there is nothing of that kind.
std::string text_at(const nlohmann::json& record, const char* key);
std::uint64_t time_at(const nlohmann::json& record, const char* key);

// `invalid_argument` beyond int64, which is as far as JSON is read by others.
Status check_time(std::string_view what, std::uint64_t millis);

}  // namespace rejoin::agent
