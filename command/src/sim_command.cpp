// `rejoin sim`: the deterministic simulator.
#include <CLI/CLI.hpp>

#include "command.h"
#include "sim/sim.h"

namespace rejoin::command {

void add_sim_command(CLI::App& app, int& exit_code) {
  auto* command = app.add_subcommand("sim", "Run scenarios under the deterministic simulator");
  make_sim_run(*command, exit_code);
  add_sim_run(*command, exit_code);
  add_sim_replay(*command, exit_code);
  add_sim_shrink(*command, exit_code);
  add_sim_explore(*command, exit_code);
  add_sim_list(*command, exit_code);
  add_sim_new(*command, exit_code);
  command->require_subcommand(0, 1);
  command->footer(
      "Examples:\n"
      "  rejoin sim partition_heal --seed 7               one run (the same as: rejoin sim run "
      "...)\n"
      "  rejoin sim everything --seeds 1..2000            many, on all cores\n"
      "  rejoin sim shrink my.toml --seed 7               the smallest scenario that fails alike\n"
      "  rejoin sim replay FILE --story story.html        what happened, in words and as a "
      "picture\n"
      "  rejoin sim new my.toml                           a scenario to begin with\n\n"
      "The same seed gives the same run, to the last byte of its trace. A failing seed is named "
      "with\n"
      "what broke and the command that runs it again. docs/simulation.md lists what a scenario "
      "may\n"
      "say and what is checked.\n\n"
      "Exit codes: 0 done, 1 a seed failed, 2 wrong usage, 3 all seeds passed, but a state that\n"
      "the scenario expects was never reached.");
}

}  // namespace rejoin::command
