#include "zmq_sockets.h"

#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <set>

#include "authenticator.h"
#include "rejoin/transport/message.h"

namespace rejoin::transport {
namespace {

constexpr int handshake_ms_max = 10'000;

// So that a connection through a NAT box or a firewall is neither forgotten nor half open for long,
// even when heartbeats are off on the other side.
constexpr int keepalive_idle_s = 30;
constexpr int keepalive_interval_s = 10;
constexpr int keepalive_count = 3;

Error invalid(std::string message, const std::string& where) {
  return make_error(ErrorCode::invalid_argument, std::move(message), where);
}

bool is_key(const std::string& text) {
  std::uint8_t key[32];
  return text.size() == 40 && zmq_z85_decode(key, text.c_str()) != nullptr;
}

// ZeroMQ checks the rest, but takes port 99999 for 34463.
Status check_endpoint(const std::string& endpoint, const char* example) {
  const auto wrong = [&] {
    return invalid(std::string("this is no endpoint; write one like ") + example, endpoint);
  };
  const auto colon = endpoint.rfind(':');
  if (!endpoint.starts_with("tcp://") || colon <= std::strlen("tcp:/")) return wrong();
  const char* begin = endpoint.data() + colon + 1;
  const char* end = endpoint.data() + endpoint.size();
  if (std::string_view(begin, end) == "*") return {};
  std::uint16_t port = 0;
  const auto [stop, error] = std::from_chars(begin, end, port);
  return error == std::errc() && stop == end ? Status() : wrong();
}

void configure(zmq::socket_t& socket, const ZmqOptions& options) {
  socket.set(zmq::sockopt::linger, 0);
  socket.set(zmq::sockopt::sndhwm, options.high_water_mark);
  socket.set(zmq::sockopt::rcvhwm, options.high_water_mark);
  socket.set(zmq::sockopt::maxmsgsize, static_cast<std::int64_t>(message_bytes_max));
  socket.set(zmq::sockopt::ipv6, options.ipv6);
  socket.set(zmq::sockopt::handshake_ivl, handshake_ms_max);
  socket.set(zmq::sockopt::heartbeat_ivl, options.heartbeat_ms);
  socket.set(zmq::sockopt::heartbeat_timeout, 3 * options.heartbeat_ms);
  socket.set(zmq::sockopt::heartbeat_ttl, 3 * options.heartbeat_ms);
  socket.set(zmq::sockopt::tcp_keepalive, 1);
  socket.set(zmq::sockopt::tcp_keepalive_idle, keepalive_idle_s);
  socket.set(zmq::sockopt::tcp_keepalive_intvl, keepalive_interval_s);
  socket.set(zmq::sockopt::tcp_keepalive_cnt, keepalive_count);
}

Error cannot_listen(int reason, const std::string& endpoint) {
  switch (reason) {
    case EADDRINUSE:
      return make_error(ErrorCode::address_in_use,
                        "another process listens there; stop it, or choose another port", endpoint);
    case ENODEV:
      return invalid("no interface of this machine has that address", endpoint);
    case EINVAL:
      return invalid("this is no endpoint; write one like tcp://0.0.0.0:7000", endpoint);
    default:
      return make_error(ErrorCode::io, std::string("cannot listen there: ") + zmq_strerror(reason),
                        endpoint);
  }
}

// A socket that hears when `watched` connects and disconnects.
zmq::socket_t monitor_of(zmq::context_t& context, zmq::socket_t& watched) {
  static std::atomic<std::uint64_t> monitors{0};
  const std::string address = "inproc://monitor-" + std::to_string(monitors.fetch_add(1));
  if (zmq_socket_monitor(watched.handle(), address.c_str(),
                         ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED) != 0) {
    throw zmq::error_t();
  }
  zmq::socket_t monitor(context, zmq::socket_type::pair);
  monitor.set(zmq::sockopt::linger, 0);
  monitor.set(zmq::sockopt::rcvhwm, 0);  // with a bound the I/O thread would wait for us to read
  monitor.connect(address);
  return monitor;
}

}  // namespace

Status check_keys(const ZmqOptions& options) {
  if (options.keys.public_key.empty() && options.keys.secret_key.empty()) {
    if (options.peer_public_keys.empty()) return {};
    return invalid("there are keys of peers and none of this node's own; give it a key pair",
                   options.name);
  }
  char derived[41] = {};
  const bool pair = is_key(options.keys.secret_key) &&
                    zmq_curve_public(derived, options.keys.secret_key.c_str()) == 0 &&
                    options.keys.public_key == derived;
  if (!pair) return invalid("the public and the secret key are no pair", options.name);
  std::set<std::string> seen;
  for (const auto& [name, key] : options.peer_public_keys) {
    if (!is_valid_name(name)) return invalid("a peer with a key has no valid name", name);
    if (!is_key(key)) return invalid("the peer's public key is not 40 characters of Z85", name);
    if (!seen.insert(key).second) return invalid("another peer has the same public key", name);
  }
  return {};
}

Result<zmq::socket_t> listening_router(zmq::context_t& context, const ZmqOptions& options) {
  if (auto status = check_endpoint(options.listen, "tcp://0.0.0.0:7000"); !status) {
    return std::move(status).error();
  }
  zmq::socket_t router(context, zmq::socket_type::router);
  configure(router, options);
  router.set(zmq::sockopt::router_handover, true);   // a peer that comes again replaces itself
  router.set(zmq::sockopt::router_mandatory, true);  // to hear that a peer is absent
  // Even without keys and an authenticator: having a domain refuses those who speak ZMTP
  // before 3.0, at whose names libzmq 4.3.4 aborts when their connection is just going.
  router.set(zmq::sockopt::zap_domain, Authenticator::domain);
  if (has_keys(options)) {
    router.set(zmq::sockopt::curve_server, true);
    router.set(zmq::sockopt::curve_secretkey, options.keys.secret_key);
  }
  if (zmq_bind(router.handle(), options.listen.c_str()) != 0) {
    return cannot_listen(errno, options.listen);
  }
  return router;
}

Dealer& Dealer::operator=(Dealer&& other) noexcept {
  endpoint.swap(other.endpoint);
  socket.swap(other.socket);
  monitor.swap(other.monitor);
  std::swap(connected, other.connected);
  std::swap(since, other.since);
  return *this;
}

Dealer::~Dealer() {
  // With nobody left to hear it, the telling would block ZeroMQ's I/O thread for ever.
  if (socket.handle()) zmq_socket_monitor(socket.handle(), nullptr, 0);
}

void Dealer::read_monitor() {
  zmq::message_t event;
  while (zmq_msg_recv(event.handle(), monitor.handle(), ZMQ_DONTWAIT) >= 0) {
    // The number of the event in the first two bytes of the first part; an address in the second.
    std::uint16_t number = 0;
    if (event.size() >= sizeof number) std::memcpy(&number, event.data(), sizeof number);
    while (event.more() && zmq_msg_recv(event.handle(), monitor.handle(), ZMQ_DONTWAIT) >= 0) {
    }
    connected = number == ZMQ_EVENT_HANDSHAKE_SUCCEEDED;
    since = std::chrono::steady_clock::now();
  }
}

Result<Dealer> dialled(zmq::context_t& context, const ZmqOptions& options, const std::string& peer,
                       const std::string& endpoint) {
  if (!is_valid_name(peer)) return invalid("a peer has no valid name", peer);
  if (auto status = check_endpoint(endpoint, "tcp://10.0.0.7:7000"); !status) {
    return std::move(status).error();
  }
  if (has_keys(options) && !options.peer_public_keys.contains(peer)) {
    return invalid("the public key of this peer is missing", peer);
  }
  try {
    Dealer dealer;
    dealer.endpoint = endpoint;
    dealer.since = std::chrono::steady_clock::now();
    zmq::socket_t& socket = dealer.socket;
    socket = zmq::socket_t(context, zmq::socket_type::dealer);
    configure(socket, options);
    socket.set(zmq::sockopt::routing_id, options.name);
    socket.set(zmq::sockopt::immediate, true);
    socket.set(zmq::sockopt::reconnect_ivl, options.reconnect_ms_min);
    socket.set(zmq::sockopt::reconnect_ivl_max, options.reconnect_ms_max);
    if (has_keys(options)) {
      socket.set(zmq::sockopt::curve_serverkey, options.peer_public_keys.at(peer));
      socket.set(zmq::sockopt::curve_publickey, options.keys.public_key);
      socket.set(zmq::sockopt::curve_secretkey, options.keys.secret_key);
    }
    dealer.monitor = monitor_of(context, socket);
    if (zmq_connect(socket.handle(), endpoint.c_str()) != 0) {
      return invalid("cannot dial " + peer + " there: " + zmq_strerror(errno) +
                         "; write an endpoint like tcp://10.0.0.7:7000",
                     endpoint);
    }
    return dealer;
  } catch (const zmq::error_t& e) {
    return make_error(ErrorCode::io, "no socket to dial " + peer + ": " + zmq_strerror(e.num()),
                      endpoint);
  }
}

}  // namespace rejoin::transport
