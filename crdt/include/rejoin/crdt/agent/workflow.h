// Workflow steps, whose status only moves forward.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rejoin/crdt/types/map.h"

namespace rejoin::agent {

// pending < running < failed < done: the greatest status that anybody wrote is the step's, in
// whatever order the writes meet. `done` stands above `failed`: when two regions ran one step and
// one of them succeeded, its effect is in the world, and a reader that was told "failed" would do
// it twice. So a step that failed may still become done (a retry), and one that is done stays done.
// The numbers are what is stored; the gaps are for statuses of later versions.
enum class StepStatus : std::uint8_t { pending = 10, running = 20, failed = 30, done = 40 };

std::string_view to_string(StepStatus status);
Result<StepStatus> parse_step_status(std::string_view name);  // `invalid_argument` for another word

struct WorkflowStep {
  std::string name;
  StepStatus status = StepStatus::pending;
  // What was said when it took this status: a result, a reason. Each status keeps its own, so the
  // detail of a failure never stands beside "done".
  std::optional<Value> detail;
};

// A map of steps by name; each holds a max_register of the status and a register a detail.
//
// Example: A finds the step running and marks it failed, while B marks it done. Both read "done",
// with B's detail.
class WorkflowView {
 public:
  explicit WorkflowView(MapView map) : map_(map) {}
  // By name: name steps so that they sort ("01-search"). A status number between two known ones
  // reads as the lower: a newer writer's step is never shown further than it is.
  std::vector<WorkflowStep> steps() const;
  std::optional<WorkflowStep> step(std::string_view name) const;

 private:
  MapView map_;
};

class WorkflowRef : public WorkflowView {
 public:
  explicit WorkflowRef(MapRef map) : WorkflowView(map), map_(map) {}
  // Moves a step forward, creating it if need be, and gives the status that it then has. A step
  // that is further already stays where it is and nothing is written: whether the other write had
  // been seen by now or meets this one later, the outcome is the same. `detail` is written where
  // the step ends up at `status`. `invalid_argument` for an empty name.
  Result<StepStatus> advance(std::string_view name, StepStatus status,
                             const std::optional<Value>& detail = std::nullopt);

 private:
  MapRef map_;
};

}  // namespace rejoin::agent
