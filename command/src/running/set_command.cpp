// `rejoin set`: writes at a path in a running node.
#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "command.h"
#include "running_space.h"

namespace rejoin::command {
namespace {

using nlohmann::json;

struct SetOptions {
  RunningSpace place;
  std::string value;
  std::string author = "operator";
  std::string note;
  bool as_text = false;
  bool as_json = false;
};

// JSON where it is some. What cannot have been meant as JSON is a string.
json value_of(const SetOptions& options) {
  if (options.as_text) return options.value;
  json parsed = json::parse(options.value, nullptr, false);
  if (!parsed.is_discarded()) return parsed;
  const bool was_json = !options.value.empty() &&
                        std::string("{[\"").find(options.value.front()) != std::string::npos;
  if (was_json) {
    throw CLI::ValidationError("VALUE",
                               "begins as JSON and is not; with --text it is taken as it is");
  }
  return options.value;
}

int run_set(const SetOptions& options) {
  const json operation = {
      {"op", "put"}, {"path", options.place.path}, {"value", value_of(options)}};
  auto client = options.place.node.connect();
  if (!client) return fail(client.error());
  const auto request = options.place.request(*client, {{"command", "apply"},
                                                       {"author", options.author},
                                                       {"note", options.note},
                                                       {"ops", json::array({operation})},
                                                       {"wait", {{"durable", true}}}});
  if (!request) return fail(request.error());
  const auto answer = client->call(*request);
  if (!answer) return fail(answer.error());
  if (options.as_json) std::cout << answer->dump(2) << std::endl;
  return exit_done;
}

}  // namespace

void add_set_command(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("set", "Write a value at a path in a running node");
  auto options = std::make_shared<SetOptions>();
  options->place.add_options(*command)->required();
  command->add_option("value", options->value, "JSON, or a text that is none")
      ->type_name("VALUE")
      ->required();
  command->add_flag("--text", options->as_text, "Take VALUE as a text, whatever it looks like");
  command->add_option("--author", options->author, "Who writes, for the space's history")
      ->type_name("NAME")
      ->capture_default_str();
  command->add_option("--note", options->note, "Why")->type_name("TEXT");
  command->add_flag("--json", options->as_json, "Print the write's dot and causal token");
  command->footer(
      "What is there says VALUE afterwards: a counter is moved to it, a set or list gets and "
      "loses\n"
      "elements, an object's other names are removed. Where nothing is, an object becomes a map, "
      "an\n"
      "array a list, and all else a register; a type in the path can make it a counter, a flag or\n"
      "another register. Waits until the write is on the disk.\n\n"
      "Examples:\n"
      "  rejoin set --config node.toml /sessions/s1/user ada\n"
      "  rejoin set --config node.toml /limits '{\"tokens\": 1000, \"calls\": 10}'\n"
      "  rejoin set --config node.toml /counter:calls 0\n\n"
      "Exit codes: 0 done, 1 not written, or no node answers, 2 wrong usage.");
  command->callback([options, &exit_code] { exit_code = run_set(*options); });
}

}  // namespace rejoin::command
