// Preferences: named scalars that an agent remembers.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rejoin/crdt/types/map.h"

namespace rejoin::agent {

// A map of registers. Of two values written concurrently the later one reads, and conflicts() shows
// both; one that was written after seeing another always replaces it, whatever the clocks said.
// Removing a preference keeps a value that somebody wrote concurrently.
//
// Example: A sets "seat" to "aisle" while B sets it to "window" a second later. Both read "window",
// and conflicts("seat") is {"aisle", "window"} until somebody sets it again.
class PreferencesView {
 public:
  explicit PreferencesView(MapView map) : map_(map) {}
  std::optional<Value> get(std::string_view name) const;
  std::map<std::string, Value> all() const;
  // More than one value when writers disagreed concurrently; ordered by dot.
  std::vector<Value> conflicts(std::string_view name) const;

 private:
  MapView map_;
};

class PreferencesRef : public PreferencesView {
 public:
  explicit PreferencesRef(MapRef map) : PreferencesView(map), map_(map) {}
  // `invalid_argument` for an empty name, or text that is not UTF-8.
  Status set(std::string_view name, const Value& value);
  Status remove(std::string_view name);  // nothing when it is not there

 private:
  MapRef map_;
};

}  // namespace rejoin::agent
