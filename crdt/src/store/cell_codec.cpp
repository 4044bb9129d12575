#include "store/cell_codec.h"

#include <algorithm>
#include <span>

#include "rejoin/crdt/limits.h"

namespace rejoin {

namespace {

enum PieceFlag : std::uint8_t {
  live = 1,
  goes_on = 2,     // its left origin is the last element of the piece before
  same_right = 4,  // its right origin is that of the piece before
  all_flags = 7,
};

void encode_id(ElementId id, const std::function<std::uint64_t(ReplicaIndex)>& number,
               Writer& out) {
  out.varint(id.sequence);
  if (!id.is_boundary()) out.varint(number(id.replica));
}

// Boundaries come only where they may.
ElementId decode_id(Reader& in, std::uint64_t replicas, bool boundary) {
  ElementId id;
  id.sequence = in.varint_at_most(limits::sequence_max);
  if (id.sequence == 0) {
    if (!boundary) in.fail();
  } else if (replicas == 0) {
    in.fail();
  } else {
    id.replica = static_cast<std::uint32_t>(in.varint_at_most(replicas - 1));
  }
  return id;
}

}  // namespace

void Store::encode_cell(const Node& n, const std::vector<Sequence>* base, const Numbering& number,
                        Writer& out) const {
  const auto beyond_base = [&](ReplicaIndex replica, Sequence sequence) {
    return base == nullptr || sequence > (*base)[replica];
  };
  Touches touches;
  if (n.extra) {
    for (const LocalDot& d : n.extra->touches) {
      if (beyond_base(d.replica, d.sequence)) touches.push_back(d);
    }
  }
  out.varint(touches.size());
  for (const LocalDot& d : touches) {
    out.varint(number(d.replica));
    out.varint(d.sequence);
  }
  if (const auto* counters = std::get_if<CounterEntries>(&n.cell)) {
    out.varint(counters->size());
    for (const CounterEntry& e : *counters) {
      out.varint(number(e.replica));
      out.varint(e.sequence);
      out.zigzag(e.total);
      out.varint(e.base_sequence);
      out.zigzag(e.base);
    }
    return;
  }
  const Entries& entries = std::get<Entries>(n.cell);
  out.varint(entries.size());
  for (const Entry& e : entries) {
    out.varint(number(e.replica));
    out.varint(e.sequence);
    out.varint(e.time.value);
    e.value.encode(out);
  }
  if (!is_sequence(n.type)) return;
  if (!with_existing_sequence(n, [&](const auto& sequence) {
        std::string pieces;
        Writer body(pieces);
        std::uint64_t count = 0;
        ElementId last;
        ElementId right;
        const auto encode = [&](const auto& piece) {
          ++count;
          const std::uint8_t flags = static_cast<std::uint8_t>(
              (piece.live ? live : 0) | (!last.is_boundary() && piece.left == last ? goes_on : 0) |
              (count > 1 && piece.right == right ? same_right : 0));
          body.u8(flags);
          encode_id(piece.id, number, body);
          body.varint(piece.count);
          if ((flags & goes_on) == 0) encode_id(piece.left, number, body);
          if ((flags & same_right) == 0) encode_id(piece.right, number, body);
          if (piece.live) {
            if (n.type == Type::text) body.varint(piece.content.size());
            encode_content(piece.content, body);
          }
          last = piece.id.plus(piece.count - 1);
          right = piece.right;
        };
        if (base == nullptr) {
          sequence.for_each_piece(encode);
        } else {
          sequence.for_each_piece_since(*base, encode);
        }
        out.varint(count);
        out.raw(pieces);
        std::string removals;
        Writer tail(removals);
        count = 0;
        sequence.for_each_removal_since(
            base == nullptr ? std::vector<Sequence>(writers_.size(), 0) : *base,
            [&](ReplicaIndex replica, const SequenceRemoval& removal) {
              ++count;
              tail.varint(number(replica));
              tail.varint(removal.by);
              encode_id(removal.target, number, tail);
              tail.varint(removal.count << 1 | (removal.descending ? 1 : 0));
            });
        out.varint(count);
        out.raw(removals);
      })) {
    out.varint(0);
    out.varint(0);
  }
}

bool Store::decode_cell(Reader& in, Type type, Type parent, std::uint64_t replicas,
                        DecodedCell& out) {
  // A count of items cannot exceed the bytes that are left.
  const auto count = [&] { return in.varint_at_most(in.remaining()); };
  const auto replica = [&] {
    if (replicas == 0) in.fail();
    return static_cast<ReplicaIndex>(replicas == 0 ? 0 : in.varint_at_most(replicas - 1));
  };
  const auto sequence = [&] {
    const Sequence s = in.varint_at_most(limits::sequence_max);
    if (s == 0) in.fail();
    return s;
  };
  for (std::uint64_t n = count(); n > 0 && in.ok(); --n) {
    const ReplicaIndex r = replica();
    out.touches.push_back({r, sequence()});
  }
  if (is_counter(type)) {
    for (std::uint64_t n = count(); n > 0 && in.ok(); --n) {
      CounterEntry e{};
      e.replica = replica();
      e.sequence = sequence();
      e.total = in.zigzag();
      e.base_sequence = in.varint_at_most(limits::sequence_max);
      e.base = in.zigzag();
      out.counters.push_back(e);
    }
    return in.ok();
  }
  for (std::uint64_t n = count(); n > 0 && in.ok(); --n) {
    Entry e{};
    e.replica = replica();
    e.sequence = sequence();
    e.time = HybridTime{in.varint()};
    Result<Value> value = Value::decode(in);
    if (!value.ok() || !valid_entry_value(type, parent, *value)) {
      in.fail();
      break;
    }
    e.value = std::move(*value);
    out.entries.push_back(std::move(e));
  }
  if (!is_sequence(type)) return in.ok();
  ElementId last;
  ElementId right;
  for (std::uint64_t n = count(); n > 0 && in.ok(); --n) {
    DecodedSequence& decoded = out.sequence;
    DecodedSequence::Piece& piece = decoded.pieces.emplace_back();
    const std::uint8_t flags = in.u8();
    piece.live = (flags & live) != 0;
    piece.id = decode_id(in, replicas, false);
    piece.count = in.varint_at_most(run_length_max);
    piece.left = (flags & goes_on) != 0 ? last : decode_id(in, replicas, true);
    piece.right = (flags & same_right) != 0 ? right : decode_id(in, replicas, true);
    if (flags > all_flags || piece.count == 0 ||
        piece.id.sequence + piece.count > limits::sequence_max) {
      in.fail();
    }
    if (!in.ok()) break;
    last = piece.id.plus(piece.count - 1);
    right = piece.right;
    if (!piece.live) continue;
    if (type == Type::text) {
      const std::string_view text = in.bytes(in.remaining());
      if (!is_valid_utf8(text) || count_code_points(text) != piece.count) in.fail();
      piece.begin = decoded.text.size();
      piece.units = text.size();
      decoded.text.append(text);
    } else {
      piece.begin = decoded.values.size();
      piece.units = piece.count;
      for (std::uint64_t m = piece.count; m > 0 && in.ok(); --m) {
        Result<Value> value = Value::decode(in);
        if (!value.ok()) {
          in.fail();
          break;
        }
        decoded.values.push_back(*std::move(value));
      }
    }
  }
  for (std::uint64_t n = count(); n > 0 && in.ok(); --n) {
    auto& [by, removal] = out.sequence.removals.emplace_back();
    by = replica();
    removal.by = sequence();
    removal.target = decode_id(in, replicas, false);
    const std::uint64_t packed = in.varint_at_most(limits::sequence_max);
    removal.count = packed >> 1;
    removal.descending = (packed & 1) != 0;
    if (removal.count == 0 || removal.by + removal.count > limits::sequence_max ||
        (removal.descending && removal.target.sequence < removal.count)) {
      in.fail();
      removal.count = 1;
    }
  }
  return in.ok();
}

}  // namespace rejoin
