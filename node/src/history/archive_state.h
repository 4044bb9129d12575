// What an archive keeps in memory, and its statements.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "history/archive.h"
#include "history/chunk.h"

namespace rejoin::node::history {

// One of a space, and how far it is here.
struct Archive::Writer {
  std::int64_t id = 0;
  ReplicaId replica;
  Sequence last = 0;  // with the events in memory, and gaps
  Digest link;        // of that event; zeros after a gap
  // As of the last chunk: what the writer had seen, once that is asked for after a start; and how
  // many spans ago it was written down.
  std::optional<Clock> seen = Clock();
  std::size_t spans_since = 0;
};

// Not written yet: before one of the newest events. Where it is not `placed`, nobody knows which
// events came before it, so that it cannot be filled.
struct Archive::NewGap {
  Gap gap;
  std::size_t before = 0;
  bool placed = true;
};

// Where the events of a gap belong: into chunks from this number on; nothing: as above.
struct Archive::PlacedGap {
  Gap gap;
  std::optional<ChunkId> chunk;
};

struct Archive::PlacedEvent {
  ChunkId chunk = 0;
  EventPtr event;
};

// The links of a writer's events from `next` on are still those of a chain that begins with
// `first`: a gap before that was filled.
struct Archive::Stale {
  Sequence first = 0;
  Sequence next = 0;
};

struct Archive::Space {
  std::int64_t id = 0;
  std::string name;
  std::map<ReplicaId, Writer> writers;
  // Events that are in no chunk yet, and gaps that are not written.
  std::vector<LinkedEvent> newest;
  Links newest_links;
  std::size_t newest_bytes = 0;
  std::vector<NewGap> new_gaps;  // in order
};

// Those of a space that a transaction changes, until it is committed.
class Archive::ChangedWriters {
 public:
  explicit ChangedWriters(Space& space) : space_(space) {}
  Writer& get(const ReplicaId& replica) {
    const auto found = changed_.find(replica);
    if (found != changed_.end()) return found->second;
    return changed_.emplace(replica, space_.writers.at(replica)).first->second;
  }
  void adopt() {
    for (auto& [replica, writer] : changed_) space_.writers[replica] = std::move(writer);
  }

 private:
  Space& space_;
  std::map<ReplicaId, Writer> changed_;
};

// Where a chunk holds events of a writer.
struct Archive::Span {
  Sequence first = 0;
  Sequence last = 0;
  ChunkId chunk = 0;
  HybridTime time;  // of the last
  Digest link;
  std::optional<Clock> seen;
};

struct Archive::Statements {
  sqlite::Statement put_space, put_writer, put_chunk, put_span, put_gap, put_touched, put_stale;
  sqlite::Statement last_span, last_gap, spans, gaps, stale, chunk, touched, is_touched, seen_span;
  sqlite::Statement drop_chunk, drop_spans, drop_gap, drop_touched, drop_stale;
  sqlite::Statement change_chunk, change_span, narrow_gap, move_gaps;
};

}  // namespace rejoin::node::history
