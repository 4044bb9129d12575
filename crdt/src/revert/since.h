// What others have written in the places of an event that its writer had not seen.
#pragma once

#include <map>
#include <vector>

#include "rejoin/crdt/event.h"
#include "rejoin/crdt/history.h"

namespace rejoin::reverting {

class Since {
 public:
  explicit Since(const std::vector<EventPtr>& events);

  // Whether somebody else took an entry away: by writing over it, or by removing it.
  bool took(const Path& path, const Dot& dot) const;
  bool erased(const Path& path, const Dot& element) const;
  bool moved(const Path& path, const Dot& element) const;
  bool wrote(const Path& path, Written::Kind kind) const;
  bool wrote_at_or_below(const Path& path) const;
  // Whether the place was removed with all below it, or one above.
  bool removed_above(const Path& path) const;

 private:
  template <class Which>
  bool any_at(const Path& path, Which which) const;
  template <class Which>
  bool any_removal_of(const Path& path, Which which) const;
  bool removed_with(const Path& path, const Dot& dot) const;

  std::map<Path, std::vector<Written>> writes_;
};

}  // namespace rejoin::reverting
