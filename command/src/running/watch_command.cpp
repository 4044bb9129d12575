// `rejoin watch`: what changes in a running node, as it changes.
#include <CLI/CLI.hpp>
#include <cstdint>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "command.h"
#include "running_space.h"

namespace rejoin::command {
namespace {

struct WatchOptions {
  RunningSpace place;
  std::uint64_t count = 0;  // 0: no end
  bool paths_only = false;
};

int run_watch(const WatchOptions& options) {
  auto client = options.place.node.connect();
  if (!client) return fail(client.error());
  const auto request = options.place.request(
      *client,
      {{"command", "watch"}, {"path", options.place.path}, {"values", !options.paths_only}});
  if (!request) return fail(request.error());
  if (const auto begun = client->call(*request); !begun) return fail(begun.error());
  for (std::uint64_t told = 0; options.count == 0 || told < options.count; ++told) {
    const auto change = client->next();
    if (!change) return fail(change.error());
    std::cout << change->dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)
              << std::endl;
    if (!std::cout) return fail("nobody reads what changes");
  }
  return exit_done;
}

}  // namespace

void add_watch_command(CLI::App& app, int& exit_code) {
  CLI::App* command =
      app.add_subcommand("watch", "Print what changes at or below a path in a running node");
  auto options = std::make_shared<WatchOptions>();
  options->place.add_options(*command);
  command->add_option("--count,-n", options->count, "End after so many lines (default: never)")
      ->type_name("N")
      ->check(CLI::PositiveNumber);
  command->add_flag("--paths", options->paths_only, "Leave the values out");
  command->footer(
      "A line of JSON for each thing that changed: {\"path\": ..., \"value\": ...}, or with\n"
      "\"removed\": true. Lists, sets, texts and the like come whole. A thing that changes faster\n"
      "than it is printed is printed once, as it is then; nothing is missed.\n\n"
      "Examples:\n"
      "  rejoin watch --config node.toml /sessions/s1\n"
      "  rejoin watch --config node.toml --paths -n 1 /jobs && start_jobs\n\n"
      "Exit codes: 0 as many lines as asked for, 1 no node answers, or it went away, 2 wrong "
      "usage.");
  command->callback([options, &exit_code] { exit_code = run_watch(*options); });
}

}  // namespace rejoin::command
