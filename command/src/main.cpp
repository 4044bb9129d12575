// `rejoin`: takes the command line apart and runs the sub-command that was named.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <exception>
#include <iostream>
#include <string>

#include "command.h"

namespace rejoin::command {
namespace {

std::string one_line(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

// The sub-command that was being parsed, for the hint at its help.
std::string invocation(const CLI::App& app) {
  const auto chosen = app.get_subcommands();
  return chosen.empty() ? app.get_name() : app.get_name() + ' ' + invocation(*chosen.front());
}

int run(int argc, char** argv) {
  CLI::App app(
      "Rejoin keeps the state of AI agents alive where machines come and go: replicas that work\n"
      "through any partition and agree afterwards.",
      "rejoin");
  app.set_version_flag("--version", "rejoin " REJOIN_VERSION);
  app.require_subcommand(1);
  app.footer(
      "Examples:\n"
      "  rejoin demo                         three nodes live through a partition and a kill -9\n"
      "  rejoin node --config node.toml      run a node until it is interrupted\n"
      "  rejoin status --config node.toml    what that node holds, and how far its peers are\n"
      "  rejoin get --config node.toml /a/b  what that node holds there; also set and watch\n"
      "  rejoin health --config node.toml    whether all is well, for supervisors\n"
      "  rejoin top --config node.toml       the same as it goes, with rates\n"
      "  rejoin members --config node.toml   who belongs to its cluster, and who is alive\n"
      "  rejoin sim FILE --seed 7            run a scenario in the simulator\n"
      "  rejoin SUBCOMMAND --help            more about one of them\n\n"
      "Exit codes: 0 done, 1 failed, 2 wrong usage.");

  int exit_code = exit_done;
  add_node_command(app, exit_code);
  add_status_command(app, exit_code);
  add_members_command(app, exit_code);
  add_best_node_command(app, exit_code);
  add_top_command(app, exit_code);
  add_get_command(app, exit_code);
  add_set_command(app, exit_code);
  add_watch_command(app, exit_code);
  add_metrics_command(app, exit_code);
  add_health_command(app, exit_code);
  add_history_commands(app, exit_code);
  add_revert_command(app, exit_code);
  add_feed_command(app, exit_code);
  add_audit_command(app, exit_code);
  add_inspect_command(app, exit_code);
  add_demo_command(app, exit_code);
  add_sim_command(app, exit_code);
  add_completion_command(app, exit_code);

  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& asked_for_text) {  // --help, --version
    app.exit(asked_for_text);
    return exit_done;
  } catch (const CLI::ParseError& error) {
    std::cerr << "rejoin: " << one_line(error.what()) << "; see " << invocation(app) << " --help\n";
    return exit_usage;
  }
  return exit_code;
}

}  // namespace

int fail(const std::string& sentence) {
  std::cerr << "rejoin: " << one_line(sentence) << std::endl;
  return exit_failed;
}

int fail(const Error& error) { return fail(error.to_string()); }

}  // namespace rejoin::command

int main(int argc, char** argv) {
  try {
    return rejoin::command::run(argc, argv);
  } catch (const std::exception& error) {
    return rejoin::command::fail(std::string("unexpected: ") + error.what());
  }
}
