#include "clock_json.h"

#include <nlohmann/json.hpp>

namespace rejoin::node {

nlohmann::json clock_json(const Clock& clock) {
  nlohmann::json object = nlohmann::json::object();
  for (const auto& [replica, sequence] : clock) object[replica.to_string()] = sequence;
  return object;
}

}  // namespace rejoin::node
