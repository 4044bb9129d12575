// `rejoin completion bash`: what it offers, and what a real bash makes of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>

#include "node_process.h"
#include "process.h"

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

// An interactive bash on a terminal of its own.
class Bash {
 public:
  Bash() {
    winsize size{50, 1000, 0, 0};  // wide, so that no line is broken
    pid_ = ::forkpty(&terminal_, nullptr, nullptr, &size);
    if (pid_ == 0) {
      const std::string folder = std::filesystem::absolute(rejoin_program()).parent_path();
      ::setenv("PATH", (folder + ":" + std::getenv("PATH")).c_str(), 1);
      ::setenv("TERM", "dumb", 1);
      ::execlp("bash", "bash", "--norc", "--noprofile", "-i", nullptr);
      ::_exit(127);
    }
    // What stands on the line is printed at Control-O.
    type(
        "bind -x '\"\\C-o\": printf \"<<%s>>\" \"$READLINE_LINE\"'; bind 'set bell-style none'\n"
        "eval \"$(rejoin completion bash)\"; printf 'rea%s\\n' dy\n");
    read_until("ready");
  }
  ~Bash() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    ::close(terminal_);
  }

  // What stands on the line after this was typed and TAB was pressed.
  std::string complete(const std::string& line) {
    type(line + "\t\x0f");
    read_until("<<");
    std::string whole = read_until(">>");
    type("\x15");  // clears the line
    return whole.substr(0, whole.size() - 2);
  }

 private:
  void type(const std::string& keys) {
    if (::write(terminal_, keys.data(), keys.size()) != static_cast<ssize_t>(keys.size())) {
      throw std::runtime_error("cannot type");
    }
  }
  // Takes what comes up to the end of `mark`.
  std::string read_until(const std::string& mark) {
    const auto deadline = std::chrono::steady_clock::now() + Process::patience;
    for (;;) {
      if (const auto at = text_.find(mark); at != std::string::npos) {
        std::string taken = text_.substr(0, at + mark.size());
        text_.erase(0, taken.size());
        return taken;
      }
      pollfd readable{terminal_, POLLIN, 0};
      char buffer[4096];
      const bool in_time = std::chrono::steady_clock::now() < deadline;
      const ssize_t count = in_time && ::poll(&readable, 1, 1000) >= 0 && readable.revents != 0
                                ? ::read(terminal_, buffer, sizeof buffer)
                                : 0;
      if (!in_time || count < 0) throw std::runtime_error("no " + mark + " in: " + text_);
      text_.append(buffer, static_cast<std::size_t>(count));
    }
  }

  int terminal_ = -1;
  pid_t pid_ = -1;
  std::string text_;
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
