// What must come to hold once all faults have ended: agreement, rest, silence.
#include <algorithm>
#include <utility>

#include "counter_names.h"
#include "world/world.h"

namespace rejoin::simulation {

namespace {

constexpr int idle_exchanges = 10;  // exchange intervals over which silence is listened to
constexpr std::uint64_t idle_message_bytes_max = 400;

}  // namespace

std::vector<Host*> World::all_hosts() const {
  std::vector<Host*> all;
  for (const auto& host : hosts_) {
    if (!left_.contains(host->index())) all.push_back(host.get());
  }
  return all;
}

void World::heal() {
  phase_ = Phase::converging;
  faults_->heal();
  converge_within_ = scenario_.converge_within + time_on_recorded_links();
  if (draw_core()) {
    heal_core();
  } else {
    heal_all();
  }
}

// Those whose disk could not be read until now.
void World::start_all(const std::vector<Host*>& hosts) {
  for (Host* host : hosts) {
    if (!failed() && !host->up()) restart(host->index());
  }
}

void World::heal_all() {
  phase_ = Phase::converging;
  phase_began_ = queue_.now();
  start_all(all_hosts());
  if (failed()) return;
  for (const auto& space : services_->spaces) {
    Clock& alive = alive_at_heal_[space.name];
    for (const Host* host : all_hosts())
      alive.join(host->core().document(space.name).clock_with_retired());
  }
  queue_.after(Duration(0), [this] { check_agreement(); });
  queue_.after(converge_within_, [this] {
    if (phase_ == Phase::converging) {
      fail(Promise::convergence, "the nodes do not agree " +
                                     std::to_string(converge_within_.count() / 1'000'000) +
                                     " s after all faults ended: " + disagreement(all_hosts()));
    }
  });
}

Duration World::time_on_recorded_links() const {
  const auto& links = scenario_.network.links;
  if (std::ranges::none_of(links, &LinkOptions::stays)) return Duration(0);
  std::uint64_t state_bytes = 0;
  for (const auto& space : services_->spaces) {
    std::uint64_t largest = 0;
    for (const Host* host : all_hosts()) {
      if (!host->up()) continue;
      largest = std::max<std::uint64_t>(largest,
                                        host->core().document(space.name).canonical_state().size());
    }
    state_bytes += largest;
  }
  Duration longest{0};
  for (const auto& link : links) {
    if (!link.stays) continue;
    for (const auto& recording : {link.up.content, link.down.content}) {
      if (!recording) continue;
      longest =
          std::max(longest, recording->longest(scenario_.network.queue_bytes + 2 * state_bytes));
    }
  }
  return longest;
}

bool World::agree(const std::vector<Host*>& hosts) const {
  for (const auto& space : services_->spaces) {
    const Clock& first = hosts[0]->core().document(space.name).clock_with_retired();
    for (const Host* host : hosts) {
      if (host->core().document(space.name).clock_with_retired() != first) return false;
    }
  }
  return true;
}

std::string World::disagreement(const std::vector<Host*>& hosts) const {
  for (const auto& space : services_->spaces) {
    Clock all;
    for (const Host* host : hosts) all.join(host->core().document(space.name).clock_with_retired());
    for (const Host* host : hosts) {
      const Clock& here = host->core().document(space.name).clock_with_retired();
      if (here == all) continue;
      for (const auto& [replica, sequence] : all) {
        if (here.get(replica) >= sequence) continue;
        const auto writer = writers_.find(replica);
        return host->name() + " lacks " + std::to_string(sequence - here.get(replica)) +
               " writes of " + replica.short_name() +
               (writer == writers_.end() ? "" : " (" + hosts_[writer->second.host]->name() + ")") +
               " in " + space.name;
      }
    }
  }
  return "nobody knows what is missing";
}

void World::check_agreement() {
  if (phase_ != Phase::converging || !agree(all_hosts())) return;
  phase_ = Phase::settling;
  result_.converged_after = queue_.now() - phase_began_;
  moment("agreed");
  for (const auto& space : services_->spaces) {
    const Document& document = all_hosts()[0]->core().document(space.name);
    if (!document.clock_with_retired().includes(alive_at_heal_[space.name])) {
      fail(Promise::durability,
           "the nodes agreed on less than some of them knew when the faults ended, in " +
               space.name);
      return;
    }
    result_.state += document.hash();
  }
  check_settled(queue_.now() + converge_within_);
}

// Whom the host takes for a member, or for dead, and should not; empty when there is nobody.
std::string World::misbelief(const Host& host) const {
  if (scenario_.topology != Topology::overlay) return {};
  std::set<std::string> known;
  for (const node::MemberStatus& member : host.core().members()) {
    const bool left = left_.contains(services_->index_of.at(member.name));
    const bool alive = member.life == transport::Life::alive;
    if (left == alive) {
      return host.name() + " takes " + member.name + " for " + (alive ? "alive" : "dead");
    }
    if (!left) known.insert(member.name);
  }
  if (known.size() == all_hosts().size()) return {};
  return host.name() + " knows of " + std::to_string(known.size()) +
         " members that are there, of " + std::to_string(all_hosts().size());
}

// The clocks of nodes that all hear each other are as small in the end as those of new ones,
// however many ids there were.
std::string World::outgrown_clock() const {
  for (const Host* host : all_hosts()) {
    const node::CoreOptions& options = host->core_options();
    // Whoever left may have been unable to say so, and is a member still.
    const bool hears_all =
        options.overlay ? host->core().neighbours().size() + 1 == host->core().members().size()
                        : options.peers.size() + 1 == hosts_.size();
    if (!hears_all || (!options.overlay && options.members.empty())) return {};
  }
  for (const auto& space : services_->spaces) {
    // What nothing depends on is named until somebody writes.
    const auto depended_on = [&](const auto& entry) {
      return std::ranges::any_of(all_hosts(), [&](const Host* host) {
        return host->core().document(space.name).is_depended_on(entry.first);
      });
    };
    for (const Host* host : all_hosts()) {
      const auto entries =
          std::ranges::count_if(host->core().document(space.name).clock(), depended_on);
      if (entries <= std::ssize(all_hosts())) continue;
      return "the clock of " + host->name() + " in " + space.name + " has " +
             std::to_string(entries) + " entries on which something depends, for " +
             std::to_string(all_hosts().size()) + " nodes";
    }
  }
  return {};
}

std::string World::unsettled() const {
  if (auto wrong = outgrown_clock(); !wrong.empty()) return wrong;
  for (const Host* host : all_hosts()) {
    if (auto wrong = misbelief(*host); !wrong.empty()) return wrong;
    for (const auto& space : services_->spaces) {
      const Document& document = host->core().document(space.name);
      const auto where = host->name() + " in " + space.name;
      if (space.durable && host->space(space.name).on_disk != document.clock_with_retired()) {
        return "not everything is durable at " + where;
      }
      // A node forgets removals once it has heard from every member itself.
      const bool hears_all = host->neighbours().size() + 1 == hosts_.size();
      if (hears_all && left_.empty() && document.remembers_removals()) {
        return "removals are still remembered, although every member has seen them, at " + where;
      }
      const auto status = host->core().status(space.name, host->local_now());
      if (status.waiting_events != 0) {
        return std::to_string(status.waiting_events) + " events still wait at " + where;
      }
    }
  }
  return {};
}

void World::check_settled(Duration deadline) {
  const std::string why_not = unsettled();
  if (why_not.empty()) {
    moment("settled");
    // Who did not hear of a transfer's end goes on with it until it is given up.
    Duration quiet_within = converge_within_;
    for (const Host* host : all_hosts()) {
      quiet_within = std::max(quiet_within, host->core_options().transfer_timeout);
    }
    listen(Phase::idle, all_hosts(), queue_.now() + quiet_within, [this] { check_end(); });
  } else if (queue_.now() >= deadline) {
    fail(Promise::rest, "the cluster does not come to rest: " + why_not);
  } else {
    queue_.after(std::chrono::milliseconds(250), [this, deadline] { check_settled(deadline); });
  }
}

// Listens for a while: idle nodes may say nothing but the fixed exchange. Whoever still repeats an
// answer or ends a transfer is given time until the deadline.
void World::listen(Phase phase, const std::vector<Host*>& hosts, Duration deadline,
                   const std::function<void()>& then) {
  phase_ = phase;
  Duration longest{0};
  for (const Host* host : hosts) {
    longest = std::max(longest, host->core_options().exchange_interval);
  }
  const Duration listened = idle_exchanges * longest;
  idle_kinds_.clear();
  idle_bytes_ = idle_messages_ = 0;
  queue_.after(listened, [this, phase, hosts, deadline, listened, then] {
    const std::string noise = idle_noise(hosts, listened);
    if (noise.empty()) {
      then();
    } else if (queue_.now() >= deadline) {
      fail(phase == Phase::idle ? Promise::silence : Promise::progress,
           "idle peers that agree are not silent" + who_is_alone() + ": " + noise);
    } else {
      listen(phase, hosts, deadline, then);
    }
  });
}

// What a slow node says, and is told, may take its time.
void World::overhear(NodeIndex from, NodeIndex to, const node::Send& send) {
  if (phase_ == Phase::core_idle) {
    const auto there = absent_.find(to);
    if (absent_.contains(from) || (there != absent_.end() && there->second == Absence::slow))
      return;
  }
  ++idle_kinds_[send.kind];
  ++idle_messages_;
  idle_bytes_ += send.bytes.size();
}

// What was said in this time beyond one small exchange a link and interval; empty when nothing was.
std::string World::idle_noise(const std::vector<Host*>& hosts, Duration listened) const {
  for (const auto& [kind, times] : idle_kinds_) {
    if (kind != "summary" && kind != "hello") {
      return std::to_string(times) + ' ' + kind + " messages in " +
             std::to_string(listened.count() / 1'000'000) + " s";
    }
  }
  // A summary a peer and interval, and its answer.
  std::uint64_t allowed = 0;
  for (const Host* host : hosts) {
    const auto intervals = listened / host->core_options().exchange_interval + 2;
    allowed += 2 * host->neighbours().size() * static_cast<std::uint64_t>(intervals);
  }
  if (idle_messages_ > allowed) {
    return std::to_string(idle_messages_) + " messages in " +
           std::to_string(listened.count() / 1'000'000) + " s, where " + std::to_string(allowed) +
           " are an exchange an interval";
  }
  if (idle_messages_ > 0 && idle_bytes_ / idle_messages_ > idle_message_bytes_max) {
    return std::to_string(idle_bytes_ / idle_messages_) + " bytes a message on average";
  }
  return {};
}

void World::check_end() {
  deep_check(true);
  if (!failed()) workload_->finished();
  if (!failed()) restart_from_disk();
  phase_ = Phase::done;
}

// The last word: what the disks hold is what was agreed.
void World::restart_from_disk() {
  for (Host* host : all_hosts()) {
    std::map<std::string, std::pair<Clock, StateHash>> before;
    for (const auto& space : services_->spaces) {
      const Document& document = host->core().document(space.name);
      if (space.durable) before[space.name] = {document.clock_with_retired(), document.hash()};
    }
    const std::uint64_t betrayals = host->disk_betrayals();
    crash(host->index(), true);
    if (!failed()) host->start();
    if (failed()) return;
    if (host->disk_betrayals() != betrayals) continue;  // damage that nobody had met
    for (const auto& [name, state] : before) {
      const Document& document = host->core().document(name);
      if (document.clock_with_retired() == state.first && document.hash() == state.second) continue;
      fail(Promise::durability,
           host->name() + "'s disk gives another state of " + name + " than what it had agreed on");
      return;
    }
  }
}

void World::deep_check(bool all_nodes) {
  if (all_nodes) {
    for (Host* host : all_hosts()) {
      if (!failed()) deep_check(*host);
    }
  } else {
    next_deep_check_ = (next_deep_check_ + 1) % hosts_.size();
    Host& host = *hosts_[next_deep_check_];
    if (host.up() && !host.paused()) deep_check(host);
  }
  if (failed()) return;
  // Equal clocks, equal states: here byte for byte, not only by hash.
  for (const auto& space : services_->spaces) {
    std::string state_before;  // of the node before, where it was compared with its own before
    for (NodeIndex b = 1; b < hosts_.size(); ++b) {
      const NodeIndex a = b - 1;
      std::string compared = std::exchange(state_before, {});
      if (!hosts_[a]->up() || !hosts_[b]->up()) continue;
      const Document& one = hosts_[a]->core().document(space.name);
      const Document& other = hosts_[b]->core().document(space.name);
      if (one.clock_with_retired() != other.clock_with_retired()) continue;
      if (compared.empty()) compared = one.canonical_state();
      state_before = other.canonical_state();
      if (compared != state_before) {
        fail(Promise::certificate, hosts_[a]->name() + " and " + hosts_[b]->name() +
                                       " have equal clocks and hashes, but different states of " +
                                       space.name);
        return;
      }
    }
  }
}

void World::deep_check(Host& host) {
  if (auto status = host.core().check_invariants(); !status.ok()) {
    fail(Promise::invariants, host.name() + " breaks an invariant: " + status.error().to_string());
    return;
  }
  check_peers_claims(host);
  for (const auto& space : services_->spaces) {
    if (!is_of_workload(space.name)) continue;
    if (auto wrong = workload_->wrong_state(host.index(), space.name)) {
      fail(Promise::state, host.name() + " shows a wrong state of " + space.name + ": " + *wrong);
      return;
    }
  }
}

void World::check_peers_claims(Host& host) {
  const auto& options = host.core_options();
  std::size_t bound = services_->spaces.size() * options.waiting_bytes_max +
                      hosts_.size() * options.incoming_transfer_bytes_max;
  if (host.core().buffered_bytes() > bound) {
    fail(Promise::invariants, host.name() + " holds " +
                                  std::to_string(host.core().buffered_bytes()) +
                                  " bytes that peers sent, more than its options allow");
    return;
  }
  for (const auto& space : services_->spaces) {
    if (!space.durable) continue;
    for (const auto& peer : host.core().status(space.name, host.local_now()).peers) {
      const Host& there = *hosts_[services_->index_of.at(peer.name)];
      if (there.space(space.name).ever_on_disk.includes(peer.durable)) continue;
      fail(Promise::receipt, host.name() + " believes that " + peer.name + " has more of " +
                                 space.name + " durable than its disk ever had");
      return;
    }
  }
}

void World::finish() {
  result_.ok = !failed();
  if (recorder_) recorder_->finish();
  result_.simulated = queue_.now();
  result_.trace_hash = trace_.hash();
  const NetworkCounters& network = network_->counters();
  result_.messages = network.sent;
  result_.bytes = network.bytes;
  result_.delivered = network.delivered;
  result_.lost = network.lost;
  result_.duplicated = network.duplicated;
  result_.corrupted = network.corrupted;
  result_.faults = faults_->counts();
  result_.struck = faults_->struck();
  node::CoreCounters sum;
  for (const auto& host : hosts_) {
    add(sum, host->past_counters());
    if (host->up()) add(sum, host->core().counters());
  }
  for (const auto& [name, member] : counter_names) result_.counts[name] += sum.*member;
  for (const auto& [kind, times] : sent_kinds_) {
    result_.counts["message " + std::string(kind)] += times;
  }
}

}  // namespace rejoin::simulation
