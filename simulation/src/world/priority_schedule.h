// Releases what is in flight by the priority of its causal chain instead of by its latency, so that
// orders come up which need several slow messages in a row.
//
// Burckhardt et al.: "A randomized scheduler with probabilistic guarantees of finding bugs" (2010),
// with causal chains in the place of threads, as in Ozkan et al.: "Randomized testing of
// distributed systems with probabilistic guarantees" (2018). Of k releases among n chains, an order
// that d constraints decide comes up with a probability of at least 1 / (n k^(d-1)), unless
// held_max or a channel's own order forbids it.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "rejoin/simulation/cluster.h"
#include "rejoin/simulation/random.h"
#include "world/event_queue.h"

namespace rejoin::simulation {

class PrioritySchedule {
 public:
  // Nothing is held for longer than this: less than the silence after which peers are given up.
  static constexpr Duration held_max = std::chrono::seconds(2);

  struct Options {
    Duration gap{1'000};        // from one release to the next
    std::uint64_t round = 64;   // releases, among which
    std::uint64_t changes = 0;  // chains lose their priority: one less than the constraints
  };
  // What keeps its order: a direction of a link; a node's disk, where both are that node.
  using Channel = std::pair<NodeIndex, NodeIndex>;

  explicit PrioritySchedule(EventQueue& queue) : queue_(queue) {}

  // From now on holds what these nodes send and write. Counted: begun twice for a node, it ends
  // when ended twice. Whoever begins last decides on the options.
  void begin(const std::vector<NodeIndex>& nodes, const Options& options, const Random& random);
  // What is held already goes on being released by priority.
  void end(const std::vector<NodeIndex>& nodes);

  // Whether the next on this channel is to be held.
  bool holds(Channel channel) const {
    return concerned_.contains(channel.first) || held_in_.contains(channel);
  }
  // Holds it from `since` on. What is released continues the chain of the first that it holds, and
  // begins another with each further one.
  void hold(Channel channel, Duration since, EventQueue::Action action);

 private:
  using Priority = std::uint64_t;
  using Chain = std::shared_ptr<Priority>;
  struct Held {
    std::uint64_t id;
    Channel channel;
    Chain chain;
    EventQueue::Action action;
  };

  void admit(Held held);
  void arm();
  void release_next();
  void release(std::vector<Held>::iterator held);
  std::vector<Held>::iterator highest();

  EventQueue& queue_;
  Options options_;
  Random random_{0};
  std::map<NodeIndex, std::uint64_t> concerned_;  // and how often
  std::vector<Held> held_;                        // since the earliest first
  std::map<Channel, std::uint64_t> held_in_;      // also what is not admitted yet
  Chain released_;                                // of what is under way now
  bool armed_ = false;
  std::uint64_t next_id_ = 0;
  std::uint64_t releases_ = 0;             // in this round
  std::set<std::uint64_t> change_points_;  // releases of this round
};

}  // namespace rejoin::simulation
