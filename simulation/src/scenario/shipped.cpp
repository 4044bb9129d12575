#include "scenario/shipped.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace rejoin::simulation {

namespace fs = std::filesystem;

namespace {

constexpr const char* folders[] = {"simulation", REJOIN_SOURCE_SIMULATION,
                                   REJOIN_INSTALLED_SIMULATION};

}  // namespace

std::vector<std::string> shipped_folders(const std::string& kind) {
  std::vector<std::string> all;
  for (const char* folder : folders) all.push_back((fs::path(folder) / kind).string());
  return all;
}

Result<std::string> find_shipped(const std::string& what, const std::string& command,
                                 const std::string& name_or_path) {
  std::error_code ignored;
  if (fs::exists(name_or_path, ignored)) return name_or_path;
  if (name_or_path.find('/') == std::string::npos) {
    for (const auto& folder : shipped_folders(what + 's')) {
      const fs::path path = fs::path(folder) / (name_or_path + ".toml");
      if (fs::exists(path, ignored)) return path.string();
    }
  }
  return make_error(ErrorCode::not_found,
                    "there is no such " + what +
                        ", neither as a file nor among the shipped ones (" + command + ')',
                    name_or_path);
}

Result<std::string> read_file(const std::string& what, const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (!file || !(text << file.rdbuf())) {
    return make_error(ErrorCode::not_found, "the " + what + " cannot be read; is the name right?",
                      path);
  }
  return text.str();
}

std::vector<std::string> shipped_files(const std::string& kind) {
  for (const auto& folder : shipped_folders(kind)) {
    std::vector<std::string> paths;
    std::error_code missing;
    for (const auto& entry : fs::directory_iterator(folder, missing)) {
      if (entry.path().extension() == ".toml") paths.push_back(entry.path().string());
    }
    if (paths.empty()) continue;
    std::sort(paths.begin(), paths.end());
    return paths;
  }
  return {};
}

}  // namespace rejoin::simulation
