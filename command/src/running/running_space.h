// A space of a running node, and a place in it, as sub-commands are told them.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "running_node.h"

namespace CLI {
class Option;
}

namespace rejoin::command {

struct RunningSpace {
  RunningNode node;
  std::string space;  // empty: the only one
  std::string path = "/";

  // PATH, --space and what RunningNode has. `this` must live as long as the command.
  CLI::Option* add_options(CLI::App& command);
  // Completes a request by space and path. `invalid_argument` names the spaces when one must be
  // chosen.
  Result<nlohmann::json> request(node::AdminClient& client, nlohmann::json request) const;
};

}  // namespace rejoin::command
