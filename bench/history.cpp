// What a space's history costs: history [EVENTS]. Agents append turns to sessions, 1,000 of which
// are open at a time, on a node with a real store; then sessions are looked back at.
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
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

constexpr std::size_t looked_at = 500;

void print_times(const char* what, const std::vector<double>& times) {
  std::cout << "  " << std::left << std::setw(34) << what << std::right << std::fixed
            << std::setprecision(3) << std::setw(10) << percentile(times, 50) * 1e3 << " ms median "
            << std::setw(10) << percentile(times, 99) * 1e3 << " ms 99 %\n";
}

void fill(Space& space, std::uint64_t events) {
  std::mt19937_64 random(1);
  const auto begun = Time::now();
  node::Receipt last;
  for (std::uint64_t event = 0; event < events;) {
    auto written = space.transact({"agent", ""}, [&](Transaction& transaction) -> Status {
      agent::SessionRef session(transaction, session_name(session_of(event)));
      if (auto ok = session.append(make_turn(event, random)); !ok) return ok;
      return session.usage().add({.tokens_in = 30, .tokens_out = 0, .calls = 1});
    });
    if (!written && written.error().code == ErrorCode::busy) {
      must(last.wait_durable(std::chrono::minutes(5)));
      continue;
    }
    last = must(std::move(written));
    ++event;
    if (event % 100'000 == 0) std::cerr << event << " events\n";
  }
  must(last.wait_durable(std::chrono::minutes(10)));
  std::cout << "written at " << std::fixed << std::setprecision(0)
            << static_cast<double>(events) / seconds_since(begun) << " events a second\n";
}

}  // namespace

int main(int argc, char** argv) {
  const std::uint64_t events = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 200'000;
  if (events < sessions_open * turns_a_session) {
    std::cerr << "at least " << sessions_open * turns_a_session << " events, please\n";
    return 2;
  }
  const auto directory = std::filesystem::temp_directory_path() / "rejoin-history-bench";
  std::filesystem::remove_all(directory);
  node::NodeOptions options;
  options.name = "bench";
  options.directory = directory.string();
  options.log_level = "error";
  {
    Node node = must(Node::open(options));
    Space space = must(node.open_space("sessions", {.durable = true, .history = true}));
    fill(space, events);

    std::mt19937_64 random(2);
    const std::uint64_t sessions = events / turns_a_session / sessions_open * sessions_open;
    std::uint64_t content = 0;
    std::uint64_t counted = 0;
    std::vector<double> history, why, at, at_time;
    for (std::size_t i = 0; i < looked_at; ++i) {
      const Path path = Path().map("sessions").map(session_name(random() % sessions));
      auto begun = Time::now();
      const auto past = must(space.history(path));
      history.push_back(seconds_since(begun));
      if (past.size() != turns_a_session) {
        std::cerr << path.to_string() << " has " << past.size() << " events\n";
        return 1;
      }
      for (const node::PastEvent& entry : past) content += entry.event->encoded().size();
      counted += past.size();

      begun = Time::now();
      const Path counter = path.map("usage").child(Type::counter, "calls");
      if (must(space.why(counter)).size() != 1) return 1;
      why.push_back(seconds_since(begun));

      const Clock half = must(space.version_before(past[turns_a_session / 2].event->id()));
      begun = Time::now();
      const Document then = must(space.at(half, path));
      at.push_back(seconds_since(begun));
      if (then.origins(path.child(Type::list, "turns")).empty()) return 1;

      begun = Time::now();
      (void)must(space.version_until(past[turns_a_session / 2].event->time()));
      at_time.push_back(seconds_since(begun));
    }
    const double bytes = static_cast<double>(content) / static_cast<double>(counted);
    std::cout << events << " events of " << std::setprecision(1) << bytes << " bytes, " << sessions
              << " sessions\n";
    print_times("history of a session, 20 events", history);
    print_times("why, one counter", why);
    print_times("at, a session half way", at);
    print_times("version of a time", at_time);
    node.stop();
    const auto kept = static_cast<double>(std::filesystem::file_size(directory / "history.db"));
    std::cout << "history.db: " << std::setprecision(1) << kept / 1e6 << " MB, "
              << std::setprecision(2) << kept / (bytes * static_cast<double>(events))
              << " times the bytes of the events\n";
  }
  const auto begun = Time::now();
  for (const auto& space : must(node::audit(directory.string()))) {
    if (!space.broken.empty() || space.events != events) return 1;
  }
  std::cout << "verified in " << std::setprecision(1) << seconds_since(begun) << " s\n";
  std::filesystem::remove_all(directory);
  return 0;
}
