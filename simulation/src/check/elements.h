// The workload's elements are unique numbers; in texts each stands as one code point, and a map in
// a list has its own in a register.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "rejoin/crdt/types/map.h"
#include "rejoin/crdt/value.h"

namespace rejoin::simulation {

// What the workload writes in maps in lists: the element's number, with which it is inserted, and
// what is written there later.
inline constexpr const char* element_number = "number";
inline constexpr const char* element_note = "note";

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

inline std::vector<std::int64_t> elements_of(std::string_view text) {
  std::vector<std::int64_t> elements;
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
    elements.push_back(std::int64_t{code} - 0x41);
  }
  return elements;
}

// 0 for what no workload inserts.
inline std::vector<std::int64_t> elements_of(const std::vector<Value>& values) {
  std::vector<std::int64_t> elements;
  for (const Value& value : values) {
    elements.push_back(value.is_integer() ? value.as_integer() : 0);
  }
  return elements;
}

inline std::vector<std::int64_t> elements_of(const ListView& list) {
  std::vector<std::int64_t> elements = elements_of(list.values());
  for (std::size_t i = 0; i < elements.size(); ++i) {
    if (elements[i] != 0) continue;
    const auto map = list.map(i);
    if (map.ok()) elements[i] = map->reg(element_number).get().value_or(Value(0)).as_integer();
  }
  return elements;
}

}  // namespace rejoin::simulation
