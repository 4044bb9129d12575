#include "core/replica.h"

#include "rejoin/crdt/mutant.h"

namespace rejoin::node {

namespace {
constexpr std::size_t unknown_replicas_max = 64;
}  // namespace

void Link::absorb(Clock& known, const Clock& reported, const Document& ours) {
  for (const auto& [replica, sequence] : reported) {
    if (ours.retired().get(replica) != 0) continue;
    if (known.size() >= ours.clock().size() + unknown_replicas_max && known.get(replica) == 0 &&
        ours.clock().get(replica) == 0) {
      continue;
    }
    known.advance(Dot{replica, sequence});
  }
}

void Link::turn_snapshots(Micros now, Micros resend_after) {
  sent_at = now;
  if (now - snapshot_at < resend_after) return;
  sent_before = std::move(sent_snapshot);
  sent_snapshot = sent;
  snapshot_at = now;
}

void Link::mark_sent(const Clock& clock, Micros now, Micros resend_after) {
  turn_snapshots(now, resend_after);
  sent.join(clock);
}

void Link::mark_sent(const Dot& dot, Micros now, Micros resend_after) {
  turn_snapshots(now, resend_after);
  sent.advance(dot);
}

const Clock& Link::sent_long_ago(Micros now, Micros resend_after) const {
  if (now - sent_at >= resend_after) return sent;
  // The snapshot holds what was sent before `snapshot_at`.
  return now - snapshot_at >= resend_after ? sent_snapshot : sent_before;
}

Clock Replica::sendable_clock() const {
  Clock clock = document.clock();
  if (durable && !REJOIN_MUTATED(catch_up_with_what_is_not_durable)) {
    for (const auto& [position, event] : own_pending) {
      if (clock.get(event->writer()) >= event->first()) {
        clock.set(event->writer(), event->first() - 1);
      }
      // Those of a former id come first, and all later ones follow this one.
      if (event->writer() == document.self()) break;
    }
  }
  return clock;
}

}  // namespace rejoin::node
