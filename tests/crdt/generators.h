// RapidCheck generators of the kernel's base values, weighted towards the awkward ones.
#pragma once

#include <rapidcheck.h>

#include <limits>
#include <ostream>
#include <string>

#include "rejoin/crdt/clock.h"
#include "rejoin/crdt/id.h"
#include "rejoin/crdt/path.h"
#include "rejoin/crdt/value.h"

namespace rejoin {

inline void showValue(const ReplicaId& id, std::ostream& out) { out << id.to_string(); }
inline void showValue(const Value& v, std::ostream& out) { out << v.to_string(); }
inline void showValue(const Clock& c, std::ostream& out) { out << c.to_string(); }
inline void showValue(const Path& p, std::ostream& out) { out << p.to_string(); }

}  // namespace rejoin

namespace rejoin::generators {

// Few enough that two clocks often share some; ids differ in their first, last and middle bytes.
inline rc::Gen<ReplicaId> replica() {
  return rc::gen::element(ReplicaId::from_words(0, 1), ReplicaId::from_words(0, 2),
                          ReplicaId::from_words(0, ~0ull), ReplicaId::from_words(1, 0),
                          ReplicaId::from_words(0x80ull << 56, 0), ReplicaId::from_words(~0ull, 7),
                          ReplicaId::from_words(0x0102030405060708, 0x090A0B0C0D0E0F10));
}

inline rc::Gen<Sequence> sequence() {
  return rc::gen::oneOf(rc::gen::inRange<Sequence>(1, 4), rc::gen::inRange<Sequence>(120, 140),
                        rc::gen::just<Sequence>(Sequence{1} << 62));
}

inline rc::Gen<Clock> clock() {
  return rc::gen::map(rc::gen::container<std::vector<std::pair<ReplicaId, Sequence>>>(
                          rc::gen::pair(replica(), sequence())),
                      [](const std::vector<std::pair<ReplicaId, Sequence>>& entries) {
                        Clock clock;
                        for (const auto& [id, sequence] : entries) clock.set(id, sequence);
                        return clock;
                      });
}

// Well-formed UTF-8 of every encoded length, with the characters that paths escape.
inline rc::Gen<std::string> utf8() {
  return rc::gen::map(rc::gen::container<std::vector<std::string>>(rc::gen::element<std::string>(
                          "a", "b", "z", "/", ":", "%", "\"", "\\", "\n", std::string(1, '\0'),
                          "\x7F", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80")),
                      [](const std::vector<std::string>& parts) {
                        std::string text;
                        for (const std::string& part : parts) text += part;
                        return text;
                      });
}

inline rc::Gen<std::string> any_bytes() {
  return rc::gen::container<std::string>(rc::gen::arbitrary<char>());
}

inline rc::Gen<double> real() {
  return rc::gen::oneOf(
      rc::gen::arbitrary<double>(),
      rc::gen::element(
          0.0, -0.0, 0.1, 1e300, -1.5, std::numeric_limits<double>::infinity(),
          -std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN(),
          -std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::denorm_min()));
}

inline rc::Gen<std::int64_t> integer() {
  return rc::gen::oneOf(rc::gen::inRange<std::int64_t>(-3, 4), rc::gen::arbitrary<std::int64_t>(),
                        rc::gen::element(std::numeric_limits<std::int64_t>::min(),
                                         std::numeric_limits<std::int64_t>::max()));
}

inline rc::Gen<Value> value() {
  return rc::gen::oneOf(
      rc::gen::just(Value()),
      rc::gen::map(rc::gen::arbitrary<bool>(), [](bool v) { return Value(v); }),
      rc::gen::map(integer(), [](std::int64_t v) { return Value(v); }),
      rc::gen::map(real(), [](double v) { return Value(v); }),
      rc::gen::map(utf8(), [](const std::string& v) { return Value(v); }),
      rc::gen::map(any_bytes(), [](const std::string& v) { return Value::bytes(v); }));
}

// A path that can exist: elements below sets, replicas' parts below bounded counters, maps that are
// elements below lists, everything else below maps.
inline rc::Gen<Path> path() {
  return rc::gen::exec([] {
    Path path;
    const int depth = *rc::gen::inRange(0, 5);
    for (int i = 0; i < depth; ++i) path = path.map(*utf8());
    const auto number = *rc::gen::inRange<std::uint8_t>(0, 32);
    const auto last = static_cast<Type>(number);
    if (!is_known_type(number) || last == Type::element || last == Type::bounded_counter)
      return path;
    if (last == Type::counter && *rc::gen::arbitrary<bool>()) {
      const ReplicaId id = *replica();
      return path.child(Type::bounded_counter, *utf8())
          .child(*rc::gen::element(Type::counter, Type::reg),
                 Value::bytes(std::string(id.bytes.begin(), id.bytes.end())));
    }
    path = path.child(last, *utf8());
    if (last == Type::list && *rc::gen::arbitrary<bool>()) {
      path = path.child(Type::map, Value::bytes(*rc::gen::container<std::string>(
                                       24, rc::gen::arbitrary<char>())));
      return path.map(*utf8());
    }
    const bool is_set = last == Type::set || last == Type::remove_wins_set;
    if (is_set && *rc::gen::arbitrary<bool>()) path = path.child(Type::element, *value());
    return path;
  });
}

}  // namespace rejoin::generators
