// What a node does by itself about rights of bounded counters
// (rejoin/crdt/types/bounded_counter.h): it answers those who ask it, and asks until it has what a
// decrement needs.
//
// No I/O, no threads, no clock of its own: the runtime and the simulator drive the same code. One
// thread at a time.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "rejoin/crdt/document.h"
#include "rejoin/crdt/transaction.h"
#include "rejoin/node/core.h"

namespace rejoin::node {

// A bounded counter for which a node answers requests, and how many rights it keeps for itself.
struct AnswerRule {
  Path counter;
  std::int64_t keep = 0;
};

// `wrong_type` unless the path is that of a bounded counter below maps.
Status check_counter_path(const Path& counter);

// Transfers rights to who asks for them, as far as there are more than this node keeps. What is
// given is one event a counter, and where nothing can be given nothing is written. It asks nobody
// itself, so two nodes that answer each other come to rest.
class RightsAnswers {
 public:
  // From now on requests for rights of this counter are answered; again: with another `keep`.
  // `invalid_argument` when `keep` is negative; errors of check_counter_path().
  Status add(const std::string& space, const AnswerRule& rule);
  void remove(const std::string& space, const Path& counter);

  // Something has changed in this space, or is known to be durable, or whose replica id it is.
  void changed(const std::string& space) {
    if (spaces_.contains(space)) changed_.insert(space);
  }

  using Commit = std::function<Result<Committed>(const std::string& space,
                                                 const std::function<Status(Transaction&)>& write)>;
  struct Answer {
    std::string space;
    Path counter;
    std::int64_t given = 0;
    Result<Committed> committed;  // one that was refused is tried again after the next change
  };
  // Looks at all spaces that changed, and answers what can be answered. Commits nothing in a space
  // that would take a new replica id for it: rights stay behind under the old one. O(counters times
  // holders) for each of those spaces whose state is another than when nothing could be answered.
  std::vector<Answer> run(const Core& core, const Commit& commit);

 private:
  // A state in which nothing can be answered, under these rules.
  struct AtRest {
    StateHash state;
    ReplicaId self;
    friend bool operator==(const AtRest&, const AtRest&) = default;
  };
  struct Space {
    std::map<Path, std::int64_t> rules;  // what is kept, by counter
    std::optional<AtRest> at_rest;
  };
  std::map<std::string, Space> spaces_;
  std::set<std::string> changed_;
};

// A decrement that asks for the rights which it lacks, and waits for them: first the replica that
// seems to hold the most, and when that has not answered after a while, or has given less, the one
// with the most of those that were not asked yet. When all have been asked it begins anew, and
// waits twice as long for each.
class PatientDecrement {
 public:
  struct Options {
    std::chrono::microseconds ask_again_after = std::chrono::milliseconds(500);
    std::chrono::microseconds ask_again_after_max = std::chrono::seconds(8);
  };
  PatientDecrement(Path counter, std::int64_t amount, Options options);
  PatientDecrement(Path counter, std::int64_t amount)
      : PatientDecrement(std::move(counter), amount, Options()) {}

  using Commit = std::function<Result<Committed>(const std::function<Status(Transaction&)>& write)>;

  // To be called at first, when needs_step() has come to hold, and at `look_again()`. Gives the
  // outcome once there is one: the commit of the decrement, or an error other than too few rights.
  std::optional<Result<Committed>> step(const Document& document, std::chrono::microseconds now,
                                        const Commit& commit);
  // O(holders log holders).
  bool needs_step(const Document& document) const;
  std::chrono::microseconds look_again() const { return ask_at_; }
  // At the deadline: decrements if that is possible now. Otherwise takes the request back, and the
  // error, `timeout`, says how many rights are here, who holds more, and who was asked.
  Result<Committed> give_up(const Commit& commit);

 private:
  Result<Committed> decrement(const Commit& commit) const;
  std::optional<ReplicaId> next_holder(const BoundedCounterView& counter) const;

  Path counter_;
  std::int64_t amount_;
  Options options_;
  std::chrono::microseconds ask_at_{0};  // when somebody else is to be asked
  std::set<ReplicaId> asked_;            // in this round
  std::optional<ReplicaId> asked_last_;
  bool waits_for_answer_ = false;  // a request of this replica's was open after the last step
};

}  // namespace rejoin::node
