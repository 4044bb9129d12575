// A running node, as an application uses it.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rejoin/crdt/document.h"
#include "rejoin/crdt/revert.h"
#include "rejoin/crdt/transaction.h"
#include "rejoin/node/affinity.h"
#include "rejoin/node/core.h"
#include "rejoin/node/history.h"
#include "rejoin/node/rights.h"
#include "rejoin/transport/transport.h"

namespace rejoin::node {

class Node;
class Runtime;
struct Goal;

struct SpaceConfig {
  std::string name;
  bool durable = true;
  std::vector<AnswerRule> answers = {};  // requests for rights that this node answers by itself
  // Whether every event is kept, for looking back (docs/history.md); nothing: as it was.
  std::optional<bool> history = std::nullopt;
};

// Members that come and go (CoreOptions::overlay): `peers` are then those who are asked first.
struct OverlayConfig {
  std::string advertise;  // endpoint at which others dial this node; empty: `listen`
  std::string region;     // where this node is, in the operator's words; others hear it
  bool leaf = false;      // cannot be dialled
  std::int64_t neighbours = 5;
};

// As in the TOML file that `rejoin node --config` reads (docs/configuration.md): same names (times
// with the suffix _ms), same defaults.
struct NodeOptions {
  std::string name;
  std::string cluster = "rejoin";
  std::string listen = "tcp://127.0.0.1:*";
  std::string directory;  // empty: nothing durable may be opened
  std::string
      admin_socket;  // Unix socket for `rejoin status`; empty: <directory>/admin.sock, or none
  std::map<std::string, std::string> peers;  // name -> endpoint
  std::vector<std::string> members;          // empty: this node and its peers
  std::optional<OverlayConfig> overlay;      // finds the members; `members` must be empty
  std::vector<SpaceConfig> spaces;           // opened at the start
  std::chrono::milliseconds exchange_interval{1000};
  std::chrono::milliseconds peer_timeout{5000};
  // A member that was silent for so long is not waited for before removals are forgotten.
  std::chrono::milliseconds member_away_after = std::chrono::hours(7 * 24);
  // What removed elements of lists, logs and texts leave, resets, removals that win over additions,
  // and the ids of replaced nodes are forgotten when every one of `members`, where they are given,
  // has kept them for so long. No disk may fall back by more, nor one that was evicted come back.
  std::chrono::milliseconds forget_after = std::chrono::hours(24);
  std::chrono::milliseconds clock_ahead_max{60000};
  // What may be sent to one peer within any second; 0: no bound (CoreOptions).
  std::uint64_t link_bytes_per_second = 0;
  // A node is not healthy (Node::health) while a write has waited longer than this for the disk, or
  // for every peer that is heard.
  std::chrono::milliseconds acknowledge_within{60000};
  // Address and port of an HTTP server that gives the metrics (docs/operating.md) at /metrics, such
  // as "127.0.0.1:9464"; port 0 picks a free one. Empty: none.
  std::string metrics_listen;
  std::string log_level = "info";   // trace, debug, info, warn, error, off
  std::string log_format = "text";  // or json: an object a line (docs/operating.md)

  // `admin_socket`, or where it is by default.
  std::string admin_socket_path() const;

  // `malformed` names file, line and key.
  static Result<NodeOptions> from_toml_file(const std::string& path);
  static Result<NodeOptions> from_toml(std::string_view text, const std::string& source = "config");
};

// Proof of what a client has read or written: a clock of one space. Carry it to another node and
// wait there, to read your writes and never go back in time.
class CausalToken {
 public:
  CausalToken() = default;
  CausalToken(std::string space, Clock clock)
      : space_(std::move(space)), clock_(std::move(clock)) {}
  const std::string& space() const { return space_; }
  const Clock& clock() const { return clock_; }
  void join(const CausalToken& other) { clock_.join(other.clock_); }  // of one space (asserted)
  std::string to_string() const;                                      // printable, URL-safe
  static Result<CausalToken> parse(std::string_view text);

 private:
  std::string space_;
  Clock clock_;
};

// What has become of one commit. A value; may outlive the node (waits then fail with `closed`).
// Thread-safe.
class Receipt {
 public:
  Receipt() = default;  // as of an empty transaction
  // The commit's name and its causal token.
  const Dot& dot() const { return dot_; }
  const CausalToken& token() const { return token_; }

  // Each waits until it holds of the commit; where nothing was written (what it would have written
  // was there already), of all that the transaction saw. `timeout` says how far it got ("durable
  // here and on 1 of 2 peers: virginia; silent: tokyo"), and why the disk refuses if it does;
  // `closed` when the node stopped.
  Status wait_durable(std::chrono::milliseconds timeout) const;
  Status wait_on_peers(std::size_t count,
                       std::chrono::milliseconds timeout) const;  // durable there
  Status wait_on_peer(const std::string& peer, std::chrono::milliseconds timeout) const;

 private:
  friend class Space;
  Status wait_until(Goal goal, std::chrono::milliseconds timeout) const;

  Dot dot_;  // sequence 0: nothing was written
  CausalToken token_;
  std::shared_ptr<Runtime> runtime_;
};

// Stops the watching when destroyed. When cancel() or the destructor returns, the callback is not
// running and will not be called again (from within the callback: not called again). One thread at
// a time.
class Subscription {
 public:
  Subscription() = default;
  Subscription(Subscription&&) noexcept;
  Subscription& operator=(Subscription&&) noexcept;
  ~Subscription();
  void cancel();

 private:
  friend class Space;
  std::shared_ptr<Runtime> runtime_;
  std::uint64_t id_ = 0;
};

// What a watcher hears: the space changed somewhere at or below these paths, by local or remote
// writes. Read the new state with Space::read.
struct ChangeNotice {
  std::string space;
  std::vector<Path> paths;  // only those at, below or above the watched path
};

// One space of a running node. A cheap handle; all calls are thread-safe. It may outlive the node:
// what was read last can still be read, and everything else fails with `closed`.
class Space {
 public:
  const std::string& name() const { return name_; }

  // Runs `write` in a transaction and commits it as one event. When `write` returns an error
  // nothing happened and the error comes back; the same with an exception that it throws. `write`
  // runs under the node's lock: no I/O in it, and no call to this node (asserted). `busy` when the
  // disk has not kept up for long: try again later.
  struct CommitOptions {
    std::string author;
    std::string note;
  };
  Result<Receipt> transact(const std::function<Status(Transaction&)>& write);
  Result<Receipt> transact(CommitOptions options, const std::function<Status(Transaction&)>& write);

  // Runs `look` on a consistent snapshot: whole transactions only, and nothing changes meanwhile.
  // Views must not leave it. Readers run beside each other and keep writers waiting; no call to
  // this node from within (asserted).
  void read(const std::function<void(const Document&)>& look) const;

  // The token of what this node shows now.
  CausalToken token() const;
  // Waits until this node shows everything in the token. `timeout` says how many writes of whom are
  // missing; `invalid_argument` for a token of another space.
  Status wait_for(const CausalToken& token, std::chrono::milliseconds timeout) const;

  // Calls `on_change` on the node's notification thread after changes at, below or above `path`.
  // Calls may be merged; none is lost: the last state is always followed by a call. What the
  // callback throws is logged.
  Subscription watch(const Path& path, std::function<void(const ChangeNotice&)> on_change);

  Result<std::string> export_json(const Path& path = {}, int indent = -1) const;
  Result<Receipt> import_json(const Path& path, std::string_view json, CommitOptions options = {});

  // ---- Rights of bounded counters (rejoin/crdt/types/bounded_counter.h) ----
  // From now on, until this node stops, it answers requests for its rights of this counter, those
  // that were made before as well: it transfers what was asked for, or what it has beyond `keep`,
  // and takes the request away. A request that comes while there is nothing to spare stays open,
  // and is answered when there is. Called again: with another `keep`. `wrong_type` unless
  // `counter` is the path of a bounded counter below maps, `invalid_argument` when `keep` is
  // negative. After a start nothing is answered until all members have confirmed that the node may
  // go on under its replica id: under a new one it would hold no rights.
  Status answer_requests(const Path& counter, std::int64_t keep = 0);
  void stop_answering(const Path& counter);
  // Decrements by `amount`. Where rights are lacking it asks the replica that seems to hold the
  // most, and waits; when no answer comes for a while, another one, and so on. What comes later
  // than the deadline, or beyond what was asked for, stays here. Waits, like the answers above, for
  // the members to confirm the replica id first.
  //
  // `timeout` says how many rights are here, who holds more and who was asked last; the request is
  // taken back then. Other errors as those of transact(), decrement() and answer_requests(). Any
  // number of threads may wait at one counter; they share one request. Not from a transaction or
  // read (asserted).
  Result<Receipt> decrement_or_ask(const Path& counter, std::int64_t amount,
                                   std::chrono::milliseconds timeout, CommitOptions options = {});

  // ---- Looking back (SpaceConfig::history; docs/history.md) ----
  // What is durable here is known; a commit is, once its receipt's wait_durable() has returned.
  // `invalid_argument` where the space keeps no history, `corrupt` where it is damaged, `not_found`
  // for versions and events that are not known here: it says what is missing, and of whom. None of
  // these calls keeps writers waiting.

  // The events that wrote at `path`, below it, or removed something above it; newest first. Costs
  // in proportion to what it returns.
  Result<std::vector<PastEvent>> history(const Path& path, const HistoryQuery& query = {}) const;
  // Which events stand behind what is read at `path` and below, and what they overwrote. Empty
  // where nothing is there.
  Result<std::vector<Reason>> why(const Path& path) const;
  // How `path`, and what is below it, stood at a version: a clock, as a CausalToken has one. The
  // document is for reading. Costs in proportion to what was ever written there.
  Result<Document> at(const Clock& version, const Path& path = {}) const;
  // The version of all that was written until then, by the writers' clocks, and nothing that
  // depends on anything later.
  Result<Clock> version_until(HybridTime time) const;
  // The version that the writer of this event had before it when it made it: what it knew.
  Result<Clock> version_before(const Dot& event) const;
  // What reads differently at two versions, by JSON pointers below `path`.
  Result<std::vector<Difference>> diff(const Clock& before, const Clock& after,
                                       const Path& path = {}) const;
  // Undoes an event by another one, which keeps what others wrote since (rejoin/crdt/revert.h):
  // `reverted` says of what that is so. Others' writes are known as far as they are durable here;
  // what comes later is concurrent. Without a note it says which event it reverts. `not_found` also
  // where events are missing; other errors as those of transact().
  struct Revert {
    Receipt receipt;
    Reverted reverted;
  };
  Result<Revert> revert(const Dot& event, CommitOptions options = {});
  // What is durable here and beyond `cursor`: at first an empty one, later that of the last step
  // that was dealt with, wherever it was kept meanwhile. At least once, in causal order; the order
  // of what is concurrent may differ from node to node, and a cursor may be taken to another one
  // that keeps the space's history. Waits until there is something, at most for `timeout`: no steps
  // then. Gives at most `limit` steps, and fewer where their events take more than 8 MiB.
  Result<Feed> feed(const Clock& cursor, std::size_t limit = 1000,
                    std::chrono::milliseconds timeout = std::chrono::milliseconds(0)) const;
  // Of which writes the events are not here, although what they did is.
  Result<std::vector<MissingWrites>> missing_history() const;

  SpaceStatus status() const;

 private:
  friend class Node;
  Receipt receipt_of(Committed committed) const;
  Space(std::shared_ptr<Runtime> runtime, std::string name)
      : runtime_(std::move(runtime)), name_(std::move(name)) {}
  std::shared_ptr<Runtime> runtime_;
  std::string name_;
};

// A node: its threads, sockets and store. Thread-safe. Stops when destroyed; what was committed but
// not yet durable is written first.
class Node {
 public:
  // `address_in_use`, `busy` (the store is open in another process), `corrupt` is handled: the
  // store is set aside, the node starts empty under new replica ids, and says so in the log and
  // status. `invalid_argument` names the option that is wrong.
  static Result<Node> open(NodeOptions options);
  Node(Node&&) noexcept;
  Node& operator=(Node&&) noexcept;
  ~Node();

  Result<Space> open_space(const std::string& name, SpaceOptions options = {});
  std::string listen_endpoint() const;
  // Dials a peer, which becomes one of ours if it was not; or dials it at another endpoint from now
  // on.
  Status connect(const std::string& peer, const std::string& endpoint);
  // With an overlay: everybody in the cluster, by name, and what is believed of them; empty
  // without.
  std::vector<MemberStatus> members() const;
  // Takes a member out, for good or until it comes back and enters itself again. `not_found` when
  // it is none, `invalid_argument` without an overlay. Of this node itself, before it stops for
  // good: nobody waits for it then, or mourns it.
  Status remove_member(const std::string& member, const std::string& author = "");
  // Where this session is best worked on, best first (rejoin/node/affinity.h): of the members that
  // can be dialled and are alive as far as is known here, or, without an overlay, of this node and
  // the peers that are heard; those of `region`, at first this node's own, before all others. Empty
  // where there is none: at a leaf that is cut off.
  std::vector<AffinityCandidate> nodes_for(
      std::string_view session, const std::optional<std::string>& region = std::nullopt) const;
  // Cuts or restores the link to a peer, both ways, for tests and demonstrations.
  void set_link(const std::string& peer, bool up);

  const std::string& name() const;
  const std::string& directory() const;
  const std::string& admin_socket() const;  // its path; empty: none
  std::vector<SpaceStatus> status() const;
  CoreCounters counters() const;
  transport::TrafficCounters traffic() const;
  // Where a corrupt store was moved at open; empty when none was.
  std::string set_aside_store() const;
  // Why the store refused the last write; empty while it takes them. Commits go on in memory then,
  // the writes are tried again, and receipts wait.
  std::string storage_error() const;
  // Everything that it counts and measures, as Prometheus reads it (docs/operating.md).
  std::string metrics() const;
  // Where they are served over HTTP, with the port that was picked; empty: nowhere.
  std::string metrics_address() const;
  // Why it is not healthy, a sentence for each reason: the store refuses writes, its state differed
  // from a peer's, no peer is heard, writes wait for long (docs/operating.md). Empty: it is. How
  // long a peer has been behind counts from when this, or metrics(), was first asked.
  std::vector<std::string> health() const;
  // Whether its network thread gets the node's lock and answers within that time: for watchdogs.
  // Not from a transaction, a read or a watch callback.
  bool responds(std::chrono::milliseconds within) const;

  // Called, on a thread of the node, when the admin command `stop` asks the process to end. It must
  // not call stop() itself, only tell another thread to. Without a handler the request is refused.
  void on_stop_request(std::function<void()> handler);
  // Writes what is not durable yet, then ends all threads; waits fail with `closed`. Not from a
  // watch callback. Reading goes on.
  void stop();

 private:
  explicit Node(std::shared_ptr<Runtime> runtime);
  std::shared_ptr<Runtime> runtime_;
};

}  // namespace rejoin::node
