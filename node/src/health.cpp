#include "health.h"

#include <algorithm>
#include <cstdint>
#include <set>

#include "runtime.h"

namespace rejoin::node {
namespace {

constexpr std::chrono::seconds answer_wait{2};
constexpr std::size_t names_max = 5;

std::string seconds_text(std::chrono::microseconds time) {
  return std::to_string(std::chrono::duration_cast<std::chrono::seconds>(time).count()) + " s";
}

std::string listed(const std::set<std::string>& names) {
  std::string text;
  std::size_t count = 0;
  for (const std::string& name : names) {
    if (++count > names_max) return text + " and others";
    text += (text.empty() ? "" : ", ") + name;
  }
  return text;
}

void find_storage_flaws(const Runtime& runtime, std::vector<std::string>& out) {
  const StorageStatus storage = runtime.storage_status();
  if (!storage.error.empty()) {
    out.push_back("the store refuses writes, new commits are in memory only: " + storage.error);
  } else if (storage.unwritten > runtime.options().acknowledge_within) {
    out.push_back("a write to the store has not ended for " + seconds_text(storage.unwritten));
  }
  if (!runtime.set_aside_store().empty()) {
    out.push_back("the store was damaged and was moved to " + runtime.set_aside_store());
  }
}

void find_peer_flaws(Runtime& runtime, std::vector<std::string>& out) {
  const std::vector<SpaceStatus> spaces = runtime.status();
  const LagAges::Ages ages = runtime.lag_ages(spaces);
  std::set<std::string> silent;
  bool any_alive = false;
  for (const SpaceStatus& space : spaces) {
    auto least = std::chrono::microseconds::max();  // that a peer which is heard is behind
    for (const PeerStatus& peer : space.peers) {
      if (!peer.alive) {
        silent.insert(peer.name);
        continue;
      }
      any_alive = true;
      const auto age = ages.find({space.name, peer.name});
      least = std::min(least, age == ages.end() ? std::chrono::microseconds{0} : age->second);
    }
    if (least != std::chrono::microseconds::max() && least > runtime.options().acknowledge_within) {
      out.push_back("no peer that is heard has all writes of space " + space.name + " since " +
                    seconds_text(least));
    }
  }
  if (!any_alive && !silent.empty()) out.push_back("no peer is heard: " + listed(silent));
}

}  // namespace

LagAges::Ages LagAges::look(const std::vector<SpaceStatus>& spaces, std::chrono::microseconds now) {
  std::lock_guard guard(mutex_);
  std::map<std::pair<std::string, std::string>, Behind> still;
  Ages ages;
  for (const SpaceStatus& space : spaces) {
    for (const PeerStatus& peer : space.peers) {
      if (peer.lag == 0) continue;
      const std::pair key{space.name, peer.name};
      const auto known = behind_.find(key);
      const bool caught_up = known == behind_.end() || peer.applied.includes(known->second.lacked);
      Behind behind = caught_up ? Behind{space.clock, now} : std::move(known->second);
      ages[key] = now - behind.since;
      still.emplace(key, std::move(behind));
    }
  }
  behind_.swap(still);
  return ages;
}

std::vector<std::string> flaws_of(Runtime& runtime) {
  std::vector<std::string> out;
  if (!runtime.responds(answer_wait)) {
    out.push_back("its network thread has not answered for " + seconds_text(answer_wait));
  }
  find_storage_flaws(runtime, out);
  if (const std::uint64_t divergences = runtime.counters().divergences; divergences > 0) {
    out.push_back("its state differed from a peer's under equal clocks " +
                  std::to_string(divergences) + " times; the log names space and peer");
  }
  find_peer_flaws(runtime, out);
  return out;
}

}  // namespace rejoin::node
