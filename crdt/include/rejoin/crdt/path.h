// Where a cell lives: typed steps from the root of a space.
#pragma once

#include <compare>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "rejoin/crdt/result.h"
#include "rejoin/crdt/value.h"

namespace rejoin {

// What lives at a path. A child's key carries its type, so a register and a map written
// concurrently under one name are both kept. The numbers are part of every format: never reuse one.
// Their order is also the fixed rule by which the JSON view picks one child of several under a
// name: the smallest number wins.
enum class Type : std::uint8_t {
  map = 1,
  list = 2,
  set = 3,  // add-wins
  remove_wins_set = 4,
  reg = 5,  // last-writer-wins among concurrent writes
  multi_register = 6,
  max_register = 7,
  min_register = 8,
  counter = 9,
  enable_flag = 10,   // enable wins
  disable_flag = 11,  // disable wins
  element = 12,       // one of a set, a node's place in a tree, a mark of a text: callers name none
  text = 13,
  bounded_counter = 14,
  log = 15,  // a list that is only appended to
  tree = 16,
};

bool is_known_type(std::uint8_t number);
std::string_view to_string(Type type);  // "map", "list", ..., "register", ...
Result<Type> parse_type(std::string_view name);

struct Step {
  Type type = Type::map;
  // A string below a map or tree; any value below a set (type element); the bytes of a replica id
  // below a bounded counter; below a list those of the dot that inserted the element; below a text
  // (type element) bytes that say what is marked.
  Value key;

  friend bool operator==(const Step&, const Step&) = default;
  friend std::strong_ordering operator<=>(const Step& a, const Step& b) {
    if (auto order = a.key <=> b.key; order != 0) return order;
    return a.type <=> b.type;
  }
};

// Steps from the root map. The empty path is the root itself. Ordered step by step, a parent before
// its children.
class Path {
 public:
  Path() = default;
  explicit Path(std::vector<Step> steps) : steps_(std::move(steps)) {}

  Path child(Type type, Value key) const;
  // Shorthand for the common case: a map below a map.
  Path map(std::string_view name) const { return child(Type::map, Value(name)); }
  Path parent() const;  // of the root: the root

  const std::vector<Step>& steps() const { return steps_; }
  bool is_root() const { return steps_.empty(); }
  std::size_t depth() const { return steps_.size(); }
  Type type() const { return steps_.empty() ? Type::map : steps_.back().type; }
  bool starts_with(const Path& prefix) const;

  // "/map:sessions/map:s1/counter:tokens"; the root is "/". A step without a type is an element
  // below a set, a map below a tree, otherwise a map where further steps follow, and `last` at the
  // end:
  // "/sessions/s1/tokens" with last = counter is the same. In a name '/', ':', '%' and control
  // characters are written %2F, %3A, %25, %XX. A set's elements that are no strings carry their
  // kind: "/set:ids/element:integer:7", "null:", "boolean:true", "real:0.5" (or "real:0x" and the
  // bits), "bytes:<hex>". So do a bounded counter's children: "/bounded_counter:stock/
  // counter:bytes:<32 hex>" and "register:bytes:<32 hex>". An element of a list that is a map is
  // "/list:plan/map:bytes:<48 hex>", a mark of a text "/text:t/element:bytes:<hex>".
  //
  // `invalid_argument` says what is wrong with the text, `limit_exceeded` which limit it passes.
  // to_string() gives the one form that names all types; parsing it gives the same path.
  static Result<Path> parse(std::string_view text, Type last = Type::map);
  std::string to_string() const;

  friend bool operator==(const Path&, const Path&) = default;
  friend std::strong_ordering operator<=>(const Path& a, const Path& b);

 private:
  std::vector<Step> steps_;
};

}  // namespace rejoin
