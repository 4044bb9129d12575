// The marks of a text: elements below it. The key says from where to where and under which name,
// an entry's value what is marked. The format is in docs/formats.md.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "rejoin/crdt/hybrid_time.h"
#include "rejoin/crdt/types/cursor.h"
#include "rejoin/crdt/value.h"

namespace rejoin {

// Where a mark begins and ends are cursors: what is inserted at an end is within or without by the
// side to which it sticks.
struct MarkKey {
  Cursor begin;
  Cursor end;
  std::string_view name;
};
std::string encode_mark_key(const MarkKey& key);
// Nothing when the bytes are no key. What is decoded points into them.
std::optional<MarkKey> decode_mark_key(std::string_view bytes);

struct MarkContent {
  HybridTime time;  // by which it counts beside others of its name
  Value value;      // null: nothing is marked here
};
std::string encode_mark(const MarkContent& mark);
std::optional<MarkContent> decode_mark(std::string_view bytes);

}  // namespace rejoin
