#include "rejoin/crdt/types/register.h"

#include <algorithm>
#include <cmath>

#include "rejoin/crdt/limits.h"
#include "store/store.h"
#include "types/check.h"
#include "types/latest.h"

namespace rejoin {

namespace {

// An int64 against a double, exactly; NaN is above every number.
std::strong_ordering compare_mixed(std::int64_t a, double b) {
  if (std::isnan(b) || b >= 9223372036854775808.0) return std::strong_ordering::less;
  if (b < -9223372036854775808.0) return std::strong_ordering::greater;
  const auto whole = static_cast<std::int64_t>(b);  // towards zero, in range
  if (a != whole) return a <=> whole;
  const double rest = b - static_cast<double>(whole);
  if (rest > 0) return std::strong_ordering::less;
  if (rest < 0) return std::strong_ordering::greater;
  return std::strong_ordering::equal;
}

}  // namespace

std::strong_ordering compare_numerically(const Value& a, const Value& b) {
  std::strong_ordering order = std::strong_ordering::equal;
  if (a.is_integer() && b.is_real()) {
    order = compare_mixed(a.as_integer(), b.as_real());
  } else if (a.is_real() && b.is_integer()) {
    order = 0 <=> compare_mixed(b.as_integer(), a.as_real());
  } else if (a.is_real() && b.is_real()) {
    const double x = a.as_real();
    const double y = b.as_real();
    if (std::isnan(x) != std::isnan(y)) {
      order = std::isnan(x) ? std::strong_ordering::greater : std::strong_ordering::less;
    } else if (x < y) {
      order = std::strong_ordering::less;
    } else if (x > y) {
      order = std::strong_ordering::greater;
    }
  }
  // Equal numbers of different kinds, or with different bits, still need one order.
  return order != 0 ? order : a <=> b;
}

std::vector<Sibling> RegisterView::siblings() const {
  std::vector<Sibling> out;
  const NodeIndex i = index();
  if (i == no_node) return out;
  for (const Entry& e : std::get<Entries>(store_->node(i).cell)) {
    out.push_back({e.value, store_->to_dot(e.dot()), e.time});
  }
  std::sort(out.begin(), out.end(),
            [](const Sibling& a, const Sibling& b) { return a.dot < b.dot; });
  return out;
}

std::optional<Value> RegisterView::get() const {
  const NodeIndex i = index();
  if (i == no_node) return std::nullopt;
  const Node& n = store_->node(i);
  const Entries& entries = std::get<Entries>(n.cell);
  if (entries.empty()) return std::nullopt;
  const auto best = std::max_element(
      entries.begin(), entries.end(), [&](const Entry& a, const Entry& b) {  // a reads below b
        if (n.type == Type::max_register || n.type == Type::min_register) {
          const std::strong_ordering order = compare_numerically(a.value, b.value);
          return n.type == Type::max_register ? order < 0 : order > 0;
        }
        return is_earlier(*store_, a, b);
      });
  return best->value;
}

Status RegisterRef::set(const Value& value) {
  Result<std::uint32_t> i = writable();
  if (!i.ok()) return i.error();
  Status valid = check_value(value, limits::value_bytes_max, *store_, *i);
  if (!valid.ok()) return valid;
  const Type type = store_->node(*i).type;
  if (type == Type::max_register || type == Type::min_register) {
    if (const std::optional<Value> now = get()) {
      const std::strong_ordering order = compare_numerically(*now, value);
      if (type == Type::max_register ? order >= 0 : order <= 0) return {};
    }
  }
  store_->put(*i, value);
  return {};
}

Status RegisterRef::clear() {
  Result<std::uint32_t> i = writable();
  if (!i.ok()) return i.error();
  if (!std::get<Entries>(store_->node(*i).cell).empty()) store_->remove_entries(*i);
  return {};
}

}  // namespace rejoin
