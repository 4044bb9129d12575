// `rejoin get`: what is at a path in a running node.
#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "command.h"
#include "running_space.h"

namespace rejoin::command {
namespace {

int run_get(const RunningSpace& place) {
  auto client = place.node.connect();
  if (!client) return fail(client.error());
  const auto request = place.request(*client, {{"command", "export"}, {"path", place.path}});
  if (!request) return fail(request.error());
  const auto answer = client->call(*request);
  if (!answer) return fail(answer.error());
  const auto found = answer->find("json");
  if (found == answer->end()) return fail("the node's answer is not understood");
  std::cout << found->dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << std::endl;
  return exit_done;
}

}  // namespace

void add_get_command(CLI::App& app, int& exit_code) {
  CLI::App* command =
      app.add_subcommand("get", "Print what is at a path in a running node, as JSON");
  auto place = std::make_shared<RunningSpace>();
  place->add_options(*command);
  command->footer(
      "Without a path: the whole space.\n\n"
      "Examples:\n"
      "  rejoin get --config node.toml /sessions/s1\n"
      "  rejoin get --config node.toml --space scratch / > scratch.json\n\n"
      "Exit codes: 0 done, 1 nothing is there, or no node answers, 2 wrong usage.");
  command->callback([place, &exit_code] { exit_code = run_get(*place); });
}

}  // namespace rejoin::command
