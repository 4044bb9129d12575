// What clients do to the cluster, and what they hold it to.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "rejoin/simulation/cluster.h"

namespace rejoin::simulation {

// A workload of your own: derive, write through Cluster::transact from actions that you schedule in
// start(), and call Cluster::fail() when the cluster shows what it must not. tests/simulation/
// own_workload_test.cpp is a small one. Everything random must come from Cluster::random(), and
// nothing may depend on addresses or on the order of unordered containers: the same seed must give
// the same run.
class Workload {
 public:
  virtual ~Workload() = default;

  struct Space {
    std::string name;
    bool durable = true;
  };
  // Opened on every node. Asked once, before start().
  virtual std::vector<Space> spaces() const { return {{"main", true}}; }
  // Schedules the first actions.
  virtual void start(Cluster& cluster) = 0;

  // The space's clock at this node has moved; not called for a restart.
  virtual void changed(NodeIndex, const std::string& /*space*/) {}
  // The node answered requests for rights of `counter` (Cluster::answer_requests) with this event,
  // at this clock. Called before changed().
  virtual void answered(NodeIndex, const std::string& /*space*/, const Path& /*counter*/,
                        const Event& /*event*/, const Clock& /*before*/) {}
  // The node died, and with it every write of `writer` after `kept`: no disk has them, and no other
  // node may ever show them.
  virtual void lost(NodeIndex, const std::string& /*space*/, const ReplicaId& /*writer*/,
                    Sequence /*kept*/) {}
  virtual void crashed(NodeIndex) {}
  // The node's disk has not all that it had acknowledged, or nothing. Called after crashed().
  virtual void disk_lost(NodeIndex) {}
  virtual void restarted(NodeIndex) {}
  // Compares everything that this node shows with what it should: the first difference as a
  // sentence. Called now and then, and for every node at the end; may take its time.
  virtual std::optional<std::string> wrong_state(NodeIndex, const std::string& /*space*/) {
    return std::nullopt;
  }
  // One more write at this node, which runs, although the load has ended: it must come to be
  // acknowledged (LivenessOptions). Nothing where the workload has nothing to write.
  virtual std::optional<Dot> write_at(NodeIndex, const std::string& /*space*/) {
    return std::nullopt;
  }
  // All nodes agree, and nothing more will be written.
  virtual void finished() {}
};

// The built-in one: transactions over all types on few keys, checked against a naive model of every
// type (src/check/oracle.h).
std::unique_ptr<Workload> make_random_workload(const WorkloadOptions& options);

}  // namespace rejoin::simulation
