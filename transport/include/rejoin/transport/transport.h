// How bytes reach another node.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace rejoin::transport {

// One message as it came, with the name its sender goes by on this connection.
struct Incoming {
  std::string from;
  std::string bytes;
};

struct TrafficCounters {
  std::uint64_t messages_sent = 0;
  std::uint64_t messages_received = 0;
  std::uint64_t bytes_sent = 0;
  std::uint64_t bytes_received = 0;
  std::uint64_t messages_dropped = 0;  // refused by a full queue or an absent peer
  std::uint64_t messages_refused = 0;  // received and thrown away: no usable name, or several parts
  std::uint64_t peers_refused = 0;     // connections that failed authentication
};

// Unreliable, unordered between peers, bounded: the protocol above survives loss, duplication and
// reordering, and what is dropped here is caught up by clock exchange.
class Transport {
 public:
  virtual ~Transport() = default;

  // Queues a message. False when it was dropped at once: the peer is not connected or its queue is
  // full. True promises nothing.
  virtual bool send(const std::string& peer, const std::string& bytes) = 0;
  // The next message, or nothing when `timeout` passed or wake() was called. One thread only, the
  // one that calls send().
  virtual std::optional<Incoming> receive(std::chrono::microseconds timeout) = 0;
  // Ends a receive() that waits. From any thread.
  virtual void wake() = 0;
  virtual TrafficCounters counters() const = 0;  // from any thread
};

}  // namespace rejoin::transport
