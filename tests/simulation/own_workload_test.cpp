// A workload of one's own, and what the simulator does with a cluster that breaks its promise.
#include <gtest/gtest.h>

#include <sstream>

#include "rejoin/simulation/run.h"
#include "rejoin/simulation/workload.h"

namespace rejoin::simulation {
namespace {

// Every node votes once a second by adding one to a counter; nobody may ever see more votes than
// were cast, and at the end everybody sees them all.
class Votes final : public Workload {
 public:
  explicit Votes(std::int64_t too_few = 0) : too_few_(too_few) {}

  void start(Cluster& cluster) override {
    cluster_ = &cluster;
    cluster.after(std::chrono::seconds(1), [this] { vote(); });
  }
  void changed(NodeIndex node, const std::string&) override {
    if (seen_at(node) > cast_) cluster_->fail("more votes seen than cast");
  }
  void lost(NodeIndex, const std::string&, const ReplicaId&, Sequence) override { ++lost_; }
  std::optional<std::string> wrong_state(NodeIndex node, const std::string&) override {
    if (!cluster_->healing() || seen_at(node) + too_few_ >= cast_ - lost_) return std::nullopt;
    return "votes are missing";
  }
  void finished() override { finished_with = seen_at(0); }

  static inline std::int64_t finished_with = 0;

 private:
  void vote() {
    if (cluster_->healing()) return;
    for (NodeIndex node = 0; node < cluster_->node_count(); ++node) {
      if (!cluster_->reachable(node)) continue;
      const auto committed = cluster_->transact(
          node, "main", "voter",
          [](Transaction& transaction) { return transaction.root().counter("votes").add(1); });
      if (committed.ok()) ++cast_;
    }
    cluster_->after(std::chrono::seconds(1), [this] { vote(); });
  }
  std::int64_t seen_at(NodeIndex node) const {
    return cluster_->document(node, "main").root().counter("votes").value();
  }

  Cluster* cluster_ = nullptr;
  std::int64_t too_few_;
  std::int64_t cast_ = 0;
  std::int64_t lost_ = 0;
};

// Says that it wrote what it did not.
class Boaster final : public Workload {
 public:
  void start(Cluster&) override {}
  std::optional<Dot> write_at(NodeIndex, const std::string&) override {
    return Dot{ReplicaId{1, 2}, 3};
  }
};

Scenario storm() {
  Scenario scenario;
  scenario.name = "storm";
  scenario.duration = std::chrono::seconds(20);
  scenario.network.loss = Range<Share>::of(percent(10));
  RandomFault partition;
  partition.kind = FaultKind::partition;
  partition.every = Range<Duration>::of(std::chrono::seconds(4));
  partition.lasts = Range<Duration>::of(std::chrono::seconds(3));
  RandomFault crash = partition;
  crash.kind = FaultKind::crash;
  scenario.random = {partition, crash};
  return scenario;
}

TEST(OwnWorkload, votes_are_counted_exactly_through_loss_partitions_and_crashes) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    RunOptions options;
    options.seed = seed;
    options.workload = [] { return std::make_unique<Votes>(); };
    const RunResult result = run(storm(), options);
    EXPECT_TRUE(result.ok) << "seed " << seed << ": " << result.failure;
    EXPECT_GT(Votes::finished_with, 30);
  }
}

TEST(OwnWorkload, what_it_misses_fails_the_run_in_its_own_words) {
  RunOptions options;
  options.workload = [] { return std::make_unique<Votes>(-1); };  // never content
  const RunResult result = run(storm(), options);
  EXPECT_FALSE(result.ok);
  EXPECT_NE(result.failure.find("votes are missing"), std::string::npos) << result.failure;
}

TEST(OwnWorkload, the_same_seed_gives_the_same_bytes_and_another_seed_others) {
  const auto trace_of = [](std::uint64_t seed) {
    std::ostringstream trace;
    RunOptions options;
    options.seed = seed;
    options.trace = &trace;
    options.workload = [] { return std::make_unique<Votes>(); };
    run(storm(), options);
    return trace.str();
  };
  const std::string once = trace_of(3);
  EXPECT_GT(once.size(), 10'000u);
  EXPECT_EQ(once, trace_of(3));
  EXPECT_NE(once, trace_of(4));
}

TEST(OwnWorkload, core_that_does_not_go_on_is_told_with_who_is_absent) {
  Scenario scenario = storm();
  scenario.nodes = {"a", "b", "c"};
  scenario.liveness.emplace();
  scenario.liveness->core = {"a", "c"};
  scenario.liveness->others = {Absence::down};
  RunOptions options;
  options.workload = [] { return std::make_unique<Boaster>(); };
  const RunResult result = run(scenario, options);
  ASSERT_FALSE(result.ok);
  EXPECT_EQ(result.promise, Promise::progress);
  EXPECT_EQ(result.failure,
            "the core does not go on, without b (down): what was written at a in main is not "
            "shown at a 60 s after it was healed");
}

TEST(OwnWorkload, core_goes_on_and_then_all_do) {
  for (const Absence absence : {Absence::down, Absence::cut, Absence::slow}) {
    Scenario scenario = storm();
    scenario.liveness.emplace();
    scenario.liveness->others = {absence};
    RunOptions options;
    options.workload = [] { return std::make_unique<Votes>(); };
    const RunResult result = run(scenario, options);
    EXPECT_TRUE(result.ok) << result.failure;
    EXPECT_EQ(result.counts.at("cores that went on alone"), 1u);
    EXPECT_EQ(result.counts.at("nodes left " + std::string(to_string(absence))), 1u);
  }
}

}  // namespace
}  // namespace rejoin::simulation
