#include "rejoin/crdt/codec.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <limits>

#include "generators.h"

namespace rejoin {
namespace {

std::string varint(std::uint64_t v) {
  std::string bytes;
  Writer(bytes).varint(v);
  return bytes;
}

TEST(codec, varints_take_as_many_bytes_as_their_size_asks) {
  EXPECT_EQ(varint(0), std::string(1, '\0'));
  EXPECT_EQ(varint(127), "\x7F");
  EXPECT_EQ(varint(128), std::string("\x80\x01", 2));
  EXPECT_EQ(varint(300), std::string("\xAC\x02", 2));
  EXPECT_EQ(varint(~0ull), std::string("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01", 10));
}

RC_GTEST_PROP(codec, everything_written_is_read_back, ()) {
  const auto varints = *rc::gen::container<std::vector<std::uint64_t>>(
      rc::gen::map(rc::gen::pair(rc::gen::arbitrary<std::uint64_t>(), rc::gen::inRange(0, 64)),
                   [](const std::pair<std::uint64_t, int>& p) { return p.first >> p.second; }));
  const auto signed_one = *generators::integer();
  const auto fixed = *rc::gen::arbitrary<std::uint64_t>();
  const auto text = *generators::any_bytes();
  const auto id = *generators::replica();
  std::string bytes;
  Writer out(bytes);
  for (const std::uint64_t v : varints) out.varint(v);
  out.zigzag(signed_one);
  out.u8(0xAB);
  out.fixed64(fixed);
  out.bytes(text);
  out.replica(id);
  out.raw("end");

  Reader in(bytes);
  for (const std::uint64_t v : varints) RC_ASSERT(in.varint() == v);
  RC_ASSERT(in.zigzag() == signed_one);
  RC_ASSERT(in.u8() == 0xAB);
  RC_ASSERT(in.fixed64() == fixed);
  RC_ASSERT(in.bytes(text.size()) == text);
  RC_ASSERT(in.replica() == id);
  RC_ASSERT(in.raw(3) == "end");
  RC_ASSERT(in.ok());
  RC_ASSERT(in.at_end());
}

TEST(codec, small_signed_integers_stay_small) {
  for (const std::int64_t v : {0, -1, 1, -64, 63}) {
    std::string bytes;
    Writer(bytes).zigzag(v);
    EXPECT_EQ(bytes.size(), 1u) << v;
  }
  std::string bytes;
  Writer(bytes).zigzag(std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(bytes, varint(~0ull));
}

TEST(codec, fixed_numbers_are_little_endian) {
  std::string bytes;
  Writer(bytes).fixed64(0x0102030405060708);
  EXPECT_EQ(bytes, "\x08\x07\x06\x05\x04\x03\x02\x01");
}

TEST(codec, varints_in_longer_than_their_shortest_form_are_refused) {
  for (const std::string_view bytes :
       {std::string_view("\x80\x00", 2), std::string_view("\xFF\x00", 2),
        std::string_view("\x80\x80\x00", 3),
        std::string_view("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00", 10)}) {
    Reader in(bytes);
    EXPECT_EQ(in.varint(), 0u);
    EXPECT_FALSE(in.ok());
  }
}

TEST(codec, varints_beyond_64_bits_are_refused) {
  for (const std::string_view bytes :
       {std::string_view("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x02", 10),
        std::string_view("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x81\x00", 11),
        std::string_view("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01", 11)}) {
    Reader in(bytes);
    in.varint();
    EXPECT_FALSE(in.ok());
  }
}

RC_GTEST_PROP(codec, a_failure_sticks_and_later_reads_give_nothing, ()) {
  std::string bytes = varint(*rc::gen::arbitrary<std::uint64_t>());
  bytes.pop_back();
  Reader in(bytes);
  RC_ASSERT(in.varint() == 0u);
  RC_ASSERT(!in.ok());
  RC_ASSERT(in.u8() == 0);
  RC_ASSERT(in.varint() == 0u);
  RC_ASSERT(in.fixed64() == 0u);
  RC_ASSERT(in.zigzag() == 0);
  RC_ASSERT(in.raw(0).empty());
  RC_ASSERT(in.bytes(100).empty());
  RC_ASSERT(in.replica().is_nil());
  RC_ASSERT(!in.ok());
}

TEST(codec, lengths_beyond_the_bound_or_the_end_are_refused) {
  const std::string bytes = std::string(
      "\x03"
      "abc");
  Reader too_long(bytes);
  EXPECT_EQ(too_long.bytes(2), "");
  EXPECT_FALSE(too_long.ok());
  Reader cut(std::string_view(bytes).substr(0, 3));
  EXPECT_EQ(cut.bytes(10), "");
  EXPECT_FALSE(cut.ok());
  Reader huge("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01");
  EXPECT_EQ(huge.bytes(std::numeric_limits<std::size_t>::max()), "");
  EXPECT_FALSE(huge.ok());
}

TEST(codec, ids_compare_as_their_bytes_and_print_as_hex) {
  const ReplicaId id = ReplicaId::from_words(0x0123456789ABCDEF, 0xFEDCBA9876543210);
  EXPECT_EQ(id.to_string(), "0123456789abcdeffedcba9876543210");
  EXPECT_EQ(id.short_name(), "01234567");
  EXPECT_EQ((Dot{id, 12}).to_string(), "01234567:12");
  EXPECT_EQ(*ReplicaId::parse("0123456789ABCDEFfedcba9876543210"), id);
  for (const char* wrong :
       {"", "0123", "0123456789abcdeffedcba987654321", "0123456789abcdeffedcba98765432100",
        "g123456789abcdeffedcba9876543210"}) {
    ASSERT_FALSE(ReplicaId::parse(wrong).ok()) << wrong;
    EXPECT_EQ(ReplicaId::parse(wrong).error().code, ErrorCode::malformed);
  }
  EXPECT_TRUE(ReplicaId().is_nil());
  EXPECT_FALSE(id.is_nil());
}

RC_GTEST_PROP(codec, id_order_is_bytewise, ()) {
  const auto a = *generators::replica();
  const auto b = *generators::replica();
  RC_ASSERT((a < b) == (a.bytes < b.bytes));
  RC_ASSERT((a == b) == (a.bytes == b.bytes));
}

}  // namespace
}  // namespace rejoin
