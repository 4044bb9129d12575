// The replica protocol: a state machine without I/O.
//
//   in:  a message, a tick, a local commit, a storage completion, each with the time now
//   out: messages to send, batches to persist, notices for the application, the next deadline
//
// Time, randomness, network and disk are handed in. The runtime (runtime.h) gives it real ones, the
// simulator virtual ones; the code is the same. The same inputs give the same outputs, to the byte.
// One thread at a time. docs/protocol.md describes messages and states.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "rejoin/crdt/document.h"
#include "rejoin/crdt/transaction.h"
#include "rejoin/node/affinity.h"
#include "rejoin/node/storage.h"
#include "rejoin/transport/message.h"

namespace rejoin::node {

// A point in time as the core sees it: a clock that never goes back, and the wall clock, which may
// be wrong and may jump.
struct Now {
  std::chrono::microseconds monotonic{0};
  std::uint64_t wall_millis = 0;
};

// Least and greatest budget of a link: enough for chunks that are not all envelope, and a terabyte.
inline constexpr std::uint64_t link_bytes_per_second_min = 8192;
inline constexpr std::uint64_t link_bytes_per_second_max = std::uint64_t{1} << 40;

// The space in which a cluster with an overlay keeps who its members are: a map by node name.
inline constexpr char members_space[] = "rejoin.members";
// Up to so many members everybody talks with everybody.
inline constexpr std::size_t mesh_members_max = 8;

// Members that come and go, and find each other. Who they are is replicated state like any other
// (members_space): a node enters itself when it starts, and anybody may take one out. Each talks
// with a few, in the manner of HyParView's active view (Leitao, Pereira and Rodrigues, "HyParView",
// 2007), chosen from all; those are the branches on which events travel (see docs/protocol.md).
struct OverlayOptions {
  std::string endpoint;  // at which others dial this node; what it says is up to the transport
  std::string region;    // where it is; empty: not said
  // Cannot be dialled: talks with others of its own accord only.
  bool leaf = false;
  std::size_t neighbours =
      5;  // that are sought; up to three times as many are taken, leaves beside
  std::size_t leaves_max = 32;  // that are taken as neighbours
  // A neighbour that was not heard for CoreOptions::peer_timeout is suspected. If it has not denied
  // that by then it is dead.
  std::chrono::microseconds refute_within = std::chrono::seconds(3);
};

struct CoreOptions {
  std::string name;  // of this node
  std::string cluster = "rejoin";
  std::vector<std::string> peers;  // neighbours that we talk to of our own accord
  // Every member's name, this node's included: removals are forgotten when all have seen them.
  // Empty: this node and its peers.
  std::vector<std::string> members;
  // Where there is one, `peers` are asked first who the members are, and `members` is found out.
  std::optional<OverlayOptions> overlay;

  // Every interval and threshold is an option, so that a simulation's seed may draw it.
  std::chrono::microseconds exchange_interval = std::chrono::seconds(1);
  std::chrono::microseconds peer_timeout = std::chrono::seconds(5);  // silence: no pushes
  std::chrono::microseconds resend_after = std::chrono::milliseconds(400);
  std::chrono::microseconds gap_report_interval = std::chrono::milliseconds(50);
  // Others' events go on to a peer that is not known to have them by then, plus two round trips.
  std::chrono::microseconds relay_delay = std::chrono::milliseconds(100);
  // How long a transfer may stand still (its peer silent, say) before it is given up.
  std::chrono::microseconds transfer_timeout = std::chrono::seconds(60);
  // A member that was silent for so long is no longer waited for before removals are forgotten.
  // When it comes back, the cells in which it differs are found by comparing.
  std::chrono::microseconds member_away_after = std::chrono::hours(7 * 24);
  // Removed elements of lists, logs and texts, resets of counters, removals that win over additions
  // and replica ids whose writers are gone are forgotten when every one of `members` has kept all
  // of it for so long: longer than what any disk may fall back by (one that lies about its cache, a
  // directory restored from a copy), and than somebody is away who was evicted, or taken out of an
  // overlay, and comes back. One that comes back from further ago and writes beside such an element
  // before it has caught up puts that elsewhere than the others do, and `divergence` tells; what it
  // adds to such a set or counter counts, although it was removed.
  // Nothing of the kind is forgotten where `members` is empty, or where some of them are no peers:
  // they are not heard.
  std::chrono::microseconds forget_after = std::chrono::hours(24);
  std::chrono::microseconds storage_retry_after = std::chrono::milliseconds(100);  // doubles to 5 s
  std::chrono::milliseconds clock_ahead_max = std::chrono::seconds(60);
  std::size_t push_bytes_max = 256u << 10;   // of one Events message
  std::size_t recent_bytes_max = 32u << 20;  // events kept in memory a space, to resend
  std::size_t waiting_bytes_max = 8u << 20;  // events waiting for their dependencies, a space
  std::size_t catchup_bytes_max = 1u << 20;  // of events sent again before an answer
  std::size_t chunk_bytes = 128u << 10;      // at most; less on a thin link
  std::size_t chunk_window = 8;  // so many times chunk_bytes in flight a transfer, at most
  // What may be sent to one peer within any second; 0: no bound. Transfers wait for it. What is new
  // or small does not: it goes first, and leaves the transfers less. At least
  // link_bytes_per_second_min.
  std::uint64_t link_bytes_per_second = 0;
  std::size_t outgoing_transfers_max = 4;  // at a time; each holds an encoded delta
  std::size_t incoming_transfer_bytes_max = std::size_t{4} << 30;  // all incoming ones together
  // States smaller than this are sent whole to who is behind what is forgotten, larger ones are
  // compared first.
  std::size_t compare_from_bytes = 16u << 10;
  std::size_t checkpoint_log_bytes = 4u << 20;      // log length at which dirty cells are written
  std::size_t persist_queue_bytes_max = 64u << 20;  // beyond it commits are `busy`
  std::size_t gated_bytes_max = 4u << 20;           // messages that wait for the disk
  std::size_t digests_per_message = 512;
  std::size_t strangers_max = 64;  // nodes that talk to us and are no peers of ours
  // Storage may have forgotten writes without anybody noticing: a disk that lies about its cache, a
  // directory restored from a copy. A space that was loaded therefore writes under its old replica
  // id only when every other member has confirmed to hold nothing newer of it; a commit before that
  // takes a new id. Off: the old id is used at once, which saves an entry in every clock for each
  // such restart, and makes such a loss a divergence.
  bool confirm_replica_ids = true;
  std::uint64_t random_seed[2] = {0, 0};  // for replica ids and the incarnation
};

struct SpaceOptions {
  bool durable = true;
  // Whether every event is kept, for looking back: batches then mark what they bring
  // (LogRecord::archived). Opening a space again may change it; nothing: as it is, at first not.
  std::optional<bool> history = std::nullopt;
};

struct Send {
  std::string to;
  std::string bytes;
  const char* kind;  // kind_name of the body, for counters and traces
};

// Something the application or the operator should hear.
struct Notice {
  enum class Kind {
    changed,             // the space's state changed; `paths` when changes are tracked. One for
                         // everything since the last take_notices()
    progress,            // a clock moved (ours, what is durable here, or what a peer holds), or the
                         // space's replica id was confirmed
    divergence,          // equal clocks, unequal hashes: `detail` names the peer and both
    replica_id_changed,  // the last writes under our old id may be lost: we took a new one
    clock_ahead,         // a peer's wall clock is too far ahead; its times are not adopted
    malformed_message,   // dropped, with the reason
    rejected,            // a peer of another cluster or version
    storage_failed,      // a batch could not be written; it is retried
    peer_up,
    peer_down,
    member_suspected,  // `peer` may be dead: its neighbours do not hear it
    member_dead,
    member_alive,  // after one of these
  };
  Kind kind;
  std::string space;  // where it concerns one
  std::string peer;   // where it concerns one
  std::string detail;
  std::vector<Path> paths;
};

// How many times each thing happened; names are stable and appear in `rejoin status`.
struct CoreCounters {
  std::uint64_t events_committed = 0;
  std::uint64_t events_applied = 0;  // from others
  std::uint64_t events_duplicate = 0;
  std::uint64_t events_waiting_dropped = 0;
  std::uint64_t events_relayed = 0;
  std::uint64_t deltas_sent = 0;
  std::uint64_t deltas_joined = 0;
  std::uint64_t comparisons = 0;  // begun, of states with peers that cannot be told what they lack
  std::uint64_t transfers_abandoned = 0;  // of either direction
  std::uint64_t event_catchups_sent = 0;
  std::uint64_t certificate_checks = 0;
  std::uint64_t divergences = 0;
  std::uint64_t messages_malformed = 0;
  std::uint64_t messages_rejected = 0;
  std::uint64_t messages_stale = 0;      // of an earlier incarnation of their sender
  std::uint64_t messages_kept_back = 0;  // dropped because too many wait for the disk
  std::uint64_t storage_failures = 0;
  std::uint64_t touches_pruned = 0;
  std::uint64_t elements_forgotten = 0;  // of lists, logs and texts
  std::uint64_t ids_retired = 0;         // replica ids that were left out of the clock
  std::uint64_t replica_ids_replaced = 0;
  std::uint64_t times_ahead = 0;  // remote times that were not adopted
};

struct PeerStatus {
  std::string name;
  bool alive = false;
  std::uint64_t silent_millis = 0;  // since it was last heard; meaningless when never
  Clock applied;                    // as far as it is known, for the space asked about
  Clock durable;
  std::uint64_t lag = 0;  // writes here that it is not known to have

  bool was_heard() const { return alive || silent_millis > 0; }  // ever
};

struct SpaceStatus {
  std::string name;
  bool durable = true;
  ReplicaId replica;
  Clock clock;
  Clock durable_clock;
  StateHash hash;
  std::size_t cells = 0;
  std::size_t touches = 0;
  std::size_t waiting_events = 0;
  std::vector<PeerStatus> peers;
};

// How a member is to be reached, for the transport.
struct Dial {
  std::string peer;
  std::string endpoint;
  bool hang_up = false;  // it is no neighbour any more
};

// What members tell each other of the past. The core only passes it on: histories are not its own.
struct HistoryMessage {
  std::string peer;  // from, or to
  std::variant<transport::WantHistory, transport::History> body;
};

struct MemberStatus {
  std::string name;
  std::string endpoint;
  std::string region;  // empty: it says none
  bool leaf = false;
  bool neighbour = false;
  transport::Life life = transport::Life::alive;
};

// A commit, as the caller gets it back. Empty transactions give no event.
struct Committed {
  EventPtr event;  // null when nothing was written
  Clock clock;     // of the space right after: the causal token of this commit
};

class Core {
 public:
  explicit Core(CoreOptions options, Now now);
  ~Core();
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  // ---- Spaces ----
  // Opens a space that the storage gave back, or a new one. `invalid_argument` for a bad name or
  // one that is open already with other options; opening twice alike is fine.
  Status open_space(const std::string& name, SpaceOptions options, Now now);
  Status open_space(StoredSpace stored, Now now);
  bool has_space(const std::string& name) const;
  std::vector<std::string> spaces() const;
  const Document& document(const std::string& space) const;  // asserts that it is open
  // Whether what is read there now is all that a causal token stands for, or more.
  bool shows(const std::string& space, const Clock& token) const;
  // Whether the next commit goes out under the id that the document has now: false as long as it
  // would take a new one (CoreOptions::confirm_replica_ids). A `progress` notice tells the end of
  // that.
  bool keeps_replica_id(const std::string& space) const;

  // ---- Inputs ----
  // Runs `write` in a transaction and commits it; what it returns in error aborts and is passed on.
  // `not_found` for a space that is not open, `limit_exceeded` for a long author or note, `busy`
  // when too much waits for the disk.
  Result<Committed> transact(const std::string& space, const std::string& author,
                             const std::string& note,
                             const std::function<Status(Transaction&)>& write, Now now);
  // Gives the kind of the message (kind_name of its body), "unknown" where it does not parse.
  const char* receive(const std::string& from, std::string_view bytes, Now now);
  void tick(Now now);
  // The batch with this ticket is durable, or could not be written (it is handed out again).
  void persisted(std::uint64_t ticket, const Status& outcome, Now now);
  void track_changes(const std::string& space, bool enabled);
  // From now on also talks to this peer of its own accord (beginning with a Hello); it counts as a
  // member where `options.members` was empty. Nothing when it is a peer already.
  void add_peer(const std::string& peer, Now now);
  // OverlayOptions::endpoint, where it is known later only.
  void set_endpoint(const std::string& endpoint, Now now);
  // Takes a member out of members_space, for good or until it comes back: one that comes back
  // enters itself again. `not_found` when it is none. Of this node itself: it takes its leave, and
  // does not enter itself again until it is started anew.
  Status remove_member(const std::string& member, const std::string& author, Now now);

  // Nothing when the peer is not heard, or may not hear of that space.
  void send_history(HistoryMessage message);

  // ---- Outputs ----
  std::vector<Send> take_sends();
  // Everything that waits to be durable, as one group commit; null when there is nothing, while one
  // is in flight, and for a while after one could not be written: then the same batch again. It may
  // be read from another thread.
  std::shared_ptr<const PersistBatch> take_batch();
  std::vector<Notice> take_notices();
  // Who is to be dialled from now on, and who no more, where there is an overlay.
  std::vector<Dial> take_dials();
  std::vector<HistoryMessage> take_history();
  // When tick() wants to be called next; microseconds::max() when never.
  std::chrono::microseconds next_deadline() const;

  // ---- Questions ----
  SpaceStatus status(const std::string& space, Now now) const;
  // Everybody in members_space, by name; empty without an overlay.
  std::vector<MemberStatus> members() const;
  // Where a session may be worked on, as far as is known here: the members that can be dialled, or,
  // without an overlay, this node and its peers, all in one region.
  std::vector<AffinityCandidate> affinity_candidates() const;
  // With whom this node talks of its own accord.
  std::vector<std::string> neighbours() const;
  // Peers that are heard and have this space: those first that were heard last, since a peer that
  // is cut off counts as heard until it has been silent for CoreOptions::peer_timeout.
  std::vector<std::string> heard(const std::string& space) const;
  const CoreCounters& counters() const;
  const CoreOptions& options() const;
  // Whether a write is safe here, and at which peers; of a clock, all that it includes.
  bool durable_here(const std::string& space, const Dot& dot) const;
  bool durable_here(const std::string& space, const Clock& writes) const;
  std::vector<std::string> durable_at(const std::string& space, const Dot& dot) const;
  std::vector<std::string> durable_at(const std::string& space, const Clock& writes) const;
  // Bytes held in buffers that peers can fill: must stay below the options' bounds.
  std::size_t buffered_bytes() const;
  // Internal consistency, and each document's own; for the simulator. O(state).
  Status check_invariants() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rejoin::node
