// What is left of nodes that were replaced. Not a matter of time: it prints a table.
//
//   replacements_bench [REPLACEMENTS]      10,000 unless it says otherwise
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "rejoin/crdt/types/map.h"
#include "rejoin/node/core.h"

namespace {

using namespace rejoin;
using node::Core;
using std::chrono::microseconds;

const std::vector<std::string> names{"a", "b", "c", "d", "e"};
constexpr microseconds latency{1000};
constexpr const char* space = "sessions";

// Five nodes of a mesh, whose disks are quick.
class Cluster {
 public:
  Cluster() {
    for (std::size_t i = 0; i < names.size(); ++i) replace(i);
  }

  // The machine is another one from now on, with nothing on its disk.
  void replace(std::size_t i) {
    node::CoreOptions options;
    options.name = names[i];
    for (const std::string& name : names) {
      if (name != options.name) options.peers.push_back(name);
    }
    options.members = names;
    options.random_seed[0] = ++processes_;
    if (cores_.size() <= i) cores_.resize(i + 1);
    cores_[i] = std::make_unique<Core>(options, now());
    if (!cores_[i]->open_space(space, {}, now()).ok()) std::abort();
  }

  void write(std::size_t i, const std::string& key, std::int64_t value) {
    const auto committed = cores_[i]->transact(
        space, "", "",
        [&](Transaction& transaction) { return transaction.root().reg(key).set(Value(value)); },
        now());
    if (!committed.ok()) std::abort();
  }

  void run_for(microseconds span) {
    for (const microseconds end = time_ + span; time_ < end; time_ += latency) step();
  }
  bool agree() const {
    return std::all_of(cores_.begin(), cores_.end(), [&](const auto& core) {
      return core->document(space).clock_with_retired() ==
             cores_[0]->document(space).clock_with_retired();
    });
  }
  void run_until_agreed() {
    do {
      step();
      time_ += latency;
    } while (!agree());
  }

  const Document& document() const { return cores_[0]->document(space); }
  std::uint64_t bytes_sent = 0;
  std::uint64_t largest = 0;  // message

 private:
  node::Now now() const {
    return {time_, 1'700'000'000'000 + static_cast<std::uint64_t>(time_.count()) / 1000};
  }
  void step() {
    std::vector<std::pair<std::size_t, node::Send>> sent;
    for (std::size_t i = 0; i < cores_.size(); ++i) {
      Core& core = *cores_[i];
      if (core.next_deadline() <= time_) core.tick(now());
      while (const auto batch = core.take_batch()) core.persisted(batch->ticket, {}, now());
      for (node::Send& send : core.take_sends()) sent.emplace_back(i, std::move(send));
      (void)core.take_notices();
    }
    for (auto& [from, send] : sent) {
      bytes_sent += send.bytes.size();
      largest = std::max<std::uint64_t>(largest, send.bytes.size());
      const auto to =
          static_cast<std::size_t>(std::find(names.begin(), names.end(), send.to) - names.begin());
      cores_[to]->receive(names[from], send.bytes, now());
    }
  }

  std::vector<std::unique_ptr<Core>> cores_;
  microseconds time_{std::chrono::seconds(1)};
  std::uint64_t processes_ = 0;
};

void report(const char* what, Cluster& cluster) {
  using std::chrono::seconds;
  cluster.run_for(seconds(20));
  // Every node writes, so that each has an entry, and names what it has come to depend on.
  for (int round = 0; round < 2; ++round) {
    for (std::size_t i = 0; i < names.size(); ++i) cluster.write(i, "mine " + names[i], round);
    cluster.run_until_agreed();
  }
  cluster.run_for(seconds(20));
  cluster.bytes_sent = cluster.largest = 0;
  cluster.run_for(seconds(100));
  const std::uint64_t idle = cluster.bytes_sent;
  cluster.bytes_sent = cluster.largest = 0;
  cluster.write(0, "one more", 1);
  cluster.run_until_agreed();
  cluster.run_for(seconds(100));
  const Document& document = cluster.document();
  std::printf("| %s | %zu | %zu | %zu | %llu | %llu | %llu |\n", what, document.clock().size(),
              document.clock().encoded().size(), document.memory_bytes(),
              static_cast<unsigned long long>(document.retired().size() * 24),
              static_cast<unsigned long long>(idle / 100),
              static_cast<unsigned long long>(cluster.largest));
}

}  // namespace

int main(int argc, char** argv) {
  const int replacements = argc > 1 ? std::atoi(argv[1]) : 10'000;
  std::printf(
      "| cluster of 5 | entries of a clock | bytes of it | memory of the document | of it, the "
      "retired ids | bytes a second in idleness | largest message for one write |\n"
      "| --- | --- | --- | --- | --- | --- | --- |\n");
  Cluster fresh;
  report("new", fresh);
  Cluster old;
  for (int i = 0; i < replacements; ++i) {
    const std::size_t at = static_cast<std::size_t>(i) % names.size();
    old.replace(at);
    old.run_until_agreed();
    old.write(at, "key " + std::to_string(i % 16), i);
    old.run_until_agreed();
  }
  report((std::to_string(replacements) + " replacements").c_str(), old);
}
