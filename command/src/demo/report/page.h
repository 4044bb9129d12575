#pragma once

#include <string>
#include <string_view>

#include "demo/report/story.h"

namespace rejoin::demo {

// A self-contained page: who knew what when, and for each turn of each session what led to it.
std::string render_page(const Story& story);

// The page's part that does not change: page.html.
std::string_view page_html();

}  // namespace rejoin::demo
