// `rejoin top`, as text and on a terminal.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <sstream>
#include <thread>

#include "node_process.h"
#include "process.h"
#include "terminal.h"

namespace rejoin {
namespace {

using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

Finished once(const NodeProcess& node, std::vector<std::string> more = {}) {
  more.insert(more.begin(), {"top", "--socket", node.socket(), "--once", "--interval", "0.1"});
  return run(more);
}

Terminal top(const NodeProcess& node, unsigned short lines = 24, unsigned short columns = 80,
             const char* kind = "xterm") {
  return Terminal({rejoin_program(), "top", "--config", node.config(), "--interval", "0.1"}, lines,
                  columns, kind);
}

TEST(TopCommand, tells_of_the_node_its_spaces_and_peers) {
  NodeProcess a("a", "[peers]\nzeta = \"tcp://127.0.0.1:1\"\n"), b("b");
  a.start();
  b.start();
  b.connect(a);
  a.connect(b);
  b.wait_token(a.set("/k", 1)["token"]);
  a.wait_token(b.set("/k", 2)["token"]);
  const Finished shown = once(a);
  EXPECT_EQ(shown.exit_code, 0) << shown.err;
  EXPECT_THAT(shown.out, AllOf(HasSubstr("a   cluster rejoin"), HasSubstr("\nhealthy\n"),
                               HasSubstr("divergences 0"), ContainsRegex("files [0-9.]+ [kM]?B")));
  EXPECT_THAT(shown.out, ContainsRegex("\ns +2 +0 +0 +1 +0 +0 +2\n"));
  EXPECT_THAT(shown.out, ContainsRegex("\nzeta +SILENT +never +0 +0 +2\nb +alive +[0-9]+ ms ago"))
      << "who is behind comes first";
  a.call({{"command", "open"}, {"space", "empty"}, {"durable", false}});
  EXPECT_THAT(once(a, {"--space", "empty"}).out,
              ContainsRegex("\nzeta +SILENT +never +0 +0 +0\nb +alive"))
      << "who is silent comes first";
  std::istringstream lines(shown.out);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 80u) << line;
}

TEST(TopCommand, shows_how_fast_writes_come) {
  NodeProcess node("a");
  node.start();
  Process shown({"top", "--socket", node.socket(), "--once", "--interval", "0.5"});
  // Until it has ended, so that some fall between its two readings.
  std::atomic<bool> has_ended{false};
  std::thread writer([&] {
    for (int i = 0; !has_ended; ++i) node.set("/k", i);
  });
  EXPECT_EQ(shown.wait(), 0);
  has_ended = true;
  writer.join();
  EXPECT_THAT(shown.out(),
              ContainsRegex("events   [1-9][0-9.k]*/s committed here, 0/s from peers"));
  EXPECT_THAT(shown.out(), ContainsRegex("disk     [1-9][0-9.k]* commits/s"));
  EXPECT_THAT(shown.out(), ContainsRegex("\ns +[0-9]+ +[1-9][0-9.k]* +0 +1 "));
}

TEST(TopCommand, shows_the_peers_of_the_space_that_is_chosen) {
  NodeProcess node("a", "[peers]\nb = \"tcp://127.0.0.1:1\"\n");
  node.start();
  node.call({{"command", "open"}, {"space", "t"}, {"durable", false}});
  node.set("/k", 1);
  EXPECT_THAT(once(node).out, ContainsRegex("\nb +SILENT +never +0 +0 +1\n"));
  EXPECT_THAT(once(node, {"--space", "t"}).out, ContainsRegex("\nb +SILENT +never +0 +0 +0\n"));
  EXPECT_THAT(once(node).out, HasSubstr("NOT HEALTHY: no peer is heard: b"));
}

TEST(TopCommand, needs_a_node_and_a_terminal) {
  NodeProcess node("a");
  const Finished absent = once(node);
  EXPECT_EQ(absent.exit_code, 1);
  EXPECT_THAT(absent.err, HasSubstr("no node listens there"));
  const Finished blind = run({"top", "--config", node.config()});
  EXPECT_EQ(blind.exit_code, 1);
  EXPECT_THAT(blind.err, HasSubstr("there is no terminal to draw on"));
  const Finished lost = run({"top", "--config", "/nonexistent"});
  EXPECT_EQ(lost.exit_code, 1);
  EXPECT_THAT(lost.err, HasSubstr("cannot read the config file"));
  Terminal unknown = top(node, 24, 80, "no-such-terminal");
  unknown.read_until("TERM is no-such-terminal");
  EXPECT_EQ(unknown.wait(), 1);
}

TEST(TopCommand, goes_on_while_the_node_is_away_and_ends_at_q) {
  NodeProcess node("a");
  Terminal terminal = top(node);
  terminal.read_until("NO ANSWER");
  node.start();
  terminal.read_until("healthy");
  terminal.type("h");
  terminal.read_until("writes made here in a second");
  terminal.type("h");
  terminal.read_until("healthy");
  node.process().signal(SIGKILL);
  node.process().wait();
  terminal.read_until("NO ANSWER");
  node.start();
  terminal.read_until("healthy");
  terminal.type("q");
  EXPECT_EQ(terminal.wait(), 0);
}

TEST(TopCommand, what_does_not_fit_is_counted_and_the_chosen_space_is_there) {
  NodeProcess node("a");
  node.start();
  for (char name = 'A'; name <= 'Z'; ++name) {
    node.call({{"command", "open"}, {"space", std::string("space-") + name}, {"durable", false}});
  }
  Terminal terminal = top(node, 20, 60);
  const std::string first = terminal.read_until("more");
  EXPECT_THAT(first, AllOf(HasSubstr("space-A"), Not(HasSubstr("space-Z"))));
  terminal.type("\x1b[Z");  // back from the first: the last
  terminal.read_until("space-Z");
  terminal.type("q");
  EXPECT_EQ(terminal.wait(), 0);
}

}  // namespace
}  // namespace rejoin
