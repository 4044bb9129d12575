#include "demo/report/page.h"

#include <nlohmann/json.hpp>
#include <sstream>

#include "demo/report/page_data.h"
#include "demo/report/picture.h"
#include "demo/report/table.h"
#include "page/page.h"

namespace rejoin::demo {
namespace {

using command::escaped;

constexpr std::string_view style = R"css(
body { max-width: 1400px; margin: 1.5em auto; padding: 0 1em; }
h1 { font-size: 1.4em; margin: 0; }
h2 { font-size: 1.15em; margin: 0 0 4px; }
h3 { font-size: 0.8em; margin: 18px 0 4px; color: var(--faint); text-transform: uppercase;
     letter-spacing: 0.04em; }
h2:focus { outline: none; }
a { color: inherit; }
.key { display: inline-block; width: 0.9em; height: 0.9em; margin: 0 0.3em 0 1em;
       vertical-align: -0.1em; }
pre { background: var(--panel); padding: 0.7em 1em; overflow-x: auto; font-size: 12.5px; }

#picture { max-width: 1140px; margin: 0 auto; }
#picture svg { width: 100%; height: auto; display: block; }
svg text { font: 12px system-ui, sans-serif; fill: var(--ink); }
.panel { fill: var(--panel); stroke: var(--line); }
#picture .panel, #picture path { cursor: pointer; }
svg .name { font-size: 15px; font-weight: 600; text-anchor: end; }
svg .tick { text-anchor: end; fill: var(--faint); }
svg .begin { fill: var(--faint); }
svg .tick-x { text-anchor: middle; fill: var(--faint); }
svg .note { font-weight: 600; paint-order: stroke; stroke: var(--paper); stroke-width: 3px; }
svg .moment-label { text-anchor: middle; }
.moment { stroke: var(--faint); stroke-dasharray: 2 4; }
.written { fill: none; stroke: var(--ink); stroke-width: 1.2; stroke-dasharray: 5 3; }

#explorer { display: grid; grid-template-columns: 220px minmax(0, 1fr) minmax(0, 1.1fr);
            height: calc(100vh - 16px); min-height: 480px; border: 1px solid var(--line);
            border-radius: 6px; overflow: hidden; overflow-wrap: anywhere; font-size: 14px; }
#explorer > * { overflow-y: auto; position: relative; padding: 12px; min-width: 0; }
#explorer > * + * { border-left: 1px solid var(--line); }
#explorer ol, #explorer ul { list-style: none; margin: 0; padding: 0; }
#explorer input { font: inherit; color: inherit; background: var(--panel); width: 100%;
                  box-sizing: border-box; padding: 4px 8px; border: 1px solid var(--line);
                  border-radius: 4px; }
#explorer small, .faint { color: var(--faint); font-size: 12.5px; }
#explorer a { text-decoration: none; }
#explorer a:hover { text-decoration: underline; }
#explorer :focus-visible { outline: 2px solid var(--ink); outline-offset: 1px; }
.row { display: block; padding: 5px 8px; margin: 2px 0; border-left: 4px solid var(--line);
       border-radius: 0 4px 4px 0; }
a.row:hover { background: var(--panel); text-decoration: none !important; }
.row[aria-current] { background: var(--panel); box-shadow: 0 0 0 1px var(--faint); }
.row.seen { background: var(--panel); }
.row b { font-weight: 600; }
.clamp { display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 2;
         overflow: hidden; }
.chip { display: inline-block; padding: 0 6px; margin: 2px 4px 0 0; font-size: 12.5px;
        border: 1px solid var(--line); border-radius: 9px; }
button.chip { font: inherit; font-size: 12.5px; color: inherit; background: none; cursor: pointer; }
.dot { display: inline-block; width: 0.75em; height: 0.75em; border-radius: 50%;
       margin: 0 0.3em 0 0; vertical-align: -0.02em; }
.content { white-space: pre-wrap; max-height: 38vh; overflow-y: auto; margin: 6px 0;
           padding: 8px 10px; background: var(--panel); border-radius: 4px; }
.final { outline: 2px solid var(--ink); outline-offset: -2px; }
dl { display: grid; grid-template-columns: 5.5em minmax(0, 1fr); margin: 8px 0 0; gap: 2px 8px; }
dt { color: var(--faint); }
dd { margin: 0; }
code { font-size: 12px; }
.tool { border: 1px solid var(--line); border-radius: 4px; padding: 6px 10px; margin: 6px 0; }
.tool[aria-current] { box-shadow: 0 0 0 1px var(--ink); }
.alarm { color: var(--alarm); }
.lanes { width: 100%; height: auto; display: block; }
.lanes a:focus-visible { outline: none; }
.lanes a:focus-visible circle { stroke: var(--ink); stroke-width: 3; }
@media (max-width: 900px) {
  #explorer { display: block; height: auto; }
  #explorer > * + * { border-left: 0; border-top: 1px solid var(--line); }
  #sessions ul { max-height: 40vh; overflow-y: auto; }
}
)css";

std::string colours() {
  std::string css = ":root {";
  for (std::size_t i = 0; i < region_count; ++i) {
    css += " --node-" + std::to_string(i) + ": " + std::string(node_colours[i]) + ";";
  }
  return css + " }\n";
}

}  // namespace

std::string render_page(const Story& story) {
  std::ostringstream out;
  out << command::page_head("Rejoin: who knew what when", colours().append(style)) << "<body>\n"
      << "<h1>Who knew what when</h1>\n<p>" << story.sessions << " agent sessions with "
      << story.turns << " turns (" << escaped(story.input)
      << "), written in three regions that were cut apart, killed and brought back. Each panel "
         "shows the turns that one node knew, by the region they were written in:";
  for (std::size_t i = 0; i < region_count; ++i) {
    out << "<span class=\"key\" style=\"background:" << node_colours[i] << "\"></span>"
        << region_names[i];
  }
  out << ". The dashed line is what had been written anywhere; the space between it and the "
         "coloured areas is what the node did not know yet.</p>\n<div id=\"picture\">"
      << draw_picture(story) << "</div>\n<pre>" << escaped(render_table(rows_of(story))) << "\n"
      << escaped(story.history_outcome) << "\n"
      << escaped(story.outcome) << "</pre>\n"
      << command::data_element(
             page_data(story).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace))
      << page_html() << "</body></html>\n";
  return out.str();
}

}  // namespace rejoin::demo
