#include "rejoin/crdt/value.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>
#include <limits>

#include "generators.h"
#include "rejoin/crdt/codec.h"
#include "rejoin/crdt/limits.h"

namespace rejoin {
namespace {

std::string encoded(const Value& v) {
  std::string bytes;
  Writer out(bytes);
  v.encode(out);
  return bytes;
}

TEST(value, keeps_what_it_was_given) {
  EXPECT_TRUE(Value().is_null());
  EXPECT_TRUE(Value(nullptr).is_null());
  EXPECT_TRUE(Value(true).as_bool());
  EXPECT_FALSE(Value(false).as_bool());
  EXPECT_EQ(Value(-5).as_integer(), -5);
  EXPECT_EQ(Value(std::numeric_limits<std::int64_t>::min()).as_integer(),
            std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(Value(0.1).as_real(), 0.1);
  EXPECT_EQ(Value("text").as_string(), "text");
  EXPECT_EQ(Value::bytes("\xFF").as_bytes(), "\xFF");
  EXPECT_EQ(Value(1).contents(), "");
}

// Around the 14 bytes that are stored in place.
TEST(value, copies_and_moves_own_their_contents_at_every_length) {
  for (std::size_t n = 0; n <= 40; ++n) {
    const std::string text(n, 'x');
    Value original(text);
    const Value copy(original);
    EXPECT_EQ(copy, original);
    EXPECT_EQ(copy.as_string(), text);
    const Value moved(std::move(original));
    EXPECT_EQ(moved.as_string(), text);
    EXPECT_TRUE(original.is_null());  // NOLINT: what a moved-from value is, is promised
    for (const std::size_t before : {std::size_t{0}, std::size_t{14}, std::size_t{15}, n}) {
      Value target(std::string(before, 'y'));
      target = copy;
      EXPECT_EQ(target, copy);
      Value source(copy);
      target = Value(std::string(before, 'y'));
      target = std::move(source);
      EXPECT_EQ(target, copy);
      target = static_cast<const Value&>(target);
      EXPECT_EQ(target, copy);
      target = Value(target.as_string());
      EXPECT_EQ(target, copy);
    }
  }
}

TEST(value, asking_for_another_kind_aborts) {
  EXPECT_DEATH((void)Value(1).as_string(), "assertion");
  EXPECT_DEATH((void)Value("x").as_bytes(), "assertion");
  EXPECT_DEATH((void)Value().as_bool(), "assertion");
  EXPECT_DEATH((void)Value(1.0).as_integer(), "assertion");
  EXPECT_DEATH((void)Value(1).as_real(), "assertion");
}

RC_GTEST_PROP(value, equality_is_that_of_the_encoding_and_order_agrees, ()) {
  const Value a = *generators::value();
  const Value b = *rc::gen::oneOf(generators::value(), rc::gen::just(a));
  RC_ASSERT((a == b) == (encoded(a) == encoded(b)));
  RC_ASSERT((a == b) == ((a <=> b) == std::strong_ordering::equal));
  RC_ASSERT((a < b) == (b > a));
}

RC_GTEST_PROP(value, order_is_transitive, ()) {
  std::vector<Value> three{*generators::value(), *generators::value(), *generators::value()};
  std::sort(three.begin(), three.end());
  RC_ASSERT(three[0] <= three[1]);
  RC_ASSERT(three[1] <= three[2]);
  RC_ASSERT(three[0] <= three[2]);
}

TEST(value, order_within_a_kind_is_the_expected_one) {
  const double infinity = std::numeric_limits<double>::infinity();
  const std::vector<Value> ascending{Value(),
                                     Value(false),
                                     Value(true),
                                     Value(std::numeric_limits<std::int64_t>::min()),
                                     Value(-1),
                                     Value(0),
                                     Value(1),
                                     Value(-std::nan("")),
                                     Value(-infinity),
                                     Value(-2.0),
                                     Value(-1.0),
                                     Value(-0.0),
                                     Value(0.0),
                                     Value(1.0),
                                     Value(2.0),
                                     Value(infinity),
                                     Value(std::nan("")),
                                     Value(""),
                                     Value("a"),
                                     Value(std::string(30, 'a')),
                                     Value("b"),
                                     Value("\xC3\xA9"),
                                     Value::bytes(""),
                                     Value::bytes("a"),
                                     Value::bytes("\xFF")};
  for (std::size_t i = 0; i < ascending.size(); ++i) {
    for (std::size_t j = 0; j < ascending.size(); ++j) {
      EXPECT_EQ(ascending[i] <=> ascending[j], i <=> j)
          << ascending[i].to_string() << " and " << ascending[j].to_string();
    }
  }
}

RC_GTEST_PROP(value, encoding_round_trips, ()) {
  const Value v = *generators::value();
  const std::string bytes = encoded(v) + "rest";
  Reader in(bytes);
  const Result<Value> decoded = Value::decode(in);
  RC_ASSERT(decoded.ok());
  RC_ASSERT(*decoded == v);
  RC_ASSERT(in.raw(4) == "rest");
}

RC_GTEST_PROP(value, damaged_encodings_are_refused_or_in_their_one_form, ()) {
  std::string bytes = encoded(*generators::value());
  if (*rc::gen::arbitrary<bool>()) {
    bytes.resize(*rc::gen::inRange<std::size_t>(0, bytes.size()));
    Reader in(bytes);
    RC_ASSERT(!Value::decode(in).ok());
    RC_ASSERT(!in.ok());
    return;
  }
  const auto at = *rc::gen::inRange<std::size_t>(0, bytes.size());
  bytes[at] = static_cast<char>(bytes[at] ^ (1 << *rc::gen::inRange(0, 8)));
  Reader in(bytes);
  const Result<Value> decoded = Value::decode(in);
  RC_ASSERT(decoded.ok() == in.ok());
  if (decoded.ok()) RC_ASSERT(encoded(*decoded) == bytes.substr(0, in.position()));
}

TEST(value, encodings_that_break_a_rule_are_malformed) {
  std::string too_long("\x04", 1);
  Writer(too_long).varint(limits::value_bytes_max + 1);
  too_long.resize(too_long.size() + limits::value_bytes_max + 1, 'x');
  for (const std::string& bytes :
       {std::string(), std::string("\x06"), std::string("\x01\x02"), std::string("\x04\x01\xFF"),
        std::string("\x02\x80\x00", 3), too_long}) {
    Reader in(bytes);
    const Result<Value> decoded = Value::decode(in);
    ASSERT_FALSE(decoded.ok());
    EXPECT_EQ(decoded.error().code, ErrorCode::malformed);
  }
}

TEST(value, prints_like_json_and_tells_kinds_apart) {
  EXPECT_EQ(Value().to_string(), "null");
  EXPECT_EQ(Value(true).to_string(), "true");
  EXPECT_EQ(Value(1).to_string(), "1");
  EXPECT_EQ(Value(1.0).to_string(), "1.0");
  EXPECT_EQ(Value(0.1).to_string(), "0.1");
  EXPECT_EQ(Value(1e300).to_string(), "1e+300");
  EXPECT_EQ(Value(-std::nan("")).to_string(), "nan");
  EXPECT_EQ(Value(-std::numeric_limits<double>::infinity()).to_string(), "-inf");
  EXPECT_EQ(Value("a\"\\\n\x01").to_string(), "\"a\\\"\\\\\\n\\u0001\"");
  EXPECT_EQ(Value::bytes("\x01\xAB").to_string(), "b\"01ab\"");
}

// Unicode standard, table 3-7, checked over every code point and every wrong length.
TEST(value, utf8_is_accepted_exactly_when_well_formed) {
  const auto encode = [](std::uint32_t c, int size) {
    std::string text;
    if (size == 1) return std::string(1, static_cast<char>(c));
    const int lead[] = {0, 0, 0xC0, 0xE0, 0xF0};
    text += static_cast<char>(lead[size] | (c >> (6 * (size - 1))));
    for (int i = size - 2; i >= 0; --i) text += static_cast<char>(0x80 | ((c >> (6 * i)) & 0x3F));
    return text;
  };
  const auto natural_size = [](std::uint32_t c) {
    return c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
  };
  std::size_t wrong = 0;
  for (std::uint32_t c = 0; c < 0x1FFFFF; ++c) {
    const bool good = c <= 0x10FFFF && (c < 0xD800 || c > 0xDFFF);
    const int size = natural_size(c);
    const std::string text = encode(c, size);
    if (is_valid_utf8(text) != good) ++wrong;
    if (is_valid_utf8("12345678" + text + "1") != good) ++wrong;
    if (size > 1 && is_valid_utf8(text.substr(0, text.size() - 1))) ++wrong;
    if (size < 4 && is_valid_utf8(encode(c, size + 1))) ++wrong;  // overlong
  }
  EXPECT_EQ(wrong, 0u);
  EXPECT_FALSE(is_valid_utf8("\x80"));
  EXPECT_FALSE(is_valid_utf8("\xC3("));
  EXPECT_FALSE(is_valid_utf8("\xF8\x88\x80\x80\x80"));
  EXPECT_TRUE(is_valid_utf8(""));
}

}  // namespace
}  // namespace rejoin
