#include "rejoin/crdt/value.h"

#include <atomic>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <new>

#include "rejoin/crdt/assert.h"
#include "rejoin/crdt/codec.h"
#include "rejoin/crdt/limits.h"

namespace rejoin {

// Contents of more than 14 bytes: one allocation that holds its own length, and goes with the last
// of the values that have it.
struct Value::HeapBlock {
  mutable std::atomic<std::uint32_t> values{1};
  std::uint32_t size;

  explicit HeapBlock(std::uint32_t bytes) : size(bytes) {}
  static HeapBlock* create(std::string_view contents) {
    REJOIN_ASSERT(contents.size() <= std::numeric_limits<std::uint32_t>::max());
    void* memory = std::malloc(sizeof(HeapBlock) + contents.size());
    if (memory == nullptr) throw std::bad_alloc();
    auto* block = new (memory) HeapBlock(static_cast<std::uint32_t>(contents.size()));
    std::memcpy(static_cast<char*>(memory) + sizeof(HeapBlock), contents.data(), contents.size());
    return block;
  }
  std::string_view view() const { return {reinterpret_cast<const char*>(this + 1), size}; }
};

const Value::HeapBlock* Value::heap_block() const {
  return reinterpret_cast<const HeapBlock*>(static_cast<std::uintptr_t>(word()));
}

Value::Value(std::string_view v) : Value() { assign_contents(Kind::string, v); }

Value Value::bytes(std::string_view v) {
  Value value;
  value.assign_contents(Kind::bytes, v);
  return value;
}

// Only ever called on a null value, whose bytes are all zero.
void Value::assign_contents(Kind kind, std::string_view contents) {
  if (contents.size() <= inline_max) {
    if (!contents.empty()) std::memcpy(data_, contents.data(), contents.size());
    size_ = static_cast<std::uint8_t>(contents.size());
  } else {
    set_word(reinterpret_cast<std::uintptr_t>(HeapBlock::create(contents)));
    size_ = on_heap;
  }
  kind_ = kind;
}

void Value::copy_heap(const Value& other) {
  copy_bits(other);
  heap_block()->values.fetch_add(1, std::memory_order_relaxed);
}

void Value::release() noexcept {
  const HeapBlock* block = heap_block();
  if (block->values.fetch_sub(1, std::memory_order_acq_rel) > 1) return;
  std::free(const_cast<HeapBlock*>(block));
}

bool Value::equal_on_heap(const Value& a, const Value& b) {
  return a.kind_ == b.kind_ && a.heap_block()->view() == b.heap_block()->view();
}

bool Value::as_bool() const {
  REJOIN_ASSERT(is_bool());
  return word() != 0;
}

std::int64_t Value::as_integer() const {
  REJOIN_ASSERT(is_integer());
  return static_cast<std::int64_t>(word());
}

double Value::as_real() const {
  REJOIN_ASSERT(is_real());
  return std::bit_cast<double>(word());
}

std::string_view Value::as_string() const {
  REJOIN_ASSERT(is_string());
  return contents();
}

std::string_view Value::as_bytes() const {
  REJOIN_ASSERT(is_bytes());
  return contents();
}

std::string_view Value::contents() const {
  if (size_ == on_heap) return heap_block()->view();
  return {data_, size_};
}

std::strong_ordering operator<=>(const Value& a, const Value& b) {
  if (auto order = a.kind_ <=> b.kind_; order != 0) return order;
  switch (a.kind_) {
    case Value::Kind::null:
      return std::strong_ordering::equal;
    case Value::Kind::boolean:
    case Value::Kind::integer:
      return static_cast<std::int64_t>(a.word()) <=> static_cast<std::int64_t>(b.word());
    case Value::Kind::real: {
      // IEEE 754's total order: negative numbers by descending bits, below all positive ones.
      const auto position = [](std::uint64_t bits) {
        constexpr std::uint64_t sign = std::uint64_t{1} << 63;
        return (bits & sign) != 0 ? ~bits : bits | sign;
      };
      return position(a.word()) <=> position(b.word());
    }
    case Value::Kind::string:
    case Value::Kind::bytes:
      return a.contents() <=> b.contents();
  }
  assertion_failed("known kind", __FILE__, __LINE__);
}

void Value::encode(Writer& out) const {
  out.u8(static_cast<std::uint8_t>(kind_));
  switch (kind_) {
    case Kind::null:
      return;
    case Kind::boolean:
      return out.u8(word() != 0 ? 1 : 0);
    case Kind::integer:
      return out.zigzag(static_cast<std::int64_t>(word()));
    case Kind::real:
      return out.fixed64(word());
    case Kind::string:
    case Kind::bytes:
      return out.bytes(contents());
  }
}

Result<Value> Value::decode(Reader& in) {
  const std::size_t at = in.position();
  const auto malformed = [&](const char* what) {
    in.fail();
    return make_error(ErrorCode::malformed, what, "byte " + std::to_string(at));
  };
  Value value;
  switch (const std::uint8_t kind = in.u8(); static_cast<Kind>(kind)) {
    case Kind::null:
      break;
    case Kind::boolean: {
      const std::uint8_t v = in.u8();
      if (v > 1) return malformed("a boolean value is neither 0 nor 1");
      value = Value(v == 1);
      break;
    }
    case Kind::integer:
      value = Value(in.zigzag());
      break;
    case Kind::real:
      value = Value(std::bit_cast<double>(in.fixed64()));
      break;
    case Kind::string: {
      const std::string_view contents = in.bytes(limits::value_bytes_max);
      if (!is_valid_utf8(contents)) return malformed("a string value is not valid UTF-8");
      value.assign_contents(Kind::string, contents);
      break;
    }
    case Kind::bytes:
      value.assign_contents(Kind::bytes, in.bytes(limits::value_bytes_max));
      break;
    default:
      return malformed("a value is of an unknown kind");
  }
  if (!in.ok()) return malformed("a value is cut short, too long, or not in its shortest form");
  return value;
}

namespace {

void append_real(std::string& text, double v) {
  if (std::isnan(v)) {
    text += "nan";
    return;
  }
  if (std::isinf(v)) {
    text += v < 0 ? "-inf" : "inf";
    return;
  }
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, v).ptr;
  const std::string_view digits(buffer, static_cast<std::size_t>(end - buffer));
  text += digits;
  if (digits.find_first_of(".e") == std::string_view::npos) text += ".0";
}

constexpr char hex_digits[] = "0123456789abcdef";

void append_quoted(std::string& text, std::string_view contents) {
  text += '"';
  for (const char c : contents) {
    const auto byte = static_cast<std::uint8_t>(c);
    if (c == '"' || c == '\\') {
      text += '\\';
      text += c;
    } else if (c == '\n') {
      text += "\\n";
    } else if (byte < 0x20 || byte == 0x7F) {
      text.append("\\u00").append({hex_digits[byte >> 4], hex_digits[byte & 15]});
    } else {
      text += c;
    }
  }
  text += '"';
}

}  // namespace

std::string Value::to_string() const {
  std::string text;
  switch (kind_) {
    case Kind::null:
      text = "null";
      break;
    case Kind::boolean:
      text = as_bool() ? "true" : "false";
      break;
    case Kind::integer:
      text = std::to_string(as_integer());
      break;
    case Kind::real:
      append_real(text, as_real());
      break;
    case Kind::string:
      append_quoted(text, contents());
      break;
    case Kind::bytes:
      text = "b\"";
      for (const char c : contents()) {
        const auto byte = static_cast<std::uint8_t>(c);
        text += hex_digits[byte >> 4];
        text += hex_digits[byte & 15];
      }
      text += '"';
      break;
  }
  return text;
}

bool is_valid_utf8(std::string_view text) {
  const auto* p = reinterpret_cast<const std::uint8_t*>(text.data());
  const auto* const end = p + text.size();
  const auto continues = [](std::uint8_t byte) { return (byte & 0xC0) == 0x80; };
  while (p != end) {
    // Eight ASCII bytes at a time.
    while (end - p >= 8) {
      std::uint64_t word;
      std::memcpy(&word, p, sizeof word);
      if ((word & 0x8080808080808080u) != 0) break;
      p += 8;
    }
    if (p == end) break;
    const std::uint8_t lead = *p;
    if (lead < 0x80) {
      ++p;
      continue;
    }
    // Well-formed sequences, Unicode standard table 3-7: only the second byte's range depends on
    // the first (no overlong forms, no surrogates, nothing above U+10FFFF).
    std::size_t size = 0;
    std::uint8_t second_min = 0x80;
    std::uint8_t second_max = 0xBF;
    if (lead >= 0xC2 && lead <= 0xDF) {
      size = 2;
    } else if (lead >= 0xE0 && lead <= 0xEF) {
      size = 3;
      if (lead == 0xE0) second_min = 0xA0;
      if (lead == 0xED) second_max = 0x9F;
    } else if (lead >= 0xF0 && lead <= 0xF4) {
      size = 4;
      if (lead == 0xF0) second_min = 0x90;
      if (lead == 0xF4) second_max = 0x8F;
    } else {
      return false;
    }
    if (static_cast<std::size_t>(end - p) < size) return false;
    if (p[1] < second_min || p[1] > second_max) return false;
    for (std::size_t i = 2; i < size; ++i) {
      if (!continues(p[i])) return false;
    }
    p += size;
  }
  return true;
}

}  // namespace rejoin
