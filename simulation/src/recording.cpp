#include "rejoin/simulation/recording.h"

namespace rejoin::simulation {

const char* to_string(Recording::Fate fate) {
  switch (fate) {
    case Recording::Fate::under_way:
      return "still under way";
    case Recording::Fate::delivered:
      return "delivered";
    case Recording::Fate::damaged:
      return "delivered damaged";
    case Recording::Fate::lost:
      return "lost";
    case Recording::Fate::cut:
      return "cut off";
    case Recording::Fate::dropped:
      return "dropped: the link's queue is full";
    case Recording::Fate::refused:
      return "not received: nobody is there";
  }
  return "unknown";
}

const char* to_string(Recording::MarkKind kind) {
  switch (kind) {
    case Recording::MarkKind::commit:
      return "commit";
    case Recording::MarkKind::learned:
      return "learned";
    case Recording::MarkKind::durable:
      return "durable";
    case Recording::MarkKind::refused_write:
      return "refused write";
    case Recording::MarkKind::start:
      return "start";
    case Recording::MarkKind::clock_jump:
      return "clock jump";
    case Recording::MarkKind::disk:
      return "disk";
  }
  return "unknown";
}

const char* to_string(Recording::SpanKind kind) {
  switch (kind) {
    case Recording::SpanKind::down:
      return "down";
    case Recording::SpanKind::paused:
      return "paused";
    case Recording::SpanKind::partition:
      return "cut off";
    case Recording::SpanKind::one_way:
      return "one way";
    case Recording::SpanKind::disk_failure:
      return "disk refuses";
    case Recording::SpanKind::link_cut:
      return "link cut";
    case Recording::SpanKind::flapping:
      return "link flaps";
    case Recording::SpanKind::slow:
      return "slow";
    case Recording::SpanKind::read_error:
      return "disk unreadable";
    case Recording::SpanKind::slow_sync:
      return "disk slow";
    case Recording::SpanKind::lying_sync:
      return "disk lies";
    case Recording::SpanKind::slow_drip:
      return "link drips";
    case Recording::SpanKind::other_version:
      return "other version";
    case Recording::SpanKind::priority_schedule:
      return "order by priority";
  }
  return "unknown";
}

}  // namespace rejoin::simulation
