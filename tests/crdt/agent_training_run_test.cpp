#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "agent_replicas.h"
#include "rejoin/crdt/agent/training_run.h"

namespace rejoin::agent {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

ContentHash hash(char digit) { return *ContentHash::parse("sha256:" + std::string(64, digit)); }
const ContentHash x = hash('a'), y = hash('b'), z = hash('c');

constexpr std::string_view run_name = "run";

TrainingRunView run(const Replica& replica) {
  return TrainingRunView(replica.document.root().map(run_name));
}

// Commits what `write` does, which must succeed.
template <class Write>
void write(Replica& replica, Write write_to) {
  Transaction transaction = replica.begin();
  const auto outcome = write_to(TrainingRunRef(transaction.root().map(run_name)));
  ASSERT_TRUE(outcome.ok()) << outcome.error().to_string();
  transaction.commit();
}

template <class Write>
void expect_refused(Replica& replica, ErrorCode code, const std::string& words, Write write_to) {
  const std::string before = replica.document.canonical_state();
  {
    Transaction transaction = replica.begin();
    const auto outcome = write_to(TrainingRunRef(transaction.root().map(run_name)));
    ASSERT_FALSE(outcome.ok()) << words;
    EXPECT_EQ(outcome.error().code, code) << outcome.error().to_string();
    EXPECT_THAT(outcome.error().to_string(), HasSubstr(words));
    EXPECT_EQ(transaction.commit(), nullptr);
  }
  EXPECT_EQ(replica.document.canonical_state(), before);
}

void save(Replica& replica, const ContentHash& content, std::int64_t step) {
  write(replica, [&](TrainingRunRef r) { return r.save({content, {}, step, 100}); });
}

void report(Replica& replica, Aim aim, const ContentHash& content, double value) {
  write(replica, [&](TrainingRunRef r) { return r.report("score", aim, content, value); });
}

void validate(Replica& replica, const ContentHash& content, std::string_view validator,
              Verdict verdict, const char* reason) {
  write(replica,
        [&](TrainingRunRef r) { return r.validate(content, validator, verdict, Value(reason)); });
}

TEST(AgentTrainingRun, progress_is_the_greatest_that_anybody_reported) {
  Replica a(1, 1'000'000), b(2);
  write(a, [](TrainingRunRef r) { return r.advance("step", 100); });
  exchange(a, b);
  write(a, [](TrainingRunRef r) { return r.advance("step", 120); });
  write(b, [](TrainingRunRef r) { return r.advance("step", 200); });
  exchange(a, b);
  EXPECT_EQ(run(a).progress("step"), 200);
  EXPECT_EQ(run(a).progress("epoch"), 0);
  const std::string before = b.document.canonical_state();
  write(b, [](TrainingRunRef r) {
    const auto now = r.advance("step", 50);
    EXPECT_EQ(now.value(), 200);
    return now;
  });
  EXPECT_EQ(b.document.canonical_state(), before);
  expect_refused(a, ErrorCode::invalid_argument, "-1",
                 [](TrainingRunRef r) { return r.advance("step", -1); });
}

TEST(AgentTrainingRun, the_best_of_both_sides_is_the_best_with_the_checkpoint_that_had_it) {
  for (const Aim aim : {Aim::greatest, Aim::least}) {
    Replica left(1, 1'000'000), right(2);
    save(left, x, 1);
    save(right, y, 2);
    report(left, aim, x, 0.91);
    report(right, aim, y, 0.93);
    exchange(left, right);
    const Metric best = aim == Aim::greatest ? Metric{0.93, y} : Metric{0.91, x};
    EXPECT_EQ(run(left).best("score", aim), best);
    EXPECT_EQ(run(right).best("score", aim), best);
    EXPECT_EQ(run(left).values("score", aim).size(), 2u);
  }
}

TEST(AgentTrainingRun, a_checkpoint_keeps_its_best_value_and_of_equal_ones_the_least_hash_is_best) {
  Replica a(1);
  save(a, x, 1);
  save(a, y, 2);
  report(a, Aim::least, y, 0.5);
  report(a, Aim::least, x, 0.5);
  report(a, Aim::least, x, 0.7);
  EXPECT_EQ(run(a).best("score", Aim::least), (Metric{0.5, x}));
  EXPECT_EQ(run(a).best("score", Aim::greatest), std::nullopt);
}

TEST(AgentTrainingRun, a_validator_that_failed_a_checkpoint_outweighs_those_that_passed_it) {
  Replica a(1), b(2, 1'000'000);
  save(a, x, 1);
  exchange(a, b);
  EXPECT_EQ(run(a).verdict(x), Verdict::none);
  validate(a, x, "toxicity", Verdict::failed, "rude");
  validate(b, x, "accuracy", Verdict::passed, "fine");
  validate(b, x, "wit", Verdict::passed, "funny");
  EXPECT_EQ(run(b).verdict(x), Verdict::passed);
  exchange(a, b);
  EXPECT_EQ(run(b).verdict(x), Verdict::failed);
  const auto all = run(b).validations(x);
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[1].validator, "toxicity");
  EXPECT_EQ(all[1].reason, Value("rude"));
}

TEST(AgentTrainingRun,
     a_validator_may_change_its_mind_and_has_failed_what_it_said_both_of_at_once) {
  Replica a(1), b(2, 1'000'000);
  save(a, x, 1);
  validate(a, x, "v", Verdict::failed, "rude");
  validate(a, x, "v", Verdict::passed, "polite");
  EXPECT_EQ(run(a).verdict(x), Verdict::passed);
  exchange(a, b);
  validate(a, x, "v", Verdict::failed, "rude again");
  validate(b, x, "v", Verdict::passed, "still polite");  // later, by its clock
  exchange(a, b);
  EXPECT_EQ(run(a).verdict(x), Verdict::failed);
  EXPECT_EQ(run(a).validations(x)[0].reason, Value("rude again"));
}

TEST(AgentTrainingRun, a_version_never_changes_and_one_published_twice_at_once_shows_both) {
  Replica a(1), b(2);
  save(a, x, 1);
  save(a, y, 2);
  exchange(a, b);
  const auto publish = [](Replica& replica, const ContentHash& content) {
    write(replica, [&](TrainingRunRef r) { return r.publish("v1", content); });
  };
  publish(a, y);
  expect_refused(a, ErrorCode::invalid_argument, y.to_string(),
                 [](TrainingRunRef r) { return r.publish("v1", x); });
  publish(b, x);
  exchange(a, b);
  EXPECT_THAT(run(a).version("v1")->checkpoints, ElementsAre(x, y));
  publish(b, y);
  exchange(a, b);
  ASSERT_EQ(run(a).versions().size(), 1u);
  EXPECT_THAT(run(a).versions()[0].checkpoints, ElementsAre(y));
  EXPECT_EQ(run(a).version("v2").has_value(), false);
}

TEST(AgentTrainingRun, a_version_published_twice_alike_is_one) {
  Replica a(1), b(2);
  save(a, x, 1);
  exchange(a, b);
  for (Replica* replica : {&a, &b}) {
    write(*replica, [](TrainingRunRef r) { return r.publish("v1", x); });
  }
  exchange(a, b);
  EXPECT_THAT(run(a).version("v1")->checkpoints, ElementsAre(x));
}

TEST(AgentTrainingRun, checkpoints_are_listed_by_step_and_do_not_change) {
  Replica a(1);
  write(a, [](TrainingRunRef r) { return r.save({x, {}, 20, 7}); });
  write(a, [](TrainingRunRef r) { return r.save({z, x, 10, 8}); });
  EXPECT_THAT(run(a).checkpoints(), ElementsAre(Checkpoint{z, x, 10, 8}, Checkpoint{x, {}, 20, 7}));
  const std::string before = a.document.canonical_state();
  write(a, [](TrainingRunRef r) { return r.save({x, {}, 20, 7}); });
  EXPECT_EQ(a.document.canonical_state(), before);
  expect_refused(a, ErrorCode::invalid_argument, "step 20 with 7 bytes", [](TrainingRunRef r) {
    return r.save({x, {}, 20, 9});
  });
}

TEST(AgentTrainingRun, what_makes_no_sense_is_refused_and_nothing_is_written) {
  Replica a(1);
  save(a, x, 1);
  report(a, Aim::least, x, 1);
  const auto refused = [&](ErrorCode code, const char* words, auto attempt) {
    expect_refused(a, code, words, attempt);
  };
  using Ref = TrainingRunRef;
  const auto invalid = ErrorCode::invalid_argument;
  refused(invalid, "hash", [](Ref r) { return r.save({}); });
  refused(invalid, "parent", [](Ref r) { return r.save({y, y, 1, 1}); });
  refused(invalid, "negative", [](Ref r) { return r.save({y, {}, -1, 1}); });
  refused(invalid, "negative", [](Ref r) { return r.save({y, {}, 1, -1}); });
  refused(invalid, "finite", [](Ref r) {
    return r.report("score", Aim::least, x, std::numeric_limits<double>::quiet_NaN());
  });
  refused(invalid, "least", [](Ref r) { return r.report("score", Aim::greatest, x, 2); });
  refused(invalid, "empty", [](Ref r) { return r.report("", Aim::least, x, 2); });
  refused(ErrorCode::not_found, "sha256:bbb",
          [](Ref r) { return r.report("score", Aim::least, y, 2); });
  refused(ErrorCode::not_found, "save it first", [](Ref r) { return r.publish("v1", y); });
  refused(ErrorCode::not_found, "save it first",
          [](Ref r) { return r.validate(y, "v", Verdict::passed); });
  refused(invalid, "passed or failed", [](Ref r) { return r.validate(x, "v", Verdict::none); });
  refused(invalid, "UTF-8",
          [](Ref r) { return r.validate(x, "v", Verdict::passed, Value("\xC3(")); });
  EXPECT_THAT(run(a).validations(x), IsEmpty());
}

TEST(AgentContentHash, only_an_algorithm_with_hexadecimal_digits_names_content) {
  const std::string good = "sha256:" + std::string(64, '0');
  EXPECT_EQ(ContentHash::parse(good)->to_string(), good);
  EXPECT_TRUE(ContentHash().is_nil());
  for (const std::string& bad :
       {std::string(), std::string("sha256"), std::string(":") + std::string(64, '0'),
        "sha256:" + std::string(64, 'A'), "sha256:" + std::string(33, '0'),
        "sha256:" + std::string(30, '0'), "sha256:" + std::string(130, '0'),
        "SHA:" + std::string(64, '0'), "sha256:" + std::string(63, '0') + "g",
        std::string(17, 'a') + ":" + std::string(64, '0')}) {
    EXPECT_EQ(ContentHash::parse(bad).error().code, ErrorCode::invalid_argument) << bad;
  }
}

}  // namespace
}  // namespace rejoin::agent
