#include "rejoin/transport/zmq_transport.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <random>
#include <thread>
#include <vector>
#include <zmq.hpp>

#include "rejoin/transport/message.h"

namespace rejoin::transport {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

// How long anything may take before a test gives up: far more than it takes.
constexpr auto patience = 20s;

ZmqOptions options_of(const std::string& name, const std::string& listen = "tcp://127.0.0.1:*") {
  ZmqOptions options;
  options.name = name;
  options.listen = listen;
  options.reconnect_ms_min = 5;
  options.reconnect_ms_max = 50;
  options.redial_after_ms = 300;
  return options;
}

std::unique_ptr<ZmqTransport> opened(ZmqOptions options) {
  auto transport = ZmqTransport::open(std::move(options));
  if (!transport) {
    ADD_FAILURE() << transport.error().to_string();
    std::abort();
  }
  return *std::move(transport);
}

// Until `done`, or until the test's patience ends.
bool eventually(const std::function<bool()>& done) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (!done()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
  }
  return true;
}

// Sends until it is not refused: until the peer is connected.
testing::AssertionResult sent(ZmqTransport& from, const std::string& to, const std::string& bytes) {
  const bool taken = eventually([&] {
    // What comes meanwhile is let through to the sockets, not lost: nothing is expected here.
    if (from.send(to, bytes)) return true;
    std::this_thread::yield();
    return false;
  });
  if (taken) return testing::AssertionSuccess();
  return testing::AssertionFailure() << to << " did not become reachable";
}

// What comes next, as "sender: bytes".
std::string next(ZmqTransport& at) {
  const auto incoming = at.receive(patience);
  return incoming ? incoming->from + ": " + incoming->bytes : "nothing";
}

// Sends again and again what may be lost while connections change, until it arrives.
testing::AssertionResult arrives(ZmqTransport& from, const std::string& to, ZmqTransport& at,
                                 const std::string& bytes) {
  const bool arrived = eventually([&] {
    from.send(to, bytes);
    (void)from.receive(0ms);  // connections are looked after while receiving
    const auto incoming = at.receive(10ms);
    return incoming && incoming->bytes == bytes;
  });
  if (arrived) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "\"" << bytes << "\" did not arrive at " << to;
}

std::uint16_t port_of(const std::string& endpoint) {
  return static_cast<std::uint16_t>(std::stoi(endpoint.substr(endpoint.rfind(':') + 1)));
}

// A TCP connection that knows nothing of ZeroMQ.
class RawConnection {
 public:
  explicit RawConnection(const std::string& endpoint) : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port_of(endpoint));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  ~RawConnection() { close(fd_); }
  RawConnection(const RawConnection&) = delete;
  RawConnection& operator=(const RawConnection&) = delete;

  bool connected() const { return connected_; }
  void write(const std::string& bytes) {
    // The other side may have closed already.
    (void)::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  }

 private:
  int fd_;
  bool connected_ = false;
};

// Answers whoever connects with something that is not ZeroMQ.
class RawServer {
 public:
  RawServer() : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    const int on = 1;
    setsockopt(fd_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &wait_max, sizeof wait_max);  // of accept()
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&address), length), 0);
    EXPECT_EQ(getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &length), 0);
    EXPECT_EQ(::listen(fd_, 8), 0);
    endpoint_ = "tcp://127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  }
  ~RawServer() { close(fd_); }
  RawServer(const RawServer&) = delete;
  RawServer& operator=(const RawServer&) = delete;

  const std::string& endpoint() const { return endpoint_; }
  // Takes one connection, answers with `bytes` and waits until the other side has closed.
  void answer_one(const std::string& bytes) {
    const int connection = accept(fd_, nullptr, nullptr);
    ASSERT_GE(connection, 0) << "nobody connected";
    setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &wait_max, sizeof wait_max);
    (void)::send(connection, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    char sink[256];
    while (recv(connection, sink, sizeof sink, 0) > 0) continue;
    close(connection);
  }

 private:
  static constexpr timeval wait_max{.tv_sec = patience.count(), .tv_usec = 0};
  int fd_;
  std::string endpoint_;
};

// A ZeroMQ socket that follows none of our rules.
class RawDealer {
 public:
  RawDealer(const std::string& routing_id, const std::string& endpoint) {
    socket_.set(zmq::sockopt::linger, 0);
    if (!routing_id.empty()) socket_.set(zmq::sockopt::routing_id, routing_id);
    socket_.connect(endpoint);
  }
  void send(const std::vector<std::string>& parts) {
    for (std::size_t i = 0; i < parts.size(); ++i) {
      const bool last = i + 1 == parts.size();
      (void)socket_.send(zmq::buffer(parts[i]),
                         last ? zmq::send_flags::none : zmq::send_flags::sndmore);
    }
  }

 private:
  zmq::context_t context_;
  zmq::socket_t socket_{context_, zmq::socket_type::dealer};
};

TEST(ZmqTransport, two_that_dial_each_other_talk_both_ways) {
  auto a = opened(options_of("a"));
  auto b_options = options_of("b");
  b_options.peers = {{"a", a->listen_endpoint()}};
  auto b = opened(b_options);
  ASSERT_TRUE(a->dial("b", b->listen_endpoint()).ok());

  ASSERT_TRUE(sent(*a, "b", "to b"));
  EXPECT_EQ(next(*b), "a: to b");
  ASSERT_TRUE(sent(*b, "a", std::string("to\0a", 4)));
  EXPECT_EQ(next(*a), std::string("b: to\0a", 7));
  EXPECT_EQ(a->counters().messages_sent, 1u);
  EXPECT_EQ(a->counters().bytes_sent, 4u);
  EXPECT_EQ(b->counters().messages_received, 1u);
  EXPECT_EQ(b->counters().bytes_received, 4u);
}

TEST(ZmqTransport, three_in_a_ring_hear_the_right_sender) {
  std::vector<std::unique_ptr<ZmqTransport>> nodes;
  const std::vector<std::string> names = {"frankfurt", "virginia", "tokyo"};
  for (const auto& name : names) nodes.push_back(opened(options_of(name)));
  for (std::size_t i = 0; i < 3; ++i) {
    for (std::size_t j = 0; j < 3; ++j) {
      if (i == j) continue;
      ASSERT_TRUE(nodes[i]->dial(names[j], nodes[j]->listen_endpoint()).ok());
    }
  }
  for (std::size_t i = 0; i < 3; ++i) {
    const std::size_t to = (i + 1) % 3;
    ASSERT_TRUE(sent(*nodes[i], names[to], "hello " + names[to]));
  }
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(next(*nodes[i]), names[(i + 2) % 3] + ": hello " + names[i]);
  }
}

TEST(ZmqTransport, one_that_only_dials_is_answered) {
  auto hub = opened(options_of("hub"));
  auto edge_options = options_of("edge", "");
  edge_options.peers = {{"hub", hub->listen_endpoint()}};
  auto edge = opened(edge_options);
  EXPECT_EQ(edge->listen_endpoint(), "");

  EXPECT_FALSE(hub->send("edge", "before it came"));
  ASSERT_TRUE(sent(*edge, "hub", "here I am"));
  EXPECT_EQ(next(*hub), "edge: here I am");
  ASSERT_TRUE(hub->send("edge", "welcome"));
  EXPECT_EQ(next(*edge), "hub: welcome");
}

TEST(ZmqTransport, a_dialled_peer_that_cannot_be_reached_is_answered_where_it_dialled_in) {
  auto hub_options = options_of("hub");
  hub_options.peers = {{"edge", "tcp://127.0.0.1:1"}};  // nobody listens there
  auto hub = opened(hub_options);
  auto edge_options = options_of("edge", "");
  edge_options.peers = {{"hub", hub->listen_endpoint()}};
  auto edge = opened(edge_options);

  ASSERT_TRUE(sent(*edge, "hub", "here I am"));
  EXPECT_EQ(next(*hub), "edge: here I am");
  ASSERT_TRUE(hub->send("edge", "welcome"));
  EXPECT_EQ(next(*edge), "hub: welcome");
}

TEST(ZmqTransport, what_is_sent_to_an_absent_peer_is_dropped_and_counted) {
  // A port that was free a moment ago.
  const std::string endpoint = opened(options_of("gone"))->listen_endpoint();
  auto options = options_of("a");
  options.peers = {{"late", endpoint}};
  auto a = opened(options);
  EXPECT_FALSE(a->send("late", "too early"));
  EXPECT_FALSE(a->send("unknown", "whoever you are"));
  EXPECT_FALSE(a->send("", "nobody"));
  EXPECT_EQ(a->counters().messages_dropped, 3u);
  EXPECT_EQ(a->counters().messages_sent, 0u);

  auto late = opened(options_of("late", endpoint));
  ASSERT_TRUE(sent(*a, "late", "in time"));
  EXPECT_EQ(next(*late), "a: in time");
}

TEST(ZmqTransport, a_peer_that_restarts_on_its_port_is_reached_again) {
  auto b = opened(options_of("b"));
  const std::string endpoint = b->listen_endpoint();
  auto options = options_of("a");
  options.peers = {{"b", endpoint}};
  auto a = opened(options);
  for (int life = 0; life < 3; ++life) {
    const std::string text = "life " + std::to_string(life);
    EXPECT_TRUE(arrives(*a, "b", *b, text + ", by dialling"));
    EXPECT_TRUE(arrives(*b, "a", *a, text + ", in answer"));
    b.reset();
    b = opened(options_of("b", endpoint));
  }
}

TEST(ZmqTransport, a_dialler_that_restarts_replaces_its_old_connection) {
  auto hub = opened(options_of("hub"));
  for (int life = 0; life < 3; ++life) {
    auto options = options_of("edge", "");
    options.peers = {{"hub", hub->listen_endpoint()}};
    auto edge = opened(options);
    const std::string text = "life " + std::to_string(life);
    EXPECT_TRUE(arrives(*edge, "hub", *hub, text));
    EXPECT_TRUE(arrives(*hub, "edge", *edge, text));
  }
}

TEST(ZmqTransport, a_peer_is_reached_after_another_service_had_its_port) {
  auto a = opened(options_of("a"));
  std::string endpoint;
  {
    RawServer web;
    endpoint = web.endpoint();
    ASSERT_TRUE(a->dial("b", endpoint).ok());
    // A greeting of ZMTP 3 whose command does not parse: for ZeroMQ itself the end of the matter.
    std::string greeting = std::string("\xFF\0\0\0\0\0\0\0\1\x7F\3\0NULL", 16);
    greeting.resize(64, '\0');
    web.answer_one(greeting + std::string("\x04\x05HELLO", 7));
  }
  auto b = opened(options_of("b", endpoint));
  EXPECT_TRUE(arrives(*a, "b", *b, "at last"));
}

TEST(ZmqTransport, dialling_a_peer_elsewhere_leaves_the_old_endpoint) {
  auto a = opened(options_of("a"));
  auto before = opened(options_of("b"));
  auto after = opened(options_of("b"));
  ASSERT_TRUE(a->dial("b", before->listen_endpoint()).ok());
  EXPECT_TRUE(arrives(*a, "b", *before, "first"));
  ASSERT_TRUE(a->dial("b", after->listen_endpoint()).ok());
  EXPECT_TRUE(arrives(*a, "b", *after, "second"));
  while (const auto late = before->receive(0ms)) EXPECT_EQ(late->bytes, "first");
}

TEST(ZmqTransport, dialling_anew_while_connections_break_blocks_nothing) {
  auto a = opened(options_of("a"));
  auto b = opened(options_of("b"));
  std::string unknown_mechanism("\xFF\0\0\0\0\0\0\0\1\x7F\3\0NOTNULL", 19);
  unknown_mechanism.resize(64, '\0');
  for (int i = 0; i < 300; ++i) {
    // Whatever moment of its life the old connection is in: refused, breaking or being made.
    const int at = i % 3;
    RawServer web;
    ASSERT_TRUE(b->dial("a", at == 0 ? web.endpoint() : a->listen_endpoint()).ok());
    if (at == 0) web.answer_one(unknown_mechanism);
    if (at == 1) (void)b->receive(1ms);
    ASSERT_FALSE(HasFailure()) << "in round " << i;
  }
  ASSERT_TRUE(b->dial("a", a->listen_endpoint()).ok());
  EXPECT_TRUE(arrives(*b, "a", *a, "after all"));
}

TEST(ZmqTransport, a_peer_that_never_reads_costs_a_bounded_queue) {
  auto lazy_options = options_of("lazy");
  lazy_options.high_water_mark = 10;
  auto lazy = opened(lazy_options);
  auto options = options_of("a");
  options.high_water_mark = 10;
  options.peers = {{"lazy", lazy->listen_endpoint()}};
  auto a = opened(options);

  // Beyond the two queues lie the kernel's buffers, of a few megabytes: 64 MiB do not fit.
  const std::string bytes(64 << 10, 'x');
  ASSERT_TRUE(sent(*a, "lazy", bytes));
  bool refused = false;
  for (int i = 0; i < 1024 && !refused; ++i) {
    refused = !a->send("lazy", bytes);
    if (!refused && i % 8 == 0) (void)a->receive(1ms);  // lets the I/O thread carry on
  }
  EXPECT_TRUE(refused);
  EXPECT_GE(a->counters().messages_dropped, 1u);

  // Others are served meanwhile, and so is the lazy one when it wakes up.
  auto eager = opened(options_of("eager"));
  ASSERT_TRUE(a->dial("eager", eager->listen_endpoint()).ok());
  EXPECT_TRUE(arrives(*a, "eager", *eager, "still here"));
  EXPECT_TRUE(eventually([&] {
    while (lazy->receive(0ms)) continue;
    return a->send("lazy", "again");
  }));
}

TEST(ZmqTransport, a_message_longer_than_the_limit_is_refused_by_its_sender) {
  auto b = opened(options_of("b"));
  auto options = options_of("a");
  options.peers = {{"b", b->listen_endpoint()}};
  auto a = opened(options);
  ASSERT_TRUE(sent(*a, "b", "fits"));
  EXPECT_FALSE(a->send("b", std::string(message_bytes_max + 1, 'x')));
  EXPECT_EQ(next(*b), "a: fits");
}

TEST(ZmqTransport, a_large_message_arrives_whole) {
  auto b = opened(options_of("b"));
  auto options = options_of("a");
  options.peers = {{"b", b->listen_endpoint()}};
  auto a = opened(options);
  std::string bytes(20 << 20, '\0');
  for (std::size_t i = 0; i < bytes.size(); i += 4096) bytes[i] = static_cast<char>(i >> 12);
  ASSERT_TRUE(sent(*a, "b", bytes));
  const auto incoming = b->receive(patience);
  ASSERT_TRUE(incoming);
  EXPECT_TRUE(incoming->bytes == bytes);
}

TEST(ZmqTransport, a_port_in_use_is_named) {
  auto first = opened(options_of("first"));
  const auto second = ZmqTransport::open(options_of("second", first->listen_endpoint()));
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, ErrorCode::address_in_use);
  EXPECT_EQ(second.error().where, first->listen_endpoint());
  EXPECT_THAT(second.error().to_string(), HasSubstr("choose another port"));
}

TEST(ZmqTransport, endpoints_that_can_never_work_are_invalid_arguments) {
  for (const std::string endpoint :
       {"7000", "tcp://", "tcp://127.0.0.1", "tcp://127.0.0.1:99999", "tcp://127.0.0.1:port",
        "udp://127.0.0.1:7000", "inproc://x", "ipc:///tmp/x", "tcp://nosuchdevice:7000"}) {
    const auto listening = ZmqTransport::open(options_of("a", endpoint));
    ASSERT_FALSE(listening.ok()) << endpoint;
    EXPECT_EQ(listening.error().code, ErrorCode::invalid_argument) << endpoint;
    EXPECT_EQ(listening.error().where, endpoint);
  }
  for (const std::string endpoint :
       {"", "7000", "tcp://", "tcp://127.0.0.1", "tcp://127.0.0.1:99999", "tcp://127.0.0.1:port",
        "tcp://127.0.0.1:*", "udp://127.0.0.1:7000", "inproc://x"}) {
    auto options = options_of("a");
    options.peers = {{"b", endpoint}};
    const auto dialling = ZmqTransport::open(options);
    ASSERT_FALSE(dialling.ok()) << endpoint;
    EXPECT_EQ(dialling.error().code, ErrorCode::invalid_argument) << endpoint;
    EXPECT_EQ(dialling.error().where, endpoint);
  }
}

TEST(ZmqTransport, names_that_cannot_be_routing_ids_are_invalid_arguments) {
  for (const std::string& name :
       {std::string(), std::string(256, 'a'), std::string("\0a", 2), std::string("a\nb")}) {
    const auto transport = ZmqTransport::open(options_of(name));
    ASSERT_FALSE(transport.ok());
    EXPECT_EQ(transport.error().code, ErrorCode::invalid_argument);
    auto a = opened(options_of("a"));
    EXPECT_EQ(a->dial(name, "tcp://127.0.0.1:7000").error().code, ErrorCode::invalid_argument);
  }
  auto longest = opened(options_of(std::string(255, 'a')));
  auto b = opened(options_of("b"));
  ASSERT_TRUE(longest->dial("b", b->listen_endpoint()).ok());
  EXPECT_TRUE(arrives(*longest, "b", *b, "hello"));
}

TEST(ZmqTransport, a_receive_that_waits_ends_at_a_wake_up) {
  auto a = opened(options_of("a"));
  std::thread waker([&] { a->wake(); });
  EXPECT_FALSE(a->receive(patience * 10));
  waker.join();
}

TEST(ZmqTransport, a_wake_up_before_the_receive_ends_it_once) {
  auto a = opened(options_of("a"));
  a->wake();
  a->wake();
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_FALSE(a->receive(patience));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, patience);
  const auto again = std::chrono::steady_clock::now();
  EXPECT_FALSE(a->receive(50ms));
  EXPECT_GE(std::chrono::steady_clock::now() - again, 50ms);
}

TEST(ZmqTransport, no_wake_up_is_lost_between_threads) {
  auto a = opened(options_of("a"));
  constexpr int rounds = 20'000;
  std::atomic<int> seen{0};
  // Each round is asked for only when the last was seen: a lost wake-up would end the test's
  // patience.
  std::thread waker([&] {
    for (int round = 1; round <= rounds; ++round) {
      a->wake();
      while (seen.load() < round) std::this_thread::yield();
    }
  });
  for (int round = 1; round <= rounds; ++round) {
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_FALSE(a->receive(patience));
    EXPECT_LT(std::chrono::steady_clock::now() - begin, patience) << "round " << round;
    seen.store(round);
  }
  waker.join();
}

TEST(ZmqTransport, a_timeout_that_is_not_positive_only_looks) {
  auto a = opened(options_of("a"));
  EXPECT_FALSE(a->receive(0us));
  EXPECT_FALSE(a->receive(-5s));
  EXPECT_FALSE(a->receive(std::chrono::microseconds::min()));
}

TEST(ZmqTransport, garbage_on_the_port_disturbs_nobody) {
  auto a = opened(options_of("a"));
  auto b_options = options_of("b");
  b_options.peers = {{"a", a->listen_endpoint()}};
  auto b = opened(b_options);
  ASSERT_TRUE(arrives(*b, "a", *a, "before"));

  std::mt19937_64 random(7);
  // A ZMTP 3.0 greeting, from which on the rest is read as commands and frames.
  std::string greeting = std::string("\xFF\0\0\0\0\0\0\0\1\x7F\3\0NULL", 16);
  greeting.resize(64, '\0');
  for (int i = 0; i < 200; ++i) {
    RawConnection raw(a->listen_endpoint());
    ASSERT_TRUE(raw.connected());
    std::string bytes = i % 2 == 0 ? greeting : "";
    const std::size_t length = random() % 300;
    for (std::size_t n = 0; n < length; ++n) bytes.push_back(static_cast<char>(random()));
    raw.write(bytes);
    if (i % 20 != 0) continue;
    ASSERT_TRUE(arrives(*b, "a", *a, "during " + std::to_string(i)));
  }
  EXPECT_TRUE(arrives(*b, "a", *a, "after"));
  EXPECT_TRUE(arrives(*a, "b", *b, "and back"));
}

TEST(ZmqTransport, strangers_without_a_usable_name_are_refused) {
  auto a = opened(options_of("a"));
  RawDealer nameless("", a->listen_endpoint());
  RawDealer unprintable("a\nb", a->listen_endpoint());
  RawDealer not_utf8("\xC3(", a->listen_endpoint());
  for (RawDealer* raw : {&nameless, &unprintable, &not_utf8}) raw->send({"hello"});
  EXPECT_TRUE(eventually([&] {
    EXPECT_FALSE(a->receive(10ms));
    return a->counters().messages_refused == 3;
  }));
  EXPECT_EQ(a->counters().messages_received, 0u);
}

TEST(ZmqTransport, messages_of_several_parts_are_refused_and_what_follows_is_read) {
  auto a = opened(options_of("a"));
  RawDealer odd("odd", a->listen_endpoint());
  odd.send({"one", "two"});
  odd.send({"", "", "three", ""});
  odd.send({""});
  odd.send({"whole"});
  EXPECT_EQ(next(*a), "odd: ");
  EXPECT_EQ(next(*a), "odd: whole");
  EXPECT_EQ(a->counters().messages_refused, 2u);
}

TEST(ZmqTransport, connections_that_fight_for_one_name_disturb_nobody_else) {
  auto a = opened(options_of("a"));
  auto b_options = options_of("b");
  b_options.peers = {{"a", a->listen_endpoint()}};
  auto b = opened(b_options);
  ASSERT_TRUE(arrives(*b, "a", *a, "before"));
  for (int i = 0; i < 50; ++i) {
    RawDealer one("contested", a->listen_endpoint());
    RawDealer other("contested", a->listen_endpoint());
    one.send({"mine"});
    other.send({"no, mine"});
    a->send("contested", "whose?");
    (void)a->receive(1ms);
  }
  EXPECT_TRUE(arrives(*b, "a", *a, "after"));
  EXPECT_TRUE(arrives(*a, "b", *b, "and back"));
}

TEST(ZmqTransport, many_messages_arrive_in_order_and_complete) {
  auto b = opened(options_of("b"));
  auto options = options_of("a");
  options.peers = {{"b", b->listen_endpoint()}};
  auto a = opened(options);
  ASSERT_TRUE(sent(*a, "b", "0"));
  EXPECT_EQ(next(*b), "a: 0");
  constexpr int count = 100'000;
  std::thread sender([&] {
    for (int i = 1; i <= count; ++i) {
      while (!a->send("b", std::to_string(i))) std::this_thread::yield();
    }
  });
  for (int i = 1; i <= count; ++i) {
    const auto incoming = b->receive(patience);
    ASSERT_TRUE(incoming) << "at " << i;
    ASSERT_EQ(incoming->bytes, std::to_string(i));
  }
  sender.join();
}

TEST(ZmqTransport, a_busy_peer_does_not_starve_a_quiet_one) {
  auto a = opened(options_of("a"));
  auto busy_options = options_of("busy");
  auto quiet = opened(options_of("quiet"));
  auto busy = opened(options_of("busy"));
  ASSERT_TRUE(a->dial("busy", busy->listen_endpoint()).ok());
  ASSERT_TRUE(a->dial("quiet", quiet->listen_endpoint()).ok());
  ASSERT_TRUE(arrives(*a, "busy", *busy, "come"));
  ASSERT_TRUE(arrives(*a, "quiet", *quiet, "come"));

  std::atomic<bool> stop{false};
  std::thread flood([&] {
    while (!stop) {
      if (!busy->send("a", "noise")) std::this_thread::yield();
    }
  });
  ASSERT_EQ(next(*a), "busy: noise");
  ASSERT_TRUE(quiet->send("a", "signal"));
  int noise = 0;
  std::string from;
  while (from != "quiet" && noise < 5'000'000) {
    const auto incoming = a->receive(patience);
    ASSERT_TRUE(incoming);
    from = incoming->from;
    ++noise;
  }
  stop = true;
  flood.join();
  EXPECT_EQ(from, "quiet");
}

// ---- Encryption ----

struct Identity {
  std::string name;
  CurveKeys keys = CurveKeys::generate();
};

ZmqOptions secured(const Identity& self, const std::vector<const Identity*>& trusted) {
  ZmqOptions options = options_of(self.name);
  options.keys = self.keys;
  for (const Identity* peer : trusted) {
    options.peer_public_keys.emplace(peer->name, peer->keys.public_key);
  }
  return options;
}

TEST(ZmqTransportWithKeys, two_that_know_each_others_keys_talk_both_ways) {
  const Identity a_identity{"a"}, b_identity{"b"};
  auto a = opened(secured(a_identity, {&b_identity}));
  auto b = opened(secured(b_identity, {&a_identity}));
  ASSERT_TRUE(b->dial("a", a->listen_endpoint()).ok());
  ASSERT_TRUE(sent(*b, "a", "hello"));
  EXPECT_EQ(next(*a), "b: hello");
  ASSERT_TRUE(a->send("b", "welcome"));
  EXPECT_EQ(next(*b), "a: welcome");
  EXPECT_EQ(a->counters().peers_refused, 0u);
}

TEST(ZmqTransportWithKeys, a_stranger_with_another_key_is_refused) {
  const Identity a_identity{"a"}, b_identity{"b"}, stranger_identity{"b"};
  auto a = opened(secured(a_identity, {&b_identity}));
  auto stranger = opened(secured(stranger_identity, {&a_identity}));
  ASSERT_TRUE(stranger->dial("a", a->listen_endpoint()).ok());
  EXPECT_TRUE(eventually([&] {
    stranger->send("a", "let me in");
    EXPECT_FALSE(stranger->receive(0ms));
    EXPECT_FALSE(a->receive(5ms));
    return a->counters().peers_refused >= 2;  // it has tried again
  }));
  EXPECT_EQ(a->counters().messages_received, 0u);

  auto b = opened(secured(b_identity, {&a_identity}));
  ASSERT_TRUE(b->dial("a", a->listen_endpoint()).ok());
  EXPECT_TRUE(arrives(*b, "a", *a, "hello"));
}

TEST(ZmqTransportWithKeys, one_without_encryption_is_refused_and_refuses) {
  const Identity a_identity{"a"}, b_identity{"b"};
  auto a = opened(secured(a_identity, {&b_identity}));
  auto plain = opened(options_of("b"));
  ASSERT_TRUE(plain->dial("a", a->listen_endpoint()).ok());
  ASSERT_TRUE(a->dial("b", plain->listen_endpoint()).ok());
  auto b = opened(secured(b_identity, {&a_identity}));
  ASSERT_TRUE(b->dial("a", a->listen_endpoint()).ok());
  EXPECT_TRUE(eventually([&] {
    plain->send("a", "in the clear");
    EXPECT_FALSE(plain->receive(0ms));
    b->send("a", "sealed");
    const auto incoming = a->receive(5ms);
    EXPECT_TRUE(!incoming || incoming->bytes == "sealed");
    return a->counters().messages_received >= 50;
  }));
}

TEST(ZmqTransportWithKeys, a_member_under_anothers_name_is_refused) {
  const Identity a_identity{"a"}, b_identity{"b"}, c_identity{"c"};
  auto a = opened(secured(a_identity, {&b_identity, &c_identity}));
  Identity impostor = c_identity;
  impostor.name = "b";
  auto c = opened(secured(impostor, {&a_identity}));
  ASSERT_TRUE(c->dial("a", a->listen_endpoint()).ok());
  EXPECT_TRUE(eventually([&] {
    c->send("a", "I am b");
    EXPECT_FALSE(a->receive(5ms));
    return a->counters().messages_refused >= 3;
  }));
  EXPECT_EQ(a->counters().messages_received, 0u);
}

TEST(ZmqTransportWithKeys, a_server_with_another_key_than_expected_hears_nothing) {
  const Identity a_identity{"a"}, b_identity{"b"}, false_a{"a"};
  auto impostor = opened(secured(false_a, {&b_identity}));
  auto b = opened(secured(b_identity, {&a_identity}));
  auto a = opened(secured(a_identity, {&b_identity}));
  ASSERT_TRUE(b->dial("a", impostor->listen_endpoint()).ok());
  for (int i = 0; i < 50; ++i) {
    EXPECT_FALSE(b->send("a", "secret"));
    EXPECT_FALSE(impostor->receive(5ms));
  }
  ASSERT_TRUE(b->dial("a", a->listen_endpoint()).ok());
  EXPECT_TRUE(arrives(*b, "a", *a, "secret"));
  EXPECT_EQ(impostor->counters().messages_received, 0u);
}

TEST(ZmqTransportWithKeys, keys_that_cannot_work_are_invalid_arguments) {
  const Identity self{"a"}, peer{"b"};
  const auto code_of = [](ZmqOptions options) {
    const auto transport = ZmqTransport::open(std::move(options));
    return transport.ok() ? "none" : std::string(to_string(transport.error().code));
  };
  const ZmqOptions good = secured(self, {&peer});
  EXPECT_EQ(code_of(good), "none");

  ZmqOptions options = good;
  options.keys.public_key = peer.keys.public_key;
  EXPECT_EQ(code_of(options), "invalid_argument");
  options = good;
  options.keys.secret_key = "short";
  EXPECT_EQ(code_of(options), "invalid_argument");
  options = good;
  options.keys.secret_key.clear();
  EXPECT_EQ(code_of(options), "invalid_argument");
  options = good;
  options.keys = {};
  EXPECT_EQ(code_of(options), "invalid_argument");
  options = good;
  options.peer_public_keys["b"] = std::string(40, '~');
  EXPECT_EQ(code_of(options), "invalid_argument");
  options = good;
  options.peer_public_keys["c"] = peer.keys.public_key;
  EXPECT_EQ(code_of(options), "invalid_argument");
  options = good;
  options.peers = {{"c", "tcp://127.0.0.1:7000"}};
  EXPECT_EQ(code_of(options), "invalid_argument");
}

}  // namespace
}  // namespace rejoin::transport
