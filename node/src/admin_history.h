// The commands of the admin socket that look back: see docs/admin.md.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "rejoin/crdt/result.h"

namespace rejoin::node {

class JsonFields;
class Runtime;

// Each takes what is left of the request's fields.
Result<nlohmann::json> answer_history(Runtime& runtime, const std::string& space,
                                      JsonFields& fields);
Result<nlohmann::json> answer_why(Runtime& runtime, const std::string& space, JsonFields& fields);
Result<nlohmann::json> answer_at(Runtime& runtime, const std::string& space, JsonFields& fields);
Result<nlohmann::json> answer_feed(Runtime& runtime, const std::string& space, JsonFields& fields);
Result<nlohmann::json> answer_diff(Runtime& runtime, const std::string& space, JsonFields& fields);

}  // namespace rejoin::node
