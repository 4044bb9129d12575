// Valid UTF-8, byte by byte.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace rejoin {

// True for the second and later bytes of a code point.
inline bool is_utf8_continuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

// In how many bytes bit 0 of `mark` is set: `mark` takes eight bytes as a word, and says it of
// each.
template <class Mark>
std::size_t count_marked_bytes(std::string_view text, Mark mark) {
  constexpr std::uint64_t ones = 0x0101010101010101;
  std::size_t sum = 0;
  std::size_t at = 0;
  for (; text.size() - at >= sizeof ones; at += sizeof ones) {
    std::uint64_t word;
    std::memcpy(&word, text.data() + at, sizeof word);
    sum += static_cast<std::size_t>((mark(word) & ones) * ones >> 56);
  }
  for (; at < text.size(); ++at) sum += mark(static_cast<unsigned char>(text[at])) & 1;
  return sum;
}

inline std::size_t count_code_points(std::string_view text) {
  const std::size_t continuations =
      count_marked_bytes(text, [](std::uint64_t word) { return word >> 7 & ~(word >> 6); });
  return text.size() - continuations;
}

// Code points that are two units of UTF-16: those that begin with 0xF0 or more.
inline std::size_t count_surrogate_pairs(std::string_view text) {
  return count_marked_bytes(
      text, [](std::uint64_t word) { return word >> 7 & word >> 6 & word >> 5 & word >> 4; });
}

}  // namespace rejoin
