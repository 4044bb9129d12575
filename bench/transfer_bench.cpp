// What catching up costs between two cores, without sockets and disks: a gigabyte over a link that
// is cut, and an exchange of ten thousand spaces that are the same.
#include <benchmark/benchmark.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <random>
#include <string>
#include <vector>

#include "rejoin/crdt/types/map.h"
#include "rejoin/node/core.h"

namespace {

using namespace std::chrono_literals;
using rejoin::Status;
using rejoin::Transaction;
using rejoin::Value;
using rejoin::node::Core;
using rejoin::node::CoreOptions;
using rejoin::node::Now;
using rejoin::node::Send;

void must(const Status& status) {
  if (status.ok()) return;
  std::cerr << "benchmark failed: " << status.error().to_string() << '\n';
  std::abort();
}

CoreOptions options(const std::string& name, const std::string& peer) {
  CoreOptions options;
  options.name = name;
  options.peers = {peer};
  options.random_seed[0] = name[0];
  return options;
}

// "VmRSS" or "VmHWM" of this process, in MiB.
double memory_mib(const std::string& what) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(what + ":")) return std::stod(line.substr(what.size() + 1)) / 1024;
  }
  return 0;
}

void forget_peak_of_memory() { std::ofstream("/proc/self/clear_refs") << 5; }

// Two cores with ephemeral spaces, and a link that takes 5 ms.
class Pair {
 public:
  Core& a() { return a_; }
  Core& b() { return b_; }
  Now now() const { return Now{now_, static_cast<std::uint64_t>(now_.count() / 1000)}; }
  void cut(bool is_cut) { cut_ = is_cut; }
  std::uint64_t chunk_bytes() const { return chunk_bytes_; }
  std::uint64_t bytes() const { return bytes_; }
  std::uint64_t messages() const { return messages_; }

  void step() {
    take(a_);
    take(b_);
    now_ += 5ms;
    std::vector<std::pair<Core*, Send>> arriving;
    arriving.swap(under_way_);
    for (auto& [from, send] : arriving) {
      if (!cut_) other(*from).receive(from->options().name, send.bytes, now());
    }
    for (Core* core : {&a_, &b_}) {
      if (core->next_deadline() <= now_) core->tick(now());
    }
  }

 private:
  Core& other(Core& core) { return &core == &a_ ? b_ : a_; }
  void take(Core& core) {
    core.take_notices();
    for (Send& send : core.take_sends()) {
      bytes_ += send.bytes.size();
      ++messages_;
      if (std::string_view(send.kind) == "chunk") chunk_bytes_ += send.bytes.size();
      under_way_.emplace_back(&core, std::move(send));
    }
  }

  std::chrono::microseconds now_ = 1000s;
  Core a_{options("a", "b"), now()};
  Core b_{options("b", "a"), now()};
  bool cut_ = false;
  std::uint64_t chunk_bytes_ = 0, bytes_ = 0, messages_ = 0;
  std::vector<std::pair<Core*, Send>> under_way_;
};

// Registers of 64 KiB that nothing compresses. In `sent_again`, what of all chunks was sent beyond
// the delta's size, in percent, envelopes included. Memory of the process before, when one core
// holds it, and at its peak.
void transfer_of_1_gib_cut_20_times(benchmark::State& state) {
  constexpr std::uint64_t registers = 16'384, register_bytes = 65'536;
  constexpr std::uint64_t size = registers * register_bytes;
  for (auto _ : state) {
    Pair pair;
    for (Core* core : {&pair.a(), &pair.b()}) {
      must(core->open_space("bench", {.durable = false}, pair.now()));
    }
    pair.cut(true);
    std::mt19937_64 random(1);
    std::string content(register_bytes, '\0');
    for (std::uint64_t i = 0; i < registers; ++i) {
      for (std::size_t at = 0; at < content.size(); at += 8) {
        const std::uint64_t word = random();
        content.replace(at, 8, reinterpret_cast<const char*>(&word), 8);
      }
      auto committed = pair.a().transact(
          "bench", "", "",
          [&](Transaction& t) {
            return t.root().reg("key-" + std::to_string(i)).set(Value::bytes(content));
          },
          pair.now());
      if (!committed.ok()) must(committed.error());
      pair.step();  // and what is pushed is lost
    }
    const double before = memory_mib("VmRSS");
    forget_peak_of_memory();
    const auto start = std::chrono::steady_clock::now();
    pair.cut(false);
    const auto same = [&] {
      return pair.a().document("bench").clock() == pair.b().document("bench").clock();
    };
    for (int cuts = 0; !same(); pair.step()) {
      if (cuts == 20 || pair.chunk_bytes() < size / 21 * static_cast<std::uint64_t>(cuts + 1))
        continue;
      ++cuts;
      pair.cut(true);
      for (std::uint64_t left = random() % 3000; left > 0; --left) pair.step();  // up to 15 s
      pair.cut(false);
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    state.SetIterationTime(took.count());
    if (pair.a().document("bench").hash() != pair.b().document("bench").hash()) {
      state.SkipWithError("the states differ");
    }
    state.counters["sent_again_percent"] =
        100 * (static_cast<double>(pair.chunk_bytes()) / static_cast<double>(size) - 1);
    state.counters["before_mib"] = before;
    state.counters["peak_mib"] = memory_mib("VmHWM");
    state.counters["deltas"] = static_cast<double>(pair.a().counters().deltas_sent);
  }
}
BENCHMARK(transfer_of_1_gib_cut_20_times)->UseManualTime()->Iterations(1)->Unit(benchmark::kSecond);

// A second of two idle nodes: both summaries.
void idle_second_of_10000_spaces(benchmark::State& state) {
  Pair pair;
  for (Core* core : {&pair.a(), &pair.b()}) {
    for (int i = 0; i < 10'000; ++i) {
      must(core->open_space("space-" + std::to_string(i), {.durable = false}, pair.now()));
    }
  }
  for (int i = 0; i < 10 * 200; ++i) pair.step();
  const std::uint64_t bytes = pair.bytes();
  const std::uint64_t messages = pair.messages();
  for (auto _ : state) {
    for (int i = 0; i < 200; ++i) pair.step();
  }
  const auto seconds = static_cast<double>(state.iterations());
  state.counters["bytes"] = static_cast<double>(pair.bytes() - bytes) / seconds;
  state.counters["messages"] = static_cast<double>(pair.messages() - messages) / seconds;
}
BENCHMARK(idle_second_of_10000_spaces)->Unit(benchmark::kMicrosecond);

}  // namespace

BENCHMARK_MAIN();
