// `rejoin metrics`: what a running node counts and measures.
#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "answer_fields.h"
#include "command.h"
#include "running_node.h"

namespace rejoin::command {

void add_metrics_command(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand(
      "metrics", "Print a running node's metrics, in the text format of Prometheus");
  auto node = std::make_shared<RunningNode>();
  node->add_options(*command);
  command->footer(
      "The same as GET /metrics where the node's config says [metrics] listen, and without a "
      "port.\n"
      "docs/operating.md says what each of them means.\n\n"
      "Examples:\n"
      "  rejoin metrics --config node.toml\n"
      "  rejoin metrics --socket /var/lib/rejoin/admin.sock | grep lag\n\n"
      "Exit codes: 0 done, 1 no node answers there, 2 wrong usage.");
  command->callback([node, &exit_code] {
    const auto answer = node->call({{"command", "metrics"}});
    if (answer) std::cout << text_of(*answer, "text") << std::flush;
    exit_code = answer ? exit_done : fail(answer.error());
  });
}

}  // namespace rejoin::command
