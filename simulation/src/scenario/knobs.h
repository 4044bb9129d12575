// Protocol options drawn from the seed.
#pragma once

#include "rejoin/node/core.h"
#include "rejoin/simulation/random.h"
#include "rejoin/simulation/scenario.h"

namespace rejoin::simulation {

class TomlTable;

// Draws what `core` names from there; of the rest, every second one that `buggify` allows from its
// wild range. Tiny limits make rare paths common. Each option has a generator of its own.
void draw_core_options(const Scenario& scenario, const Random& random, node::CoreOptions& options);

// The table `core` of a scenario.
void read_core_options(TomlTable& table, CoreKnobs& core);

// Whether the named option is a time.
bool is_duration_knob(const std::string& name);

}  // namespace rejoin::simulation
