#include "sim/story_page.h"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "page/page.h"
#include "sim/sim.h"

namespace rejoin::command {

namespace {

using nlohmann::json;
using simulation::Duration;
using simulation::Recording;
using simulation::RunResult;

// More than this of the end of a run is not drawn.
constexpr std::size_t messages_max = 30'000;

constexpr std::string_view style = R"css(
body { margin: 0; height: 100vh; display: flex; flex-direction: column; }
header { padding: 10px 16px 0; }
h1 { font-size: 1.15em; margin: 0; }
#verdict { margin: 2px 0 0; max-height: 6em; overflow-y: auto; overflow-wrap: anywhere; }
#verdict b { color: var(--alarm); }
#controls { display: flex; flex-wrap: wrap; gap: 6px 14px; align-items: center; padding: 8px 16px;
            font-size: 13px; }
#controls fieldset { border: 0; padding: 0; margin: 0; display: flex; flex-wrap: wrap;
                     gap: 2px 10px; align-items: center; }
#controls legend { float: left; padding: 0; margin-right: 8px; color: var(--faint); }
#controls label { white-space: nowrap; cursor: pointer; }
#controls input { vertical-align: -2px; margin: 0 3px 0 0; }
#path { font: inherit; width: 17em; color: inherit; background: var(--panel); padding: 2px 6px;
        border: 1px solid var(--line); border-radius: 4px; }
#legend { color: var(--faint); white-space: pre-wrap; }
button { font: inherit; color: inherit; background: var(--panel); border: 1px solid var(--line);
         border-radius: 4px; padding: 2px 9px; cursor: pointer; }
.swatch { display: inline-block; width: 14px; height: 3px; margin-right: 4px;
          vertical-align: 3px; }
main { flex: 1; display: flex; min-height: 0; border-top: 1px solid var(--line); }
#picture { flex: 1; position: relative; min-width: 0; overflow: hidden; }
canvas { position: absolute; inset: 0; width: 100%; height: 100%; cursor: grab; outline: none;
         touch-action: none; }
canvas:focus-visible { box-shadow: inset 0 0 0 2px var(--faint); }
#hover { position: absolute; pointer-events: none; max-width: min(440px, 80%); padding: 6px 9px;
         font-size: 12.5px; line-height: 1.4; background: var(--paper);
         border: 1px solid var(--faint); border-radius: 5px; box-shadow: 0 2px 10px #0004;
         overflow-wrap: anywhere; display: none; }
#hover div:first-child { font-weight: 600; }
aside { width: 400px; border-left: 1px solid var(--line); display: flex; flex-direction: column; }
#story { flex: 1; position: relative; overflow-y: auto; margin: 0; padding: 6px 0; font-size: 13px; line-height: 1.4;
         list-style: none; }
#story li { padding: 3px 12px 3px 9px; border-left: 3px solid transparent; cursor: pointer;
            overflow-wrap: anywhere; }
#story li:hover, #story li.at { background: var(--panel); }
#story time { color: var(--faint); font-variant-numeric: tabular-nums; margin-right: 6px; }
#story .process { border-color: #b26a00; }
#story .fault { border-color: #8a8a8a; }
#story .write { border-color: #2e7d32; }
#story .loss { border-color: #d17a00; }
#story .moment { border-color: #1e88e5; }
#story .failure { border-color: var(--alarm); font-weight: 600; }
#story .note { color: var(--faint); }
details { border-top: 1px solid var(--line); padding: 6px 12px; font-size: 13px; }
details pre { max-height: 32vh; overflow: auto; margin: 6px 0 0; font-size: 12px; }
@media (max-width: 900px) {
  body { height: auto; }
  main { flex-direction: column; }
  #picture { flex: none; height: 62vh; }
  aside { width: auto; border-left: 0; border-top: 1px solid var(--line); }
  #story { max-height: 60vh; }
}
)css";

json of(const Recording::Message& message, std::size_t kind) {
  return {message.from,
          message.to,
          message.sent.count(),
          message.ended.count(),
          static_cast<int>(message.fate),
          message.copy ? 1 : 0,
          kind,
          message.bytes,
          message.contents,
          message.paths};
}

json data_of(const simulation::Scenario& scenario, const Recording& recording,
             const RunResult& result) {
  json data;
  data["nodes"] = recording.nodes;
  data["paths"] = recording.paths;
  data["ended"] = recording.ended.count();
  data["failed"] = result.ok ? json() : json(result.failed_at.count());
  data["scenario"] = scenario.to_toml();

  const std::size_t skipped =
      recording.messages.size() - std::min(recording.messages.size(), messages_max);
  const Duration from = skipped == 0 ? Duration(0) : recording.messages[skipped].sent;
  data["from"] = from.count();

  std::vector<std::string> kinds;
  data["messages"] = json::array();
  for (std::size_t i = skipped; i < recording.messages.size(); ++i) {
    const Recording::Message& message = recording.messages[i];
    const auto known = std::find(kinds.begin(), kinds.end(), message.kind);
    const auto kind = static_cast<std::size_t>(known - kinds.begin());
    if (known == kinds.end()) kinds.emplace_back(message.kind);
    data["messages"].push_back(of(message, kind));
  }
  data["kinds"] = kinds;
  data["marks"] = json::array();
  for (const auto& mark : recording.marks) {
    if (mark.at < from) continue;
    const auto cause = mark.cause - static_cast<std::ptrdiff_t>(skipped);
    data["marks"].push_back({to_string(mark.kind), mark.node, mark.at.count(), mark.text,
                             mark.paths, mark.readings, std::max<std::ptrdiff_t>(cause, -1)});
  }
  data["spans"] = json::array();
  for (const auto& span : recording.spans) {
    data["spans"].push_back({static_cast<int>(span.kind), span.nodes, span.from.count(),
                             span.to.count(), span.disk_lost});
  }
  data["fates"] = json::array();
  for (int fate = 0; fate <= static_cast<int>(Recording::Fate::refused); ++fate) {
    data["fates"].push_back(to_string(static_cast<Recording::Fate>(fate)));
  }
  data["story"] = json::array();
  for (const auto& line : tell(recording, result)) {
    data["story"].push_back({to_string(line.kind), line.at.count(), line.text});
  }
  data["moments"] = json::array();
  for (const auto& moment : recording.moments) {
    data["moments"].push_back({moment.at.count(), moment.text});
  }
  return data;
}

std::string verdict(const RunResult& result) {
  if (result.ok) return "It passed: all nodes agree.";
  return "<b>It breaks the promise that " + escaped(meaning(*result.promise)) + ".</b> " +
         escaped(result.failure) + '.';
}

}  // namespace

std::string story_page(const simulation::Scenario& scenario, const Recording& recording,
                       const RunResult& result) {
  const std::string title = scenario.name + ", seed " + std::to_string(result.seed);
  std::string page = page_head("Rejoin: " + title, style);
  page += "<body>\n<header><h1>" + escaped(title) + "</h1><p id=\"verdict\">" + verdict(result) +
          "</p></header>\n" +
          data_element(data_of(scenario, recording, result)
                           .dump(-1, ' ', false, json::error_handler_t::replace));
  return page.append(story_html()).append("</body></html>\n");
}

bool write_story(const simulation::Scenario& scenario, const std::string& path) {
  Recording recording;
  simulation::RunOptions options;
  options.seed = scenario.seed.value();
  options.recording = &recording;
  const RunResult result = simulation::run_apart(scenario, options);
  if (!write_file(path, story_page(scenario, recording, result))) return false;
  std::printf("  story:  %s\n", path.c_str());
  return true;
}

}  // namespace rejoin::command
