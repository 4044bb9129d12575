#include "rejoin/node/core.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "core/impl.h"
#include "rejoin/crdt/assert.h"
#include "rejoin/crdt/limits.h"
#include "rejoin/crdt/mutant.h"

namespace rejoin::node {

namespace {

constexpr std::size_t notices_max = 4096;
constexpr std::size_t limited_names_max = 1024;
// Who the members are is read again so long after a change: many may join together.
constexpr Micros members_read_delay = std::chrono::milliseconds(50);
constexpr Micros members_read_delay_each = std::chrono::milliseconds(1);

Status check_space_name(const std::string& name) {
  if (transport::is_valid_name(name)) return {};
  return make_error(ErrorCode::invalid_argument,
                    "a space's name must have 1 to 255 bytes of UTF-8 without control characters",
                    name);
}

}  // namespace

Core::Impl::Impl(CoreOptions options_in, Now now_in)
    : options(std::move(options_in)),
      now(now_in),
      random(options.random_seed[0], options.random_seed[1]),
      started_at(now_in.monotonic),
      clock(options.clock_ahead_max),
      outbox(options.gated_bytes_max) {
  REJOIN_ASSERT(transport::is_valid_name(options.name));
  REJOIN_ASSERT(transport::is_valid_name(options.cluster));
  while (incarnation == 0) incarnation = random.next();
  options.chunk_bytes = std::clamp<std::size_t>(options.chunk_bytes, 1, transport::chunk_bytes_max);
  options.digests_per_message =
      std::clamp<std::size_t>(options.digests_per_message, 1, transport::digests_max);
  options.chunk_window = std::max<std::size_t>(options.chunk_window, 1);
  if (options.overlay) {
    overlay = std::make_unique<Overlay>(options.name);
    return;
  }
  const std::vector<std::string> names = std::exchange(options.peers, {});
  for (const std::string& name : names) {
    if (name != options.name && !slots.contains(name)) add_peer(name, true);
  }
  refresh_view();
}

// ---- Spaces ----

Replica* Core::Impl::find(std::string_view space) {
  const auto it = by_name.find(space);
  return it == by_name.end() ? nullptr : it->second;
}

const Replica* Core::Impl::find(std::string_view space) const {
  const auto it = by_name.find(space);
  return it == by_name.end() ? nullptr : it->second;
}

Replica* Core::Impl::find(std::string_view space, const Peer& peer) {
  Replica* replica = find(space);
  return replica && may_hear(peer, *replica) ? replica : nullptr;
}

ReplicaId Core::Impl::draw_replica_id() {
  if (REJOIN_MUTATED(replica_id_is_drawn_again)) {
    const StateHash again = hash_bytes(options.name);
    return ReplicaId::from_words(again.high, again.low);
  }
  const std::uint64_t high = random.next();
  return ReplicaId::from_words(high, random.next());
}

Replica& Core::Impl::add_replica(std::string name, bool durable, Document document) {
  const auto index = static_cast<std::uint32_t>(replicas.size());
  replicas.push_back(std::make_unique<Replica>(std::move(name), index, durable, std::move(document),
                                               options.recent_bytes_max));
  Replica& replica = *replicas.back();
  by_name.emplace(replica.name, &replica);
  stale_digests.push_back(index);
  for (const auto& peer : peers) {
    if (!peer->all_unagreed) peer->unagreed.push_back(index);
  }
  return replica;
}

void Core::Impl::replace_replica_id(Replica& replica, const std::string& reason) {
  const ReplicaId old = replica.document.self();
  const ReplicaId id = draw_replica_id();
  replica.document.become(id);
  replica.identity = Identity::fresh;
  replica.confirmed_by.clear();
  tell_what_is_left_out(replica);
  if (replica.durable) {
    replica.last_own = last_own = queue.add(SpaceRecord{replica.name, id, clock.last()});
  }
  ++counters.replica_ids_replaced;
  notice(Notice::Kind::replica_id_changed, replica.name, "",
         "writes as " + id.short_name() + " instead of " + old.short_name() +
             " from now on: " + reason);
}

// ---- Commits ----

Result<Committed> Core::Impl::transact(Replica& replica, const std::string& author,
                                       const std::string& note,
                                       const std::function<Status(Transaction&)>& write) {
  if (author.size() > limits::author_bytes_max || note.size() > limits::note_bytes_max) {
    return make_error(ErrorCode::limit_exceeded,
                      "a commit's author may have 256 bytes and its note 4096", replica.name);
  }
  if (!is_valid_utf8(author) || !is_valid_utf8(note)) {
    return make_error(ErrorCode::invalid_argument, "a commit's author or note is not valid UTF-8",
                      replica.name);
  }
  if (replica.durable && queue.bytes() > options.persist_queue_bytes_max) {
    return make_error(ErrorCode::busy, "too many commits wait for the disk; try again later",
                      replica.name);
  }
  if (replica.identity == Identity::unconfirmed) {
    replace_replica_id(replica,
                       "not every member has confirmed yet to hold nothing newer of the "
                       "old one than what was stored here");
  }
  const ReplicaId self = replica.document.self();
  const Dot left_out{self, replica.document.retired().get(self)};
  EventPtr event;
  {
    Transaction transaction =
        replica.document.begin(TransactionOptions{clock.tick(now.wall_millis), author, note});
    if (Status status = write(transaction); !status.ok()) {
      transaction.abort();
      return status.error();
    }
    event = transaction.commit();
  }
  if (event) {
    ++counters.events_committed;
    named_again(replica, left_out);
    Position gate = 0;
    if (replica.durable) {
      enqueue(replica, RecordKind::event, event->encoded());
      gate = replica.last_own = last_own = queue.end();
      replica.own_pending.emplace_back(
          REJOIN_MUTANT(event_leaves_with_the_batch_before, gate, Position{0}), event);
    } else {
      replica.unpushed.push_back(event);
      want_flush(replica);
    }
    replica.recent.add(event, gate, RecentEvents::from_here, now.monotonic);
    state_changed(replica);
  }
  Clock token = replica.document.clock();
  if (event && REJOIN_MUTATED(token_leaves_out_the_write)) {
    token.set(event->writer(), event->first() - 1);
  }
  return Committed{std::move(event), std::move(token)};
}

void Core::Impl::enqueue(Replica& replica, RecordKind kind, std::string bytes) {
  replica.log_bytes += bytes.size();
  queue.add(LogRecord{replica.name, kind, std::move(bytes), replica.keeps_history});
  if (!replica.queued) {
    replica.queued = true;
    queued.push_back(&replica);
  }
}

std::shared_ptr<const PersistBatch> Core::Impl::take_batch() {
  if (queue.in_flight()) {
    return std::exchange(storage_retry_allowed, false) ? queue.flight() : nullptr;
  }
  if (!queue.has_next()) return nullptr;
  std::vector<CheckpointRecord> checkpoints;
  for (Replica* replica : queued) {
    replica->queued = false;
    if (replica->log_bytes >= options.checkpoint_log_bytes) {
      CheckpointRecord record{
          replica->name, replica->document.header(), {}, clock.last(), replica->document.hash()};
      record.dirty_cells.reserve(replica->document.dirty_count());
      replica->document.take_dirty(
          [&](Document::StoredCell cell) { record.dirty_cells.push_back(std::move(cell)); });
      checkpoints.push_back(std::move(record));
      replica->log_bytes = 0;
    }
    in_flight.push_back(InFlight{replica, replica->document.clock()});
  }
  queued.clear();
  return queue.begin(std::move(checkpoints));
}

// ---- Notices ----

void Core::Impl::state_changed(Replica& replica) {
  replica.changed = true;
  progress(replica);
  if (overlay && replica.name == members_space) {
    overlay->stale = true;
    tend_soon(members_read_delay +
              members_read_delay_each * static_cast<std::int64_t>(overlay->members.size()));
  }
}

void Core::Impl::progress(Replica& replica) {
  if (!replica.digest_stale) {
    replica.digest_stale = true;
    stale_digests.push_back(replica.index);
  }
  progress_of_peer(replica);
  // Now something may depend on what only reports would have retired.
  if (replica.document.clock().size() > options.members.size()) retire_soon(replica);
  if (is_alone() && !REJOIN_MUTATED(alone_nothing_is_forgotten)) forget_soon(replica);
}

void Core::Impl::progress_of_peer(Replica& replica) {
  if (!replica.progressed) {
    replica.progressed = true;
    to_notify.push_back(&replica);
  }
}

bool Core::Impl::limit(const std::string& what, Micros interval) {
  const auto it = limited.find(what);
  if (it != limited.end() && now.monotonic - it->second < interval) return false;
  if (it == limited.end() && limited.size() >= limited_names_max) {
    std::erase_if(limited, [&](const auto& e) { return now.monotonic - e.second >= interval; });
    if (limited.size() >= limited_names_max) return false;
  }
  limited.insert_or_assign(what, now.monotonic);
  return true;
}

void Core::Impl::notice(Notice::Kind kind, const std::string& space, const std::string& peer,
                        std::string detail) {
  if (notices.size() < notices_max) {
    notices.push_back(Notice{kind, space, peer, std::move(detail), {}});
  }
}

// ---- The public face ----

Core::Core(CoreOptions options, Now now) : impl_(std::make_unique<Impl>(std::move(options), now)) {}
Core::~Core() = default;

Status Core::open_space(const std::string& name, SpaceOptions options, Now now) {
  impl_->now = now;
  if (Status status = check_space_name(name); !status.ok()) return status;
  if (options.history.value_or(false) && !options.durable) {
    return make_error(ErrorCode::invalid_argument, "only a durable space can keep its history",
                      name);
  }
  if (Replica* open = impl_->find(name)) {
    if (open->durable == options.durable) {
      open->keeps_history = options.history.value_or(open->keeps_history);
      return {};
    }
    return make_error(ErrorCode::invalid_argument,
                      open->durable ? "the space is open already, and durable"
                                    : "the space is open already, and not durable",
                      name);
  }
  const ReplicaId id = impl_->draw_replica_id();
  Replica& replica = impl_->add_replica(name, options.durable, Document(id));
  replica.keeps_history = options.history.value_or(false);
  if (options.durable) {
    replica.last_own = impl_->last_own = impl_->queue.add(SpaceRecord{name, id});
  }
  return {};
}

Status Core::open_space(StoredSpace stored, Now now) {
  impl_->now = now;
  if (Status status = check_space_name(stored.name); !status.ok()) return status;
  if (impl_->find(stored.name)) {
    return make_error(ErrorCode::invalid_argument, "the space is open already", stored.name);
  }
  REJOIN_ASSERT(stored.document.self() == stored.replica);
  Replica& replica = impl_->add_replica(stored.name, true, std::move(stored.document));
  replica.durable_clock = replica.document.clock();
  for (const auto& peer : impl_->peers) {
    if (peer->incarnation != 0) impl_->expect_takeover(replica, *peer);
  }
  replica.log_bytes = stored.log_bytes;
  if (!REJOIN_MUTATED(restart_forgets_the_time)) impl_->clock.restore(stored.last_time);
  for (EventPtr& event : stored.recent) {
    if (event->writer() == stored.replica) impl_->clock.restore(event->time());
    replica.recent.add(std::move(event), 0, RecentEvents::from_here, now.monotonic);
  }
  replica.recent.keep_only(replica.document.clock());
  replica.identity = impl_->is_alone() || !impl_->options.confirm_replica_ids
                         ? Identity::confirmed
                         : Identity::unconfirmed;
  if (stored.last_writes_uncertain) {
    impl_->replace_replica_id(replica,
                              "the storage may have lost the last writes under the old one");
  }
  impl_->state_changed(replica);
  if (impl_->peers.empty()) impl_->retire_soon(replica);
  return {};
}

bool Core::has_space(const std::string& name) const { return impl_->find(name) != nullptr; }

std::vector<std::string> Core::spaces() const {
  std::vector<std::string> names;
  for (const auto& [name, replica] : impl_->by_name) names.push_back(name);
  return names;
}

const Document& Core::document(const std::string& space) const {
  const Replica* replica = impl_->find(space);
  REJOIN_ASSERT(replica);
  return replica->document;
}

bool Core::shows(const std::string& space, const Clock& token) const {
  return document(space).includes(token) || REJOIN_MUTATED(token_is_ignored);
}

bool Core::keeps_replica_id(const std::string& space) const {
  const Replica* replica = impl_->find(space);
  return replica != nullptr && replica->identity != Identity::unconfirmed;
}

Result<Committed> Core::transact(const std::string& space, const std::string& author,
                                 const std::string& note,
                                 const std::function<Status(Transaction&)>& write, Now now) {
  impl_->now = now;
  Replica* replica = impl_->find(space);
  if (!replica) return make_error(ErrorCode::not_found, "no such space is open here", space);
  return impl_->transact(*replica, author, note, write);
}

const char* Core::receive(const std::string& from, std::string_view bytes, Now now) {
  impl_->now = now;
  return impl_->receive(from, bytes);
}

void Core::tick(Now now) {
  impl_->now = now;
  impl_->tick();
}

void Core::persisted(std::uint64_t ticket, const Status& outcome, Now now) {
  impl_->now = now;
  impl_->persisted(ticket, outcome);
}

void Core::track_changes(const std::string& space, bool enabled) {
  if (Replica* replica = impl_->find(space)) replica->document.track_changes(enabled);
}

void Core::add_peer(const std::string& peer, Now now) {
  impl_->now = now;
  if (peer.empty() || peer == impl_->options.name) return;
  if (impl_->overlay) {
    if (std::ranges::find(impl_->options.peers, peer) == impl_->options.peers.end()) {
      impl_->options.peers.push_back(peer);
    }
    return impl_->tend_soon(Micros{0});
  }
  const auto it = impl_->slots.find(peer);
  if (it == impl_->slots.end()) {
    impl_->add_peer(peer, REJOIN_MUTANT(newcomer_stays_a_stranger, true, false));
  } else if (!impl_->peers[it->second]->configured) {
    impl_->peers[it->second]->configured = true;
    impl_->options.peers.push_back(peer);
  }
}

std::vector<Send> Core::take_sends() {
  impl_->flush();
  std::vector<Send> sends = impl_->outbox.take();
  impl_->spend_budgets(sends);
  impl_->send_chunks();
  std::ranges::move(impl_->outbox.take(), std::back_inserter(sends));
  return sends;
}

std::shared_ptr<const PersistBatch> Core::take_batch() { return impl_->take_batch(); }

std::vector<Notice> Core::take_notices() {
  std::vector<Notice> taken = std::exchange(impl_->notices, {});
  for (Replica* replica : impl_->to_notify) {
    if (std::exchange(replica->changed, false)) {
      taken.push_back(
          Notice{Notice::Kind::changed, replica->name, "", "", replica->document.take_changes()});
    }
    if (std::exchange(replica->progressed, false)) {
      taken.push_back(Notice{Notice::Kind::progress, replica->name, "", "", {}});
    }
  }
  impl_->to_notify.clear();
  return taken;
}

std::chrono::microseconds Core::next_deadline() const { return impl_->next_deadline(); }

const CoreCounters& Core::counters() const { return impl_->counters; }
const CoreOptions& Core::options() const { return impl_->options; }

}  // namespace rejoin::node
