// Valid UTF-8, byte by byte.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace rejoin {

// True for the second and later bytes of a code point.
inline bool is_utf8_continuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

inline std::size_t count_code_points(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return !is_utf8_continuation(c); }));
}

}  // namespace rejoin
