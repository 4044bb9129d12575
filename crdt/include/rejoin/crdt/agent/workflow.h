// Workflow steps: which wait for which, who works on them, and what came of it.
//
// A workflow is driven in one of two ways. Whoever drives it alone says how far each step is:
// `advance`. Where workers share it, in several regions, steps are planned, and each is claimed by
// a worker until some time, and completed or failed by it:
//
//   workflow.plan("pay", {.after = {"book"}});
//   for (name : workflow.ready(now)) attempt = workflow.claim(name, {"worker-7", now, now +
//   60'000}); workflow.complete("pay", "worker-7", *attempt, "receipt R-7");
//
// Steps are done at least once: nobody can keep two sides of a partition from claiming one step.
// What then comes twice is kept, and one result is chosen by a rule that gives the same everywhere.
//
// No view has a clock: callers say what time it is, in milliseconds since the Unix epoch. Clocks
// that are wrong make a step be done twice, or late, and nothing else.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rejoin/crdt/agent/label.h"
#include "rejoin/crdt/types/map.h"

namespace rejoin::agent {

// pending < running < failed < done: the greatest status that anybody wrote is the step's, in
// whatever order the writes meet. `done` stands above `failed`: when two regions ran one step and
// one of them succeeded, its effect is in the world, and a reader that was told "failed" would do
// it twice. So a step that failed may still become done (by an attempt under way), and one that is
// done stays done. A step with a claim is `running`, also while it waits for its next attempt.
// The numbers are what is stored; the gaps are for statuses of later versions.
enum class StepStatus : std::uint8_t { pending = 10, running = 20, failed = 30, done = 40 };

std::string_view to_string(StepStatus status);
Result<StepStatus> parse_step_status(std::string_view name);  // `invalid_argument` for another word

inline constexpr std::int64_t attempts_limit = 999'999;

struct StepPlan {
  std::vector<std::string> after = {};  // steps that must be done before; may be planned later
  std::int64_t attempts_max = 3;        // 1 to attempts_limit
};

struct WorkflowStep {
  std::string name;
  StepStatus status = StepStatus::pending;
  // What was said when it took this status: a result, a reason. Each status keeps its own, so the
  // detail of a failure never stands beside "done".
  std::optional<Value> detail;
  std::vector<std::string> after;  // sorted
  std::int64_t attempts_max = StepPlan{}.attempts_max;
};

struct Claim {
  std::string worker;  // any name that no two workers share
  std::int64_t now_ms = 0;
  std::int64_t until_ms = 0;  // the worker's, if it does not claim the step again before
};

// What one worker did about a step with one claim. Two workers have attempts of one number where
// they claimed the step without seeing each other.
struct Attempt {
  std::int64_t number = 0;  // from 1
  std::string worker;
  std::int64_t until_ms = 0;
  StepStatus status = StepStatus::running;  // running, failed or done
  std::optional<Value> outcome;             // the result, or the reason of a failure

  bool is_live(std::int64_t now_ms) const {
    return status == StepStatus::running && now_ms < until_ms;
  }
};

struct StepResult {
  std::int64_t attempt = 0;
  std::string worker;
  Value value;
  friend bool operator==(const StepResult&, const StepResult&) = default;
};

// What became of a result: it is the step's; or it is kept beside another one that was there; or
// its attempt had reported before, and nothing was written.
enum class Reported : std::uint8_t { chosen, duplicate, repeated };

// A map of steps by name: see docs/agent-state.md for what each holds.
//
// Example: A and B are cut off, and in each a worker claims the step "book": both have attempt 1.
// Both complete it. When they meet, both read the result of the worker whose name is less, and the
// other's among the duplicates. Had A known of B's result, A's would be the duplicate, whatever the
// names.
class WorkflowView {
 public:
  explicit WorkflowView(MapView map) : map_(map) {}
  // By name: name steps so that they sort ("01-search"). A status number between two known ones
  // reads as the lower: a newer writer's step is never shown further than it is.
  std::vector<WorkflowStep> steps() const;
  std::optional<WorkflowStep> step(std::string_view name) const;

  // The steps that a worker may claim now, by name: neither done nor failed, all that they wait for
  // done, held by nobody, and with an attempt left. O(steps, dependencies and attempts).
  std::vector<std::string> ready(std::int64_t now_ms) const;
  // Steps that wait for themselves through others, since dependencies were added concurrently. They
  // are never ready; WorkflowRef::release() cuts the circle. O(steps · dependencies).
  std::vector<std::string> circular() const;

  std::vector<Attempt> attempts(std::string_view name) const;  // by number, then worker
  // The first of the live attempts. Another one that is live, too, was claimed concurrently: its
  // worker should stop when it sees that.
  std::optional<Attempt> holder(std::string_view name, std::int64_t now_ms) const;
  // Of results reported concurrently that of the lowest attempt, then of the least worker, is the
  // step's; one that was reported with another in sight never is. A result of one attempt that was
  // reported at two replicas at once is read as a register's. Nothing for a step done by advance().
  std::optional<StepResult> result(std::string_view name) const;
  // All others, by attempt, then worker.
  std::vector<StepResult> duplicates(std::string_view name) const;

 protected:
  MapView map_;
};

// A refused write leaves the document as it was, and its error names the path; of `limit_exceeded`
// for a transaction too large, return it from the transaction. Valid until its transaction ends.
class WorkflowRef : public WorkflowView {
 public:
  explicit WorkflowRef(MapRef map) : WorkflowView(map), map_(map) {}
  // Moves a step forward, creating it if need be, and gives the status that it then has. A step
  // that is further already stays where it is and nothing is written: whether the other write had
  // been seen by now or meets this one later, the outcome is the same. `detail` is written where
  // the step ends up at `status`. For workflows without workers: it asks for no dependencies.
  // `invalid_argument` for an empty name, and for a step that workers have claimed.
  Result<StepStatus> advance(std::string_view name, StepStatus status,
                             const std::optional<Value>& detail = std::nullopt);

  // Creates a pending step, or adds to the plan of one: what it waits for, and attempts if it had
  // fewer. `invalid_argument` for a bad name or bound, a step that waits for itself, or one that
  // would by what is known here; `limit_exceeded` for a name beyond label_bytes_max.
  // O(dependencies).
  Status plan(std::string_view name, const StepPlan& plan = {});
  // The step waits for another one no more. Nothing when it does not.
  Status release(std::string_view name, std::string_view after);

  // Makes the step the worker's, and gives the number of the attempt. The one who holds the step
  // prolongs its attempt with it. `not_found` for a step that is not here, `closed` for one that is
  // done or failed, `busy` for one that another worker holds or that waits for others,
  // `limit_exceeded` when no attempt is left, `invalid_argument` for a worker without a name or a
  // time that has passed.
  Result<std::int64_t> claim(std::string_view name, const Claim& claim);
  // The result of an attempt, which makes the step done. A claim that expired is no reason to
  // refuse it: what was done is done. `invalid_argument` when the attempt is not this worker's.
  Result<Reported> complete(std::string_view name, std::string_view worker, std::int64_t attempt,
                            const Value& result);
  // That the attempt came to nothing: the next may be claimed, and after the last one the step is
  // failed. Nothing when this attempt has reported before. Errors as of complete().
  Status fail(std::string_view name, std::string_view worker, std::int64_t attempt,
              const Value& reason);
  // Makes those steps failed whose last attempt expired without a word. O(steps and attempts).
  Status fail_expired(std::int64_t now_ms);

 private:
  MapRef map_;
};

}  // namespace rejoin::agent
