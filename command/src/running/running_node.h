// The node that a sub-command asks over its admin socket.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "rejoin/crdt/result.h"
#include "rejoin/node/admin_client.h"

namespace CLI {
class App;
}

namespace rejoin::command {

struct RunningNode {
  std::string socket;
  std::string config;  // where the socket is empty: the file that names it

  // --socket and --config, of which one must be given. `this` must live as long as the command.
  void add_options(CLI::App& command);
  // Of its admin socket; an error when the config file does not say.
  Result<std::string> socket_path() const;
  Result<node::AdminClient> connect() const;
  // AdminClient::call() on a connection of its own.
  Result<nlohmann::json> call(const nlohmann::json& request) const;
};

}  // namespace rejoin::command
