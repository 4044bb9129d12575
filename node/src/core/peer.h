// What the core knows of another node.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "core/pace.h"
#include "rejoin/crdt/id.h"

namespace rejoin::node {

using Micros = std::chrono::microseconds;

inline constexpr Micros never = Micros::max();

// Time until an answer came back: the larger of the last ones, forgotten slowly. What looks like a
// very slow answer may be one to a question that was asked again, so a single one does not count
// for more than about twice what was usual.
class RoundTrip {
 public:
  void sample(Micros measured) {
    measured = std::min(measured, 2 * estimate_ + std::chrono::milliseconds(100));
    estimate_ = measured > estimate_ ? measured : (estimate_ * 7 + measured) / 8;
  }
  Micros estimate() const { return estimate_; }

 private:
  Micros estimate_{0};
};

// What a peer is in the overlay. Without one all are neighbours.
enum class Standing {
  none,       // talks to us, or did; nothing but hello and neighbour is exchanged
  candidate,  // is asked whether it wants to be our neighbour
  neighbour,
};

struct Peer {
  std::string name;
  std::uint32_t slot = 0;   // index in the core's list, and of its Link in each Replica
  bool configured = false;  // we talk to it of our own accord; others only while they talk to us
  Standing standing = Standing::neighbour;
  // Of the overlay: both ends are members, as far as is known here.
  bool is_member = true;
  bool leaf = false;     // of the overlay: cannot be dialled
  std::string endpoint;  // of the overlay: as it said, or who named it
  Micros candidate_since{0};
  Micros parted_at{-1};         // when it was told that it is no neighbour; negative: never
  std::uint64_t life_told = 0;  // hash of the beliefs of who is alive that were sent to it last
  Micros life_told_at{-1};
  bool heard = false;  // ever
  bool alive = false;  // heard within peer_timeout
  Micros last_heard{0};
  Micros last_message{0};  // of whatever kind, believed or not
  Micros alive_since{0};
  Micros next_exchange{0};

  // The process that answered a challenge of ours last; 0: none yet. It alone is listened to. A
  // challenge is drawn after the last one was answered, so no earlier process can know it. All that
  // is known of what the peer holds belongs to one incarnation: a Link of another `epoch` is void.
  std::uint64_t incarnation = 0;
  std::uint32_t epoch = 1;
  std::uint64_t challenge = 0;  // not answered yet; 0: none
  Micros challenged_at{-1};     // when it was sent by itself, or drawn; negative: never

  // Spaces (by index) whose digest is not known to be the same there as here. `all_unagreed`: every
  // space is, listed or not.
  std::vector<std::uint32_t> unagreed;
  bool all_unagreed = true;
  std::vector<std::uint32_t> lacking;  // spaces that it said it does not have
  int differing_summaries = 0;         // in a row
  Micros digests_sent_at{-1};          // answering a Summary; negative: never
  std::uint32_t spaces_there = 0;      // as its last Summary said

  // Our view (Core::Impl::view) when all spaces were last known to agree under the same one, and
  // when that was.
  std::uint64_t agreed_view = 0;
  Micros agreed_at{-1};

  Pace pace;  // of what we send to it
  RoundTrip round_trip;
  // One own write under way, to measure how long it takes until it is acknowledged.
  std::uint32_t sample_space = 0;
  Dot sample;  // of sequence 0: none
  Micros sample_sent_at{0};
};

}  // namespace rejoin::node
