// A position in a list or text that stays where it is while others edit.
//
// A cursor names the element on one of its sides, for life: it moves with what is inserted and
// removed before it, on every replica. What is inserted exactly at the cursor comes to stand behind
// it when it sticks to the left, before it when it sticks to the right. It follows an element that
// is moved. Where its element was removed, it points to where that stood (of one that had been
// moved: to where it was inserted).
//
// Example: A holds the cursor "ab|cd", sticking to the right. B inserts "xy" at the beginning and
// removes "c". After they exchanged, A's cursor is at index 4: "xyab|d".
//
// Lists and texts make cursors (`cursor`) and find them again (`index_of`). A cursor that was made
// within a transaction that came to nothing must not be used: its element's name is given again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "rejoin/crdt/id.h"
#include "rejoin/crdt/result.h"

namespace rejoin {

enum class Sticks : std::uint8_t {
  left = 0,   // to the element before it; at index 0, to the beginning
  right = 1,  // to the element behind it; at the end, to the end
};

struct Cursor {
  // The dot of the element's insertion; sequence 0: the beginning (left) or the end (right).
  Dot element;
  Sticks sticks = Sticks::left;

  // For storing and sending: means the same to every replica of the document. At most 32 bytes.
  std::string encoded() const;
  // `malformed` when the bytes are not those of encoded(), damaged ones included;
  // `unsupported_version` when a newer version wrote them.
  static Result<Cursor> decode(std::string_view bytes);

  friend bool operator==(const Cursor&, const Cursor&) = default;
};

}  // namespace rejoin
