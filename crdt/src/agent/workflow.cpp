#include "rejoin/crdt/agent/workflow.h"

#include <algorithm>
#include <charconv>
#include <set>
#include <utility>

#include "agent/fields.h"

namespace rejoin::agent {
namespace {

constexpr std::string_view status_name = "status";
constexpr std::string_view details_name = "details";
constexpr std::string_view after_name = "after";
constexpr std::string_view attempts_name = "attempts";
constexpr std::string_view attempts_max_name = "attempts_max";
constexpr std::string_view chosen_name = "chosen";
constexpr std::string_view until_name = "until_ms";
constexpr std::string_view result_name = "result";
constexpr std::string_view failure_name = "failure";
constexpr StepStatus statuses[] = {StepStatus::pending, StepStatus::running, StepStatus::failed,
                                   StepStatus::done};

// The greatest known status that is not beyond the stored number; pending for anything else.
StepStatus read_status(const MapView& step) {
  StepStatus read = StepStatus::pending;
  const auto stored = integer_at(step, status_name, Type::max_register);
  for (StepStatus known : statuses) {
    if (stored && *stored >= static_cast<std::int64_t>(known)) read = known;
  }
  return read;
}

Status write_status(MapRef step, StepStatus status) {
  return step.reg(status_name, Type::max_register).set(static_cast<std::int64_t>(status));
}

std::vector<std::string> read_after(const MapView& step) {
  std::vector<std::string> after;
  for (const Value& name : step.set(after_name).elements()) {
    if (name.is_string()) after.emplace_back(name.as_string());
  }
  return after;
}

std::int64_t read_attempts_max(const MapView& step) {
  const auto stored = integer_at(step, attempts_max_name, Type::max_register);
  return std::clamp(stored.value_or(StepPlan{}.attempts_max), std::int64_t{1}, attempts_limit);
}

// "000001-worker": attempts sort by number, then worker.
constexpr std::size_t number_digits = 6;

std::string attempt_key(std::int64_t number, std::string_view worker) {
  std::string digits = std::to_string(number);
  digits.insert(0, number_digits - std::min(number_digits, digits.size()), '0');
  return digits + "-" + std::string(worker);
}

std::optional<Attempt> read_attempt(const MapView& step, const std::string& key) {
  Attempt attempt;
  if (key.size() <= number_digits + 1 || key[number_digits] != '-') return std::nullopt;
  const char* const digits_end = key.data() + number_digits;
  const auto number = std::from_chars(key.data(), digits_end, attempt.number);
  if (number.ec != std::errc() || number.ptr != digits_end || attempt.number < 1) {
    return std::nullopt;
  }
  const MapView map = step.map(attempts_name).map(key);
  const auto until = integer_at(map, until_name, Type::max_register);
  if (!until) return std::nullopt;
  attempt.worker = key.substr(number_digits + 1);
  attempt.until_ms = *until;
  if ((attempt.outcome = map.reg(result_name).get())) {
    attempt.status = StepStatus::done;
  } else if ((attempt.outcome = map.reg(failure_name).get())) {
    attempt.status = StepStatus::failed;
  }
  return attempt;
}

std::vector<Attempt> read_attempts(const MapView& step) {
  std::vector<Attempt> attempts;
  for (const Child& child : step.map(attempts_name).children()) {
    if (child.type != Type::map) continue;
    if (auto attempt = read_attempt(step, child.name)) attempts.push_back(*std::move(attempt));
  }
  return attempts;
}

std::optional<Attempt> first_live(const std::vector<Attempt>& attempts, std::int64_t now_ms) {
  const auto live = std::ranges::find_if(
      attempts, [now_ms](const Attempt& attempt) { return attempt.is_live(now_ms); });
  return live != attempts.end() ? std::optional(*live) : std::nullopt;
}

std::int64_t last_number(const std::vector<Attempt>& attempts) {
  return attempts.empty() ? 0 : attempts.back().number;
}

struct Results {
  std::optional<StepResult> chosen;
  std::vector<StepResult> duplicates;
};

Results read_results(const MapView& step) {
  Results results;
  const auto chosen = step.reg(chosen_name, Type::min_register).get();
  for (Attempt& attempt : read_attempts(step)) {
    if (attempt.status != StepStatus::done) continue;
    const std::string key = attempt_key(attempt.number, attempt.worker);
    StepResult result{attempt.number, attempt.worker, *std::move(attempt.outcome)};
    std::vector<Value> others;
    for (Sibling& sibling : step.map(attempts_name).map(key).reg(result_name).siblings()) {
      if (sibling.value != result.value && std::ranges::find(others, sibling.value) == others.end())
        others.push_back(std::move(sibling.value));
    }
    if (chosen == Value(key)) {
      results.chosen = result;
    } else {
      results.duplicates.push_back(result);
    }
    for (Value& other : others) {
      results.duplicates.push_back({result.attempt, result.worker, std::move(other)});
    }
  }
  return results;
}

WorkflowStep read_step(std::string name, const MapView& step) {
  WorkflowStep read;
  read.name = std::move(name);
  read.status = read_status(step);
  read.detail = step.map(details_name).reg(to_string(read.status)).get();
  if (read.status == StepStatus::done) {
    if (auto chosen = read_results(step).chosen) read.detail = std::move(chosen->value);
  }
  read.after = read_after(step);
  read.attempts_max = read_attempts_max(step);
  return read;
}

// The first that the step waits for and that is not done.
std::optional<std::string> awaited(const MapView& steps, const MapView& step) {
  for (std::string& name : read_after(step)) {
    if (read_status(steps.map(name)) != StepStatus::done) return std::move(name);
  }
  return std::nullopt;
}

// Whether `from` is `to` or waits for it, directly or through others.
bool leads_to(const MapView& steps, std::string_view from, std::string_view to) {
  std::set<std::string> seen{std::string(from)};
  std::vector<std::string> open{std::string(from)};
  while (!open.empty()) {
    const std::string name = std::move(open.back());
    open.pop_back();
    if (name == to) return true;
    for (std::string& next : read_after(steps.map(name))) {
      if (seen.insert(next).second) open.push_back(std::move(next));
    }
  }
  return false;
}

std::vector<std::string> step_names(const MapView& steps) {
  std::vector<std::string> names;
  for (Child& child : steps.children()) {
    if (child.type == Type::map) names.push_back(std::move(child.name));
  }
  return names;
}

Error refusal(const MapView& steps, std::string_view name, ErrorCode code, std::string message) {
  return make_error(code, std::move(message), steps.path().map(name).to_string());
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
  for (std::string& name : step_names(map_)) {
    const MapView step = map_.map(name);
    all.push_back(read_step(std::move(name), step));
  }
  return all;
}

std::optional<WorkflowStep> WorkflowView::step(std::string_view name) const {
  const MapView found = map_.map(name);
  if (!found.exists()) return std::nullopt;
  return read_step(std::string(name), found);
}

std::vector<std::string> WorkflowView::ready(std::int64_t now_ms) const {
  std::vector<std::string> names = step_names(map_);
  std::erase_if(names, [&](const std::string& name) {
    const MapView step = map_.map(name);
    const StepStatus status = read_status(step);
    if (status >= StepStatus::failed || awaited(map_, step)) return true;
    const std::vector<Attempt> attempts = read_attempts(step);
    // Without a claim it is in the hands of whoever advanced it.
    if (status == StepStatus::running && attempts.empty()) return true;
    return first_live(attempts, now_ms).has_value() ||
           last_number(attempts) >= read_attempts_max(step);
  });
  return names;
}

std::vector<std::string> WorkflowView::circular() const {
  std::vector<std::string> names = step_names(map_);
  std::erase_if(names, [&](const std::string& name) {
    return std::ranges::none_of(read_after(map_.map(name)), [&](const std::string& after) {
      return leads_to(map_, after, name);
    });
  });
  return names;
}

std::vector<Attempt> WorkflowView::attempts(std::string_view name) const {
  return read_attempts(map_.map(name));
}

std::optional<Attempt> WorkflowView::holder(std::string_view name, std::int64_t now_ms) const {
  return first_live(attempts(name), now_ms);
}

std::optional<StepResult> WorkflowView::result(std::string_view name) const {
  return read_results(map_.map(name)).chosen;
}

std::vector<StepResult> WorkflowView::duplicates(std::string_view name) const {
  return read_results(map_.map(name)).duplicates;
}

Result<StepStatus> WorkflowRef::advance(std::string_view name, StepStatus status,
                                        const std::optional<Value>& detail) {
  if (name.empty()) return make_error(ErrorCode::invalid_argument, "a workflow step needs a name");
  if (to_string(status) == "unknown") {
    return make_error(ErrorCode::invalid_argument, "a step's status is one of StepStatus");
  }
  if (!attempts(name).empty()) {
    return refusal(map_, name, ErrorCode::invalid_argument,
                   "workers have claimed this step; whoever holds it completes or fails it");
  }
  MapRef step = map_.map(name);
  if (step.exists() && read_status(step) > status) return read_status(step);
  if (auto ok = write_status(step, status); !ok) return ok.error();
  if (detail) {
    if (auto ok = step.map(details_name).reg(to_string(status)).set(*detail); !ok)
      return ok.error();
  }
  return status;
}

Status WorkflowRef::plan(std::string_view name, const StepPlan& plan) {
  if (auto ok = check_name("a step's name", name); !ok) return ok;
  const auto invalid = [&](std::string message) {
    return refusal(map_, name, ErrorCode::invalid_argument, std::move(message));
  };
  if (plan.attempts_max < 1 || plan.attempts_max > attempts_limit) {
    return invalid("a step has 1 to " + std::to_string(attempts_limit) + " attempts, not " +
                   std::to_string(plan.attempts_max));
  }
  for (const std::string& after : plan.after) {
    if (auto ok = check_name("the name of a step to wait for", after); !ok) return ok;
    if (after == name) return invalid("a step cannot wait for itself");
    if (leads_to(map_, after, name)) {
      return invalid("the step cannot wait for '" + after +
                     "', which waits for it already, itself or through others");
    }
  }
  MapRef step = map_.map(name);
  if (auto ok = write_status(step, StepStatus::pending); !ok) return ok;
  if (auto ok = step.reg(attempts_max_name, Type::max_register).set(plan.attempts_max); !ok) {
    return ok;
  }
  for (const std::string& after : plan.after) {
    if (step.set(after_name).contains(after)) continue;
    if (auto ok = step.set(after_name).add(after); !ok) return ok;
  }
  return {};
}

Status WorkflowRef::release(std::string_view name, std::string_view after) {
  if (!map_.map(name).set(after_name).contains(after)) return {};
  return map_.map(name).set(after_name).remove(after);
}

Result<std::int64_t> WorkflowRef::claim(std::string_view name, const Claim& claim) {
  if (auto ok = check_name("a worker's name", claim.worker); !ok) return ok.error();
  const auto refused = [&](ErrorCode code, std::string message) {
    return refusal(map_, name, code, std::move(message));
  };
  if (claim.until_ms <= claim.now_ms) {
    return refused(ErrorCode::invalid_argument, "a claim until " + std::to_string(claim.until_ms) +
                                                    " ms is over at " +
                                                    std::to_string(claim.now_ms) + " ms");
  }
  MapRef step = map_.map(name);
  if (!step.exists()) return refused(ErrorCode::not_found, "there is no such step here; plan it");
  const StepStatus status = read_status(step);
  if (status >= StepStatus::failed) {
    return refused(ErrorCode::closed, "the step is " + std::string(to_string(status)));
  }
  if (const auto other = awaited(map_, step)) {
    return refused(ErrorCode::busy, "the step waits for '" + *other + "', which is not done");
  }
  const std::vector<Attempt> before = read_attempts(step);
  if (status == StepStatus::running && before.empty()) {
    return refused(ErrorCode::busy, "the step is run without a claim, by whoever advanced it");
  }
  const std::optional<Attempt> holder = first_live(before, claim.now_ms);
  if (holder && holder->worker != claim.worker) {
    return refused(ErrorCode::busy, "'" + holder->worker + "' holds the step until " +
                                        std::to_string(holder->until_ms) + " ms");
  }
  const std::int64_t number = holder ? holder->number : last_number(before) + 1;
  const std::int64_t attempts_max = read_attempts_max(step);
  if (number > attempts_max) {
    return refused(ErrorCode::limit_exceeded,
                   "all " + std::to_string(attempts_max) + " attempts of the step are used up");
  }
  MapRef attempt = step.map(attempts_name).map(attempt_key(number, claim.worker));
  if (auto ok = attempt.reg(until_name, Type::max_register).set(claim.until_ms); !ok) {
    return ok.error();
  }
  if (auto ok = write_status(step, StepStatus::running); !ok) return ok.error();
  return number;
}

namespace {

// The attempt if it is this worker's.
Result<Attempt> own_attempt(const MapView& steps, std::string_view name, std::string_view worker,
                            std::int64_t number) {
  const std::vector<Attempt> attempts = read_attempts(steps.map(name));
  std::string others;
  for (const Attempt& attempt : attempts) {
    if (attempt.number != number) continue;
    if (attempt.worker == worker) return attempt;
    others += (others.empty() ? "'" : ", '") + attempt.worker + "'";
  }
  return refusal(steps, name, ErrorCode::invalid_argument,
                 "'" + std::string(worker) + "' has not claimed attempt " + std::to_string(number) +
                     (others.empty() ? ", as far as is known here" : "; it is that of " + others));
}

}  // namespace

Result<Reported> WorkflowRef::complete(std::string_view name, std::string_view worker,
                                       std::int64_t attempt, const Value& result) {
  const Result<Attempt> own = own_attempt(map_, name, worker, attempt);
  if (!own) return own.error();
  if (own->status == StepStatus::done) return Reported::repeated;
  MapRef step = map_.map(name);
  const std::string key = attempt_key(attempt, worker);
  const bool is_first = read_status(step) != StepStatus::done;
  if (auto ok = step.map(attempts_name).map(key).reg(result_name).set(result); !ok) {
    return ok.error();
  }
  if (!is_first) return Reported::duplicate;
  if (auto ok = write_status(step, StepStatus::done); !ok) return ok.error();
  if (auto ok = step.reg(chosen_name, Type::min_register).set(key); !ok) return ok.error();
  return Reported::chosen;
}

Status WorkflowRef::fail(std::string_view name, std::string_view worker, std::int64_t attempt,
                         const Value& reason) {
  const Result<Attempt> own = own_attempt(map_, name, worker, attempt);
  if (!own) return own.error();
  if (own->status != StepStatus::running) return {};
  MapRef step = map_.map(name);
  MapRef failed = step.map(attempts_name).map(attempt_key(attempt, worker));
  if (auto ok = failed.reg(failure_name).set(reason); !ok) return ok;
  if (attempt < read_attempts_max(step)) return {};
  if (auto ok = write_status(step, StepStatus::failed); !ok) return ok;
  return step.map(details_name).reg(to_string(StepStatus::failed)).set(reason);
}

Status WorkflowRef::fail_expired(std::int64_t now_ms) {
  for (const std::string& name : step_names(map_)) {
    MapRef step = map_.map(name);
    const std::vector<Attempt> attempts = read_attempts(step);
    if (read_status(step) >= StepStatus::failed || first_live(attempts, now_ms) ||
        last_number(attempts) < read_attempts_max(step)) {
      continue;
    }
    if (auto ok = write_status(step, StepStatus::failed); !ok) return ok;
    const Value reason("the last attempt expired at " + std::to_string(attempts.back().until_ms) +
                       " ms");
    if (auto ok = step.map(details_name).reg(to_string(StepStatus::failed)).set(reason); !ok) {
      return ok;
    }
  }
  return {};
}

}  // namespace rejoin::agent
