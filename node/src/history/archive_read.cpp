// Reading an archive.
#include <algorithm>
#include <utility>

#include "history/archive_state.h"
#include "rejoin/crdt/assert.h"

namespace rejoin::node::history {
namespace {

bool has_dot(const Event& event, const Dot& dot) {
  return event.writer() == dot.replica && event.first() <= dot.sequence &&
         dot.sequence <= event.last();
}

std::vector<EventPtr> events_of(const std::vector<LinkedEvent>& linked) {
  std::vector<EventPtr> events;
  events.reserve(linked.size());
  for (const LinkedEvent& one : linked) events.push_back(one.event);
  return events;
}

}  // namespace

// ---- Rows ----

Result<std::vector<LinkedEvent>> Archive::read_chunk(ChunkId id) const {
  sqlite::Statement& query = statements_->chunk;
  auto row = query.bind(1, id).step();
  if (!row.ok()) return std::move(row).error();
  const std::string name = "chunk " + std::to_string(id) + " of the history";
  if (!*row) return connection_->corrupt(name + " is missing");
  const std::int64_t space = query.integer(0);
  const std::int64_t checksum = query.integer(1);
  const std::string bytes(query.bytes(2));
  query.reset();
  if (chunk_checksum(id, space, bytes) != checksum) {
    return connection_->corrupt(name + " has a wrong checksum");
  }
  return decode_chunk(bytes);
}

// The first `limit` of them; -1: all.
Result<std::vector<ChunkId>> Archive::read_places(std::int64_t place, ChunkId from,
                                                  std::int64_t limit) const {
  std::vector<ChunkId> chunks;
  sqlite::Statement& query = statements_->touched;
  query.bind(1, place).bind(2, from).bind(3, limit);
  while (true) {
    auto row = query.step();
    if (!row.ok()) return std::move(row).error();
    if (!*row) return chunks;
    chunks.push_back(query.integer(0));
  }
}

Result<std::optional<Archive::Span>> Archive::read_span(sqlite::Statement& query) {
  auto row = query.step();
  if (!row.ok()) return std::move(row).error();
  if (!*row) return std::optional<Span>();
  Span span;
  span.first = static_cast<Sequence>(query.integer(0));
  span.last = static_cast<Sequence>(query.integer(1));
  span.chunk = query.integer(2);
  span.time = HybridTime{static_cast<std::uint64_t>(query.integer(3))};
  const std::string_view link = query.bytes(4);
  if (link.size() == span.link.bytes.size()) {
    std::copy(link.begin(), link.end(), span.link.bytes.begin());
  }
  if (!query.is_null(5)) {
    auto seen = Clock::decode(query.bytes(5));
    if (!seen.ok()) return std::move(seen).error();
    span.seen = *std::move(seen);
  }
  query.reset();
  return std::optional<Span>(std::move(span));
}

// The first spans that do not end before `from`.
Result<std::vector<Archive::Span>> Archive::spans_from(const Writer& writer, Sequence from,
                                                       std::size_t count) const {
  std::vector<Span> spans;
  while (spans.size() < count) {
    sqlite::Statement& query = statements_->spans;
    auto span = read_span(query.bind(1, writer.id).bind(2, static_cast<std::int64_t>(from)));
    if (!span.ok()) return std::move(span).error();
    if (!*span) break;
    from = (*span)->last + 1;
    spans.push_back(**std::move(span));
  }
  return spans;
}

// ---- Questions ----

Archive::Space* Archive::find(const std::string& space) const {
  const auto found = spaces_.find(space);
  return found == spaces_.end() ? nullptr : found->second.get();
}

std::vector<std::string> Archive::spaces() const {
  const std::lock_guard guard(mutex_);
  std::vector<std::string> names;
  for (const auto& [name, space] : spaces_) names.push_back(name);
  return names;
}

bool Archive::has_space(const std::string& space) const {
  const std::lock_guard guard(mutex_);
  return find(space) != nullptr;
}

Clock Archive::clock(const std::string& space) const {
  const std::lock_guard guard(mutex_);
  Clock clock;
  if (const Space* known = find(space)) {
    for (const auto& [replica, writer] : known->writers) {
      if (writer.last > 0) clock.set(replica, writer.last);
    }
  }
  return clock;
}

// Without those that are not written yet.
Result<std::vector<Archive::PlacedGap>> Archive::placed_gaps(const Space& space) const {
  std::vector<PlacedGap> gaps;
  for (const auto& [replica, writer] : space.writers) {
    sqlite::Statement& query = statements_->gaps;
    query.bind(1, writer.id);
    while (true) {
      auto row = query.step();
      if (!row.ok()) return std::move(row).error();
      if (!*row) break;
      PlacedGap placed{{replica, static_cast<Sequence>(query.integer(0)),
                        static_cast<Sequence>(query.integer(1))},
                       std::nullopt};
      if (!query.is_null(2)) placed.chunk = query.integer(2);
      gaps.push_back(placed);
    }
  }
  return gaps;
}

Result<std::optional<Archive::Stale>> Archive::stale(const Writer& writer) const {
  sqlite::Statement& query = statements_->stale;
  auto row = query.bind(1, writer.id).step();
  if (!row.ok()) return std::move(row).error();
  if (!*row) return std::optional<Stale>();
  const Stale stale{static_cast<Sequence>(query.integer(0)),
                    static_cast<Sequence>(query.integer(1))};
  query.reset();
  return std::optional(stale);
}

Result<std::vector<Gap>> Archive::gaps(const std::string& space) const {
  const std::lock_guard guard(mutex_);
  std::vector<Gap> gaps;
  const Space* known = find(space);
  if (known == nullptr) return gaps;
  auto written = placed_gaps(*known);
  if (!written.ok()) return std::move(written).error();
  for (const PlacedGap& placed : *written) gaps.push_back(placed.gap);
  for (const NewGap& gap : known->new_gaps) gaps.push_back(gap.gap);
  return gaps;
}

Result<Archive::Places> Archive::touching(const std::string& space, const Path& place) const {
  const std::lock_guard guard(mutex_);
  Places places;
  const Space* known = find(space);
  if (known == nullptr) return places;
  for (const std::int64_t one : places_of_interest(known->id, place)) {
    auto chunks = read_places(one, 0);
    if (!chunks.ok()) return std::move(chunks).error();
    places.chunks.insert(places.chunks.end(), chunks->begin(), chunks->end());
  }
  std::sort(places.chunks.begin(), places.chunks.end());
  places.chunks.erase(std::unique(places.chunks.begin(), places.chunks.end()), places.chunks.end());
  places.newest = events_of(known->newest);
  return places;
}

Result<std::optional<ChunkId>> Archive::first_chunk_beyond(const Space& space,
                                                           const Clock& clock) const {
  std::optional<ChunkId> from;
  for (const auto& [replica, writer] : space.writers) {
    const Sequence kept = clock.get(replica);
    if (writer.last <= kept) continue;
    auto spans = spans_from(writer, kept + 1, 1);
    if (!spans.ok()) return std::move(spans).error();
    for (const Span& span : *spans) from = std::min(from.value_or(span.chunk), span.chunk);
  }
  return from;
}

Result<Archive::Places> Archive::beyond(const std::string& space, const Clock& clock) const {
  const std::lock_guard guard(mutex_);
  Places places;
  const Space* known = find(space);
  if (known == nullptr) return places;
  auto from = first_chunk_beyond(*known, clock);
  if (!from.ok()) return std::move(from).error();
  if (*from) {
    auto chunks = read_places(place_below(known->id, {}), **from);
    if (!chunks.ok()) return std::move(chunks).error();
    places.chunks = *std::move(chunks);
  }
  places.newest = events_of(known->newest);
  return places;
}

Result<std::vector<EventPtr>> Archive::chunk(ChunkId id) const {
  const std::lock_guard guard(mutex_);
  auto linked = read_chunk(id);
  if (!linked.ok()) return std::move(linked).error();
  return events_of(*linked);
}

void Archive::wait_beyond(const std::string& space, const Clock& clock,
                          std::chrono::milliseconds timeout) const {
  std::unique_lock lock(mutex_);
  grown_.wait_for(lock, timeout, [&] {
    const Space* known = find(space);
    return waits_ended_ || known == nullptr ||
           std::ranges::any_of(known->writers, [&](const auto& entry) {
             return entry.second.last > clock.get(entry.first);
           });
  });
}

void Archive::end_waits() {
  const std::lock_guard guard(mutex_);
  waits_ended_ = true;
  grown_.notify_all();
}

Result<EventPtr> Archive::event(const std::string& space, const Dot& dot) const {
  const std::lock_guard guard(mutex_);
  const Space* known = find(space);
  if (known == nullptr) return EventPtr();
  return find_event(*known, dot);
}

Result<EventPtr> Archive::find_event(const Space& space, const Dot& dot) const {
  const auto writer = space.writers.find(dot.replica);
  if (writer == space.writers.end()) return EventPtr();
  for (const LinkedEvent& linked : space.newest) {
    if (has_dot(*linked.event, dot)) return linked.event;
  }
  auto spans = spans_from(writer->second, dot.sequence, 1);
  if (!spans.ok()) return std::move(spans).error();
  if (spans->empty() || dot.sequence < spans->front().first) return EventPtr();
  auto events = read_chunk(spans->front().chunk);
  if (!events.ok()) return std::move(events).error();
  for (const LinkedEvent& linked : *events) {
    if (has_dot(*linked.event, dot)) return linked.event;
  }
  return EventPtr();
}

// A writer's times only grow, so that its spans are in the order of time, too.
Result<Sequence> Archive::last_until(const std::string& space, const ReplicaId& replica,
                                     HybridTime time) const {
  const std::lock_guard guard(mutex_);
  const Space* known = find(space);
  if (known == nullptr) return Sequence{0};
  const auto found = known->writers.find(replica);
  if (found == known->writers.end()) return Sequence{0};
  Sequence last = 0;
  for (const LinkedEvent& linked : known->newest) {
    const Event& event = *linked.event;
    if (event.writer() == replica && event.time() <= time) last = event.last();
  }
  if (last > 0) return last;
  // The first span that ends later than `time`, by halving the sequences.
  Sequence low = 0;
  Sequence high = found->second.last;
  while (low < high) {
    const Sequence middle = low + (high - low) / 2;
    auto spans = spans_from(found->second, middle + 1, 1);
    if (!spans.ok()) return std::move(spans).error();
    if (spans->empty() || spans->front().time > time) {
      high = middle;
    } else {
      low = spans->front().last;
    }
  }
  // Here are all spans up to `low`; the next one may have begun in time.
  auto next = spans_from(found->second, low + 1, 1);
  if (!next.ok()) return std::move(next).error();
  if (next->empty()) return low;
  auto events = read_chunk(next->front().chunk);
  if (!events.ok()) return std::move(events).error();
  for (const LinkedEvent& linked : *events) {
    const Event& event = *linked.event;
    if (event.writer() == replica && event.time() <= time) low = std::max(low, event.last());
  }
  return low;
}

Result<Clock> Archive::seen(const std::string& space, const ReplicaId& replica,
                            Sequence last) const {
  const std::lock_guard guard(mutex_);
  const Space* known = find(space);
  if (known == nullptr) return Clock();
  const auto writer = known->writers.find(replica);
  if (writer == known->writers.end()) return Clock();
  return seen_at(*known, writer->second, last);
}

// From where it was written down last before that, event by event.
Result<Clock> Archive::seen_at(const Space& space, const Writer& writer, Sequence last) const {
  Clock seen;
  Sequence from = 1;
  sqlite::Statement& snapshot = statements_->seen_span;
  auto row = snapshot.bind(1, writer.id).bind(2, static_cast<std::int64_t>(last) + 1).step();
  if (!row.ok()) return std::move(row).error();
  if (*row) {
    from = static_cast<Sequence>(snapshot.integer(0));
    snapshot.reset();
    auto spans = spans_from(writer, from, 1);
    if (!spans.ok()) return std::move(spans).error();
    if (!spans->empty() && spans->front().seen) seen = *spans->front().seen;
    ++from;
  }
  const auto take = [&](const std::vector<LinkedEvent>& events) {
    for (const LinkedEvent& linked : events) {
      const Event& event = *linked.event;
      if (event.writer() != writer.replica || event.last() > last) continue;
      seen.join(event.dependencies());
      seen.advance(event.id());
    }
  };
  while (from <= last) {
    auto spans = spans_from(writer, from, 1);
    if (!spans.ok()) return std::move(spans).error();
    if (spans->empty()) break;
    auto events = read_chunk(spans->front().chunk);
    if (!events.ok()) return std::move(events).error();
    take(*events);
    from = spans->front().last + 1;
  }
  take(space.newest);
  return seen;
}

Result<Heads> Archive::heads(const std::string& space) const {
  Heads heads;
  auto missing = gaps(space);
  if (!missing.ok()) return std::move(missing).error();
  const std::lock_guard guard(mutex_);
  if (const Space* known = find(space)) {
    for (const auto& [replica, writer] : known->writers) {
      const bool whole = std::none_of(missing->begin(), missing->end(),
                                      [&](const Gap& gap) { return gap.writer == replica; });
      auto old = stale(writer);
      if (!old.ok()) return std::move(old).error();
      if (whole && !*old && writer.last > 0)
        heads.emplace(replica, ChainHead{writer.last, writer.link});
    }
  }
  return heads;
}

}  // namespace rejoin::node::history
