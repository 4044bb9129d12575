// Hybrid logical clocks (Kulkarni et al., "Logical Physical Clocks", OPODIS 2014).
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <string>

namespace rejoin {

// Milliseconds since the Unix epoch in the upper 48 bits, a logical counter in the lower 16. A
// counter that overflows carries into the milliseconds. Decides between concurrent writes only.
struct HybridTime {
  std::uint64_t value = 0;

  friend auto operator<=>(const HybridTime&, const HybridTime&) = default;
  static HybridTime from_millis(std::uint64_t millis, std::uint16_t logical = 0) {
    return HybridTime{(millis << 16) | logical};
  }
  std::uint64_t millis() const { return value >> 16; }
  std::uint16_t logical() const { return static_cast<std::uint16_t>(value & 0xFFFF); }
  std::string to_string() const;  // "<millis>.<logical>"
};

// Issues strictly increasing times from a physical clock that is handed in. Not thread-safe.
class HybridClock {
 public:
  // `ahead_max`: a remote time further than this ahead of the local physical clock is not adopted,
  // so that a node with a wrong clock cannot drag the others.
  explicit HybridClock(std::chrono::milliseconds ahead_max = std::chrono::seconds(60))
      : ahead_max_(ahead_max) {}

  // The time of a local event at physical time `now_millis` (since the Unix epoch).
  HybridTime tick(std::uint64_t now_millis);
  // Takes note of a remote event's time. Returns false, and changes nothing, when it lies further
  // ahead than the bound: the event is still to be applied, and its sender to be reported.
  bool observe(HybridTime remote, std::uint64_t now_millis);
  HybridTime last() const { return last_; }
  // Starts no earlier than `time`: what was last issued before a restart.
  void restore(HybridTime time) { last_ = time > last_ ? time : last_; }

 private:
  HybridTime last_;
  std::chrono::milliseconds ahead_max_;
};

}  // namespace rejoin
