// Inputs that were recorded elsewhere: tests of them are skipped where they are not.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

namespace rejoin {

inline std::filesystem::path recorded_data(const std::filesystem::path& name) {
  const char* data = std::getenv("REJOIN_DATA");
  return std::filesystem::path(data != nullptr ? data : "../shared/data") / name;
}

inline std::filesystem::path recorded_sessions() {
  return recorded_data("agent-trajectories/tau-airline-gpt4o.jsonl.gz");
}

}  // namespace rejoin

#define REJOIN_SKIP_WITHOUT(file)                              \
  if (!std::filesystem::exists(file))                          \
  GTEST_SKIP() << "the recorded data is not there: " << (file) \
               << "; set REJOIN_DATA to the folder that holds it"
