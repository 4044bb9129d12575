// Steps that workers share: dependencies, claims, retries and results, on replicas that are cut
// apart.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "agent_replicas.h"
#include "property_runs.h"
#include "rejoin/crdt/agent/workflow.h"

namespace rejoin::agent {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

template <class Write>
auto write(Replica& replica, Write what) {
  std::optional<decltype(what(std::declval<WorkflowRef>()))> outcome;
  replica.commit([&](SessionRef& s) { outcome = what(s.workflow()); });
  return *std::move(outcome);
}

void plan(Replica& replica, std::string_view name, const StepPlan& plan = {}) {
  ASSERT_TRUE(write(replica, [&](WorkflowRef w) { return w.plan(name, plan); }).ok());
}

Result<std::int64_t> claim(Replica& replica, std::string_view name, std::string worker,
                           std::int64_t now_ms, std::int64_t until_ms) {
  return write(replica, [&](WorkflowRef w) {
    return w.claim(name, {std::move(worker), now_ms, until_ms});
  });
}

Result<Reported> complete(Replica& replica, std::string_view name, std::string_view worker,
                          std::int64_t attempt, const Value& result) {
  return write(replica, [&](WorkflowRef w) { return w.complete(name, worker, attempt, result); });
}

Status fail(Replica& replica, std::string_view name, std::string_view worker,
            std::int64_t attempt) {
  return write(replica, [&](WorkflowRef w) { return w.fail(name, worker, attempt, "no seat"); });
}

WorkflowView workflow(const Replica& replica) { return replica.session().workflow(); }

StepStatus status_of(const Replica& replica, std::string_view name) {
  return workflow(replica).step(name)->status;
}

// That `attempted`, done to the replica, is refused with this code and these words, and changes
// nothing.
template <class Attempted>
void expect_refused(Replica& replica, ErrorCode code, const std::string& words,
                    Attempted attempted) {
  const std::string before = replica.document.canonical_state();
  const auto outcome = attempted(replica);
  ASSERT_FALSE(outcome.ok()) << words;
  EXPECT_EQ(outcome.error().code, code) << outcome.error().to_string();
  EXPECT_THAT(outcome.error().to_string(), HasSubstr(words));
  EXPECT_EQ(replica.document.canonical_state(), before);
}

TEST(AgentWorkflowClaims, a_step_is_ready_when_all_that_it_waits_for_is_done) {
  Replica a(1);
  plan(a, "pay", {.after = {"book", "check"}});  // before those are planned
  plan(a, "book");
  plan(a, "check");
  EXPECT_THAT(workflow(a).ready(0), ElementsAre("book", "check"));
  EXPECT_THAT(workflow(a).step("pay")->after, ElementsAre("book", "check"));
  for (const char* name : {"book", "check"}) {
    expect_refused(a, ErrorCode::busy, name,
                   [](Replica& r) { return claim(r, "pay", "w", 0, 10); });
    ASSERT_EQ(claim(a, name, "w", 0, 10).value(), 1);
    ASSERT_EQ(complete(a, name, "w", 1, "ok").value(), Reported::chosen);
  }
  EXPECT_THAT(workflow(a).ready(0), ElementsAre("pay"));
}

TEST(AgentWorkflowClaims, a_step_that_would_wait_for_itself_is_refused_and_nothing_is_written) {
  Replica a(1);
  plan(a, "b", {.after = {"a"}});
  plan(a, "c", {.after = {"b"}});
  expect_refused(a, ErrorCode::invalid_argument, "wait for itself", [](Replica& r) {
    return write(r, [](WorkflowRef w) { return w.plan("x", {.after = {"y", "x"}}); });
  });
  expect_refused(a, ErrorCode::invalid_argument, "'c', which waits for it", [](Replica& r) {
    return write(r, [](WorkflowRef w) { return w.plan("a", {.after = {"y", "c"}}); });
  });
  plan(a, "c", {.after = {"a"}});  // two ways to one step make no circle
  EXPECT_THAT(workflow(a).circular(), IsEmpty());
}

TEST(AgentWorkflowClaims, wrong_plans_and_claims_are_refused_and_nothing_is_written) {
  Replica a(1);
  plan(a, "book");
  const auto planning = [](std::string name, StepPlan plan) {
    return [=](Replica& r) { return write(r, [&](WorkflowRef w) { return w.plan(name, plan); }); };
  };
  const std::string long_name(label_bytes_max + 1, 'n');
  expect_refused(a, ErrorCode::invalid_argument, "empty", planning("", {}));
  expect_refused(a, ErrorCode::invalid_argument, "UTF-8", planning("\xC3(", {}));
  expect_refused(a, ErrorCode::limit_exceeded, "257", planning(long_name, {}));
  expect_refused(a, ErrorCode::limit_exceeded, "257", planning("x", {.after = {"y", long_name}}));
  expect_refused(a, ErrorCode::invalid_argument, "empty", planning("x", {.after = {""}}));
  for (const std::int64_t bad : {std::int64_t{-1}, std::int64_t{0}, attempts_limit + 1}) {
    expect_refused(a, ErrorCode::invalid_argument, std::to_string(bad),
                   planning("x", {.attempts_max = bad}));
  }
  expect_refused(a, ErrorCode::not_found,
                 "/map:x: ", [](Replica& r) { return claim(r, "x", "w", 0, 10); });
  expect_refused(a, ErrorCode::invalid_argument, "over at 10",
                 [](Replica& r) { return claim(r, "book", "w", 10, 10); });
  expect_refused(a, ErrorCode::invalid_argument, "worker",
                 [](Replica& r) { return claim(r, "book", "", 0, 10); });
  ASSERT_TRUE(claim(a, "book", "w", 0, 10).ok());
  expect_refused(a, ErrorCode::invalid_argument, "UTF-8",
                 [](Replica& r) { return complete(r, "book", "w", 1, "\xC3("); });
}

TEST(AgentWorkflowClaims, a_circle_closed_on_two_sides_at_once_is_shown_until_somebody_cuts_it) {
  Replica a(1), b(2);
  for (const char* name : {"x", "y", "z"}) plan(a, name);
  exchange(a, b);
  plan(a, "x", {.after = {"y"}});
  plan(a, "z", {.after = {"x"}});
  plan(b, "y", {.after = {"x"}});
  exchange(a, b);
  EXPECT_THAT(workflow(a).ready(0), IsEmpty());
  EXPECT_THAT(workflow(b).circular(), ElementsAre("x", "y"));  // z waits, but not for itself
  ASSERT_TRUE(write(b, [](WorkflowRef w) { return w.release("x", "y"); }).ok());
  exchange(a, b);
  EXPECT_THAT(workflow(a).circular(), IsEmpty());
  EXPECT_THAT(workflow(a).ready(0), ElementsAre("x"));
}

TEST(AgentWorkflowClaims, a_stranger_can_neither_complete_nor_fail_nor_advance_a_claimed_step) {
  Replica a(1);
  plan(a, "book");
  ASSERT_EQ(claim(a, "book", "w", 0, 10).value(), 1);
  expect_refused(a, ErrorCode::invalid_argument, "it is that of 'w'",
                 [](Replica& r) { return complete(r, "book", "stranger", 1, "mine"); });
  expect_refused(a, ErrorCode::invalid_argument, "attempt 2",
                 [](Replica& r) { return complete(r, "book", "w", 2, "mine"); });
  expect_refused(a, ErrorCode::invalid_argument, "'w'",
                 [](Replica& r) { return fail(r, "book", "stranger", 1); });
  expect_refused(a, ErrorCode::invalid_argument, "book", [](Replica& r) {
    return write(r, [](WorkflowRef w) { return w.advance("book", StepStatus::done); });
  });
  EXPECT_EQ(status_of(a, "book"), StepStatus::running);
}

TEST(AgentWorkflowClaims, a_claim_holds_until_it_expires_and_its_holder_may_prolong_it) {
  Replica a(1), b(2);
  plan(a, "book");
  ASSERT_EQ(claim(a, "book", "w", 0, 10).value(), 1);
  exchange(a, b);
  expect_refused(b, ErrorCode::busy, "'w' holds the step until 10 ms",
                 [](Replica& r) { return claim(r, "book", "v", 9, 20); });
  EXPECT_THAT(workflow(b).ready(9), IsEmpty());
  EXPECT_THAT(workflow(b).ready(10), ElementsAre("book"));
  EXPECT_EQ(claim(a, "book", "w", 9, 15).value(), 1);
  exchange(a, b);
  EXPECT_EQ(workflow(b).holder("book", 14)->worker, "w");
  EXPECT_FALSE(workflow(b).holder("book", 15).has_value());
  EXPECT_EQ(claim(b, "book", "v", 15, 20).value(), 2);
  EXPECT_EQ(workflow(b).holder("book", 15)->worker, "v");
}

TEST(AgentWorkflowClaims, a_failed_attempt_is_retried_up_to_the_limit_and_then_the_step_is_failed) {
  Replica a(1);
  plan(a, "book", {.attempts_max = 2});
  ASSERT_EQ(claim(a, "book", "w", 0, 10).value(), 1);
  ASSERT_TRUE(fail(a, "book", "w", 1).ok());
  EXPECT_EQ(status_of(a, "book"), StepStatus::running);
  EXPECT_THAT(workflow(a).ready(1), ElementsAre("book"));
  ASSERT_EQ(claim(a, "book", "w", 1, 10).value(), 2);
  ASSERT_TRUE(fail(a, "book", "w", 2).ok());
  EXPECT_EQ(status_of(a, "book"), StepStatus::failed);
  EXPECT_EQ(workflow(a).step("book")->detail, Value("no seat"));
  EXPECT_THAT(workflow(a).ready(1), IsEmpty());
  expect_refused(a, ErrorCode::closed, "failed",
                 [](Replica& r) { return claim(r, "book", "w", 1, 10); });
  const auto attempts = workflow(a).attempts("book");
  ASSERT_EQ(attempts.size(), 2u);
  EXPECT_EQ(attempts[1].status, StepStatus::failed);
  EXPECT_EQ(attempts[1].outcome, Value("no seat"));
}

TEST(AgentWorkflowClaims, a_step_whose_last_worker_never_came_back_can_be_given_up) {
  Replica a(1);
  plan(a, "book", {.attempts_max = 1});
  plan(a, "other");
  ASSERT_TRUE(claim(a, "book", "w", 0, 10).ok());
  const auto give_up = [&](std::int64_t now_ms) {
    ASSERT_TRUE(write(a, [&](WorkflowRef w) { return w.fail_expired(now_ms); }).ok());
  };
  give_up(9);
  EXPECT_EQ(status_of(a, "book"), StepStatus::running);
  expect_refused(a, ErrorCode::limit_exceeded, "1 attempts",
                 [](Replica& r) { return claim(r, "book", "v", 10, 20); });
  give_up(10);
  EXPECT_EQ(status_of(a, "book"), StepStatus::failed);
  EXPECT_EQ(status_of(a, "other"), StepStatus::pending);
  // It does, after all.
  EXPECT_EQ(complete(a, "book", "w", 1, "R-7").value(), Reported::chosen);
  EXPECT_EQ(status_of(a, "book"), StepStatus::done);
  EXPECT_EQ(workflow(a).step("book")->detail, Value("R-7"));
}

TEST(AgentWorkflowClaims, of_two_results_from_two_sides_one_is_chosen_and_the_other_is_listed) {
  Replica a(1), b(2, 1'000'000), c(3);
  plan(a, "book");
  exchange(a, b);
  ASSERT_EQ(claim(a, "book", "v", 0, 10).value(), 1);
  ASSERT_EQ(claim(b, "book", "w", 0, 10).value(), 1);
  ASSERT_EQ(complete(b, "book", "w", 1, "by w").value(), Reported::chosen);
  ASSERT_EQ(complete(a, "book", "v", 1, "by v").value(), Reported::chosen);
  exchange(a, b);
  c.pull(a);
  for (const Replica* replica : {&a, &b, &c}) {
    EXPECT_EQ(workflow(*replica).result("book"), (StepResult{1, "v", "by v"}));
    EXPECT_THAT(workflow(*replica).duplicates("book"), ElementsAre(StepResult{1, "w", "by w"}));
    EXPECT_EQ(workflow(*replica).step("book")->detail, Value("by v"));
  }
}

TEST(AgentWorkflowClaims, the_two_holders_of_one_step_learn_which_of_them_goes_on) {
  Replica a(1), b(2);
  plan(a, "book");
  exchange(a, b);
  ASSERT_TRUE(claim(a, "book", "w", 0, 10).ok());
  ASSERT_TRUE(claim(b, "book", "v", 0, 10).ok());
  exchange(a, b);
  EXPECT_EQ(workflow(a).holder("book", 5)->worker, "v");
  EXPECT_EQ(claim(b, "book", "v", 5, 20).value(), 1);
  expect_refused(a, ErrorCode::busy, "'v'",
                 [](Replica& r) { return claim(r, "book", "w", 5, 20); });
}

TEST(AgentWorkflowClaims,
     a_result_that_comes_after_another_is_a_duplicate_however_low_its_attempt) {
  Replica a(1);
  plan(a, "book");
  ASSERT_EQ(claim(a, "book", "late", 0, 10).value(), 1);
  ASSERT_EQ(claim(a, "book", "w", 10, 20).value(), 2);
  ASSERT_EQ(complete(a, "book", "w", 2, "second").value(), Reported::chosen);
  ASSERT_EQ(complete(a, "book", "late", 1, "first").value(), Reported::duplicate);
  EXPECT_EQ(workflow(a).result("book"), (StepResult{2, "w", "second"}));
  EXPECT_THAT(workflow(a).duplicates("book"), ElementsAre(StepResult{1, "late", "first"}));
}

TEST(AgentWorkflowClaims, a_report_that_is_repeated_writes_nothing) {
  Replica a(1);
  plan(a, "book");
  ASSERT_TRUE(claim(a, "book", "w", 0, 10).ok());
  ASSERT_TRUE(complete(a, "book", "w", 1, "R-7").ok());
  const std::string before = a.document.canonical_state();
  EXPECT_EQ(complete(a, "book", "w", 1, "R-7").value(), Reported::repeated);
  EXPECT_EQ(complete(a, "book", "w", 1, "R-8").value(), Reported::repeated);
  EXPECT_TRUE(fail(a, "book", "w", 1).ok());
  EXPECT_EQ(a.document.canonical_state(), before);

  plan(a, "pay");
  ASSERT_TRUE(claim(a, "pay", "w", 0, 10).ok());
  ASSERT_TRUE(fail(a, "pay", "w", 1).ok());
  const std::string failed = a.document.canonical_state();
  EXPECT_TRUE(fail(a, "pay", "w", 1).ok());
  EXPECT_EQ(a.document.canonical_state(), failed);
}

TEST(AgentWorkflowClaims, one_report_repeated_at_another_replica_is_no_duplicate) {
  Replica a(1), b(2);
  plan(a, "book");
  ASSERT_TRUE(claim(a, "book", "w", 0, 10).ok());
  exchange(a, b);
  ASSERT_EQ(complete(a, "book", "w", 1, "R-7").value(), Reported::chosen);
  ASSERT_EQ(complete(b, "book", "w", 1, "R-7").value(), Reported::chosen);
  exchange(a, b);
  EXPECT_EQ(workflow(a).result("book"), (StepResult{1, "w", "R-7"}));
  EXPECT_THAT(workflow(a).duplicates("book"), IsEmpty());
}

TEST(AgentWorkflowClaims, a_step_failed_on_one_side_and_done_on_the_other_is_done) {
  Replica a(1), b(2);
  plan(a, "book", {.attempts_max = 1});
  exchange(a, b);
  ASSERT_TRUE(claim(a, "book", "v", 0, 10).ok());
  ASSERT_TRUE(claim(b, "book", "w", 0, 10).ok());
  ASSERT_TRUE(fail(a, "book", "v", 1).ok());
  ASSERT_TRUE(complete(b, "book", "w", 1, "R-7").ok());
  EXPECT_EQ(status_of(a, "book"), StepStatus::failed);
  exchange(a, b);
  EXPECT_EQ(status_of(a, "book"), StepStatus::done);
  EXPECT_EQ(workflow(a).result("book"), (StepResult{1, "w", "R-7"}));
}

TEST(AgentWorkflowClaims, a_step_that_somebody_runs_without_a_claim_is_left_to_him) {
  Replica a(1);
  ASSERT_TRUE(write(a, [](WorkflowRef w) { return w.advance("book", StepStatus::running); }).ok());
  EXPECT_THAT(workflow(a).ready(0), IsEmpty());
  expect_refused(a, ErrorCode::busy, "without a claim",
                 [](Replica& r) { return claim(r, "book", "w", 0, 10); });
}

TEST(AgentWorkflowClaims, attempts_of_foreign_writers_are_passed_over) {
  Replica a(1);
  plan(a, "book");
  Transaction transaction = a.begin();
  MapRef attempts =
      transaction.root().at(session_path("s").map("steps").map("book").map("attempts"));
  for (const char* key : {"1-w", "00000x-w", "000000-w", "000001-", "-00001-w", "x"}) {
    ASSERT_TRUE(attempts.map(key).reg("until_ms", Type::max_register).set(100).ok());
  }
  ASSERT_TRUE(attempts.map("000002-w").reg("until_ms", Type::max_register).set("soon").ok());
  transaction.commit();
  EXPECT_THAT(workflow(a).attempts("book"), IsEmpty());
  EXPECT_EQ(claim(a, "book", "w", 0, 10).value(), 1);
}

// What the view must show, by a list of what was done and who knew of what: no registers, no maps.
// One step, "s", which waits for a step "before".
class Specification {
 public:
  using Key = std::pair<std::int64_t, std::string>;
  struct Action {
    enum { planned, before_done, claimed, completed, failed } kind;
    Key key;
    std::int64_t until = 0;
    Value result;
    std::pair<HybridTime, ReplicaId> order;  // of concurrent writes
    bool first = false;                      // a completion that knew of no other
  };
  static constexpr std::int64_t attempts_max = 2;

  explicit Specification(std::size_t replicas) : known_(replicas) {}

  void record(std::size_t at, Action action) {
    action.first = action.kind == Action::completed && status(at) != StepStatus::done;
    known_[at].insert(actions_.size());
    actions_.push_back(std::move(action));
  }
  void pull(std::size_t to, std::size_t from) {
    known_[to].insert(known_[from].begin(), known_[from].end());
  }

  std::map<Key, std::int64_t> claims(std::size_t at) const {
    std::map<Key, std::int64_t> all;
    for (const Action& action : known(at, Action::claimed)) {
      all[action.key] = std::max(all[action.key], action.until);
    }
    return all;
  }
  bool reported(std::size_t at, const Key& key, bool also_failed) const {
    const auto is_key = [&](const Action& action) { return action.key == key; };
    return std::ranges::any_of(known(at, Action::completed), is_key) ||
           (also_failed && std::ranges::any_of(known(at, Action::failed), is_key));
  }
  StepStatus status(std::size_t at) const {
    if (!known(at, Action::completed).empty()) return StepStatus::done;
    for (const Action& action : known(at, Action::failed)) {
      if (action.key.first >= attempts_max) return StepStatus::failed;
    }
    return claims(at).empty() ? StepStatus::pending : StepStatus::running;
  }
  std::optional<Key> holder(std::size_t at, std::int64_t now) const {
    for (const auto& [key, until] : claims(at)) {
      if (now < until && !reported(at, key, true)) return key;
    }
    return std::nullopt;
  }
  // The number of the attempt that a claim gives, or why it is refused.
  Result<std::int64_t> claim(std::size_t at, const std::string& worker, std::int64_t now) const {
    const auto refused = [](ErrorCode code) { return make_error(code, ""); };
    if (known(at, Action::planned).empty()) return refused(ErrorCode::not_found);
    if (status(at) >= StepStatus::failed) return refused(ErrorCode::closed);
    if (known(at, Action::before_done).empty()) return refused(ErrorCode::busy);
    const auto holds = holder(at, now);
    if (holds && holds->second != worker) return refused(ErrorCode::busy);
    if (holds) return holds->first;
    const auto all = claims(at);
    const std::int64_t next = all.empty() ? 1 : all.rbegin()->first.first + 1;
    if (next > attempts_max) return refused(ErrorCode::limit_exceeded);
    return next;
  }
  std::optional<StepResult> chosen(std::size_t at) const {
    std::optional<Key> key;
    for (const Action& action : known(at, Action::completed)) {
      if (action.first && (!key || action.key < *key)) key = action.key;
    }
    if (!key) return std::nullopt;
    return StepResult{key->first, key->second, latest(at, *key)};
  }
  std::multiset<std::string> duplicates(std::size_t at) const {
    std::set<std::string> all;
    for (const Action& action : known(at, Action::completed)) {
      all.insert(text({action.key.first, action.key.second, action.result}));
    }
    if (const auto one = chosen(at)) all.erase(text(*one));
    return {all.begin(), all.end()};
  }
  static std::string text(const StepResult& result) {
    return std::to_string(result.attempt) + result.worker + result.value.to_string();
  }

 private:
  std::vector<Action> known(std::size_t at, int kind) const {
    std::vector<Action> all;
    for (const std::size_t i : known_[at]) {
      if (actions_[i].kind == kind) all.push_back(actions_[i]);
    }
    return all;
  }
  Value latest(std::size_t at, const Key& key) const {
    const Action* last = nullptr;
    for (const std::size_t i : known_[at]) {
      const Action& action = actions_[i];
      if (action.kind != Action::completed || action.key != key) continue;
      if (last == nullptr || last->order < action.order) last = &action;
    }
    return last->result;
  }

  std::vector<Action> actions_;
  std::vector<std::set<std::size_t>> known_;  // by replica: indexes of actions_
};

void check(const Specification& spec, std::size_t at, const Replica& replica, std::int64_t now) {
  const WorkflowView view = workflow(replica);
  const auto step = view.step("s");
  RC_ASSERT((step ? step->status : StepStatus::pending) == spec.status(at));
  RC_ASSERT(view.result("s") == spec.chosen(at));
  std::multiset<std::string> duplicates;
  for (const StepResult& one : view.duplicates("s")) duplicates.insert(Specification::text(one));
  RC_ASSERT(duplicates == spec.duplicates(at));
  std::map<Specification::Key, std::int64_t> claims;
  for (const Attempt& attempt : view.attempts("s")) {
    claims[{attempt.number, attempt.worker}] = attempt.until_ms;
  }
  RC_ASSERT(claims == spec.claims(at));
  const auto holder = view.holder("s", now);
  RC_ASSERT((holder ? std::optional(Specification::Key(holder->number, holder->worker))
                    : std::nullopt) == spec.holder(at, now));
  const auto ready = view.ready(now);
  const bool is_ready = std::ranges::find(ready, "s") != ready.end();
  RC_ASSERT(is_ready == (spec.claim(at, "nobody yet", now).ok()));
}

[[maybe_unused]] const bool runs_scaled = scale_property_runs(1000);

RC_GTEST_PROP(AgentWorkflowClaims, replicas_show_what_the_specification_says_of_what_they_know,
              ()) {
  constexpr std::size_t count = 3;
  std::vector<Replica> replicas;
  for (std::uint64_t n = 1; n <= count; ++n) {
    replicas.emplace_back(n, *rc::gen::inRange<std::uint64_t>(0, 3) * 50);
  }
  Specification spec(count);
  std::int64_t now = 0;
  const auto below = [](std::size_t end) {  // of any size from the first case on
    return *rc::gen::resize(rc::kNominalSize, rc::gen::inRange<std::size_t>(0, end));
  };
  const auto worker_name = rc::gen::element<std::string>("u", "v", "w");
  // Mostly somebody who has claimed the step, as far as is known there.
  const auto reporter = [&](std::size_t at) {
    std::vector<Specification::Key> all{{static_cast<std::int64_t>(1 + below(2)), *worker_name}};
    for (const auto& [key, until] : spec.claims(at)) all.push_back(key);
    return all[below(all.size())];
  };
  const std::size_t steps = 1 + below(60);
  // Mostly all know the step, and that it may begin, before anything else happens.
  const std::size_t known_first = below(4) == 0 ? 0 : 4;
  for (std::size_t step = 0; step < steps; ++step) {
    const bool begins = step < known_first;
    const std::size_t at = !begins ? below(count) : step < 2 ? 0 : step - 1;
    Replica& replica = replicas[at];
    Specification::Action action{};
    std::optional<Result<std::int64_t>> claimed;
    std::optional<Reported> reported;
    bool refused = false;
    const std::size_t choice = !begins ? below(12) : step < 2 ? 5 + step : 0;
    const std::string worker = *worker_name;
    if (choice < 4) {
      const std::size_t from = begins ? 0 : below(count);
      replica.pull(replicas[from]);
      spec.pull(at, from);
    } else if (choice == 4) {
      now += static_cast<std::int64_t>(below(6));
    } else {
      const EventPtr event = replica.commit([&](SessionRef& s) {
        WorkflowRef w = s.workflow();
        if (choice == 5) {
          action.kind = Specification::Action::planned;
          RC_ASSERT(
              w.plan("s", {.after = {"before"}, .attempts_max = Specification::attempts_max}).ok());
        } else if (choice == 6) {
          action.kind = Specification::Action::before_done;
          RC_ASSERT(w.advance("before", StepStatus::done).ok());
        } else if (choice < 9) {
          action.kind = Specification::Action::claimed;
          action.until = now + 1 + static_cast<std::int64_t>(below(9));
          claimed = w.claim("s", {worker, now, action.until});
          refused = !claimed->ok();
          if (!refused) action.key = {claimed->value(), worker};
        } else {
          action.kind =
              choice < 11 ? Specification::Action::completed : Specification::Action::failed;
          action.key = reporter(at);
          action.result = Value(static_cast<std::int64_t>(below(3)));
          if (choice < 11) {
            const auto outcome =
                w.complete("s", action.key.second, action.key.first, action.result);
            refused = !outcome.ok();
            if (!refused) reported = *outcome;
          } else {
            refused = !w.fail("s", action.key.second, action.key.first, "failed").ok();
          }
        }
      });
      if (claimed) {
        const auto expected = spec.claim(at, worker, now);
        RC_ASSERT(claimed->ok() == expected.ok());
        if (expected.ok()) RC_ASSERT(claimed->value() == expected.value());
        if (!expected.ok()) RC_ASSERT(claimed->error().code == expected.error().code);
      } else if (choice >= 9) {
        RC_ASSERT(refused == !spec.claims(at).contains(action.key));
        if (reported) {
          const bool again = spec.reported(at, action.key, false);
          RC_ASSERT(*reported == (again                                 ? Reported::repeated
                                  : spec.status(at) == StepStatus::done ? Reported::duplicate
                                                                        : Reported::chosen));
        }
      }
      RC_ASSERT(!refused || event == nullptr);
      const bool again =
          choice >= 9 && !refused && spec.reported(at, action.key, /*also_failed=*/choice == 11);
      if (!refused && !again) {
        if (event != nullptr) action.order = {event->time(), replica.document.self()};
        spec.record(at, std::move(action));
      }
    }
    check(spec, at, replica, now);
  }
  for (int round = 0; round < 2; ++round) {
    for (std::size_t to = 0; to < count; ++to) {
      for (std::size_t from = 0; from < count; ++from) {
        replicas[to].pull(replicas[from]);
        spec.pull(to, from);
      }
      check(spec, to, replicas[to], now);
    }
  }
  for (const Replica& replica : replicas) expect_equal(replica, replicas[0]);
  RC_CLASSIFY(spec.chosen(0).has_value(), "done");
  RC_CLASSIFY(!spec.duplicates(0).empty(), "with duplicates");
}

}  // namespace
}  // namespace rejoin::agent
