// Decides which keys may connect (ZAP, ZeroMQ RFC 27).
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <string>
#include <thread>
#include <zmq.hpp>

namespace rejoin::transport {

// Answers, on a thread of its own, for every server socket of one ZeroMQ context that asks in
// `domain`. Must exist before the first of them is bound; ends when the context is shut down, which
// must come before its destruction.
class Authenticator {
 public:
  static constexpr const char* domain = "rejoin";

  // `names` maps public keys, in Z85, to the names of their nodes. Throws zmq::error_t.
  Authenticator(zmq::context_t& context, std::map<std::string, std::string> names);
  ~Authenticator();
  Authenticator(const Authenticator&) = delete;
  Authenticator& operator=(const Authenticator&) = delete;

  std::uint64_t refused() const { return refused_.load(std::memory_order_relaxed); }

 private:
  void serve();
  void answer(const zmq::message_t& request_id, const std::string& name);

  std::map<std::string, std::string> names_;
  zmq::socket_t requests_;
  std::atomic<std::uint64_t> refused_{0};
  std::thread thread_;
};

}  // namespace rejoin::transport
