#include "running_node.h"

#include <CLI/CLI.hpp>

#include "rejoin/node/node.h"

namespace rejoin::command {

void RunningNode::add_options(CLI::App& command) {
  auto* from = command.add_option_group("from", "Which node");
  from->add_option("--socket,-s", socket, "Its admin socket")->type_name("PATH");
  from->add_option("--config,-c", config, "Its config file")->type_name("FILE");
  from->require_option(1);
}

Result<std::string> RunningNode::socket_path() const {
  if (!socket.empty()) return socket;
  const auto options = node::NodeOptions::from_toml_file(config);
  if (!options) return options.error();
  std::string path = options->admin_socket_path();
  if (path.empty()) {
    return make_error(ErrorCode::invalid_argument,
                      "gives the node no admin socket; set admin_socket or directory", config);
  }
  return path;
}

Result<node::AdminClient> RunningNode::connect() const {
  const auto path = socket_path();
  if (!path) return path.error();
  return node::AdminClient::connect(*path);
}

Result<nlohmann::json> RunningNode::call(const nlohmann::json& request) const {
  auto client = connect();
  if (!client) return client.error();
  return client->call(request);
}

}  // namespace rejoin::command
