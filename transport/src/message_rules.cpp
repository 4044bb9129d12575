#include "message_rules.h"

#include <algorithm>
#include <type_traits>

#include "rejoin/crdt/limits.h"
#include "rejoin/crdt/value.h"

namespace rejoin::transport {
namespace {

// By alternative: names of bodies in the order of Body.
constexpr const char* kind_names[] = {"hello",   "summary",      "digests",       "clock_report",
                                      "events",  "ack",          "chunk",         "chunk_ack",
                                      "reject",  "sketch",       "sketch_answer", "neighbour",
                                      "rumours", "want_history", "history"};
static_assert(std::size(kind_names) == std::variant_size_v<Body>);

bool has_control_characters(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
}

const char* broken(const Hello&) { return nullptr; }
const char* broken(const Summary&) { return nullptr; }
const char* broken(const ClockReport&) { return nullptr; }
const char* broken(const Neighbour& body) {
  const auto can_be = [](const std::string& endpoint) {
    return endpoint.size() <= endpoint_bytes_max && is_valid_utf8(endpoint) &&
           !has_control_characters(endpoint);
  };
  if (!can_be(body.endpoint)) return "names an endpoint that cannot be one";
  if (body.others.size() > contacts_max) return "names too many others";
  for (const Neighbour::Contact& contact : body.others) {
    if (!is_valid_name(contact.name)) return "names a node without a valid name";
    if (!can_be(contact.endpoint)) return "names an endpoint that cannot be one";
  }
  return nullptr;
}

const char* broken(const Ack& body) {
  return body.enough.size() > writers_enough_max ? "has enough of too many writers" : nullptr;
}

const char* broken(const Rumours& body) {
  if (body.rumours.size() > rumours_max) return "holds too many rumours";
  for (const Rumour& rumour : body.rumours) {
    if (!is_valid_name(rumour.member)) return "holds a rumour of nobody";
    if (rumour.number > rumour_number_max) return "holds a rumour of too high a number";
  }
  return nullptr;
}

const char* broken(const Digests& body) {
  if (body.digests.size() > digests_max) return "holds too many digests";
  const bool named = std::all_of(body.digests.begin(), body.digests.end(),
                                 [](const SpaceDigest& d) { return is_valid_name(d.space); });
  return named ? nullptr : "holds a digest of a space without a valid name";
}

const char* broken(const Events& body) {
  if (body.events.empty()) return "holds no events";
  if (body.events.size() > events_max) return "holds too many events";
  return nullptr;
}

const char* broken(const Chunk& body) {
  if (body.bytes.empty()) return "holds an empty chunk";
  if (body.bytes.size() > chunk_bytes_max) return "holds a chunk that is too long";
  if (body.total_bytes > limits::delta_bytes_max) return "is part of a transfer that is too long";
  // In this order nothing overflows.
  if (body.offset >= body.total_bytes || body.bytes.size() > body.total_bytes - body.offset) {
    return "holds a chunk that goes past the end of its transfer";
  }
  return nullptr;
}

const char* broken(const ChunkAck& body) {
  return body.received > limits::delta_bytes_max ? "acknowledges more than a transfer can have"
                                                 : nullptr;
}

// A symbol takes at least 13 bytes, and at most 22.
const char* broken(const Sketch& body) {
  if (body.bytes.empty()) return "holds an empty sketch";
  if (body.bytes.size() > sketch_symbols_max * 22) return "holds a sketch that is too long";
  return nullptr;
}

const char* broken(const SketchAnswer& body) {
  return body.wanted.size() > wanted_cells_max ? "wants too many cells" : nullptr;
}

const char* broken(const WantHistory& body) {
  if (body.missing.empty()) return "wants no history";
  if (body.missing.size() > missing_writes_max) return "wants the history of too many writers";
  const bool sound = std::all_of(body.missing.begin(), body.missing.end(), [](const auto& writes) {
    return writes.first > 0 && writes.first <= writes.last;
  });
  return sound ? nullptr : "wants the history of writes that cannot be";
}

const char* broken(const History& body) {
  return body.events.size() > events_max ? "holds too many events" : nullptr;
}

const char* broken(const Reject& body) {
  if (body.reason.size() > reject_reason_bytes_max) return "gives too long a reason";
  if (!is_valid_utf8(body.reason) || has_control_characters(body.reason)) {
    return "gives a reason that is not plain text";
  }
  return nullptr;
}

template <class T>
concept OfOneSpace = requires(const T& body) {
  body.space;
};

}  // namespace

const char* life_name(Life life) {
  constexpr const char* names[] = {"alive", "suspected", "dead"};
  return names[static_cast<std::size_t>(life)];
}

const char* kind_name(const Body& body) { return kind_names[body.index()]; }

bool is_valid_name(std::string_view name) {
  return !name.empty() && name.size() <= name_bytes_max && is_valid_utf8(name) &&
         !has_control_characters(name);
}

const char* broken_rule(const Message& message) {
  if (!is_valid_name(message.cluster)) return "names no valid cluster";
  if (!is_valid_name(message.sender)) return "names no valid sender";
  return std::visit(
      []<class T>(const T& body) -> const char* {
        if constexpr (OfOneSpace<T>) {
          if (!is_valid_name(body.space)) return "names no valid space";
        }
        return broken(body);
      },
      message.body);
}

}  // namespace rejoin::transport
