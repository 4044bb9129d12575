// merge_results OUT IN...: puts results in Google Benchmark's JSON format into one file: the
// context of the first, the benchmarks of all.
#include <exception>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

int main(int argc, char** argv) {
  if (argc < 3) {
    std::cerr << "usage: merge_results OUT IN...\n";
    return 2;
  }
  nlohmann::json merged;
  for (int i = 2; i < argc; ++i) {
    std::ifstream in(argv[i]);
    nlohmann::json part;
    try {
      part = nlohmann::json::parse(in);
    } catch (const std::exception& error) {
      std::cerr << "merge_results: " << argv[i] << " cannot be read: " << error.what() << '\n';
      return 1;
    }
    if (merged.is_null()) {
      merged = part;
      continue;
    }
    for (auto& benchmark : part["benchmarks"]) merged["benchmarks"].push_back(benchmark);
  }
  std::ofstream out(argv[1]);
  out << merged.dump(1) << '\n';
  if (!out.flush()) {
    std::cerr << "merge_results: cannot write " << argv[1] << '\n';
    return 1;
  }
  return 0;
}
