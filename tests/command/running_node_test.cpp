// The sub-commands that ask a running node, with real processes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <nlohmann/json.hpp>

#include "node_process.h"
#include "process.h"

namespace rejoin {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;

TEST(MetricsCommand, prints_what_the_node_counts_and_where_it_is_served) {
  NodeProcess node("a", "[metrics]\nlisten = \"127.0.0.1:0\"\n");
  node.start();
  node.set("/k", 1);
  const Finished metrics = run({"metrics", "--config", node.config()});
  EXPECT_EQ(metrics.exit_code, 0) << metrics.err;
  EXPECT_THAT(metrics.out, AllOf(HasSubstr("\nrejoin_events_committed_total 1\n"),
                                 HasSubstr("\nrejoin_space_writes{space=\"s\"} 1\n")));
  const std::string address = node.call({{"command", "status"}})["metrics"];
  EXPECT_THAT(run({"status", "--socket", node.socket()}).out,
              HasSubstr("http://" + address + "/metrics"));
}

// ---- rejoin health ----

TEST(HealthCommand, tells_by_its_exit_code_whether_the_node_is_well) {
  NodeProcess a("a", "[peers]\nb = \"tcp://127.0.0.1:1\"\n"), b("b");
  const std::vector<std::string> ask{"health", "--config", a.config()};
  const Finished absent = run(ask);
  EXPECT_EQ(absent.exit_code, 2);
  EXPECT_THAT(absent.err, HasSubstr("no node listens there"));

  a.start();
  const Finished alone = run(ask);
  EXPECT_EQ(alone.exit_code, 1);
  EXPECT_EQ(alone.out, "no peer is heard: b\n");

  b.start();
  b.connect(a);
  a.wait_token(b.set("/k", 1)["token"]);
  const Finished well = run(ask);
  EXPECT_EQ(well.exit_code, 0) << well.out;
  EXPECT_EQ(well.out, "healthy\n");
}

TEST(HealthCommand, a_node_that_does_not_answer_is_not_healthy) {
  NodeProcess node("a");
  node.start();
  node.process().signal(SIGSTOP);
  const Finished stopped = run({"health", "--socket", node.socket()});
  EXPECT_EQ(stopped.exit_code, 1);
  EXPECT_EQ(stopped.out, "the node has not answered for 5 s\n");
}

// ---- systemd ----

// What a service manager hears.
class NotifySocket {
 public:
  NotifySocket() : socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path().copy(address.sun_path, sizeof address.sun_path - 1);
    const timeval limit{Process::patience.count(), 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (::bind(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
      throw std::runtime_error("cannot listen at " + path());
    }
  }
  ~NotifySocket() { ::close(socket_); }
  std::string path() const { return directory_.file("notify"); }
  std::string next() {
    char buffer[256];
    const ssize_t count = ::recv(socket_, buffer, sizeof buffer, 0);
    return count < 0 ? "nothing came" : std::string(buffer, static_cast<std::size_t>(count));
  }

 private:
  TempDirectory directory_;
  int socket_;
};

TEST(ServiceManager, hears_that_the_node_is_ready_alive_and_stopping) {
  NotifySocket manager;
  NodeProcess node("a");
  node.start({"NOTIFY_SOCKET=" + manager.path(), "WATCHDOG_USEC=200000"});
  EXPECT_EQ(manager.next(), "READY=1");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(manager.next(), "WATCHDOG=1");
  node.process().signal(SIGTERM);
  std::string said;
  while ((said = manager.next()) == "WATCHDOG=1") {
  }
  EXPECT_EQ(said, "STOPPING=1");
  EXPECT_EQ(node.process().wait(), 0);
}

TEST(ServiceManager, hears_nothing_of_life_unless_it_has_a_watchdog) {
  NotifySocket manager;
  NodeProcess node("a");
  node.start({"NOTIFY_SOCKET=" + manager.path()});
  EXPECT_EQ(manager.next(), "READY=1");
  node.process().signal(SIGTERM);
  EXPECT_EQ(manager.next(), "STOPPING=1");
}

}  // namespace
}  // namespace rejoin
