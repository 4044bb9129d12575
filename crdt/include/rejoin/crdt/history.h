// What events say, for those who look back: which writes one holds, and which writes stand behind
// what is read now. docs/history.md tells how a node answers with them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "rejoin/crdt/event.h"
#include "rejoin/crdt/path.h"
#include "rejoin/crdt/value.h"

namespace rejoin {

// One write of an event. Which members mean something depends on the kind.
struct Written {
  enum class Kind : std::uint8_t {
    put,           // a register's value, a flag, an element of a set, a map that is to exist
    remove,        // of entries
    remove_below,  // of a place with all below it
    add,           // to a counter
    reset,         // of a counter
    insert,        // into a list, log or text
    erase,         // from a list or text
    move,          // of an element of a list
  };

  Kind kind = Kind::put;
  Path path;
  Dot first;                  // the first of the dots that it took
  Sequence count = 1;         // and how many
  std::vector<Value> values;  // put: one; insert: those that went into a list
  std::string text;           // insert: what went into a text, UTF-8
  // put, remove: the entries that it took away. remove_below: a clock, everything below within it.
  // reset: the last increment that it took away, of each replica.
  std::vector<Dot> replaced;
  // add: all that the writer had ever added here, with this. The one before is in its earlier
  // event.
  std::int64_t total = 0;
  bool keeps_self = false;  // remove_below: the place itself stays
  // erase: elements of consecutive sequences, upwards or downwards from the dot.
  struct Range {
    Dot first;
    Sequence count = 0;
    bool descending = false;
  };
  std::vector<Range> erased;
  Dot element;  // move
};

std::string_view to_string(Written::Kind kind);  // "put", ..., "remove_below", ...

// All writes of an event, in the order in which they were made. O(bytes of the event).
std::vector<Written> writes_of(const Event& event);

// The places that an event wrote at, in order, each once where several writes follow each other.
std::vector<Path> paths_of(const Event& event);

// Whether an event wrote at `place`, below it, or at a place above it. What is read at `place` is
// the doing of such events alone.
bool touches(const Event& event, const Path& place);

// The write behind something that is read now.
struct Origin {
  Path path;
  Dot first;
  Sequence count = 1;  // in a sequence: elements of consecutive dots that stand together
  std::size_t at = 0;  // in a sequence: the index of the first (of code points in a text)
  // What it gave: a register's sibling, the sum of one replica's increments, null for what is
  // merely there. In a list: the first value. In a text: the string.
  Value value;
};

// Writes of which nobody here has the events: before the space kept its history, or taken over with
// a state. What reads at a time is only known where none of these matter.
struct MissingWrites {
  ReplicaId writer;
  Sequence first = 0;
  Sequence last = 0;
  Dot end() const { return {writer, last}; }
  friend bool operator==(const MissingWrites&, const MissingWrites&) = default;
};

}  // namespace rejoin
