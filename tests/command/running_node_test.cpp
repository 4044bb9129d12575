// The sub-commands that ask a running node, with real processes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <atomic>
#include <chrono>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <thread>

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

// ---- rejoin members and best-node ----

// Nodes of an overlay in two regions.
class RegionsTest : public testing::Test {
 protected:
  RegionsTest() {
    a.start();
    const std::string first = a.call({{"command", "status"}})["listen"];
    b.emplace("b", "[overlay]\nregion = \"asia\"\n[peers]\na = \"" + first + "\"\n");
    b->start();
    const auto deadline = std::chrono::steady_clock::now() + Process::patience;
    for (NodeProcess* node : {&a, &*b}) {
      while (node->call({{"command", "members"}})["members"].size() < 2) {
        if (std::chrono::steady_clock::now() > deadline)
          throw std::runtime_error("they do not meet");
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
      }
    }
  }
  static Finished ask(const NodeProcess& node, std::vector<std::string> arguments) {
    arguments.insert(arguments.begin() + 1, {"--config", node.config()});
    return run(arguments);
  }

  NodeProcess a{"a", "[overlay]\nregion = \"europe\"\n"};
  std::optional<NodeProcess> b;
};

TEST_F(RegionsTest, members_shows_where_each_is) {
  const Finished members = ask(a, {"members"});
  EXPECT_EQ(members.exit_code, 0) << members.err;
  EXPECT_THAT(members.out, testing::ContainsRegex("a +alive +europe +tcp://"));
  EXPECT_THAT(members.out, testing::ContainsRegex("b +alive +neighbour +asia +tcp://"));
}

TEST_F(RegionsTest, best_node_names_one_of_the_region_first) {
  EXPECT_EQ(ask(a, {"best-node", "s1"}).out, "a\n");
  EXPECT_EQ(ask(*b, {"best-node", "s1"}).out, "b\n");
  EXPECT_EQ(ask(a, {"best-node", "s1", "--region", "asia"}).out, "b\n");
  EXPECT_EQ(ask(a, {"best-node", "s1", "--region", "asia", "--all"}).out, "b\na\n");
  const Finished of_none = ask(a, {"best-node", "s1", "--region", ""});
  EXPECT_EQ(of_none.exit_code, 0) << of_none.err;
  EXPECT_EQ(of_none.out, ask(*b, {"best-node", "s1", "--region", ""}).out);
  EXPECT_EQ(of_none.out, ask(*b, {"best-node", "s1", "--region", "mars"}).out);
  const Finished whole = ask(a, {"best-node", "s1", "--region", "asia", "--json"});
  EXPECT_EQ(json::parse(whole.out)["nodes"],
            json::parse(R"([{"name": "b", "region": "asia"}, {"name": "a", "region": "europe"}])"));
}

TEST_F(RegionsTest, best_node_goes_with_who_is_alive) {
  b->process().signal(SIGKILL);
  const auto deadline = std::chrono::steady_clock::now() + Process::patience;
  Finished best;
  do {
    best = ask(a, {"best-node", "s1", "--region", "asia"});
  } while (best.out == "b\n" && std::chrono::steady_clock::now() < deadline);
  EXPECT_EQ(best.out, "a\n");
}

TEST_F(RegionsTest, best_node_refuses_a_session_without_a_name) {
  const Finished refused = ask(a, {"best-node", ""});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.err, HasSubstr("\"session\" is empty"));
  EXPECT_EQ(ask(a, {"best-node"}).exit_code, 2);
  const Finished nobody = run({"best-node", "s1", "--socket", "/nonexistent"});
  EXPECT_EQ(nobody.exit_code, 1);
}

TEST_F(RegionsTest, completion_offers_the_regions) {
  const std::string line = "rejoin best-node --config " + a.config() + " s1 --region ";
  EXPECT_EQ(run({"complete", "--", line}).out, "asia\neurope\n");
  EXPECT_EQ(run({"complete", "--", line + "e"}).out, "europe\n");
}

// ---- rejoin get, set and watch ----

// A node with a space, and the sub-commands asked of it.
class RunningNodeTest : public testing::Test {
 protected:
  RunningNodeTest() { node.start(); }
  Finished ask(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin() + 1, {"--socket", node.socket()});
    return run(arguments);
  }
  // What `get` prints, as JSON.
  json get(const std::string& path) {
    const Finished got = ask({"get", path});
    EXPECT_EQ(got.exit_code, 0) << got.err;
    return json::parse(got.out);
  }
  void set(const std::string& path, const std::string& value) {
    const Finished done = ask({"set", path, value});
    EXPECT_EQ(done.exit_code, 0) << done.err;
    EXPECT_EQ(done.out, "");
  }
  void apply(const json& ops) { node.call({{"command", "apply"}, {"space", "s"}, {"ops", ops}}); }

  NodeProcess node{"a"};
};

TEST_F(RunningNodeTest, what_was_set_is_got) {
  set("/sessions/s1/user", "ada");
  set("/sessions/s1/age", "36");
  set("/flags", "[true, null, 1.5]");
  set("/limits", R"({"calls": 10, "deep": {"er": "x"}})");
  EXPECT_EQ(get("/sessions/s1/user"), "ada");
  EXPECT_EQ(get("/sessions"), json({{"s1", {{"user", "ada"}, {"age", 36}}}}));
  EXPECT_EQ(get("/list:flags"), json({true, nullptr, 1.5}));
  EXPECT_EQ(get("/"), node.exported());
  set("/limits", R"({"deep": {}})");
  EXPECT_EQ(get("/limits"), json({{"deep", json::object()}}));
  set("/sessions", "gone");  // what is there of another type gives way
  EXPECT_EQ(get("/"), json({{"flags", {true, nullptr, 1.5}},
                            {"limits", {{"deep", json::object()}}},
                            {"sessions", "gone"}}));
  set("/", R"({"only": "this"})");
  EXPECT_EQ(get("/"), json({{"only", "this"}}));
}

TEST_F(RunningNodeTest, a_value_is_a_text_only_where_it_cannot_be_json) {
  set("/a", "12");
  set("/b", "twelve");
  set("/c", "\"12\"");
  EXPECT_EQ(get("/"), json({{"a", 12}, {"b", "twelve"}, {"c", "12"}}));
  EXPECT_EQ(ask({"set", "--text", "/a", "12"}).exit_code, 0);
  EXPECT_EQ(get("/a"), "12");
  const Finished wrong = ask({"set", "/a", R"({"x": )"});
  EXPECT_EQ(wrong.exit_code, 2);
  EXPECT_THAT(wrong.err, HasSubstr("VALUE: begins as JSON and is not; with --text"));
  EXPECT_EQ(get("/a"), "12");
}

TEST_F(RunningNodeTest, set_changes_what_is_there_by_its_own_rules) {
  apply({{{"op", "add"}, {"path", "/counter:n"}, {"amount", 5}},
         {{"op", "include"}, {"path", "/set:tags"}, {"value", "x"}},
         {{"op", "include"}, {"path", "/set:tags"}, {"value", "y"}}});
  set("/n", "3");
  set("/tags", R"(["y", "z"])");
  EXPECT_EQ(get("/counter:n"), 3);
  EXPECT_EQ(get("/set:tags"), json({"y", "z"}));
}

TEST_F(RunningNodeTest, a_type_in_the_path_says_what_comes_to_be) {
  set("/counter:n", "7");
  set("/counter:n", "3");
  set("/enable_flag:on", "true");
  set("/max_register:m", "5");
  set("/max_register:m", "4");
  EXPECT_EQ(get("/"), json({{"n", 3}, {"on", true}, {"m", 5}}));
  EXPECT_EQ(get("/counter:n"), 3);
  const Finished refused = ask({"set", "/set:tags", "[1]"});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.err, HasSubstr("put makes no set; without a type in the path"));
  const Finished no_number = ask({"set", "/counter:n", "many"});
  EXPECT_EQ(no_number.exit_code, 1);
  EXPECT_THAT(no_number.err, HasSubstr("\"value\" must be an integer"));
  EXPECT_EQ(get("/counter:n"), 3);
}

TEST_F(RunningNodeTest, errors_name_the_path) {
  const Finished nothing = ask({"get", "/a/b"});
  EXPECT_EQ(nothing.exit_code, 1);
  EXPECT_THAT(nothing.err, HasSubstr("not_found at /a/b: nothing is there in space s"));
  EXPECT_EQ(lines(nothing.err), 1u);
  const Finished malformed = ask({"get", "a/b"});
  EXPECT_EQ(malformed.exit_code, 1);
  EXPECT_EQ(lines(malformed.err), 1u);
  EXPECT_EQ(ask({"set", "/a"}).exit_code, 2);
}

TEST_F(RunningNodeTest, of_several_spaces_one_must_be_chosen) {
  node.call({{"command", "open"}, {"space", "t"}, {"durable", false}});
  const Finished unclear = ask({"get"});
  EXPECT_EQ(unclear.exit_code, 1);
  EXPECT_THAT(unclear.err, HasSubstr("choose one with --space: s, t"));
  EXPECT_EQ(ask({"set", "--space", "t", "/k", "1"}).exit_code, 0);
  EXPECT_EQ(ask({"get", "--space", "t", "/k"}).out, "1\n");
  const Finished unknown = ask({"get", "--space", "u"});
  EXPECT_EQ(unknown.exit_code, 1);
  EXPECT_THAT(unknown.err, HasSubstr("no space \"u\" is open here"));
}

TEST_F(RunningNodeTest, watch_prints_what_changes_until_it_has_printed_enough) {
  Process watch({"watch", "--socket", node.socket(), "/a", "-n", "3"});
  // It begins at some time: written until it is seen.
  std::atomic<bool> is_seen{false};
  std::thread writer([&] {
    node::AdminClient client = *node::AdminClient::connect(node.socket());
    for (int i = 0; !is_seen; ++i) {
      const json operation = {{"op", "set"}, {"path", "/a"}, {"value", i}};
      const auto written =
          client.call({{"command", "apply"}, {"space", "s"}, {"ops", {operation}}});
      EXPECT_TRUE(written);
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  });
  const std::string first = watch.line().value_or("");
  is_seen = true;
  writer.join();
  EXPECT_THAT(first, AllOf(HasSubstr("\"path\":\"/register:a\""), HasSubstr("\"value\":")));
  for (int i = 0; i < 2; ++i) {
    node.set("/a", "more");
    watch.line();
  }
  EXPECT_EQ(watch.wait(), 0);
}

TEST_F(RunningNodeTest, a_watch_ends_with_the_node) {
  Process watch({"watch", "--socket", node.socket()});
  const auto connections = [&] {
    std::ifstream table("/proc/net/unix");
    const std::string all(std::istreambuf_iterator<char>(table), {});
    std::size_t count = 0;
    for (std::size_t at = 0; (at = all.find(node.socket(), at)) != std::string::npos; ++at) ++count;
    return count;
  };
  const auto deadline = std::chrono::steady_clock::now() + Process::patience;
  // The listener, our connection, and that of the watch.
  while (connections() < 3 && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  node.process().signal(SIGTERM);
  EXPECT_EQ(node.process().wait(), 0);
  EXPECT_EQ(watch.wait(), 1);
  EXPECT_THAT(watch.err(), HasSubstr("the node closed the admin connection"));
}

// A connection that watches.
class Watching {
 public:
  Watching(NodeProcess& node, const std::string& path, bool values = true)
      : client_(*node::AdminClient::connect(node.socket())) {
    const auto begun =
        client_.call({{"command", "watch"}, {"space", "s"}, {"path", path}, {"values", values}});
    if (!begun) throw std::runtime_error(begun.error().to_string());
  }
  json next() {
    auto line = client_.next();
    return line ? *line : json(line.error().to_string());
  }
  Result<json> call(const json& request) { return client_.call(request); }

 private:
  node::AdminClient client_;
};

TEST_F(RunningNodeTest, a_watched_name_is_told_whatever_comes_to_be_under_it) {
  Watching watch(node, "/a");
  node.set("/b", 0);
  node.set("/a", 1);
  EXPECT_EQ(watch.next(), json({{"path", "/register:a"}, {"value", 1}}));
  node.set("/ab", 2);
  apply({{{"op", "remove"}, {"path", "/register:a"}}});
  EXPECT_EQ(watch.next(), json({{"path", "/register:a"}, {"removed", true}}));
  node.set("/a/x/y", "deep");
  EXPECT_EQ(watch.next(), json({{"path", "/map:a/map:x/register:y"}, {"value", "deep"}}));
  apply({{{"op", "push"}, {"path", "/a/l"}, {"values", {1, 2}}}});
  EXPECT_EQ(watch.next(), json({{"path", "/map:a/list:l"}, {"value", {1, 2}}}));
  apply({{{"op", "include"}, {"path", "/a/tags"}, {"value", "x"}}});
  EXPECT_EQ(watch.next(), json({{"path", "/map:a/set:tags"}, {"value", {"x"}}}));
}

TEST_F(RunningNodeTest, one_commit_is_told_as_it_is_when_it_is_told) {
  Watching watch(node, "/", false);
  apply({{{"op", "set"}, {"path", "/b"}, {"value", 2}},
         {{"op", "set"}, {"path", "/a"}, {"value", 1}}});
  EXPECT_EQ(watch.next(), json({{"path", "/register:a"}}));
  EXPECT_EQ(watch.next(), json({{"path", "/register:b"}}));
}

TEST_F(RunningNodeTest, of_too_many_changes_only_the_watched_path_is_told) {
  Watching named(node, "/many", false), typed(node, "/map:many", false);
  json ops = json::array();
  for (int i = 0; i < 1500; ++i) {
    ops.push_back({{"op", "set"}, {"path", "/many/" + std::to_string(i)}, {"value", i}});
  }
  apply(ops);
  EXPECT_EQ(named.next(), json({{"path", "/map:many"}}));
  EXPECT_EQ(typed.next(), json({{"path", "/map:many"}}));
  node.set("/many/last", 1);
  EXPECT_EQ(named.next(), json({{"path", "/map:many/register:last"}}));
  EXPECT_EQ(typed.next(), json({{"path", "/map:many/register:last"}}));
}

TEST_F(RunningNodeTest, what_peers_write_is_watched_too) {
  NodeProcess other("b");
  other.start();
  node.connect(other);
  other.connect(node);
  Watching watch(node, "/counter:n");
  other.call({{"command", "apply"},
              {"space", "s"},
              {"ops", {{{"op", "add"}, {"path", "/counter:n"}, {"amount", 7}}}}});
  EXPECT_EQ(watch.next(), json({{"path", "/counter:n"}, {"value", 7}}));
}

TEST_F(RunningNodeTest, a_connection_that_watches_takes_no_requests) {
  Watching watch(node, "/");
  const auto answer = watch.call({{"command", "traffic"}});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::closed);
  node.set("/k", 1);  // and holds up nobody
}

TEST_F(RunningNodeTest, children_are_named_by_the_map_they_are_in) {
  set("/m", R"({"apple": 1, "apricot": {}, "pear": []})");
  apply({{{"op", "push"}, {"path", "/m/pear"}, {"value", 1}}});
  const auto children = [&](const json& more) {
    json request = {{"command", "children"}, {"space", "s"}};
    request.update(more);
    return node.call(request)["children"];
  };
  EXPECT_EQ(
      children({{"path", "/m"}, {"prefix", "ap"}}),
      json({{{"name", "apple"}, {"type", "register"}}, {{"name", "apricot"}, {"type", "map"}}}));
  EXPECT_EQ(children(json::object()), json({{{"name", "m"}, {"type", "map"}}}));
  EXPECT_EQ(children({{"path", "/nowhere"}}), json::array());
  for (const char* path : {"/list:pear", "/m/list:pear", "/tree:t/x"}) {
    EXPECT_FALSE(node.try_call({{"command", "children"}, {"space", "s"}, {"path", path}})) << path;
  }
  EXPECT_EQ(node.call({{"command", "spaces"}})["spaces"],
            json({{{"name", "s"}, {"durable", true}}}));
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
