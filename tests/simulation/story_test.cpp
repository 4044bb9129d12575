// What a run's recording holds, and how it is told.
#include "rejoin/simulation/story.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "rejoin/simulation/coverage.h"

namespace rejoin::simulation {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;

// One write at "a" before, while and after "b" is cut off; the last one fails the run when told to.
class ThreeWrites final : public Workload {
 public:
  explicit ThreeWrites(bool fails) : fails_(fails) {}
  void start(Cluster& cluster) override {
    for (const int at : {1, 3, 6}) {
      cluster.after(seconds(at), [this, &cluster, at] {
        if (!cluster.reachable(0)) return;
        (void)cluster.transact(0, "main", "ada", [at](Transaction& transaction) {
          return transaction.root().map("notes").reg("last").set(at);
        });
        if (at != 6 || !fails_) return;
        cluster.explain("nobody read what she wrote");
        cluster.fail("ada is unhappy");
      });
    }
  }

 private:
  bool fails_;
};

Scenario three_nodes() {
  Scenario scenario;
  scenario.duration = seconds(10);
  scenario.buggify.clear();
  scenario.network.slow = Range<Share>::of(Share{0});
  scenario.planned = {{FaultKind::partition, seconds(2), seconds(2), {"b"}, {}},
                      {FaultKind::disk_loss, seconds(7), seconds(1), {"c"}, {}},
                      {FaultKind::pause, milliseconds(500), milliseconds(100), {"c"}, {}}};
  return scenario;
}

struct Recorded {
  Recording recording;
  RunResult result;
  std::vector<StoryLine> story;

  Recorded(const Scenario& scenario, bool fails, std::size_t lines_max = 1'000) {
    RunOptions options;
    options.seed = 3;
    options.recording = &recording;
    options.workload = [fails] { return std::make_unique<ThreeWrites>(fails); };
    result = run(scenario, options);
    story = tell(recording, result, lines_max);
  }
  // Where a line holds all of these, from this one on; the story's length when none does.
  std::size_t find(const std::vector<std::string>& parts, std::size_t from = 0) const {
    for (; from < story.size(); ++from) {
      if (std::ranges::all_of(parts, [&](const auto& part) {
            return story[from].text.find(part) != std::string::npos;
          })) {
        break;
      }
    }
    return from;
  }
};

TEST(Story, tells_faults_writes_and_what_others_learn_in_their_order) {
  const Recorded run(three_nodes(), false);
  ASSERT_TRUE(run.result.ok) << run.result.failure;
  EXPECT_EQ(run.find({"a, b and c start"}), 0u);
  const std::vector<std::vector<std::string>> in_order = {
      {"c stands still"},
      {"c goes on"},
      {"ada writes", "at a", "main /notes/last (register) reads 1"},
      {"b learns from", "main /notes/last (register) reads 1"},
      {"b is cut off from a and c"},
      {"ada writes", "reads 3"},
      {"c learns from a", "reads 3"},
      {"b reaches a and c again"},
      {"b learns from", "reads 3"},
      {"ada writes", "reads 6"},
      {"c crashes and loses its disk"},
      {"c starts"},
      {"c learns from", "reads 6"},
      {"all faults end"},
      {"agreed"},
      {"settled"}};
  std::size_t at = 0;
  for (const auto& parts : in_order) {
    const std::size_t next = run.find(parts, at + 1);
    ASSERT_LT(next, run.story.size()) << "not told after line " << at << ": " << parts[0];
    EXPECT_GE(run.story[next].at, run.story[at].at);
    at = next;
  }
}

TEST(Story, ends_with_what_failed_and_the_promise_that_broke) {
  const Recorded run(three_nodes(), true);
  ASSERT_FALSE(run.result.ok);
  EXPECT_EQ(run.story.back().kind, StoryLine::Kind::failure);
  EXPECT_EQ(run.story.back().at, run.result.failed_at);
  EXPECT_THAT(run.story.back().text, HasSubstr("ada is unhappy"));
  EXPECT_EQ(run.story[run.story.size() - 2].text, "nobody read what she wrote");
  EXPECT_THAT(run.story.back().text, HasSubstr("what the workload expects"));
}

TEST(Story, a_long_one_keeps_faults_and_the_last_of_the_rest_and_says_so) {
  const Recorded whole(three_nodes(), true);
  const std::size_t lines_max = whole.story.size() - 2;
  const Recorded cut(three_nodes(), true, lines_max);
  EXPECT_EQ(cut.story.size(), lines_max + 1);  // and the note
  EXPECT_LT(cut.find({"2 writes", "left out"}), cut.story.size());
  EXPECT_LT(cut.find({"b is cut off"}), cut.story.size());
  EXPECT_EQ(cut.find({"ada writes", "reads 1"}), cut.story.size());  // the earliest went
  EXPECT_LT(cut.find({"ada writes", "reads 3"}), cut.story.size());
  EXPECT_EQ(cut.story.back().text, whole.story.back().text);
}

TEST(Recording, accounts_for_every_message) {
  Scenario scenario = three_nodes();
  scenario.network.loss = Range<Share>::of(percent(10));
  scenario.network.duplicate = Range<Share>::of(percent(10));
  scenario.network.corrupt = Range<Share>::of(percent(5));
  const Recorded run(scenario, false);
  ASSERT_TRUE(run.result.ok) << run.result.failure;
  std::map<Recording::Fate, std::uint64_t> fates;
  std::uint64_t copies = 0;
  for (const auto& message : run.recording.messages) {
    ++fates[message.fate];
    copies += message.copy ? 1 : 0;
    EXPECT_LE(message.sent, message.ended);
  }
  EXPECT_EQ(run.recording.messages.size(), run.result.messages + run.result.duplicated);
  EXPECT_EQ(copies, run.result.duplicated);
  EXPECT_EQ(fates[Recording::Fate::delivered] + fates[Recording::Fate::damaged],
            run.result.delivered);
  EXPECT_EQ(fates[Recording::Fate::lost] + fates[Recording::Fate::cut] +
                fates[Recording::Fate::dropped] + fates[Recording::Fate::refused],
            run.result.lost);
  EXPECT_GT(fates[Recording::Fate::lost], 0u);
  EXPECT_GT(fates[Recording::Fate::cut], 0u);
  EXPECT_GT(fates[Recording::Fate::damaged], 0u);
}

TEST(Recording, does_not_change_what_happens) {
  const auto scenario = find_scenario("everything");
  ASSERT_TRUE(scenario.ok());
  RunOptions options;
  options.seed = 2;
  options.hash_trace = true;
  Scenario shorter = *scenario;
  shorter.duration = seconds(15);
  const RunResult unseen = run(shorter, options);
  Recording recording;
  options.recording = &recording;
  EXPECT_EQ(run(shorter, options).trace_hash, unseen.trace_hash);
  EXPECT_FALSE(recording.paths.empty());
}

TEST(Coverage, names_what_was_reached_and_what_was_not) {
  EXPECT_TRUE(std::ranges::is_sorted(known_states()));
  EXPECT_EQ(std::ranges::adjacent_find(known_states()), known_states().end());
  const Recorded run(three_nodes(), false);
  const Coverage reached = coverage(run.result);
  EXPECT_EQ(reached.size(), known_states().size());  // nobody counts under an unknown name
  EXPECT_EQ(reached.at("fault partition"), 1u);
  EXPECT_EQ(reached.at("fault crash"), 0u);
  EXPECT_EQ(reached.at("events committed"), 3u);
  std::uint64_t messages = 0;
  for (const auto& [name, times] : reached) {
    if (name.starts_with("message ")) messages += times;
  }
  EXPECT_EQ(messages, run.result.messages);
}

TEST(Coverage, of_the_built_in_workload_has_no_unknown_names) {
  const auto scenario = find_scenario("everything");
  ASSERT_TRUE(scenario.ok());
  RunOptions options;
  options.seed = 1;
  EXPECT_EQ(coverage(run(*scenario, options)).size(), known_states().size());
}

TEST(Coverage, what_a_scenario_expects_and_no_run_reaches_is_missed) {
  Scenario scenario = three_nodes();
  scenario.expects = {"fault crash", "fault partition", "message reject"};
  EXPECT_EQ(missed(scenario, Recorded(scenario, false).result),
            (std::vector<std::string>{"fault crash", "message reject"}));
}

}  // namespace
}  // namespace rejoin::simulation
