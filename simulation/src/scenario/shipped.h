// Where the files are that come with the package.
#pragma once

#include <string>
#include <vector>

#include "rejoin/crdt/result.h"

namespace rejoin::simulation {

// Where those of this kind ("scenarios") may be, in the order in which they are looked for: the
// working directory, the source tree or the installation.
std::vector<std::string> shipped_folders(const std::string& kind);
// `name_or_path` when it is a file, else name.toml in the folder of what it is ("scenario").
// `command` lists those, and is named when there is no such file.
Result<std::string> find_shipped(const std::string& what, const std::string& command,
                                 const std::string& name_or_path);
// All of a file that should be a `what`.
Result<std::string> read_file(const std::string& what, const std::string& path);
// All files of this kind, by name; empty when there is no folder of them.
std::vector<std::string> shipped_files(const std::string& kind);

// What `read` makes of each of them; the first error is final.
template <class T>
Result<std::vector<T>> read_shipped(const std::string& kind,
                                    Result<T> (*read)(const std::string&)) {
  std::vector<T> all;
  for (const auto& path : shipped_files(kind)) {
    auto one = read(path);
    if (!one.ok()) return std::move(one).error();
    all.push_back(*std::move(one));
  }
  if (!all.empty()) return all;
  return make_error(ErrorCode::not_found, "there is no folder of shipped " + kind);
}

}  // namespace rejoin::simulation
