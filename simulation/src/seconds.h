// Virtual times for people.
#pragma once

#include <cstdio>
#include <string>

#include "rejoin/simulation/scenario.h"

namespace rejoin::simulation {

inline std::string seconds(Duration at) {  // "52.059 s"
  char text[32];
  std::snprintf(text, sizeof text, "%.3f s", static_cast<double>(at.count()) / 1e6);
  return text;
}

}  // namespace rejoin::simulation
