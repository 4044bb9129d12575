#include "history/chunk.h"

#include <zstd.h>

#include <memory>

#include "rejoin/crdt/assert.h"
#include "rejoin/crdt/codec.h"
#include "rejoin/crdt/hash.h"
#include "rejoin/crdt/history.h"
#include "rejoin/crdt/limits.h"

namespace rejoin::node::history {
namespace {

constexpr int compression_level = 3;
// A chunk holds one event of the greatest size, or several that are smaller together.
constexpr std::size_t plain_bytes_max = limits::event_bytes_max + (64u << 10);

enum class Direction : std::uint8_t { at = 1, below = 2 };

// Begins with the space, and goes on step by step.
std::uint64_t next_place(std::uint64_t place, const Step& step) {
  std::string bytes;
  Writer out(bytes);
  out.u8(static_cast<std::uint8_t>(step.type));
  step.key.encode(out);
  return hash_bytes(bytes, place).low;
}

std::int64_t place(std::uint64_t hash, Direction direction) {
  return static_cast<std::int64_t>(
      hash_bytes({}, hash + static_cast<std::uint64_t>(direction)).low);
}

std::uint64_t hash_of(std::int64_t space, const Path& path) {
  auto hash = static_cast<std::uint64_t>(space);
  for (const Step& step : path.steps()) hash = next_place(hash, step);
  return hash;
}

Error damaged(const char* what) {
  return make_error(ErrorCode::corrupt, std::string("a chunk of the history is damaged: ") + what);
}

struct Free {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

}  // namespace

std::uint64_t beginning(const Digest& link) { return Reader(link.view()).fixed64(); }

bool is_whole_chunk(const std::vector<LinkedEvent>& events, std::size_t begin, std::size_t end) {
  std::size_t bytes = 0;
  for (std::size_t i = begin; i < end; ++i) bytes += events[i].event->encoded().size();
  return end - begin == chunk_events || bytes >= chunk_bytes;
}

std::size_t end_of_chunk(const std::vector<LinkedEvent>& events, std::size_t begin,
                         std::size_t limit) {
  std::size_t end = begin;
  while (end < limit && !is_whole_chunk(events, begin, end)) ++end;
  return end;
}

std::int64_t chunk_checksum(std::int64_t id, std::int64_t space, std::string_view bytes) {
  const std::uint64_t seed = hash_bytes({}, static_cast<std::uint64_t>(id)).low;
  return static_cast<std::int64_t>(hash_bytes(bytes, seed + static_cast<std::uint64_t>(space)).low);
}

std::string encode_chunk(const std::vector<LinkedEvent>& events) {
  std::string bytes;
  Writer out(bytes);
  out.varint(events.size());
  std::string plain;
  Writer inner(plain);
  for (const LinkedEvent& linked : events) {
    out.fixed64(linked.link);
    inner.bytes(linked.event->encoded());
  }
  static thread_local const std::unique_ptr<ZSTD_CCtx, Free> context(ZSTD_createCCtx());
  std::string packed(ZSTD_compressBound(plain.size()), '\0');
  const std::size_t size = ZSTD_compressCCtx(context.get(), packed.data(), packed.size(),
                                             plain.data(), plain.size(), compression_level);
  REJOIN_ASSERT(!ZSTD_isError(size));
  out.raw(std::string_view(packed).substr(0, size));
  return bytes;
}

Result<std::vector<LinkedEvent>> decode_chunk(std::string_view bytes) {
  Reader in(bytes);
  const std::uint64_t count = in.varint_at_most(in.remaining() / 8);
  std::vector<LinkedEvent> events(static_cast<std::size_t>(count));
  for (LinkedEvent& linked : events) linked.link = in.fixed64();
  const std::string_view packed = in.raw(in.remaining());
  if (!in.ok()) return damaged("it is cut short");
  const unsigned long long size = ZSTD_getFrameContentSize(packed.data(), packed.size());
  if (size == ZSTD_CONTENTSIZE_ERROR || size > plain_bytes_max)
    return damaged("no Zstandard frame");
  static thread_local const std::unique_ptr<ZSTD_DCtx, Free> context(ZSTD_createDCtx());
  std::string plain(static_cast<std::size_t>(size), '\0');
  const std::size_t got =
      ZSTD_decompressDCtx(context.get(), plain.data(), plain.size(), packed.data(), packed.size());
  if (ZSTD_isError(got) || got != plain.size()) return damaged("its Zstandard frame is broken");
  Reader inner(plain);
  for (LinkedEvent& linked : events) {
    auto event = Event::decode(std::string(inner.bytes(limits::event_bytes_max)));
    if (!inner.ok()) return damaged("events are missing in it");
    if (!event.ok()) return damaged(event.error().message.c_str());
    linked.event = *std::move(event);
  }
  if (!inner.at_end()) return damaged("there is more in it than its events");
  return events;
}

std::int64_t place_at(std::int64_t space, const Path& path) {
  return place(hash_of(space, path), Direction::at);
}

std::int64_t place_below(std::int64_t space, const Path& path) {
  return place(hash_of(space, path), Direction::below);
}

void add_places(std::int64_t space, const Event& event, std::set<std::int64_t>& places) {
  for (const Path& path : paths_of(event)) {
    auto hash = static_cast<std::uint64_t>(space);
    for (const Step& step : path.steps()) {
      places.insert(place(hash, Direction::below));
      hash = next_place(hash, step);
    }
    places.insert(place(hash, Direction::at));
  }
}

std::vector<std::int64_t> places_of_interest(std::int64_t space, const Path& path) {
  std::vector<std::int64_t> places;
  auto hash = static_cast<std::uint64_t>(space);
  for (const Step& step : path.steps()) {
    places.push_back(place(hash, Direction::at));
    hash = next_place(hash, step);
  }
  places.push_back(place(hash, Direction::at));
  places.push_back(place(hash, Direction::below));
  return places;
}

}  // namespace rejoin::node::history
