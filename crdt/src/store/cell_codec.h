// A cell as bytes: in deltas, and in the store on disk. The format is in docs/formats.md.
#pragma once

#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "rejoin/crdt/limits.h"
#include "store/store.h"

namespace rejoin {

inline void encode_content(std::string_view text, Writer& out) { out.raw(text); }
inline void encode_content(std::span<const Value> values, Writer& out) {
  for (const Value& value : values) value.encode(out);
}

// Where the parts of cells go, and come from. A delta keeps like with like in columns, which
// compress well; a stored cell has one column for all. Sequences are told as differences to the
// last one of their replica, times to the last time.
struct CellWriters {
  Writer& shapes;  // counts, flags, replicas
  Writer& ids;     // sequences
  Writer& times;
  Writer& contents;
  std::vector<Sequence> last;  // by replica number
  std::uint64_t last_time = 0;

  void dot(std::uint64_t number, Sequence sequence) {
    shapes.varint(number);
    if (number >= last.size()) last.resize(number + 1, 0);
    ids.zigzag(static_cast<std::int64_t>(sequence - last[number]));
    last[number] = sequence;
  }
  void time(std::uint64_t time) {
    times.zigzag(static_cast<std::int64_t>(time - last_time));
    last_time = time;
  }
};

struct CellReaders {
  Reader& shapes;
  Reader& ids;
  Reader& times;
  Reader& contents;
  std::uint64_t replicas;  // numbers must be below it
  std::vector<Sequence> last;
  std::uint64_t last_time = 0;

  bool ok() const { return shapes.ok() && ids.ok() && times.ok() && contents.ok(); }
  void fail() { shapes.fail(); }
  // A count of items, of which each takes a byte at least: no allocation beyond the input's size.
  std::uint64_t count() {
    return shapes.varint_at_most(shapes.remaining() + ids.remaining() + contents.remaining());
  }
  std::pair<std::uint32_t, Sequence> dot() {
    if (replicas == 0) fail();
    const std::uint64_t number = replicas == 0 ? 0 : shapes.varint_at_most(replicas - 1);
    if (number >= last.size()) last.resize(number + 1, 0);
    const Sequence sequence = last[number] + static_cast<std::uint64_t>(ids.zigzag());
    if (sequence == 0 || sequence > limits::sequence_max) fail();
    if (!ok()) return {0, 1};
    last[number] = sequence;
    return {static_cast<std::uint32_t>(number), sequence};
  }
  std::uint64_t time() { return last_time += static_cast<std::uint64_t>(times.zigzag()); }
};

// What came of a list or text.
struct Store::DecodedSequence {
  struct Piece {
    ElementId id;
    std::uint64_t count;
    ElementId left;
    ElementId right;
    bool live;
    bool away;
    bool holder;
    bool settled;
    std::size_t begin;  // of its contents
    std::size_t units;
    std::size_t holders;  // where those of a piece of holders begin
    ElementId last() const { return id.plus(count - 1); }
  };
  std::vector<Piece> pieces;
  std::vector<Value> values;  // contents of all pieces of a list
  std::string text;           // and of a text
  // What each holds; of one that was dropped, what for.
  std::vector<ListSequence::Holder> holders;
  std::vector<std::pair<ReplicaIndex, SequenceRemoval>> removals;
};

// A cell that came as bytes. Replica numbers are those of the bytes until they are translated.
struct Store::DecodedCell {
  Touches touches;
  Entries entries;
  CounterEntries counters;
  DecodedSequence sequence;

  // Calls `visit` with every replica number in it, as a reference, and its greatest sequence there.
  template <class Visit>
  void for_each_dot(Visit visit) {
    for (LocalDot& d : touches) visit(d.replica, d.sequence);
    for (Entry& e : entries) visit(e.replica, e.sequence);
    for (CounterEntry& e : counters) visit(e.replica, e.sequence);
    for (DecodedSequence::Piece& piece : sequence.pieces) {
      visit(piece.id.replica, piece.id.sequence + (piece.count - 1));
      for (ElementId* origin : {&piece.left, &piece.right}) {
        if (!origin->is_boundary()) visit(origin->replica, origin->sequence);
      }
    }
    for (ListSequence::Holder& holder : sequence.holders) {
      visit(holder.element.replica, holder.element.sequence);
    }
    for (auto& [replica, removal] : sequence.removals) {
      visit(replica, removal.by + (removal.count - 1));
      visit(removal.target.replica, removal.first().sequence + (removal.count - 1));
    }
  }
};

}  // namespace rejoin
