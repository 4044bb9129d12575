#include "page/page.h"

namespace rejoin::command {

namespace {

constexpr std::string_view base_style = R"css(
:root { color-scheme: light dark; --ink: #222; --paper: #fff; --panel: #f6f6f4; --line: #ccc;
        --faint: #6b6b6b; --alarm: #c62828; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e4e2; --paper: #17181a; --panel: #222427; --line: #44474b; --faint: #9a9c9f;
          --alarm: #ff6b63; }
}
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); }
)css";

}  // namespace

std::string escaped(std::string_view text) {
  std::string out;
  for (char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string page_head(std::string_view title, std::string_view style) {
  std::string head =
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>";
  return head.append(escaped(title))
      .append("</title><style>")
      .append(base_style)
      .append(style)
      .append("</style></head>");
}

std::string data_element(std::string_view json) {
  std::string element = "<script type=\"application/json\" id=\"data\">";
  // Within a script element only "<" could be read as markup.
  for (const char c : json) c == '<' ? element += "\\u003c" : element += c;
  return element.append("</script>\n");
}

}  // namespace rejoin::command
