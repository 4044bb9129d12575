// Moving a damaged store out of the way.
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include "history/archive.h"
#include "sqlite/store.h"

namespace rejoin::node {

Result<std::string> set_aside(const std::string& directory, std::uint64_t unix_seconds) {
  namespace fs = std::filesystem;
  const fs::path database = sqlite::database_path(directory);
  const auto present = [](const fs::path& path) {
    std::error_code code;
    return fs::exists(fs::symlink_status(path, code));
  };
  std::vector<fs::path> files;
  for (const char* tail : {"", "-wal", "-journal", "-shm"}) {
    files.push_back(database.string() + tail);
  }
  files.push_back(sqlite::acknowledged_path(directory));
  // The history goes on from the state that was here.
  for (const char* tail : {"", "-wal", "-shm"}) {
    files.push_back(history::archive_path(directory) + tail);
  }
  std::erase_if(files, [&](const fs::path& file) { return !present(file); });
  if (files.empty()) {
    return make_error(ErrorCode::not_found, "there is no store to set aside", directory);
  }

  std::error_code code;
  fs::path target;
  for (int attempt = 0;; ++attempt) {
    target = database.string() + ".corrupt-" + std::to_string(unix_seconds);
    if (attempt > 0) (target += "-") += std::to_string(attempt);
    if (present(target)) continue;
    if (fs::create_directory(target, code)) break;
    return make_error(ErrorCode::io,
                      "the damaged store cannot be set aside as " + target.string() + ": " +
                          code.message() + "; move or delete it",
                      database.string());
  }
  for (const fs::path& file : files) {
    fs::rename(file, target / file.filename(), code);
    if (code) {
      return make_error(ErrorCode::io,
                        "the damaged store cannot be set aside as " + target.string() + ": " +
                            code.message() + "; move or delete it",
                        file.string());
    }
  }
  return target.string();
}

}  // namespace rejoin::node
