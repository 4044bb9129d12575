// A recorded run in plain words.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "rejoin/simulation/recording.h"
#include "rejoin/simulation/run.h"

namespace rejoin::simulation {

struct StoryLine {
  enum class Kind {
    note,     // about the story itself, or what explains the failure
    process,  // a node starts, crashes, stands still
    fault,    // of the network, a disk, a clock
    write,
    learn,  // a node shows what another wrote
    loss,   // a message that carried writes does not arrive
    moment,
    failure,
  };
  Kind kind = Kind::note;
  Duration at{0};
  std::string text;
};
const char* to_string(StoryLine::Kind kind);

// What happened, in order, and which promise broke. Of more than `lines_max` lines the earliest
// writes, lessons and losses are left out; a note says so.
std::vector<StoryLine> tell(const Recording& recording, const RunResult& result,
                            std::size_t lines_max = 1'000);

}  // namespace rejoin::simulation
