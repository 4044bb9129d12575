// `rejoin sim list`: what is shipped.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>

#include "sim/sim.h"

namespace rejoin::command {

void add_sim_list(CLI::App& sim, int& exit_code) {
  auto* command = sim.add_subcommand("list", "The shipped scenarios, and what each is about");
  command->callback([&exit_code] {
    const auto scenarios = simulation::shipped_scenarios();
    if (!scenarios.ok()) {
      exit_code = fail(scenarios.error());
      return;
    }
    std::size_t width = 0;
    for (const auto& scenario : *scenarios) width = std::max(width, scenario.name.size());
    for (const auto& scenario : *scenarios) {
      std::printf("%-*s  %s\n", static_cast<int>(width), scenario.name.c_str(),
                  scenario.description.c_str());
    }
  });
}

}  // namespace rejoin::command
