// What this node believes of who is alive: SWIM's suspicion and refutation (Das, Gupta and
// Motivala, 2002, section 4.2), spread along the overlay instead of on probes. A node is watched by
// its neighbours only. One that hears nothing of it suspects it; who is suspected hears of it, and
// says under a higher number that it lives; a suspicion that nobody refuted in time is a death.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/peer.h"
#include "rejoin/transport/message.h"

namespace rejoin::node {

using transport::Life;
using transport::Rumour;

class Liveness {
 public:
  explicit Liveness(std::string self) : self_(std::move(self)) {}

  // From now on nothing is believed of anybody else. `names` in ascending order.
  void set_members(const std::vector<std::string>& names);
  // A rumour that is not known yet, to be passed on; of this node itself: its refutation. Nothing
  // when it is old, or of nobody.
  std::optional<Rumour> hear(const Rumour& rumour, Micros now);
  // Its neighbour heard nothing of it. Nothing when that is known.
  std::optional<Rumour> suspect(const std::string& member, Micros now);
  // Suspicions from before `since` that nobody refuted: deaths now.
  std::vector<Rumour> confirm(Micros since);

  Life of(const std::string& member) const;
  // Of everything that is believed: equal ones, equal beliefs.
  std::uint64_t hash() const { return hash_; }
  // Everything that is not as it is of one of whom nobody ever said anything. O(members).
  std::vector<Rumour> all() const;
  // When the oldest suspicion began; `never` when there is none. O(members with a state).
  Micros oldest_suspicion() const;

 private:
  struct State {
    std::uint64_t number = 0;
    Life life = Life::alive;
    Micros since{0};
  };
  std::optional<Rumour> learn(const Rumour& rumour, Micros now);
  static std::uint64_t hash_of(const std::string& member, const State& state);

  std::string self_;
  std::vector<std::string> members_;
  std::map<std::string, State, std::less<>> states_;  // the others' default to State{}
  std::uint64_t hash_ = 0;
};

}  // namespace rejoin::node
