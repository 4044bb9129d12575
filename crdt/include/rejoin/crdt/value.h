// The scalar values of the data model.
#pragma once

#include <bit>
#include <compare>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "rejoin/crdt/result.h"

namespace rejoin {

class Reader;
class Writer;

// null, bool, int64, double, string (valid UTF-8) or bytes. Sixteen bytes in memory: contents of up
// to 14 bytes are stored in place, longer ones on the heap, where they never change and copies
// share them. A value type.
//
// Equal values are exactly those with equal canonical encodings. Ordered by kind first, then by
// content: integers numerically, strings and bytes bytewise, doubles in IEEE 754's total order, so
// that NaN equals itself and -0.0 comes before 0.0.
class alignas(8) Value {
 public:
  enum class Kind : std::uint8_t {
    null = 0,
    boolean = 1,
    integer = 2,
    real = 3,
    string = 4,
    bytes = 5
  };

  Value() noexcept : kind_(Kind::null), size_(0), data_{} {}
  Value(std::nullptr_t) noexcept : Value() {}
  Value(bool v) noexcept : kind_(Kind::boolean), size_(0), data_{} { set_word(v ? 1 : 0); }
  Value(std::int64_t v) noexcept : kind_(Kind::integer), size_(0), data_{} {
    set_word(static_cast<std::uint64_t>(v));
  }
  Value(int v) noexcept : Value(static_cast<std::int64_t>(v)) {}
  Value(double v) noexcept : kind_(Kind::real), size_(0), data_{} {
    set_word(std::bit_cast<std::uint64_t>(v));
  }
  // Strings must be valid UTF-8: what the API takes from callers is checked where it enters a
  // document (Transaction), what comes from bytes is checked by decode().
  Value(std::string_view v);
  Value(const std::string& v) : Value(std::string_view(v)) {}
  Value(const char* v) : Value(std::string_view(v)) {}
  static Value bytes(std::string_view v);

  Value(const Value& other) {
    if (other.size_ == on_heap) {
      copy_heap(other);
    } else {
      copy_bits(other);
    }
  }
  // What was moved from is null.
  Value(Value&& other) noexcept {
    copy_bits(other);
    other.forget();
  }
  Value& operator=(const Value& other) {
    if (this != &other) *this = Value(other);
    return *this;
  }
  Value& operator=(Value&& other) noexcept {
    if (this != &other) {
      if (size_ == on_heap) release();
      copy_bits(other);
      other.forget();
    }
    return *this;
  }
  ~Value() {
    if (size_ == on_heap) release();
  }

  Kind kind() const { return kind_; }
  bool is_null() const { return kind_ == Kind::null; }
  bool is_bool() const { return kind_ == Kind::boolean; }
  bool is_integer() const { return kind_ == Kind::integer; }
  bool is_real() const { return kind_ == Kind::real; }
  bool is_string() const { return kind_ == Kind::string; }
  bool is_bytes() const { return kind_ == Kind::bytes; }

  // Each asserts the kind.
  bool as_bool() const;
  std::int64_t as_integer() const;
  double as_real() const;
  std::string_view as_string() const;  // valid while this value lives and is not assigned to
  std::string_view as_bytes() const;

  // The raw contents of a string or bytes value; empty for other kinds.
  std::string_view contents() const;

  // Canonical form: the kind, then by kind nothing, 0 or 1, a zigzag varint, 8 bytes little-endian,
  // or length and contents.
  void encode(Writer& out) const;
  // `malformed` on truncation, unknown kinds, lengths above limits::value_bytes_max, or strings
  // that are not UTF-8.
  static Result<Value> decode(Reader& in);

  friend bool operator==(const Value& a, const Value& b) {
    if (a.size_ == on_heap && b.size_ == on_heap) return equal_on_heap(a, b);
    // Unused bytes are zero, and contents of one length are always kept in the same way.
    std::uint64_t left[2];
    std::uint64_t right[2];
    std::memcpy(left, &a, sizeof left);
    std::memcpy(right, &b, sizeof right);
    return left[0] == right[0] && left[1] == right[1];
  }
  friend std::strong_ordering operator<=>(const Value& a, const Value& b);

  // Like JSON, with bytes as b"<hex>", and doubles always with a point or exponent ("1.0", "nan",
  // "-inf"): for logs and test failures.
  std::string to_string() const;

 private:
  static constexpr std::uint8_t inline_max = 14;
  static constexpr std::uint8_t on_heap = 0xFF;
  void assign_contents(Kind kind, std::string_view contents);
  void release() noexcept;

  // Contents of up to 14 bytes sit in data_; numbers and the pointer to longer contents in its last
  // eight bytes, which are aligned.
  static constexpr std::size_t word_at = 6;
  struct HeapBlock;
  std::uint64_t word() const {
    std::uint64_t word;
    std::memcpy(&word, data_ + word_at, sizeof word);
    return word;
  }
  void set_word(std::uint64_t word) { std::memcpy(data_ + word_at, &word, sizeof word); }
  const HeapBlock* heap_block() const;

  void copy_heap(const Value& other);
  void copy_bits(const Value& other) noexcept {
    std::memcpy(static_cast<void*>(this), static_cast<const void*>(&other), sizeof *this);
  }
  void forget() noexcept { std::memset(static_cast<void*>(this), 0, sizeof *this); }
  static bool equal_on_heap(const Value& a, const Value& b);

  Kind kind_;
  std::uint8_t size_;
  char data_[14];
};

static_assert(sizeof(Value) == 16);

// True when `text` is well-formed UTF-8 (no surrogates, no overlong forms).
bool is_valid_utf8(std::string_view text);

}  // namespace rejoin
