// Bytes as a bad network, a bad disk or a liar would leave them.
#pragma once

#include <rapidcheck/gtest.h>

#include <string>

#include "generators.h"

namespace rejoin {

// Cut short, with bits turned, with a piece of it again somewhere else, or plainly random.
inline std::string damaged(std::string bytes) {
  const int kind = *rc::gen::weightedElement<int>({{1, 0}, {6, 1}, {2, 2}, {1, 3}});
  if (kind == 0) {
    bytes.resize(*rc::gen::inRange<std::size_t>(0, bytes.size() + 1));
  } else if (kind == 1) {
    const int flips = *rc::gen::inRange(1, 4);
    for (int i = 0; i < flips && !bytes.empty(); ++i) {
      const auto at = *rc::gen::inRange<std::size_t>(0, bytes.size());
      bytes[at] = static_cast<char>(bytes[at] ^ (1 << *rc::gen::inRange(0, 8)));
    }
  } else if (kind == 2) {
    // A piece of it again somewhere else: lengths, counts and dots that are plausible.
    const auto from = *rc::gen::inRange<std::size_t>(0, bytes.size() + 1);
    const auto to = *rc::gen::inRange<std::size_t>(0, bytes.size() + 1);
    const auto size = *rc::gen::inRange<std::size_t>(0, 24);
    bytes.insert(to, bytes.substr(from, size));
  } else {
    bytes = *generators::any_bytes();
  }
  return bytes;
}

}  // namespace rejoin
