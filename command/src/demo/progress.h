// How far the demo is, on stderr: a bar on a terminal, a line now and then anywhere else.
#pragma once

#include <cstddef>
#include <string>

namespace rejoin::demo {

class Progress {
 public:
  explicit Progress(std::size_t total);
  ~Progress();  // leaves the cursor at the beginning of an empty line
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // `state` says what is going on ("tokyo cut off").
  void show(std::size_t done, const std::string& state);

 private:
  const std::size_t total_;
  const bool terminal_;
  std::string last_state_;
  std::size_t last_tenth_ = 0;
};

}  // namespace rejoin::demo
