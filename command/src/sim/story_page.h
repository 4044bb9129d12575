// A recorded run as one self-contained page: the story in words beside a space-time diagram.
#pragma once

#include <string>
#include <string_view>

#include "rejoin/simulation/story.h"

namespace rejoin::command {

std::string story_page(const simulation::Scenario& scenario, const simulation::Recording& recording,
                       const simulation::RunResult& result);

// The page's contents without its data: story.html.
std::string_view story_html();

}  // namespace rejoin::command
