// A failing run becomes the smallest scenario that breaks the same promise.
#include "rejoin/simulation/shrink.h"

#include <gtest/gtest.h>

#include <csignal>

#include "rejoin/crdt/assert.h"
#include "rejoin/simulation/workload.h"

namespace rejoin::simulation {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Clients that add to a counter at one node each. The promise that it breaks: client 3 may not
// write at the node "b" within a second after its restart, in a cluster of at least so many nodes.
class Touchy final : public Workload {
 public:
  enum class Breaks { promise, assertion, memory };
  explicit Touchy(std::size_t nodes_min, Breaks how = Breaks::promise)
      : nodes_min_(nodes_min), how_(how) {}
  void start(Cluster& cluster) override {
    cluster_ = &cluster;
    for (std::uint64_t client = 0; client < 5; ++client) {
      if (cluster.begin_step(client, 0)) step_later(client, 1);
    }
  }
  void restarted(NodeIndex node) override {
    if (cluster_->node_name(node) == "b") restarted_at_ = cluster_->now();
  }

 private:
  void step_later(std::uint64_t client, std::uint64_t step) {
    cluster_->after(milliseconds(200), [this, client, step] {
      if (cluster_->healing()) return;
      if (cluster_->begin_step(client, step)) write(client);
      step_later(client, step + 1);
    });
  }
  void write(std::uint64_t client) {
    for (NodeIndex node = 0; node < cluster_->node_count(); ++node) {
      if (cluster_->node_name(node) != "b" || !cluster_->reachable(node)) continue;
      (void)cluster_->transact(node, "main", "touchy", [](Transaction& transaction) {
        return transaction.root().counter("touched").add(1);
      });
      if (client == 3 && cluster_->node_count() >= nodes_min_ && restarted_at_ &&
          cluster_->now() - *restarted_at_ < seconds(1)) {
        REJOIN_ASSERT(how_ != Breaks::assertion);
        if (how_ == Breaks::memory) std::raise(SIGSEGV);
        cluster_->fail("client 3 wrote too early");
      }
    }
  }

  std::size_t nodes_min_;
  Breaks how_;
  Cluster* cluster_ = nullptr;
  std::optional<Duration> restarted_at_;
};

Scenario storm() {
  Scenario scenario;
  scenario.name = "storm";
  scenario.nodes = {"a", "b", "c", "d"};
  scenario.duration = seconds(30);
  scenario.network.loss = Range<Share>::of(percent(10));
  scenario.network.duplicate = Range<Share>::of(percent(10));
  for (const FaultKind kind : {FaultKind::partition, FaultKind::crash, FaultKind::pause}) {
    RandomFault fault;
    fault.kind = kind;
    fault.every = Range<Duration>::of(seconds(1));
    fault.lasts = Range<Duration>::of(milliseconds(300));
    scenario.random.push_back(fault);
  }
  return scenario;
}

ShrinkOptions touchy_options(std::size_t nodes_min = 1,
                             Touchy::Breaks how = Touchy::Breaks::promise) {
  ShrinkOptions options;
  options.budget = std::chrono::minutes(5);
  options.workload = [nodes_min, how] { return std::make_unique<Touchy>(nodes_min, how); };
  return options;
}

TEST(Shrink, leaves_only_what_the_failure_needs) {
  ShrinkOptions options = touchy_options();
  options.keep_seed = true;
  const auto shrunk = shrink(storm(), 1, options);
  ASSERT_TRUE(shrunk.ok()) << shrunk.error().to_string();
  EXPECT_TRUE(shrunk->complete);
  const Scenario& scenario = shrunk->scenario;
  EXPECT_EQ(scenario.nodes, std::vector<std::string>{"b"});
  EXPECT_TRUE(scenario.random.empty());
  ASSERT_EQ(scenario.planned.size(), 1u);
  EXPECT_EQ(scenario.planned[0].kind, FaultKind::crash);
  EXPECT_EQ(scenario.planned[0].nodes, std::vector<std::string>{"b"});
  ASSERT_EQ(shrunk->result.client_steps.size(), 1u);
  EXPECT_EQ(shrunk->result.client_steps[0].client, 3u);
  EXPECT_EQ(scenario.network.loss.high, Share{0});
  EXPECT_EQ(scenario.network.duplicate.high, Share{0});
  EXPECT_TRUE(scenario.buggify.empty());
  EXPECT_EQ(scenario.breaks, Promise::workload);
}

TEST(Shrink, what_it_writes_replays_alone) {
  ShrinkOptions touchy = touchy_options(3);
  touchy.runs_max = 600;
  const auto shrunk = shrink(storm(), 1, touchy);
  ASSERT_TRUE(shrunk.ok()) << shrunk.error().to_string();
  EXPECT_EQ(shrunk->scenario.nodes.size(), 3u);
  const auto read = Scenario::from_toml(shrunk->scenario.to_toml());
  ASSERT_TRUE(read.ok()) << read.error().to_string();
  RunOptions options;
  options.seed = read->seed.value();
  options.workload = touchy.workload;
  const RunResult result = run(*read, options);
  EXPECT_EQ(result.promise, Promise::workload);
  EXPECT_EQ(result.failure, shrunk->result.failure);
  EXPECT_EQ(result.failed_at, shrunk->result.failed_at);
}

// The same client's step, and the same fault, are left when the step ends the process.
TEST(Shrink, makes_a_run_small_that_dies_by_an_assertion_or_a_signal) {
  for (const auto how : {Touchy::Breaks::assertion, Touchy::Breaks::memory}) {
    ShrinkOptions options = touchy_options(1, how);
    options.keep_seed = true;
    const auto shrunk = shrink(storm(), 1, options);
    ASSERT_TRUE(shrunk.ok()) << shrunk.error().to_string();
    EXPECT_TRUE(shrunk->complete);
    EXPECT_EQ(shrunk->scenario.breaks, Promise::survival);
    EXPECT_EQ(shrunk->scenario.nodes, std::vector<std::string>{"b"});
    EXPECT_TRUE(shrunk->scenario.random.empty());
    ASSERT_EQ(shrunk->scenario.planned.size(), 1u);
    EXPECT_EQ(shrunk->scenario.planned[0].kind, FaultKind::crash);
    ASSERT_EQ(shrunk->result.client_steps.size(), 1u);
    EXPECT_EQ(shrunk->result.client_steps[0].client, 3u);
    const std::string expected = how == Touchy::Breaks::memory
                                     ? "Segmentation fault"
                                     : "`how_ != Breaks::assertion` failed at";
    EXPECT_NE(shrunk->result.failure.find(expected), std::string::npos) << shrunk->result.failure;
  }
}

TEST(Shrink, run_that_dies_is_told_up_to_its_last_step) {
  const ShrinkOptions dying = touchy_options(1, Touchy::Breaks::assertion);
  const ShrinkOptions failing = touchy_options();
  Recording told[2];
  RunResult results[2];
  for (int i = 0; i < 2; ++i) {
    RunOptions options;
    options.seed = 1;
    options.workload = (i == 0 ? dying : failing).workload;
    options.recording = &told[i];
    results[i] = run_apart(storm(), options);
  }
  EXPECT_EQ(results[0].promise, Promise::survival);
  EXPECT_EQ(results[1].promise, Promise::workload);
  EXPECT_EQ(results[0].failed_at, results[1].failed_at);
  EXPECT_EQ(results[0].client_steps, results[1].client_steps);
  EXPECT_EQ(results[0].struck, results[1].struck);
  // But for what the last step itself did: the commit before the assertion.
  EXPECT_GT(told[0].messages.size(), 10u);
  EXPECT_EQ(told[0].messages.size(), told[1].messages.size());
  EXPECT_EQ(told[0].marks.size() + 1, told[1].marks.size());
}

TEST(Shrink, keeps_the_seed_when_it_is_told_to_and_never_passes_its_budget_of_runs) {
  ShrinkOptions options = touchy_options();
  options.keep_seed = true;
  options.runs_max = 7;
  std::uint64_t tried = 0;
  options.trying = [&](const Scenario& candidate, const ShrinkProgress&) {
    ++tried;
    EXPECT_EQ(candidate.seed, 1u);
  };
  const auto shrunk = shrink(storm(), 1, options);
  ASSERT_TRUE(shrunk.ok()) << shrunk.error().to_string();
  EXPECT_EQ(tried, 7u);
  EXPECT_EQ(shrunk->runs, 7u);
  EXPECT_FALSE(shrunk->complete);
  EXPECT_FALSE(shrunk->result.ok);
}

TEST(Shrink, a_seed_that_passes_is_refused) {
  Scenario scenario = storm();
  scenario.random.clear();
  const auto shrunk = shrink(scenario, 1, touchy_options());
  ASSERT_FALSE(shrunk.ok());
  EXPECT_NE(shrunk.error().message.find("nothing to shrink"), std::string::npos);
}

}  // namespace
}  // namespace rejoin::simulation
