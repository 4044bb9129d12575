#include "store/cell_codec.h"

#include <algorithm>

#include "rejoin/crdt/limits.h"

namespace rejoin {

namespace {

enum ElementFlag : std::uint8_t { removed = 1, full = 2 };

void encode_id(ElementId id, const std::function<std::uint64_t(ReplicaIndex)>& number,
               Writer& out) {
  out.varint(id.sequence);
  if (!id.is_boundary()) out.varint(number(id.replica));
}

ElementId decode_id(Reader& in, std::uint64_t replicas) {
  ElementId id;
  id.sequence = in.varint_at_most(limits::sequence_max);
  if (id.sequence != 0) id.replica = static_cast<std::uint32_t>(in.varint_at_most(replicas - 1));
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
  if (n.type != Type::list) return;
  if (!n.extra || !n.extra->list) {
    out.varint(0);
    return;
  }
  const auto is_new = [&](const Element& e) { return beyond_base(e.id.replica, e.id.sequence); };
  const auto wanted = [&](const Element& e) {
    return is_new(e) || (!e.live() && beyond_base(e.removed_by.replica, e.removed_by.sequence));
  };
  const std::vector<Element>& elements = n.extra->list->elements();
  out.varint(static_cast<std::uint64_t>(std::count_if(elements.begin(), elements.end(), wanted)));
  for (const Element& e : elements) {
    if (!wanted(e)) continue;
    encode_id(e.id, number, out);
    out.u8(static_cast<std::uint8_t>((e.live() ? 0 : removed) | (is_new(e) ? full : 0)));
    if (is_new(e)) {
      encode_id(e.left, number, out);
      encode_id(e.right, number, out);
      if (e.live()) e.value.encode(out);
    }
    if (!e.live()) encode_id(e.removed_by, number, out);
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
  if (type != Type::list) return in.ok();
  for (std::uint64_t n = count(); n > 0 && in.ok(); --n) {
    if (replicas == 0) {
      in.fail();
      break;
    }
    Element e;
    e.id = decode_id(in, replicas);
    const std::uint8_t flags = in.u8();
    if (e.id.is_boundary() || flags > (removed | full) || flags == 0) in.fail();
    if ((flags & full) != 0) {
      e.left = decode_id(in, replicas);
      e.right = decode_id(in, replicas);
      if ((flags & removed) == 0) {
        Result<Value> value = Value::decode(in);
        if (!value.ok()) {
          in.fail();
          break;
        }
        e.value = std::move(*value);
      }
    }
    if ((flags & removed) != 0) {
      e.removed_by = decode_id(in, replicas);
      if (e.removed_by.is_boundary()) in.fail();
    }
    out.elements.push_back(std::move(e));
    out.partial.push_back((flags & full) == 0);
  }
  return in.ok();
}

}  // namespace rejoin
