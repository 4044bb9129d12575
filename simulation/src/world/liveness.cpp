// A core of the nodes that is healed while the others are not, and must go on without them.
#include <algorithm>
#include <utility>

#include "world/world.h"

namespace rejoin::simulation {

// Who belongs to the core of this run; false when all do, or none is to go on alone.
bool World::draw_core() {
  if (!scenario_.liveness) return false;
  const LivenessOptions& options = *scenario_.liveness;
  Random& random = liveness_random_;
  if (!random.chance(options.share)) return false;
  std::vector<bool> inside(hosts_.size());
  for (const auto& name : options.core) inside[services_->index_of.at(name)] = true;
  if (options.core.empty()) {
    // Grows from one node to its neighbours.
    std::vector<NodeIndex> next{random.below(hosts_.size())};
    for (std::size_t many = 0; many < hosts_.size() / 2 + 1;) {
      const std::size_t drawn = random.below(next.size());
      const NodeIndex node = next[drawn];
      next.erase(next.begin() + static_cast<std::ptrdiff_t>(drawn));
      if (inside[node]) continue;
      inside[node] = true;
      ++many;
      for (const auto& peer : hosts_[node]->neighbours()) {
        next.push_back(services_->index_of.at(peer));
      }
    }
  }
  const std::vector<Absence> others(options.others.begin(), options.others.end());
  for (NodeIndex node = 0; node < hosts_.size(); ++node) {
    if (inside[node]) {
      core_.push_back(hosts_[node].get());
    } else {
      absent_[node] = others[random.below(others.size())];
    }
  }
  return !absent_.empty();
}

void World::heal_core() {
  phase_ = Phase::core_alone;
  start_all(all_hosts());
  std::vector<NodeIndex> healed;
  for (const Host* host : core_) healed.push_back(host->index());
  for (const auto& [node, absence] : absent_) {
    if (failed()) return;
    faults_->keep_away(node, absence, healed);
    count("nodes left " + std::string(to_string(absence)), 1);
  }
  moment("a core goes on alone" + who_is_alone());
  for (const Host* host : core_) {
    for (const auto& space : services_->spaces) {
      // Who does not know yet that its disk lied may not write, and hears it from others.
      if (failed() || !reachable(host->index()) || !is_of_workload(space.name)) continue;
      if (const auto dot = workload_->write_at(host->index(), space.name)) {
        proofs_.push_back({host->index(), space.name, *dot});
      }
    }
  }
  if (!failed()) check_core(queue_.now() + converge_within_);
}

std::string World::who_is_alone() const {
  std::string text;
  for (const auto& [node, absence] : absent_) {
    text += (text.empty() ? ", without " : " and ") + hosts_[node]->name() + " (" +
            std::string(to_string(absence)) + ')';
  }
  return phase_ == Phase::core_alone || phase_ == Phase::core_idle ? text : "";
}

std::string World::core_lags() const {
  for (const Proof& proof : proofs_) {
    Host& writer = *hosts_[proof.at];
    const std::string what = "what was written at " + writer.name() + " in " + proof.space;
    for (const Host* host : core_) {
      if (!host->core().document(proof.space).clock_with_retired().includes(proof.dot)) {
        return what + " is not shown at " + host->name();
      }
    }
    if (!is_durable(proof.space)) continue;
    if (!writer.core().durable_here(proof.space, proof.dot)) {
      return what + " is not acknowledged there";
    }
    const auto holders = writer.core().durable_at(proof.space, proof.dot);
    for (const Host* host : core_) {
      const auto peers = writer.neighbours();
      if (std::ranges::find(peers, host->name()) == peers.end()) continue;
      if (std::ranges::find(holders, host->name()) == holders.end()) {
        return what + " is not acknowledged by " + host->name();
      }
    }
  }
  return agree(core_) ? "" : disagreement(core_);
}

void World::check_core(Duration deadline) {
  const std::string lag = core_lags();
  if (lag.empty()) {
    moment("the core agrees");
    listen(Phase::core_idle, core_, queue_.now() + converge_within_, [this] {
      count("cores that went on alone", 1);
      faults_->end_absences();
      if (!failed()) heal_all();
    });
  } else if (queue_.now() >= deadline) {
    fail(Promise::progress, "the core does not go on" + who_is_alone() + ": " + lag + ' ' +
                                std::to_string(converge_within_.count() / 1'000'000) +
                                " s after it was healed");
  } else {
    queue_.after(std::chrono::milliseconds(250), [this, deadline] { check_core(deadline); });
  }
}

}  // namespace rejoin::simulation
