// Bugs that are put in on purpose, to see that somebody notices (simulation/mutants.toml).
#pragma once

// Only in a build with the CMake option REJOIN_MUTANTS is there anything of them, and then that one
// is active that the environment variable REJOIN_MUTANT names.
#ifdef REJOIN_MUTANTS

#include <cstdlib>
#include <string_view>

namespace rejoin {
inline bool is_active_mutant(std::string_view name) {
  static const char* const active = std::getenv("REJOIN_MUTANT");
  return active != nullptr && name == active;
}
}  // namespace rejoin

#define REJOIN_MUTATED(name)                                         \
  ([] {                                                              \
    static const bool is_active = ::rejoin::is_active_mutant(#name); \
    return is_active;                                                \
  }())
#else
#define REJOIN_MUTATED(name) false
#endif

// `right`, and `wrong` instead where the mutant is active.
#define REJOIN_MUTANT(name, right, wrong) (REJOIN_MUTATED(name) ? (wrong) : (right))
