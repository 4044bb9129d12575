// One replica of a space's state.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rejoin/crdt/clock.h"
#include "rejoin/crdt/delta.h"
#include "rejoin/crdt/event.h"
#include "rejoin/crdt/hash.h"
#include "rejoin/crdt/history.h"
#include "rejoin/crdt/hybrid_time.h"
#include "rejoin/crdt/path.h"
#include "rejoin/crdt/result.h"
#include "rejoin/crdt/types/map.h"

namespace rejoin {

class Store;
class Transaction;

// What became of an event or delta that was handed to a document.
enum class Applied {
  applied,    // the state changed (or at least the clock)
  duplicate,  // everything in it was known already; nothing changed
  missing,    // it depends on writes that are not here yet; nothing changed
};

struct TransactionOptions {
  HybridTime time;     // from a HybridClock: later than every time this writer used before
  std::string author;  // at most limits::author_bytes_max
  std::string note;    // why, for people; at most limits::note_bytes_max
};

// The state of a space at one replica: a tree of maps whose leaves are cells, under one clock. The
// state is a function of the set of events in the clock, whichever way they came: as events, as
// deltas, or as stored cells. Joins follow the causal join of dotted entries (Almeida, Shoker,
// Baquero: "Delta state replicated data types", 2018, section 7); docs/kernel.md explains the
// store.
//
// Not thread-safe: any number of readers, or one writer. Moving a document keeps views valid.
class Document {
 public:
  explicit Document(ReplicaId self);
  Document(Document&&) noexcept;
  Document& operator=(Document&&) noexcept;
  ~Document();

  // The id under which begin() writes.
  const ReplicaId& self() const;
  // Writes under another id from now on: the old one's last writes may be lost, so its next
  // sequence number is not known. No transaction may be open.
  void become(ReplicaId self);

  // ---- Reading ----
  MapView root() const;
  // What of each replica's writes is included here, but for retired ids.
  const Clock& clock() const;
  StateHash hash() const;           // O(1)
  std::size_t cell_count() const;   // cells with at least one live entry
  std::size_t touch_count() const;  // removals still remembered by touches
  // Whether there is anything that prune() will forget: touches, removals of elements and of
  // subtrees, removals that win, parts of counters that were reset.
  bool remembers_removals() const;
  // Whether there is anything in lists, logs and texts that forget_elements() may forget.
  bool remembers_elements() const;
  std::size_t memory_bytes() const;  // estimate, O(1)
  bool exists(const Path& path) const;
  // The live state in a canonical, sorted encoding: equal on two replicas exactly when their states
  // are. O(state); for tests, and for people who compare two stores.
  std::string canonical_state() const;

  // ---- Writing ----
  // Starts the one transaction that may be open; see transaction.h.
  Transaction begin(TransactionOptions options);

  // ---- Joining ----
  // Applies an event where its turn has come. Atomic: either all of it or nothing. `malformed` when
  // the event's effects contradict the state in a way that no honest writer produces; the document
  // is unchanged then too.
  Result<Applied> apply(const Event& event);
  // The cells touched since `base`; exactly what join() needs on a replica whose clock includes
  // `base`. Costs in proportion to the touched cells. The whole state when `base` does not include
  // all removals that prune() has forgotten: then delta.base is empty. `base` is of somebody who
  // has all that retired ids wrote.
  Delta delta_since(const Clock& base) const;
  // Whether delta_since(base) is less than the whole state: not so where removals are forgotten
  // that `base` does not include, nor where a subtree's removal that it does not include names not
  // all ids in it (nor all retired ones): some of their writes may have been overwritten before it.
  bool tells_since(const Clock& base) const;
  // An upper estimate of the encoded size of delta_since(base), without building it.
  std::size_t delta_bytes_estimate(const Clock& base) const;

  // ---- Comparing ----
  // For finding out in what this state differs from another's (sketch.h), where what was seen there
  // does not help: removals are forgotten, or the clock tells of too many cells that are the same.
  struct CellHash {
    std::uint64_t place;  // a hash of the path
    std::uint64_t hash;   // of the path and of all that the cell holds
  };
  // Every cell that holds anything. O(state).
  std::vector<CellHash> cell_hashes(std::uint64_t seed) const;
  // The cells at these places, and all that changed since clock `compared`; with the retired ids
  // where the receiver may lack something of them. The receiver, whose
  // state was compared with this one at that clock, puts the places of its own differing cells into
  // `judged`; meanwhile it must not have come to include more of `compared` than it did then.
  // Nothing when `compared` is too old: more was forgotten since. O(state).
  std::optional<Delta> delta_of(const std::vector<std::uint64_t>& places, std::uint64_t comparison,
                                const Clock& compared, bool with_retired = false) const;

  // Joins a delta atomically: `missing` when the clock does not include delta.base, or when it
  // cannot be told which ids the delta's clock leaves out.
  Result<Applied> join(const Delta& delta);
  // Joins another replica's whole state.
  Result<Applied> join(const Document& other);

  // Forgets removals. Whoever has not seen them is given the whole state from then on, so `stable`
  // should be a clock that every member's clock includes. All writes that are concurrent with it
  // must be here; one that comes all the same is harmless but for an addition to a remove-wins set,
  // which then counts here and not where the removal is remembered. Never changes the hash. Returns
  // how many went. All that retired ids wrote is taken to be stable.
  std::size_t prune(const Clock& stable) { return prune(stable, stable, stable); }
  // The same, and what lies within `early` (which includes `stable`) as far as that does no harm: a
  // member that has not seen it may come back with writes of its own. Resets of counters and
  // removals that win over additions wait for `stable`, removals of elements of lists, logs and
  // texts for `elements`: forget_elements() forgets nothing before it is given what includes that.
  std::size_t prune(const Clock& stable, const Clock& early, const Clock& elements);
  // Forgets removed elements of lists, logs and texts, and what orders those that are stable. Never
  // changes the hash. Asks more of `stable` than prune(): what can still come must have seen all of
  // it, or nothing of it (from a writer that lost its disk or is new, and has not yet joined the
  // whole state of another); what came all the same would be put in another place here than
  // elsewhere. Call prune() with the same clock before it. Does nothing while removals are
  // forgotten, here or by those whose state was joined, that `stable` does not include. Whoever
  // lacks what was forgotten is given the whole state from then on. Returns how many elements went.
  // O(runs) of the sequences that changed since, or in which something was not stable.
  std::uint64_t forget_elements(const Clock& stable);

  // Paths touched by writes, joins and loads since the last call, without duplicates, in no
  // meaningful order; an ancestor stands for all below it. Off (and free) until enabled.
  void track_changes(bool enabled);
  std::vector<Path> take_changes();

  // ---- Retired ids ----
  // An id whose writer is gone and whose writes others have as well may be left out of clock(),
  // and so of all that is sent, kept for each peer, and compared. retired() remembers how much it
  // wrote. The state does not change, nor what it means: two documents that leave out different ids
  // still join rightly, or say that they cannot tell (`missing`), since every clock goes with the
  // hash of what it leaves out. So an id may be retired at any time, and it costs something only
  // where somebody lacks a part of what it wrote: he takes over whole().
  //
  // False, and nothing is done, when it is not in the clock. No transaction may be open. O(clock),
  // and once for many ids O(state).
  bool retire(const ReplicaId& id);
  // Whether an event of another replica that was committed or applied here since this document was
  // loaded depends on all that `id` wrote. Whoever includes such an event has all of it. So a clock
  // that leaves out none but such ids still says enough: whatever document includes it includes
  // what they wrote.
  bool is_depended_on(const ReplicaId& id) const;
  // The clock names a retired id again. So it does when something new comes that it wrote, or is
  // committed here under it.
  void restore(const ReplicaId& id);
  // The ids that are retired, with the last write of each. 24 bytes an id.
  const Clock& retired() const;
  // Everything that is included here: clock() and retired(). O(ids); for tests and checks.
  Clock clock_with_retired() const;
  StateHash retired_hash() const;  // its fingerprint; zero when there are none
  // That of clock_with_retired(): the same whatever is retired. O(clock).
  StateHash fingerprint() const;
  // How much of a replica's writes is here, retired or not.
  Sequence seen(const ReplicaId& id) const;
  // Whether all of it is here, retired ids included.
  bool includes(const Clock& clock) const;
  // What another document has that leaves out of `clock` the ids that `retired` is the hash of.
  struct Seen {
    Clock clock;         // as the clock of this one would say it
    bool lacks_retired;  // it lacks something of a retired id: nothing less than whole() will do
  };
  // Nothing when it cannot be told: the other leaves out ids of which this one does not know that.
  std::optional<Seen> seen_there(const Clock& clock, const StateHash& retired) const;
  // The whole state with the retired ids, for any other document; and an upper estimate of its
  // encoded size, without building it.
  Delta whole() const;
  std::size_t whole_bytes_estimate() const;
  // ---- Looking back ----
  // The writes behind what is read at `path` and below, in the order of paths; within a list or
  // text, of places. O(what is there).
  std::vector<Origin> origins(const Path& path) const;
  // Applies what an event did at, below and above `place`, whether or not it is the event's turn.
  // Of events given in an order that respects what they depend on, those that touch `place`, and
  // those that removed something above it, make a document that reads there as any did that had
  // applied all. Such a document is for reading: nothing else may be applied to it or joined.
  void replay(const Event& event, const Path& place);

  // ---- Keeping ----
  // Cells whose stored form is out of date since the last call of take_dirty(), with their new
  // bytes (empty: delete the row). The key is the encoded path. Together with `header()` they are a
  // checkpoint: load them into an empty document in any order.
  struct StoredCell {
    std::string key;
    std::string bytes;
  };
  // Calls `sink` for each dirty cell, then forgets that they are dirty.
  void take_dirty(const std::function<void(StoredCell)>& sink);
  std::size_t dirty_count() const;
  // Clock, and removals of whole subtrees that are still remembered.
  std::string header() const;
  // For an empty document: the stored header, then the stored cells. `corrupt` names the cell.
  Status load_header(std::string_view bytes);
  Status load_cell(std::string_view key, std::string_view bytes);
  // After the last load_cell. Verifies the kernel's invariants that loading could break.
  Status finish_load();

  // Checks every internal invariant and recomputes the hash from scratch; the first violation as a
  // sentence. O(state): for tests and the simulator.
  Status check_invariants() const;

 private:
  friend class Transaction;
  friend class Reverting;
  std::unique_ptr<Store> store_;
};

}  // namespace rejoin
