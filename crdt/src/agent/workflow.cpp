#include "rejoin/crdt/agent/workflow.h"

namespace rejoin::agent {
namespace {

constexpr std::string_view status_name = "status";
constexpr std::string_view details_name = "details";
constexpr StepStatus statuses[] = {StepStatus::pending, StepStatus::running, StepStatus::failed,
                                   StepStatus::done};

// The greatest known status that is not beyond the stored number; pending for anything else.
StepStatus read_status(const MapView& step) {
  StepStatus read = StepStatus::pending;
  const auto stored = step.reg(status_name, Type::max_register).get();
  if (!stored || !stored->is_integer()) return read;
  for (StepStatus known : statuses) {
    if (stored->as_integer() >= static_cast<std::int64_t>(known)) read = known;
  }
  return read;
}

WorkflowStep read_step(std::string name, const MapView& step) {
  const StepStatus status = read_status(step);
  return WorkflowStep{std::move(name), status, step.map(details_name).reg(to_string(status)).get()};
}

}  // namespace

std::string_view to_string(StepStatus status) {
  switch (status) {
    case StepStatus::pending:
      return "pending";
    case StepStatus::running:
      return "running";
    case StepStatus::failed:
      return "failed";
    case StepStatus::done:
      return "done";
  }
  return "unknown";
}

Result<StepStatus> parse_step_status(std::string_view name) {
  for (StepStatus status : statuses) {
    if (name == to_string(status)) return status;
  }
  return make_error(ErrorCode::invalid_argument,
                    "unknown step status '" + std::string(name) +
                        "'; it must be pending, running, failed or done");
}

std::vector<WorkflowStep> WorkflowView::steps() const {
  std::vector<WorkflowStep> all;
  for (const Child& child : map_.children()) {
    if (child.type == Type::map) all.push_back(read_step(child.name, map_.map(child.name)));
  }
  return all;
}

std::optional<WorkflowStep> WorkflowView::step(std::string_view name) const {
  const MapView found = map_.map(name);
  if (!found.exists()) return std::nullopt;
  return read_step(std::string(name), found);
}

Result<StepStatus> WorkflowRef::advance(std::string_view name, StepStatus status,
                                        const std::optional<Value>& detail) {
  if (name.empty()) return make_error(ErrorCode::invalid_argument, "a workflow step needs a name");
  if (to_string(status) == "unknown") {
    return make_error(ErrorCode::invalid_argument, "a step's status is one of StepStatus");
  }
  MapRef step = map_.map(name);
  if (step.exists() && read_status(step) > status) return read_status(step);
  const auto rank = static_cast<std::int64_t>(status);
  if (auto ok = step.reg(status_name, Type::max_register).set(Value(rank)); !ok) return ok.error();
  if (detail) {
    if (auto ok = step.map(details_name).reg(to_string(status)).set(*detail); !ok)
      return ok.error();
  }
  return status;
}

}  // namespace rejoin::agent
