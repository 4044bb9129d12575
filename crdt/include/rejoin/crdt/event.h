// One committed transaction.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "rejoin/crdt/clock.h"
#include "rejoin/crdt/hybrid_time.h"
#include "rejoin/crdt/id.h"

namespace rejoin {

// An immutable event, kept in its canonical encoding: the same bytes go over the wire, to disk and
// into audit hashes, and relays forward them as they came. The header is parsed; effects are
// decoded when the event is applied to a Document. The format is in docs/formats.md.
//
// The writes of an event take consecutive dots first()..last(). `dependencies()` lists only what
// changed since the writer's previous event (whose own dependencies are implied by causality), and
// never the writer itself: an event may be applied where the clock has exactly first() - 1 for the
// writer and includes the dependencies.
class Event {
 public:
  // Parses and checks the header and that every effect decodes, without applying anything.
  // `malformed` says at which byte; `unsupported_version` for a newer format.
  static Result<std::shared_ptr<const Event>> decode(std::string bytes);

  const ReplicaId& writer() const { return writer_; }
  Sequence first() const { return first_; }
  Sequence last() const { return last_; }
  Dot id() const { return Dot{writer_, last_}; }
  HybridTime time() const { return time_; }
  std::string_view author() const { return author_; }
  std::string_view note() const { return note_; }
  const Clock& dependencies() const { return dependencies_; }
  const std::string& encoded() const { return bytes_; }

 private:
  friend class Store;
  friend class EventEffects;
  Event() = default;
  static Result<std::shared_ptr<const Event>> parse(std::string bytes, bool check_effects);

  std::string bytes_;
  std::size_t effects_at_ = 0;  // where the effects begin in bytes_
  ReplicaId writer_;
  Sequence first_ = 0;
  Sequence last_ = 0;
  HybridTime time_;
  std::string author_;
  std::string note_;
  Clock dependencies_;
  std::vector<ReplicaId> replicas_;  // the event's own table: effects name replicas by index
};

using EventPtr = std::shared_ptr<const Event>;

}  // namespace rejoin
