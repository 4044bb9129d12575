#include "store/cell_codec.h"

#include <algorithm>

namespace rejoin {

namespace {

enum PieceFlag : std::uint8_t {
  live = 1,
  goes_on = 2,     // its left origin is the last element of the piece before
  same_right = 4,  // its right origin is that of the piece before
  from_left = 8,   // its left origin is the beginning
  to_right = 16,   // its right origin is the end
  away = 32,       // of a list: elements that are seen elsewhere
  holder = 64,     // of a list: each stands for another
  // Its origins are forgotten. `same_right`: its block is that of the piece before; otherwise the
  // root of its block stands where the left origin does.
  settled = 128,
};

// Whether two of them have the same name.
template <class Items, class Name>
bool repeats(const Items& items, Name name) {
  if (items.size() < 2) return false;
  std::vector<decltype(name(items[0]))> names;
  for (const auto& item : items) names.push_back(name(item));
  std::sort(names.begin(), names.end());
  return std::adjacent_find(names.begin(), names.end()) != names.end();
}

}  // namespace

void Store::encode_cell(const Node& n, const std::vector<Sequence>* base, const Numbering& number,
                        CellWriters& out) const {
  const auto beyond_base = [&](ReplicaIndex replica, Sequence sequence) {
    return base == nullptr || sequence > (*base)[replica];
  };
  const auto put_dot = [&](ReplicaIndex replica, Sequence sequence) {
    out.dot(number(replica), sequence);
  };
  Touches touches;
  if (n.extra) {
    for (const LocalDot& d : n.extra->touches) {
      if (beyond_base(d.replica, d.sequence)) touches.push_back(d);
    }
  }
  out.shapes.varint(touches.size());
  for (const LocalDot& d : touches) put_dot(d.replica, d.sequence);
  if (const auto* counters = std::get_if<CounterEntries>(&n.cell)) {
    out.shapes.varint(counters->size());
    for (const CounterEntry& e : *counters) {
      put_dot(e.replica, e.sequence);
      out.contents.zigzag(e.total);
      out.contents.varint(e.base_sequence);
      out.contents.zigzag(e.base);
    }
    return;
  }
  const Entries& entries = std::get<Entries>(n.cell);
  out.shapes.varint(entries.size());
  for (const Entry& e : entries) {
    put_dot(e.replica, e.sequence);
    out.time(e.time.value);
    e.value.encode(out.contents);
  }
  if (!is_sequence(n.type)) return;
  bool written = false;
  with_existing_sequence(n, [&](const auto& sequence) {
    encode_sequence(sequence, n.type, base, number, out);
    written = true;
  });
  if (written) return;
  out.shapes.varint(0);
  out.shapes.varint(0);
}

template <class Tree>
void Store::encode_sequence(const Tree& sequence, Type type, const std::vector<Sequence>* base,
                            const Numbering& number, CellWriters& out) const {
  const auto put_dot = [&](ReplicaIndex replica, Sequence dot) { out.dot(number(replica), dot); };
  std::vector<typename Tree::Piece> pieces;
  const auto take_piece = [&](const auto& piece) { pieces.push_back(piece); };
  if (base == nullptr) {
    sequence.for_each_piece(take_piece);
  } else {
    sequence.for_each_piece_since(*base, take_piece);
  }
  std::vector<std::pair<ReplicaIndex, SequenceRemoval>> removals;
  sequence.for_each_removal_since(
      base == nullptr ? std::vector<Sequence>(writers_.size(), 0) : *base,
      [&](ReplicaIndex replica, const SequenceRemoval& removal) {
        removals.push_back({replica, removal});
      });
  out.shapes.varint(pieces.size());
  out.shapes.varint(removals.size());
  ElementId last;
  ElementId right;
  ElementId block;
  bool first = true;
  for (const auto& piece : pieces) {
    int flags = (piece.live ? live : 0) | (piece.away ? away : 0) | (piece.holder ? holder : 0);
    if (piece.settled) {
      flags |= settled | (piece.left == block ? same_right : 0);
    } else {
      flags |= piece.left.is_boundary() ? from_left : !first && piece.left == last ? goes_on : 0;
      flags |= piece.right.is_boundary()        ? to_right
               : !first && piece.right == right ? same_right
                                                : 0;
    }
    out.shapes.u8(static_cast<std::uint8_t>(flags));
    put_dot(piece.id.replica, piece.id.sequence);
    out.ids.varint(piece.count);
    if (piece.settled) {
      if ((flags & same_right) == 0) put_dot(piece.left.replica, piece.left.sequence);
      block = piece.left;
    } else {
      if ((flags & (goes_on | from_left)) == 0) put_dot(piece.left.replica, piece.left.sequence);
      if ((flags & (same_right | to_right)) == 0) {
        put_dot(piece.right.replica, piece.right.sequence);
      }
    }
    if (piece.live) {
      if (type == Type::text) {
        out.ids.varint(piece.content.size() == piece.count ? 0 : piece.content.size());
      }
      encode_content(piece.content, out.contents);
    }
    if constexpr (std::is_same_v<Tree, ListSequence>) {
      for (std::uint64_t i = 0; piece.holder && i < piece.count; ++i) {
        const ElementId id = piece.id.plus(i);
        const ElementId named = piece.live ? sequence.holder(id).element : sequence.dropped_for(id);
        put_dot(named.replica, named.sequence);
        if (piece.live) out.time(sequence.holder(id).stamp);
      }
    }
    // The next piece of this replica, and what stands beside it, are near its end.
    last = piece.id.plus(piece.count - 1);
    out.last[number(piece.id.replica)] = last.sequence;
    right = piece.right;
    first = false;
  }
  for (const auto& [replica, removal] : removals) {
    put_dot(replica, removal.by);
    put_dot(removal.target.replica, removal.target.sequence);
    out.ids.varint(removal.count << 1 | (removal.descending ? 1 : 0));
  }
}

bool Store::decode_cell(CellReaders& in, Type type, Type parent, DecodedCell& out) {
  for (std::uint64_t n = in.count(); n > 0 && in.ok(); --n) {
    const auto [replica, sequence] = in.dot();
    out.touches.push_back({replica, sequence});
  }
  if (is_counter(type)) {
    for (std::uint64_t n = in.count(); n > 0 && in.ok(); --n) {
      CounterEntry e{};
      std::tie(e.replica, e.sequence) = in.dot();
      e.total = in.contents.zigzag();
      e.base_sequence = in.contents.varint_at_most(limits::sequence_max);
      e.base = in.contents.zigzag();
      out.counters.push_back(e);
    }
    return in.ok() && !repeats(out.counters, [](const CounterEntry& e) { return e.replica; });
  }
  for (std::uint64_t n = in.count(); n > 0 && in.ok(); --n) {
    Entry e{};
    std::tie(e.replica, e.sequence) = in.dot();
    e.time = HybridTime{in.time()};
    Result<Value> value = Value::decode(in.contents);
    if (!value.ok() || !valid_entry_value(type, parent, *value)) {
      in.fail();
      break;
    }
    e.value = std::move(*value);
    out.entries.push_back(std::move(e));
  }
  if (repeats(out.entries, [](const Entry& e) { return std::pair(e.replica, e.sequence); })) {
    in.fail();
  }
  if (!is_sequence(type)) return in.ok();
  return decode_sequence(in, type, out.sequence);
}

void Store::decode_content(CellReaders& in, Type type, std::size_t at, DecodedSequence& out) {
  DecodedSequence::Piece& piece = out.pieces[at];
  if (type == Type::text) {
    const std::uint64_t bytes = in.ids.varint();
    const std::string_view text = in.contents.raw(bytes == 0 ? piece.count : bytes);
    if (!is_valid_utf8(text) || count_code_points(text) != piece.count) in.fail();
    piece.begin = out.text.size();
    piece.units = text.size();
    out.text.append(text);
    return;
  }
  piece.begin = out.values.size();
  piece.units = piece.count;
  for (std::uint64_t m = piece.count; m > 0 && in.ok(); --m) {
    Result<Value> value = Value::decode(in.contents);
    if (!value.ok()) {
      in.fail();
      return;
    }
    out.values.push_back(*std::move(value));
  }
}

bool Store::decode_sequence(CellReaders& in, Type type, DecodedSequence& out) {
  std::uint64_t pieces = in.count();
  std::uint64_t removals = in.count();
  // A log is only appended to, and its entries go with a map or with the whole of it.
  const bool only_appended = type == Type::log;
  if (only_appended && removals > 0) in.fail();
  const auto id = [&] {
    const auto [replica, sequence] = in.dot();
    return ElementId{replica, sequence};
  };
  ElementId last;
  ElementId right;
  ElementId block;
  for (; pieces > 0 && in.ok(); --pieces) {
    DecodedSequence::Piece& piece = out.pieces.emplace_back();
    const std::uint8_t flags = in.shapes.u8();
    piece.live = (flags & live) != 0;
    piece.away = (flags & away) != 0;
    piece.holder = (flags & holder) != 0;
    piece.id = id();
    piece.count = in.ids.varint_at_most(run_length_max);
    piece.settled = (flags & settled) != 0;
    if (piece.settled) {
      if ((flags & same_right) == 0) block = id();
      piece.left = block;
      if ((flags & (goes_on | from_left | to_right)) != 0 || block.is_boundary()) in.fail();
    } else {
      if ((flags & from_left) == 0) piece.left = (flags & goes_on) != 0 ? last : id();
      if ((flags & to_right) == 0) piece.right = (flags & same_right) != 0 ? right : id();
    }
    const bool moved = piece.away || piece.holder;
    if ((moved && type != Type::list) || (piece.away && (piece.live || piece.holder))) in.fail();
    if (piece.count == 0 || (only_appended && !piece.settled && (flags & to_right) == 0) ||
        piece.id.sequence + piece.count > limits::sequence_max) {
      in.fail();
    }
    if (!in.ok()) break;
    last = piece.id.plus(piece.count - 1);
    right = piece.right;
    if (piece.live) decode_content(in, type, out.pieces.size() - 1, out);
    piece.holders = out.holders.size();
    for (std::uint64_t m = piece.holder ? piece.count : 0; m > 0 && in.ok(); --m) {
      ListSequence::Holder& holder_of = out.holders.emplace_back();
      holder_of.element = id();
      if (piece.live) holder_of.stamp = in.time();
    }
    in.last[piece.id.replica] = last.sequence;
  }
  for (; removals > 0 && in.ok(); --removals) {
    auto& [by, removal] = out.removals.emplace_back();
    std::tie(by, removal.by) = in.dot();
    removal.target = id();
    const std::uint64_t packed = in.ids.varint_at_most(limits::sequence_max);
    removal.count = packed >> 1;
    removal.descending = (packed & 1) != 0;
    if (removal.count == 0 || removal.by + removal.count > limits::sequence_max ||
        removal.target.sequence + removal.count > limits::sequence_max ||
        (removal.descending && removal.target.sequence < removal.count)) {
      in.fail();
      removal.count = 1;
    }
  }
  return in.ok();
}

}  // namespace rejoin
