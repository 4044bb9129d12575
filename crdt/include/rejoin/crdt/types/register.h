// Registers: one value, and the rules for choosing it among concurrent writes.
//
// A write replaces every value that it saw. What remains beside each other are values written
// concurrently ("siblings"). The types differ only in how they read:
//
//   register        the sibling with the greatest hybrid time, then replica id, then sequence
//   multi_register  all of them
//   max_register    the greatest by Value order (numbers numerically); min_register the least
//
// Example: replicas A and B both see "x". A writes "a" while B, whose clock runs an hour ahead,
// writes "b". After they exchange, both hold siblings {"a", "b"}; a register reads "b". A then
// writes "c", having seen both: everyone reads "c", although B's clock was ahead.
// A removal by a replica that saw only "a" leaves "b".
#pragma once

#include <optional>
#include <vector>

#include "rejoin/crdt/hybrid_time.h"
#include "rejoin/crdt/id.h"
#include "rejoin/crdt/types/cell.h"
#include "rejoin/crdt/value.h"

namespace rejoin {

struct Sibling {
  Value value;
  Dot dot;
  HybridTime time;
};

// For types reg, multi_register, max_register and min_register alike.
class RegisterView : public View {
 public:
  using View::View;
  // By the type's rule; for a multi_register, as a register would. Empty when nothing is there.
  std::optional<Value> get() const;
  std::vector<Sibling> siblings() const;  // ordered by dot
};

class RegisterRef : public RegisterView {
 public:
  using RegisterView::RegisterView;
  // Replaces all siblings. A max_register (min_register) that already reads a value at least (at
  // most) as great keeps it, and nothing is written. `invalid_argument` for strings that are not
  // UTF-8, `limit_exceeded` for values beyond limits::value_bytes_max.
  Status set(const Value& value);
  // Removes all siblings; does nothing when there are none.
  Status clear();
};

// Numbers numerically (an int64 against a double exactly), everything else by Value order.
std::strong_ordering compare_numerically(const Value& a, const Value& b);

}  // namespace rejoin
