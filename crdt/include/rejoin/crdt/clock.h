// Version vectors.
#pragma once

#include <boost/container/flat_map.hpp>
#include <string>

#include "rejoin/crdt/hash.h"
#include "rejoin/crdt/id.h"

namespace rejoin {

class Reader;
class Writer;

// How two clocks stand to each other.
enum class Causality { equal, before, after, concurrent };

// For each replica id, the length of the gap-free prefix of its writes that is included. Entries of
// 0 are never stored, and the nil id has no place in a clock, so equal clocks are equal member by
// member. Iterates in the order of replica
// ids, the same on every machine. A value type, not thread-safe.
class Clock {
 public:
  using Entries = boost::container::flat_map<ReplicaId, Sequence>;

  Sequence get(const ReplicaId& replica) const;  // O(log replicas)
  void set(const ReplicaId& replica, Sequence sequence);
  bool includes(const Dot& dot) const { return dot.sequence <= get(dot.replica); }
  bool includes(const Clock& other) const;  // every entry of other is <= ours
  // Raises the entry to at least `dot.sequence`.
  void advance(const Dot& dot);
  void join(const Clock& other);                // entrywise maximum
  void meet(const Clock& other);                // entrywise minimum
  Causality compare(const Clock& other) const;  // *this relative to other
  // Our entries that are greater than theirs: up to where `other` lacks writes.
  Clock beyond(const Clock& other) const;
  // Sum of max(0, ours - theirs): how many writes `other` lacks. Saturates.
  std::uint64_t distance_beyond(const Clock& other) const;

  bool empty() const { return entries_.empty(); }
  std::size_t size() const { return entries_.size(); }
  void reserve(std::size_t replicas) { entries_.reserve(replicas); }
  const Entries& entries() const { return entries_; }
  Entries::const_iterator begin() const { return entries_.begin(); }
  Entries::const_iterator end() const { return entries_.end(); }

  // Equal clocks have equal ones, different clocks almost surely not. The sum, modulo 2^128, of
  // those of the entries: so those of clocks without a replica in common add up to that of both.
  StateHash fingerprint() const;
  static StateHash fingerprint(const ReplicaId& replica, Sequence sequence);

  void encode(Writer& out) const;
  // `malformed` when entries are unordered, 0 or too many, or the bytes not in their one form.
  static Result<Clock> decode(Reader& in);
  std::string encoded() const;
  static Result<Clock> decode(std::string_view bytes);  // nothing may follow it
  std::string to_string() const;                        // "{1a2b3c4d:7, ...}"

  friend bool operator==(const Clock&, const Clock&) = default;

 private:
  Entries entries_;
};

}  // namespace rejoin
