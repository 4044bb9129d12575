// The simulated cluster as a workload sees it.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "rejoin/crdt/clock.h"
#include "rejoin/crdt/document.h"
#include "rejoin/crdt/transaction.h"
#include "rejoin/node/core.h"
#include "rejoin/node/rights.h"
#include "rejoin/simulation/promise.h"
#include "rejoin/simulation/random.h"
#include "rejoin/simulation/scenario.h"

namespace rejoin::simulation {

using NodeIndex = std::size_t;

// Everything happens on one thread, one step after another, in virtual time.
class Cluster {
 public:
  virtual ~Cluster() = default;

  // ---- Time and chance ----
  virtual Duration now() const = 0;
  // Calls `action` in `delay`. Not called after the run has ended.
  virtual void after(Duration delay, std::function<void()> action) = 0;
  virtual Random& random() = 0;  // the workload's own generator
  // From now on random() is a generator for this step of this client alone, so that a step that is
  // left out changes nothing that the others draw. False: the scenario leaves it out
  // (WorkloadOptions::steps). Step 0 is the client's arrival.
  virtual bool begin_step(std::uint64_t client, std::uint64_t step) = 0;
  // A node drawn from random(): mostly the same one in a cluster that lacks some of the others.
  virtual NodeIndex draw_node() = 0;
  virtual const Scenario& scenario() const = 0;
  // True once faults and load have stopped: write nothing from then on.
  virtual bool healing() const = 0;

  // ---- Nodes ----
  virtual std::size_t node_count() const = 0;
  virtual const std::string& node_name(NodeIndex node) const = 0;
  virtual NodeIndex node_index(const std::string& name) const = 0;  // of one that there is
  // The process runs and answers: it is neither down nor paused.
  virtual bool reachable(NodeIndex node) const = 0;
  // Of a node that is up, paused or not.
  virtual bool up(NodeIndex node) const = 0;
  virtual const Document& document(NodeIndex node, const std::string& space) const = 0;
  // Whether the node, which is up, shows all that a causal token stands for.
  virtual bool shows(NodeIndex node, const std::string& space, const Clock& token) const = 0;
  // Core::affinity_candidates of a node that is up: where a session may be worked on, as far as it
  // knows. In an overlay the regions are those of NetworkOptions::region.
  virtual std::vector<node::AffinityCandidate> affinity_candidates(NodeIndex node) const = 0;
  // Core::transact at that node, which must be reachable.
  virtual Result<node::Committed> transact(NodeIndex node, const std::string& space,
                                           const std::string& author,
                                           const std::function<Status(Transaction&)>& write) = 0;
  // The node, which is up, answers requests for its rights of this bounded counter from now on, as
  // long as the process runs.
  virtual void answer_requests(NodeIndex node, const std::string& space,
                               const node::AnswerRule& rule) = 0;
  // What a receipt would say; each yes is held against the disks then and after every crash.
  virtual bool durable_here(NodeIndex node, const std::string& space, const Dot& dot) = 0;
  virtual std::vector<std::string> durable_at(NodeIndex node, const std::string& space,
                                              const Dot& dot) = 0;

  // Of the process that runs there.
  virtual const node::CoreCounters& counters(NodeIndex node) const = 0;
  // By all nodes so far, by kind.
  virtual std::vector<std::pair<std::string, std::uint64_t>> messages_sent() const = 0;

  // ---- Verdict ----
  // Ends the run as failed; `what` says in plain words what broke. The first failure counts.
  virtual void fail(Promise promise, const std::string& what) = 0;
  void fail(const std::string& what) { fail(Promise::workload, what); }
  virtual bool failed() const = 0;
  // Counts something for the summary ("reads with token").
  virtual void count(const std::string& what, std::uint64_t by = 1) = 0;
  // A line in the trace; the time goes before it. Cheap when nothing is traced.
  virtual void trace(const std::string& line) = 0;
  // A line in the trace, and in the story of a run that fails: what may explain the failure.
  virtual void explain(const std::string& line) = 0;
};

}  // namespace rejoin::simulation
