// What has happened in the spaces that keep their history: every event, in the order in which it
// was applied here. One SQLite file a node beside its store, <directory>/history.db.
//
// Events are kept in chunks of some 16, compressed together: reading one decompresses a few
// kilobytes. Beside them, for each chunk: the places that it touches, by hash, and for each writer
// up to where it leads and the link of the writer's hash chain there (chain.h). docs/formats.md has
// the tables, docs/history.md what is made of them.
//
// Two designs were weighed. A row an event needs no decompression, but its bytes and those of the
// B-tree around it are 1.3 times those of the events; a block of hundreds in columns
// (event_block.h) is 4 times smaller than those, and a place that was touched in 20 blocks costs 20
// of them to look at, some 20 ms. Chunks of 16 take half of the bytes of the events, and 20 of them
// half a millisecond.
//
// What is here is written before the store lets its log go, never the other way round: what a crash
// takes from here is in the log still.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "history/chunk.h"
#include "rejoin/crdt/chain.h"
#include "rejoin/crdt/clock.h"
#include "rejoin/crdt/event.h"
#include "rejoin/crdt/path.h"
#include "rejoin/crdt/result.h"
#include "rejoin/node/history.h"
#include "sqlite/connection.h"

namespace rejoin::node::history {

struct ArchiveOptions {
  std::string directory;
  bool read_only = false;
  std::string vfs = {};
};

std::string archive_path(const std::string& directory);

using ChunkId = std::int64_t;

using Gap = MissingWrites;

// Thread-safe; every call takes a lock for as long as a chunk or an index needs to be read, so that
// a long look back keeps nobody from writing.
class Archive {
 public:
  // `not_found` where there is none (read_only), `corrupt`, `unsupported_version`.
  static Result<std::unique_ptr<Archive>> open(ArchiveOptions options);
  ~Archive();
  Archive(const Archive&) = delete;
  Archive& operator=(const Archive&) = delete;

  // ---- Writing ----
  // Before anything else of a space: what is here beyond `clock` was never acknowledged, and goes.
  // That the space keeps a history is durable then.
  Status begin(const std::string& space, const Clock& clock);
  // An event that was applied; nothing when it is here already. What lies between it and the last
  // one of its writer is a gap. It is in memory until store().
  void add(const std::string& space, const EventPtr& event);
  // The state of the space came to include `clock` otherwise: after what was added before, unless
  // it is not known (`placed`) whether some of that came later.
  void skip(const std::string& space, const Clock& clock, bool placed = true);
  // Writes what makes up whole chunks; with `all`, everything of this space, durably.
  Status store();
  Status store_all(const std::string& space);

  // ---- Reading ----
  std::vector<std::string> spaces() const;
  bool has_space(const std::string& space) const;
  Clock clock(const std::string& space) const;  // up to where events, or gaps, are here
  Result<std::vector<Gap>> gaps(const std::string& space) const;

  // Chunks in which something was written at, below or above a place, in order, and after them the
  // events that are in no chunk yet. Hashes may name a chunk in vain.
  struct Places {
    std::vector<ChunkId> chunks;
    std::vector<EventPtr> newest;
  };
  Result<Places> touching(const std::string& space, const Path& place) const;
  // The same: all chunks from that on which holds the first event beyond `clock`.
  Result<Places> beyond(const std::string& space, const Clock& clock) const;
  Result<std::vector<EventPtr>> chunk(ChunkId id) const;

  // Until something is beyond `clock`, or for so long.
  void wait_beyond(const std::string& space, const Clock& clock,
                   std::chrono::milliseconds timeout) const;
  void end_waits();  // those, and all that come later

  // The event that took this dot; null when it is not here.
  Result<EventPtr> event(const std::string& space, const Dot& dot) const;
  // Up to where a writer's events are not later than `time`.
  Result<Sequence> last_until(const std::string& space, const ReplicaId& writer,
                              HybridTime time) const;
  // What a writer had seen when it had made its event `last`, itself included; `last` must end one.
  Result<Clock> seen(const std::string& space, const ReplicaId& writer, Sequence last) const;

  // The last link of each writer's chain, that of the events in memory too; of those of whom no
  // event is missing, since others have the same then.
  Result<Heads> heads(const std::string& space) const;

  // ---- Filling gaps ----
  // Events that are missing at one place in the order: what is added there depends on nothing that
  // comes later.
  struct Hole {
    ChunkId chunk = 0;
    std::vector<Gap> gaps;  // of different writers
  };
  // In their order. Without gaps of which nobody knows where they are, and those in memory.
  Result<std::vector<Hole>> holes(const std::string& space) const;
  // For somebody else: the first of the missing events, in the order in which they were applied
  // here, some `bytes_max` of them; none where one of them is missing here that may come before.
  // Reads a bounded number of chunks.
  Result<std::vector<EventPtr>> give(const std::string& space, const std::vector<Gap>& missing,
                                     std::size_t bytes_max) const;
  // Events of a hole in causal order, the first that are missing of each writer. `malformed` for
  // another, or one that depends on something that is still missing: then nothing changes. No link
  // may be stale.
  Status fill(const std::string& space, ChunkId hole, const std::vector<EventPtr>& events);
  // Computes some of the links anew that come behind what was filled. False when none is stale.
  Result<bool> renew_links(const std::string& space);

  // ---- Verifying ----
  struct Verified {
    std::uint64_t events = 0;
    std::uint64_t chunks = 0;
    // The first thing that is not as it should be, by the event that it concerns; empty: nothing.
    std::string broken;
  };
  // Reads all of a space: every chain is whole, every event is what its link was made of, leads to
  // the links in `expected`, and every place finds its events. `corrupt` when the file cannot be
  // read that far.
  Result<Verified> verify(const std::string& space, const Heads& expected = {}) const;

 private:
  struct Writer;
  struct Space;
  struct NewGap;
  struct PlacedGap;
  struct PlacedEvent;
  struct Stale;
  class ChangedWriters;
  struct Statements;
  struct Span;
  using Links = std::map<Dot, Digest>;  // by the event's id
  using WriterOf = std::function<Writer&(const ReplicaId&)>;

  explicit Archive(ArchiveOptions options);
  Status connect();
  Status load();
  Space* find(const std::string& space) const;
  static Writer& writer_of(Space& space, const ReplicaId& replica);
  Status restore(Space& space);
  Status drop_beyond(Space& space, const Clock& clock);
  Status drop_chunks(Space& space, ChunkId from, const Clock& clock,
                     std::vector<PlacedEvent>& kept);
  static void add(Space& space, const EventPtr& event);
  static void skip(Space& space, const Dot& last, bool placed);
  Status write_chunks(Space& space, bool all);
  Status write_chunk(const Space& space, const WriterOf& writer_of, const Links& links,
                     const std::vector<LinkedEvent>& events, ChunkId id);
  Status write_gap(const Space& space, Writer& writer, const NewGap& gap, ChunkId chunk);
  Status number(const Space& space, Writer& writer);
  Status in_transaction(const std::function<Status()>& write);

  Result<std::vector<LinkedEvent>> read_chunk(ChunkId id) const;
  Result<std::vector<ChunkId>> read_places(std::int64_t place, ChunkId from,
                                           std::int64_t limit = -1) const;
  Result<std::vector<PlacedGap>> placed_gaps(const Space& space) const;
  Result<std::optional<Stale>> stale(const Writer& writer) const;
  static Result<std::optional<Span>> read_span(sqlite::Statement& query);
  Result<std::vector<Span>> spans_from(const Writer& writer, Sequence from,
                                       std::size_t count) const;
  // Nothing where all is within the clock, or only in memory.
  Result<std::optional<ChunkId>> first_chunk_beyond(const Space& space, const Clock& clock) const;
  Result<Digest> link_after(const Writer& writer, Sequence last) const;
  Status check_fill(const Space& space, ChunkId hole, const std::vector<PlacedGap>& gaps,
                    const std::vector<EventPtr>& events) const;
  Status close_gaps(Space& space, ChunkId hole, ChunkId next, const std::vector<PlacedGap>& gaps,
                    const Clock& reached);
  Result<bool> renew_links(Space& space, Writer& writer, Stale stale);
  Status renew_span(const Space& space, const Writer& writer, const Span& span, Digest& link,
                    Clock& seen);
  Result<EventPtr> find_event(const Space& space, const Dot& dot) const;
  Result<Clock> seen_at(const Space& space, const Writer& writer, Sequence last) const;

  const ArchiveOptions options_;
  mutable std::mutex mutex_;
  mutable std::condition_variable grown_;
  bool waits_ended_ = false;
  std::unique_ptr<sqlite::Connection> connection_;
  std::unique_ptr<Statements> statements_;
  std::map<std::string, std::unique_ptr<Space>, std::less<>> spaces_;
  ChunkId last_chunk_ = 0;
};

}  // namespace rejoin::node::history
