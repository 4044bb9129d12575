// How many cases a program's properties run: some number times REJOIN_PROPERTY_RUNS (1 by default).
// RC_PARAMS has RapidCheck's own settings, among them the seed that a failure prints.
#pragma once

#include <cstdlib>
#include <string>

namespace rejoin {

// To be called before RapidCheck reads its settings: from the initialisation of a variable.
inline bool scale_property_runs(unsigned long cases) {
  const char* runs = std::getenv("REJOIN_PROPERTY_RUNS");
  const char* already = std::getenv("RC_PARAMS");
  cases *= runs == nullptr ? 1 : std::strtoul(runs, nullptr, 10);
  const std::string settings =
      "max_success=" + std::to_string(cases) + " " + (already == nullptr ? "" : already);
  return setenv("RC_PARAMS", settings.c_str(), 1) == 0;
}

}  // namespace rejoin
