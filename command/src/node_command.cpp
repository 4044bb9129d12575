// `rejoin node`: runs a node until it is told to stop.
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstring>
#include <iostream>
#include <memory>
#include <string>

#include "command.h"
#include "rejoin/node/node.h"
#include "service_manager.h"

namespace rejoin::command {
namespace {

// Blocks the signals that end the process in this thread and all that it starts from now on, so
// that wait() alone receives them.
class StopSignals {
 public:
  StopSignals() {
    sigemptyset(&signals_);
    sigaddset(&signals_, SIGINT);
    sigaddset(&signals_, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
  }
  void wait() {
    int received = 0;
    while (sigwait(&signals_, &received) != 0) {
    }
  }
  // False when none came within that time.
  bool wait_for(std::chrono::milliseconds time) {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(time);
    const timespec limit{seconds.count(), std::chrono::nanoseconds(time - seconds).count()};
    return sigtimedwait(&signals_, nullptr, &limit) >= 0;
  }

 private:
  sigset_t signals_;
};

// Until a signal says that the node is to stop. A watchdog hears that it is alive when it answers.
void run_until_stopped(const node::Node& node, StopSignals& signals) {
  const auto limit = service_manager::watchdog_limit();
  if (!limit) return signals.wait();
  do {
    if (node.responds(*limit / 4)) service_manager::say_alive();
  } while (!signals.wait_for(*limit / 4));
}

int run_node(const std::string& config) {
  auto options = node::NodeOptions::from_toml_file(config);
  if (!options) return fail(options.error());

  StopSignals signals;
  auto opened = node::Node::open(*std::move(options));
  if (!opened) return fail(opened.error());
  node::Node node = *std::move(opened);
  node.on_stop_request([] { ::kill(::getpid(), SIGTERM); });

  std::cout << "rejoin: " << node.name() << " is ready at "
            << (node.listen_endpoint().empty() ? "no endpoint (dials out only)"
                                               : node.listen_endpoint())
            << ", store " << (node.directory().empty() ? "none" : node.directory())
            << ", admin socket " << (node.admin_socket().empty() ? "none" : node.admin_socket())
            << std::endl;
  service_manager::say_ready();
  run_until_stopped(node, signals);
  service_manager::say_stopping();
  node.stop();
  if (!node.storage_error().empty()) {
    return fail("the last commits could not be written: " + node.storage_error());
  }
  std::cout << "rejoin: " << node.name() << " has stopped" << std::endl;
  return exit_done;
}

}  // namespace

void add_node_command(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("node", "Run a node until it is interrupted");
  auto config = std::make_shared<std::string>();
  command->add_option("--config,-c", *config, "TOML file that describes the node")
      ->required()
      ->type_name("FILE");
  command->footer(
      "Prints one line on stdout when it is ready, and its log on stderr. SIGINT, SIGTERM and the\n"
      "admin command `stop` end it cleanly: what was committed is written first. Under systemd it "
      "says\n"
      "when it is ready and that it is alive (examples/rejoin.service).\n\n"
      "A config file needs little:\n"
      "  name = \"frankfurt\"\n"
      "  listen = \"tcp://127.0.0.1:7000\"\n"
      "  directory = \"/var/lib/rejoin\"\n"
      "  [peers]\n"
      "  virginia = \"tcp://127.0.0.1:7001\"\n"
      "  [[spaces]]\n"
      "  name = \"sessions\"\n\n"
      "Examples:\n"
      "  rejoin node --config examples/node.toml\n"
      "  rejoin status --config examples/node.toml\n\n"
      "Exit codes: 0 stopped cleanly, 1 could not start or not write its last commits, 2 wrong "
      "usage.");
  command->callback([config, &exit_code] { exit_code = run_node(*config); });
}

}  // namespace rejoin::command
