// The sockets of a ZmqTransport, set up as its options want them.
#pragma once

#include <chrono>
#include <string>
#include <utility>
#include <zmq.hpp>

#include "rejoin/crdt/result.h"
#include "rejoin/transport/zmq_transport.h"

namespace rejoin::transport {

// `invalid_argument` unless the keys in `options` are those of nobody, or a pair with valid keys of
// peers.
Status check_keys(const ZmqOptions& options);
inline bool has_keys(const ZmqOptions& options) { return !options.keys.secret_key.empty(); }

// The ROUTER that listens at options.listen. Errors as ZmqTransport::open has them; throws
// zmq::error_t where the system refuses a socket at all.
Result<zmq::socket_t> listening_router(zmq::context_t& context, const ZmqOptions& options);

// A connection that we dial.
//
// ZeroMQ connects again by itself when a connection breaks, but never again after the other side
// once refused our key or answered in another protocol, as it may for a while where machines are
// set up anew. So the owner dials afresh what has not been connected for long.
struct Dealer {
  Dealer() = default;
  Dealer(Dealer&& other) noexcept { *this = std::move(other); }
  Dealer& operator=(Dealer&& other) noexcept;  // takes its place, gives it ours
  ~Dealer();

  std::string endpoint;
  zmq::socket_t socket;
  zmq::socket_t monitor;  // tells of connections made and lost; must outlive the telling
  bool connected = false;
  std::chrono::steady_clock::time_point since;  // connected or not

  // Takes in what the monitor has to tell. Does not wait.
  void read_monitor();
};

// Errors as ZmqTransport::dial has them.
Result<Dealer> dialled(zmq::context_t& context, const ZmqOptions& options, const std::string& peer,
                       const std::string& endpoint);

}  // namespace rejoin::transport
