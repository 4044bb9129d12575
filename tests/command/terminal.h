// A program on a terminal of its own.
#pragma once

#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "process.h"

namespace rejoin {

// Killed at the latest when destroyed.
class Terminal {
 public:
  // `kind` is what TERM says.
  Terminal(std::vector<std::string> command, unsigned short lines, unsigned short columns,
           const char* kind) {
    winsize size{lines, columns, 0, 0};
    pid_ = ::forkpty(&descriptor_, nullptr, nullptr, &size);
    if (pid_ == 0) {
      ::setenv("TERM", kind, 1);
      std::vector<char*> argv;
      for (std::string& word : command) argv.push_back(word.data());
      argv.push_back(nullptr);
      ::execvp(argv[0], argv.data());
      ::_exit(127);
    }
  }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;
  ~Terminal() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
    ::close(descriptor_);
  }

  void type(const std::string& keys) {
    if (::write(descriptor_, keys.data(), keys.size()) != static_cast<ssize_t>(keys.size())) {
      throw std::runtime_error("cannot type");
    }
  }

  // Takes what comes on the terminal up to the end of `mark`.
  std::string read_until(const std::string& mark) {
    const auto deadline = std::chrono::steady_clock::now() + Process::patience;
    for (;;) {
      if (const auto at = text_.find(mark); at != std::string::npos) {
        std::string taken = text_.substr(0, at + mark.size());
        text_.erase(0, taken.size());
        return taken;
      }
      if (!read_some(deadline)) throw std::runtime_error("no " + mark + " in: " + text_);
    }
  }

  // Waits for the end of the program; gives its exit code, or 128 + the number of its signal.
  int wait() {
    const auto deadline = std::chrono::steady_clock::now() + Process::patience;
    while (read_some(deadline)) {
    }
    int status = 0;
    ::waitpid(std::exchange(pid_, -1), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

 private:
  // False when nobody has the terminal open any more, or the deadline passed.
  bool read_some(std::chrono::steady_clock::time_point deadline) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    pollfd readable{descriptor_, POLLIN, 0};
    if (left.count() <= 0 || ::poll(&readable, 1, static_cast<int>(left.count())) <= 0)
      return false;
    char buffer[4096];
    const ssize_t count = ::read(descriptor_, buffer, sizeof buffer);
    if (count <= 0) return false;
    text_.append(buffer, static_cast<std::size_t>(count));
    return true;
  }

  int descriptor_ = -1;
  pid_t pid_ = -1;
  std::string text_;
};

}  // namespace rejoin
