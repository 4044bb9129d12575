// Maps: children by name. The root of every space is one.
//
// A child is named by its name and type together. Removing a child takes away everything below it
// that the remover had seen; what others wrote below concurrently survives, and with it the path to
// it (observed-remove).
//
// Example: A removes the map "s1" while B adds a turn to "s1"/"turns". Afterwards both hold "s1"
// with nothing but B's turn.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "rejoin/crdt/types/bounded_counter.h"
#include "rejoin/crdt/types/cell.h"
#include "rejoin/crdt/types/counter.h"
#include "rejoin/crdt/types/flag.h"
#include "rejoin/crdt/types/list.h"
#include "rejoin/crdt/types/log.h"
#include "rejoin/crdt/types/register.h"
#include "rejoin/crdt/types/set.h"
#include "rejoin/crdt/types/text.h"
#include "rejoin/crdt/types/tree.h"

namespace rejoin {

struct Child {
  std::string name;
  Type type;
  friend auto operator<=>(const Child&, const Child&) = default;
};

class MapView : public View {
 public:
  using View::View;
  // Children that exist, by name and then type. O(children log children).
  std::vector<Child> children() const;
  bool contains(std::string_view name, Type type) const;

  // Views of a child; of an absent one: an empty view. O(1). The second argument, where there is
  // one, must be a type of that kind (asserted).
  MapView map(std::string_view name) const;
  ListView list(std::string_view name) const;
  LogView log(std::string_view name) const;
  TextView text(std::string_view name) const;
  TreeView tree(std::string_view name) const;
  CounterView counter(std::string_view name) const;
  BoundedCounterView bounded_counter(std::string_view name) const;
  RegisterView reg(std::string_view name, Type type = Type::reg) const;
  FlagView flag(std::string_view name, Type type = Type::enable_flag) const;
  SetView set(std::string_view name, Type type = Type::set) const;
  // The map at `path` relative to this one, whose steps must all be maps, or trees and lists each
  // followed by a node's properties or an element (asserted).
  MapView at(const Path& path) const;

 private:
  NodeRef find(Type type, std::string_view name) const;
};

class MapRef : public MapView {
 public:
  using MapView::MapView;

  // References to a child, existing or not: nothing comes to exist before something is written.
  // Names longer than limits::key_bytes_max, not UTF-8, or deeper than limits::path_depth_max are
  // refused by the write that follows.
  MapRef map(std::string_view name);
  ListRef list(std::string_view name);
  LogRef log(std::string_view name);
  TextRef text(std::string_view name);
  TreeRef tree(std::string_view name);
  CounterRef counter(std::string_view name);
  BoundedCounterRef bounded_counter(std::string_view name);
  RegisterRef reg(std::string_view name, Type type = Type::reg);
  FlagRef flag(std::string_view name, Type type = Type::enable_flag);
  SetRef set(std::string_view name, Type type = Type::set);
  MapRef at(const Path& path);

  // The dot that the next write of this transaction takes: for a name that nobody else gives.
  Dot next_dot() const;
  // Makes this map exist although nothing is in it. It exists until removed, whatever goes on
  // below.
  Status create();
  // Removes the child and everything below it that is visible here, as one effect. Nothing when the
  // child does not exist.
  Status remove(std::string_view name, Type type);
  // Removes everything below this map.
  Status clear();

 private:
  NodeRef child(Type type, std::string_view name);
};

}  // namespace rejoin
