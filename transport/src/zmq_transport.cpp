#include "rejoin/transport/zmq_transport.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <deque>
#include <utility>
#include <vector>
#include <zmq.hpp>

#include "authenticator.h"
#include "rejoin/crdt/assert.h"
#include "rejoin/transport/message.h"
#include "zmq_sockets.h"

namespace rejoin::transport {
namespace {

// What is taken from one socket before the others have their turn. The bytes bound what waits in
// memory beside the sockets' own queues.
constexpr std::size_t turn_messages_max = 64;
constexpr std::size_t turn_bytes_max = 1u << 20;

constexpr int sockets_max = 4096;
// How often at most the time is looked at while some peer is not connected.
constexpr auto redial_check_interval = std::chrono::seconds(1);

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
  // What one poll item stands for.
  enum class Source { wake_up, router, dealer, monitor };
  struct Watched {
    Source source;
    std::map<std::string, Dealer>::value_type* peer;  // null for the first two
  };

  explicit Impl(ZmqOptions given) : options(std::move(given)) {}

  ~Impl() {
    peers.clear();
    router.close();
    context.shutdown();  // ends the authenticator
  }

  Status start();
  Status dial(const std::string& peer, const std::string& endpoint);
  void hang_up(const std::string& peer);

  bool send(const std::string& peer, const std::string& bytes);
  bool send_dialled(const std::string& peer, const std::string& bytes);
  bool send_back(const std::string& peer, const std::string& bytes);

  void poll(std::chrono::steady_clock::duration timeout);
  void redial_the_lost();
  void take_turn(std::size_t item);
  // Takes one message from the socket of a poll item, to keep or refuse it, and returns its size;
  // nothing when there is none.
  std::optional<std::size_t> take_one(std::size_t item);
  void rebuild_poll_items();

  const ZmqOptions options;
  zmq::context_t context;
  std::unique_ptr<Authenticator> authenticator;
  zmq::socket_t router;  // a null handle when only dialling out
  std::map<std::string, Dealer> peers;
  std::string endpoint;

  EventFd wakeup;
  std::atomic<bool> woken{false};

  std::vector<zmq_pollitem_t> poll_items;  // the wake-up first
  std::vector<Watched> watched;            // what each of them stands for
  std::size_t first_turn = 0;              // rotates, so that no socket is always last
  std::deque<Incoming> ready;

  std::atomic<std::uint64_t> messages_sent{0};
  std::atomic<std::uint64_t> messages_received{0};
  std::atomic<std::uint64_t> bytes_sent{0};
  std::atomic<std::uint64_t> bytes_received{0};
  std::atomic<std::uint64_t> messages_dropped{0};
  std::atomic<std::uint64_t> messages_refused{0};
};

Status ZmqTransport::Impl::start() {
  if (!is_valid_name(options.name)) {
    return make_error(ErrorCode::invalid_argument, "the node has no valid name", options.name);
  }
  if (auto status = check_keys(options); !status) return status;
  if (wakeup.fd() < 0) {
    return make_error(ErrorCode::io, std::string("no eventfd: ") + zmq_strerror(errno));
  }
  context.set(zmq::ctxopt::max_sockets, sockets_max);
  if (has_keys(options)) {
    std::map<std::string, std::string> names;
    for (const auto& [name, key] : options.peer_public_keys) names.emplace(key, name);
    authenticator = std::make_unique<Authenticator>(context, std::move(names));
  }
  if (!options.listen.empty()) {
    auto bound = listening_router(context, options);
    if (!bound) return std::move(bound).error();
    router = *std::move(bound);
    endpoint = router.get(zmq::sockopt::last_endpoint);
  }
  for (const auto& [peer, at] : options.peers) {
    if (auto status = dial(peer, at); !status) return status;
  }
  rebuild_poll_items();
  return {};
}

Status ZmqTransport::Impl::dial(const std::string& peer, const std::string& at) {
  const auto known = peers.find(peer);
  if (known != peers.end() && known->second.endpoint == at) return {};
  auto dealer = dialled(context, options, peer, at);
  if (!dealer) return std::move(dealer).error();
  peers.insert_or_assign(peer, *std::move(dealer));
  rebuild_poll_items();
  return {};
}

void ZmqTransport::Impl::hang_up(const std::string& peer) {
  if (peers.erase(peer) > 0) rebuild_poll_items();
}

void ZmqTransport::Impl::redial_the_lost() {
  const auto lost_before =
      std::chrono::steady_clock::now() - std::chrono::milliseconds(options.redial_after_ms);
  for (auto& [name, peer] : peers) {
    if (!peer.connected) peer.read_monitor();  // it may be news that it is
    if (peer.connected || peer.since > lost_before) continue;
    peer.since = std::chrono::steady_clock::now();  // should dialling fail
    auto again = dialled(context, options, name, peer.endpoint);
    if (!again) continue;
    peer = *std::move(again);
    rebuild_poll_items();
  }
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
         zmq_send(found->second.socket.handle(), bytes.data(), bytes.size(), ZMQ_DONTWAIT) >= 0;
}

bool ZmqTransport::Impl::send_back(const std::string& peer, const std::string& bytes) {
  if (!router.handle() || peer.empty()) return false;
  // The ROUTER decides at the first part whether the peer is there and has room for the message.
  return zmq_send(router.handle(), peer.data(), peer.size(), ZMQ_DONTWAIT | ZMQ_SNDMORE) >= 0 &&
         zmq_send(router.handle(), bytes.data(), bytes.size(), ZMQ_DONTWAIT) >= 0;
}

void ZmqTransport::Impl::rebuild_poll_items() {
  poll_items.clear();
  watched.clear();
  const auto add = [this](zmq_pollitem_t item, Watched stands_for) {
    poll_items.push_back(item);
    watched.push_back(stands_for);
  };
  const auto on = [](zmq::socket_t& socket) {
    return zmq_pollitem_t{socket.handle(), 0, ZMQ_POLLIN, 0};
  };
  add(zmq_pollitem_t{nullptr, wakeup.fd(), ZMQ_POLLIN, 0}, {Source::wake_up, nullptr});
  if (router.handle()) add(on(router), {Source::router, nullptr});
  for (auto& peer : peers) {
    add(on(peer.second.socket), {Source::dealer, &peer});
    add(on(peer.second.monitor), {Source::monitor, &peer});
  }
}

// Waits until something comes, the timeout passes or there is another reason to look around.
void ZmqTransport::Impl::poll(std::chrono::steady_clock::duration timeout) {
  const bool some_are_lost = std::any_of(peers.begin(), peers.end(),
                                         [](const auto& peer) { return !peer.second.connected; });
  if (some_are_lost) {
    redial_the_lost();
    const auto check = std::min<std::chrono::steady_clock::duration>(
        redial_check_interval, std::chrono::milliseconds(options.redial_after_ms));
    timeout = std::min(timeout, check);
  }
  const int found =
      zmq_poll(poll_items.data(), static_cast<int>(poll_items.size()),
               static_cast<long>(std::chrono::ceil<std::chrono::milliseconds>(timeout).count()));
  if (found <= 0) return;  // nothing, or a signal
  // `woken` tells whether there was a wake-up; the eventfd only ends the poll, and may be late.
  if (poll_items[0].revents & ZMQ_POLLIN) wakeup.lower();
  const std::size_t sockets = poll_items.size() - 1;
  for (std::size_t turn = 0; turn < sockets; ++turn) {
    const std::size_t item = 1 + (first_turn + turn) % sockets;
    if (!(poll_items[item].revents & ZMQ_POLLIN)) continue;
    if (watched[item].source == Source::monitor) {
      watched[item].peer->second.read_monitor();
    } else {
      take_turn(item);
    }
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
  const bool came_by_router = watched[item].source == Source::router;
  zmq::message_t part;
  if (zmq_msg_recv(part.handle(), socket, ZMQ_DONTWAIT) < 0) return std::nullopt;

  Incoming incoming;
  bool usable = true;
  std::size_t parts = 1;
  if (!came_by_router) {
    incoming.from = watched[item].peer->first;
  } else {
    // The ROUTER puts the sender's routing id before what it sent. An id that ZeroMQ made up, for
    // one who gave none, begins with a zero.
    incoming.from = part.to_string();
    usable = is_valid_name(incoming.from) && part.more();
    if (part.more() && zmq_msg_recv(part.handle(), socket, ZMQ_DONTWAIT) < 0) return std::nullopt;
    if (has_keys(options)) {
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
    return make_error(ErrorCode::io,
                      std::string("ZeroMQ cannot be set up: ") + zmq_strerror(e.num()));
  }
}

std::string ZmqTransport::listen_endpoint() const { return impl_->endpoint; }

Status ZmqTransport::dial(const std::string& peer, const std::string& endpoint) {
  return impl_->dial(peer, endpoint);
}

void ZmqTransport::hang_up(const std::string& peer) { impl_->hang_up(peer); }

bool ZmqTransport::send(const std::string& peer, const std::string& bytes) {
  return impl_->send(peer, bytes);
}

std::optional<Incoming> ZmqTransport::receive(std::chrono::microseconds timeout) {
  using std::chrono::steady_clock;
  Impl& impl = *impl_;
  if (impl.ready.empty()) {
    constexpr std::chrono::microseconds longest = std::chrono::hours(1);
    const auto deadline =
        steady_clock::now() + std::clamp(timeout, std::chrono::microseconds(0), longest);
    do {
      // What waits on the sockets goes before a wake-up; a wake-up goes before waiting.
      const bool woken = impl.woken.load(std::memory_order_acquire);
      const auto left =
          woken ? steady_clock::duration::zero()
                : std::max(deadline - steady_clock::now(), steady_clock::duration::zero());
      impl.poll(left);
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
