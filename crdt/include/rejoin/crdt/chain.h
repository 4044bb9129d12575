// Hash chains over events: whoever holds a writer's last link can tell whether anything was changed
// in what that writer wrote, left out or put in.
//
//   digest(event) = SHA-256(SHA-256(head), SHA-256(note), SHA-256(effect 1), SHA-256(effect 2),
//   ...) link(n)       = SHA-256(link(n - 1), digest(event n))
//
// head: the event's bytes before its effects, with their number, without the note's contents. The
// parts of an event have digests of their own so that one of them can be destroyed and the rest
// still be verified.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "rejoin/crdt/event.h"
#include "rejoin/crdt/result.h"

namespace rejoin {

// A SHA-256 (FIPS 180-4).
struct Digest {
  std::array<std::uint8_t, 32> bytes{};

  friend auto operator<=>(const Digest&, const Digest&) = default;
  std::string to_string() const;  // 64 hexadecimal digits
  // Exactly 64 hexadecimal digits; anything else is `malformed`.
  static Result<Digest> parse(std::string_view hex);
  std::string_view view() const {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
};

Digest sha256(std::string_view bytes);

// O(bytes of the event).
Digest digest_of(const Event& event);

// The link after `previous`, which is all zeros before a writer's first event.
Digest next_link(const Digest& previous, const Digest& event);

}  // namespace rejoin
