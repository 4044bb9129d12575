#include "store/sequence.h"

#include "rejoin/crdt/assert.h"

namespace rejoin {

std::size_t Sequenced::position_of_live(std::size_t index) const {
  if (index >= live_) return npos;
  if (live_ == elements_.size()) return index;
  // From the nearer end: most edits are near the last element.
  if (index * 2 >= live_) {
    std::size_t after = live_ - index;
    for (std::size_t i = elements_.size(); i-- > 0;) {
      if (elements_[i].live() && --after == 0) return i;
    }
  }
  for (std::size_t i = 0; i < elements_.size(); ++i) {
    if (elements_[i].live() && index-- == 0) return i;
  }
  return npos;
}

std::size_t Sequenced::find(ElementId id) const {
  for (std::size_t i = elements_.size(); i-- > 0;) {
    if (elements_[i].id == id) return i;
  }
  return npos;
}

std::size_t Sequenced::integrate(Element element, const ReplicaLess& less) {
  const std::size_t size = elements_.size();
  // Positions shifted by one, so that the beginning is 0 and an element at i is i + 1.
  const auto left_of = [&](ElementId id) { return id.is_boundary() ? 0 : find(id) + 1; };
  const auto right_of = [&](ElementId id) { return id.is_boundary() ? size + 1 : find(id) + 1; };
  const std::size_t left = left_of(element.left);
  const std::size_t right = right_of(element.right);
  REJOIN_ASSERT(left < right);

  std::size_t destination = left;  // as a plain position: just after the left origin
  bool scanning = false;
  for (std::size_t i = left;; ++i) {
    if (!scanning) destination = i;
    if (i == size || i + 1 == right) break;
    const Element& other = elements_[i];
    const std::size_t other_left = left_of(other.left);
    if (other_left < left) break;
    if (other_left > left) continue;  // below a sibling of ours
    const std::size_t other_right = right_of(other.right);
    if (other_right < right) {
      scanning = true;
    } else if (other_right == right) {
      const bool before = element.id.replica == other.id.replica
                              ? element.id.sequence < other.id.sequence
                              : less(element.id.replica, other.id.replica);
      if (before) break;
      scanning = false;
    } else {
      scanning = false;
    }
  }
  if (element.live()) ++live_;
  elements_.insert(elements_.begin() + static_cast<std::ptrdiff_t>(destination),
                   std::move(element));
  return destination;
}

void Sequenced::append_stored(Element element) {
  if (element.live()) ++live_;
  elements_.push_back(std::move(element));
}

void Sequenced::erase(std::size_t position) {
  if (elements_[position].live()) --live_;
  elements_.erase(elements_.begin() + static_cast<std::ptrdiff_t>(position));
}

void Sequenced::remove(std::size_t position, ElementId by) {
  Element& element = elements_[position];
  if (element.live()) {
    --live_;
    element.value = Value();
  }
  element.removed_by = by;
}

void Sequenced::restore(std::size_t position, Value value) {
  Element& element = elements_[position];
  if (!element.live()) ++live_;
  element.removed_by = ElementId{};
  element.value = std::move(value);
}

}  // namespace rejoin
