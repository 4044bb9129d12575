// How an event spreads through a large cluster with an overlay, in the simulator: when it reaches
// the nodes, how often it comes twice, and what is said beside it; and the same after some of the
// nodes died at once. Not a matter of the machine's time.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <iomanip>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "rejoin/crdt/types/map.h"
#include "rejoin/simulation/run.h"

namespace {

using namespace rejoin;
using simulation::Cluster;
using simulation::Duration;
using simulation::NodeIndex;
using simulation::Scenario;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t writers = 20;  // the first nodes that are no seeds
constexpr NodeIndex first_writer = 3;
constexpr Duration write_every = milliseconds(100);
constexpr Duration joined_after = seconds(30);
constexpr Duration warm_after = seconds(100);
constexpr Duration deaths_at = seconds(125);
constexpr Duration mended_after = seconds(140);
constexpr Duration ends_at = seconds(165);

struct Phase {
  const char* name;
  Duration from;
  Duration until;
  std::vector<std::int64_t> micros = {};  // of each arrival
  std::uint64_t applied = 0, doubled = 0, events = 0;
  std::vector<std::pair<std::string, std::uint64_t>> sent = {};
};

// Each writer in turn changes one register; each node tells when it shows that.
class Spread : public simulation::Workload {
 public:
  // Of the nodes that survive alone is anything counted.
  Spread(std::vector<Phase>& phases, std::size_t survivors)
      : phases_(phases), survivors_(survivors) {}

  void start(Cluster& cluster) override {
    cluster_ = &cluster;
    seen_.assign(cluster.node_count(), std::vector<Sequence>(writers, 0));
    written_.resize(writers);
    ids_.resize(writers);
    cluster.after(joined_after, [this] { write(); });
    for (Phase& phase : phases_) {
      cluster.after(phase.from, [this, &phase] { measure(phase, false); });
      cluster.after(phase.until, [this, &phase] { measure(phase, true); });
    }
  }
  void changed(NodeIndex node, const std::string& space) override { look(node, space); }

 private:
  void write() {
    if (cluster_->healing()) return;
    const std::size_t writer = turn_++ % writers;
    const NodeIndex node = first_writer + writer;
    const auto committed = cluster_->transact(node, "main", "", [&](Transaction& t) {
      return t.root().reg("k" + std::to_string(writer)).set(Value(static_cast<int>(turn_)));
    });
    if (committed.ok() && committed->event) {
      if (ids_[writer] != committed->event->writer()) {
        ids_[writer] = committed->event->writer();
        written_[writer].clear();
        for (auto& of_node : seen_) of_node[writer] = 0;
      }
      written_[writer].emplace_back(committed->event->last(), cluster_->now());
      for (Phase& phase : phases_) {
        if (cluster_->now() >= phase.from && cluster_->now() < phase.until) ++phase.events;
      }
    }
    cluster_->after(write_every, [this] { write(); });
  }

  void look(NodeIndex node, const std::string& space) {
    if (node >= survivors_ || space != "main") return;
    const Clock& clock = cluster_->document(node, space).clock();
    for (std::size_t writer = 0; writer < writers; ++writer) {
      const Sequence now = clock.get(ids_[writer]);
      Sequence& before = seen_[node][writer];
      if (now <= before || node == first_writer + writer) continue;
      const auto& all = written_[writer];
      auto at = std::upper_bound(all.begin(), all.end(), before,
                                 [](Sequence s, const auto& entry) { return s < entry.first; });
      for (; at != all.end() && at->first <= now; ++at) {
        for (Phase& phase : phases_) {
          if (at->second < phase.from || at->second >= phase.until) continue;
          phase.micros.push_back((cluster_->now() - at->second).count());
        }
      }
      before = now;
    }
  }

  void measure(Phase& phase, bool end) {
    std::uint64_t applied = 0;
    std::uint64_t doubled = 0;
    for (NodeIndex node = 0; node < survivors_; ++node) {
      applied += cluster_->counters(node).events_applied;
      doubled += cluster_->counters(node).events_duplicate;
    }
    phase.applied = end ? applied - phase.applied : applied;
    phase.doubled = end ? doubled - phase.doubled : doubled;
    auto sent = cluster_->messages_sent();
    if (!end) {
      phase.sent = std::move(sent);
      return;
    }
    for (auto& [kind, times] : sent) {
      for (const auto& [before_kind, before] : phase.sent) {
        if (before_kind == kind) times -= before;
      }
    }
    phase.sent = std::move(sent);
  }

  std::vector<Phase>& phases_;
  const std::size_t survivors_;
  Cluster* cluster_ = nullptr;
  std::size_t turn_ = 0;
  std::vector<ReplicaId> ids_;
  std::vector<std::vector<std::pair<Sequence, Duration>>> written_;  // by writer
  std::vector<std::vector<Sequence>> seen_;                          // by node and writer
};

Scenario scenario_of(std::size_t nodes, std::size_t dying) {
  Scenario scenario;
  scenario.name = "broadcast";
  scenario.nodes.clear();
  for (std::size_t i = 0; i < nodes; ++i) scenario.nodes.push_back("n" + std::to_string(i));
  scenario.topology = simulation::Topology::overlay;
  scenario.duration = ends_at;
  scenario.converge_within = seconds(120);
  scenario.buggify.clear();
  scenario.steps_max = ~std::uint64_t{0};
  scenario.deep_check_every = ~std::uint64_t{0};
  scenario.network.delay = simulation::Range<Duration>::of(milliseconds(50));
  scenario.network.spread_ppm = 0;
  scenario.network.slow = simulation::Range<simulation::Share>::of(simulation::Share{0});
  for (NodeIndex i = first_writer + writers; i < nodes; ++i) {
    scenario.joins.push_back(
        {scenario.nodes[i], {.low = Duration(0), .high = joined_after - seconds(1)}});
  }
  for (NodeIndex i = nodes - dying; i < nodes; ++i) {
    simulation::PlannedFault death;
    death.kind = simulation::FaultKind::crash;
    death.at = deaths_at;
    death.lasts = ends_at;
    death.nodes = {scenario.nodes[i]};
    scenario.planned.push_back(death);
  }
  return scenario;
}

void print(Phase& phase, std::size_t others) {
  std::sort(phase.micros.begin(), phase.micros.end());
  const auto share = [&](double part) {
    if (phase.micros.empty()) return 0.0;
    const auto last = static_cast<double>(phase.micros.size() - 1);
    return static_cast<double>(phase.micros[static_cast<std::size_t>(part * last)]) / 1000;
  };
  std::cout << std::fixed << std::setprecision(0) << phase.name << ": " << phase.events
            << " events, " << phase.micros.size() << " of " << phase.events * others
            << " arrivals; ms until one: median " << share(0.5) << ", 99 % " << share(0.99)
            << ", last " << share(1) << "\n  payload redundancy " << std::setprecision(2)
            << 1 + static_cast<double>(phase.doubled) / static_cast<double>(phase.applied)
            << "; messages for each arrival:" << std::setprecision(3);
  for (const auto& [kind, times] : phase.sent) {
    if (times == 0) continue;
    std::cout << ' ' << kind << ' '
              << static_cast<double>(times) / static_cast<double>(phase.micros.size());
  }
  std::cout << '\n';
}

}  // namespace

// broadcast [NODES [DYING]]
int main(int argc, char** argv) {
  const std::size_t nodes = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1000;
  const std::size_t dying = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : nodes * 3 / 10;
  if (nodes < 2 * (first_writer + writers) || dying > nodes / 2) {
    std::cerr << "broadcast [NODES [DYING]]: at least " << 2 * (first_writer + writers)
              << " nodes, of which at most half die\n";
    return EXIT_FAILURE;
  }
  std::vector<Phase> phases{{"at rest", warm_after, deaths_at - seconds(1)},
                            {"while the dead are found", deaths_at, mended_after},
                            {"mended", mended_after, ends_at - seconds(2)}};
  simulation::RunOptions options;
  options.seed = 1;
  options.workload = [&] { return std::make_unique<Spread>(phases, nodes - dying); };
  const Scenario scenario = scenario_of(nodes, dying);
  if (auto valid = scenario.validate(); !valid.ok()) {
    std::cerr << valid.error().to_string() << '\n';
    return EXIT_FAILURE;
  }
  const simulation::RunResult result = simulation::run(scenario, options);
  std::cout << nodes << " nodes, " << dying << " of which die at once; every link 50 ms\n";
  for (Phase& phase : phases) print(phase, nodes - dying - 1);
  std::cout << (result.ok ? "all agreed in the end\n" : "failed: " + result.failure + '\n');
  return result.ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
