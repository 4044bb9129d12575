// The contents of a sequence, values or text, and how they are hashed.
#pragma once

#include <bit>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "rejoin/crdt/hash.h"
#include "rejoin/crdt/value.h"
#include "store/sequence.h"
#include "store/store.h"
#include "utf8.h"

namespace rejoin {

__extension__ using Wide = unsigned __int128;

inline std::uint64_t multiply_fold(std::uint64_t a, std::uint64_t b) {
  const auto product = static_cast<Wide>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

// What a sequence needs to know of its contents. A unit is a byte of text, or a value.
template <class Buffer>
struct Content;

// A value as far as the state hash is concerned.
inline std::uint64_t value_word(const Value& value) {
  const std::uint64_t kind = static_cast<std::uint64_t>(value.kind()) * 0xA24BAED4963EE407ull;
  switch (value.kind()) {
    case Value::Kind::null:
      return kind;
    case Value::Kind::boolean:
      return kind + (value.as_bool() ? 2 : 1);
    case Value::Kind::integer:
      return multiply_fold(static_cast<std::uint64_t>(value.as_integer()) ^ 0x9FB21C651E98DF25ull,
                           kind);
    case Value::Kind::real:
      return multiply_fold(std::bit_cast<std::uint64_t>(value.as_real()) ^ 0x9FB21C651E98DF25ull,
                           kind);
    case Value::Kind::string:
    case Value::Kind::bytes:
      return hash_bytes(value.contents(), kind).low;
  }
  return kind;
}

template <>
struct Content<std::vector<Value>> : SequenceContent<std::vector<Value>> {
  static constexpr std::size_t run_max = 64;    // units of one run
  static constexpr std::size_t leaf_max = 256;  // and of a leaf, beyond which it is divided
  // How much the first elements take.
  static std::size_t units(Slice, std::size_t elements) { return elements; }
  static std::size_t elements(Slice content) { return content.size(); }
  // Elements, of so many, that are two units of UTF-16.
  static std::size_t wide(Slice, std::size_t) { return 0; }
  static std::uint64_t value_of_unit(const Value& unit) { return value_word(unit); }
  static std::uint64_t value(Slice content, std::size_t unit) { return value_word(content[unit]); }
  static std::size_t width(Slice, std::size_t) { return 1; }
};

template <>
struct Content<std::string> : SequenceContent<std::string> {
  static constexpr std::size_t run_max = 1024;
  static constexpr std::size_t leaf_max = 4096;
  static std::size_t units(Slice content, std::size_t elements) {
    std::size_t at = 0;
    for (; elements > 0; --elements) at += width(content, at);
    return at;
  }
  static std::size_t elements(Slice content) { return count_code_points(content); }
  static std::size_t wide(Slice content, std::size_t elements) {
    return content.size() == elements ? 0 : count_surrogate_pairs(content);
  }
  static std::uint64_t value_of_unit(char unit) { return static_cast<unsigned char>(unit); }
  static std::uint64_t value(Slice content, std::size_t unit) {
    std::uint64_t value = 0;
    for (std::size_t n = width(content, unit); n > 0; --n) {
      value = value << 8 | static_cast<unsigned char>(content[unit++]);
    }
    return value;
  }
  static std::size_t width(Slice content, std::size_t unit) {
    std::size_t n = 1;
    while (unit + n < content.size() && is_utf8_continuation(content[unit + n])) ++n;
    return n;
  }
};

// ---- Hash ----

// The state hash of a sequence is a sum of two things, neither of which depends on how its elements
// make up runs, so that an edit costs what it changes and typing on costs next to nothing:
// - of each live element, who it is and what it holds;
// - of each live element that does not stand right behind its predecessor by id, behind which it
//   stands: the order.
// Text pays the first for each character. Both are sums of products of names, which are as good as
// random, so that no multiplication waits for another.
inline std::uint64_t name_seed(const SequenceContext& context, ElementId id) {
  return context.writers[id.replica].id_hash.low + id.sequence;
}

inline std::uint64_t name_salt(const SequenceContext& context) {
  return context.path.low ^ 0x9E3779B97F4A7C15ull;
}

inline std::uint64_t name_of(const SequenceContext& context, ElementId id) {
  return multiply_fold(name_seed(context, id), name_salt(context));
}

inline StateHash product(std::uint64_t name, std::uint64_t value) {
  return {name * (2 * value + 1), (name ^ 0x2D358DCCAA6C78A5ull) * (value + 0x4B33A62ED433D4A3ull)};
}

inline StateHash break_hash(const SequenceContext& context, ElementId before, ElementId id) {
  std::uint64_t behind = 0x8BB84B93962EACC9ull;  // the beginning
  if (!before.is_boundary()) {
    if (before.replica == id.replica && before.sequence + 1 == id.sequence) return {};
    behind = name_of(context, before);
  }
  return product(name_of(context, id) ^ 0x589965CC75374CC3ull, behind);
}

template <class Buffer>
StateHash content_hash(const SequenceContext& context, ElementId id, std::uint64_t count,
                       typename Content<Buffer>::Slice content) {
  StateHash sum;
  if (content.size() == count) {
    const std::uint64_t salt = name_salt(context);
    std::uint64_t seed = name_seed(context, id);
    for (std::size_t i = 0; i < count; ++i) {
      sum += product(multiply_fold(seed++, salt), Content<Buffer>::value_of_unit(content[i]));
    }
    return sum;
  }
  for (std::size_t unit = 0; unit < content.size(); ++id.sequence) {
    sum += product(name_of(context, id), Content<Buffer>::value(content, unit));
    unit += Content<Buffer>::width(content, unit);
  }
  return sum;
}

// By how much the hash changes when elements come between two others, or go from there.
template <class Buffer>
StateHash hash_between(const SequenceContext& context, ElementId before, ElementId after,
                       ElementId id, std::uint64_t count, typename Content<Buffer>::Slice content) {
  StateHash sum = content_hash<Buffer>(context, id, count, content);
  sum += break_hash(context, before, id);
  if (!after.is_boundary()) {
    sum += break_hash(context, id.plus(count - 1), after);
    sum -= break_hash(context, before, after);
  }
  return sum;
}

}  // namespace rejoin
