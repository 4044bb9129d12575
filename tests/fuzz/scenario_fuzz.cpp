// A simulator's scenario file.
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "fuzz.h"
#include "rejoin/crdt/assert.h"
#include "rejoin/simulation/scenario.h"

namespace rejoin::fuzz {

std::vector<std::string> seeds() {
  std::set<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator("simulation/scenarios")) {
    files.insert(entry.path());
  }
  std::vector<std::string> inputs;
  for (const auto& file : files) {
    std::ostringstream text;
    text << std::ifstream(file).rdbuf();
    inputs.push_back(text.str());
  }
  return inputs;
}

}  // namespace rejoin::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rejoin;
  const auto scenario = simulation::Scenario::from_toml(fuzz::as_text(data, size));
  if (scenario.ok()) {
    REJOIN_ASSERT(scenario->validate().ok());
  } else {
    REJOIN_ASSERT(!scenario.error().message.empty());
  }
  return 0;
}
