// A run of the command line, as a process of its own.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace rejoin {

inline std::string rejoin_program() {
  const char* path = std::getenv("REJOIN_PROGRAM");  // set by ctest
  return path != nullptr ? path : "build/release/bin/rejoin";
}

// Killed at the latest when destroyed.
class Process {
 public:
  static constexpr std::chrono::seconds patience{60};

  // `environment`: NAME=value, beside what this process has.
  explicit Process(std::vector<std::string> arguments, std::vector<std::string> environment = {}) {
    int out[2], err[2];
    if (::pipe2(out, O_CLOEXEC) != 0 || ::pipe2(err, O_CLOEXEC) != 0) {
      throw std::runtime_error("no pipes");
    }
    const std::string program = rejoin_program();
    std::vector<char*> argv{const_cast<char*>(program.c_str())};
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    pid_ = ::fork();
    if (pid_ == 0) {
      for (std::string& variable : environment) ::putenv(variable.data());
      ::dup2(out[1], STDOUT_FILENO);
      ::dup2(err[1], STDERR_FILENO);
      ::execv(program.c_str(), argv.data());
      ::_exit(127);
    }
    ::close(out[1]);
    ::close(err[1]);
    streams_[0] = Stream{out[0], {}};
    streams_[1] = Stream{err[0], {}};
  }
  Process(Process&& other) noexcept
      : pid_(std::exchange(other.pid_, -1)),
        streams_{std::exchange(other.streams_[0], Stream{}),
                 std::exchange(other.streams_[1], Stream{})} {}
  Process& operator=(Process&&) = delete;
  ~Process() {
    if (pid_ > 0) {
      signal(SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
    for (Stream& stream : streams_) {
      if (stream.descriptor >= 0) ::close(stream.descriptor);
    }
  }

  void signal(int number) { ::kill(pid_, number); }

  // The next line on stdout, without its end; nothing when the process ended or time passed.
  std::optional<std::string> line() {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    for (;;) {
      const std::size_t end = streams_[0].text.find('\n');
      if (end != std::string::npos) {
        std::string text = streams_[0].text.substr(0, end);
        streams_[0].text.erase(0, end + 1);
        return text;
      }
      if (!read_some(deadline)) return std::nullopt;
    }
  }

  // Waits for its end; gives the exit code, or 128 + the number of the signal that ended it.
  int wait() {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (read_some(deadline)) {
    }
    if (std::chrono::steady_clock::now() >= deadline) {
      throw std::runtime_error("the process did not end in time");
    }
    int status = 0;
    ::waitpid(std::exchange(pid_, -1), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

  // What was read and not taken by line().
  const std::string& out() const { return streams_[0].text; }
  const std::string& err() const { return streams_[1].text; }

 private:
  struct Stream {
    int descriptor = -1;
    std::string text;
  };

  // False when both streams ended or the deadline passed.
  bool read_some(std::chrono::steady_clock::time_point deadline) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) return false;
    pollfd readable[2];
    for (int i = 0; i < 2; ++i) readable[i] = {streams_[i].descriptor, POLLIN, 0};
    if (streams_[0].descriptor < 0 && streams_[1].descriptor < 0) return false;
    if (::poll(readable, 2, static_cast<int>(left.count())) <= 0) return false;
    for (int i = 0; i < 2; ++i) {
      if (readable[i].revents == 0) continue;
      char buffer[4096];
      const ssize_t count = ::read(streams_[i].descriptor, buffer, sizeof buffer);
      if (count > 0) {
        streams_[i].text.append(buffer, static_cast<std::size_t>(count));
      } else {
        ::close(std::exchange(streams_[i].descriptor, -1));
      }
    }
    return true;
  }

  pid_t pid_ = -1;
  Stream streams_[2];
};

// Runs it to its end.
struct Finished {
  int exit_code;
  std::string out;
  std::string err;
};
inline Finished run(std::vector<std::string> arguments) {
  Process process(std::move(arguments));
  const int exit_code = process.wait();
  return Finished{exit_code, process.out(), process.err()};
}

}  // namespace rejoin
