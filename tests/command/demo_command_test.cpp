// `rejoin demo` as a person runs it: real processes, sockets and stores.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <thread>

#include "../recorded_data.h"
#include "process.h"

namespace rejoin {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::StartsWith;

class DemoCommand : public testing::Test {
 protected:
  void SetUp() override {
    std::string path =
        (std::filesystem::temp_directory_path() / "rejoin-demo-test-XXXXXX").string();
    ASSERT_NE(mkdtemp(path.data()), nullptr);
    folder_ = path;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string in_folder(const std::string& name) const { return (folder_ / name).string(); }
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(in_folder(name)) << text;
    return in_folder(name);
  }
  static std::string last_line(const std::string& out) {
    std::istringstream lines(out);
    std::string last;
    for (std::string line; std::getline(lines, line);) last = line;
    return last;
  }
  std::string page() const {
    std::ifstream in(in_folder("report.html"));
    return {std::istreambuf_iterator<char>(in), {}};
  }
  Finished demo(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), "demo");
    arguments.insert(arguments.end(), {"--report", in_folder("report.html")});
    return run(std::move(arguments));
  }
  // Each turn of the sample is there once, was written at one of the nodes, and saw only what
  // stands before it.
  static void expect_all_turns_lead_back(const std::string& page) {
    const std::string begin = "id=\"data\">";
    const std::size_t from = page.find(begin) + begin.size();
    const auto data = nlohmann::json::parse(page.substr(from, page.find("</script>", from) - from));
    const auto& events = data["events"];
    std::set<std::string> ids;
    std::set<std::size_t> nodes;
    for (const auto& session : data["sessions"]) {
      for (const std::size_t number : session["turns"]) {
        const auto& event = events[number];
        const std::size_t writer = event["writer"];
        ids.insert(event["turn"]["id"]);
        nodes.insert(data["writers"][writer]["node"].get<std::size_t>());
        EXPECT_LT(event["seen"][writer], event["sequence"]);
        for (std::size_t earlier = 0; earlier < events.size(); ++earlier) {
          const auto& other = events[earlier];
          const bool seen = event["seen"][other["writer"].get<std::size_t>()] >= other["sequence"];
          EXPECT_TRUE(!seen || earlier < number);
        }
      }
    }
    EXPECT_EQ(ids.size(), 108u);
    EXPECT_EQ(nodes.size(), 3u);
    EXPECT_EQ(data["intervals"].size(), 2u);
  }
  void expect_refusal(const Finished& finished, const std::string& names) const {
    EXPECT_EQ(finished.exit_code, 1);
    EXPECT_THAT(finished.err, StartsWith("rejoin: "));
    EXPECT_THAT(finished.err, HasSubstr(names));
    EXPECT_EQ(std::count(finished.err.begin(), finished.err.end(), '\n'), 1) << finished.err;
    EXPECT_EQ(finished.out, "");
  }

  std::filesystem::path folder_;
};

TEST_F(DemoCommand, the_sample_lives_through_the_cut_and_the_kill) {
  const Finished finished = demo({"--seconds", "2", "--keep", in_folder("kept")});
  EXPECT_EQ(finished.exit_code, 0) << finished.out << finished.err;
  EXPECT_THAT(last_line(finished.out),
              MatchesRegex("converged: 3 nodes, 12 sessions, 108 turns, hash [0-9a-f]{32}"));
  const std::string hash = last_line(finished.out).substr(last_line(finished.out).size() - 32);
  for (const char* node : {"frankfurt", "virginia", "tokyo"}) {
    EXPECT_THAT(finished.out, ContainsRegex("\n" + std::string(node) + " .* " + hash + "\n"));
    EXPECT_FALSE(std::filesystem::is_empty(folder_ / "kept" / node / "store"));
  }
  EXPECT_THAT(page(), HasSubstr("<svg"));
  EXPECT_THAT(page(), HasSubstr("killed with -9"));
  EXPECT_THAT(page(), HasSubstr(hash));
  expect_all_turns_lead_back(page());

  EXPECT_THAT(finished.out, HasSubstr("\nhistory: on each node every turn by its author and node"));
  EXPECT_EQ(run({"audit", "verify", in_folder("kept/virginia/store"), "--against",
                 in_folder("kept/tokyo/store")})
                .exit_code,
            0);
}

TEST_F(DemoCommand, no_more_sessions_are_played_than_asked_for) {
  const Finished finished = demo({"--seconds", "1", "--sessions", "2"});
  EXPECT_EQ(finished.exit_code, 0) << finished.out << finished.err;
  EXPECT_THAT(last_line(finished.out), StartsWith("converged: 3 nodes, 2 sessions, "));
}

TEST_F(DemoCommand, two_hundred_recorded_sessions_converge) {
  REJOIN_SKIP_WITHOUT(recorded_sessions());
  const Finished finished = demo({"--input", recorded_sessions().string()});
  EXPECT_EQ(finished.exit_code, 0) << finished.out << finished.err;
  EXPECT_THAT(last_line(finished.out),
              StartsWith("converged: 3 nodes, 200 sessions, 5308 turns, "));
}

TEST_F(DemoCommand, an_input_that_cannot_be_played_is_one_line_that_says_where) {
  expect_refusal(demo({"--input", in_folder("missing.jsonl")}), "missing.jsonl");
  expect_refusal(demo({"--input", write("empty.jsonl", "")}), "empty");
  expect_refusal(demo({"--input", write("bad.jsonl", "{\"session\": \"a\"\n")}), "line 1");
  expect_refusal(
      demo({"--input",
            write("role.jsonl", R"({"session":"a","turns":[{"role":"user"},{"role":"wizard"}]})")}),
      "line 1, turn 2: unknown role 'wizard'");
}

TEST_F(DemoCommand, a_folder_that_holds_something_is_not_written_to) {
  std::filesystem::create_directory(folder_ / "full");
  write("full/mine.txt", "mine");
  expect_refusal(demo({"--keep", in_folder("full")}), "not empty");
  expect_refusal(run({"demo", "--report", in_folder("no/such/folder.html")}), "--report");
}

TEST_F(DemoCommand, wrong_options_are_wrong_usage) {
  EXPECT_EQ(run({"demo", "--sessions", "0"}).exit_code, 2);
  EXPECT_EQ(run({"demo", "--seconds", "-1"}).exit_code, 2);
  EXPECT_EQ(run({"demo", "--what"}).exit_code, 2);
}

// Ctrl-C: no process and no folder is left.
TEST_F(DemoCommand, an_interrupted_demo_leaves_nothing_behind) {
  setenv("TMPDIR", folder_.c_str(), 1);
  Process process({"demo", "--seconds", "600", "--report", in_folder("report.html")});
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  const auto started = [&] {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_)) {
      if (entry.path().filename() == "store" || entry.path().extension() == ".sock") return true;
    }
    return false;
  };
  while (!started() && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  process.signal(SIGINT);
  EXPECT_EQ(process.wait(), 1);
  unsetenv("TMPDIR");
  std::size_t left = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
    if (entry.is_directory()) ++left;
  }
  EXPECT_EQ(left, 0u);
}

}  // namespace
}  // namespace rejoin
