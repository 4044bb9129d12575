// A text that several edit at once.
//
// Every code point has an identity for life (the dot of its insertion); an index is only how it is
// addressed at the moment of writing. Concurrent insertions at one place end up beside each other,
// run by run, in an order that all replicas agree on and that never interleaves them, typed
// forwards or backwards (FugueMax: Weidner, Kleppmann, "The Art of the Fugue", 2023). A removal
// takes away exactly what it named; removing the text's subtree keeps what was inserted
// concurrently.
//
// Example: A and B both see "ad". A inserts "b" after the "a", B inserts "c" there. Both read
// "abcd" or "acbd": the same on both.
//
// Indexes and counts are in Unicode code points. Writes cost O(log n); one beside the last, less.
#pragma once

#include <string>
#include <string_view>

#include "rejoin/crdt/types/cell.h"

namespace rejoin {

class TextView : public View {
 public:
  using View::View;
  std::size_t size() const;        // in code points
  std::size_t utf8_size() const;   // in bytes
  std::size_t utf16_size() const;  // in 16-bit units
  std::string to_string() const;
  // The code points [index, index + count). `out_of_range` names the size.
  Result<std::string> slice(std::size_t index, std::size_t count) const;
};

class TextRef : public TextView {
 public:
  using TextView::TextView;
  // Before the code point now at `index`; `index` = size() appends. `out_of_range` beyond it,
  // `invalid_argument` when `text` is not valid UTF-8, `limit_exceeded` when it is longer than
  // limits::value_bytes_max. The document is unchanged then.
  Status insert(std::size_t index, std::string_view text);
  Status append(std::string_view text);
  Status remove(std::size_t index, std::size_t count);
};

}  // namespace rejoin
