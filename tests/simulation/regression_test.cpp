// Every file in regressions/ is one run that once broke a promise, shrunk (rejoin sim shrink). It
// passes now; one whose bug is known and not yet mended says so with `breaks`. Who changes what a
// seed draws raises replay_format, and shrinks anew what still fails.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "rejoin/simulation/run.h"

namespace rejoin::simulation {
namespace {

std::vector<std::string> regressions() {
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::directory_iterator("tests/simulation/regressions")) {
    paths.push_back(entry.path().string());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

class Regression : public ::testing::TestWithParam<std::string> {};

TEST_P(Regression, runs_as_its_file_says) {
  const auto scenario = Scenario::from_toml_file(GetParam());
  ASSERT_TRUE(scenario.ok()) << scenario.error().to_string();
  ASSERT_TRUE(scenario->seed.has_value()) << GetParam() << " carries no seed";
  RunOptions options;
  options.seed = *scenario->seed;
  const RunResult result = run(*scenario, options);
  const std::string again = "\nagain: rejoin sim replay " + GetParam();
  if (!scenario->breaks) {
    EXPECT_TRUE(result.ok) << result.failure << again;
    return;
  }
  const std::string stated(to_string(*scenario->breaks));
  ASSERT_FALSE(result.ok) << "it no longer breaks \"" << stated
                          << "\": take the line `breaks` out of the file if the bug is mended, or "
                             "shrink a new one if the simulator draws otherwise now"
                          << again;
  EXPECT_EQ(to_string(*result.promise), stated) << result.failure << again;
}

INSTANTIATE_TEST_SUITE_P(Files, Regression, ::testing::ValuesIn(regressions()),
                         [](const auto& file) {
                           return std::filesystem::path(file.param).stem().string();
                         });

}  // namespace
}  // namespace rejoin::simulation
