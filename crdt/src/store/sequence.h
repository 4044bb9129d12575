// The elements of a list, in order, with those removed.
//
// Order: each element names the neighbours between which it was inserted (its origins). Elements
// inserted concurrently at one place are ordered by their right origins, then by id, subtree by
// subtree: the list order of FugueMax (Weidner, Kleppmann: "The Art of the Fugue", 2023, section 5)
// found by scanning, as in Gentle and Kleppmann, "Eg-walker" (EuroSys 2025, section 3.3). It
// depends on the set of elements alone, not on the order in which they came.
//
// One vector: insertion costs O(elements) for the move, and a search for the origins from the end.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "rejoin/crdt/id.h"
#include "rejoin/crdt/value.h"

namespace rejoin {

// An element's identity within one document: interned replica and sequence. Sequence 0 is the
// beginning (as a left origin) or the end (as a right origin).
struct ElementId {
  std::uint32_t replica = 0;
  Sequence sequence = 0;
  friend bool operator==(const ElementId&, const ElementId&) = default;
  bool is_boundary() const { return sequence == 0; }
};

struct Element {
  ElementId id;
  ElementId left;
  ElementId right;
  ElementId removed_by;  // the dot of its removal; sequence 0 while it lives
  Value value;           // null once removed
  bool live() const { return removed_by.sequence == 0; }
};

class Sequenced {
 public:
  static constexpr std::size_t npos = static_cast<std::size_t>(-1);
  // True when replica a's id comes before replica b's: indexes say nothing about order.
  using ReplicaLess = std::function<bool(std::uint32_t a, std::uint32_t b)>;

  std::size_t live_count() const { return live_; }
  const std::vector<Element>& elements() const { return elements_; }
  // Position (removed elements included) of the live element with this index; npos beyond.
  std::size_t position_of_live(std::size_t index) const;
  std::size_t find(ElementId id) const;
  Element& at(std::size_t position) { return elements_[position]; }

  // Inserts where the order puts it; both origins must be here. Returns its position.
  std::size_t integrate(Element element, const ReplicaLess& less);
  // Puts a stored element at the end: elements are stored in their order.
  void append_stored(Element element);
  void erase(std::size_t position);  // undoes integrate
  void remove(std::size_t position, ElementId by);
  void restore(std::size_t position, Value value);  // undoes remove

 private:
  std::vector<Element> elements_;
  std::size_t live_ = 0;
};

}  // namespace rejoin
