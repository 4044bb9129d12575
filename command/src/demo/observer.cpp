#include "demo/observer.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace rejoin::demo {
namespace {

using Json = nlohmann::json;
constexpr auto sample_interval = std::chrono::milliseconds(50);

}  // namespace

Result<NodeSample> ask_status(node::AdminClient& client) {
  const auto answer = client.call({{"command", "status"}}, std::chrono::seconds(5));
  if (!answer) return answer.error();
  try {
    for (const Json& space : answer->at("spaces")) {
      if (space.at("name") != space_name) continue;
      NodeSample sample;
      sample.replica = space.at("replica").get<std::string>();
      sample.clock = space.at("clock").get<std::map<std::string, std::uint64_t>>();
      sample.hash = space.at("hash").get<std::string>();
      for (const Json& peer : space.at("peers")) {
        sample.lag = std::max(sample.lag, peer.at("lag").get<std::uint64_t>());
        sample.peers_alive += peer.at("alive").get<bool>() ? 1 : 0;
      }
      const Json& traffic = answer->at("traffic");
      sample.bytes_sent = traffic.at("bytes_sent").get<std::uint64_t>();
      sample.bytes_received = traffic.at("bytes_received").get<std::uint64_t>();
      const Json& counters = answer->at("counters");
      sample.events_applied = counters.at("events_applied").get<std::uint64_t>();
      return sample;
    }
    return make_error(ErrorCode::not_found, "the space is not open");
  } catch (const Json::exception& error) {
    return make_error(ErrorCode::malformed,
                      std::string("a status that we cannot read: ") + error.what());
  }
}

NodeSample add_up(const std::vector<NodeSample>& samples) {
  NodeSample sum;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const NodeSample& sample = samples[i];
    const bool last_of_process =
        i + 1 == samples.size() || samples[i + 1].bytes_sent < sample.bytes_sent;
    if (!last_of_process) continue;
    sum.bytes_sent += sample.bytes_sent;
    sum.bytes_received += sample.bytes_received;
    sum.events_applied += sample.events_applied;
  }
  if (samples.empty()) return sum;
  sum.seconds = samples.back().seconds;
  sum.replica = samples.back().replica;
  sum.clock = samples.back().clock;
  sum.hash = samples.back().hash;
  sum.lag = samples.back().lag;
  sum.peers_alive = samples.back().peers_alive;
  return sum;
}

Observer::Observer(const Cluster& cluster, std::function<double()> clock)
    : cluster_(cluster), clock_(std::move(clock)) {
  for (std::size_t i = 0; i < region_count; ++i) {
    threads_.emplace_back([this, i] { watch(static_cast<Region>(i)); });
  }
}

Observer::~Observer() { stop(); }

void Observer::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void Observer::watch(Region region) {
  std::optional<node::AdminClient> client;
  for (bool last = false; !last;) {
    {
      std::unique_lock lock(mutex_);
      // A last sample after the end, so that there is one of the final state.
      last = changed_.wait_for(lock, sample_interval, [this] { return stopping_; });
    }
    if (!client) {
      auto connected = cluster_.connect(region);
      if (!connected) continue;
      client.emplace(*std::move(connected));
    }
    auto sample = ask_status(*client);
    if (!sample) {
      client.reset();
      continue;
    }
    sample->seconds = clock_();
    samples_[region].push_back(*std::move(sample));
  }
}

}  // namespace rejoin::demo
