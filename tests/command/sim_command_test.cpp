// `rejoin sim` and its sub-commands, as processes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "../node/temp_directory.h"
#include "process.h"

namespace rejoin {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class SimCommandTest : public ::testing::Test {
 protected:
  std::string path(const std::string& name) const { return directory_.path() + '/' + name; }
  std::string file(const std::string& name, const std::string& text) const {
    std::ofstream(path(name)) << text;
    return path(name);
  }
  std::string text_of(const std::string& name) const {
    std::ostringstream text;
    text << std::ifstream(path(name)).rdbuf();
    return text.str();
  }
  // Every run of it is stopped by its limit of steps, and so fails.
  std::string failing() const {
    return file("failing.toml",
                "name = \"failing\"\nnodes = 3\nduration = \"20s\"\nsteps_max = 500\n"
                "[[random_fault]]\nkind = \"crash\"\nevery = \"1s\"\nlasts = \"1s\"\n");
  }

  TempDirectory directory_;
};

TEST_F(SimCommandTest, list_names_every_shipped_scenario_and_what_it_is_about) {
  const Finished listed = run({"sim", "list"});
  EXPECT_EQ(listed.exit_code, 0) << listed.err;
  for (const auto& entry : std::filesystem::directory_iterator("simulation/scenarios")) {
    EXPECT_THAT('\n' + listed.out, HasSubstr('\n' + entry.path().stem().string() + "  "));
  }
  EXPECT_THAT(listed.out, HasSubstr("Wall clocks that are hours apart"));
}

TEST_F(SimCommandTest, new_writes_a_scenario_that_runs_and_overwrites_nothing) {
  const Finished made = run({"sim", "new", path("my.toml")});
  ASSERT_EQ(made.exit_code, 0) << made.err;
  EXPECT_EQ(run({"sim", "new"}).out, text_of("my.toml"));
  const Finished ran = run({"sim", "run", path("my.toml"), "--seeds", "1..10"});
  EXPECT_EQ(ran.exit_code, 0) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("passed: my_scenario, seeds 1..10"));

  file("my.toml", "mine");
  const Finished again = run({"sim", "new", path("my.toml")});
  EXPECT_EQ(again.exit_code, 1);
  EXPECT_THAT(again.err, HasSubstr("exists already"));
  EXPECT_EQ(text_of("my.toml"), "mine");
}

TEST_F(SimCommandTest, run_is_what_sim_with_a_name_does) {
  const Finished with = run({"sim", "run", "partition_heal", "--seed", "7"});
  const Finished without = run({"sim", "partition_heal", "--seed", "7"});
  EXPECT_EQ(with.exit_code, 0) << with.err;
  EXPECT_EQ(without.exit_code, 0) << without.err;
  const auto hash = [](const std::string& out) { return out.substr(0, out.find('\n')); };
  EXPECT_THAT(hash(with.out), HasSubstr("trace hash "));
  EXPECT_EQ(hash(with.out), hash(without.out));
}

TEST_F(SimCommandTest, summary_names_what_was_reached_and_json_holds_the_same) {
  const Finished ran =
      run({"sim", "run", "partition_heal", "--seeds", "1..4", "--json", path("out.json")});
  ASSERT_EQ(ran.exit_code, 0) << ran.err;
  EXPECT_THAT(ran.out, AllOf(HasSubstr("simulated seconds"), HasSubstr("real seconds"),
                             HasSubstr("fault partition"), HasSubstr("message events"),
                             HasSubstr("never reached: "), HasSubstr("fault crash")));
  const json summary = json::parse(text_of("out.json"));
  EXPECT_EQ(summary.at("scenario"), "partition_heal");
  EXPECT_EQ(summary.at("seeds"), 4);
  EXPECT_EQ(summary.at("failed"), 0);
  EXPECT_GT(summary.at("simulated_seconds"), 100.0);
  EXPECT_GT(summary.at("reached").at("fault partition"), 0);
  EXPECT_EQ(summary.at("reached").at("fault crash"), 0);
  EXPECT_TRUE(summary.at("failures").empty());
}

TEST_F(SimCommandTest, what_a_scenario_expects_and_never_reaches_has_an_exit_code_of_its_own) {
  const std::string scenario =
      file("calm.toml", "name = \"calm\"\nduration = \"2s\"\nexpects = [\"fault crash\"]\n");
  const Finished ran = run({"sim", "run", scenario, "--seeds", "1..2", "--json", path("out.json")});
  EXPECT_EQ(ran.exit_code, 3);
  EXPECT_THAT(ran.err, AllOf(HasSubstr("calm expects"), HasSubstr("fault crash")));
  EXPECT_EQ(json::parse(text_of("out.json")).at("missed"), json({"fault crash"}));
  EXPECT_EQ(run({"sim", "run", scenario}).exit_code, 0);  // one run is no campaign
}

TEST_F(SimCommandTest, a_failing_campaign_names_seeds_promises_and_how_to_run_them_again) {
  const Finished ran =
      run({"sim", "run", failing(), "--seeds", "1..3", "--json", path("out.json")});
  EXPECT_EQ(ran.exit_code, 1);
  EXPECT_THAT(ran.err, AllOf(HasSubstr("seed 3 failed at"), HasSubstr("more than 500 steps"),
                             HasSubstr("broken: the cluster comes to rest"),
                             HasSubstr("again:  rejoin sim " + failing() + " --seed 3"),
                             HasSubstr("3 of 3 seeds failed")));
  const json failures = json::parse(text_of("out.json")).at("failures");
  ASSERT_EQ(failures.size(), 3u);
  EXPECT_EQ(failures[0].at("seed"), 1);
  EXPECT_EQ(failures[0].at("promise"), "rest");
}

TEST_F(SimCommandTest, shrink_writes_a_smaller_scenario_that_fails_alike_with_its_story) {
  const Finished shrunk = run({"sim", "shrink", failing(), "--seed", "2", "--out",
                               path("small.toml"), "--story", path("small.html"), "--keep-seed"});
  ASSERT_EQ(shrunk.exit_code, 0) << shrunk.err;
  EXPECT_THAT(shrunk.out, AllOf(HasSubstr("nothing more can go"), HasSubstr("0 faults"),
                                HasSubstr("rejoin sim replay " + path("small.toml"))));
  EXPECT_THAT(
      text_of("small.toml"),
      AllOf(HasSubstr("seed = 2\n"), HasSubstr("format = 1\n"), HasSubstr("breaks = \"rest\"\n"),
            Not(HasSubstr("[[fault]]")), Not(HasSubstr("random_fault"))));

  const Finished again = run({"sim", "replay", path("small.toml")});
  EXPECT_EQ(again.exit_code, 1);
  EXPECT_THAT(again.err, HasSubstr("more than 500 steps"));

  const std::string page = text_of("small.html");
  EXPECT_THAT(page, AllOf(HasSubstr("<!doctype html>"), HasSubstr("more than 500 steps"),
                          HasSubstr("the cluster comes to rest"), HasSubstr("failing-2")));
  for (const char* elsewhere : {"src=", "http:", "https:", "url(", "import "}) {
    EXPECT_THAT(page, Not(HasSubstr(elsewhere)));
  }
}

TEST_F(SimCommandTest, replay_says_when_a_run_no_longer_breaks_what_its_file_states) {
  const std::string mended =
      file("mended.toml",
           "name = \"mended\"\nformat = 1\nseed = 1\nbreaks = \"token\"\nduration = \"1s\"\n");
  const Finished ran = run({"sim", "replay", mended});
  EXPECT_EQ(ran.exit_code, 1);
  EXPECT_THAT(ran.err, AllOf(HasSubstr("\"token\""), HasSubstr("passes")));
}

TEST_F(SimCommandTest, a_seed_that_passes_is_not_shrunk) {
  const Finished shrunk =
      run({"sim", "shrink", "partition_heal", "--seed", "1", "--out", path("none.toml")});
  EXPECT_EQ(shrunk.exit_code, 1);
  EXPECT_THAT(shrunk.err, HasSubstr("nothing to shrink"));
  EXPECT_FALSE(std::filesystem::exists(path("none.toml")));
}

TEST_F(SimCommandTest, a_trace_replays_to_the_last_byte_and_another_run_or_format_is_noticed) {
  ASSERT_EQ(run({"sim", "lossy_mesh", "--seed", "3", "--trace", path("t.txt")}).exit_code, 0);
  const Finished same = run({"sim", "replay", path("t.txt")});
  EXPECT_EQ(same.exit_code, 0) << same.err;
  EXPECT_THAT(same.out, HasSubstr("the same, to the last byte"));

  std::string text = text_of("t.txt");
  const std::string other = text + "9.000000 crash n1\n";
  const Finished longer = run({"sim", "replay", file("longer.txt", other)});
  EXPECT_EQ(longer.exit_code, 1);
  EXPECT_THAT(longer.err, AllOf(HasSubstr("does not repeat"), HasSubstr("line")));

  text.replace(0, text.find('\n'), "# rejoin trace, format 99");
  const Finished newer = run({"sim", "replay", file("newer.txt", text)});
  EXPECT_EQ(newer.exit_code, 1);
  EXPECT_THAT(newer.err, AllOf(HasSubstr("newer.txt"), HasSubstr("format 99"),
                               HasSubstr("version that wrote it")));

  const Finished shrunk =
      run({"sim", "replay", file("newer.toml", "name = \"x\"\nformat = 99\nseed = 1\n")});
  EXPECT_EQ(shrunk.exit_code, 1);
  EXPECT_THAT(shrunk.err, AllOf(HasSubstr("newer.toml:2"), HasSubstr("format 99")));
}

TEST_F(SimCommandTest, wrong_usage_is_said_so) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> wrong = {
      {{"sim"}, "name a scenario"},
      {{"sim", "run"}, "name a scenario"},
      {{"sim", "run", "lossy_mesh", "--seed", "x"}, "whole number"},
      {{"sim", "run", "lossy_mesh", "--seeds", "9..1"}, "before the first"},
      {{"sim", "run", "lossy_mesh", "--seeds", "1..2", "--trace", "t"}, "single --seed"},
      {{"sim", "shrink", "lossy_mesh"}, "--seed"},
      {{"sim", "shrink", "lossy_mesh", "--seed", "1", "--budget", "soon"}, "--budget"},
      {{"sim", "replay", "lossy_mesh"}, "carries no seed"}};
  for (const auto& [arguments, word] : wrong) {
    const Finished ran = run(arguments);
    EXPECT_EQ(ran.exit_code, 2) << word;
    EXPECT_THAT(ran.err, AllOf(HasSubstr(word), HasSubstr("--help")));
  }
  EXPECT_EQ(run({"sim", "run", "no_such_scenario"}).exit_code, 1);
}

TEST_F(SimCommandTest, explore_lists_covers_and_says_what_it_left_out) {
  const Finished listed = run({"sim", "explore"});
  EXPECT_EQ(listed.exit_code, 0) << listed.err;
  for (const auto& entry : std::filesystem::directory_iterator("simulation/scopes")) {
    EXPECT_THAT('\n' + listed.out, HasSubstr('\n' + entry.path().stem().string() + "  "));
  }
  const std::string scope =
      file("one.toml", "name = \"one\"\n[[client]]\nsteps = [{ at = \"a\", write = \"count\" }]\n");
  const Finished all = run({"sim", "explore", scope, "--json", path("out.json")});
  EXPECT_EQ(all.exit_code, 0) << all.err;
  EXPECT_THAT(all.out, HasSubstr("complete: one holds in every order, with 0 crashes"));
  const json summary = json::parse(text_of("out.json"));
  EXPECT_EQ(summary["complete"], true);
  EXPECT_THAT(all.out, HasSubstr(std::to_string(summary["states"].get<int>()) + " states"));

  const Finished part = run({"sim", "explore", scope, "--crashes", "1", "--states-max", "5"});
  EXPECT_EQ(part.exit_code, 3);
  EXPECT_THAT(part.err, HasSubstr("not complete: there are more than 5 states"));
}

TEST_F(SimCommandTest, explore_tells_a_way_and_refuses_one_that_is_none) {
  const Finished told = run({"sim", "explore", "two_writes", "--choices", "1,a:sync,a>b"});
  EXPECT_EQ(told.exit_code, 0) << told.err;
  EXPECT_THAT(told.out, AllOf(HasSubstr("1. client 1 writes 1 into the register"),
                              HasSubstr("3. b gets events from a"), HasSubstr("; b has a 1")));
  const Finished none = run({"sim", "explore", "two_writes", "--choices", "1,b:sync"});
  EXPECT_EQ(none.exit_code, 1);
  EXPECT_THAT(none.err, AllOf(HasSubstr("choice 2 is none there"), HasSubstr("a:sync")));
  EXPECT_EQ(run({"sim", "explore", "two_writes", "--crashes", "many"}).exit_code, 2);
  EXPECT_EQ(run({"sim", "explore", "no_such_scope"}).exit_code, 1);
}

}  // namespace
}  // namespace rejoin
