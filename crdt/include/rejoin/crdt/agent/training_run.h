// A training run: how far it is, which checkpoints it saved, how good they are, and who approved
// them.
//
// Content is kept elsewhere, under its hash: here is what is said of it. Whatever is said of a
// checkpoint says so of exactly those bytes, so most of it can only be added to.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rejoin/crdt/agent/content_hash.h"
#include "rejoin/crdt/agent/label.h"
#include "rejoin/crdt/types/map.h"

namespace rejoin::agent {

struct Checkpoint {
  ContentHash hash;
  ContentHash parent = {};  // what training went on from; nil: from nothing
  std::int64_t step = 0;    // when it was saved
  std::int64_t bytes = 0;
  friend bool operator==(const Checkpoint&, const Checkpoint&) = default;
};

enum class Aim : std::uint8_t { greatest, least };  // accuracy; loss
std::string_view to_string(Aim aim);

struct Metric {
  double value = 0;
  ContentHash checkpoint;
  friend bool operator==(const Metric&, const Metric&) = default;
};

// Of one validator; and of all about a checkpoint, where one that failed it outweighs those that
// passed it.
enum class Verdict : std::uint8_t { none, passed, failed };
std::string_view to_string(Verdict verdict);

struct Validation {
  std::string validator;
  Verdict verdict = Verdict::none;
  std::optional<Value> reason;
};

struct ModelVersion {
  std::string name;
  // One; several where it was published at two replicas at once, and one was not chosen yet. By
  // hash.
  std::vector<ContentHash> checkpoints;
};

// Any map, such as /training/<run>: see docs/agent-state.md for what it holds.
//
// Example: A reports an accuracy of 0.91 for checkpoint x while B reports 0.93 for y. Both then
// read y as the best. A's validator fails y while B's passes it: failed. A publishes x as "v2"
// while B publishes y as "v2": both show both, and who publishes "v2" after that chooses.
class TrainingRunView {
 public:
  explicit TrainingRunView(MapView map) : map_(map) {}
  // The greatest that anybody reported of a measure, such as "step"; 0 where nobody did.
  std::int64_t progress(std::string_view measure) const;
  std::vector<Checkpoint> checkpoints() const;  // by step, then hash
  std::optional<Checkpoint> checkpoint(const ContentHash& hash) const;
  // The best value of a metric so far, and the checkpoint that had it; of equal ones the least
  // hash. O(checkpoints).
  std::optional<Metric> best(std::string_view metric, Aim aim) const;
  std::vector<Metric> values(std::string_view metric, Aim aim) const;  // by hash
  Verdict verdict(const ContentHash& checkpoint) const;
  std::vector<Validation> validations(const ContentHash& checkpoint) const;  // by validator
  std::vector<ModelVersion> versions() const;                                // by name
  std::optional<ModelVersion> version(std::string_view name) const;

 protected:
  MapView map_;
};

// A refused write leaves the document as it was, and its error names the path. All that is said of
// a checkpoint is `not_found` where it is not here: save it first, or wait for whoever did. A name
// is `invalid_argument` when it is empty or no UTF-8, `limit_exceeded` beyond label_bytes_max.
// Valid until its transaction ends.
class TrainingRunRef : public TrainingRunView {
 public:
  explicit TrainingRunRef(MapRef map) : TrainingRunView(map), map_(map) {}
  // Gives what the measure then is: what is less than the progress so far is not written.
  // `invalid_argument` when it is negative.
  Result<std::int64_t> advance(std::string_view measure, std::int64_t to);
  // Nothing when the same is here. `invalid_argument` when something else is said of that hash, for
  // a negative step or size, no hash, or itself as parent.
  Status save(const Checkpoint& checkpoint);
  // What is no better than the checkpoint's own value so far is not written. `invalid_argument` for
  // a value that is no finite number, or a metric that has the other aim here.
  Status report(std::string_view metric, Aim aim, const ContentHash& checkpoint, double value);
  // Replaces what this validator said before. `invalid_argument` for Verdict::none.
  Status validate(const ContentHash& checkpoint, std::string_view validator, Verdict verdict,
                  const std::optional<Value>& reason = std::nullopt);
  // Nothing when that is the version. `invalid_argument` when it is another checkpoint: a version
  // never changes, unless it was published twice at once; then this chooses.
  Status publish(std::string_view version, const ContentHash& checkpoint);

 private:
  MapRef map_;
};

}  // namespace rejoin::agent
