#pragma once

#include <array>
#include <string>
#include <string_view>

#include "demo/report/story.h"

namespace rejoin::demo {

inline constexpr std::array<std::string_view, region_count> node_colours = {"#4c78a8", "#f2a33a",
                                                                            "#59a673"};

// The turns that each node knew over time, as an SVG element. `data-left`, `data-right` and
// `data-seconds` say what its time axis spans, `data-node` which panel is whose.
std::string draw_picture(const Story& story);

}  // namespace rejoin::demo
