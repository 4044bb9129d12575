#include "core/liveness.h"

#include <algorithm>
#include <utility>

#include "rejoin/crdt/codec.h"
#include "rejoin/crdt/hash.h"
#include "rejoin/crdt/mutant.h"

namespace rejoin::node {

std::uint64_t Liveness::hash_of(const std::string& member, const State& state) {
  std::string bytes;
  Writer out(bytes);
  out.varint(state.number);
  out.u8(static_cast<std::uint8_t>(state.life));
  out.raw(member);
  return hash_bytes(bytes).low;
}

void Liveness::set_members(const std::vector<std::string>& names) {
  members_ = names;
  std::erase_if(states_, [&](const auto& entry) {
    const bool gone = entry.first != self_ && !std::ranges::binary_search(members_, entry.first);
    if (gone) hash_ -= hash_of(entry.first, entry.second);
    return gone;
  });
}

std::optional<Rumour> Liveness::learn(const Rumour& rumour, Micros now) {
  State& state = states_[rumour.member];
  const bool is_known = state.number != 0 || state.life != Life::alive;
  if (std::pair(rumour.number, rumour.life) <= std::pair(state.number, state.life)) {
    if (!is_known) states_.erase(rumour.member);
    return std::nullopt;
  }
  if (is_known) hash_ -= hash_of(rumour.member, state);
  state = State{rumour.number, rumour.life, now};
  hash_ += hash_of(rumour.member, state);
  return rumour;
}

std::optional<Rumour> Liveness::hear(const Rumour& rumour, Micros now) {
  if (rumour.member == self_) {
    const auto own = states_.find(self_);
    const std::uint64_t number = own == states_.end() ? 0 : own->second.number;
    if (rumour.number >= transport::rumour_number_max || rumour.number < number ||
        (rumour.number == number && rumour.life == Life::alive)) {
      return std::nullopt;
    }
    if (REJOIN_MUTATED(suspicion_is_not_denied)) return std::nullopt;
    // What is said of an earlier process of this name under a higher number is outdone as well.
    return learn(Rumour{self_, rumour.number + 1, Life::alive}, now);
  }
  if (!std::ranges::binary_search(members_, rumour.member)) return std::nullopt;
  return learn(rumour, now);
}

std::optional<Rumour> Liveness::suspect(const std::string& member, Micros now) {
  const auto known = states_.find(member);
  const std::uint64_t number = known == states_.end() ? 0 : known->second.number;
  return hear(Rumour{member, number, Life::suspected}, now);
}

std::vector<Rumour> Liveness::confirm(Micros since) {
  std::vector<Rumour> deaths;
  for (auto& [member, state] : states_) {
    if (state.life != Life::suspected || state.since > since) continue;
    deaths.push_back(Rumour{member, state.number, Life::dead});
  }
  for (const Rumour& death : deaths) learn(death, since);
  return deaths;
}

Life Liveness::of(const std::string& member) const {
  const auto known = states_.find(member);
  return known == states_.end() ? Life::alive : known->second.life;
}

std::vector<Rumour> Liveness::all() const {
  std::vector<Rumour> rumours;
  for (const auto& [member, state] : states_) {
    rumours.push_back(Rumour{member, state.number, state.life});
  }
  return rumours;
}

Micros Liveness::oldest_suspicion() const {
  Micros oldest = never;
  for (const auto& [member, state] : states_) {
    if (state.life == Life::suspected) oldest = std::min(oldest, state.since);
  }
  return oldest;
}

}  // namespace rejoin::node
