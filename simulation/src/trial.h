// A run in a child process, which may die of it.
#pragma once

#include <optional>
#include <string>

#include "rejoin/simulation/run.h"

namespace rejoin::simulation {

class Trial {
 public:
  // Runs it, without trace and recording. Keeps references to both.
  Trial(const Scenario& scenario, const RunOptions& options);

  std::optional<Promise> promise() const { return promise_; }  // that broke
  // Of the run as the child had it. Costs another run.
  RunResult result() const;

 private:
  const Scenario& scenario_;
  const RunOptions& options_;
  RunPlace place_;  // where it died
  std::optional<Promise> promise_;
  std::string last_words_;
};

}  // namespace rejoin::simulation
