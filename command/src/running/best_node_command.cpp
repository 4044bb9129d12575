// `rejoin best-node`: on which node a session is best worked on.
#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "answer_fields.h"
#include "command.h"
#include "running_node.h"

namespace rejoin::command {
namespace {

using nlohmann::json;

struct BestNodeOptions {
  RunningNode node;
  std::string session;
  std::string region;
  bool has_region = false;
  bool all = false;
  bool as_json = false;
};

int run_best_node(const BestNodeOptions& options) {
  json request{{"command", "best_node"}, {"session", options.session}};
  if (options.has_region) request["region"] = options.region;
  const auto answer = options.node.call(request);
  if (!answer) return fail(answer.error());
  if (options.as_json) {
    std::cout << answer->dump(2) << std::endl;
    return exit_done;
  }
  for (const json& node : objects_of(*answer, "nodes")) {
    std::cout << text_of(node, "name") << std::endl;
    if (!options.all) break;
  }
  return exit_done;
}

}  // namespace

void add_best_node_command(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand(
      "best-node", "Say on which node of a running node's cluster a session is best worked on");
  auto options = std::make_shared<BestNodeOptions>();
  options->node.add_options(*command);
  command->add_option("session", options->session, "The session's name")
      ->required()
      ->type_name("SESSION");
  const CLI::Option* region =
      command
          ->add_option("--region", options->region,
                       "Nodes of this region first; \"\" prefers none (default: the node's own)")
          ->type_name("NAME");
  command->add_flag("--all", options->all, "Every node that is alive, the best first");
  command->add_flag("--json", options->as_json, "Print all of it as JSON (docs/admin.md)");
  command->footer(
      "Every node that believes the same members alive gives the same answer. It is a hint: a\n"
      "session may be worked on anywhere. Take its causal token along (docs/agent-state.md).\n\n"
      "Examples:\n"
      "  rejoin best-node --config node.toml s1                  one name\n"
      "  rejoin best-node --config node.toml s1 --region tokyo   for a user who is in Tokyo\n"
      "  rejoin best-node --config node.toml s1 --all            and who follows, if that one "
      "goes\n\n"
      "Exit codes: 0 done, 1 no node answers there, or none is alive, 2 wrong usage.");
  command->callback([options, region, &exit_code] {
    options->has_region = region->count() > 0;
    exit_code = run_best_node(*options);
  });
}

}  // namespace rejoin::command
