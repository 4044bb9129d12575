// Runs a fuzz target without libFuzzer: its regressions, its seeds, and mutations of these, the
// same everywhere.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

#include "fuzz.h"

namespace {

namespace fs = std::filesystem;

// SplitMix64: the standard library's distributions differ between libraries.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::size_t below(std::size_t end) {
    std::uint64_t z = state_ += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return static_cast<std::size_t>((z ^ (z >> 31)) % end);
  }

 private:
  std::uint64_t state_;
};

void mutate_once(std::string& bytes, const std::string& other, Random& random) {
  constexpr unsigned char edges[] = {0, 1, 2, 0x20, 0x7F, 0x80, 0xFE, 0xFF};
  const std::size_t at = random.below(bytes.size() + 1);
  const std::size_t count = random.below(std::min<std::size_t>(bytes.size() - at, 24) + 1);
  const std::size_t kind = random.below(8);
  if (kind == 0) {
    bytes.resize(at);
  } else if (kind == 1) {
    bytes.erase(at, count);
  } else if (kind == 2) {
    bytes.insert(random.below(bytes.size() + 1), bytes.substr(at, count));
  } else if (kind == 3 && !other.empty()) {
    bytes.insert(at, other, random.below(other.size()), random.below(24));
  } else if (kind == 4) {
    bytes.insert(at, 1, static_cast<char>(random.below(256)));
  } else if (at < bytes.size()) {
    char& byte = bytes[at];
    if (kind == 5) byte = static_cast<char>(edges[random.below(std::size(edges))]);
    if (kind == 6) byte = static_cast<char>(byte + (random.below(2) == 0 ? 1 : -1));
    if (kind == 7) byte = static_cast<char>(byte ^ (1 << random.below(8)));
  }
}

std::string read(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) {
    std::cerr << "cannot read " << file << "\n";
    std::exit(2);
  }
  return {std::istreambuf_iterator<char>(in), {}};
}

void write(const fs::path& file, const std::string& bytes) {
  std::ofstream(file, std::ios::binary)
      .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

std::vector<fs::path> files_in(const fs::path& folder) {
  std::vector<fs::path> files;
  if (fs::exists(folder)) {
    for (const auto& entry : fs::directory_iterator(folder)) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

void run(const std::string& bytes) {
  // A block of its own, so that AddressSanitizer sees a read beyond its end.
  const std::vector<std::uint8_t> block(bytes.begin(), bytes.end());
  LLVMFuzzerTestOneInput(block.data(), block.size());
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  if (arguments.size() == 1 && arguments[0] == "--help") {
    std::cout
        << "usage: " << argv[0] << " [FILE... | --seeds FOLDER | --mutations N]\n"
        << "Runs these inputs; without any, the regressions, the seeds and mutations of both.\n"
        << "With --seeds: writes the seeds into FOLDER.\n";
    return 0;
  }
  if (arguments.size() == 2 && arguments[0] == "--seeds") {
    const fs::path folder = arguments[1];
    fs::create_directories(folder);
    const std::vector<std::string> seeds = rejoin::fuzz::seeds();
    for (std::size_t i = 0; i < seeds.size(); ++i) {
      write(folder / ("seed-" + std::to_string(i)), seeds[i]);
    }
    return 0;
  }
  std::size_t mutations = 10'000;
  if (arguments.size() == 2 && arguments[0] == "--mutations") {
    mutations = std::strtoull(arguments[1].c_str(), nullptr, 10);
  } else if (!arguments.empty()) {
    for (const std::string& file : arguments) run(read(file));
    return 0;
  }

  // Each input is on disk while it runs, whatever then ends the process.
  const fs::path current = std::string(argv[0]) + ".input";
  std::cout << "the input that fails is in " << current.string() << std::endl;
  std::FILE* file = std::fopen(current.c_str(), "wb");
  if (file == nullptr) {
    std::cerr << "cannot write " << current << "\n";
    return 2;
  }
  const auto run_kept = [&](const std::string& bytes) {
    std::rewind(file);
    fs::resize_file(current, bytes.size());
    std::fwrite(bytes.data(), 1, bytes.size(), file);
    std::fflush(file);
    run(bytes);
  };
  std::vector<std::string> inputs;
  for (const fs::path& regression :
       files_in(fs::path("tests/fuzz/regressions") / REJOIN_FUZZ_TARGET)) {
    inputs.push_back(read(regression));
  }
  for (std::string& seed : rejoin::fuzz::seeds()) inputs.push_back(std::move(seed));
  for (const std::string& input : inputs) run_kept(input);
  Random random(1);
  for (std::size_t i = 0; i < mutations; ++i) {
    std::string bytes = inputs[random.below(inputs.size())];
    const std::string& other = inputs[random.below(inputs.size())];
    for (std::size_t n = 1 + random.below(3); n > 0; --n) mutate_once(bytes, other, random);
    run_kept(bytes);
  }
  std::fclose(file);
  fs::remove(current);
  std::cout << inputs.size() << " inputs and " << mutations << " mutations\n";
  return 0;
}
