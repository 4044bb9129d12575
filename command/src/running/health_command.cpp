// `rejoin health`: whether a running node is well, for supervisors.
#include <CLI/CLI.hpp>
#include <chrono>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "answer_fields.h"
#include "command.h"
#include "running_node.h"

namespace rejoin::command {
namespace {

constexpr std::chrono::seconds patience{5};

int run_health(const RunningNode& node) {
  auto client = node.connect();
  if (!client) {
    fail(client.error());
    return exit_usage;
  }
  const auto answer = client->call({{"command", "health"}}, patience);
  if (!answer && answer.error().code == ErrorCode::timeout) {
    std::cout << "the node has not answered for " << patience.count() << " s\n";
    return exit_failed;
  }
  if (!answer) {
    fail(answer.error());
    return exit_usage;
  }
  if (flag_of(*answer, "healthy")) {
    std::cout << "healthy\n";
    return exit_done;
  }
  for (const std::string& reason : texts_of(*answer, "reasons")) std::cout << reason << "\n";
  return exit_failed;
}

}  // namespace

void add_health_command(CLI::App& app, int& exit_code) {
  CLI::App* command =
      app.add_subcommand("health", "Say whether a running node is healthy, or a reason a line");
  auto node = std::make_shared<RunningNode>();
  node->add_options(*command);
  command->footer(
      "A node is not healthy while its store refuses writes, no peer is heard, or writes wait for\n"
      "longer than acknowledge_within_ms; and, until it is started again, when its store was set\n"
      "aside as damaged or its state differed from a peer's under equal clocks. Restarting it\n"
      "cures little of this: see docs/operating.md for what does.\n\n"
      "Examples:\n"
      "  rejoin health --config node.toml\n"
      "  rejoin health --socket /var/lib/rejoin/admin.sock || alert\n\n"
      "Exit codes: 0 healthy, 1 not healthy, 2 no node answers there, or wrong usage.");
  command->callback([node, &exit_code] { exit_code = run_health(*node); });
}

}  // namespace rejoin::command
