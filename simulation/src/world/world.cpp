#include "world/world.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "rejoin/transport/message.h"
#include "scenario/knobs.h"
#include "world/topology.h"

namespace rejoin::simulation {

namespace {

// Labels of the generators: a run that draws more for one thing draws the same for the others.
enum Stream : std::uint64_t {
  for_network = 1,
  for_faults,
  for_workload,
  for_hosts,
  for_options,
  for_topology,
  for_liveness,
  for_members,
};

// Of a node's own generators: by its name, so that a cluster that lacks another draws the same.
std::uint64_t label_of(const std::string& name) { return hash_bytes(name).low; }

// A process tells another once a second of its own clock that it refuses its messages.
constexpr Duration refusal_pause_min = std::chrono::milliseconds(500);

}  // namespace

World::World(const Scenario& scenario, const RunOptions& options)
    : scenario_(scenario),
      place_(options.place),
      steps_end_(options.steps.value_or(std::numeric_limits<std::uint64_t>::max())),
      random_(options.seed),
      workload_random_(random_.fork(for_workload)),
      liveness_random_(random_.fork(for_liveness)),
      recorder_(options.recording == nullptr
                    ? nullptr
                    : std::make_unique<Recorder>(*options.recording, scenario.nodes, queue_)),
      trace_(options.trace, options.hash_trace, recorder_.get()) {
  result_.seed = options.seed;
  workload_ = options.workload ? options.workload() : make_random_workload(scenario.workload);
  network_ = std::make_unique<Network>(scenario.network, scenario.nodes, random_.fork(for_network),
                                       queue_, schedule_, trace_,
                                       [this](NodeIndex from, NodeIndex to, std::string bytes) {
                                         return deliver(from, to, std::move(bytes));
                                       });
  services_ = std::make_unique<HostServices>(
      HostServices{queue_, schedule_, *network_, trace_, *this, workload_->spaces(), {}});
  if (scenario.topology == Topology::overlay) {
    services_->spaces.push_back({.name = node::members_space, .durable = true});
  }
  for (NodeIndex i = 0; i < scenario.nodes.size(); ++i) services_->index_of[scenario.nodes[i]] = i;
  for (const auto& space : services_->spaces) certificates_[space.name];
  make_hosts();
  faults_ = std::make_unique<Faults>(scenario, random_.fork(for_faults), queue_, *network_,
                                     schedule_, trace_, hosts_, *this);
}

World::~World() = default;

bool World::begin_step(std::uint64_t client, std::uint64_t step) {
  workload_random_ = random_.fork(for_workload).fork(client).fork(step);
  if (!scenario_.workload.takes_step(client, step)) return false;
  if (step > 0) {
    result_.client_steps.push_back({client, step});
    if (place_ != nullptr) {
      place_->last_client_step = {client, step};
      ++place_->client_steps;
    }
  }
  return true;
}

// The highest of one draw for each node (rendezvous hashing).
NodeIndex World::draw_node() {
  const Random drawn(workload_random_.next());
  NodeIndex highest = 0;
  std::uint64_t best = 0;
  for (NodeIndex i = 0; i < hosts_.size(); ++i) {
    const std::uint64_t mine = drawn.fork(label_of(hosts_[i]->name())).next();
    if (mine < best) continue;
    best = mine;
    highest = i;
  }
  return highest;
}

void World::make_hosts() {
  const auto neighbours = neighbours_of(scenario_, random_.fork(for_topology));
  for (NodeIndex i = 0; i < scenario_.nodes.size(); ++i) {
    const std::uint64_t label = label_of(scenario_.nodes[i]);
    Random options_random = random_.fork(for_options).fork(label);
    HostOptions options;
    options.core.name = scenario_.nodes[i];
    // Where members change they are whoever is a peer.
    const bool fixed = scenario_.joins.empty() && scenario_.leaves.empty();
    if (scenario_.topology == Topology::overlay) {
      options.core.overlay = node::OverlayOptions{};
      const auto region = scenario_.network.region.find(scenario_.nodes[i]);
      if (region != scenario_.network.region.end()) options.core.overlay->region = region->second;
    } else if (fixed) {
      options.core.members = scenario_.nodes;
    }
    std::erase_if(options.core.members, [&](const std::string& name) {
      return std::ranges::find(scenario_.evicted, name) != scenario_.evicted.end();
    });
    for (const NodeIndex j : neighbours[i]) {
      if (!joins_later(j)) options.core.peers.push_back(scenario_.nodes[j]);
    }
    draw_core_options(scenario_, options_random, options.core);
    options.disk = scenario_.disk;
    options.wall_skew = options_random.draw(scenario_.clocks.skew);
    const auto drift = static_cast<std::int64_t>(options_random.draw(scenario_.clocks.drift_ppm));
    options.drift_ppm = options_random.coin() ? drift : -drift;
    hosts_.push_back(std::make_unique<Host>(i, std::move(options), *services_,
                                            random_.fork(for_hosts).fork(label)));
  }
}

RunResult World::run() {
  for (auto& host : hosts_) {
    if (!joins_later(host->index())) host->start();
  }
  schedule_member_changes();
  workload_->start(*this);
  faults_->start();
  queue_.at(scenario_.duration, [this] { heal(); });
  const auto broken_off = [&] { return result_.steps >= steps_end_; };
  while (!failed() && phase_ != Phase::done && !queue_.empty() && !broken_off()) step();
  if (!failed() && phase_ != Phase::done && !broken_off())
    fail(Promise::rest, "nothing is left to happen before the run has ended");
  finish();
  return std::move(result_);
}

bool World::joins_later(NodeIndex node) const {
  return std::ranges::any_of(scenario_.joins, [&](const MemberChange& join) {
    return join.node == scenario_.nodes[node];
  });
}

void World::schedule_member_changes() {
  Random random = random_.fork(for_members);
  for (const auto& change : scenario_.joins) {
    queue_.at(random.draw(change.at),
              [this, node = services_->index_of.at(change.node)] { join(node); });
  }
  for (const auto& change : scenario_.leaves) {
    queue_.at(random.draw(change.at),
              [this, node = services_->index_of.at(change.node)] { leave(node); });
  }
}

void World::join(NodeIndex node) {
  moment(node_name(node) + " joins");
  count("nodes joined", 1);
  for (const auto& host : hosts_) {
    if (scenario_.topology == Topology::overlay) break;  // it is found
    if (host->index() != node && !failed()) host->meet(node_name(node));
  }
  if (!failed()) restart(node);
}

void World::leave(NodeIndex node) {
  if (scenario_.topology != Topology::overlay) return gone_for_good(node);
  Random random = random_.fork(for_members).fork(label_of(node_name(node)));
  switch (random.below(3)) {
    case 0:
      return gone_for_good(node);
    case 1:
      gone_for_good(node);
      queue_.after(std::chrono::seconds(5), [this, node] { take_out(node_name(node)); });
      return;
    default:
      if (reachable(node)) hosts_[node]->take_out(node_name(node));
      queue_.after(std::chrono::seconds(2), [this, node] { gone_for_good(node); });
  }
}

void World::take_out(const std::string& member) {
  for (const auto& host : hosts_) {
    if (failed() || left_.contains(host->index()) || !reachable(host->index())) continue;
    if (host->take_out(member)) return moment(host->name() + " takes " + member + " out");
  }
}

void World::gone_for_good(NodeIndex node) {
  if (failed()) return;
  moment(node_name(node) + " leaves for good");
  count("nodes left for good", 1);
  left_.insert(node);
  if (hosts_[node]->up()) crash(node, true);
  workload_->disk_lost(node);  // nobody will see it again
}

void World::moment(const std::string& text) {
  trace(text);
  if (recorder_) recorder_->moment(text);
}

void World::step() {
  const auto action = queue_.pop();
  if (place_ != nullptr) {
    place_->step = result_.steps + 1;
    place_->now = queue_.now();
  }
  action();
  ++result_.steps;
  if (result_.steps % scenario_.deep_check_every == 0 && !failed()) deep_check(false);
  if (result_.steps > scenario_.steps_max) {
    fail(Promise::rest, "more than " + std::to_string(scenario_.steps_max) +
                            " steps (steps_max): the nodes do not come to rest");
  }
}

void World::fail(Promise promise, const std::string& what) {
  if (failed()) return;
  result_.promise = promise;
  result_.failure = what;
  result_.failed_at = queue_.now();
  trace("FAILED " + what);
}

bool World::deliver(NodeIndex from, NodeIndex to, std::string bytes) {
  Host& receiver = *hosts_[to];
  if (hosts_[from]->other_version() == receiver.other_version()) {
    return receiver.receive(node_name(from), std::move(bytes));
  }
  versions_differed_ = true;
  // Each sees a version that is not its own.
  const auto message = transport::decode(bytes);
  if (message.ok()) bytes = transport::encode(*message, transport::protocol_version + 1);
  const auto refused = [&] {
    return receiver.up() ? receiver.core().counters().messages_rejected : 0;
  };
  const std::uint64_t before = refused();
  const bool received = receiver.receive(node_name(from), std::move(bytes));
  if (received && message.ok() && !receiver.paused() && refused() == before) {
    fail(Promise::good_faith, receiver.name() + " takes a message of " + node_name(from) +
                                  ", which speaks another version of the protocol");
  }
  return received;
}

Result<node::Committed> World::transact(NodeIndex node, const std::string& space,
                                        const std::string& author,
                                        const std::function<Status(Transaction&)>& write) {
  auto committed = hosts_[node]->transact(space, author, write);
  if (committed.ok() && committed->event != nullptr) ++result_.commits;
  return committed;
}

void World::answer_requests(NodeIndex node, const std::string& space,
                            const node::AnswerRule& rule) {
  if (auto status = hosts_[node]->answer_requests(space, rule); !status.ok()) {
    fail(Promise::accepted_writes,
         hosts_[node]->name() + " cannot answer requests: " + status.error().to_string());
  }
}

void World::answered(Host& host, const node::RightsAnswers::Answer& answer) {
  const auto describe = [&] {
    return host.name() + ' ' + answer.space + ' ' + answer.counter.to_string();
  };
  if (!answer.committed.ok()) {
    if (answer.committed.error().code == ErrorCode::busy) return;  // tried again
    fail(Promise::accepted_writes,
         describe() + ": an answer was refused: " + answer.committed.error().to_string());
    return;
  }
  const node::Committed& committed = *answer.committed;
  if (committed.event == nullptr || answer.given <= 0) {
    fail(Promise::accepted_writes, describe() + " was answered with nothing");
    return;
  }
  ++result_.commits;
  if (recorder_) recorder_->committed(host.index(), answer.space, *committed.event);
  count("requests for rights answered", 1);
  trace("answer " + describe() + ' ' + committed.event->id().to_string() + ' ' +
        std::to_string(answer.given));
  Clock before = committed.clock;
  before.join(host.core().document(answer.space).retired());
  before.set(committed.event->writer(), committed.event->first() - 1);
  workload_->answered(host.index(), answer.space, answer.counter, *committed.event, before);
}

void World::sending(Host& from, NodeIndex to, const node::Send& send) {
  if (phase_ == Phase::idle || phase_ == Phase::core_idle) overhear(from.index(), to, send);
  if (std::string_view(send.kind) == "reject") check_refusal(from.index(), to);
  auto known = std::find_if(sent_kinds_.begin(), sent_kinds_.end(),
                            [&](const auto& sent) { return sent.first == send.kind; });
  if (known == sent_kinds_.end()) known = sent_kinds_.insert(known, {send.kind, 0});
  ++known->second;
}

// Otherwise two nodes that refuse each other's refusals would never stop.
void World::check_refusal(NodeIndex from, NodeIndex to) {
  const auto [last, first] = refused_at_.try_emplace({from, to}, now());
  if (!first && now() - last->second < refusal_pause_min) {
    fail(Promise::good_faith, node_name(from) + " tells " + node_name(to) + " twice within " +
                                  std::to_string((now() - last->second).count() / 1'000) +
                                  " ms that it refuses its messages");
  }
  last->second = now();
}

void World::writes_as(Host& host, const std::string& space, const ReplicaId& replica) {
  const auto [found, is_new] = writers_.try_emplace(replica, Writer{host.index(), space});
  if (!is_new && (found->second.host != host.index() || found->second.space != space)) {
    fail(Promise::invariants, host.name() + " took the replica id " + replica.short_name() +
                                  " in " + space + ", which is in use elsewhere");
  }
}

void World::crash(NodeIndex node, bool keep_disk) {
  Host& host = *hosts_[node];
  std::map<std::string, Sequence> written;
  for (const auto& [name, view] : host.spaces()) {
    written[name] = host.core().document(name).clock_with_retired().get(view.writer);
  }
  const std::uint64_t betrayals = host.disk_betrayals();
  host.crash(keep_disk);
  std::erase_if(refused_at_, [&](const auto& refusal) { return refusal.first.first == node; });
  workload_->crashed(node);
  if (keep_disk) {
    check_disk(host, betrayals);
  } else {
    workload_->disk_lost(node);
  }
  for (const auto& space : services_->spaces) {
    if (!space.durable) continue;
    const Host::SpaceView& view = host.space(space.name);
    const Sequence kept = view.ever_on_disk.get(view.writer);
    if (written[space.name] <= kept) continue;
    certificates_[space.name].forget();
    count("writes lost in crashes", written[space.name] - kept);
    if (is_of_workload(space.name)) workload_->lost(node, space.name, view.writer, kept);
  }
}

void World::restart(NodeIndex node) {
  if (left_.contains(node)) return;
  Host& host = *hosts_[node];
  const std::uint64_t betrayals = host.disk_betrayals();
  const bool started = host.start();
  if (failed()) return;
  check_disk(host, betrayals);
  if (!started) {
    queue_.after(std::chrono::milliseconds(500), [this, node] {
      if (!failed() && !hosts_[node]->up()) restart(node);
    });
    return;
  }
  for (const auto& space : services_->spaces) check_certificate(host, space.name);
  if (!failed()) workload_->restarted(node);
}

void World::check_disk(Host& host, std::uint64_t betrayals_before) {
  if (host.disk_betrayals() != betrayals_before) workload_->disk_lost(host.index());
}

// What an operator does who sees that the node cannot write any more.
void World::store_damaged(Host& host) {
  count("damage found while writing", 1);
  queue_.after(Duration(0), [this, node = host.index()] {
    if (!hosts_[node]->up()) return;
    crash(node, true);
    if (!failed()) restart(node);
  });
}

void World::clock_moved(Host& host, const std::string& space) {
  const Clock& clock = host.core().document(space).clock_with_retired();
  const Clock& before = host.space(space).clock;
  if (!clock.includes(before)) {
    fail(Promise::clocks, host.name() + "'s clock of " + space + " went back from " +
                              before.to_string() + " to " + clock.to_string());
    return;
  }
  check_certificate(host, space);
  check_origins(host, space, clock.beyond(before));
  if (trace_.enabled()) {
    trace("state " + host.name() + ' ' + space + ' ' + brief(clock.fingerprint()) + ' ' +
          host.core().document(space).hash().to_string());
  }
  if (failed()) return;
  if (is_of_workload(space)) workload_->changed(host.index(), space);
  if (phase_ == Phase::converging) queue_.after(Duration(0), [this] { check_agreement(); });
}

void World::check_certificate(Host& host, const std::string& space) {
  const Document& document = host.core().document(space);
  auto wrong =
      certificates_[space].observe(host.name(), document.clock_with_retired(), document.hash());
  if (!wrong) return;
  for (const auto& other : hosts_) {
    if (!is_of_workload(space)) break;
    if (!other->up() ||
        other->core().document(space).clock_with_retired() != document.clock_with_retired()) {
      continue;
    }
    const auto state = workload_->wrong_state(other->index(), space);
    *wrong += "; at " + other->name() + ' ' + state.value_or("everything reads as it should");
  }
  fail(Promise::certificate, "in " + space + ' ' + *wrong);
}

bool World::is_durable(const std::string& space) const {
  const auto& all = services_->spaces;
  return std::any_of(all.begin(), all.end(), [&](const auto& declared) {
    return declared.name == space && declared.durable;
  });
}

// Nothing is shown to others before it is durable where it was written. What was shown before was
// checked then: disks do not come to have had less, nor ids to be others'.
void World::check_origins(Host& host, const std::string& space, const Clock& shown) {
  const bool durable = is_durable(space);
  for (const auto& [replica, sequence] : shown) {
    const auto writer = writers_.find(replica);
    if (writer == writers_.end()) {
      fail(Promise::durable_first, host.name() + " shows writes of " + replica.short_name() +
                                       " in " + space + ", under which nobody writes");
      return;
    }
    const NodeIndex origin = writer->second.host;
    if (origin == host.index()) continue;
    if (!durable) continue;
    const Sequence kept = hosts_[origin]->space(space).ever_on_disk.get(replica);
    if (sequence > kept) {
      fail(Promise::durable_first,
           host.name() + " shows write " + Dot{replica, sequence}.to_string() + " of " +
               hosts_[origin]->name() + " in " + space + ", of which only " + std::to_string(kept) +
               " were ever durable there: it was sent too early");
      return;
    }
  }
}

void World::notice(Host& host, const node::Notice& notice) {
  using Kind = node::Notice::Kind;
  const auto describe = [&](const char* what) {
    return host.name() + ' ' + what + (notice.peer.empty() ? "" : " (peer " + notice.peer + ")") +
           (notice.space.empty() ? "" : " in " + notice.space) + ": " + notice.detail;
  };
  switch (notice.kind) {
    case Kind::divergence:
      fail(Promise::certificate, describe("noticed a divergence"));
      break;
    case Kind::malformed_message:
      if (!network_->corrupts()) fail(Promise::good_faith, describe("got a malformed message"));
      break;
    case Kind::rejected:
      if (!network_->corrupts() && !versions_differed_) {
        fail(Promise::good_faith, describe("was rejected"));
      }
      break;
    case Kind::clock_ahead:
      count("clocks noticed ahead", 1);
      break;
    case Kind::storage_failed:
      count("storage failures noticed", 1);
      break;
    case Kind::peer_up:
      count("peers up", 1);
      break;
    case Kind::peer_down:
      count("peers down", 1);
      break;
    case Kind::member_suspected:
      count("members suspected", 1);
      break;
    case Kind::member_dead:
      count("members dead", 1);
      break;
    case Kind::member_alive:
      count("members alive after all", 1);
      break;
    case Kind::replica_id_changed:
    case Kind::changed:
    case Kind::progress:
      break;
  }
}

bool World::durable_here(NodeIndex node, const std::string& space, const Dot& dot) {
  Host& host = *hosts_[node];
  if (!host.core().durable_here(space, dot)) return false;
  if (is_durable(space) && !host.space(space).on_disk.includes(dot)) {
    fail(Promise::receipt, host.name() + " said that " + dot.to_string() + " in " + space +
                               " is durable there, but a power loss now would lose it");
  }
  return true;
}

std::vector<std::string> World::durable_at(NodeIndex node, const std::string& space,
                                           const Dot& dot) {
  Host& host = *hosts_[node];
  auto peers = host.core().durable_at(space, dot);
  for (const auto& peer : peers) {
    const Host& there = *hosts_[services_->index_of.at(peer)];
    if (is_durable(space) && !there.space(space).ever_on_disk.includes(dot)) {
      fail(Promise::receipt, host.name() + " said that " + dot.to_string() + " in " + space +
                                 " is durable at " + peer + ", whose disk never had it");
    }
  }
  return peers;
}

}  // namespace rejoin::simulation
