// The protocol's state and its steps. One class, because every step may touch spaces, peers, the
// outbox and the persist queue; its methods are grouped by file:
//
//   core.cpp        spaces, commits, outputs, questions
//   dispatch.cpp    messages in: what is dropped, and who hears it; peers coming and going; ticks
//   events.cpp      events coming in and going out: push, relay, acknowledgement; storage
//                   completions
//   exchange.cpp    summaries, digests, clock reports, and how a peer is caught up
//   deltas.cpp      transfers of deltas
//   comparing.cpp   finding out which cells differ, for one that is behind what is forgotten
//   overlay.cpp     who the members are, who is a neighbour, who is alive
//   retiring.cpp    replica ids whose writers are gone, and what others' clocks leave out
//   forgetting.cpp  removals, and what orders elements, that every member has seen
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/liveness.h"
#include "core/outbox.h"
#include "core/peer.h"
#include "core/persist_queue.h"
#include "core/random.h"
#include "core/replica.h"
#include "rejoin/crdt/hybrid_time.h"
#include "rejoin/node/core.h"

namespace rejoin::node {

struct Core::Impl {
  Impl(CoreOptions options_in, Now now_in);

  CoreOptions options;
  Now now;  // of the latest input
  Random random;
  const Micros started_at;
  std::uint64_t incarnation = 0;
  HybridClock clock;
  CoreCounters counters;
  Outbox outbox;
  PersistQueue queue;

  std::map<std::string, Replica*, std::less<>> by_name;
  std::vector<std::unique_ptr<Replica>> replicas;  // by index; a space stays open for ever
  std::map<std::string, std::uint32_t, std::less<>> slots;
  std::vector<std::unique_ptr<Peer>> peers;           // by slot
  std::set<std::pair<Micros, std::uint32_t>> timers;  // (when, index) of replicas

  StateHash summary_of_all;
  std::vector<std::uint32_t> stale_digests;
  std::vector<Replica*> to_flush;
  std::vector<Replica*> to_notify;
  std::vector<Notice> notices;
  std::vector<HistoryMessage> history_inbox;
  std::map<std::string, Micros> limited;  // when something of this name last happened
  // (index, slot), may be over; the one that sent a chunk least recently is the first.
  std::vector<std::pair<std::uint32_t, std::uint32_t>> transfers_out;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> transfers_in;
  std::uint64_t last_transfer = 0;
  Position last_own = 0;  // of any space
  // Hash of the members' names and of the incarnation of each that was confirmed last. 0 while one
  // is unknown, and where `options.members` does not say who they are.
  std::uint64_t view = 0;

  // What is in the batch that is being written.
  struct InFlight {
    Replica* replica;
    Clock clock;  // durable when the batch is
  };
  std::vector<InFlight> in_flight;
  std::vector<Replica*> queued;
  Micros storage_retry_at = never;
  Micros storage_pause{0};
  bool storage_retry_allowed = false;

  // Where members come and go.
  struct Overlay {
    explicit Overlay(const std::string& self) : liveness(self) {}

    Liveness liveness;
    std::map<std::string, MemberStatus, std::less<>> members;  // as the space has them
    bool stale = true;                                         // the space has changed since
    bool leaving = false;
    Micros due{0};                        // when to tend it
    Micros next_probe{0};                 // of one that is believed dead
    std::map<std::string, Micros> tried;  // when one was no candidate any more, and was not taken
    std::map<std::string, std::string> referred;  // whom others named: endpoints
    int refusals = 0;                             // since this node had a neighbour
    int seed_rounds = 0;                          // the same: how often options.peers were asked
    Micros next_seeds{0};                         // when they are asked again
    std::vector<std::pair<Rumour, std::uint32_t>> news;  // not told yet, and the slot it came from
    std::vector<Dial> dials;
  };
  std::unique_ptr<Overlay> overlay;  // null without

  // ---- core.cpp ----
  Replica* find(std::string_view space);
  const Replica* find(std::string_view space) const;
  Replica* find(std::string_view space, const Peer& peer);  // null where it may not hear of it
  Replica& add_replica(std::string name, bool durable, Document document);
  ReplicaId draw_replica_id();
  // Writes under a new id from now on; `reason` is for people.
  void replace_replica_id(Replica& replica, const std::string& reason);
  Result<Committed> transact(Replica& replica, const std::string& author, const std::string& note,
                             const std::function<Status(Transaction&)>& write);
  std::shared_ptr<const PersistBatch> take_batch();
  void enqueue(Replica& replica, RecordKind kind, std::string bytes);
  // After any change of the document's clock, or of what is durable.
  void state_changed(Replica& replica);
  void progress(Replica& replica);
  void progress_of_peer(Replica& replica);  // only for those who wait: the digest is unchanged
  bool limit(const std::string& what, Micros interval);  // true: let it pass
  void notice(Notice::Kind kind, const std::string& space, const std::string& peer,
              std::string detail);

  // ---- dispatch.cpp ----
  const char* receive(const std::string& from, std::string_view bytes);
  void take(const std::string& from, transport::Message& message);
  void reject(const std::string& to, ErrorCode code, std::string reason);
  void malformed(const std::string& from, const std::string& space, const std::string& reason);
  Peer* peer_for(const std::string& name);  // null when there are too many strangers
  Peer& add_peer(const std::string& name, bool configured);
  // Gives the place of one who is silent to another.
  Peer& reuse(Peer& peer, const std::string& name);
  // All knowledge of the peer's process begins anew.
  void forget(Peer& peer);
  void send_hello(const Peer& peer, const transport::Hello& hello);
  void challenge(Peer& peer);
  std::uint64_t challenge_for(Peer& peer);  // the one that is not answered yet, or a new one
  void on_hello(Peer& peer, std::uint64_t sender, const transport::Hello& hello);
  // The peer's process has answered: from now on it alone is listened to.
  void confirm(Peer& peer, std::uint64_t incarnation);
  void refresh_view();
  bool shares_view(std::uint64_t their_view) const;
  void heard(Peer& peer);
  void gone(Peer& peer);
  void tick();
  Micros next_deadline() const;
  // Does what is due in a space, and sets its timer.
  void run(Replica& replica);
  void schedule(Replica& replica, Micros when);
  void hurry(Replica& replica, Micros when);  // run() by then
  Link& link(Replica& replica, Peer& peer);
  // Remembers what the peer's incarnation, just confirmed, must take over.
  void expect_takeover(Replica& replica, Peer& peer);
  const Link* link_if(const Replica& replica, const Peer& peer) const;
  // Sends to the peer's present incarnation, or keeps back until `gate` is durable.
  void send(const Peer& peer, transport::Body body, Position gate);
  std::string encode(std::uint64_t receiver, transport::Body body) const;
  Micros resend_after(const Peer& peer) const;

  // ---- events.cpp ----
  void on_events(Peer& peer, transport::Events& message);
  // What became of an event that came from outside.
  enum class Outcome { applied, duplicate, missing, refused };
  Outcome apply(Replica& replica, const EventPtr& event, Peer& from);
  void apply_waiting(Replica& replica);
  void tell_absent(Peer& peer, const std::string& space);
  bool own_id_holds(Replica& replica, const Peer& peer, Sequence claimed);
  void report_gap(Replica& replica, Peer& peer, Link& link);
  void on_ack(Peer& peer, const transport::Ack& message);
  void acknowledge_to_others(Replica& replica);
  void send_ack(Replica& replica, Peer& peer, Link& link);
  void sample_round_trip(const Replica& replica, Peer& peer, const Clock& durable);
  void persisted(std::uint64_t ticket, const Status& outcome);
  void want_flush(Replica& replica);
  void flush();
  void push(Replica& replica);
  void push_to(Replica& replica, Peer& peer, const std::vector<EventPtr>& events);
  void send_events(Replica& replica, Peer& peer, Link& link, const std::vector<EventPtr>& events);
  // How long after an event's arrival it should have reached the peer by another way.
  Micros relay_wait(const Peer& peer) const {
    return options.relay_delay + 2 * peer.round_trip.estimate();
  }
  bool relays_at_once(const Peer& peer, const Link& link, const ReplicaId& writer) const;
  void relay_at_once(Replica& replica);
  // Relays what is due to one peer; returns when to look again.
  Micros relay(Replica& replica, Peer& peer, Link& link);

  // ---- exchange.cpp ----
  void exchange(Peer& peer);
  void exchange_soon(Micros delay, std::uint32_t except);
  void refresh(Replica& replica);
  void refresh_digests();
  transport::Summary summary_for(Peer& peer);
  void send_summary(Peer& peer);
  void on_summary(Peer& peer, const transport::Summary& message);
  void send_digests(Peer& peer);
  void on_digests(Peer& peer, const transport::Digests& message);
  void doubt(Replica& replica, Peer& peer, Link& link);
  void set_lacks(Replica& replica, Peer& peer, Link& link, bool lacks);
  void agree(Replica& replica, Peer& peer, Link& link, std::uint64_t their_view);
  void ask(Replica& replica, Peer& peer, Link& link);
  bool catching_up_from_other(const Replica& replica, const Peer& peer) const;
  void send_report(Replica& replica, Peer& peer, Link& link, bool want_reply, bool gap);
  void on_clock_report(Peer& peer, const transport::ClockReport& message);
  void diverged(Replica& replica, Peer& peer, Link& link, const StateHash& theirs);
  void confirm_identity(Replica& replica, const Peer& peer);
  void catch_up(Replica& replica, Peer& peer, Link& link, const Clock& reported, bool gap);
  // Gives the state to one that lacks something of a retired id, whatever else it has.
  void hand_over(Replica& replica, Peer& peer, Link& link, const Clock& reported);
  Clock without_news(const Replica& replica, Clock have, Micros since) const;
  bool events_are_cheaper(const Replica& replica, const Clock& reported,
                          std::optional<std::uint64_t> event_bytes) const;
  bool send_missing_events(Replica& replica, Peer& peer, Link& link, const Clock& base);

  // ---- deltas.cpp ----
  void start_transfer(Replica& replica, Peer& peer, Link& link, const Delta& delta);
  // Counts what leaves beside chunks.
  void spend_budgets(const std::vector<Send>& sends);
  // The chunks for which there is room: after everything else has been sent, and within the budget.
  void send_chunks();
  bool send_chunk(Replica& replica, Peer& peer, Link& link);
  Micros run_transfers(Replica& replica, Peer& peer, Link& link);
  void on_chunk(Peer& peer, transport::Chunk& message);
  void on_chunk_ack(Peer& peer, const transport::ChunkAck& message);
  bool tells_nothing(const Replica& replica, Link& link, const Delta& delta);
  void join_incoming(Replica& replica, Peer& peer, Link& link);
  std::size_t outgoing_transfers();
  std::size_t incoming_bytes();

  // ---- overlay.cpp ----
  // Who is no member, as far as is known here, hears of who the members are, and of no other space.
  bool may_hear(const Peer& peer, const Replica& replica) const;
  // The same, and it does not lack it.
  bool hears(const Peer& peer, const Replica& replica, const Link& link) const;
  bool has_full_mesh() const;  // everybody talks with everybody, or with whom options.peers says
  void tend_overlay();
  void tend_soon(Micros delay);
  void read_members();
  void enter_self();
  bool is_member(const std::string& name) const;
  void tell_members_apart();
  // When to ask a neighbour whether it is there, before it is suspected; `never` when it was asked.
  Micros probe_due(const Peer& peer) const;
  void confirm_deaths();
  void seek_neighbours();
  void make_candidate(const std::string& name, const std::string& endpoint);
  void ask_to_be_neighbour(Peer& peer);
  void on_neighbour(Peer& peer, const transport::Neighbour& message);
  void become_neighbours(Peer& peer);
  void part(Peer& peer, bool tell);
  void tell_parted(Peer& peer);
  void turn_away(Peer& peer, transport::Neighbour::Step step);
  void lost_neighbour(Peer& peer);
  template <class Body>
  void on_history(const Peer& peer, Body& body);
  void on_rumours(Peer& peer, const transport::Rumours& message);
  void spread(const std::optional<Rumour>& rumour, std::uint32_t from);
  void tell_news();
  void tell_beliefs(Peer& peer);
  std::size_t count_neighbours(bool leaves, bool candidates) const;
  std::size_t wanted_neighbours() const;
  Peer& drawn_neighbour();
  std::size_t neighbours_max() const;

  // ---- forgetting.cpp ----
  void settle(Replica& replica, Link& link, const Clock& durable);
  // The same for elements: of a report, or an agreement, under the sender's view.
  void settle_in_view(Replica& replica, Link& link, const Clock& applied, const Clock& durable,
                      std::uint64_t their_view);
  void forget_soon(Replica& replica);
  bool is_alone() const;
  bool waits_for_all(const Replica& replica) const;
  bool may_not_know_all() const;  // who finds the members has perhaps not found all of them
  bool is_away(const Peer* member) const;
  std::optional<Replica::Kept> kept_by_all(const Replica& replica) const;
  bool advance_forgetting(Replica& replica, const std::optional<Replica::Kept>& kept);
  void prune(Replica& replica);

  // ---- retiring.cpp ----
  // What a peer reported, told as our clock is.
  struct Told {
    Clock applied;
    std::optional<Clock> durable;  // nothing where our clocks cannot say it
    bool lacks_retired;
  };
  // Nothing when it cannot be told. Names ids again of which the peer has more than they wrote.
  std::optional<Told> understand(Replica& replica, const transport::ClockReport& message);
  // Names ids again that are retired.
  void restore(Replica& replica, const Clock& ids);
  // After an id was named again: what it had written before. Nothing when it was not left out.
  void named_again(Replica& replica, const Dot& last);
  std::set<ReplicaId> present_ids(const Replica& replica) const;
  void on_puzzling_report(Replica& replica, Peer& peer, Link& link,
                          const transport::ClockReport& message);
  // After ids were left out of the document's clock: out of all others.
  void leave_out(Replica& replica, const Clock& known);
  // Without the ids that are retired here.
  static Clock listed(const Replica& replica, Clock clock);
  // Whether everything is here that somebody has whose clock leaves `retired` out.
  static bool has_all(const Replica& replica, const Clock& clock, const StateHash& retired);
  void retire_soon(Replica& replica);
  void retire(Replica& replica);
  void retire(Replica& replica, Clock gone);  // all of which is durable here
  // Has our clock leave out the ids that the delta's does, where that can be told: what becomes of
  // it must not depend on anything that the log does not say.
  bool leave_out_the_same(Replica& replica, const Delta& delta);
  // Of a report that was understood: its clock, and as it was told.
  void retire_what_is_retired_there(Replica& replica, const Clock& named, const Clock& told);
  // All peers, and under which id this node writes; returns when to tell one again.
  void tell_what_is_left_out(Replica& replica);
  Micros tell_what_is_left_out(Replica& replica, Peer& peer, Link& link);
  // The peer need not be told any more when it names nothing of that.
  void note_what_is_left_out(const Replica& replica, Link& link,
                             const transport::ClockReport& message);

  // ---- comparing.cpp ----
  bool comparing_pays(const Replica& replica, const Clock& reported) const;
  void start_comparison(Replica& replica, Peer& peer, Link& link);
  void send_symbols(Replica& replica, Peer& peer, Link& link);
  void on_sketch_answer(Peer& peer, const transport::SketchAnswer& message);
  void on_sketch(Peer& peer, const transport::Sketch& message);
  void answer_sketch(Replica& replica, Peer& peer, Link& link);
  bool prepare_compared(const Replica& replica, Link& link, Delta& delta) const;
  Micros run_comparisons(Replica& replica, Peer& peer, Link& link);
};

}  // namespace rejoin::node
