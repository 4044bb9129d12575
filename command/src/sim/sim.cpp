#include "sim/sim.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iostream>

namespace rejoin::command {

namespace {

thread_local char replay_hint[1024];

extern "C" void tell_run_and_die(int signal) {
  [[maybe_unused]] const auto written =
      ::write(STDERR_FILENO, replay_hint, std::strlen(replay_hint));
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

}  // namespace

std::uint64_t parse_seed(const std::string& text) {
  std::uint64_t seed = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seed);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) {
    throw CLI::ValidationError("a seed is a whole number from 0, not \"" + text + "\"");
  }
  return seed;
}

void remember_run(const std::string& command) {
  std::snprintf(replay_hint, sizeof replay_hint,
                "\nrejoin: the process broke down in this run: %s\n", command.c_str());
  for (const int signal : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL}) {
    std::signal(signal, tell_run_and_die);
  }
}

std::string seconds(simulation::Duration duration) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3f s", static_cast<double>(duration.count()) / 1e6);
  return text;
}

void report_failure(const simulation::Scenario& scenario, const simulation::RunResult& result) {
  std::cerr << "seed " << result.seed << " failed at " << seconds(result.failed_at) << ": "
            << result.failure << "\n  broken: " << meaning(*result.promise)
            << "\n  again:  " << replay_command(scenario, result.seed) << '\n';
}

bool write_file(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  if (file && file << text && file.flush()) return true;
  fail("cannot write " + path);
  return false;
}

}  // namespace rejoin::command
