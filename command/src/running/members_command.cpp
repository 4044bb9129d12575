// `rejoin members`: who belongs to the cluster, and taking one out.
#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "answer_fields.h"
#include "command.h"
#include "running_node.h"
#include "table.h"

namespace rejoin::command {
namespace {

using nlohmann::json;

struct MembersOptions {
  RunningNode node;
  std::string removed;
  std::string author = "operator";
  bool as_json = false;
};

int run_members(const MembersOptions& options) {
  if (!options.removed.empty()) {
    const auto removed = options.node.call(
        {{"command", "remove_member"}, {"member", options.removed}, {"author", options.author}});
    if (!removed) return fail(removed.error());
    std::cout << options.removed
              << " is no member any more; if it comes back it enters itself again\n";
    return exit_done;
  }
  const auto answer = options.node.call({{"command", "members"}});
  if (!answer) return fail(answer.error());
  if (options.as_json) {
    std::cout << answer->dump(2) << std::endl;
    return exit_done;
  }
  Table table({"member", "state", "", "region", "endpoint"});
  for (const json& member : objects_of(*answer, "members")) {
    table.add({text_of(member, "name"), text_of(member, "life"),
               flag_of(member, "neighbour") ? "neighbour" : "", text_of(member, "region"),
               flag_of(member, "leaf") ? "(leaf)" : text_of(member, "endpoint")});
  }
  table.print(std::cout, "");
  return exit_done;
}

}  // namespace

void add_members_command(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand(
      "members", "Show who belongs to a running node's cluster, or take one out");
  auto options = std::make_shared<MembersOptions>();
  options->node.add_options(*command);
  command
      ->add_option("--remove", options->removed,
                   "Take this member out: one that is lost, or this node before it is stopped")
      ->type_name("NAME");
  command->add_option("--author", options->author, "Who takes it out, for the space's history")
      ->type_name("NAME")
      ->capture_default_str();
  command->add_flag("--json", options->as_json, "Print all of it as JSON (docs/admin.md)");
  command->footer(
      "For nodes with an [overlay] (docs/configuration.md). Others were told their peers: see\n"
      "`rejoin status`.\n\n"
      "Examples:\n"
      "  rejoin members --config node.toml                  who they are, and who is alive\n"
      "  rejoin members --config node.toml --remove tokyo   tokyo is lost\n\n"
      "Exit codes: 0 done, 1 no node answers there, or it has no such member, 2 wrong usage.");
  command->callback([options, &exit_code] { exit_code = run_members(*options); });
}

}  // namespace rejoin::command
