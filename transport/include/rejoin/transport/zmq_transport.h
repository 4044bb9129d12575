// The ZeroMQ transport.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "rejoin/crdt/result.h"
#include "rejoin/transport/transport.h"

namespace rejoin::transport {

// A node's key pair, each key in the 40 characters of Z85 (ZeroMQ RFC 32).
struct CurveKeys {
  std::string public_key;
  std::string secret_key;  // who has it is this node

  // Fresh keys from the system's randomness.
  static CurveKeys generate();
};

struct ZmqOptions {
  std::string name;                          // this node's name: its routing id everywhere
  std::string listen;                        // "tcp://127.0.0.1:7000"; port "*" picks a free one;
                                             // empty: dial out only
  std::map<std::string, std::string> peers;  // name -> endpoint to dial
  int high_water_mark = 1000;                // messages queued a connection, each direction
  int reconnect_ms_min = 50;
  int reconnect_ms_max = 2000;
  // A peer that could not be reached for this long is dialled afresh, on a new socket: ZeroMQ
  // itself gives up on who once refused our key or answered in another protocol. Longer than a
  // connection takes to make.
  int redial_after_ms = 10'000;
  // A connection on which nothing arrives for three of these is given up, and dialled again.
  int heartbeat_ms = 2000;
  bool ipv6 = false;

  // Encryption and mutual authentication (CURVE, ZeroMQ RFC 26). On when `keys` is set: every
  // connection is then encrypted, and we talk to those in `peer_public_keys` only, each under its
  // own name. Every peer that is dialled must be among them.
  CurveKeys keys;
  std::map<std::string, std::string> peer_public_keys;  // name -> public key
};

// One bound ROUTER, one dialled DEALER a peer. A peer that is dialled is sent to through the
// DEALER; one that only dials in, or cannot be reached at the moment but dialled us, is answered
// through the ROUTER. Queues exist only while connected (ZMQ_IMMEDIATE) and are bounded by the
// high-water mark: a peer costs at most that many messages on each of the two ways.
//
// Messages that come by the DEALER are from the peer that was dialled; those that come by the
// ROUTER from the name by which their sender introduced itself. Without keys that name is a claim:
// listen on trusted networks only. With keys it is the name that goes with the sender's key.
//
// Threads: all calls but wake() and counters() from one thread at a time; an I/O thread of ZeroMQ's
// own, and with keys one that checks them, run beside it until destruction.
class ZmqTransport : public Transport {
 public:
  // `address_in_use` names the endpoint; `invalid_argument` an endpoint, name or key that can never
  // work; `io` what the system refused.
  static Result<std::unique_ptr<ZmqTransport>> open(ZmqOptions options);
  ~ZmqTransport() override;  // drops what is queued; does not wait for peers

  std::string listen_endpoint() const;  // with the port that was picked; empty when dialling only
  // Dials a peer, or dials it at another endpoint; nothing when it is dialled there. Returns at
  // once: connecting goes on in the background for as long as it takes. `invalid_argument` as in
  // open().
  Status dial(const std::string& peer, const std::string& endpoint);
  // Ends the connection that was dialled, with what is queued for it; nothing when there is none.
  void hang_up(const std::string& peer);

  bool send(const std::string& peer, const std::string& bytes) override;
  // A timeout is rounded up to whole milliseconds. One that is not positive only looks.
  std::optional<Incoming> receive(std::chrono::microseconds timeout) override;
  void wake() override;
  TrafficCounters counters() const override;

 private:
  struct Impl;
  explicit ZmqTransport(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace rejoin::transport
