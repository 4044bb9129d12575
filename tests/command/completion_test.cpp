// `rejoin completion bash`: what it offers, and what a real bash makes of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>

#include "node_process.h"
#include "process.h"
#include "terminal.h"

namespace rejoin {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;

std::vector<std::string> offered(const std::string& line) {
  const Finished done = run({"complete", "--", line});
  EXPECT_EQ(done.exit_code, 0) << done.err;
  std::vector<std::string> words;
  std::istringstream text(done.out);
  for (std::string word; std::getline(text, word);) words.push_back(word);
  return words;
}

// An interactive bash that has the script.
class Bash {
 public:
  Bash()
      : terminal_({"bash", "--norc", "--noprofile", "-i"}, 50, 1000, "dumb") {  // no line is broken
    const std::string folder = std::filesystem::absolute(rejoin_program()).parent_path();
    // What stands on the line is printed at Control-O.
    terminal_.type("PATH='" + folder + "':$PATH; bind 'set bell-style none'\n" +
                   "bind -x '\"\\C-o\": printf \"<<%s>>\" \"$READLINE_LINE\"'\n"
                   "eval \"$(rejoin completion bash)\"; printf 'rea%s\\n' dy\n");
    terminal_.read_until("ready");
  }

  // What stands on the line after this was typed and TAB was pressed.
  std::string complete(const std::string& line) {
    terminal_.type(line + "\t\x0f");
    terminal_.read_until("<<");
    std::string whole = terminal_.read_until(">>");
    terminal_.type("\x15");  // clears the line
    return whole.substr(0, whole.size() - 2);
  }

 private:
  Terminal terminal_;
};

TEST(Completion, offers_sub_commands_and_options) {
  EXPECT_THAT(offered("rejoin "),
              AllOf(Contains("node"), Contains("get"), Contains("sim"), Not(Contains("complete"))));
  EXPECT_THAT(offered("rejoin me"), ElementsAre("members", "metrics"));
  EXPECT_THAT(offered("rejoin sim s"), ElementsAre("shrink", "<files>"));
  EXPECT_THAT(offered("rejoin status --"), ElementsAre("--config", "--help", "--json", "--socket"));
  EXPECT_THAT(offered("rejoin get --config x --js"), IsEmpty());
  EXPECT_THAT(offered("rejoin completion "), ElementsAre("bash"));
  EXPECT_THAT(offered("rejoin frobnicate x --"), Contains("--version"));
}

TEST(Completion, offers_files_where_one_is_wanted) {
  EXPECT_THAT(offered("rejoin node --config "), ElementsAre("<files>"));
  EXPECT_THAT(offered("rejoin status -s /tmp/x"), ElementsAre("<files>"));
  EXPECT_THAT(offered("rejoin inspect "), ElementsAre("<files>"));
}

TEST(Completion, knows_nothing_of_a_node_that_is_not_there) {
  EXPECT_THAT(offered("rejoin get --config /nonexistent --space "), IsEmpty());
  EXPECT_THAT(offered("rejoin get --socket /nonexistent /a"), IsEmpty());
  EXPECT_THAT(offered("rejoin get /a"), IsEmpty());
}

class CompletionOfANode : public testing::Test {
 protected:
  CompletionOfANode() {
    node.start();
    node.call({{"command", "open"}, {"space", "scratch"}, {"durable", false}});
    node.set("/sessions/s1/user", "ada");
    node.set("/sessions/s2/user", "bob");
    node.set("/settings", 1);
    node.set("/with a%3A colon", 1);
    node.call({{"command", "apply"},
               {"space", "s"},
               {"ops", {{{"op", "add"}, {"path", "/counter:calls"}}}}});
  }
  NodeProcess node{"a"};
  const std::string get = "rejoin get --config " + node.config() + " ";
};

TEST_F(CompletionOfANode, offers_its_spaces_and_what_is_in_them) {
  EXPECT_THAT(offered(get + "--space s"), ElementsAre("s", "scratch"));
  EXPECT_THAT(offered(get + "--space=sc"), ElementsAre("--space=scratch"));
  const std::string in_s = get + "--space s ";
  EXPECT_THAT(offered(in_s), ElementsAre("/"));
  EXPECT_THAT(offered(in_s + "/"),
              ElementsAre("/calls", "/sessions", "/sessions/", "/settings", "/with a%3A colon"));
  EXPECT_THAT(offered(in_s + "/se"), ElementsAre("/sessions", "/sessions/", "/settings"));
  EXPECT_THAT(offered(in_s + "/sessions/"),
              ElementsAre("/sessions/s1", "/sessions/s1/", "/sessions/s2", "/sessions/s2/"));
  EXPECT_THAT(offered(in_s + "/sessions/s1/"), ElementsAre("/sessions/s1/user"));
  EXPECT_THAT(offered(in_s + "/counter:"), ElementsAre("/counter:calls"));
  EXPECT_THAT(offered(in_s + "'/with a"), ElementsAre("/with a%3A colon"));
  EXPECT_THAT(offered(in_s + "/with\\ a"), ElementsAre("/with a%3A colon"));
  EXPECT_THAT(offered(get + "--space scratch /"), IsEmpty());
  EXPECT_THAT(offered(in_s + "/calls "), IsEmpty()) << "the path is there already";
}

TEST_F(CompletionOfANode, completes_in_bash) {
  Bash bash;
  EXPECT_EQ(bash.complete("rejoin sta"), "rejoin status ");
  EXPECT_EQ(bash.complete("rejoin status --js"), "rejoin status --json ");
  const std::string config = node.config();
  EXPECT_EQ(bash.complete("rejoin get --config " + config.substr(0, config.size() - 3)),
            "rejoin get --config " + config + " ");
  EXPECT_EQ(bash.complete(get + "--space scr"), get + "--space scratch ");
  EXPECT_EQ(bash.complete(get + "--space=scr"), get + "--space=scratch ");
  const std::string in_s = get + "--space s ";
  EXPECT_EQ(bash.complete(in_s + "/sett"), in_s + "/settings ");
  EXPECT_EQ(bash.complete(in_s + "/sess"), in_s + "/sessions") << "with more behind it";
  EXPECT_EQ(bash.complete(in_s + "/sessions/s1/u"), in_s + "/sessions/s1/user ");
  EXPECT_EQ(bash.complete(in_s + "/counter:c"), in_s + "/counter:calls ");
  EXPECT_EQ(bash.complete(in_s + "/wi"), in_s + "/with\\ a%3A\\ colon ");
}

}  // namespace
}  // namespace rejoin
