// What `rejoin top` shows, as lines of text.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "reading.h"

namespace rejoin::command::top {

enum class Style { plain, title, head, chosen, good, bad, faint };

struct Line {
  std::string text;
  Style style = Style::plain;
};

// How much room there is, and what the person chose.
struct View {
  std::size_t width = 80;
  std::size_t height = 24;  // 0: as many lines as it takes
  std::string space;        // whose peers are shown; empty, or gone: the first
  bool help = false;
};

// The spaces in the order in which they are shown.
std::vector<std::string> spaces_in(const Readings& readings);

// At most `height` lines of at most `width`. What does not fit is counted.
std::vector<Line> frame(const Readings& readings, const View& view);

}  // namespace rejoin::command::top
