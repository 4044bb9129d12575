#include "running_space.h"

#include <CLI/CLI.hpp>
#include <utility>
#include <vector>

#include "answer_fields.h"

namespace rejoin::command {
namespace {

// The spaces that are not the node's own.
Result<std::vector<std::string>> names_of_spaces(node::AdminClient& client) {
  const auto answer = client.call({{"command", "spaces"}});
  if (!answer) return answer.error();
  std::vector<std::string> names;
  for (const nlohmann::json& space : objects_of(*answer, "spaces")) {
    const std::string name = text_of(space, "name");
    if (!name.starts_with("rejoin.")) names.push_back(name);
  }
  return names;
}

}  // namespace

CLI::Option* RunningSpace::add_options(CLI::App& command) {
  node.add_options(command);
  command.add_option("--space", space, "The space (needless where the node has one)")
      ->type_name("NAME");
  return command
      .add_option("path", path,
                  "The place, such as /sessions/s1/user. Its last step may name a type\n"
                  "(/counter:calls); without one it is whatever is there")
      ->type_name("PATH");
}

Result<nlohmann::json> RunningSpace::request(node::AdminClient& client,
                                             nlohmann::json request) const {
  request["space"] = space;
  if (space.empty()) {
    const auto names = names_of_spaces(client);
    if (!names) return names.error();
    if (names->size() != 1) {
      std::string all;
      for (const std::string& name : *names) all += (all.empty() ? "" : ", ") + name;
      return make_error(ErrorCode::invalid_argument,
                        all.empty()
                            ? "the node has no space"
                            : "the node has several spaces; choose one with --space: " + all);
    }
    request["space"] = names->front();
  }
  return request;
}

}  // namespace rejoin::command
