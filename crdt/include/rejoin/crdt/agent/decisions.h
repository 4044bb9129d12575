// Decisions: who decided what, on which evidence, and what that replaced.
//
// A decision is an entry of a log (types/log.h), one log a question: it is never changed, and never
// removed but with the whole log. To think better of it is a new decision that supersedes it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "rejoin/crdt/agent/content_hash.h"
#include "rejoin/crdt/agent/label.h"
#include "rejoin/crdt/id.h"
#include "rejoin/crdt/path.h"
#include "rejoin/crdt/types/map.h"

namespace rejoin::agent {

struct TurnName {
  std::string session;
  std::string id;  // Turn::id
  friend bool operator==(const TurnName&, const TurnName&) = default;
};

// What a decision rests on: a place in the space, a turn, a write (an event, another decision), or
// content that is kept elsewhere.
using Evidence = std::variant<Path, TurnName, Dot, ContentHash>;

struct Decision {
  std::string author;
  std::string choice;
  std::string reason = {};  // may be empty
  std::vector<Evidence> evidence = {};
  std::vector<Dot> supersedes = {};  // ids of decisions on the same question
  std::uint64_t time_millis = 0;     // Unix time of the author's clock; 0: not recorded

  // Only read.
  Dot id = {};          // for life, and the same everywhere
  bool stands = false;  // nobody superseded it, as far as is known here
  friend bool operator==(const Decision&, const Decision&) = default;
};

// Any map, such as /sessions/<id>/decisions: a log a question.
//
// Example: A and B are cut off, and each decides "seat": "aisle" and "window". When they meet both
// decisions stand, on both replicas, until somebody decides again and supersedes the two.
class DecisionsView {
 public:
  explicit DecisionsView(MapView map) : map_(map) {}
  std::vector<std::string> questions() const;  // sorted
  // All that were ever made on a question, each after those that its author knew. An entry of a
  // foreign writer that is no record is one whose choice is its text.
  std::vector<Decision> history(std::string_view question) const;
  // Those that stand: one, or several that were made without knowing of each other. O(history).
  std::vector<Decision> standing(std::string_view question) const;

 protected:
  MapView map_;
};

// Valid until its transaction ends.
class DecisionsRef : public DecisionsView {
 public:
  explicit DecisionsRef(MapRef map) : DecisionsView(map), map_(map) {}
  // Gives the decision's id. It must supersede all that stand on this question here, so that
  // several can only stand where they were concurrent: `invalid_argument` names those that are
  // missing. `not_found` for one to supersede that is not here; `invalid_argument` for one that is
  // superseded already, for no author or choice, for evidence that names nothing, for text that is
  // not UTF-8; `limit_exceeded` for an author, question or turn's name beyond label_bytes_max.
  // Nothing is written then. O(history).
  Result<Dot> decide(std::string_view question, const Decision& decision);

 private:
  MapRef map_;
};

}  // namespace rejoin::agent
