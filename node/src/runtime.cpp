#include "runtime.h"

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <random>
#include <utility>

#include "admin.h"
#include "config.h"
#include "history/keep.h"
#include "history/queries.h"
#include "log.h"
#include "metrics.h"
#include "rejoin/crdt/assert.h"
#include "rejoin/node/sqlite_storage.h"

namespace rejoin::node {
namespace {

// Far beyond any use, and a deadline that does not overflow: "for ever" may come as
// milliseconds::max().
constexpr std::chrono::milliseconds longest_wait = std::chrono::hours(24 * 365);

// The node whose lock this thread holds while it runs a caller's code. A call back into the same
// node from there would wait for itself for ever.
thread_local const Runtime* inside = nullptr;

class Inside {
 public:
  explicit Inside(const Runtime* runtime) : before_(std::exchange(inside, runtime)) {}
  ~Inside() { inside = before_; }

 private:
  const Runtime* before_;
};

std::uint64_t random_word(std::random_device& device) {
  return std::uint64_t{device()} << 32 | device();
}

CoreOptions core_options(const NodeOptions& options) {
  CoreOptions core;
  core.name = options.name;
  core.cluster = options.cluster;
  for (const auto& [name, endpoint] : options.peers) core.peers.push_back(name);
  core.members = options.members;
  if (options.overlay) {
    core.overlay = OverlayOptions{};
    core.overlay->region = options.overlay->region;
    core.overlay->leaf = options.overlay->leaf;
    core.overlay->neighbours = static_cast<std::size_t>(options.overlay->neighbours);
  }
  core.exchange_interval = options.exchange_interval;
  core.peer_timeout = options.peer_timeout;
  core.member_away_after = options.member_away_after;
  core.forget_after = options.forget_after;
  core.clock_ahead_max = options.clock_ahead_max;
  core.link_bytes_per_second = options.link_bytes_per_second;
  std::random_device device;
  core.random_seed[0] = random_word(device);
  core.random_seed[1] = random_word(device);
  return core;
}

std::string nothing_open(const std::string& space) {
  return "no space \"" + space + "\" is open here";
}

}  // namespace

// ---- Start and stop ----

Result<std::shared_ptr<Runtime>> Runtime::open(NodeOptions options) {
  if (auto valid = validate(options); !valid) return valid.error();
  options.admin_socket = options.admin_socket_path();
  std::shared_ptr<Runtime> runtime(new Runtime(std::move(options)));
  if (auto started = runtime->start(); !started) return started.error();
  return runtime;
}

Runtime::Runtime(NodeOptions options)
    : options_(std::move(options)),
      watches_(make_log(options_.name, options_.log_level, options_.log_format)) {}

Runtime::~Runtime() { stop(); }

Status Runtime::start() {
  // The store comes first: its lock keeps a second process from this directory.
  core_ = std::make_unique<Core>(core_options(options_), now());
  if (auto opened = open_store(); !opened) return opened;
  for (const SpaceConfig& space : options_.spaces) {
    if (auto opened = open_space(space.name, SpaceOptions{space.durable, space.history}); !opened) {
      return opened;
    }
    for (const AnswerRule& rule : space.answers) {
      if (auto added = answers_.add(space.name, rule); !added) return added;
    }
  }
  if (options_.overlay) {
    const SpaceOptions kept{!options_.directory.empty()};
    if (auto opened = open_space(members_space, kept); !opened) return opened;
  }
  if (auto opened = open_transport(); !opened) return opened;
  if (options_.overlay && !options_.overlay->leaf) {
    const std::string& advertised = options_.overlay->advertise;
    core_->set_endpoint(advertised.empty() ? listen_endpoint_ : advertised, now());
  }

  watches_.start();
  disk_thread_ = std::thread([this] { run_disk(); });
  network_thread_ = std::thread([this] { run_network(); });
  begin_exchange();
  if (!options_.admin_socket.empty()) {
    auto admin = AdminServer::open(options_.admin_socket, *this);
    if (!admin) return admin.error();
    admin_ = std::move(*admin);
  }
  if (!options_.metrics_listen.empty()) {
    auto metrics = MetricsServer::open(options_.metrics_listen, *this);
    if (!metrics) return metrics.error();
    metrics_ = std::move(*metrics);
  }
  return {};
}

Status Runtime::open_store() {
  if (options_.directory.empty()) return {};
  SqliteOptions sqlite;
  sqlite.directory = options_.directory;

  std::vector<StoredSpace> stored;
  const auto open_and_load = [&]() -> Status {
    auto storage = SqliteStorage::open(sqlite);
    if (!storage) return storage.error();
    auto loaded = (*storage)->load();
    if (!loaded) return loaded.error();
    storage_ = std::move(*storage);
    stored = std::move(*loaded);
    return {};
  };
  Status outcome = open_and_load();
  if (!outcome && outcome.error().code == ErrorCode::corrupt) {
    const Error damage = outcome.error();
    auto moved = set_aside(options_.directory, static_cast<std::uint64_t>(std::time(nullptr)));
    if (!moved) return moved.error();
    set_aside_store_ = *moved;
    watches_.log({log_error, "store_set_aside",
                  "the store is damaged (" + damage.to_string() + "); moved to " + *moved +
                      "; starting empty, under new replica ids, to be filled by the peers"});
    outcome = open_and_load();
  }
  if (!outcome) return outcome;

  if (auto opened = open_archive(false); !opened) return opened;
  for (StoredSpace& space : stored) {
    const std::string name = space.name;
    const bool history = archive_ && archive_->has_space(name);
    if (history) {
      auto begun =
          history::begin(*archive_, name, space.document.clock_with_retired(), space.recent);
      if (!begun) return begun;
    }
    if (auto opened = core_->open_space(std::move(space), now()); !opened) return opened;
    const SpaceOptions options{true, history};
    if (auto opened = core_->open_space(name, options, now()); !opened) return opened;
    spaces_.emplace(name, options);
  }
  return {};
}

// `make`: also when there is none yet.
Status Runtime::open_archive(bool make) {
  if (archive_) return {};
  if (!make && !std::filesystem::exists(history::archive_path(options_.directory))) return {};
  auto archive = history::Archive::open({options_.directory});
  if (!archive) return archive.error();
  archive_ = std::move(*archive);
  return {};
}

// With the core's lock held, or before others can have it.
void Runtime::begin_exchange() {
  if (!archive_) return;
  if (exchange_) return exchange_->look_again();
  history::Exchange::Node node;
  node.peers = [this](const std::string& space) {
    const auto lock = share_core();
    const auto found = spaces_.find(space);
    const bool kept = found != spaces_.end() && found->second.history.value_or(false);
    return kept ? core_->heard(space) : std::vector<std::string>();
  };
  node.send = [this](HistoryMessage message) {
    const auto lock = lock_core();
    core_->send_history(std::move(message));
    publish(true);
  };
  node.log = [this](const LogEntry& entry) { watches_.log(entry); };
  exchange_ = std::make_unique<history::Exchange>(*archive_, std::move(node));
}

// Who keeps no history says so at once, and need not be waited for.
void Runtime::pass_on(std::vector<HistoryMessage> messages) {
  if (messages.empty()) return;
  if (exchange_) return exchange_->receive(std::move(messages));
  for (HistoryMessage& message : messages) {
    const auto* want = std::get_if<transport::WantHistory>(&message.body);
    if (want) core_->send_history({message.peer, transport::History{want->space, {}}});
  }
}

Status Runtime::open_transport() {
  transport::ZmqOptions zmq;
  zmq.name = options_.name;
  zmq.listen = options_.listen;
  zmq.peers = options_.peers;
  auto transport = transport::ZmqTransport::open(zmq);
  if (!transport) return transport.error();
  transport_ = std::move(*transport);
  listen_endpoint_ = transport_->listen_endpoint();
  return {};
}

void Runtime::stop() {
  std::lock_guard only_one(stop_mutex_);
  if (std::exchange(stopped_, true)) return;
  {
    const auto lock = lock_core();
    closing_ = true;  // from here on the core gives out what it has, and takes nothing in
    if (disk_thread_.joinable()) publish(true);
  }
  {
    std::lock_guard guard(disk_mutex_);
    disk_ends_ = true;
    disk_wanted_.notify_one();
  }
  if (disk_thread_.joinable()) disk_thread_.join();
  {
    const auto lock = lock_core();
    network_ends_ = true;
  }
  if (network_thread_.joinable()) {
    wake_network();
    network_thread_.join();
  }
  {
    std::lock_guard guard(request_mutex_);
    requests_closed_ = true;
    requests_.clear();  // breaks their promises
  }
  exchange_.reset();
  waits_.close();
  if (archive_) archive_->end_waits();
  admin_.reset();
  metrics_.reset();
  watches_.stop();
  close_transport();
  storage_.reset();
  const auto lock = lock_core();
  archive_.reset();
}

// ---- Callers ----

std::unique_lock<FairSharedMutex> Runtime::lock_core() const {
  REJOIN_ASSERT(inside != this);  // a call to this node from within a transaction or read
  return std::unique_lock(core_mutex_);
}

std::shared_lock<FairSharedMutex> Runtime::share_core() const {
  REJOIN_ASSERT(inside != this);
  return std::shared_lock(core_mutex_);
}

Status Runtime::open_space(const std::string& name, SpaceOptions options) {
  if (options.durable && options_.directory.empty()) {
    return make_error(ErrorCode::invalid_argument,
                      "a durable space needs a store; give the node a directory", name);
  }
  const auto lock = lock_core();
  if (closing_) return make_error(ErrorCode::closed, "the node has stopped");
  const auto known = spaces_.find(name);
  const bool kept = known != spaces_.end() && known->second.history.value_or(false);
  options.history = options.history.value_or(kept);
  if (*options.history && !kept && options.durable) {
    if (auto opened = open_archive(true); !opened) return opened;
    const Clock clock =
        known == spaces_.end() ? Clock() : core_->document(name).clock_with_retired();
    if (auto begun = history::begin(*archive_, name, clock, {}); !begun) return begun;
  }
  if (auto opened = core_->open_space(name, options, now()); !opened) return opened;
  spaces_.insert_or_assign(name, options);
  if (network_thread_.joinable()) {
    begin_exchange();
    publish(true);
  }
  return {};
}

bool Runtime::has_space(const std::string& name) const {
  const auto lock = share_core();
  return spaces_.contains(name);
}

std::map<std::string, SpaceOptions> Runtime::spaces() const {
  const auto lock = share_core();
  return spaces_;
}

Result<Committed> Runtime::transact(const std::string& space, const std::string& author,
                                    const std::string& note,
                                    const std::function<Status(Transaction&)>& write) {
  const auto lock = lock_core();
  if (closing_) return make_error(ErrorCode::closed, "the node has stopped");
  const auto found = spaces_.find(space);
  if (found == spaces_.end()) return make_error(ErrorCode::not_found, nothing_open(space));
  Inside running_callers_code(this);
  auto committed = core_->transact(space, author, note, write, now());
  // A durable commit leaves when it has been written; the disk thread wakes the network then.
  if (committed && committed->event) publish(!found->second.durable);
  return committed;
}

Result<std::shared_ptr<const history::Archive>> Runtime::archive_of(
    const std::string& space) const {
  const auto lock = share_core();
  if (closing_) return make_error(ErrorCode::closed, "the node has stopped");
  const auto found = spaces_.find(space);
  if (found == spaces_.end()) return make_error(ErrorCode::not_found, nothing_open(space));
  if (!archive_ || !found->second.history.value_or(false)) {
    return make_error(ErrorCode::invalid_argument,
                      "the space keeps no history; set history = \"full\" for it in the "
                      "configuration of this node",
                      "space " + space);
  }
  return std::shared_ptr<const history::Archive>(archive_);
}

Result<Runtime::RevertCommit> Runtime::revert(const std::string& space, const Dot& event,
                                              const std::string& author, const std::string& note) {
  auto archive = archive_of(space);
  if (!archive) return archive.error();
  auto found = (*archive)->event(space, event);
  if (!found) return found.error();
  if (!*found) {
    return make_error(ErrorCode::not_found, "no event " + event.full_name() + " is known here",
                      "space " + space);
  }
  auto pasts = history::pasts_of(**archive, space, **found);
  if (!pasts) return pasts.error();
  RevertCommit outcome;
  auto committed =
      transact(space, author, note.empty() ? "reverts " + (*found)->id().full_name() : note,
               [&](Transaction& transaction) -> Status {
                 auto reverted = rejoin::revert(transaction, **found, *std::move(pasts));
                 if (!reverted) return reverted.error();
                 outcome.reverted = *std::move(reverted);
                 return {};
               });
  if (!committed) return committed.error();
  outcome.committed = *std::move(committed);
  return outcome;
}

Status Runtime::answer_requests(const std::string& space, const AnswerRule& rule) {
  const auto lock = lock_core();
  if (!spaces_.contains(space)) return make_error(ErrorCode::not_found, nothing_open(space));
  if (auto added = answers_.add(space, rule); !added) return added;
  publish(false);
  return {};
}

void Runtime::stop_answering(const std::string& space, const Path& counter) {
  const auto lock = lock_core();
  answers_.remove(space, counter);
}

Result<Committed> Runtime::decrement_or_ask(const std::string& space, const Path& counter,
                                            std::int64_t amount, const std::string& author,
                                            const std::string& note,
                                            std::chrono::milliseconds timeout) {
  if (auto fits = check_counter_path(counter); !fits) return fits.error();
  const auto deadline = std::chrono::steady_clock::now() + std::min(timeout, longest_wait);
  // Rights belong to a replica id. One that was started again gets to keep its own by waiting.
  Goal own_id;
  own_id.kind = Goal::Kind::own_id;
  if (auto kept = wait(space, own_id, timeout); !kept) return kept.error();

  PatientDecrement decrement(counter, amount);
  Goal goal;
  goal.kind = Goal::Kind::rights;
  goal.decrement = &decrement;
  for (;;) {
    Waits::Waiter waiter(space, goal);
    auto until = deadline;
    {
      const auto lock = lock_core();
      if (closing_) return make_error(ErrorCode::closed, "the node has stopped");
      const auto commit = [&](const std::function<Status(Transaction&)>& write) {
        return core_->transact(space, author, note, write, now());
      };
      std::optional<Result<Committed>> outcome =
          decrement.step(core_->document(space), now().monotonic, commit);
      if (!outcome && std::chrono::steady_clock::now() >= deadline) {
        outcome = decrement.give_up(commit);
      }
      publish(!spaces_.at(space).durable);
      if (outcome) return *std::move(outcome);
      if (decrement.needs_step(core_->document(space))) continue;
      until = std::min(deadline, std::chrono::steady_clock::time_point(decrement.look_again()));
      waits_.enter(waiter);
    }
    if (waits_.wait(waiter, until) == Waits::Outcome::closed) {
      return make_error(ErrorCode::closed, "the node stopped before rights came", space);
    }
  }
}

void Runtime::read(const std::string& space,
                   const std::function<void(const Document&)>& look) const {
  const auto lock = share_core();
  Inside running_callers_code(this);
  look(core_->document(space));
}

Status Runtime::wait(const std::string& space, const Goal& goal,
                     std::chrono::milliseconds timeout) {
  const auto deadline = std::chrono::steady_clock::now() + std::min(timeout, longest_wait);
  Waits::Waiter waiter(space, goal);
  {
    const auto lock = share_core();
    if (!spaces_.contains(space)) return make_error(ErrorCode::not_found, nothing_open(space));
    if (is_reached(*core_, space, goal)) return {};
    waits_.enter(waiter);  // with the lock held, so that no progress falls in between
  }
  const Waits::Outcome outcome = waits_.wait(waiter, deadline);
  if (outcome == Waits::Outcome::reached) return {};
  if (outcome == Waits::Outcome::closed) {
    return make_error(ErrorCode::closed, "the node stopped before this was known", space);
  }
  const auto lock = share_core();
  return make_error(ErrorCode::timeout,
                    "after " + std::to_string(timeout.count()) +
                        " ms: " + how_far(*core_, space, goal, now(), storage_status_.error),
                    space);
}

std::uint64_t Runtime::watch(const std::string& space, const Path& path,
                             Watches::Callback on_change) {
  const auto lock = lock_core();
  core_->track_changes(space, true);
  return watches_.add(space, path, std::move(on_change));
}

void Runtime::unwatch(std::uint64_t id) {
  const std::string space = watches_.remove(id);
  if (space.empty()) return;
  const auto lock = lock_core();
  if (watches_.watchers(space) == 0) core_->track_changes(space, false);
}

// ---- Members ----

Status Runtime::remove_member(const std::string& member, const std::string& author) {
  const auto lock = lock_core();
  if (closing_) return make_error(ErrorCode::closed, "the node has stopped");
  if (!options_.overlay) {
    return make_error(ErrorCode::invalid_argument,
                      "this node was told its peers and finds no members; it has no [overlay]",
                      member);
  }
  Status removed = core_->remove_member(member, author, now());
  if (removed) publish(true);
  return removed;
}

std::vector<MemberStatus> Runtime::members() const {
  const auto lock = share_core();
  return core_->members();
}

std::vector<AffinityCandidate> Runtime::nodes_for(std::string_view session,
                                                  const std::optional<std::string>& region) const {
  std::vector<AffinityCandidate> candidates;
  {
    const auto lock = share_core();
    candidates = core_->affinity_candidates();
  }
  const std::string own = options_.overlay ? options_.overlay->region : "";
  return rank_by_affinity(session, std::move(candidates), region.value_or(own));
}

// ---- Questions ----

std::string Runtime::storage_error() const {
  const auto lock = share_core();
  return storage_status_.error;
}

StorageStatus Runtime::storage_status() const {
  StorageStatus status;
  {
    const auto lock = share_core();
    status = storage_status_;
    if (unwritten_since_ != nothing_unwritten) {
      status.unwritten = now().monotonic - unwritten_since_;
    }
  }
  if (!options_.directory.empty())
    status.file_bytes = SqliteStorage::file_bytes(options_.directory);
  return status;
}

SpaceStatus Runtime::status(const std::string& space) const {
  const auto lock = share_core();
  return core_->status(space, now());
}

std::vector<SpaceStatus> Runtime::status() const {
  const auto lock = share_core();
  std::vector<SpaceStatus> all;
  for (const auto& [name, options] : spaces_) all.push_back(core_->status(name, now()));
  return all;
}

LagAges::Ages Runtime::lag_ages(const std::vector<SpaceStatus>& spaces) {
  return lag_ages_.look(spaces, now().monotonic);
}

bool Runtime::responds(std::chrono::milliseconds within) {
  auto answered = std::make_shared<std::promise<void>>();
  auto answer = answered->get_future();
  {
    std::lock_guard guard(request_mutex_);
    if (requests_closed_) return false;
    requests_.push_back([this, answered = std::move(answered)] {
      { const auto lock = lock_core(); }
      answered->set_value();
    });
  }
  wake_network();
  return answer.wait_for(std::min(within, longest_wait)) == std::future_status::ready;
}

CoreCounters Runtime::counters() const {
  const auto lock = share_core();
  return core_->counters();
}

std::map<std::string, MessageCount> Runtime::sent_by_kind() const {
  const auto lock = share_core();
  return {sent_by_kind_.begin(), sent_by_kind_.end()};
}

std::map<std::string, MessageCount> Runtime::received_by_kind() const {
  const auto lock = share_core();
  return {received_by_kind_.begin(), received_by_kind_.end()};
}

std::size_t Runtime::buffered_bytes() const {
  const auto lock = share_core();
  return core_->buffered_bytes();
}

transport::TrafficCounters Runtime::traffic() const {
  std::lock_guard guard(transport_mutex_);
  return transport_ ? transport_->counters() : final_traffic_;
}

std::string Runtime::metrics_address() const { return metrics_ ? metrics_->address() : ""; }

// ---- Links ----

Status Runtime::connect(const std::string& peer, const std::string& endpoint) {
  NodeOptions wanted;  // judged by the rules of the configuration
  wanted.name = options_.name;
  wanted.peers[peer] = endpoint;
  if (auto valid = validate(wanted); !valid) return valid;

  auto dialled = std::make_shared<std::promise<Status>>();
  auto outcome = dialled->get_future();
  {
    std::lock_guard guard(request_mutex_);
    if (requests_closed_) return make_error(ErrorCode::closed, "the node has stopped");
    requests_.push_back([this, peer, endpoint, dialled = std::move(dialled)] {
      Status status = transport_->dial(peer, endpoint);
      if (status) {
        const auto lock = lock_core();
        core_->add_peer(peer, now());
        publish(false);
      }
      dialled->set_value(std::move(status));
    });
  }
  wake_network();
  try {
    return outcome.get();
  } catch (const std::future_error&) {
    return make_error(ErrorCode::closed, "the node has stopped");
  }
}

void Runtime::set_link(const std::string& peer, bool up) {
  const auto lock = lock_core();
  if (up) {
    links_down_.erase(peer);
  } else {
    links_down_.insert(peer);
  }
}

std::vector<std::string> Runtime::links_down() const {
  const auto lock = share_core();
  return {links_down_.begin(), links_down_.end()};
}

void Runtime::on_stop_request(std::function<void()> handler) {
  std::lock_guard guard(stop_handler_mutex_);
  stop_handler_ = std::move(handler);
}

bool Runtime::request_stop() {
  std::lock_guard guard(stop_handler_mutex_);
  if (!stop_handler_) return false;
  stop_handler_();
  return true;
}

}  // namespace rejoin::node
