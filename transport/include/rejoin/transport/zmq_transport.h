// The ZeroMQ transport.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "rejoin/crdt/result.h"
#include "rejoin/transport/transport.h"

namespace rejoin::transport {

struct ZmqOptions {
  std::string name;                          // this node's name: its routing id everywhere
  std::string listen;                        // "tcp://127.0.0.1:7000"; port "*" picks a free one;
                                             // empty: dial out only
  std::map<std::string, std::string> peers;  // name -> endpoint to dial
  int high_water_mark = 1000;                // messages queued a peer, each direction
  int reconnect_ms_min = 50;
  int reconnect_ms_max = 2000;
};

// One bound ROUTER, one dialled DEALER a peer. A peer that is dialled is sent to through the DEALER;
// one that only dials in is answered through the ROUTER. Queues exist only while connected
// (ZMQ_IMMEDIATE) and are bounded by the high-water mark.
class ZmqTransport : public Transport {
 public:
  // `address_in_use` names the endpoint; `invalid_argument` an endpoint that does not parse.
  static Result<std::unique_ptr<ZmqTransport>> open(ZmqOptions options);
  ~ZmqTransport() override;

  std::string listen_endpoint() const;  // with the port that was picked
  // Dials a peer, or dials it at another endpoint. Thread of receive() only.
  Status dial(const std::string& peer, const std::string& endpoint);

  bool send(const std::string& peer, const std::string& bytes) override;
  std::optional<Incoming> receive(std::chrono::microseconds timeout) override;
  void wake() override;
  TrafficCounters counters() const override;

 private:
  struct Impl;
  explicit ZmqTransport(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace rejoin::transport
