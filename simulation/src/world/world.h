// One run: the cluster, what happens to it, and everything that must hold.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "check/certificate.h"
#include "rejoin/simulation/run.h"
#include "world/event_queue.h"
#include "world/faults.h"
#include "world/host.h"
#include "world/network.h"
#include "world/priority_schedule.h"
#include "world/trace.h"

namespace rejoin::simulation {

class World final : public Cluster, public HostObserver, public FaultTargets {
 public:
  World(const Scenario& scenario, const RunOptions& options);
  ~World() override;
  RunResult run();

  // ---- Cluster ----
  Duration now() const override { return queue_.now(); }
  void after(Duration delay, std::function<void()> action) override {
    queue_.after(delay, std::move(action));
  }
  Random& random() override { return workload_random_; }
  bool begin_step(std::uint64_t client, std::uint64_t step) override;
  NodeIndex draw_node() override;
  const Scenario& scenario() const override { return scenario_; }
  bool healing() const override { return phase_ != Phase::storm; }
  std::size_t node_count() const override { return hosts_.size(); }
  const std::string& node_name(NodeIndex node) const override { return hosts_[node]->name(); }
  NodeIndex node_index(const std::string& name) const override {
    return services_->index_of.at(name);
  }
  bool reachable(NodeIndex node) const override {
    return hosts_[node]->up() && !hosts_[node]->paused() && hosts_[node]->may_write();
  }
  bool up(NodeIndex node) const override { return hosts_[node]->up(); }
  const Document& document(NodeIndex node, const std::string& space) const override {
    return hosts_[node]->core().document(space);
  }
  bool shows(NodeIndex node, const std::string& space, const Clock& token) const override {
    return hosts_[node]->core().shows(space, token);
  }
  std::vector<node::AffinityCandidate> affinity_candidates(NodeIndex node) const override {
    return hosts_[node]->core().affinity_candidates();
  }
  Result<node::Committed> transact(NodeIndex node, const std::string& space,
                                   const std::string& author,
                                   const std::function<Status(Transaction&)>& write) override;
  void answer_requests(NodeIndex node, const std::string& space,
                       const node::AnswerRule& rule) override;
  bool durable_here(NodeIndex node, const std::string& space, const Dot& dot) override;
  std::vector<std::string> durable_at(NodeIndex node, const std::string& space,
                                      const Dot& dot) override;
  const node::CoreCounters& counters(NodeIndex node) const override {
    return hosts_[node]->core().counters();
  }
  std::vector<std::pair<std::string, std::uint64_t>> messages_sent() const override {
    return {sent_kinds_.begin(), sent_kinds_.end()};
  }
  using Cluster::fail;
  void fail(Promise promise, const std::string& what) override;
  bool failed() const override { return !result_.failure.empty(); }
  void count(const std::string& what, std::uint64_t by) override { result_.counts[what] += by; }
  void trace(const std::string& line) override { trace_.line(queue_.now(), line); }
  void explain(const std::string& line) override {
    trace(line);
    if (recorder_) recorder_->explain(line);
  }

 private:
  enum class Phase {
    storm,       // load and faults
    core_alone,  // faults have ended for a core of the nodes
    core_idle,   // it agrees, and may say nothing but the fixed exchange
    converging,  // all faults have ended
    settling,    // all agree; what is left is to hear of it, and to forget removals
    idle,        // nothing may be said but the fixed exchange
    done,
  };
  struct Writer {
    NodeIndex host;
    std::string space;
  };

  // ---- HostObserver ----
  void clock_moved(Host& host, const std::string& space) override;
  void sending(Host& from, NodeIndex to, const node::Send& send) override;
  void answered(Host& host, const node::RightsAnswers::Answer& answer) override;
  void writes_as(Host& host, const std::string& space, const ReplicaId& replica) override;
  void notice(Host& host, const node::Notice& notice) override;
  void store_damaged(Host& host) override;
  void broken(Promise promise, const std::string& what) override { fail(promise, what); }
  // ---- FaultTargets ----
  void crash(NodeIndex node, bool keep_disk) override;
  void restart(NodeIndex node) override;

  bool is_durable(const std::string& space) const;
  static bool is_of_workload(const std::string& space) { return space != node::members_space; }
  // Tells the workload when the disk gave back less than it had acknowledged before.
  void check_disk(Host& host, std::uint64_t betrayals_before);
  void make_hosts();
  void schedule_member_changes();
  bool joins_later(NodeIndex node) const;
  void join(NodeIndex node);
  void leave(NodeIndex node);
  void gone_for_good(NodeIndex node);
  // By an operator, at some other node.
  void take_out(const std::string& member);
  void moment(const std::string& text);
  bool deliver(NodeIndex from, NodeIndex to, std::string bytes);
  void step();
  void heal();
  bool draw_core();
  void heal_core();
  void check_core(Duration deadline);
  std::string core_lags() const;  // why; empty when it does not
  std::string who_is_alone() const;
  void heal_all();
  // What links whose recordings stay need to carry a full queue and, twice, the state.
  Duration time_on_recorded_links() const;
  void start_all(const std::vector<Host*>& hosts);
  bool agree(const std::vector<Host*>& hosts) const;
  std::string disagreement(const std::vector<Host*>& hosts) const;
  std::vector<Host*> all_hosts() const;  // but those that left
  void check_agreement();
  std::string misbelief(const Host& host) const;
  std::string outgrown_clock() const;
  std::string unsettled() const;  // why the cluster is not at rest yet; empty when it is
  void check_settled(Duration deadline);
  // Calls `then` once the hosts, who agree, say nothing but the fixed exchange; until `deadline`.
  void listen(Phase phase, const std::vector<Host*>& hosts, Duration deadline,
              const std::function<void()>& then);
  void check_refusal(NodeIndex from, NodeIndex to);
  void overhear(NodeIndex from, NodeIndex to, const node::Send& send);
  std::string idle_noise(const std::vector<Host*>& hosts, Duration listened) const;
  void check_end();
  void restart_from_disk();
  void check_certificate(Host& host, const std::string& space);
  void check_origins(Host& host, const std::string& space, const Clock& shown);
  void deep_check(bool all_nodes);
  void deep_check(Host& host);
  void check_peers_claims(Host& host);
  void finish();

  const Scenario& scenario_;
  RunPlace* const place_;
  const std::uint64_t steps_end_;  // the run is broken off there
  Random random_;
  Random workload_random_;  // of the step under way
  Random liveness_random_;
  EventQueue queue_;
  PrioritySchedule schedule_{queue_};
  std::unique_ptr<Recorder> recorder_;  // null when nobody records
  Trace trace_;
  std::unique_ptr<Workload> workload_;
  std::unique_ptr<Network> network_;
  std::unique_ptr<HostServices> services_;
  std::vector<std::unique_ptr<Host>> hosts_;
  std::unique_ptr<Faults> faults_;
  std::map<std::string, CertificateChecker> certificates_;  // by space
  std::map<ReplicaId, Writer> writers_;
  std::map<std::string, Clock> alive_at_heal_;  // what some node knew then, by space
  std::set<NodeIndex> left_;                    // for good
  // Who is healed first, in which state the others are meanwhile, and what must get through.
  std::vector<Host*> core_;
  std::map<NodeIndex, Absence> absent_;
  struct Proof {
    NodeIndex at;
    std::string space;
    Dot dot;
  };
  std::vector<Proof> proofs_;
  std::map<std::string, std::uint64_t> idle_kinds_;
  std::vector<std::pair<const char*, std::uint64_t>> sent_kinds_;  // few, and found by address
  std::uint64_t idle_bytes_ = 0;
  std::uint64_t idle_messages_ = 0;
  bool versions_differed_ = false;  // of two nodes that talked with each other, at any time
  // When a process last told another that it refuses its messages.
  std::map<std::pair<NodeIndex, NodeIndex>, Duration> refused_at_;
  NodeIndex next_deep_check_ = 0;
  Phase phase_ = Phase::storm;
  Duration phase_began_{0};
  Duration converge_within_{0};
  RunResult result_;
};

}  // namespace rejoin::simulation
