// Watches the nodes from outside while the demo runs.
#pragma once

#include <array>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "demo/cluster.h"

namespace rejoin::demo {

// What a node says of itself at one moment.
struct NodeSample {
  double seconds = 0;
  std::string replica;                         // under which it writes
  std::map<std::string, std::uint64_t> clock;  // replica id -> writes
  std::string hash;
  std::uint64_t lag = 0;        // writes that the peer furthest behind is not known to have
  std::size_t peers_alive = 0;  // peers that it has heard of lately
  std::uint64_t bytes_sent = 0;
  std::uint64_t bytes_received = 0;
  std::uint64_t events_applied = 0;
};

Result<NodeSample> ask_status(node::AdminClient& client);

// Counters start again with each process of a node: this adds up what each of them counted.
NodeSample add_up(const std::vector<NodeSample>& samples);

// One thread a region asks for its status all the time; when a node does not answer there is no
// sample.
class Observer {
 public:
  Observer(const Cluster& cluster, std::function<double()> clock);
  ~Observer();
  Observer(const Observer&) = delete;
  Observer& operator=(const Observer&) = delete;
  void stop();
  // After stop() only.
  const std::vector<NodeSample>& samples(Region region) const { return samples_[region]; }

 private:
  void watch(Region region);

  const Cluster& cluster_;
  const std::function<double()> clock_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;
  std::array<std::vector<NodeSample>, region_count> samples_;  // each its thread's own
  std::vector<std::thread> threads_;
};

}  // namespace rejoin::demo
