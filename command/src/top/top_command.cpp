// `rejoin top`: a running node, as it goes.
#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>
#include <thread>

#include "command.h"
#include "frame.h"
#include "reading.h"
#include "running/running_node.h"
#include "screen.h"

namespace rejoin::command {
namespace {

struct TopOptions {
  RunningNode node;
  double seconds = 1;
  std::string space;
  bool once = false;
};

std::size_t columns() {
  const char* text = std::getenv("COLUMNS");
  const int number = text == nullptr ? 0 : std::atoi(text);
  return number > 0 ? static_cast<std::size_t>(number) : 80;
}

// Two readings, because a rate needs them.
int print_once(const TopOptions& options, std::chrono::milliseconds interval) {
  auto client = options.node.connect();
  if (!client) return fail(client.error());
  top::Readings readings;
  for (int i = 0; i < 2; ++i) {
    if (i > 0) std::this_thread::sleep_for(interval);
    auto reading = top::read_node(*client);
    if (!reading) return fail(reading.error());
    readings.take(*std::move(reading));
  }
  top::View view;
  view.width = columns();
  view.height = 0;
  view.space = options.space;
  for (const top::Line& line : top::frame(readings, view)) std::cout << line.text << "\n";
  std::cout << std::flush;
  return exit_done;
}

int run_top(const TopOptions& options) {
  const auto interval = std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::duration<double>(options.seconds));
  if (const auto path = options.node.socket_path(); !path) return fail(path.error());
  if (options.once) return print_once(options, interval);
  const Status shown = top::show(options.node, options.space, interval);
  return shown ? exit_done : fail(shown.error());
}

}  // namespace

void add_top_command(CLI::App& app, int& exit_code) {
  CLI::App* command =
      app.add_subcommand("top", "Show a running node as it goes: spaces, rates, peers, disk");
  auto options = std::make_shared<TopOptions>();
  options->node.add_options(*command);
  command->add_option("--interval,-n", options->seconds, "Seconds between two readings")
      ->type_name("S")
      ->capture_default_str()
      ->check(CLI::Range(0.05, 3600.0));
  command->add_option("--space", options->space, "Whose peers to show first")->type_name("NAME");
  command->add_flag("--once", options->once, "Print it as text, and end (COLUMNS wide, or 80)");
  command->footer(
      "Keys: q quits, tab and the arrows choose a space, h explains. When the node goes away it "
      "is\n"
      "tried again.\n\n"
      "Examples:\n"
      "  rejoin top --config node.toml\n"
      "  rejoin top --socket /var/lib/rejoin/admin.sock --once\n\n"
      "Exit codes: 0 done, 1 no node answers there (--once), or no terminal, 2 wrong usage.");
  command->callback([options, &exit_code] { exit_code = run_top(*options); });
}

}  // namespace rejoin::command
