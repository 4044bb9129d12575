#include "rejoin/transport/zmq_transport.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <deque>
#include <set>
#include <utility>
#include <vector>
#include <zmq.hpp>

#include "authenticator.h"
#include "rejoin/crdt/assert.h"
#include "rejoin/transport/message.h"

namespace rejoin::transport {
namespace {

// What is taken from one socket before the others have their turn. The bytes bound what waits in
// memory beside the sockets' own queues.
constexpr std::size_t turn_messages_max = 64;
constexpr std::size_t turn_bytes_max = 1u << 20;

constexpr int sockets_max = 4096;
constexpr int handshake_ms_max = 10'000;

// So that a connection through a NAT box or a firewall is neither forgotten nor half open for long,
// even when heartbeats are off on the other side.
constexpr int keepalive_idle_s = 30;
constexpr int keepalive_interval_s = 10;
constexpr int keepalive_count = 3;

std::string words_of(int error) { return zmq_strerror(error); }

bool is_key(const std::string& text) {
  std::uint8_t key[32];
  return text.size() == 40 && zmq_z85_decode(key, text.c_str()) != nullptr;
}

Error invalid(std::string message, const std::string& where) {
  return make_error(ErrorCode::invalid_argument, std::move(message), where);
}

Status check_scheme(const std::string& endpoint) {
  if (endpoint.starts_with("tcp://")) return {};
  return invalid("this is no endpoint; write one like tcp://10.0.0.7:7000", endpoint);
}

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

class EventFd {
 public:
  EventFd() : fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}
  ~EventFd() {
    if (fd_ >= 0) close(fd_);
  }
  EventFd(const EventFd&) = delete;
  EventFd& operator=(const EventFd&) = delete;

  int fd() const { return fd_; }
  // Neither can fail in a way that matters: the counter is full, or zero already.
  void raise() const {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = write(fd_, &one, sizeof one);
  }
  void lower() const {
    std::uint64_t count;
    [[maybe_unused]] const auto taken = read(fd_, &count, sizeof count);
  }

 private:
  int fd_;
};

}  // namespace

CurveKeys CurveKeys::generate() {
  char public_key[41];
  char secret_key[41];
  const int outcome = zmq_curve_keypair(public_key, secret_key);
  REJOIN_ASSERT(outcome == 0);  // fails only where ZeroMQ was built without CURVE
  return CurveKeys{.public_key = public_key, .secret_key = secret_key};
}

struct ZmqTransport::Impl {
  struct Peer {
    std::string endpoint;
    zmq::socket_t dealer;
  };

  explicit Impl(ZmqOptions given) : options(std::move(given)) {}

  ~Impl() {
    peers.clear();
    router.close();
    context.shutdown();  // ends the authenticator
  }

  bool has_keys() const { return !options.keys.secret_key.empty(); }

  void configure(zmq::socket_t& socket) const {
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

  Status start();
  Status listen();
  Status dial(const std::string& peer, const std::string& endpoint);

  bool send(const std::string& peer, const std::string& bytes);
  bool send_dialled(const std::string& peer, const std::string& bytes);
  bool send_back(const std::string& peer, const std::string& bytes);

  void poll(std::chrono::milliseconds timeout);
  void take_turn(std::size_t item);
  // Takes one message from the socket of a poll item, to keep or refuse it, and returns its size;
  // nothing when there is none.
  std::optional<std::size_t> take_one(std::size_t item);
  void rebuild_poll_items();

  const ZmqOptions options;
  zmq::context_t context;
  std::unique_ptr<Authenticator> authenticator;
  zmq::socket_t router;  // a null handle when only dialling out
  std::map<std::string, Peer> peers;
  std::string endpoint;

  EventFd wakeup;
  std::atomic<bool> woken{false};

  // The wake-up first, then the ROUTER where there is one, then the DEALERs; and who is behind
  // each.
  std::vector<zmq_pollitem_t> poll_items;
  std::vector<const std::string*> poll_names;  // null for the wake-up and the ROUTER
  std::size_t first_turn = 0;                  // rotates, so that no socket is always last
  std::deque<Incoming> ready;

  std::atomic<std::uint64_t> messages_sent{0};
  std::atomic<std::uint64_t> messages_received{0};
  std::atomic<std::uint64_t> bytes_sent{0};
  std::atomic<std::uint64_t> bytes_received{0};
  std::atomic<std::uint64_t> messages_dropped{0};
  std::atomic<std::uint64_t> messages_refused{0};
};

Status ZmqTransport::Impl::start() {
  if (!is_valid_name(options.name)) return invalid("the node has no valid name", options.name);
  if (auto status = check_keys(options); !status) return status;
  if (wakeup.fd() < 0) return make_error(ErrorCode::io, "no eventfd: " + words_of(errno));
  try {
    context.set(zmq::ctxopt::max_sockets, sockets_max);
    if (has_keys()) {
      std::map<std::string, std::string> names;
      for (const auto& [name, key] : options.peer_public_keys) names.emplace(key, name);
      authenticator = std::make_unique<Authenticator>(context, std::move(names));
    }
    if (auto status = listen(); !status) return status;
  } catch (const zmq::error_t& e) {
    return make_error(ErrorCode::io, "ZeroMQ cannot be set up: " + words_of(e.num()));
  }
  for (const auto& [peer, at] : options.peers) {
    if (auto status = dial(peer, at); !status) return status;
  }
  rebuild_poll_items();
  return {};
}

Status ZmqTransport::Impl::listen() {
  if (options.listen.empty()) return {};
  if (auto status = check_scheme(options.listen); !status) return status;
  router = zmq::socket_t(context, zmq::socket_type::router);
  configure(router);
  router.set(zmq::sockopt::router_handover, true);   // a peer that comes again replaces itself
  router.set(zmq::sockopt::router_mandatory, true);  // to hear that a peer is absent
  if (has_keys()) {
    router.set(zmq::sockopt::zap_domain, Authenticator::domain);
    router.set(zmq::sockopt::curve_server, true);
    router.set(zmq::sockopt::curve_secretkey, options.keys.secret_key);
  }
  if (zmq_bind(router.handle(), options.listen.c_str()) == 0) {
    endpoint = router.get(zmq::sockopt::last_endpoint);
    return {};
  }
  switch (errno) {
    case EADDRINUSE:
      return make_error(ErrorCode::address_in_use,
                        "another process listens there; stop it, or choose another port",
                        options.listen);
    case EADDRNOTAVAIL:
    case EACCES:
      return make_error(ErrorCode::io, "cannot listen there: " + words_of(errno), options.listen);
    case ENODEV:
      return invalid("no interface of this machine has that address", options.listen);
    default:
      return invalid("cannot listen there (" + words_of(errno) +
                         "); write an endpoint like tcp://0.0.0.0:7000",
                     options.listen);
  }
}

Status ZmqTransport::Impl::dial(const std::string& peer, const std::string& at) {
  if (!is_valid_name(peer)) return invalid("a peer has no valid name", peer);
  if (auto status = check_scheme(at); !status) return status;
  if (has_keys() && !options.peer_public_keys.contains(peer)) {
    return invalid("the public key of this peer is missing", peer);
  }
  try {
    zmq::socket_t dealer(context, zmq::socket_type::dealer);
    configure(dealer);
    dealer.set(zmq::sockopt::routing_id, options.name);
    dealer.set(zmq::sockopt::immediate, true);
    dealer.set(zmq::sockopt::reconnect_ivl, options.reconnect_ms_min);
    dealer.set(zmq::sockopt::reconnect_ivl_max, options.reconnect_ms_max);
    if (has_keys()) {
      dealer.set(zmq::sockopt::curve_serverkey, options.peer_public_keys.at(peer));
      dealer.set(zmq::sockopt::curve_publickey, options.keys.public_key);
      dealer.set(zmq::sockopt::curve_secretkey, options.keys.secret_key);
    }
    if (zmq_connect(dealer.handle(), at.c_str()) != 0) {
      return invalid("the endpoint of " + peer + " cannot be dialled (" + words_of(errno) +
                         "); write one like tcp://10.0.0.7:7000",
                     at);
    }
    peers.insert_or_assign(peer, Peer{at, std::move(dealer)});
  } catch (const zmq::error_t& e) {
    return make_error(ErrorCode::io, "no socket to dial " + peer + ": " + words_of(e.num()), at);
  }
  rebuild_poll_items();
  return {};
}

bool ZmqTransport::Impl::send(const std::string& peer, const std::string& bytes) {
  // One that is too long would cost the connection: the receiver cuts it.
  const bool sent =
      bytes.size() <= message_bytes_max && (send_dialled(peer, bytes) || send_back(peer, bytes));
  if (!sent) {
    messages_dropped.fetch_add(1, std::memory_order_relaxed);
    return false;
  }
  messages_sent.fetch_add(1, std::memory_order_relaxed);
  bytes_sent.fetch_add(bytes.size(), std::memory_order_relaxed);
  return true;
}

bool ZmqTransport::Impl::send_dialled(const std::string& peer, const std::string& bytes) {
  const auto found = peers.find(peer);
  return found != peers.end() &&
         zmq_send(found->second.dealer.handle(), bytes.data(), bytes.size(), ZMQ_DONTWAIT) >= 0;
}

bool ZmqTransport::Impl::send_back(const std::string& peer, const std::string& bytes) {
  if (!router.handle() || peer.empty()) return false;
  // The ROUTER decides at the first part whether the peer is there and has room for the message.
  return zmq_send(router.handle(), peer.data(), peer.size(), ZMQ_DONTWAIT | ZMQ_SNDMORE) >= 0 &&
         zmq_send(router.handle(), bytes.data(), bytes.size(), ZMQ_DONTWAIT) >= 0;
}

void ZmqTransport::Impl::rebuild_poll_items() {
  poll_items.clear();
  poll_names.clear();
  const auto add = [this](void* socket, int fd, const std::string* name) {
    poll_items.push_back(zmq_pollitem_t{socket, fd, ZMQ_POLLIN, 0});
    poll_names.push_back(name);
  };
  add(nullptr, wakeup.fd(), nullptr);
  if (router.handle()) add(router.handle(), 0, nullptr);
  for (auto& [name, peer] : peers) add(peer.dealer.handle(), 0, &name);
}

void ZmqTransport::Impl::poll(std::chrono::milliseconds timeout) {
  const int found = zmq_poll(poll_items.data(), static_cast<int>(poll_items.size()),
                             static_cast<long>(timeout.count()));
  if (found <= 0) return;  // nothing, or a signal
  // `woken` tells whether there was a wake-up; the eventfd only ends the poll, and may be late.
  if (poll_items[0].revents & ZMQ_POLLIN) wakeup.lower();
  const std::size_t sockets = poll_items.size() - 1;
  for (std::size_t turn = 0; turn < sockets; ++turn) {
    const std::size_t item = 1 + (first_turn + turn) % sockets;
    if (poll_items[item].revents & ZMQ_POLLIN) take_turn(item);
  }
  if (sockets > 0) first_turn = (first_turn + 1) % sockets;
}

void ZmqTransport::Impl::take_turn(std::size_t item) {
  std::size_t bytes = 0;
  for (std::size_t n = 0; n < turn_messages_max && bytes < turn_bytes_max; ++n) {
    const auto taken = take_one(item);
    if (!taken) return;
    bytes += *taken;
  }
}

std::optional<std::size_t> ZmqTransport::Impl::take_one(std::size_t item) {
  void* socket = poll_items[item].socket;
  const std::string* dialled = poll_names[item];
  zmq::message_t part;
  if (zmq_msg_recv(part.handle(), socket, ZMQ_DONTWAIT) < 0) return std::nullopt;

  Incoming incoming;
  bool usable = true;
  std::size_t parts = 1;
  if (dialled) {
    incoming.from = *dialled;
  } else {
    // The ROUTER puts the sender's routing id before what it sent. An id that ZeroMQ made up, for
    // one who gave none, begins with a zero.
    incoming.from = part.to_string();
    usable = is_valid_name(incoming.from) && part.more();
    if (part.more() && zmq_msg_recv(part.handle(), socket, ZMQ_DONTWAIT) < 0) return std::nullopt;
    if (has_keys()) {
      const char* holder = zmq_msg_gets(part.handle(), "User-Id");
      usable = usable && holder && incoming.from == holder;
    }
  }
  const std::size_t bytes = part.size();
  if (usable && !part.more()) incoming.bytes = part.to_string();
  while (part.more()) {
    ++parts;
    if (zmq_msg_recv(part.handle(), socket, ZMQ_DONTWAIT) < 0) break;
  }
  if (usable && parts == 1) {
    messages_received.fetch_add(1, std::memory_order_relaxed);
    bytes_received.fetch_add(bytes, std::memory_order_relaxed);
    ready.push_back(std::move(incoming));
  } else {
    messages_refused.fetch_add(1, std::memory_order_relaxed);
  }
  return bytes;
}

ZmqTransport::ZmqTransport(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ZmqTransport::~ZmqTransport() = default;

Result<std::unique_ptr<ZmqTransport>> ZmqTransport::open(ZmqOptions options) {
  try {
    auto impl = std::make_unique<Impl>(std::move(options));
    if (auto status = impl->start(); !status) return std::move(status).error();
    return std::unique_ptr<ZmqTransport>(new ZmqTransport(std::move(impl)));
  } catch (const zmq::error_t& e) {
    return make_error(ErrorCode::io, "ZeroMQ cannot be set up: " + words_of(e.num()));
  }
}

std::string ZmqTransport::listen_endpoint() const { return impl_->endpoint; }

Status ZmqTransport::dial(const std::string& peer, const std::string& endpoint) {
  return impl_->dial(peer, endpoint);
}

bool ZmqTransport::send(const std::string& peer, const std::string& bytes) {
  return impl_->send(peer, bytes);
}

std::optional<Incoming> ZmqTransport::receive(std::chrono::microseconds timeout) {
  using std::chrono::steady_clock;
  Impl& impl = *impl_;
  if (impl.ready.empty()) {
    constexpr std::chrono::microseconds longest = std::chrono::hours(1);
    const auto deadline = steady_clock::now() + std::min(timeout, longest);
    do {
      // What waits on the sockets goes before a wake-up; a wake-up goes before waiting.
      const bool woken = impl.woken.load(std::memory_order_acquire);
      const auto left =
          woken ? steady_clock::duration::zero()
                : std::max(deadline - steady_clock::now(), steady_clock::duration::zero());
      impl.poll(std::chrono::ceil<std::chrono::milliseconds>(left));
      if (!impl.ready.empty()) break;
      if (woken) impl.woken.exchange(false, std::memory_order_acq_rel);
      if (left == steady_clock::duration::zero()) return std::nullopt;
    } while (true);
  }
  Incoming incoming = std::move(impl.ready.front());
  impl.ready.pop_front();
  return incoming;
}

void ZmqTransport::wake() {
  if (!impl_->woken.exchange(true, std::memory_order_acq_rel)) impl_->wakeup.raise();
}

TrafficCounters ZmqTransport::counters() const {
  return TrafficCounters{
      .messages_sent = impl_->messages_sent.load(std::memory_order_relaxed),
      .messages_received = impl_->messages_received.load(std::memory_order_relaxed),
      .bytes_sent = impl_->bytes_sent.load(std::memory_order_relaxed),
      .bytes_received = impl_->bytes_received.load(std::memory_order_relaxed),
      .messages_dropped = impl_->messages_dropped.load(std::memory_order_relaxed),
      .messages_refused = impl_->messages_refused.load(std::memory_order_relaxed),
      .peers_refused = impl_->authenticator ? impl_->authenticator->refused() : 0};
}

}  // namespace rejoin::transport
