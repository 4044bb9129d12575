#include "rejoin/crdt/agent/training_run.h"

#include <algorithm>
#include <cmath>
#include <tuple>
#include <utility>

#include "agent/fields.h"

namespace rejoin::agent {
namespace {

constexpr std::string_view progress_name = "progress";
constexpr std::string_view checkpoints_name = "checkpoints";
constexpr std::string_view metrics_name = "metrics";
constexpr std::string_view validations_name = "validations";
constexpr std::string_view versions_name = "versions";

// The type of a metric's cells says what it aims at, and is the rule by which they merge.
Type type_of(Aim aim) { return aim == Aim::greatest ? Type::max_register : Type::min_register; }

std::optional<double> read_number(const std::optional<Value>& value) {
  if (!value) return std::nullopt;
  if (value->is_integer()) return static_cast<double>(value->as_integer());
  if (!value->is_real() || !std::isfinite(value->as_real())) return std::nullopt;
  return value->as_real();
}

std::optional<ContentHash> read_hash(const std::optional<Value>& value) {
  if (!value || !value->is_string()) return std::nullopt;
  const Result<ContentHash> hash = ContentHash::parse(value->as_string());
  return hash.ok() ? std::optional(*hash) : std::nullopt;
}

std::optional<Checkpoint> read_checkpoint(const MapView& run, const ContentHash& hash) {
  const MapView map = run.map(checkpoints_name).map(hash.to_string());
  const auto step = integer_at(map, "step");
  const auto bytes = integer_at(map, "bytes");
  if (!step || !bytes) return std::nullopt;
  return Checkpoint{hash, read_hash(map.reg("parent").get()).value_or(ContentHash()), *step,
                    *bytes};
}

Validation read_validation(std::string validator, const MapView& map) {
  Validation read;
  read.validator = std::move(validator);
  // One validator that said both at two replicas has failed it.
  for (const Sibling& said : map.reg("verdict").siblings()) {
    if (said.value == Value(to_string(Verdict::failed))) read.verdict = Verdict::failed;
    if (said.value == Value(to_string(Verdict::passed))) {
      read.verdict = std::max(read.verdict, Verdict::passed);
    }
  }
  read.reason = map.map("reasons").reg(to_string(read.verdict)).get();
  return read;
}

Error refusal(const MapView& run, ErrorCode code, std::string message) {
  return make_error(code, std::move(message), run.path().to_string());
}

Status check_saved(const MapView& run, const ContentHash& hash) {
  if (read_checkpoint(run, hash)) return {};
  return refusal(run, ErrorCode::not_found,
                 "there is no checkpoint " + (hash.is_nil() ? "without a hash" : hash.to_string()) +
                     " here; save it first, or wait for whoever did");
}

}  // namespace

std::string_view to_string(Aim aim) { return aim == Aim::greatest ? "greatest" : "least"; }

std::string_view to_string(Verdict verdict) {
  switch (verdict) {
    case Verdict::passed:
      return "passed";
    case Verdict::failed:
      return "failed";
    case Verdict::none:
      break;
  }
  return "none";
}

std::int64_t TrainingRunView::progress(std::string_view measure) const {
  return integer_at(map_.map(progress_name), measure, Type::max_register).value_or(0);
}

std::vector<Checkpoint> TrainingRunView::checkpoints() const {
  std::vector<Checkpoint> all;
  for (const Child& child : map_.map(checkpoints_name).children()) {
    const auto hash = read_hash(Value(child.name));
    if (!hash) continue;
    if (const auto found = read_checkpoint(map_, *hash)) all.push_back(*found);
  }
  std::ranges::sort(all, {}, [](const Checkpoint& c) { return std::tie(c.step, c.hash); });
  return all;
}

std::optional<Checkpoint> TrainingRunView::checkpoint(const ContentHash& hash) const {
  return read_checkpoint(map_, hash);
}

std::vector<Metric> TrainingRunView::values(std::string_view metric, Aim aim) const {
  std::vector<Metric> all;
  const MapView map = map_.map(metrics_name).map(metric);
  for (const Child& child : map.children()) {
    if (child.type != type_of(aim)) continue;
    const auto hash = read_hash(Value(child.name));
    const auto value = read_number(map.reg(child.name, child.type).get());
    if (hash && value) all.push_back({*value, *hash});
  }
  return all;
}

std::optional<Metric> TrainingRunView::best(std::string_view metric, Aim aim) const {
  const std::vector<Metric> all = values(metric, aim);
  if (all.empty()) return std::nullopt;
  return aim == Aim::greatest ? *std::ranges::max_element(all, {}, &Metric::value)
                              : *std::ranges::min_element(all, {}, &Metric::value);
}

std::vector<Validation> TrainingRunView::validations(const ContentHash& checkpoint) const {
  std::vector<Validation> all;
  const MapView map = map_.map(validations_name).map(checkpoint.to_string());
  for (const Child& child : map.children()) {
    if (child.type != Type::map) continue;
    Validation one = read_validation(child.name, map.map(child.name));
    if (one.verdict != Verdict::none) all.push_back(std::move(one));
  }
  return all;
}

Verdict TrainingRunView::verdict(const ContentHash& checkpoint) const {
  Verdict verdict = Verdict::none;
  for (const Validation& one : validations(checkpoint)) verdict = std::max(verdict, one.verdict);
  return verdict;
}

std::optional<ModelVersion> TrainingRunView::version(std::string_view name) const {
  ModelVersion version{std::string(name), {}};
  const RegisterView published = map_.map(versions_name).reg(name, Type::multi_register);
  for (const Sibling& sibling : published.siblings()) {
    if (const auto hash = read_hash(sibling.value)) version.checkpoints.push_back(*hash);
  }
  if (version.checkpoints.empty()) return std::nullopt;
  std::ranges::sort(version.checkpoints);
  version.checkpoints.erase(std::unique(version.checkpoints.begin(), version.checkpoints.end()),
                            version.checkpoints.end());
  return version;
}

std::vector<ModelVersion> TrainingRunView::versions() const {
  std::vector<ModelVersion> all;
  for (const Child& child : map_.map(versions_name).children()) {
    if (child.type != Type::multi_register) continue;
    if (auto one = version(child.name)) all.push_back(*std::move(one));
  }
  return all;
}

Result<std::int64_t> TrainingRunRef::advance(std::string_view measure, std::int64_t to) {
  if (auto ok = check_name("a measure's name", measure); !ok) return ok.error();
  if (to < 0) {
    return refusal(map_, ErrorCode::invalid_argument,
                   "progress begins at 0 and never falls; " + std::to_string(to) + " is less");
  }
  if (auto ok = map_.map(progress_name).reg(measure, Type::max_register).set(to); !ok) {
    return ok.error();
  }
  return progress(measure);
}

Status TrainingRunRef::save(const Checkpoint& checkpoint) {
  const auto invalid = [&](std::string message) {
    return refusal(map_, ErrorCode::invalid_argument, std::move(message));
  };
  if (checkpoint.hash.is_nil()) return invalid("a checkpoint needs the hash of its content");
  if (checkpoint.parent == checkpoint.hash) return invalid("a checkpoint is not its own parent");
  if (checkpoint.step < 0 || checkpoint.bytes < 0) {
    return invalid("a checkpoint's step and size are not negative");
  }
  if (const auto there = read_checkpoint(map_, checkpoint.hash)) {
    if (*there == checkpoint) return {};
    return invalid("checkpoint " + checkpoint.hash.to_string() + " was saved at step " +
                   std::to_string(there->step) + " with " + std::to_string(there->bytes) +
                   " bytes, and does not change");
  }
  MapRef map = map_.map(checkpoints_name).map(checkpoint.hash.to_string());
  if (auto ok = map.reg("step").set(checkpoint.step); !ok) return ok;
  if (auto ok = map.reg("bytes").set(checkpoint.bytes); !ok) return ok;
  if (checkpoint.parent.is_nil()) return {};
  return map.reg("parent").set(checkpoint.parent.to_string());
}

Status TrainingRunRef::report(std::string_view metric, Aim aim, const ContentHash& checkpoint,
                              double value) {
  if (auto ok = check_name("a metric's name", metric); !ok) return ok;
  if (!std::isfinite(value)) {
    return refusal(map_, ErrorCode::invalid_argument, "a metric's value is a finite number");
  }
  if (auto ok = check_saved(map_, checkpoint); !ok) return ok;
  const Aim other = aim == Aim::greatest ? Aim::least : Aim::greatest;
  if (!values(metric, other).empty()) {
    return refusal(map_, ErrorCode::invalid_argument,
                   "the best '" + std::string(metric) + "' is the " +
                       std::string(to_string(other)) + " here, not the " +
                       std::string(to_string(aim)));
  }
  return map_.map(metrics_name).map(metric).reg(checkpoint.to_string(), type_of(aim)).set(value);
}

Status TrainingRunRef::validate(const ContentHash& checkpoint, std::string_view validator,
                                Verdict verdict, const std::optional<Value>& reason) {
  if (auto ok = check_name("a validator's name", validator); !ok) return ok;
  if (verdict != Verdict::passed && verdict != Verdict::failed) {
    return refusal(map_, ErrorCode::invalid_argument, "a verdict is either passed or failed");
  }
  if (auto ok = check_saved(map_, checkpoint); !ok) return ok;
  MapRef map = map_.map(validations_name).map(checkpoint.to_string()).map(validator);
  RegisterRef said = map.map("reasons").reg(to_string(verdict));
  if (auto ok = reason ? said.set(*reason) : said.clear(); !ok) return ok;
  return map.reg("verdict").set(to_string(verdict));
}

Status TrainingRunRef::publish(std::string_view name, const ContentHash& checkpoint) {
  if (auto ok = check_name("a version's name", name); !ok) return ok;
  if (auto ok = check_saved(map_, checkpoint); !ok) return ok;
  if (const auto there = version(name); there && there->checkpoints.size() == 1) {
    const ContentHash& published = there->checkpoints.front();
    if (published == checkpoint) return {};
    return refusal(map_, ErrorCode::invalid_argument,
                   "version '" + std::string(name) + "' is checkpoint " + published.to_string() +
                       ", and does not change; take another name");
  }
  return map_.map(versions_name).reg(name, Type::multi_register).set(checkpoint.to_string());
}

}  // namespace rejoin::agent
