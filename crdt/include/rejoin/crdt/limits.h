// Every bound of the kernel, in one place. Encoders refuse to pass them, decoders to accept more.
#pragma once

#include <cstddef>
#include <cstdint>

namespace rejoin::limits {

inline constexpr std::size_t path_depth_max = 64;                     // steps in a path
inline constexpr std::size_t key_bytes_max = 4096;                    // one map key or set element
inline constexpr std::size_t value_bytes_max = 16u << 20;             // one string or bytes value
inline constexpr std::size_t mark_name_bytes_max = 255;               // name of a mark of a text
inline constexpr std::size_t mark_value_bytes_max = 64u << 10;        // and its value
inline constexpr std::size_t event_bytes_max = 64u << 20;             // one encoded event
inline constexpr std::size_t event_effects_max = 1u << 20;            // effects in one event
inline constexpr std::size_t clock_entries_max = 1u << 20;            // replica ids in one clock
inline constexpr std::size_t author_bytes_max = 256;                  // author of an event
inline constexpr std::size_t note_bytes_max = 4096;                   // note of an event
inline constexpr std::size_t delta_bytes_max = std::size_t{1} << 34;  // one encoded delta
inline constexpr std::size_t block_bytes_max = 256u << 20;            // events of one block
inline constexpr std::uint64_t sequence_max = std::uint64_t{1} << 62;

}  // namespace rejoin::limits
