// Asks other members for events that came to a space without them: one question at a time, for one
// hole of the archive after the other, and computes the links anew behind what was filled. It has
// no thread and no clock of its own (exchange.h has).
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "history/archive.h"
#include "rejoin/node/core.h"

namespace rejoin::node::history {

class Backfill {
 public:
  using Micros = std::chrono::microseconds;

  // `space` of this archive.
  Backfill(Archive& archive, std::string space);

  // Does a bounded part of what there is to do; the question that is to be sent now, if any.
  // `peers`: whom one can ask.
  Result<std::optional<HistoryMessage>> work(const std::vector<std::string>& peers, Micros now);
  // When work() wants to be called next; Micros::max() when never, until something is missing
  // again.
  Micros due() const { return due_; }
  // There may be new gaps.
  void look_again() { due_ = Micros{0}; }
  // An answer. `malformed` when it is none to what was asked.
  Status take(const std::string& peer, const transport::History& history, Micros now);

 private:
  struct Question {
    std::string peer;
    ChunkId hole;
    Dot about;
    Micros sent_at;
  };

  Archive& archive_;
  const std::string space_;
  Micros due_{0};
  bool links_may_be_stale_ = true;
  std::optional<Question> asked_;
  std::map<Dot, std::set<std::string>> asked_in_vain_;  // by the end of a hole's first gap
  Micros pause_;
};

}  // namespace rejoin::node::history
