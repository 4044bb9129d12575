#pragma once

#include <nlohmann/json_fwd.hpp>

#include "demo/report/story.h"

namespace rejoin::demo {

// What the report's page is rendered from:
//   source     the name of the node whose history it is
//   nodes      names
//   writers    of each replica id: `replica`, and `node`, or null where nobody knows whose it is
//   intervals  `kind` ("cut off", "killed"), `node`, `from` and `to` in ms
//   contents   texts that events name by number, each once
//   sessions   `id`, and `turns`: numbers of events, in the order in which they read
//   events     each after what it depends on: `writer`, `sequence`, `at` in ms, `author`, `note`,
//              `seen` (of each writer, how far its own had seen it just before), `session`; and
//              where it wrote such: `turn` (its record, with a number for the `content`), `used`,
//              `steps` (name and stored status), `preferences` (`name`, `value`, and `overwrote`:
//              numbers of events, null for one that is not here)
// Times are since `start_ms`, which is Unix time.
nlohmann::json page_data(const Story& story);

}  // namespace rejoin::demo
