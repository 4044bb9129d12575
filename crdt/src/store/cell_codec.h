// A cell as bytes: in deltas, and in the store on disk. The format is in docs/formats.md.
#pragma once

#include <vector>

#include "store/store.h"

namespace rejoin {

inline void encode_content(std::string_view text, Writer& out) { out.raw(text); }
inline void encode_content(std::span<const Value> values, Writer& out) {
  for (const Value& value : values) value.encode(out);
}

// What came of a list or text.
struct Store::DecodedSequence {
  struct Piece {
    ElementId id;
    std::uint64_t count;
    ElementId left;
    ElementId right;
    bool live;
    std::size_t begin;  // of its contents
    std::size_t units;
  };
  std::vector<Piece> pieces;
  std::vector<Value> values;  // contents of all pieces of a list
  std::string text;           // and of a text
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
    for (auto& [replica, removal] : sequence.removals) {
      visit(replica, removal.by + (removal.count - 1));
      visit(removal.target.replica, removal.first().sequence + (removal.count - 1));
    }
  }
};

}  // namespace rejoin
