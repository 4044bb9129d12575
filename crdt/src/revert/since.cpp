#include "revert/since.h"

#include <algorithm>
#include <utility>

namespace rejoin::reverting {
namespace {

// Who saw a write saw all earlier ones of its writer.
bool includes(const std::vector<Dot>& seen, const Dot& dot) {
  return std::ranges::any_of(seen, [&](const Dot& known) {
    return known.replica == dot.replica && known.sequence >= dot.sequence;
  });
}

bool includes(const Written::Range& range, const Dot& element) {
  const Sequence first = range.first.sequence;
  const Sequence low = range.descending ? first - (range.count - 1) : first;
  return range.first.replica == element.replica && low <= element.sequence &&
         element.sequence < low + range.count;
}

}  // namespace

Since::Since(const std::vector<EventPtr>& events) {
  for (const EventPtr& event : events) {
    for (Written& write : writes_of(*event)) writes_[write.path].push_back(std::move(write));
  }
}

template <class Which>
bool Since::any_at(const Path& path, Which which) const {
  const auto at = writes_.find(path);
  return at != writes_.end() && std::ranges::any_of(at->second, which);
}

template <class Which>
bool Since::any_removal_of(const Path& path, Which which) const {
  for (Path at = path;; at = at.parent()) {
    const bool removed = any_at(at, [&](const Written& write) {
      return write.kind == Written::Kind::remove_below && !(at == path && write.keeps_self) &&
             which(write);
    });
    if (removed || at.is_root()) return removed;
  }
}

bool Since::took(const Path& path, const Dot& dot) const {
  const auto names_it = [&](const Written& write) {
    const bool of_entries = write.kind == Written::Kind::put || write.kind == Written::Kind::remove;
    return of_entries && includes(write.replaced, dot);
  };
  return any_at(path, names_it) || removed_with(path, dot);
}

bool Since::erased(const Path& path, const Dot& element) const {
  const auto names_it = [&](const Written& write) {
    return std::ranges::any_of(
        write.erased, [&](const Written::Range& range) { return includes(range, element); });
  };
  return any_at(path, names_it) || removed_with(path, element);
}

bool Since::moved(const Path& path, const Dot& element) const {
  return any_at(path, [&](const Written& write) {
    return write.kind == Written::Kind::move && write.element == element;
  });
}

bool Since::wrote(const Path& path, Written::Kind kind) const {
  return any_at(path, [&](const Written& write) { return write.kind == kind; });
}

bool Since::wrote_at_or_below(const Path& path) const {
  const auto at = writes_.lower_bound(path);
  return at != writes_.end() && at->first.starts_with(path);
}

bool Since::removed_above(const Path& path) const {
  return any_removal_of(path, [](const Written&) { return true; });
}

bool Since::removed_with(const Path& path, const Dot& dot) const {
  return any_removal_of(path, [&](const Written& write) { return includes(write.replaced, dot); });
}

}  // namespace rejoin::reverting
