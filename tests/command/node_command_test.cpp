// `rejoin node` and `rejoin status`, and the admin socket between them, with real processes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "../node/temp_directory.h"
#include "node_process.h"
#include "process.h"

namespace rejoin {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

// ---- The command line itself ----

TEST(CommandLine, helps_and_gives_its_version) {
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"--help"}, {"node", "--help"}, {"status", "--help"}}) {
    const Finished help = run(arguments);
    EXPECT_EQ(help.exit_code, 0);
    EXPECT_THAT(help.out, AllOf(HasSubstr("Example"), HasSubstr("Exit codes"))) << arguments[0];
  }
  const Finished version = run({"--version"});
  EXPECT_EQ(version.exit_code, 0);
  EXPECT_THAT(version.out, StartsWith("rejoin "));
}

TEST(CommandLine, wrong_usage_gets_one_line_and_exit_code_2) {
  for (const std::vector<std::string>& arguments : {std::vector<std::string>{},
                                                    {"frobnicate"},
                                                    {"node"},
                                                    {"node", "--nope"},
                                                    {"status"},
                                                    {"status", "--socket", "a", "--config", "b"}}) {
    const Finished wrong = run(arguments);
    EXPECT_EQ(wrong.exit_code, 2);
    EXPECT_EQ(wrong.out, "");
    EXPECT_THAT(wrong.err, StartsWith("rejoin: "));
    EXPECT_THAT(wrong.err, HasSubstr("--help"));
    EXPECT_EQ(lines(wrong.err), 1u) << wrong.err;
  }
}

TEST(NodeCommand, a_missing_or_wrong_config_gets_one_line) {
  Finished failed = run({"node", "--config", "/nonexistent/node.toml"});
  EXPECT_EQ(failed.exit_code, 1);
  EXPECT_THAT(failed.err, HasSubstr("/nonexistent/node.toml"));
  EXPECT_EQ(lines(failed.err), 1u) << failed.err;

  TempDirectory directory;
  std::ofstream(directory.file("node.toml")) << "name = \"a\"\nlisten = 7\n";
  failed = run({"node", "--config", directory.file("node.toml")});
  EXPECT_EQ(failed.exit_code, 1);
  EXPECT_THAT(failed.err, HasSubstr("node.toml:2: listen: expected a string"));
  EXPECT_EQ(lines(failed.err), 1u) << failed.err;
}

TEST(NodeCommand, a_port_in_use_gets_one_line_that_names_it) {
  NodeProcess first("a");
  first.start();
  const std::string endpoint = first.call({{"command", "status"}})["listen"];
  NodeProcess second("b", "listen = \"" + endpoint + "\"");
  const Finished failed = run({"node", "--config", second.config()});
  EXPECT_EQ(failed.exit_code, 1);
  EXPECT_THAT(failed.err, AllOf(HasSubstr("address_in_use"), HasSubstr(endpoint)));
  EXPECT_EQ(lines(failed.err), 1u) << failed.err;
}

TEST(NodeCommand, a_store_in_use_gets_one_line_that_names_it) {
  NodeProcess node("a");
  node.start();
  const Finished failed = run({"node", "--config", node.config()});
  EXPECT_EQ(failed.exit_code, 1);
  EXPECT_THAT(failed.err, AllOf(HasSubstr("busy"), HasSubstr(node.directory())));
  EXPECT_EQ(lines(failed.err), 1u) << failed.err;
}

TEST(NodeCommand, says_when_it_is_ready_and_ends_cleanly_on_every_way_to_stop) {
  NodeProcess node("a");
  for (int number : {SIGINT, SIGTERM, 0}) {
    node.start();
    EXPECT_THAT(node.ready_line(), AllOf(HasSubstr("a is ready at tcp://127.0.0.1:"),
                                         HasSubstr(node.directory()), HasSubstr("admin.sock")));
    if (number != 0) {
      node.process().signal(number);
    } else {
      node.call({{"command", "stop"}});
    }
    EXPECT_EQ(node.process().wait(), 0) << node.process().err();
    EXPECT_FALSE(std::filesystem::exists(node.socket()));
  }
}

TEST(NodeCommand, kill_9_costs_nothing_that_was_acknowledged) {
  NodeProcess node("a");
  node.start();
  const std::string replica = node.space()["replica"];
  node.set("/k", "v");
  node.process().signal(SIGKILL);
  EXPECT_EQ(node.process().wait(), 128 + SIGKILL);
  EXPECT_TRUE(std::filesystem::exists(node.socket())) << "a stale socket is left behind";
  node.start();
  EXPECT_EQ(node.exported(), json({{"k", "v"}}));
  node.set("/k", "w");
  EXPECT_EQ(node.exported(), json({{"k", "w"}}));
}

TEST(NodeCommand, logs_a_json_object_a_line_where_it_is_asked_to) {
  NodeProcess node("a", "log_format = \"json\"\n"), peer("the \\\"peer\\\"");
  node.start();
  peer.start();
  peer.connect(node);
  node.wait_token(peer.set("/k", 1)["token"]);
  node.process().signal(SIGTERM);
  ASSERT_EQ(node.process().wait(), 0);
  std::istringstream log(node.process().err());
  std::vector<json> entries;
  for (std::string line; std::getline(log, line);) {
    entries.push_back(json::parse(line, nullptr, false));
    ASSERT_TRUE(entries.back().is_object()) << line;
    EXPECT_EQ(entries.back()["node"], "a");
    EXPECT_THAT(entries.back()["time"].get<std::string>(),
                testing::MatchesRegex("20..-[01].-[0-3].T[012].:[0-5].:[0-5].[.][0-9][0-9][0-9]Z"));
  }
  const auto up = std::ranges::find(entries, "peer_up",
                                    [](const json& entry) { return entry.value("event", ""); });
  ASSERT_NE(up, entries.end()) << node.process().err();
  EXPECT_EQ((*up)["level"], "info");
  EXPECT_EQ((*up)["peer"], "the \"peer\"");
  EXPECT_EQ((*up)["message"], "peer the \"peer\" is up");
}

// ---- Status ----

TEST(StatusCommand, shows_spaces_hashes_and_peers) {
  NodeProcess node("frankfurt", "[peers]\nvirginia = \"tcp://127.0.0.1:1\"");
  node.start();
  node.set("/k", "v");
  const json space = node.space();
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"status", "--config", node.config()},
        {"status", "--socket", node.socket()}}) {
    const Finished status = run(arguments);
    EXPECT_EQ(status.exit_code, 0) << status.err;
    EXPECT_THAT(status.out, HasSubstr("frankfurt (cluster rejoin"));
    EXPECT_THAT(status.out, HasSubstr("space s, durable"));
    EXPECT_THAT(status.out, HasSubstr(space["hash"].get<std::string>()));
    EXPECT_THAT(status.out, HasSubstr(space["replica"].get<std::string>()));
    EXPECT_THAT(status.out, testing::ContainsRegex("virginia +never heard +0 +0 +1"));
  }
  const Finished as_json = run({"status", "--socket", node.socket(), "--json"});
  EXPECT_EQ(as_json.exit_code, 0);
  EXPECT_EQ(json::parse(as_json.out)["spaces"][0]["hash"], space["hash"]);
}

TEST(StatusCommand, says_so_when_no_node_is_there) {
  NodeProcess node("a");
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"status", "--config", node.config()},
        {"status", "--socket", "/nonexistent/admin.sock"}}) {
    const Finished failed = run(arguments);
    EXPECT_EQ(failed.exit_code, 1);
    EXPECT_THAT(failed.err, HasSubstr("no node listens there"));
    EXPECT_EQ(lines(failed.err), 1u) << failed.err;
  }
}

// ---- The admin socket ----

TEST(AdminSocket, is_for_its_user_only) {
  NodeProcess node("a");
  node.start();
  struct stat found {};
  ASSERT_EQ(::stat(node.socket().c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0600u);
}

TEST(AdminSocket, every_operation_does_what_it_says) {
  NodeProcess node("a");
  node.start();
  const json committed =
      node.call({{"command", "apply"},
                 {"space", "s"},
                 {"ops",
                  {{{"op", "set"}, {"path", "/r"}, {"value", 1.5}},
                   {{"op", "set"}, {"path", "/max_register:m"}, {"value", 3}},
                   {{"op", "set"}, {"path", "/bytes"}, {"value", {{"$bytes", "AAEC"}}}},
                   {{"op", "set"}, {"path", "/gone"}, {"value", true}},
                   {{"op", "clear"}, {"path", "/gone"}},
                   {{"op", "add"}, {"path", "/deep/er/c"}, {"amount", -5}},
                   {{"op", "add"}, {"path", "/deep/er/c"}},
                   {{"op", "add"}, {"path", "/reset"}, {"amount", 7}},
                   {{"op", "reset"}, {"path", "/reset"}},
                   {{"op", "add"}, {"path", "/reset"}, {"amount", 2}},
                   {{"op", "flag"}, {"path", "/f"}, {"on", true}},
                   {{"op", "include"}, {"path", "/tags"}, {"value", "x"}},
                   {{"op", "include"}, {"path", "/tags"}, {"value", "y"}},
                   {{"op", "exclude"}, {"path", "/tags"}, {"value", "x"}},
                   {{"op", "push"}, {"path", "/l"}, {"values", {1, 2, 3}}},
                   {{"op", "push"}, {"path", "/l"}, {"value", 4}},
                   {{"op", "insert"}, {"path", "/l"}, {"index", 0}, {"value", 0}},
                   {{"op", "erase"}, {"path", "/l"}, {"index", 1}, {"count", 2}},
                   {{"op", "create"}, {"path", "/empty"}},
                   {{"op", "import"}, {"path", "/tree"}, {"json", {{"a", {{"b", 1}}}, {"c", 2}}}},
                   {{"op", "remove"}, {"path", "/tree/a"}}}}});
  EXPECT_EQ(committed["dot"]["replica"], node.space()["replica"]);
  EXPECT_EQ(node.exported(), json({{"r", 1.5},
                                   {"m", 3},
                                   {"bytes", {{"$bytes", "AAEC"}}},
                                   {"deep", {{"er", {{"c", -4}}}}},
                                   {"reset", 2},
                                   {"f", true},
                                   {"tags", {"y"}},
                                   {"l", {0, 3, 4}},
                                   {"empty", json::object()},
                                   {"tree", {{"c", 2}}}}));
}

TEST(AdminSocket, operations_commit_together_or_not_at_all) {
  NodeProcess node("a");
  node.start();
  auto refused = node.try_call({{"command", "apply"},
                                {"space", "s"},
                                {"ops",
                                 {{{"op", "set"}, {"path", "/k"}, {"value", 1}},
                                  {{"op", "erase"}, {"path", "/l"}, {"index", 0}}}}});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::out_of_range);
  EXPECT_EQ(node.exported(), json::object());
}

TEST(AdminSocket, wrong_requests_are_answered_and_change_nothing) {
  NodeProcess node("a");
  node.start();
  const std::pair<json, const char*> wrong[] = {
      {json::array(), "expected a JSON object"},
      {{{"command", 7}}, "\"command\" must be a string"},
      {{{"command", "fly"}}, "no command \"fly\"; known are watch, status"},
      {{{"command", "token"}}, "\"space\" is missing"},
      {{{"command", "token"}, {"space", "nope"}}, "no space \"nope\" is open here"},
      {{{"command", "status"}, {"verbose", true}}, "\"verbose\" is not known here"},
      {{{"command", "wait_token"}, {"token", "rj1.AAAA"}}, "not a causal token"},
      {{{"command", "apply"}, {"space", "s"}, {"ops", {{{"op", "fly"}}}}},
       "operation 1: \"fly\" is not known here"},
      {{{"command", "apply"}, {"space", "s"}, {"ops", {{{"op", "set"}, {"path", "/k"}}}}},
       "operation 1: \"value\" is missing"},
      {{{"command", "apply"},
        {"space", "s"},
        {"ops", {{{"op", "add"}, {"path", "/list:k"}, {"amount", 1}}}}},
       "does not apply to a list"},
      {{{"command", "apply"},
        {"space", "s"},
        {"ops", {{{"op", "set"}, {"path", "/list:l/x"}, {"value", 1}}}}},
       "only maps live below a list"},
      {{{"command", "apply"},
        {"space", "s"},
        {"ops", {{{"op", "set"}, {"path", "/register:r/x"}, {"value", 1}}}}},
       "nothing lives below type register"},
  };
  for (const auto& [request, said] : wrong) {
    auto answer = node.try_call(request);
    ASSERT_FALSE(answer) << request;
    EXPECT_THAT(answer.error().message, HasSubstr(said)) << request;
  }
  EXPECT_EQ(node.exported(), json::object());
}

// One connection without the client, to say what it never would.
class RawConnection {
 public:
  explicit RawConnection(const std::string& path) : socket_(::socket(AF_UNIX, SOCK_STREAM, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    if (::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
      throw std::runtime_error("cannot connect to " + path);
    }
    timeval limit{Process::patience.count(), 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  }
  ~RawConnection() { ::close(socket_); }
  // Stops at the first failure: the node may have hung up.
  void send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t count = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (count <= 0) return;
      bytes.remove_prefix(static_cast<std::size_t>(count));
    }
  }
  // Up to the end of a line, or of the connection.
  std::string line() {
    std::string text;
    for (char c; ::recv(socket_, &c, 1, 0) == 1 && c != '\n';) text.push_back(c);
    return text;
  }
  // Whether the node has closed it, rather than having nothing to say.
  bool is_closed() {
    char c;
    const ssize_t count = ::recv(socket_, &c, 1, MSG_DONTWAIT);
    return count == 0 || (count < 0 && errno == ECONNRESET);
  }

 private:
  int socket_;
};

TEST(AdminSocket, survives_whatever_bytes_come) {
  NodeProcess node("a");
  node.start();
  {
    RawConnection raw(node.socket());
    raw.send(
        "\n{\"command\": \n\xff\xfe\n{\"command\": \"token\", \"space\": \"s\", \"id\": [1]}\n");
    EXPECT_EQ(json::parse(raw.line())["error"]["code"], "malformed");
    EXPECT_EQ(json::parse(raw.line())["error"]["code"], "malformed");
    EXPECT_EQ(json::parse(raw.line())["error"]["code"], "malformed");
    const json answer = json::parse(raw.line());
    EXPECT_EQ(answer["ok"], true);
    EXPECT_EQ(answer["id"], json({1}));
  }
  {
    RawConnection raw(node.socket());
    raw.send(std::string(1'000'000, '[') + "\n");
    EXPECT_THAT(json::parse(raw.line())["error"]["message"], HasSubstr("nests too deep"));
  }
  {
    RawConnection raw(node.socket());
    raw.send(std::string((16u << 20) + 70'000, 'x'));
    EXPECT_EQ(json::parse(raw.line())["error"]["code"], "limit_exceeded");
  }
  { RawConnection(node.socket()).send("{\"command\": \"st"); }
  node.set("/k", 1);
  EXPECT_EQ(node.exported(), json({{"k", 1}}));
}

TEST(AdminSocket, a_connection_that_says_more_than_that_it_watches_is_closed) {
  NodeProcess node("a");
  node.start();
  RawConnection raw(node.socket());
  raw.send("{\"command\": \"watch\", \"space\": \"s\"}\n{\"command\": \"traffic\"}\n");
  EXPECT_EQ(raw.line(), "{\"ok\":true}");
  EXPECT_EQ(raw.line(), "");
  EXPECT_TRUE(raw.is_closed());
}

TEST(AdminSocket, one_that_waits_holds_up_nobody_else) {
  NodeProcess node("a");
  node.start();
  const json committed = node.set("/k", 1);
  RawConnection waiting(node.socket());
  waiting.send(json({{"command", "wait_receipt"},
                     {"space", "s"},
                     {"dot", committed["dot"]},
                     {"wait", {{"peers", 1}}},
                     {"timeout_ms", 1000}})
                   .dump() +
               "\n");
  node.set("/k", 2);
  const json answer = json::parse(waiting.line());
  EXPECT_EQ(answer["error"]["code"], "timeout");
  EXPECT_THAT(answer["error"]["message"], HasSubstr("durable here and on 0 of 1 peer"));
}

TEST(AdminSocket, a_write_that_is_not_safe_in_time_still_gives_its_dot) {
  NodeProcess node("a");
  node.start();
  RawConnection raw(node.socket());
  raw.send(json({{"command", "apply"},
                 {"space", "s"},
                 {"ops", {{{"op", "set"}, {"path", "/k"}, {"value", 1}}}},
                 {"wait", {{"peer", "b"}}},
                 {"timeout_ms", 50}})
               .dump() +
           "\n");
  const json answer = json::parse(raw.line());
  EXPECT_EQ(answer["ok"], false);
  EXPECT_EQ(answer["error"]["code"], "timeout");
  EXPECT_EQ(answer["dot"]["sequence"], 1);
  EXPECT_EQ(node.exported(), json({{"k", 1}}));
}

// ---- Processes together ----

TEST(NodeProcesses, live_through_a_cut_link_and_kill_9_and_agree) {
  NodeProcess a("a"), b("b");
  a.start();
  b.start();
  a.connect(b);
  b.connect(a);
  b.wait_token(a.set("/before", 1)["token"]);

  a.call({{"command", "link"}, {"peer", "b"}, {"up", false}});
  EXPECT_EQ(a.call({{"command", "status"}})["links_down"], json({"b"}));
  const json from_a = a.set("/at a", 2);
  const json from_b = b.set("/at b", 3);
  auto stuck =
      b.try_call({{"command", "wait_token"}, {"token", from_a["token"]}, {"timeout_ms", 50}});
  ASSERT_FALSE(stuck);
  EXPECT_EQ(stuck.error().code, ErrorCode::timeout);

  b.process().signal(SIGKILL);
  b.process().wait();
  b.start();
  b.connect(a);
  a.connect(b);  // its port is another one now
  a.call({{"command", "link"}, {"peer", "b"}, {"up", true}});

  b.wait_token(from_a["token"]);
  a.wait_token(from_b["token"]);
  EXPECT_EQ(a.exported(), json({{"before", 1}, {"at a", 2}, {"at b", 3}}));
  EXPECT_EQ(b.exported(), a.exported());
  EXPECT_EQ(a.space()["hash"], b.space()["hash"]);
  EXPECT_GT(a.call({{"command", "traffic"}})["bytes_sent"], 0);

  // A client that carries its token sees its own writes wherever it goes.
  const json second = b.call({{"command", "apply"},
                              {"space", "s"},
                              {"after", a.set("/x", 1)["token"]},
                              {"ops", {{{"op", "add"}, {"path", "/counter:n"}}}},
                              {"wait", {{"peer", "a"}}}});
  EXPECT_EQ(a.exported()["x"], 1);
  EXPECT_EQ(a.exported()["n"], 1);
}

}  // namespace
}  // namespace rejoin
