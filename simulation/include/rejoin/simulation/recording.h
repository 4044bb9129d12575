// Everything that happened in a run, for a story and a picture (story.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "rejoin/simulation/cluster.h"

namespace rejoin::simulation {

struct Recording {
  using PathIndex = std::uint32_t;  // into `paths`

  enum class Fate {
    under_way,  // when the run ended
    delivered,
    damaged,  // delivered with other bytes than were sent
    lost,     // by chance
    cut,      // by a partition or one_way, or stalled when the faults ended
    dropped,  // the link's queue was full
    refused,  // nobody was there: the receiver was down, or had too much to do
  };
  struct Message {
    NodeIndex from = 0, to = 0;
    Duration sent{0}, ended{0};
    Fate fate = Fate::under_way;
    bool copy = false;  // arrives a second time
    const char* kind = "";
    std::size_t bytes = 0;
    std::string contents;  // in words
    std::vector<PathIndex> paths;
  };

  enum class MarkKind { commit, learned, durable, refused_write, start, clock_jump, disk };
  // Something at one node.
  struct Mark {
    MarkKind kind = MarkKind::commit;
    NodeIndex node = 0;
    Duration at{0};
    std::string text;  // in words
    std::vector<PathIndex> paths;
    std::vector<std::string> readings;  // what each path read then
    std::ptrdiff_t cause = -1;          // the message that brought it; -1: none
  };

  enum class SpanKind {
    down,
    paused,
    partition,
    one_way,
    disk_failure,
    link_cut,
    flapping,
    slow,
    read_error,
    slow_sync,
    lying_sync,
    slow_drip,
    other_version,
    priority_schedule
  };
  // A time during which something was wrong with some nodes.
  struct Span {
    SpanKind kind = SpanKind::down;
    std::vector<NodeIndex> nodes;  // of a link: from and to
    Duration from{0}, to{0};
    bool disk_lost = false;  // of a `down`
  };

  struct Moment {
    Duration at{0};
    std::string text;  // "all faults end", "all nodes agree"
  };

  std::vector<std::string> nodes;
  std::vector<std::string> paths;  // "/data/m1/k0 (counter)", with the space before it
  std::vector<Message> messages;   // by the time they were sent
  std::vector<Mark> marks;         // by time
  std::vector<Span> spans;         // by their begin
  std::vector<Moment> moments;     // by time
  // Of the failure, by who found it: everything that was ever done to the cell that reads wrong.
  std::vector<std::string> explanations;
  Duration ended{0};
};

const char* to_string(Recording::Fate fate);
const char* to_string(Recording::MarkKind kind);
const char* to_string(Recording::SpanKind kind);

}  // namespace rejoin::simulation
