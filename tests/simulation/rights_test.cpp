// Rights of bounded counters find their way to who waits for them, once there is one.
#include "rejoin/node/rights.h"

#include <gtest/gtest.h>

#include <vector>

#include "rejoin/simulation/run.h"
#include "rejoin/simulation/workload.h"

namespace rejoin::simulation {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// The first node holds all rights, the second is given some; all answer. Every other node takes
// what there is, a few at a time, and none of them may give up.
class Shoppers final : public Workload {
 public:
  static constexpr std::int64_t stock = 60;
  static constexpr std::int64_t amount = 3;

  void start(Cluster& cluster) override {
    cluster_ = &cluster;
    shoppers_.resize(cluster.node_count());
    for (NodeIndex node = 0; node < cluster.node_count(); ++node) {
      cluster.answer_requests(node, "main", {counter(), 0});
    }
    cluster.after(milliseconds(1), [this] {
      (void)write(0, [&](Transaction& t) -> Status {
        BoundedCounterRef funds = t.root().bounded_counter("stock");
        if (Status made = funds.increment(stock); !made.ok()) return made;
        return funds.transfer(10, cluster_->document(1, "main").self());
      });
      const std::int64_t each =
          stock / amount / static_cast<std::int64_t>(cluster_->node_count() - 2);
      for (NodeIndex node = 2; node < cluster_->node_count(); ++node) {
        shoppers_[node].to_do = each;
        shop(node);
      }
    });
  }
  void changed(NodeIndex node, const std::string&) override {
    const Shopper& shopper = shoppers_[node];
    if (!shopper.decrement || !shopper.decrement->needs_step(document(node))) return;
    cluster_->after(Duration(0), [this, node] { shop(node); });
  }
  std::optional<std::string> wrong_state(NodeIndex node, const std::string&) override {
    const auto value = document(node).root().bounded_counter("stock").value();
    if (!cluster_->healing()) return std::nullopt;
    for (const Shopper& shopper : shoppers_) {
      if (shopper.to_do > 0)
        return "a decrement still waits, with " + std::to_string(value) + " left";
    }
    if (value != 0) return std::to_string(value) + " are left";
    return std::nullopt;
  }

 private:
  struct Shopper {
    std::int64_t to_do = 0;
    std::optional<node::PatientDecrement> decrement;
    std::uint64_t turn = 0;  // a timer that was set before the last one means nothing
  };
  static Path counter() { return Path().child(Type::bounded_counter, Value("stock")); }
  const Document& document(NodeIndex node) const { return cluster_->document(node, "main"); }
  Result<node::Committed> write(NodeIndex node, const std::function<Status(Transaction&)>& write) {
    auto committed = cluster_->transact(node, "main", "shopper", write);
    if (!committed.ok() && committed.error().code != ErrorCode::busy) {
      cluster_->fail(committed.error().to_string());
    }
    return committed;
  }
  void shop(NodeIndex node) {
    Shopper& shopper = shoppers_[node];
    if (cluster_->healing() || cluster_->failed() || shopper.to_do == 0) return;
    if (!shopper.decrement) shopper.decrement.emplace(counter(), amount);
    const auto outcome = shopper.decrement->step(
        document(node), cluster_->now(), [&](const auto& what) { return write(node, what); });
    Duration next = Duration(1);
    if (outcome) {
      shopper.decrement.reset();
      --shopper.to_do;
    } else {
      next = std::max(next, shopper.decrement->look_again() - cluster_->now());
    }
    const std::uint64_t turn = ++shopper.turn;
    cluster_->after(next, [this, node, turn] {
      if (turn == shoppers_[node].turn) shop(node);
    });
  }

  Cluster* cluster_ = nullptr;
  std::vector<Shopper> shoppers_;
};

void expect_all_served(const Scenario& scenario) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    RunOptions options;
    options.seed = seed;
    options.workload = [] { return std::make_unique<Shoppers>(); };
    const RunResult result = run(scenario, options);
    EXPECT_TRUE(result.ok) << "seed " << seed << ": " << result.failure;
  }
}

Scenario shops() {
  Scenario scenario;
  scenario.name = "shops";
  scenario.nodes = {"a", "b", "c", "d", "e", "f"};
  scenario.duration = seconds(120);
  return scenario;
}

TEST(RightsInACluster, reach_all_who_wait_for_them) { expect_all_served(shops()); }

TEST(RightsInACluster, pass_through_relays) {
  Scenario scenario = shops();
  scenario.topology = Topology::line;
  scenario.buggify.clear();
  expect_all_served(scenario);
}

TEST(RightsInACluster, arrive_in_spite_of_loss_and_partitions) {
  Scenario scenario = shops();
  scenario.network.loss = Range<Share>::of(percent(10));
  scenario.duration = seconds(240);
  RandomFault partition;
  partition.kind = FaultKind::partition;
  partition.every = Range<Duration>::of(seconds(5));
  partition.lasts = Range<Duration>::of(seconds(3));
  scenario.random.push_back(partition);
  expect_all_served(scenario);
}

}  // namespace
}  // namespace rejoin::simulation
