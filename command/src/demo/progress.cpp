#include "demo/progress.h"

#include <unistd.h>

#include <algorithm>
#include <iostream>

namespace rejoin::demo {
namespace {

constexpr std::size_t bar_width = 30;

}  // namespace

Progress::Progress(std::size_t total)
    : total_(std::max<std::size_t>(total, 1)), terminal_(isatty(STDERR_FILENO) == 1) {}

Progress::~Progress() {
  if (terminal_) std::cerr << "\r\x1b[K" << std::flush;
}

void Progress::show(std::size_t done, const std::string& state) {
  const std::string count =
      std::to_string(done) + "/" + std::to_string(total_) + " turns  " + state;
  if (terminal_) {
    const std::size_t filled = std::min(bar_width, done * bar_width / total_);
    std::cerr << "\r[" << std::string(filled, '=') << std::string(bar_width - filled, ' ') << "] "
              << count << "\x1b[K" << std::flush;
    return;
  }
  const std::size_t tenth = done * 10 / total_;
  if (state == last_state_ && tenth == last_tenth_) return;
  last_state_ = state;
  last_tenth_ = tenth;
  std::cerr << count << std::endl;
}

}  // namespace rejoin::demo
