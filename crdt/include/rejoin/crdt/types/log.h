// A log: a list that is only appended to.
//
// An entry stands behind everything that its writer had seen in the log (causal order), and is
// never moved, changed or removed by itself. Entries appended concurrently stand side by side, run
// by run, in an order that all replicas agree on. So a replica's log does not only grow at its end:
// what another one appended meanwhile may come to stand before entries that were read already, but
// never before one that its writer had read. Removing the map around a log, or the log as a child,
// takes away the entries that the remover saw; those appended concurrently stay.
//
// Example: A and B both read [start]. A appends "a1" and, later, "a2"; B appends "b1". Both read
// [start, a1, a2, b1] or [start, b1, a1, a2]: the same on both. An "end" that A appends after it
// has heard of b1 is the last entry everywhere.
//
// What keeps it so is checked where it can be: an event or delta that inserts in front of a known
// entry, or removes single entries, is refused as malformed. A writer that pretends not to have
// seen what it saw cannot be told from one that was cut off; its entries stand where those of such
// a one would.
#pragma once

#include <vector>

#include "rejoin/crdt/clock.h"
#include "rejoin/crdt/id.h"
#include "rejoin/crdt/types/cell.h"
#include "rejoin/crdt/value.h"

namespace rejoin {

struct LogEntry {
  Value value;
  Dot dot;  // who wrote it: an identity for life
  friend bool operator==(const LogEntry&, const LogEntry&) = default;
};

class LogView : public View {
 public:
  using View::View;
  std::size_t size() const;  // O(1)
  // O(log size). `out_of_range` names the size.
  Result<LogEntry> at(std::size_t index) const;
  // The entries [first, first + count). `out_of_range` names the size. O(log size + count).
  Result<std::vector<LogEntry>> entries(std::size_t first, std::size_t count) const;
  std::vector<LogEntry> entries() const;
  std::vector<Value> values() const;
  // The entries that `clock` does not include, in their order: what has come since a reader took
  // Document::clock(), wherever it stands. Costs in proportion to them, not to the log.
  std::vector<LogEntry> entries_since(const Clock& clock) const;
};

class LogRef : public LogView {
 public:
  using LogView::LogView;
  // Behind everything that is visible here. O(log size), and less for one append after another.
  // `limit_exceeded` for a value beyond limits::value_bytes_max, `invalid_argument` for a string
  // that is not valid UTF-8; nothing is appended then.
  Status append(const Value& value);
  Status append(const std::vector<Value>& values);  // one run: nothing comes to stand within
};

}  // namespace rejoin
