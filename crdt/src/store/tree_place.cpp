// A position is a number of four bytes, which appending counts up and prepending down, then digits
// (base 256) that tell apart what was inserted between two, then the salt. A million appended nodes
// so have positions of eight bytes each; inserting always at one place costs a bit a time.
#include "store/tree_place.h"

#include "rejoin/crdt/codec.h"
#include "rejoin/crdt/limits.h"
#include "rejoin/crdt/value.h"

namespace rejoin {
namespace {

constexpr std::size_t head_bytes = 4;
constexpr std::uint32_t head_middle = 0x80000000;

std::uint32_t head_of(std::string_view position) {
  std::uint32_t head = 0;
  for (std::size_t i = 0; i < head_bytes; ++i) {
    head = head << 8 | (i < position.size() ? static_cast<std::uint8_t>(position[i]) : 0u);
  }
  return head;
}

void append_number(std::string& out, std::uint32_t number) {
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(number >> shift);
}

int digit_at(std::string_view digits, std::size_t i, int beyond) {
  return i < digits.size() ? static_cast<std::uint8_t>(digits[i]) : beyond;
}

// Digits between two, as far as there is room.
std::string digits_between(std::string_view left, std::optional<std::string_view> right) {
  std::string digits;
  bool bounded = right.has_value();
  for (std::size_t i = 0;; ++i) {
    const int low = digit_at(left, i, 0);
    const int high = bounded ? digit_at(*right, i, 0) : 256;
    if (high - low > 1) {
      digits += static_cast<char>(low + (high - low) / 2);
      return digits;
    }
    digits += static_cast<char>(low);
    if (high != low) bounded = false;  // already below `right`
    if (bounded && i >= right->size() && i >= left.size()) return std::string(left);  // no room
  }
}

}  // namespace

std::string encode_tree_place(const TreePlace& place) {
  std::string bytes;
  Writer out(bytes);
  out.bytes(place.parent);
  out.bytes(place.previous);
  out.raw(place.position);
  return bytes;
}

std::optional<TreePlace> decode_tree_place(std::string_view bytes) {
  Reader in(bytes);
  TreePlace place;
  place.parent = in.bytes(limits::key_bytes_max);
  place.previous = in.bytes(limits::key_bytes_max);
  place.position = in.raw(in.remaining());
  if (!in.ok() || place.position.size() > tree_position_bytes_max || !is_valid_utf8(place.parent) ||
      !is_valid_utf8(place.previous)) {
    return std::nullopt;
  }
  return place;
}

std::string tree_position_between(std::optional<std::string_view> left,
                                  std::optional<std::string_view> right, std::uint32_t salt) {
  std::string position;
  if (!left && !right) {
    append_number(position, head_middle);
  } else if (!right && head_of(*left) != 0xFFFFFFFF) {
    append_number(position, head_of(*left) + 1);
  } else if (!left && head_of(*right) > 1) {
    append_number(position, head_of(*right) - 1);
  } else {
    position = digits_between(left.value_or(std::string_view()), right);
  }
  append_number(position, salt | 1);  // never ends in a zero: there is always room before it
  return position;
}

std::string tree_position_without_place(std::string_view name) {
  std::string position;
  append_number(position, head_middle);
  position.append(name);
  position += '\1';
  return position;
}

}  // namespace rejoin
