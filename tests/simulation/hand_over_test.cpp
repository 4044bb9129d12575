// Sessions that follow their users through all regions of a cluster that is cut and crashes: handed
// over with a causal token, a session never reads less than it wrote.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "rejoin/crdt/agent/session.h"
#include "rejoin/node/affinity.h"
#include "rejoin/simulation/link_trace.h"
#include "rejoin/simulation/run.h"
#include "rejoin/simulation/workload.h"

namespace rejoin::simulation {
namespace {

constexpr const char* space = "main";
constexpr Duration patience = std::chrono::seconds(5);
constexpr std::size_t users = 4;

// One node a region. Each user goes on to the next region now and then, and their session to the
// node that is best for it there, as far as the node knows at which it is worked on.
class Travellers final : public Workload {
 public:
  explicit Travellers(bool ignores_token) : ignores_token_(ignores_token) {}

  void start(Cluster& cluster) override {
    cluster_ = &cluster;
    for (const auto& [node, region] : cluster.scenario().network.region) regions_.push_back(region);
    for (std::size_t i = 0; i < users; ++i) {
      Session& session = sessions_.emplace_back();
      session.id = "s" + std::to_string(i);
      session.place = i;
      session.node = cluster.draw_node();
      next_step(i);
    }
  }

  void crashed(NodeIndex node) override {  // and its receipts with it
    for (Session& session : sessions_) {
      if (session.pending && session.pending->node == node) session.pending.reset();
    }
  }

  std::optional<std::string> wrong_state(NodeIndex node, const std::string&) override {
    for (const Session& session : sessions_) {
      if (!cluster_->shows(node, space, session.token)) continue;
      if (auto wrong = difference(session, node)) return wrong;
    }
    return std::nullopt;
  }

  void finished() override {
    for (const Session& session : sessions_) {
      for (NodeIndex node = 0; node < cluster_->node_count(); ++node) {
        if (auto wrong = difference(session, node)) return cluster_->fail(*wrong);
      }
      cluster_->count("turns acknowledged", session.acknowledged.size());
      if (session.worked_at.size() == cluster_->node_count()) {
        cluster_->count("sessions worked on everywhere");
      }
    }
  }

 private:
  // A turn that was committed there, and not acknowledged yet.
  struct Pending {
    NodeIndex node = 0;
    Dot dot;
    Clock token;
  };
  struct Session {
    std::string id;
    std::size_t place = 0;  // of its user
    NodeIndex node = 0;     // where it is worked on
    Clock token;            // of all that was acknowledged
    std::vector<std::string> acknowledged;
    std::optional<Pending> pending;
    Duration waits_since{-1};
    std::set<NodeIndex> worked_at;

    std::string next_turn() const { return id + "/" + std::to_string(acknowledged.size()); }
  };

  void next_step(std::size_t i) {
    cluster_->after(cluster_->random().exponential(std::chrono::milliseconds(200)), [this, i] {
      if (cluster_->healing()) return;
      step(sessions_[i]);
      if (!cluster_->failed()) next_step(i);
    });
  }

  void step(Session& session) {
    Random& random = cluster_->random();
    if (random.chance(percent(5))) session.place = (session.place + 1) % regions_.size();
    if (!cluster_->reachable(session.node)) {
      if (random.chance(percent(20))) go_to(session, cluster_->draw_node());
      return;
    }
    const auto best = node::rank_by_affinity(
        session.id, cluster_->affinity_candidates(session.node), regions_[session.place]);
    if (!best.empty() && best.front().name != cluster_->node_name(session.node)) {
      return go_to(session, cluster_->node_index(best.front().name));
    }
    if (!ignores_token_ && !cluster_->shows(session.node, space, session.token)) {
      if (session.waits_since < Duration(0)) {
        session.waits_since = cluster_->now();
        cluster_->count("waits for a token");
      } else if (cluster_->now() - session.waits_since > patience) {
        go_to(session, cluster_->draw_node());
      }
      return;
    }
    session.waits_since = Duration(-1);
    if (auto wrong = difference(session, session.node)) return cluster_->fail(*wrong);
    write(session);
  }

  // What is not acknowledged is repeated there.
  void go_to(Session& session, NodeIndex node) {
    if (node == session.node) return;
    session.node = node;
    session.pending.reset();
    session.waits_since = Duration(-1);
    cluster_->count("hand-overs");
  }

  void write(Session& session) {
    if (!session.pending) {
      const auto committed = cluster_->transact(session.node, space, session.id, [&](auto& t) {
        agent::SessionRef here(t, session.id);
        agent::Turn turn;
        turn.role = agent::Role::user;
        turn.content = "hello";
        turn.id = session.next_turn();
        if (auto appended = here.append_once(turn); !appended) return Status(appended.error());
        return here.preferences().set("node", Value(cluster_->node_name(session.node)));
      });
      ASSERT_TRUE(committed.ok()) << committed.error().to_string();
      session.pending = {session.node, committed->event->id(), committed->clock};
    }
    if (!cluster_->durable_here(session.node, space, session.pending->dot)) return;
    session.acknowledged.push_back(session.next_turn());
    session.token.join(session.pending->token);
    session.pending.reset();
    session.worked_at.insert(session.node);
  }

  // The session there has the turns that were acknowledged, once each, in their order, and at most
  // the next one behind them.
  std::optional<std::string> difference(const Session& session, NodeIndex node) const {
    const agent::SessionView view(cluster_->document(node, space), session.id);
    std::vector<std::string> read;
    for (const agent::Turn& turn : view.turns()) read.push_back(turn.id);
    if (!read.empty() && read.back() == session.next_turn()) read.pop_back();
    if (read == session.acknowledged) return std::nullopt;
    return session.id + " reads " + std::to_string(read.size()) + " turns at " +
           cluster_->node_name(node) + ", other than the " +
           std::to_string(session.acknowledged.size()) + " that it wrote";
  }

  Cluster* cluster_ = nullptr;
  bool ignores_token_;
  std::vector<std::string> regions_;
  std::vector<Session> sessions_;
};

RandomFault fault(FaultKind kind, Duration every, Duration lasts) {
  RandomFault fault;
  fault.kind = kind;
  fault.every = Range<Duration>::of(every);
  fault.lasts = Range<Duration>::of(lasts);
  return fault;
}

Scenario five_regions() {
  using std::chrono::seconds;
  Scenario scenario;
  scenario.name = "five_regions";
  scenario.nodes = {"a", "b", "c", "d", "e"};
  scenario.topology = Topology::overlay;
  scenario.duration = seconds(60);
  scenario.core["exchange_interval"] = {100'000, 400'000};
  scenario.core["peer_timeout"] = {1'500'000, 4'000'000};
  std::string header = "from", rows;
  for (const std::string& node : scenario.nodes) {
    const std::string region = "region-" + node;
    scenario.network.region[node] = region;
    header += "," + region;
    rows += region + ",80,80,80,80,80\n";
  }
  auto latency = RegionLatency::parse(header + "\n" + rows, "five_regions.csv");
  EXPECT_TRUE(latency.ok());
  scenario.network.regions = {"five_regions.csv",
                              std::make_shared<const RegionLatency>(*std::move(latency))};
  scenario.random = {fault(FaultKind::partition, seconds(6), seconds(4)),
                     fault(FaultKind::link_cut, seconds(6), seconds(3)),
                     fault(FaultKind::crash, seconds(8), seconds(3)),
                     fault(FaultKind::pause, seconds(20), seconds(2))};
  return scenario;
}

RunResult run_travellers(std::uint64_t seed, bool ignores_token) {
  RunOptions options;
  options.seed = seed;
  options.workload = [=] { return std::make_unique<Travellers>(ignores_token); };
  return run(five_regions(), options);
}

TEST(HandOver, a_session_moved_through_five_nodes_never_reads_less_than_it_wrote) {
  std::map<std::string, std::uint64_t> counts;
  for (std::uint64_t seed = 1; seed <= 15; ++seed) {
    const RunResult result = run_travellers(seed, false);
    ASSERT_TRUE(result.ok) << "seed " << seed << ": " << result.failure;
    for (const auto& [what, count] : result.counts) counts[what] += count;
  }
  std::cout << counts["turns acknowledged"] << " turns, " << counts["hand-overs"] << " hand-overs, "
            << counts["waits for a token"] << " waits for a token, "
            << counts["sessions worked on everywhere"] << " sessions worked on everywhere\n";
  EXPECT_GT(counts["sessions worked on everywhere"], 15u * users / 2);
  EXPECT_GT(counts["waits for a token"], 20u);
}

TEST(HandOver, without_the_token_it_reads_less_and_that_is_noticed) {
  std::string failure;
  for (std::uint64_t seed = 1; seed <= 5 && failure.empty(); ++seed) {
    failure = run_travellers(seed, true).failure;
  }
  EXPECT_NE(failure.find("that it wrote"), std::string::npos) << failure;
}

}  // namespace
}  // namespace rejoin::simulation
