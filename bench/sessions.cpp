// What many sessions cost that are kept: sessions [SESSIONS [DIRECTORY]]. A node stores them, 20
// turns each; then others, in processes of their own, open the store and read sessions. A directory
// that is named keeps its store for the next time.
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iomanip>
#include <iostream>
#include <random>
#include <string>
#include <vector>

#include "appended_turns.h"
#include "rejoin/rejoin.h"

namespace {

using namespace rejoin;
using namespace rejoin::appended_turns;
using node::Node;
using node::Space;

constexpr std::size_t openings = 5;
constexpr std::size_t sessions_read = 2000;

node::NodeOptions options_in(const std::filesystem::path& directory) {
  node::NodeOptions options;
  options.name = "bench";
  options.directory = directory.string();
  options.log_level = "error";
  return options;
}

// A transaction appends one turn to each of the sessions that are open.
void store(const std::filesystem::path& directory, std::uint64_t sessions) {
  Node node = must(Node::open(options_in(directory)));
  Space space = must(node.open_space("sessions", {.durable = true}));
  const auto begun = Time::now();
  std::uint64_t content = 0;
  node::Receipt last;
  for (std::uint64_t turn = 0; turn < sessions * turns_a_session; turn += sessions_open) {
    std::mt19937_64 random(turn);
    std::uint64_t bytes = 0;
    auto written = space.transact([&](Transaction& transaction) -> Status {
      for (std::uint64_t i = turn; i < turn + sessions_open; ++i) {
        const agent::Turn made = make_turn(i, random);
        bytes += must(agent::encode_turn(made)).contents().size();
        agent::SessionRef session(transaction, session_name(session_of(i)));
        if (auto ok = session.append(made); !ok) return ok;
      }
      return {};
    });
    if (!written && written.error().code == ErrorCode::busy) {
      must(last.wait_durable(std::chrono::minutes(5)));
      turn -= sessions_open;
      continue;
    }
    last = must(std::move(written));
    content += bytes;
  }
  must(last.wait_durable(std::chrono::minutes(10)));
  node.stop();
  const double seconds = seconds_since(begun);
  std::uintmax_t stored = 0;
  for (const auto& file : std::filesystem::recursive_directory_iterator(directory)) {
    if (file.is_regular_file()) stored += file.file_size();
  }
  const auto count = static_cast<double>(sessions);
  std::cout << std::fixed << std::setprecision(0) << sessions << " sessions of " << turns_a_session
            << " turns, " << static_cast<double>(content) / count << " bytes of records a session, "
            << static_cast<double>(stored) / count << " on disk; written in " << seconds << " s\n";
}

struct Opened {
  double open_s = 0;
  double memory_bytes = 0;  // that opening took
  double read_median_s = 0;
  double read_99_s = 0;
};

double resident_bytes() {
  std::uint64_t size = 0;
  std::uint64_t resident = 0;
  std::ifstream("/proc/self/statm") >> size >> resident;
  return static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE));
}

Opened open_and_read(const std::filesystem::path& directory, std::uint64_t sessions,
                     std::uint64_t seed) {
  Opened opened;
  const double before = resident_bytes();
  auto begun = Time::now();
  Node node = must(Node::open(options_in(directory)));
  Space space = must(node.open_space("sessions"));
  space.read([&](const Document& document) {
    opened.open_s = seconds_since(begun);
    opened.memory_bytes = resident_bytes() - before;
    std::mt19937_64 random(seed);
    std::vector<double> times;
    for (std::size_t i = 0; i < sessions_read; ++i) {
      const std::string name = session_name(random() % sessions);
      begun = Time::now();
      const std::vector<agent::Turn> turns = agent::SessionView(document, name).turns();
      times.push_back(seconds_since(begun));
      if (turns.size() == turns_a_session) continue;
      std::cerr << name << " has " << turns.size() << " turns\n";
      std::exit(1);
    }
    opened.read_median_s = percentile(times, 50);
    opened.read_99_s = percentile(times, 99);
  });
  return opened;
}

// What `work` gives in a process of its own, with memory that nothing else has used.
Opened in_child(const std::function<Opened()>& work) {
  int ends[2];
  if (pipe(ends) != 0) std::exit(1);
  std::cout.flush();
  const pid_t child = fork();
  if (child == 0) {
    const Opened opened = work();
    std::cout.flush();
    _exit(write(ends[1], &opened, sizeof opened) == sizeof opened ? 0 : 1);
  }
  close(ends[1]);
  Opened opened;
  const bool told = read(ends[0], &opened, sizeof opened) == sizeof opened;
  close(ends[0]);
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child || status != 0 || !told) std::exit(1);
  return opened;
}

}  // namespace

int main(int argc, char** argv) {
  const std::uint64_t asked = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 100'000;
  const std::uint64_t sessions = asked / sessions_open * sessions_open;
  if (sessions == 0) {
    std::cerr << "at least " << sessions_open << " sessions, please\n";
    return 2;
  }
  const bool keep = argc > 2;
  const auto directory = keep ? std::filesystem::path(argv[2])
                              : std::filesystem::temp_directory_path() / "rejoin-sessions-bench";
  if (!keep) std::filesystem::remove_all(directory);
  if (!std::filesystem::exists(directory)) {
    (void)in_child([&] {
      store(directory, sessions);
      return Opened();
    });
  }
  std::vector<Opened> opened;
  for (std::size_t i = 0; i < openings; ++i) {
    opened.push_back(in_child([&] { return open_and_read(directory, sessions, i); }));
  }
  const auto median_of = [&](double Opened::*figure) {
    std::vector<double> values;
    for (const Opened& one : opened) values.push_back(one.*figure);
    return percentile(values, 50);
  };
  std::cout << std::fixed << std::setprecision(2) << "opened in " << median_of(&Opened::open_s)
            << " s\n"
            << std::setprecision(0)
            << "memory: " << median_of(&Opened::memory_bytes) / static_cast<double>(sessions)
            << " bytes a session\n"
            << std::setprecision(1) << "a session read in "
            << median_of(&Opened::read_median_s) * 1e6 << " us median, "
            << median_of(&Opened::read_99_s) * 1e6 << " us 99 %\n";
  if (!keep) std::filesystem::remove_all(directory);
  return 0;
}
