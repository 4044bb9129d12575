// Links between nodes: what delays, loses, repeats, reorders and spoils messages.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "rejoin/simulation/cluster.h"
#include "rejoin/simulation/link_trace.h"
#include "rejoin/simulation/random.h"
#include "rejoin/simulation/scenario.h"
#include "world/event_queue.h"
#include "world/luck.h"
#include "world/priority_schedule.h"
#include "world/trace.h"

namespace rejoin::simulation {

struct NetworkCounters {
  std::uint64_t sent = 0;
  std::uint64_t bytes = 0;
  std::uint64_t delivered = 0;
  std::uint64_t lost = 0;
  std::uint64_t duplicated = 0;
  std::uint64_t corrupted = 0;
};

class Network {
 public:
  // Gives a message to its receiver; false when it is down.
  using Deliver = std::function<bool(NodeIndex from, NodeIndex to, std::string bytes)>;

  Network(const NetworkOptions& options, std::vector<std::string> names, Random random,
          EventQueue& queue, PrioritySchedule& schedule, Trace& trace, Deliver deliver);

  void send(NodeIndex from, NodeIndex to, std::string bytes, const char* kind);

  // One direction of a link. Counted: blocked twice, it opens when unblocked twice. Messages under
  // way when it is blocked are lost.
  void block(NodeIndex from, NodeIndex to) { ++blocked_[index_of(from, to)]; }
  void unblock(NodeIndex from, NodeIndex to) { --blocked_[index_of(from, to)]; }
  // So many bytes a second; whoever begins last decides. When all have ended the connection is made
  // anew: what is under way on it is lost.
  void begin_drip(NodeIndex from, NodeIndex to, std::uint64_t bytes_per_second);
  void end_drip(NodeIndex from, NodeIndex to);
  // From now on nothing is lost, repeated, reordered or spoiled; delays stay, and recordings of
  // links that do.
  void calm();
  bool calm_now() const { return calm_; }
  // Whether a message was ever spoiled: receivers may then complain.
  bool corrupts() const { return counters_.corrupted > 0; }

  const NetworkCounters& counters() const { return counters_; }

 private:
  struct Link {
    Luck luck{Random(0)};
    Duration median{0};
    Duration last_arrival{0};      // no message in order arrives before
    Duration free_at{0};           // when the bytes sent so far will have left
    bool bad = false;              // loses what is sent (bursts of loss)
    std::uint64_t drips = 0;       // under way,
    std::uint64_t drip = 0;        // and their bytes a second
    std::uint64_t connection = 0;  // what was sent on an earlier one is lost
    // Recorded: the bytes sent so far fill all opportunities before this one, and so much of it.
    const LinkTrace* recording = nullptr;
    bool stays = false;  // the recording, when all is calm
    std::uint64_t opportunity = 0;
    std::uint64_t filled = 0;
  };
  std::size_t index_of(NodeIndex from, NodeIndex to) const { return from * names_.size() + to; }
  bool blocked(NodeIndex from, NodeIndex to) const { return blocked_[index_of(from, to)] > 0; }
  Link& link(NodeIndex from, NodeIndex to) {
    auto& link = links_[index_of(from, to)];
    if (!link) link = std::make_unique<Link>(make_link(from, to));
    return *link;
  }
  Link make_link(NodeIndex from, NodeIndex to) const;
  Random random_of(NodeIndex from, NodeIndex to) const;
  Range<Duration> median_delay(NodeIndex from, NodeIndex to) const;
  bool draw_loss(Link& link, Random& random) const;
  // When the last of these bytes has left; nothing when the queue is full.
  std::optional<Duration> departure(Link& link, std::uint64_t bytes) const;
  std::optional<Duration> recorded_departure(Link& link, std::uint64_t bytes) const;
  Duration draw_delay(const Link& link, Random& random);
  // What it does when the message arrives.
  EventQueue::Action arrival_of(NodeIndex from, NodeIndex to, std::string bytes, const char* kind,
                                bool spoiled, std::size_t recorded);
  void trace(const char* what, NodeIndex from, NodeIndex to, const std::string& bytes,
             const char* kind);

  NetworkOptions options_;
  std::vector<std::string> names_;
  Random random_;
  EventQueue& queue_;
  PrioritySchedule& schedule_;
  Trace& trace_;
  Deliver deliver_;
  // By index_of(). Most pairs of a large cluster never talk: their links are not made.
  std::vector<std::unique_ptr<Link>> links_;
  std::vector<std::uint16_t> blocked_;
  // What NetworkOptions::links say of single directions, by index_of().
  struct Stated {
    const LinkTrace* recording = nullptr;
    bool stays = false;
    std::optional<Range<Duration>> delay;
  };
  std::map<std::size_t, Stated> stated_;
  Share slow_, loss_, duplicate_, reorder_, corrupt_;
  std::uint64_t bandwidth_ = 0;
  bool calm_ = false;
  Duration calmed_at_{0};
  NetworkCounters counters_;
};

}  // namespace rejoin::simulation
