// Who takes part in a session right now, and how long that is believed without hearing of them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "rejoin/crdt/agent/label.h"
#include "rejoin/crdt/types/map.h"

namespace rejoin::agent {

struct Participant {
  std::string name;
  std::int64_t until_ms = 0;  // since the Unix epoch
  friend bool operator==(const Participant&, const Participant&) = default;
};

// A map of times by name. A participant is there until a time that it says itself, and says again
// before that has come; the latest that it said counts. Times are the caller's; by a clock that is
// wrong a participant seems to have left, or to be there for too long, and nothing else.
//
// Example: A participant at A and, in another window, at B is there until the later of the two
// times. At A it leaves, while at B it prolongs its presence: it is there.
class ParticipantsView {
 public:
  explicit ParticipantsView(MapView map) : map_(map) {}
  std::vector<Participant> present(std::int64_t now_ms) const;  // by name

 protected:
  std::vector<Participant> all() const;

 private:
  MapView map_;
};

class ParticipantsRef : public ParticipantsView {
 public:
  explicit ParticipantsRef(MapRef map) : ParticipantsView(map), map_(map) {}
  // Nothing is written for a time before the one that is known. `invalid_argument` for an empty
  // name or one that is not UTF-8, `limit_exceeded` for one beyond label_bytes_max.
  Status enter(std::string_view name, std::int64_t until_ms);
  Status leave(std::string_view name);  // nothing when it is not there
  // Forgets those whose time has come. O(participants).
  Status remove_expired(std::int64_t now_ms);

 private:
  MapRef map_;
};

}  // namespace rejoin::agent
