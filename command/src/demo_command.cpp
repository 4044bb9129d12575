// `rejoin demo`.
#include <CLI/CLI.hpp>
#include <memory>

#include "command.h"
#include "demo/demo.h"

namespace rejoin::command {

void add_demo_command(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<demo::DemoOptions>();
  CLI::App* command = app.add_subcommand(
      "demo",
      "Start three nodes, cut one off and kill another while agent sessions go on, and check that\n"
      "they agree afterwards");
  command
      ->add_option("--input", options->input,
                   "Sessions to play, as JSONL or JSONL.gz (default: a small sample)")
      ->type_name("FILE");
  command->add_option("--sessions", options->sessions_max, "Play only the first N")
      ->type_name("N")
      ->check(CLI::PositiveNumber);
  command
      ->add_option("--report", options->report,
                   "Where to write the page that shows who knew what when, and what led to each "
                   "answer")
      ->type_name("FILE")
      ->capture_default_str();
  command
      ->add_option("--keep", options->keep,
                   "Keep stores and logs in this folder, which must be new or empty")
      ->type_name("DIR");
  command
      ->add_option("--seconds", options->seconds,
                   "Spread the play over at least this time, so that one can watch")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 3600.0));
  command->footer(
      "The last line is \"converged: 3 nodes, S sessions, T turns, hash H\" and the exit code 0 "
      "when\n"
      "every turn is on every node exactly once and in order, usage adds up, the states are equal\n"
      "to the last byte, and every node's history has each turn by its author, is whole and gives\n"
      "the same state again; otherwise it says what differs, and the exit code is 1.\n\n"
      "Examples:\n"
      "  rejoin demo\n"
      "  rejoin demo --input trajectories.jsonl.gz --report demo.html\n"
      "  rejoin demo --keep /tmp/demo && rejoin audit verify /tmp/demo/tokyo/store");
  command->callback([options, &exit_code] {
    const auto converged = demo::run_demo(*options);
    exit_code = !converged ? fail(converged.error()) : *converged ? exit_done : exit_failed;
  });
}

}  // namespace rejoin::command
