// Looking back at a space that keeps its history (SpaceConfig::history): who wrote what, when and
// why, what stood there before, and how all of it stood at any time. docs/history.md explains it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "rejoin/crdt/chain.h"
#include "rejoin/crdt/clock.h"
#include "rejoin/crdt/document.h"
#include "rejoin/crdt/event.h"
#include "rejoin/crdt/history.h"

namespace rejoin::node {

// An event, and those of its writes that were made at a place or below it, or above it where they
// took away what was there.
struct PastEvent {
  EventPtr event;
  std::vector<Written> writes;
};

struct HistoryQuery {
  std::size_t limit = 100;  // the newest so many
  // Only what is within this clock; nothing: all.
  std::optional<Clock> until = std::nullopt;
};

// Why something reads as it does.
struct Reason {
  Origin origin;
  EventPtr event;  // that wrote it; null where it came here without its events
  // What the event's write took away there, oldest first.
  struct Former {
    Dot dot;
    EventPtr event;  // null as above
    std::optional<Value> value;
  };
  std::vector<Former> overwrote;
};

// One difference between two versions: `path` is a JSON pointer (RFC 6901) into the JSON view, the
// values are JSON; empty where nothing was there.
struct Difference {
  std::string path;
  std::string before;
  std::string after;
};

// What has happened since a cursor, for those who feed it to something else: a search index, an
// event bus.
struct Feed {
  // One after the other, never one before what it depends on. Where writes came here without their
  // events, `missing` says so instead: read their places anew.
  struct Step {
    EventPtr event;  // null where `missing`
    std::optional<MissingWrites> missing;
    Clock cursor;  // to go on behind this step
  };
  std::vector<Step> steps;
};

// Where the hash chain of a writer (chain.h) ends, or was at some time.
struct ChainHead {
  Sequence last = 0;  // of the event that it was made with
  Digest link;
  friend bool operator==(const ChainHead&, const ChainHead&) = default;
};
using Heads = std::map<ReplicaId, ChainHead>;

// The history of one space in the directory of a stopped node.
struct AuditedSpace {
  std::string name;
  std::uint64_t events = 0;
  std::vector<MissingWrites> missing;
  Heads heads;         // of writers of whom no event is missing
  std::string broken;  // the first event, or link, that is not as it should be; empty: all are
};

// Verifies every hash chain in a node's history, and that it reaches as far as the node's store.
// `expected`: heads by space, noted here or at another member before; a chain that does not lead to
// them is broken. O(history). Changes nothing. `not_found` where no history is kept, `busy` while a
// node runs there, `corrupt` when a file cannot be read.
Result<std::vector<AuditedSpace>> audit(const std::string& directory,
                                        const std::map<std::string, Heads>& expected = {});

}  // namespace rejoin::node
