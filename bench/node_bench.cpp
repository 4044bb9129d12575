// What real nodes cost: ZeroMQ on loopback, SQLite in a temporary folder ($TMPDIR), threads and
// all.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "rejoin/rejoin.h"

namespace {

using namespace std::chrono_literals;
using rejoin::MapRef;
using rejoin::Status;
using rejoin::Transaction;
using rejoin::Value;
using rejoin::node::Node;
using rejoin::node::NodeOptions;
using rejoin::node::Receipt;
using rejoin::node::Space;
using rejoin::node::SpaceOptions;
using Clock = std::chrono::steady_clock;

// A benchmark whose work did not happen must not report a figure.
template <class T>
T must(rejoin::Result<T> result) {
  if (result.ok()) return std::move(result).value();
  std::cerr << "benchmark failed: " << result.error().to_string() << '\n';
  std::abort();
}

void must(const Status& status) {
  if (status.ok()) return;
  std::cerr << "benchmark failed: " << status.error().to_string() << '\n';
  std::abort();
}

// A folder of its own that goes with it.
class ScratchFolder {
 public:
  ScratchFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "rejoin-bench-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) {
      std::cerr << "benchmark failed: cannot make a folder like " << name << '\n';
      std::abort();
    }
    path_ = name;
  }
  ~ScratchFolder() { std::filesystem::remove_all(path_); }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// Nodes a, b, ... in this process, each connected to every other.
class Cluster {
 public:
  Cluster(std::size_t size, bool durable) {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < size; ++i)
      names.push_back(std::string(1, static_cast<char>('a' + i)));
    for (const std::string& name : names) {
      NodeOptions options;
      options.name = name;
      options.directory = (folder_.path() / name).string();
      options.members = names;
      options.log_level = "warn";
      nodes_.push_back(must(Node::open(options)));
    }
    for (std::size_t from = 0; from < size; ++from) {
      for (std::size_t to = 0; to < size; ++to) {
        if (from != to) must(nodes_[from].connect(names[to], nodes_[to].listen_endpoint()));
      }
    }
    for (Node& node : nodes_) {
      SpaceOptions options;
      options.durable = durable;
      spaces_.push_back(must(node.open_space("bench", options)));
    }
    // Until everybody has everybody's first write, links are still being made.
    for (std::size_t i = 0; i < size; ++i) {
      const Receipt first = must(spaces_[i].transact(
          [](Transaction& transaction) { return transaction.root().counter("started").add(1); }));
      for (Space& other : spaces_) must(other.wait_for(first.token(), 20s));
    }
  }

  Space& space(std::size_t i) { return spaces_[i]; }
  std::vector<Space>& spaces() { return spaces_; }

 private:
  ScratchFolder folder_;  // outlives the nodes
  std::vector<Node> nodes_;
  std::vector<Space> spaces_;
};

double percentile(std::vector<double>& samples, double share) {
  const auto at = static_cast<std::ptrdiff_t>(share * static_cast<double>(samples.size() - 1));
  std::nth_element(samples.begin(), samples.begin() + at, samples.end());
  return samples[static_cast<std::size_t>(at)];
}

// From before a commit at one node until a reader who waits at the other has it, one at a time. The
// time shown is the mean; median and 99th percentile are among the counters.
void commit_until_readable_at_peer(benchmark::State& state, bool durable) {
  Cluster cluster(2, durable);
  std::vector<double> micros;
  std::int64_t value = 0;
  for (auto _ : state) {
    ++value;
    const auto start = Clock::now();
    const Receipt receipt = must(cluster.space(0).transact([&](Transaction& transaction) {
      return transaction.root().reg("latest").set(Value(value));
    }));
    must(cluster.space(1).wait_for(receipt.token(), 10s));
    std::optional<Value> read;
    cluster.space(1).read(
        [&](const rejoin::Document& document) { read = document.root().reg("latest").get(); });
    const std::chrono::duration<double> took = Clock::now() - start;
    if (!read || *read != Value(value)) {
      state.SkipWithError("the other node reads something else");
      break;
    }
    state.SetIterationTime(took.count());
    micros.push_back(took.count() * 1e6);
  }
  if (micros.empty()) return;
  state.counters["median_us"] = percentile(micros, 0.5);
  state.counters["p99_us"] = percentile(micros, 0.99);
}
BENCHMARK_CAPTURE(commit_until_readable_at_peer, ephemeral, false)
    ->UseManualTime()
    ->Iterations(3000)
    ->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(commit_until_readable_at_peer, durable, true)
    ->UseManualTime()
    ->Iterations(1500)
    ->Unit(benchmark::kMicrosecond);

// Three nodes write at once, each an event a register of 64 bytes among 10,000 of its own, for five
// seconds. A writer has at most `in_flight` events that are not yet durable on both other nodes,
// and the time ends when every event of every node is: what is measured is what can go on for ever.
void sustained_events_on_three_durable_nodes(benchmark::State& state) {
  constexpr std::size_t in_flight = 8000;
  constexpr auto writing_time = 5s;
  std::uint64_t events = 0;
  for (auto _ : state) {
    Cluster cluster(3, true);
    const auto start = Clock::now();
    std::vector<std::uint64_t> written(cluster.spaces().size());
    std::vector<std::thread> writers;
    for (std::size_t w = 0; w < cluster.spaces().size(); ++w) {
      writers.emplace_back([&, w] {
        Space& space = cluster.space(w);
        const std::string map = "writer-" + std::to_string(w);
        const std::string content(56, 'x');
        std::deque<Receipt> pending;
        std::uint64_t n = 0;
        while (Clock::now() - start < writing_time) {
          const std::string key = "key-" + std::to_string(n * 7919 % 10'000);
          pending.push_back(must(space.transact([&](Transaction& transaction) {
            return transaction.root().map(map).reg(key).set(Value(content + std::to_string(n)));
          })));
          ++n;
          if (pending.size() < in_flight) continue;
          must(pending[in_flight / 2].wait_on_peers(2, 60s));  // later events imply earlier ones
          pending.erase(pending.begin(), pending.begin() + in_flight / 2 + 1);
        }
        if (!pending.empty()) {
          must(pending.back().wait_durable(60s));
          must(pending.back().wait_on_peers(2, 60s));
        }
        written[w] = n;
      });
    }
    for (std::thread& writer : writers) writer.join();
    const std::chrono::duration<double> took = Clock::now() - start;
    state.SetIterationTime(took.count());
    for (const std::uint64_t n : written) events += n;

    // All of it is everywhere: a node that has the tokens of all has the same state.
    for (Space& space : cluster.spaces()) {
      for (const Space& other : cluster.spaces()) must(space.wait_for(other.token(), 10s));
    }
    for (const Space& space : cluster.spaces()) {
      if (space.status().hash != cluster.space(0).status().hash) {
        state.SkipWithError("the nodes differ");
      }
    }
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(events));
}
BENCHMARK(sustained_events_on_three_durable_nodes)
    ->UseManualTime()
    ->Iterations(1)
    ->Unit(benchmark::kSecond);

// A stopped node's folder with a space of `cells` registers, made once a process.
class StoredNode {
 public:
  explicit StoredNode(std::size_t cells) {
    Node node = must(Node::open(options()));
    Space space = must(node.open_space("bench", {}));
    for (std::size_t at = 0; at < cells; at += 1000) {
      last_ = must(space.transact([&](Transaction& transaction) -> Status {
        MapRef map = transaction.root().map("registers-" + std::to_string(at / 10'000));
        for (std::size_t i = at; i < at + 1000; ++i) {
          if (Status set =
                  map.reg("key-" + std::to_string(i)).set(Value(static_cast<std::int64_t>(i)));
              !set) {
            return set;
          }
        }
        return {};
      }));
    }
    must(last_.wait_durable(300s));
    node.stop();
  }

  NodeOptions options() const {
    NodeOptions options;
    options.name = "a";
    options.directory = (folder_.path() / "a").string();
    options.log_level = "warn";
    return options;
  }

 private:
  ScratchFolder folder_;
  Receipt last_;
};

// From nothing until the space can be read.
void open_store_of_1000000_cells(benchmark::State& state) {
  static const StoredNode stored(1'000'000);
  for (auto _ : state) {
    const auto start = Clock::now();
    Node node = must(Node::open(stored.options()));
    Space space = must(node.open_space("bench", {}));
    std::size_t cells = 0;
    space.read([&](const rejoin::Document& document) { cells = document.cell_count(); });
    const std::chrono::duration<double> took = Clock::now() - start;
    state.SetIterationTime(took.count());
    if (cells != 1'000'000) state.SkipWithError("cells are missing");
    node.stop();
  }
  state.SetItemsProcessed(state.iterations() * 1'000'000);
}
BENCHMARK(open_store_of_1000000_cells)->UseManualTime()->Iterations(1)->Unit(benchmark::kSecond);

}  // namespace

BENCHMARK_MAIN();
