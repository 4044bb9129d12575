// What is left of nodes that were replaced, and what becomes of one that was evicted before. Not a
// matter of time: it prints a table.
//
//   replacements_bench [REPLACEMENTS]      10,000 unless it says otherwise
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
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
using std::chrono::seconds;

const std::vector<std::string> members{"a", "b", "c", "d", "e"};
constexpr std::size_t evicted = 5;  // comes behind the members, and is none
constexpr microseconds latency{1000};
constexpr seconds pause_between{10};  // replacements
constexpr seconds forget_after{20};   // a day by default; a node must live longer than that
constexpr const char* space = "sessions";

void must(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "replacements_bench: %s\n", what);
  std::exit(1);
}

// Five nodes of a mesh, whose disks are quick, and one more that dials them while it is connected.
class Cluster {
 public:
  Cluster() {
    for (std::size_t i = 0; i <= members.size(); ++i) replace(i);
  }

  // The machine is another one from now on, with nothing on its disk.
  void replace(std::size_t i) {
    node::CoreOptions options;
    options.name = i == evicted ? "evicted" : members[i];
    for (const std::string& name : members) {
      if (name != options.name) options.peers.push_back(name);
    }
    options.members = members;
    options.forget_after = forget_after;
    options.random_seed[0] = ++processes_;
    if (cores_.size() <= i) cores_.resize(i + 1);
    cores_[i] = std::make_unique<Core>(options, now());
    must(cores_[i]->open_space(space, {}, now()).ok(), "a space does not open");
  }

  template <class Write>
  void write(std::size_t i, const Write& write) {
    const auto committed = cores_[i]->transact(
        space, "", "", [&](Transaction& transaction) { return write(transaction.root()); }, now());
    must(committed.ok(), "a write is refused");
    drain(i);
  }
  void write(std::size_t i, const std::string& key, std::int64_t value) {
    write(i, [&](MapRef root) { return root.reg(key).set(Value(value)); });
  }

  void run_for(microseconds span) {
    for (const microseconds end = time_ + span; time_ < end;) step(end);
  }
  void run_until_agreed() {
    const microseconds end = time_ + seconds(600);
    while (!agree() && time_ < end) step(end);
    must(agree(), "the nodes do not agree");
  }

  const Document& document(std::size_t i) const { return cores_[i]->document(space); }
  microseconds time() const { return time_; }
  bool connected = true;  // the evicted one
  std::uint64_t bytes_sent = 0;
  std::uint64_t largest = 0;  // message

 private:
  struct Packet {
    microseconds arrives;
    std::size_t from;
    node::Send send;
  };

  bool agree() const {
    return std::all_of(cores_.begin(), cores_.begin() + (connected ? evicted + 1 : evicted),
                       [&](const auto& core) {
                         return core->document(space).fingerprint() == document(0).fingerprint();
                       });
  }
  node::Now now() const {
    return {time_, 1'700'000'000'000 + static_cast<std::uint64_t>(time_.count()) / 1000};
  }

  void drain(std::size_t i) {
    Core& core = *cores_[i];
    while (const auto batch = core.take_batch()) core.persisted(batch->ticket, {}, now());
    for (node::Send& send : core.take_sends()) {
      if (!connected && (i == evicted || send.to == "evicted")) continue;
      bytes_sent += send.bytes.size();
      largest = std::max<std::uint64_t>(largest, send.bytes.size());
      packets_.push_back({time_ + latency, i, std::move(send)});
    }
    (void)core.take_notices();
  }
  void step(microseconds end) {
    for (const auto& core : cores_) end = std::min(end, core->next_deadline());
    if (!packets_.empty()) end = std::min(end, packets_.front().arrives);
    time_ = std::max(time_, end);
    while (!packets_.empty() && packets_.front().arrives <= time_) {
      const Packet packet = std::move(packets_.front());
      packets_.pop_front();
      const auto to = static_cast<std::size_t>(
          std::find(members.begin(), members.end(), packet.send.to) - members.begin());
      cores_[to]->receive(packet.from == evicted ? "evicted" : members[packet.from],
                          packet.send.bytes, now());
      drain(to);
    }
    for (std::size_t i = 0; i < cores_.size(); ++i) {
      if (cores_[i]->next_deadline() > time_) continue;
      cores_[i]->tick(now());
      drain(i);
    }
  }

  std::vector<std::unique_ptr<Core>> cores_;
  std::deque<Packet> packets_;
  microseconds time_{seconds(1)};
  std::uint64_t processes_ = 0;
};

void report(const char* what, Cluster& cluster) {
  // Every member writes, so that each has an entry, and names what it has come to depend on.
  for (int round = 0; round < 2; ++round) {
    for (std::size_t i = 0; i < members.size(); ++i) {
      cluster.write(i, "mine " + members[i], round);
      cluster.run_until_agreed();
    }
  }
  cluster.run_for(seconds(20));
  cluster.bytes_sent = cluster.largest = 0;
  cluster.run_for(seconds(100));
  const std::uint64_t idle = cluster.bytes_sent;
  cluster.bytes_sent = cluster.largest = 0;
  cluster.write(0, "one more", 1);
  cluster.run_until_agreed();
  cluster.run_for(seconds(100));
  const Document& document = cluster.document(0);
  std::printf("| %s | %zu | %zu | %zu | %zu | %.0f | %llu |\n", what, document.clock().size(),
              document.clock().encoded().size(), document.memory_bytes(),
              document.retired().size() * sizeof(std::pair<ReplicaId, Sequence>),
              static_cast<double>(idle) / 100, static_cast<unsigned long long>(cluster.largest));
}

}  // namespace

int main(int argc, char** argv) {
  const int replacements = argc > 1 ? std::atoi(argv[1]) : 10'000;
  std::printf(
      "| cluster of 5 | entries of a clock | bytes of it | memory of the document | of it, the "
      "retired ids | bytes a second in idleness | largest message for one write |\n"
      "| --- | --- | --- | --- | --- | --- | --- |\n");
  Cluster fresh;
  fresh.connected = false;
  report("new", fresh);

  Cluster old;
  old.write(0, "removed", 1);
  old.write(1, "kept", 1);
  old.run_until_agreed();
  old.run_for(seconds(5));
  old.connected = false;
  old.write(evicted, "written alone", 1);
  old.write(0, [](MapRef root) { return root.reg("removed").clear(); });
  std::size_t most = 0;
  for (int i = 0; i < replacements; ++i) {
    const std::size_t at = static_cast<std::size_t>(i) % members.size();
    old.replace(at);
    old.run_until_agreed();
    old.write(at, "key " + std::to_string(i % 16), i);
    old.run_until_agreed();
    most = std::max(most, old.document(0).clock().size());
    old.run_for(pause_between);
  }
  report((std::to_string(replacements) + " replacements").c_str(), old);

  old.bytes_sent = 0;
  const auto since = old.time();
  old.connected = true;
  old.run_until_agreed();
  const double took = std::chrono::duration<double>(old.time() - since).count();
  const std::uint64_t bytes = old.bytes_sent;
  for (std::size_t i = 0; i <= evicted; ++i) {
    const MapView root = old.document(i).root();
    must(!root.reg("removed").exists(), "what was removed is back");
    must(root.reg("kept").exists() && root.reg("written alone").exists(), "something is lost");
    must(old.document(i).hash() == old.document(0).hash(), "the states differ");
  }
  std::printf(
      "\nMost entries of a clock meanwhile: %zu. The node that was evicted before was one with the "
      "others after %.1f s and %llu bytes in all: nothing that was removed is back, nothing is "
      "lost.\n",
      most, took, static_cast<unsigned long long>(bytes));
}
