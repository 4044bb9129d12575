// Protocol options drawn from the seed.
#pragma once

#include "rejoin/node/core.h"
#include "rejoin/simulation/random.h"
#include "rejoin/simulation/scenario.h"

namespace rejoin::simulation {

// Draws what `knobs` names from there; of the rest, with `buggify`, every second option from its
// wild range. Tiny limits make rare paths common.
void draw_core_options(const CoreKnobs& knobs, bool buggify, Random& random,
                       node::CoreOptions& options);

// Whether the named option is a time.
bool is_duration_knob(const std::string& name);

}  // namespace rejoin::simulation
