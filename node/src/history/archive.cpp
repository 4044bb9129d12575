// Opening an archive and writing to it.
#include "history/archive.h"

#include <algorithm>
#include <filesystem>
#include <functional>
#include <limits>
#include <optional>
#include <utility>

#include "history/archive_state.h"
#include "rejoin/crdt/assert.h"
#include "rejoin/crdt/codec.h"
#include "sqlite/tail.h"

namespace rejoin::node::history {
namespace {

constexpr std::int64_t application_id = 0x524A4831;  // "RJH1"
constexpr std::int64_t format_version = 2;
constexpr const char* schema[] = {
    "CREATE TABLE spaces(id INTEGER PRIMARY KEY, name TEXT)",
    "CREATE TABLE writers(id INTEGER PRIMARY KEY, space INTEGER, replica BLOB)",
    "CREATE TABLE chunks(id INTEGER PRIMARY KEY, space INTEGER, checksum INTEGER, bytes BLOB)",
    "CREATE TABLE spans(writer INTEGER, last INTEGER, first INTEGER, chunk INTEGER, time INTEGER, "
    "link BLOB, seen BLOB, PRIMARY KEY(writer, last)) WITHOUT ROWID",
    "CREATE TABLE gaps(writer INTEGER, last INTEGER, first INTEGER, chunk INTEGER, "
    "PRIMARY KEY(writer, last)) WITHOUT ROWID",
    "CREATE TABLE stale(writer INTEGER PRIMARY KEY, first INTEGER, next INTEGER)",
    "CREATE TABLE touched(place INTEGER, chunk INTEGER, PRIMARY KEY(place, chunk)) WITHOUT ROWID",
};

// What a writer had seen is written down with one of so many of its spans.
constexpr std::size_t spans_a_snapshot = 64;
// Numbers that are kept free where events are missing.
constexpr ChunkId chunks_reserved = ChunkId{1} << 32;

std::string_view bytes_of(const ReplicaId& id) {
  return {reinterpret_cast<const char*>(id.bytes.data()), id.bytes.size()};
}

}  // namespace

std::string archive_path(const std::string& directory) { return directory + "/history.db"; }

Archive::Archive(ArchiveOptions options) : options_(std::move(options)) {}

Archive::~Archive() {
  statements_.reset();  // before their connection
}

Result<std::unique_ptr<Archive>> Archive::open(ArchiveOptions options) {
  std::unique_ptr<Archive> archive(new Archive(std::move(options)));
  if (auto status = archive->connect(); !status.ok()) return std::move(status).error();
  if (auto status = archive->load(); !status.ok()) return std::move(status).error();
  return archive;
}

Status Archive::connect() {
  const std::string path = archive_path(options_.directory);
  if (options_.read_only && !std::filesystem::exists(path)) {
    return make_error(ErrorCode::not_found, "no history is kept here: " + path + " does not exist",
                      options_.directory);
  }
  const int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE | SQLITE_OPEN_READWRITE |
                    (options_.read_only ? 0 : SQLITE_OPEN_CREATE);
  auto connection = sqlite::Connection::open(path, flags, options_.vfs);
  if (!connection.ok()) return std::move(connection).error();
  connection_ = *std::move(connection);
  // The lock is taken with the first read, and the log's index is kept in memory instead of in a
  // file.
  std::vector<const char*> settings = {"PRAGMA locking_mode=EXCLUSIVE", "PRAGMA mmap_size=0",
                                       "PRAGMA cell_size_check=ON", "PRAGMA cache_size=-32768",
                                       "PRAGMA trusted_schema=OFF"};
  if (options_.read_only) {
    settings.push_back("PRAGMA query_only=ON");
  } else {
    // What the last commits before a crash have written may be gone afterwards: the store's log has
    // it still. store_all() syncs.
    settings.insert(settings.end(), {"PRAGMA journal_mode=WAL", "PRAGMA synchronous=NORMAL"});
  }
  for (const char* setting : settings) {
    if (auto status = connection_->execute(setting); !status.ok()) return status;
  }
  auto id = connection_->query_integer("PRAGMA application_id");
  auto version = connection_->query_integer("PRAGMA user_version");
  auto objects = connection_->query_integer("SELECT count(*) FROM sqlite_schema");
  for (const auto* answer : {&id, &version, &objects}) {
    if (!answer->ok()) return answer->error();
  }
  if (*objects == 0 && !options_.read_only) {
    std::string sql = "BEGIN IMMEDIATE;PRAGMA application_id=" + std::to_string(application_id) +
                      ";PRAGMA user_version=" + std::to_string(format_version) + ";";
    for (const char* table : schema) sql += std::string(table) + ";";
    return connection_->execute((sql + "COMMIT").c_str());
  }
  if (*id != application_id) return connection_->corrupt("this is no history of a node");
  if (*version != format_version) {
    return make_error(ErrorCode::unsupported_version,
                      "the history has format " + std::to_string(*version) +
                          ", and this program knows format " + std::to_string(format_version),
                      path);
  }
  return {};
}

Status Archive::load() {
  statements_ = std::make_unique<Statements>();
  Statements& s = *statements_;
  const std::pair<sqlite::Statement*, const char*> wanted[] = {
      {&s.put_space, "INSERT INTO spaces VALUES(?, ?)"},
      {&s.put_writer, "INSERT INTO writers VALUES(?, ?, ?)"},
      {&s.put_chunk, "INSERT INTO chunks VALUES(?, ?, ?, ?)"},
      {&s.put_span, "INSERT INTO spans VALUES(?, ?, ?, ?, ?, ?, ?)"},
      {&s.put_gap, "INSERT INTO gaps VALUES(?, ?, ?, ?)"},
      {&s.put_stale, "INSERT OR REPLACE INTO stale VALUES(?, ?, ?)"},
      {&s.put_touched, "INSERT OR IGNORE INTO touched VALUES(?, ?)"},
      {&s.last_span,
       "SELECT first, last, chunk, time, link, seen FROM spans WHERE writer = ? "
       "ORDER BY last DESC LIMIT 1"},
      {&s.last_gap, "SELECT last FROM gaps WHERE writer = ? ORDER BY last DESC LIMIT 1"},
      {&s.spans,
       "SELECT first, last, chunk, time, link, seen FROM spans WHERE writer = ? AND "
       "last >= ? ORDER BY last LIMIT 1"},
      {&s.seen_span,
       "SELECT last FROM spans WHERE writer = ? AND last < ? AND seen IS NOT NULL "
       "ORDER BY last DESC LIMIT 1"},
      {&s.gaps, "SELECT first, last, chunk FROM gaps WHERE writer = ? ORDER BY last"},
      {&s.stale, "SELECT first, next FROM stale WHERE writer = ?"},
      {&s.chunk, "SELECT space, checksum, bytes FROM chunks WHERE id = ?"},
      {&s.touched,
       "SELECT chunk FROM touched WHERE place = ? AND chunk >= ? ORDER BY chunk LIMIT ?"},
      {&s.is_touched, "SELECT count(*) FROM touched WHERE place = ? AND chunk = ?"},
      {&s.drop_chunk, "DELETE FROM chunks WHERE id = ?"},
      {&s.drop_spans, "DELETE FROM spans WHERE writer = ? AND chunk >= ?"},
      {&s.drop_gap, "DELETE FROM gaps WHERE writer = ? AND last = ?"},
      {&s.drop_stale, "DELETE FROM stale WHERE writer = ?"},
      {&s.drop_touched, "DELETE FROM touched WHERE place = ? AND chunk = ?"},
      {&s.change_chunk, "UPDATE chunks SET checksum = ?, bytes = ? WHERE id = ?"},
      {&s.change_span, "UPDATE spans SET link = ?, seen = ? WHERE writer = ? AND last = ?"},
      {&s.narrow_gap, "UPDATE gaps SET first = ? WHERE writer = ? AND last = ?"},
      {&s.move_gaps, "UPDATE gaps SET chunk = ? WHERE chunk = ?"},
  };
  for (const auto& [statement, sql] : wanted) {
    auto prepared = connection_->prepare(sql);
    if (!prepared.ok()) return std::move(prepared).error();
    *statement = *std::move(prepared);
  }
  auto last = connection_->query_integer("SELECT max(id) FROM chunks");
  if (!last.ok()) return std::move(last).error();
  auto reserved = connection_->query_integer("SELECT max(chunk) FROM gaps");
  if (!reserved.ok()) return std::move(reserved).error();
  last_chunk_ = std::max(*last, *reserved > 0 ? *reserved + chunks_reserved : 0);
  auto spaces = connection_->prepare("SELECT id, name FROM spaces ORDER BY id");
  if (!spaces.ok()) return std::move(spaces).error();
  std::map<std::int64_t, Space*> by_id;
  while (true) {
    auto row = spaces->step();
    if (!row.ok()) return std::move(row).error();
    if (!*row) break;
    auto space = std::make_unique<Space>();
    space->id = spaces->integer(0);
    space->name = spaces->bytes(1);
    by_id[space->id] = space.get();
    const std::string name = space->name;
    if (!spaces_.emplace(name, std::move(space)).second) {
      return connection_->corrupt("two spaces of the history have the name " + name);
    }
  }
  auto writers = connection_->prepare("SELECT id, space, replica FROM writers ORDER BY id");
  if (!writers.ok()) return std::move(writers).error();
  while (true) {
    auto row = writers->step();
    if (!row.ok()) return std::move(row).error();
    if (!*row) break;
    const std::string_view replica = writers->bytes(2);
    const auto space = by_id.find(writers->integer(1));
    if (replica.size() != sizeof(ReplicaId) || space == by_id.end()) {
      return connection_->corrupt("a writer of the history is damaged");
    }
    Writer writer;
    writer.id = writers->integer(0);
    std::copy(replica.begin(), replica.end(), writer.replica.bytes.begin());
    space->second->writers.emplace(writer.replica, std::move(writer));
  }
  for (auto& [name, space] : spaces_) {
    if (auto status = restore(*space); !status.ok()) return status;
  }
  return {};
}

// How far the writers are, from their last spans and gaps.
Status Archive::restore(Space& space) {
  for (auto& [replica, writer] : space.writers) {
    writer.last = 0;
    writer.link = {};
    writer.seen = Clock();
    sqlite::Statement& gap = statements_->last_gap;
    auto row = gap.bind(1, writer.id).step();
    if (!row.ok()) return std::move(row).error();
    if (*row) writer.last = static_cast<Sequence>(gap.integer(0));
    gap.reset();
    auto last = read_span(statements_->last_span.bind(1, writer.id));
    if (!last.ok()) return std::move(last).error();
    if (!*last || (*last)->last < writer.last) continue;
    writer.last = (*last)->last;
    writer.link = (*last)->link;
    writer.seen.reset();
    writer.spans_since = spans_a_snapshot;  // the next one writes it down
  }
  return {};
}

Status Archive::begin(const std::string& space, const Clock& clock) {
  const std::lock_guard guard(mutex_);
  Space* known = find(space);
  if (known == nullptr) {
    auto made = std::make_unique<Space>();
    made->id = static_cast<std::int64_t>(spaces_.size()) + 1;
    made->name = space;
    if (auto status = statements_->put_space.bind(1, made->id).bind_text(2, space).run();
        !status.ok()) {
      return status;
    }
    spaces_.emplace(space, std::move(made));
    // Before anything of it is acknowledged: whoever starts without it does not know that the log's
    // events belong here.
    return sqlite::sync_log(connection_->handle());
  }
  // What came before history was turned off.
  if (auto status = write_chunks(*known, true); !status.ok()) return status;
  return drop_beyond(*known, clock);
}

// Chunks follow each other as the events were applied, so that what is beyond is at their end. What
// stands there, but is within the clock, comes again in the same order.
Status Archive::drop_beyond(Space& space, const Clock& clock) {
  auto first = first_chunk_beyond(space, clock);
  if (!first.ok()) return std::move(first).error();
  auto gaps = placed_gaps(space);
  if (!gaps.ok()) return std::move(gaps).error();
  const ChunkId from = first->value_or(std::numeric_limits<ChunkId>::max());
  std::erase_if(*gaps, [&](const PlacedGap& placed) {
    return placed.chunk.value_or(from - 1) < from && clock.includes(placed.gap.end());
  });
  std::vector<PlacedEvent> kept;
  const auto drop = [&]() -> Status {
    if (*first) {
      if (auto status = drop_chunks(space, from, clock, kept); !status.ok()) return status;
    }
    for (const PlacedGap& placed : *gaps) {
      auto status = statements_->drop_gap.bind(1, space.writers.at(placed.gap.writer).id)
                        .bind(2, static_cast<std::int64_t>(placed.gap.last))
                        .run();
      if (!status.ok()) return status;
    }
    return {};
  };
  if (auto status = in_transaction(drop); !status.ok()) return status;
  if (auto status = restore(space); !status.ok()) return status;
  std::sort(gaps->begin(), gaps->end(),
            [](const PlacedGap& a, const PlacedGap& b) { return a.chunk < b.chunk; });
  auto gap = gaps->begin();
  const auto skip_before = [&](ChunkId chunk) {
    for (; gap != gaps->end() && gap->chunk.value_or(0) <= chunk; ++gap) {
      if (clock.includes(gap->gap.end())) skip(space, gap->gap.end(), gap->chunk.has_value());
    }
  };
  for (const PlacedEvent& placed : kept) {
    skip_before(placed.chunk);
    add(space, placed.event);
  }
  skip_before(std::numeric_limits<ChunkId>::max());
  return {};
}

// All chunks from one on; `kept` are their events within `clock`.
Status Archive::drop_chunks(Space& space, ChunkId from, const Clock& clock,
                            std::vector<PlacedEvent>& kept) {
  auto chunks = read_places(place_below(space.id, {}), from);
  if (!chunks.ok()) return std::move(chunks).error();
  for (const ChunkId id : *chunks) {
    auto events = read_chunk(id);
    if (!events.ok()) return std::move(events).error();
    std::set<std::int64_t> places = {place_below(space.id, {})};
    for (const LinkedEvent& linked : *events) {
      add_places(space.id, *linked.event, places);
      if (clock.includes(linked.event->id())) kept.push_back({id, linked.event});
    }
    for (const std::int64_t place : places) {
      auto status = statements_->drop_touched.bind(1, place).bind(2, id).run();
      if (!status.ok()) return status;
    }
    if (auto status = statements_->drop_chunk.bind(1, id).run(); !status.ok()) return status;
  }
  for (const auto& [replica, writer] : space.writers) {
    auto status = statements_->drop_spans.bind(1, writer.id).bind(2, from).run();
    if (!status.ok()) return status;
  }
  return {};
}

void Archive::add(const std::string& space, const EventPtr& event) {
  const std::lock_guard guard(mutex_);
  Space* known = find(space);
  REJOIN_ASSERT(known != nullptr);
  add(*known, event);
  grown_.notify_all();
}

Archive::Writer& Archive::writer_of(Space& space, const ReplicaId& replica) {
  Writer& writer = space.writers[replica];
  writer.replica = replica;
  return writer;
}

void Archive::add(Space& space, const EventPtr& event) {
  Writer& writer = writer_of(space, event->writer());
  if (event->last() <= writer.last) return;
  skip(space, {event->writer(), event->first() - 1}, true);
  writer.last = event->last();
  writer.link = next_link(writer.link, digest_of(*event));
  space.newest.push_back({event, beginning(writer.link)});
  space.newest_links.emplace(event->id(), writer.link);
  space.newest_bytes += event->encoded().size();
}

void Archive::skip(const std::string& space, const Clock& clock, bool placed) {
  const std::lock_guard guard(mutex_);
  Space* known = find(space);
  REJOIN_ASSERT(known != nullptr);
  for (const auto& [replica, sequence] : clock) skip(*known, {replica, sequence}, placed);
  grown_.notify_all();
}

void Archive::skip(Space& space, const Dot& last, bool placed) {
  Writer& writer = writer_of(space, last.replica);
  if (last.sequence <= writer.last) return;
  // One gap of a writer at one place.
  const NewGap gap{{last.replica, writer.last + 1, last.sequence}, space.newest.size(), placed};
  const auto longer = std::ranges::find_if(space.new_gaps, [&](const NewGap& g) {
    return g.gap.writer == last.replica && g.gap.last == writer.last && g.before == gap.before &&
           g.placed == placed;
  });
  if (longer != space.new_gaps.end()) {
    longer->gap.last = last.sequence;
  } else {
    space.new_gaps.push_back(gap);
  }
  writer.last = last.sequence;
  writer.link = {};
}

Status Archive::store() {
  const std::lock_guard guard(mutex_);
  std::vector<Space*> due;
  for (const auto& [name, space] : spaces_) {
    // A gap is written at once: where in the order it is, the store's log does not say.
    if (space->newest.size() >= chunk_events || space->newest_bytes >= chunk_bytes ||
        !space->new_gaps.empty()) {
      due.push_back(space.get());
    }
  }
  for (Space* space : due) {
    if (auto status = write_chunks(*space, false); !status.ok()) return status;
  }
  return {};
}

Status Archive::store_all(const std::string& space) {
  const std::lock_guard guard(mutex_);
  Space* known = find(space);
  REJOIN_ASSERT(known != nullptr);
  if (auto status = write_chunks(*known, true); !status.ok()) return status;
  return sqlite::sync_log(connection_->handle());
}

// Nothing changes in memory unless all of it is written.
Status Archive::write_chunks(Space& space, bool all) {
  std::size_t begin = 0;
  ChunkId next = last_chunk_ + 1;
  ChangedWriters writers(space);
  // Of the last chunk of those only a whole one, but for `rest`.
  const auto write_up_to = [&](std::size_t limit, bool rest) -> Status {
    while (begin < limit) {
      const std::size_t end = end_of_chunk(space.newest, begin, limit);
      if (end == limit && !rest && !is_whole_chunk(space.newest, begin, end)) return {};
      const std::vector<LinkedEvent> events(
          space.newest.begin() + static_cast<std::ptrdiff_t>(begin),
          space.newest.begin() + static_cast<std::ptrdiff_t>(end));
      auto status = write_chunk(
          space, [&](const ReplicaId& id) -> Writer& { return writers.get(id); },
          space.newest_links, events, next);
      if (!status.ok()) return status;
      begin = end;
      ++next;
    }
    return {};
  };
  const auto write = [&]() -> Status {
    for (auto gap = space.new_gaps.begin(); gap != space.new_gaps.end();) {
      const std::size_t before = gap->before;
      if (auto status = write_up_to(before, true); !status.ok()) return status;
      for (; gap != space.new_gaps.end() && gap->before == before; ++gap) {
        auto status = write_gap(space, writers.get(gap->gap.writer), *gap, next);
        if (!status.ok()) return status;
      }
      next += chunks_reserved;
    }
    return write_up_to(space.newest.size(), all);
  };
  if (auto status = in_transaction(write); !status.ok()) return status;
  for (std::size_t i = 0; i < begin; ++i) {
    space.newest_bytes -= space.newest[i].event->encoded().size();
    space.newest_links.erase(space.newest[i].event->id());
  }
  space.newest.erase(space.newest.begin(),
                     space.newest.begin() + static_cast<std::ptrdiff_t>(begin));
  space.new_gaps.clear();
  writers.adopt();
  last_chunk_ = next - 1;
  return {};
}

Status Archive::number(const Space& space, Writer& writer) {
  if (writer.id != 0) return {};
  auto id = connection_->query_integer("SELECT max(id) FROM writers");
  if (!id.ok()) return std::move(id).error();
  writer.id = *id + 1;
  return statements_->put_writer.bind(1, writer.id)
      .bind(2, space.id)
      .bind_blob(3, bytes_of(writer.replica))
      .run();
}

Status Archive::write_gap(const Space& space, Writer& writer, const NewGap& gap, ChunkId chunk) {
  if (auto status = number(space, writer); !status.ok()) return status;
  sqlite::Statement& put = statements_->put_gap;
  put.bind(1, writer.id)
      .bind(2, static_cast<std::int64_t>(gap.gap.last))
      .bind(3, static_cast<std::int64_t>(gap.gap.first));
  if (gap.placed) {
    put.bind(4, chunk);
  } else {
    put.bind_null(4);
  }
  return put.run();
}

Status Archive::write_chunk(const Space& space, const WriterOf& writer_of, const Links& links,
                            const std::vector<LinkedEvent>& events, ChunkId id) {
  const std::string bytes = encode_chunk(events);
  auto status = statements_->put_chunk.bind(1, id)
                    .bind(2, space.id)
                    .bind(3, chunk_checksum(id, space.id, bytes))
                    .bind_blob(4, bytes)
                    .run();
  if (!status.ok()) return status;
  std::map<ReplicaId, Span> spans;
  std::set<std::int64_t> places = {place_below(space.id, {})};
  for (const LinkedEvent& linked : events) {
    const Event& event = *linked.event;
    Span& span =
        spans.try_emplace(event.writer(), Span{event.first(), 0, id, {}, {}, {}}).first->second;
    span.last = event.last();
    span.time = event.time();
    span.link = links.at(event.id());
    Writer& writer = writer_of(event.writer());
    if (!writer.seen) {
      auto seen = seen_at(space, writer, event.first() - 1);
      if (!seen.ok()) return std::move(seen).error();
      writer.seen = *std::move(seen);
    }
    writer.seen->join(event.dependencies());
    writer.seen->advance(event.id());
    add_places(space.id, event, places);
  }
  for (auto& [replica, span] : spans) {
    Writer& writer = writer_of(replica);
    if (status = number(space, writer); !status.ok()) return status;
    const bool snapshot = ++writer.spans_since >= spans_a_snapshot;
    if (snapshot) writer.spans_since = 0;
    const std::string seen = snapshot ? writer.seen->encoded() : std::string();
    sqlite::Statement& put = statements_->put_span;
    put.bind(1, writer.id)
        .bind(2, static_cast<std::int64_t>(span.last))
        .bind(3, static_cast<std::int64_t>(span.first))
        .bind(4, id)
        .bind(5, static_cast<std::int64_t>(span.time.value))
        .bind_blob(6, span.link.view());
    if (snapshot) {
      put.bind_blob(7, seen);
    } else {
      put.bind_null(7);
    }
    if (status = put.run(); !status.ok()) return status;
  }
  for (const std::int64_t place : places) {
    status = statements_->put_touched.bind(1, place).bind(2, id).run();
    if (!status.ok()) return status;
  }
  return {};
}

Status Archive::in_transaction(const std::function<Status()>& write) {
  if (auto status = connection_->execute("BEGIN IMMEDIATE"); !status.ok()) return status;
  auto status = write();
  if (status.ok()) status = connection_->execute("COMMIT");
  if (!status.ok() && connection_->in_transaction()) (void)connection_->execute("ROLLBACK");
  return status;
}

}  // namespace rejoin::node::history
