// The bytes of a chunk of events, and the hashes by which the places that it touches are found.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "rejoin/crdt/chain.h"
#include "rejoin/crdt/event.h"
#include "rejoin/crdt/path.h"
#include "rejoin/crdt/result.h"

namespace rejoin::node::history {

struct LinkedEvent {
  EventPtr event;
  std::uint64_t link = 0;  // beginning of the link of its writer's chain, by which a break is found
};

std::uint64_t beginning(const Digest& link);

// How far a chunk reaches that begins with one of these events, `limit` at most; and whether
// that is a whole one, to which nothing would be added.
constexpr std::size_t chunk_events = 16;
constexpr std::size_t chunk_bytes = 16u << 10;
std::size_t end_of_chunk(const std::vector<LinkedEvent>& events, std::size_t begin,
                         std::size_t limit);
bool is_whole_chunk(const std::vector<LinkedEvent>& events, std::size_t begin, std::size_t end);

// Of a chunk's row.
std::int64_t chunk_checksum(std::int64_t id, std::int64_t space, std::string_view bytes);

std::string encode_chunk(const std::vector<LinkedEvent>& events);
// `corrupt` when they are not the bytes of a chunk.
Result<std::vector<LinkedEvent>> decode_chunk(std::string_view bytes);

// Places as numbers, different for each space. Something written at a path counts `at` that, and
// `below` all places above it.
std::int64_t place_at(std::int64_t space, const Path& path);
std::int64_t place_below(std::int64_t space, const Path& path);
// All that an event counts at and below.
void add_places(std::int64_t space, const Event& event, std::set<std::int64_t>& places);
// Where events count that matter for what is read at a path.
std::vector<std::int64_t> places_of_interest(std::int64_t space, const Path& path);

}  // namespace rejoin::node::history
