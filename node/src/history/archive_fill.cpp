// Events that came late to an archive: what others are given, and where they are put here.
//
// The order of chunks stays one in which every event comes after what it depends on: where writes
// came without their events, a stretch of chunk numbers was kept free, and the state that brought
// them had all that they depend on. What comes behind in a writer's chain has other links from then
// on, and its writer had seen more; both are computed anew a few chunks at a time.
#include <algorithm>
#include <utility>

#include "history/archive_state.h"
#include "rejoin/crdt/assert.h"

namespace rejoin::node::history {
namespace {

constexpr std::int64_t chunks_given_max = 256;  // are read for one answer
constexpr std::size_t spans_renewed_max = 64;   // in one transaction

Error not_wanted(const Event& event, const char* why) {
  return make_error(ErrorCode::malformed,
                    "a missing event, " + event.id().to_string() + ", " + why);
}

}  // namespace

Result<std::vector<Archive::Hole>> Archive::holes(const std::string& space) const {
  const std::lock_guard guard(mutex_);
  std::vector<Hole> holes;
  const Space* known = find(space);
  if (known == nullptr) return holes;
  auto gaps = placed_gaps(*known);
  if (!gaps.ok()) return std::move(gaps).error();
  std::map<ChunkId, std::vector<Gap>> by_chunk;
  for (const PlacedGap& placed : *gaps) {
    if (placed.chunk) by_chunk[*placed.chunk].push_back(placed.gap);
  }
  for (auto& [chunk, missing] : by_chunk) holes.push_back({chunk, std::move(missing)});
  return holes;
}

Result<std::vector<EventPtr>> Archive::give(const std::string& space,
                                            const std::vector<Gap>& missing,
                                            std::size_t bytes_max) const {
  const std::lock_guard guard(mutex_);
  std::vector<EventPtr> given;
  const Space* known = find(space);
  if (known == nullptr) return given;
  const auto overlaps = [&](const Gap& gap) {
    return std::ranges::any_of(missing, [&](const Gap& wanted) {
      return wanted.writer == gap.writer && wanted.first <= gap.last && gap.first <= wanted.last;
    });
  };
  auto gaps = placed_gaps(*known);
  if (!gaps.ok()) return std::move(gaps).error();
  std::optional<ChunkId> stop;
  for (const PlacedGap& placed : *gaps) {
    if (!overlaps(placed.gap)) continue;
    const ChunkId at = placed.chunk.value_or(0);
    stop = std::min(stop.value_or(at), at);
  }
  std::size_t newest = stop ? 0 : known->newest.size();
  for (const NewGap& gap : known->new_gaps) {
    if (overlaps(gap.gap)) newest = std::min(newest, gap.placed ? gap.before : 0);
  }
  std::optional<ChunkId> from;
  for (const Gap& wanted : missing) {
    const auto writer = known->writers.find(wanted.writer);
    if (writer == known->writers.end()) continue;
    auto spans = spans_from(writer->second, wanted.first, 1);
    if (!spans.ok()) return std::move(spans).error();
    for (const Span& span : *spans) {
      if (span.first <= wanted.last) from = std::min(from.value_or(span.chunk), span.chunk);
    }
  }
  std::size_t bytes = 0;
  const auto take = [&](const EventPtr& event) {
    const bool wanted = std::ranges::any_of(missing, [&](const Gap& gap) {
      return gap.writer == event->writer() && gap.first <= event->first() &&
             event->last() <= gap.last;
    });
    if (!wanted) return;
    bytes += event->encoded().size();
    if (given.empty() || bytes <= bytes_max) given.push_back(event);
  };
  if (from) {
    auto chunks = read_places(place_below(known->id, {}), *from, chunks_given_max);
    if (!chunks.ok()) return std::move(chunks).error();
    for (const ChunkId id : *chunks) {
      if (bytes > bytes_max || (stop && id >= *stop)) return given;
      auto events = read_chunk(id);
      if (!events.ok()) return std::move(events).error();
      for (const LinkedEvent& linked : *events) take(linked.event);
    }
    if (std::ssize(*chunks) == chunks_given_max) return given;
  }
  for (std::size_t i = 0; i < newest; ++i) take(known->newest[i].event);
  return given;
}

// ---- Putting them where they belong ----

// The link of a writer's chain after an event; zeros where none is here that ends so.
Result<Digest> Archive::link_after(const Writer& writer, Sequence last) const {
  auto spans = spans_from(writer, last, 1);
  if (!spans.ok()) return std::move(spans).error();
  const bool there = last > 0 && !spans->empty() && spans->front().last == last;
  return there ? spans->front().link : Digest();
}

Status Archive::check_fill(const Space& space, ChunkId hole, const std::vector<PlacedGap>& gaps,
                           const std::vector<EventPtr>& events) const {
  std::map<ReplicaId, Gap> here;
  std::map<ReplicaId, Sequence> later;  // the first write of each that is missing behind this hole
  for (const PlacedGap& placed : gaps) {
    if (placed.chunk == hole) {
      here.emplace(placed.gap.writer, placed.gap);
    } else if (placed.chunk.value_or(hole) >= hole) {
      const auto [it, added] = later.try_emplace(placed.gap.writer, placed.gap.first);
      if (!added) it->second = std::min(it->second, placed.gap.first);
    }
  }
  for (const EventPtr& event : events) {
    const auto gap = here.find(event->writer());
    if (gap == here.end() || event->first() != gap->second.first ||
        event->last() > gap->second.last) {
      return not_wanted(*event, "is not the next one of its writer");
    }
    for (const auto& [id, sequence] : event->dependencies()) {
      const auto writer = space.writers.find(id);
      const bool known = writer != space.writers.end() && sequence <= writer->second.last;
      const auto open = here.find(id);
      const auto behind = later.find(id);
      const bool missing = (open != here.end() && open->second.first <= sequence &&
                            open->second.first <= open->second.last) ||
                           (behind != later.end() && behind->second <= sequence);
      if (!known || missing) return not_wanted(*event, "depends on what is missing");
    }
    gap->second.first = event->last() + 1;
  }
  return {};
}

Status Archive::fill(const std::string& space, ChunkId hole, const std::vector<EventPtr>& events) {
  const std::lock_guard guard(mutex_);
  Space* known = find(space);
  REJOIN_ASSERT(known != nullptr);
  auto gaps = placed_gaps(*known);
  if (!gaps.ok()) return std::move(gaps).error();
  if (auto status = check_fill(*known, hole, *gaps, events); !status.ok()) return status;

  // How far each writer's chain leads here.
  std::map<ReplicaId, Writer> tails;
  Links links;
  Clock reached;
  std::vector<LinkedEvent> linked;
  for (const EventPtr& event : events) {
    const Writer& writer = known->writers.at(event->writer());
    if (!tails.contains(event->writer())) {
      auto old = stale(writer);
      if (!old.ok()) return std::move(old).error();
      REJOIN_ASSERT(!*old);
      auto link = link_after(writer, event->first() - 1);
      if (!link.ok()) return std::move(link).error();
      Writer& tail = tails[event->writer()];
      tail.id = writer.id;
      tail.replica = writer.replica;
      tail.link = *link;
      tail.seen.reset();  // is looked up
    }
    Digest& link = tails[event->writer()].link;
    link = next_link(link, digest_of(*event));
    links.emplace(event->id(), link);
    linked.push_back({event, beginning(link)});
    reached.advance(event->id());
  }
  const auto write = [&]() -> Status {
    ChunkId next = hole;
    for (std::size_t begin = 0; begin < linked.size(); ++next) {
      const std::size_t end = end_of_chunk(linked, begin, linked.size());
      const std::vector<LinkedEvent> chunk(linked.begin() + static_cast<std::ptrdiff_t>(begin),
                                           linked.begin() + static_cast<std::ptrdiff_t>(end));
      auto status = write_chunk(
          *known, [&](const ReplicaId& id) -> Writer& { return tails.at(id); }, links, chunk, next);
      if (!status.ok()) return status;
      begin = end;
    }
    return close_gaps(*known, hole, next, *gaps, reached);
  };
  if (auto status = in_transaction(write); !status.ok()) return status;
  for (const auto& [replica, tail] : tails) {
    Writer& writer = known->writers.at(replica);
    writer.seen.reset();
    if (reached.get(replica) == writer.last) writer.link = tail.link;
  }
  return {};
}

Status Archive::close_gaps(Space& space, ChunkId hole, ChunkId next,
                           const std::vector<PlacedGap>& gaps, const Clock& reached) {
  for (const auto& [gap, chunk] : gaps) {
    const Sequence filled = reached.get(gap.writer);
    if (chunk != hole || filled == 0) continue;
    const Writer& writer = space.writers.at(gap.writer);
    const auto last = static_cast<std::int64_t>(gap.last);
    const auto behind = static_cast<std::int64_t>(filled) + 1;
    auto status =
        filled < gap.last
            ? statements_->narrow_gap.bind(1, behind).bind(2, writer.id).bind(3, last).run()
            : statements_->drop_gap.bind(1, writer.id).bind(2, last).run();
    if (!status.ok()) return status;
    if (filled < gap.last || writer.last == gap.last) continue;
    status = statements_->put_stale.bind(1, writer.id).bind(2, behind).bind(3, behind).run();
    if (!status.ok()) return status;
  }
  return statements_->move_gaps.bind(1, next).bind(2, hole).run();
}

// ---- What comes behind ----

Result<bool> Archive::renew_links(const std::string& space) {
  const std::lock_guard guard(mutex_);
  Space* known = find(space);
  if (known == nullptr) return false;
  for (auto& [replica, writer] : known->writers) {
    auto old = stale(writer);
    if (!old.ok()) return std::move(old).error();
    if (*old) return renew_links(*known, writer, **old);
  }
  return false;
}

Result<bool> Archive::renew_links(Space& space, Writer& writer, Stale stale) {
  auto link = link_after(writer, stale.next - 1);
  if (!link.ok()) return std::move(link).error();
  auto seen = seen_at(space, writer, stale.next - 1);
  if (!seen.ok()) return std::move(seen).error();
  bool done = false;
  const auto write = [&]() -> Status {
    auto spans = spans_from(writer, stale.next, spans_renewed_max);
    if (!spans.ok()) return std::move(spans).error();
    done = spans->size() < spans_renewed_max;
    for (const Span& span : *spans) {
      // Behind the next gap a chain begins anew.
      if (span.first != stale.next) {
        done = true;
        break;
      }
      if (auto status = renew_span(space, writer, span, *link, *seen); !status.ok()) return status;
      stale.next = span.last + 1;
    }
    if (done) return statements_->drop_stale.bind(1, writer.id).run();
    return statements_->put_stale.bind(1, writer.id)
        .bind(2, static_cast<std::int64_t>(stale.first))
        .bind(3, static_cast<std::int64_t>(stale.next))
        .run();
  };
  if (auto status = in_transaction(write); !status.ok()) return std::move(status).error();
  if (!done) return true;
  for (LinkedEvent& linked : space.newest) {
    const Event& event = *linked.event;
    if (event.writer() != writer.replica || event.first() != stale.next) continue;
    *link = next_link(*link, digest_of(event));
    linked.link = beginning(*link);
    space.newest_links.at(event.id()) = *link;
    stale.next = event.last() + 1;
  }
  if (stale.next == writer.last + 1) writer.link = *link;
  writer.seen.reset();
  return true;
}

Status Archive::renew_span(const Space& space, const Writer& writer, const Span& span, Digest& link,
                           Clock& seen) {
  auto events = read_chunk(span.chunk);
  if (!events.ok()) return std::move(events).error();
  for (LinkedEvent& linked : *events) {
    const Event& event = *linked.event;
    if (event.writer() != writer.replica) continue;
    link = next_link(link, digest_of(event));
    linked.link = beginning(link);
    seen.join(event.dependencies());
    seen.advance(event.id());
  }
  const std::string bytes = encode_chunk(*events);
  auto status = statements_->change_chunk.bind(1, chunk_checksum(span.chunk, space.id, bytes))
                    .bind_blob(2, bytes)
                    .bind(3, span.chunk)
                    .run();
  if (!status.ok()) return status;
  const std::string had_seen = span.seen ? seen.encoded() : std::string();
  sqlite::Statement& change = statements_->change_span;
  change.bind_blob(1, link.view()).bind(3, writer.id).bind(4, static_cast<std::int64_t>(span.last));
  if (span.seen) {
    change.bind_blob(2, had_seen);
  } else {
    change.bind_null(2);
  }
  return change.run();
}

}  // namespace rejoin::node::history
