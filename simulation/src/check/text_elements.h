// The workload's list elements are unique numbers; in texts each stands as one code point.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "rejoin/crdt/value.h"

namespace rejoin::simulation {

// Number n as UTF-8 of one to four bytes: code points from 'A' on, surrogates left out. Unique for
// n below a million.
inline void append_element(std::string& text, std::int64_t n) {
  auto code = static_cast<std::uint32_t>(0x41 + n % 0x10F000);
  if (code >= 0xD800) code += 0x800;
  const auto put = [&](std::uint32_t byte) { text.push_back(static_cast<char>(byte)); };
  if (code < 0x80) {
    put(code);
    return;
  }
  const unsigned more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
  put((0xFF00u >> (more + 1) & 0xFF) | code >> (6 * more));
  for (unsigned i = more; i-- > 0;) put(0x80 | (code >> (6 * i) & 0x3F));
}

// The numbers in a text, as the values that a list of them would hold.
inline std::vector<Value> elements_of(std::string_view text) {
  std::vector<Value> values;
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i++]);
    std::uint32_t code = lead < 0x80   ? lead
                         : lead < 0xE0 ? lead & 0x1F
                         : lead < 0xF0 ? lead & 0x0F
                                       : lead & 0x07;
    for (unsigned more = lead < 0x80   ? 0
                         : lead < 0xE0 ? 1
                         : lead < 0xF0 ? 2
                                       : 3;
         more > 0 && i < text.size(); --more) {
      code = code << 6 | (static_cast<unsigned char>(text[i++]) & 0x3F);
    }
    if (code >= 0xE000) code -= 0x800;
    values.emplace_back(std::int64_t{code} - 0x41);
  }
  return values;
}

}  // namespace rejoin::simulation
