// What the pages that `rejoin` writes have in common: self-contained HTML, in light and dark.
#pragma once

#include <string>
#include <string_view>

namespace rejoin::command {

// For the text of an element or the value of an attribute.
std::string escaped(std::string_view text);

// Everything before a page's contents. Colours are variables: --ink on --paper, --panel and --line
// for what lies between, --faint for what is less important, --alarm for what went wrong.
std::string page_head(std::string_view title, std::string_view style);

// JSON text as an element for the page's script, which reads it by the id "data".
std::string data_element(std::string_view json);

}  // namespace rejoin::command
