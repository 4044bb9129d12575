// `rejoin revert`: undoes an event of a space whose history a running node keeps.
#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "answer_fields.h"
#include "command.h"
#include "running_space.h"

namespace rejoin::command {
namespace {

using nlohmann::json;

struct RevertOptions {
  RunningSpace place;
  std::string event;
  std::string author = "operator";
  std::string note;
  bool as_json = false;
};

int run_revert(const RevertOptions& options) {
  auto client = options.place.node.connect();
  if (!client) return fail(client.error());
  const auto request = options.place.request(*client, {{"command", "revert"},
                                                       {"event", options.event},
                                                       {"author", options.author},
                                                       {"note", options.note},
                                                       {"wait", {{"durable", true}}}});
  if (!request) return fail(request.error());
  const auto answer = client->call(*request);
  if (!answer) return fail(answer.error());
  if (options.as_json) {
    std::cout << answer->dump(2) << std::endl;
    return exit_done;
  }
  const auto cells = integer_of(*answer, "cells");
  std::cout << number_text(cells) << (cells == 1 ? " cell is" : " cells are")
            << " as if the event had not been\n";
  for (const json& kept : objects_of(*answer, "kept")) {
    std::cout << "stays: " << text_of(kept, "path") << ": " << text_of(kept, "reason") << "\n";
  }
  return exit_done;
}

}  // namespace

void add_revert_command(CLI::App& app, int& exit_code) {
  CLI::App* command =
      app.add_subcommand("revert", "Undo an event, and keep what was written since");
  auto options = std::make_shared<RevertOptions>();
  options->place.node.add_options(*command);
  command
      ->add_option("--space", options->place.space, "The space (needless where the node has one)")
      ->type_name("NAME");
  command->add_option("event", options->event, "Its name, as `rejoin history` prints it")
      ->type_name("EVENT")
      ->required();
  command->add_option("--author", options->author, "Who undoes it, for the space's history")
      ->type_name("NAME")
      ->capture_default_str();
  command->add_option("--note", options->note, "Why (\"reverts EVENT\" when left out)")
      ->type_name("TEXT");
  command->add_flag("--json", options->as_json, "Print the answer as JSON (docs/admin.md)");
  command->footer(
      "Writes a new event that undoes the old one, and says what of it stays and why: what\n"
      "others wrote over or built upon is theirs (docs/history.md). Waits until it is on the\n"
      "disk. For spaces with history = \"full\".\n\n"
      "Example:\n"
      "  rejoin revert --config node.toml 0123456789abcdef0123456789abcdef:17\n\n"
      "Exit codes: 0 done, 1 nothing was written, or no node answers, 2 wrong usage.");
  command->callback([options, &exit_code] { exit_code = run_revert(*options); });
}

}  // namespace rejoin::command
