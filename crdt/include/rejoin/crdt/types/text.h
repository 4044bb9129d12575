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
//
// **Marks** say how code points look: bold, a link, a comment. A mark covers code points, not
// indexes, and keeps to them whatever is inserted and removed around it (Litt, Lim, Kleppmann, van
// Hardenberg: "Peritext", CSCW 2022). What is inserted within it is marked; what is inserted right
// at one of its ends is where the mark grows there (Grow).
//
// - Marks of different names have nothing to do with each other: both show where they overlap. So
//   comments, of which one code point may have several, are given a name each: "comment:17".
// - Of the marks of one name that cover a code point the latest shows, whatever its value; taking
//   marks away (unmark) is a mark that shows nothing, and counts in the same way. Later is what saw
//   the other; of concurrent ones, what has the later hybrid time, then the greater dot. (A mark
//   that saw a later time among those of its name counts as written just after that.)
// - A mark that saw others of its name and covers all of them replaces them.
// - A mark that covers nothing any more is taken away by the next remove(), mark() or unmark() in
//   the text; what others insert within it concurrently is then not marked.
// - Removing the text removes the marks that the remover saw.
//
// Example: A and B both see "The fox jumped". A marks "The fox" red; B, a moment later, marks "fox
// jumped" blue and inserts "quick " before "fox". Both then read "The quick " in red and "fox
// jumped" in blue.
//
// What is inserted where text was removed stands before that text. So where the last code point of
// a mark was removed that does not grow at its end, what is inserted there is marked; and where the
// code point before a mark was removed that grows at its beginning, it is not.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "rejoin/crdt/types/cell.h"
#include "rejoin/crdt/types/cursor.h"
#include "rejoin/crdt/value.h"

namespace rejoin {

// At which of its ends what is inserted there becomes part of a mark.
enum class Grow : std::uint8_t {
  nowhere,   // a link
  at_begin,  //
  at_end,    // bold
  at_both,
};

struct TextMark {
  std::string name;
  Value value;
  friend bool operator==(const TextMark&, const TextMark&) = default;
};

// Code points [begin, end) that have the same marks.
struct TextSpan {
  std::size_t begin;
  std::size_t end;
  std::vector<TextMark> marks;  // by name
  friend bool operator==(const TextSpan&, const TextSpan&) = default;
};

class TextView : public View {
 public:
  using View::View;
  std::size_t size() const;        // in code points
  std::size_t utf8_size() const;   // in bytes
  std::size_t utf16_size() const;  // in 16-bit units
  std::string to_string() const;
  // The code points [index, index + count). `out_of_range` names the size.
  Result<std::string> slice(std::size_t index, std::size_t count) const;
  // The whole text in as few spans as there can be, those without marks included, in order. In JSON
  // a text is its code points alone. O(m log n), for m marks, and the spans.
  std::vector<TextSpan> spans() const;
  // A position that stays where it is while others edit (cursor.h): before the code point at
  // `index`, or at the end. `out_of_range` names the size. O(log n).
  Result<Cursor> cursor(std::size_t index, Sticks sticks) const;
  // Where a cursor is now. `not_found` when its code point has not come here yet, is none of this
  // text, or was removed and is forgotten (Document::forget_elements). O(log n).
  Result<std::size_t> index_of(const Cursor& cursor) const;
};

class TextRef : public TextView {
 public:
  using TextView::TextView;
  // Before the code point now at `index`; `index` = size() appends. `out_of_range` beyond it,
  // `invalid_argument` when `text` is not valid UTF-8, `limit_exceeded` when it is longer than
  // limits::value_bytes_max. The document is unchanged then.
  Status insert(std::size_t index, std::string_view text);
  Status append(std::string_view text);
  // Costs O(m log n) more where there are m marks.
  Status remove(std::size_t index, std::size_t count);
  // Marks the code points [begin, end). `out_of_range` beyond the size; `invalid_argument` when
  // there are none, when the name is empty, or when it or a string is not valid UTF-8;
  // `limit_exceeded` for a name beyond limits::mark_name_bytes_max, a value beyond
  // limits::mark_value_bytes_max, and a text as deep as limits::path_depth_max; `wrong_type` for
  // null. The document is unchanged then. O(m log n).
  Status mark(std::size_t begin, std::size_t end, std::string_view name, const Value& value,
              Grow grow);
  // Takes marks of that name away from [begin, end), and from what is inserted where it grows.
  // Nothing is written where none shows there. Errors as of mark(). O(m log n), and the spans.
  Status unmark(std::size_t begin, std::size_t end, std::string_view name, Grow grow);
};

}  // namespace rejoin
