// Random histories: a few replicas that write, exchange, stop and start in random order, each a
// real document beside its executable specification, compared after every step.
#pragma once

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <map>
#include <optional>
#include <ostream>
#include <set>
#include <string>
#include <vector>

#include "rejoin/crdt/document.h"
#include "rejoin/crdt/transaction.h"
#include "specification.h"

namespace rejoin {

// ---- What happens, as numbers that mean something only in a world: it can be shrunk freely ----

// One call of the writing API.
struct Write {
  enum class Kind {
    set_register,
    clear_register,
    add_to_counter,
    reset_counter,
    create_bounded,
    increment_bounded,
    decrement_bounded,
    transfer_rights,
    ask_for_rights,
    answer_requests,
    set_flag,
    add_to_set,
    remove_from_set,
    insert,
    insert_map,
    move_element,
    remove_elements,
    insert_text,
    remove_text,
    mark_text,
    unmark_text,
    create_node,
    move_node,
    remove_node,
    set_property,
    append,
    create_map,
    remove,
    clear_map,
    rollback,
    count,
  };
  Kind kind;
  unsigned map;   // in which map
  unsigned name;  // under which name, and with which of several types
  unsigned value;
};

struct Action {
  enum class Kind {
    commit,          // a transaction
    abort,           // a transaction that comes to nothing
    apply_ready,     // an event whose turn has come
    apply_any,       // any event, even one known or one too early
    join_delta,      // what another replica has and this one lacks
    join_old_delta,  // the same, from an older base, or one that this replica does not include
    join_all,        // another replica's whole state
    checkpoint,      // dirty cells to the store
    restart,         // back to the last checkpoint, under a new id if writes were lost
    prune,           // removals that everyone has seen
    become,          // a new replica id
    compare,         // finds out which cells differ from another replica's
    join_compared,   // those, as they have become since
    lose_disk,       // begins anew, perhaps with what was sent to it long ago, or from an old copy
    retire,          // leaves ids out of the clock, or names one again
    count,
  };
  Kind kind;
  unsigned replica;
  unsigned other;
  unsigned choice;
  std::vector<Write> writes;
};

std::ostream& operator<<(std::ostream& out, const Write& write);
std::ostream& operator<<(std::ostream& out, const Action& action);

// The data types that a history may be about, by the names of `scripts/histories`.
const std::vector<std::string>& history_types();
// The writes of one of them and those of any type, each as often as it should be chosen.
std::vector<Write::Kind> writes_of(const std::string& type);

// A whole history, about few things of many kinds or the other way round.
rc::Gen<std::vector<Action>> any_actions();
// About one list, text or log, whose elements come, go and are forgotten, and members that begin
// anew.
rc::Gen<std::vector<Action>> any_actions_on_elements();
// A whole history in which replicas write under ever new ids and leave others out of their clocks,
// each when it likes.
rc::Gen<std::vector<Action>> any_actions_that_retire();
// A whole history of these writes alone.
rc::Gen<std::vector<Action>> any_actions(const std::vector<Write::Kind>& writes);

// ---- Where it happens ----

// What a reader sees in a document, in the specification's form.
std::map<std::string, std::string> visible(const Document& document);

// A document with the same state under another id, made by joining the whole of it.
Document copy_of(const Document& document, ReplicaId self);

// Everything by which two documents could be told apart from outside, and what must not change when
// something is refused.
struct Snapshot {
  std::string canonical;
  StateHash hash;
  Clock clock;
  std::size_t cells;
  friend bool operator==(const Snapshot&, const Snapshot&) = default;
};
Snapshot snapshot(const Document& document);

class World {
 public:
  enum class Disks {
    safe,
    // Members begin anew, perhaps with what was sent to them long ago. Nothing is forgotten of
    // lists then, which asks for more.
    lost,
    // Who begins anew takes over the state of another before it is given single events by that one.
    lost_and_made_up_for,
    // Members come back as an older copy of their store was. What is forgotten of elements was kept
    // by all before that.
    fall_back,
  };
  explicit World(unsigned replicas, Disks disks = Disks::safe);

  // Does it, and checks everything that must hold afterwards.
  void perform(const Action& action);
  void perform(const std::vector<Action>& actions) {
    for (const Action& action : actions) perform(action);
  }
  // Brings everyone to the same state, each in another way, and checks that it is.
  void heal();

  struct Peer {
    Peer(ReplicaId id, const specification::History& history) : document(id), model(history) {}
    Document document;
    specification::Replica model;
    HybridTime last_time;
    // The store on disk.
    std::map<std::string, std::string> rows;
    std::string header;
    std::set<std::size_t> stored;  // what was known then
    Clock pruned;                  // up to where removals were forgotten, and what of it is stored
    Clock stored_pruned;
    // Whether a removal was forgotten here, or by one whose cells were taken over since.
    bool forgot = false;
    // A copy of an earlier one.
    struct Copy {
      std::map<std::string, std::string> rows;
      std::string header;
      std::set<std::size_t> stored;
      Clock pruned;
    };
    std::optional<Copy> copy;
    // What it can pass on one by one: its own and those that came so.
    std::set<std::size_t> events;
    // It lost its disk and began anew; and what the others, as they still are, knew then.
    bool began_anew = false;
    std::map<const Peer*, Clock> owed;
    // The last comparison with another replica.
    struct Compared {
      std::size_t other;
      Clock ours;    // with retired ids
      Clock theirs;  // the same
      Clock listed;  // theirs as it was sent
      std::uint64_t seed;
      std::vector<std::uint64_t> wanted;  // places of cells that differ, there and here
      std::vector<std::uint64_t> judged;
    };
    std::optional<Compared> compared;
  };

  std::size_t size() const { return peers_.size(); }
  Peer& peer(std::size_t i) { return *peers_[i % peers_.size()]; }
  // All events ever committed, and the specification's view of them, under the same index.
  const std::vector<EventPtr>& events() const { return events_; }
  const specification::History& history() const { return history_; }
  Clock clock_of(const std::set<std::size_t>& known) const;
  // Everything compared: the specification, the invariants, the hash, other states with this clock.
  void check(const Peer& peer);

  // Does the writes, to the document and to the specification.
  void write(Transaction& transaction, Peer& peer, const std::vector<Write>& writes);
  // A clock that every member's includes (in the store too), and whose concurrent writes are at the
  // peer.
  Clock stable_at(const Peer& peer) const;
  // The same, and every copy of a store includes it.
  Clock stable_in_copies(const Peer& peer) const;
  void save(Peer& peer);
  // A document from the store.
  static Document load(const Peer& peer, ReplicaId self);

 private:
  void write_one(Transaction& transaction, Peer& peer, const Write& write);
  void write_bounded(BoundedCounterRef counter, const Path& path, Peer& peer, const Write& write);
  // Cursors made at some time somewhere, which everybody finds where the specification does.
  struct Held {
    Path path;
    Cursor cursor;
    specification::ElementName element;
  };
  void hold_cursors(const Peer& peer, unsigned choice);
  void check_cursors(const Peer& peer);
  void check_rights(const std::vector<specification::Operation>& operations);
  Status write_tree(TreeRef tree, const Path& path, Peer& peer, const Write& write);
  void begin(Peer& peer, const Action& action);
  void commit(Peer& peer, const Action& action);
  void abort(Peer& peer, const Action& action);
  void apply(Peer& peer, std::size_t event);
  // A clock as it was reported, with the hash of what it leaves out.
  struct Report {
    Clock clock;
    StateHash retired;
  };
  static Report report_of(const Peer& peer);
  void join_delta(Peer& peer, const Peer& from, const Report& base);
  void join_all(Peer& peer, const Peer& from);
  void restart(Peer& peer);
  // Restarts from the copy of its store.
  void fall_back(Peer& peer);
  void prune(Peer& peer, unsigned choice);
  void become(Peer& peer);
  void retire(Peer& peer, unsigned choice);
  void lose_disk(Peer& peer, unsigned choice);
  // From now on it is owed what the others know.
  void begin_anew(Peer& peer);
  void compare(Peer& peer, std::size_t other, unsigned choice);
  void join_compared(Peer& peer);
  // Whether anybody may give it this event alone.
  bool may_hear(const Peer& peer, std::size_t event) const;
  ReplicaId new_id();

  const Disks disks_;
  std::vector<std::unique_ptr<Peer>> peers_;
  std::vector<EventPtr> events_;
  specification::History history_;
  std::uint64_t ids_ = 0;
  std::vector<Held> held_;
  // Whole states that were sent: some arrive late.
  struct Sent {
    Delta delta;
    std::set<std::size_t> known;
    Clock pruned;  // where they come from
  };
  std::vector<Sent> backlog_;
  Clock pruned_;  // by anybody
  // What ever came into and went out of each account of a bounded counter.
  std::map<Path, std::int64_t> rights_;
  bool retires_ = false;
  // Promise 1 over the whole history: one clock, one state; one state, one hash, one export.
  std::map<std::string, Snapshot> by_clock_;
  std::map<std::string, StateHash> hash_of_state_;
  std::map<StateHash, std::string> state_of_hash_;
  std::map<std::string, std::string> json_of_state_;
};

// Each holds or throws RapidCheck's failure with both sides in words.
void require(bool condition, const std::string& sentence);
std::string to_text(const std::map<std::string, std::string>& lines);

}  // namespace rejoin
