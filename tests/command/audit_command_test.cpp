// `rejoin audit`, and the commands that ask a running node about the past.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "../node/nodes.h"
#include "../node/temp_directory.h"
#include "process.h"

namespace rejoin::command {
namespace {

using node::must;
using node::Node;
using node::Space;
using testing::HasSubstr;

class AuditCommand : public testing::Test {
 protected:
  // 40 turns of an "agent", each a commit.
  void fill(const std::string& directory) {
    Node one = must(Node::open(node::quick_options("a", directory)));
    Space space = must(one.open_space("s", {.durable = true, .history = true}));
    node::Receipt last;
    for (int i = 0; i < 40; ++i) {
      last = must(space.transact(
          {"ann", "turn"}, [&](Transaction& t) { return t.root().map("s1").reg("n").set(i); }));
    }
    must(last.wait_durable(node::patience));
  }
  TempDirectory directory_;
};

TEST_F(AuditCommand, verifies_prints_heads_and_compares) {
  fill(directory_.file("a"));
  const Finished sound = run({"audit", "verify", directory_.file("a")});
  EXPECT_EQ(sound.exit_code, 0) << sound.err;
  EXPECT_THAT(sound.out, HasSubstr("space s: 40 events; every link holds"));
  const Finished heads = run({"audit", "heads", directory_.file("a")});
  ASSERT_EQ(heads.exit_code, 0) << heads.err;
  const auto parsed = nlohmann::json::parse(heads.out);
  ASSERT_EQ(parsed["s"].size(), 1u);
  EXPECT_EQ(parsed["s"].front()["last"], 40);
  std::ofstream(directory_.file("heads.json")) << heads.out;
  EXPECT_EQ(run({"audit", "verify", directory_.file("a"), "--heads", directory_.file("heads.json")})
                .exit_code,
            0);
  EXPECT_EQ(
      run({"audit", "verify", directory_.file("a"), "--against", directory_.file("a")}).exit_code,
      0);
  auto forged = parsed;
  forged["s"].front()["link"] = std::string(64, '0');
  std::ofstream(directory_.file("forged.json")) << forged;
  const Finished wrong =
      run({"audit", "verify", directory_.file("a"), "--heads", directory_.file("forged.json")});
  EXPECT_EQ(wrong.exit_code, 1);
  EXPECT_THAT(wrong.out, HasSubstr("BROKEN"));
}

TEST_F(AuditCommand, says_what_is_wrong) {
  EXPECT_EQ(run({"audit"}).exit_code, 2);
  const Finished absent = run({"audit", "verify", directory_.file("none")});
  EXPECT_EQ(absent.exit_code, 1);
  EXPECT_THAT(absent.err, HasSubstr("none"));
  { Node plain = must(Node::open(node::quick_options("a", directory_.file("plain")))); }
  EXPECT_THAT(run({"audit", "verify", directory_.file("plain")}).err,
              HasSubstr("no history is kept here"));
  fill(directory_.file("a"));
  std::ofstream(directory_.file("bad.json")) << "[]";
  EXPECT_THAT(
      run({"audit", "verify", directory_.file("a"), "--heads", directory_.file("bad.json")}).err,
      HasSubstr("bad.json"));
  // A chunk is gone.
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open(directory_.file("a/history.db").c_str(), &db), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(db, "DELETE FROM chunks WHERE id = 1", nullptr, nullptr, nullptr),
            SQLITE_OK);
  sqlite3_close(db);
  const Finished damaged = run({"audit", "verify", directory_.file("a")});
  EXPECT_EQ(damaged.exit_code, 1);
  EXPECT_THAT(damaged.err, HasSubstr("chunk 1"));
}

TEST_F(AuditCommand, running_nodes_tell_of_the_past) {
  Node one = must(Node::open(node::quick_options("a", directory_.file("a"))));
  Space space = must(one.open_space("s", {.durable = true, .history = true}));
  const auto write = [&](const char* author, int value) {
    const node::Receipt receipt = must(space.transact({author, "because"}, [&](Transaction& t) {
      return t.root().map("s1").reg("n").set(value);
    }));
    must(receipt.wait_durable(node::patience));
    return receipt.dot().replica.to_string() + ":" + std::to_string(receipt.dot().sequence);
  };
  const std::string first = write("ann", 1);
  write("bob", 2);
  const auto ask = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--socket", one.admin_socket(), "--space", "s"});
    const Finished outcome = run(arguments);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    return outcome.out;
  };
  EXPECT_THAT(ask({"history", "/s1"}), testing::MatchesRegex("(.|\n)*by bob  \\(because\\)(.|\n)*"
                                                             "put /map:s1/register:n value 2"
                                                             "(.|\n)*by ann(.|\n)*value 1\n"));
  EXPECT_THAT(ask({"why", "/s1/n"}), testing::MatchesRegex("/map:s1/register:n = 2\n.*by "
                                                           "bob.*\n    instead of 1,.*by "
                                                           "ann.*\n"));
  // A feed goes on where it was.
  const std::string cursor = directory_.file("cursor");
  const std::string lines = ask({"feed", "--cursor-file", cursor});
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 2);
  EXPECT_EQ(nlohmann::json::parse(lines.substr(0, lines.find('\n')))["event"], first);
  EXPECT_EQ(ask({"feed", "--cursor-file", cursor}), "");
  write("cid", 3);
  const std::string more = ask({"feed", "--cursor-file", cursor});
  EXPECT_EQ(nlohmann::json::parse(more)["author"], "cid");
  EXPECT_EQ(ask({"at", "--version", first, "/s1"}), "{\n  \"n\": 1\n}\n");
  EXPECT_EQ(ask({"diff", "--from", first, "/s1"}), "/n\n  - 1\n  + 3\n");
  const std::string last = nlohmann::json::parse(more)["event"];
  EXPECT_EQ(ask({"revert", last}), "1 cell is as if the event had not been\n");
  EXPECT_EQ(ask({"at", "--version", "now", "/s1"}), "{\n  \"n\": 2\n}\n");
  EXPECT_EQ(ask({"revert", first}),
            "0 cells are as if the event had not been\n"
            "stays: /map:s1/register:n: it was written over or removed since\n");
  EXPECT_THAT(ask({"history", "--limit", "1", "/s1"}), testing::HasSubstr("(reverts " + last + ")"));
}

}  // namespace
}  // namespace rejoin::command
