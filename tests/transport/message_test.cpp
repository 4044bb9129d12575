#include "rejoin/transport/message.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cstring>

#include "messages.h"

namespace rejoin::transport {
namespace {

using testing::HasSubstr;

std::string outcome(const Result<Message>& result) {
  return result.ok() ? to_text(*result) : result.error().to_string();
}

Clock clock_of_three() {
  Clock clock;
  clock.set(ReplicaId::from_words(0x1111111111111111, 0x2222222222222222), 1'000'000);
  clock.set(ReplicaId::from_words(0x3333333333333333, 0x4444444444444444), 250'000);
  clock.set(ReplicaId::from_words(0x5555555555555555, 0x6666666666666666), 12);
  return clock;
}

RC_GTEST_PROP(Message, every_message_comes_back_as_it_was_sent, ()) {
  const Message message = *generators::message();
  const std::string bytes = encode(message);
  const auto back = decode(bytes);
  RC_ASSERT(outcome(back) == to_text(message));
  RC_ASSERT(back->incarnation == message.incarnation);
  RC_ASSERT(encode(*back) == bytes);
}

RC_GTEST_PROP(Message, bytes_may_lie_at_any_address, ()) {
  const Message message = *generators::message();
  const std::string bytes = encode(message);
  for (std::size_t shift = 0; shift < 8; ++shift) {
    std::string room(bytes.size() + shift, 'x');
    std::memcpy(room.data() + shift, bytes.data(), bytes.size());
    RC_ASSERT(outcome(decode(std::string_view(room).substr(shift))) == to_text(message));
  }
}

RC_GTEST_PROP(Message, a_message_cut_short_is_malformed, ()) {
  const std::string bytes = encode(*generators::message());
  const auto length = *rc::gen::inRange<std::size_t>(0, bytes.size());
  const auto back = decode(std::string_view(bytes).substr(0, length));
  RC_ASSERT(!back.ok());
  RC_ASSERT(back.error().code == ErrorCode::malformed);
}

RC_GTEST_PROP(Message, a_message_followed_by_more_is_malformed, ()) {
  std::string bytes = encode(*generators::message());
  bytes += *rc::gen::nonEmpty(generators::any_bytes());
  const auto back = decode(bytes);
  RC_ASSERT(!back.ok());
  RC_ASSERT(back.error().code == ErrorCode::malformed);
}

// What is decoded in spite of damage keeps every rule: it can be encoded (which asserts them), and
// comes back the same.
void must_be_refused_or_sound(std::string_view frame) {
  const auto message = decode_frame(frame);
  if (!message) {
    RC_ASSERT(message.error().code == ErrorCode::malformed ||
              message.error().code == ErrorCode::unsupported_version);
    return;
  }
  RC_ASSERT(outcome(decode(encode(*message))) == to_text(*message));
}

RC_GTEST_PROP(Message, a_damaged_message_is_malformed, ()) {
  const std::string bytes = encode(*generators::message());
  std::string damaged = bytes;
  for (int flips = *rc::gen::inRange(1, 5); flips > 0; --flips) {
    const auto at = *rc::gen::inRange<std::size_t>(0, bytes.size());
    damaged[at] = static_cast<char>(damaged[at] ^ (1 << *rc::gen::inRange(0, 8)));
  }
  RC_PRE(damaged != bytes);
  const auto message = decode(damaged);
  RC_ASSERT(!message.ok());
  RC_ASSERT(message.error().code == ErrorCode::malformed);
}

// Below the checksum.
RC_GTEST_PROP(Message, flipped_bits_are_refused_or_make_another_sound_message, ()) {
  std::string bytes = encode(*generators::message());
  bytes.resize(bytes.size() - 8);
  for (int flips = *rc::gen::inRange(1, 5); flips > 0; --flips) {
    // Most often near the beginning, where the structure is.
    const auto at = *rc::gen::inRange<std::size_t>(
        0, *rc::gen::arbitrary<bool>() ? bytes.size() : std::min<std::size_t>(bytes.size(), 160));
    bytes[at] = static_cast<char>(bytes[at] ^ (1 << *rc::gen::inRange(0, 8)));
  }
  must_be_refused_or_sound(bytes);
}

RC_GTEST_PROP(Message, random_bytes_are_refused, ()) {
  const auto bytes = *generators::any_bytes();
  must_be_refused_or_sound(bytes);
  must_be_refused_or_sound(std::string(4, '\0') + bytes);  // as a flat message of one segment
}

TEST(Message, the_cluster_is_for_the_receiver_to_judge) {
  Message message = message_of(Hello{});
  message.cluster = "another cluster";
  const auto back = decode(encode(message));
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(back->cluster, "another cluster");
}

TEST(Message, kinds_have_names) {
  EXPECT_STREQ(kind_name(Hello{}), "hello");
  EXPECT_STREQ(kind_name(Summary{}), "summary");
  EXPECT_STREQ(kind_name(Digests{}), "digests");
  EXPECT_STREQ(kind_name(ClockReport{}), "clock_report");
  EXPECT_STREQ(kind_name(Events{}), "events");
  EXPECT_STREQ(kind_name(Ack{}), "ack");
  EXPECT_STREQ(kind_name(Chunk{}), "chunk");
  EXPECT_STREQ(kind_name(ChunkAck{}), "chunk_ack");
  EXPECT_STREQ(kind_name(Reject{}), "reject");
  EXPECT_STREQ(kind_name(Neighbour{}), "neighbour");
  EXPECT_STREQ(kind_name(Rumours{}), "rumours");
  EXPECT_STREQ(kind_name(WantHistory{}), "want_history");
  EXPECT_STREQ(kind_name(History{}), "history");
}

TEST(Message, names_are_short_plain_text) {
  for (const std::string& good :
       {std::string("a"), std::string("tenant/7 \xC3\xA9"), std::string(name_bytes_max, 'n')}) {
    EXPECT_TRUE(is_valid_name(good)) << good;
  }
  for (const std::string& bad :
       {std::string(), std::string(name_bytes_max + 1, 'n'), std::string("\0a", 2),
        std::string("a\nb"), std::string("a\x7F"), std::string("\xC3(")}) {
    EXPECT_FALSE(is_valid_name(bad)) << bad;
  }
}

// ---- Sizes: what idle and small talk costs ----

// The budgets are the table of docs/protocol.md, for names as long as these ("rejoin", "frankfurt",
// a space "sessions"). Never raise one without asking what an idle node will cost.
TEST(Message, small_messages_are_small) {
  const std::string space = "sessions";
  Clock one;
  one.set(ReplicaId::from_words(0x1111111111111111, 0x2222222222222222), 1'000'000);
  const StateHash hash{0x0123456789ABCDEF, 0xFEDCBA9876543210};
  const auto size = [](Body body) { return encode(message_of(std::move(body))).size(); };

  EXPECT_LE(size(Hello{.challenge = hash.low}), 70u);
  EXPECT_LE(size(Hello{.challenge = hash.low, .answer = hash.high}), 80u);
  EXPECT_LE(size(Summary{.of_all = hash, .spaces = 3, .view = hash.low}), 96u);
  EXPECT_LE(size(Summary{.of_all = hash, .spaces = 3, .view = hash.low, .life = hash.high}), 106u);
  EXPECT_LE(size(Neighbour{.step = Neighbour::Step::accept}), 70u);
  EXPECT_LE(size(Rumours{{{.member = "frankfurt", .number = 3, .life = Life::dead}}}), 90u);
  EXPECT_LE(size(Digests{{{.space = space, .clock = hash, .state = hash}}, hash.low}), 132u);
  EXPECT_LE(size(ClockReport{.space = space,
                             .applied = one,
                             .durable = one,
                             .state = hash,
                             .want_reply = false,
                             .gap = false,
                             .view = hash.low,
                             .retired = hash,
                             .writer = one.begin()->first}),
            200u);
  EXPECT_LE(size(Ack{.space = space, .durable = one}), 106u);
  EXPECT_LE(size(ChunkAck{.space = space, .transfer = 7, .received = 1 << 20}), 86u);

  const Sketch sketch{.space = space,
                      .comparison = 0x0123456789ABCDEF,
                      .clock = one,
                      .cells = 1'000'000,
                      .from = 64,
                      .bytes = std::string(64 * 13, 's'),
                      .retired = hash};
  EXPECT_LE(size(sketch), 156u + sketch.bytes.size());
  EXPECT_LE(size(SketchAnswer{
                .space = space, .comparison = 0x0123456789ABCDEF, .have = 64, .wanted = {}}),
            106u);

  const auto events = written_events(1, 20);
  EXPECT_LE(size(Events{.space = space, .events = events}), 90 + events[0]->encoded().size());
}

TEST(Message, long_messages_cost_what_they_carry) {
  const std::string bytes(100'000, 'x');
  const auto chunk = Chunk{
      .space = "sessions", .transfer = 1, .total_bytes = 1 << 20, .offset = 0, .bytes = bytes};
  EXPECT_LE(encode(message_of(chunk)).size(), bytes.size() + 200);
}

TEST(Message, the_largest_of_each_kind_come_back) {
  const auto comes_back = [](Body body) {
    const Message message = message_of(std::move(body));
    const std::string bytes = encode(message);
    EXPECT_LE(bytes.size(), message_bytes_max);
    EXPECT_EQ(outcome(decode(bytes)) == to_text(message), true) << kind_name(message.body);
  };
  Digests digests;
  for (std::size_t i = 0; i < digests_max; ++i) {
    digests.digests.push_back(
        {.space = "space " + std::to_string(i), .clock = {i, 1}, .state = {}});
  }
  comes_back(digests);

  Events many{.space = "sessions", .events = {}};
  many.events.assign(events_max, written_events(1, 1).front());
  comes_back(many);

  // As large an event as the kernel makes.
  Document document(ReplicaId::from_words(1, 2));
  Transaction writes = document.begin({.time = HybridTime{1}, .author = {}, .note = {}});
  const Value large = Value::bytes(std::string(limits::value_bytes_max - 64, 'x'));
  while (writes.root().reg(std::to_string(writes.size())).set(large).ok()) continue;
  ASSERT_GE(writes.size(), 2u);
  comes_back(Events{.space = "sessions", .events = {writes.commit()}});

  comes_back(Chunk{.space = "s",
                   .transfer = ~0ull,
                   .total_bytes = limits::delta_bytes_max,
                   .offset = limits::delta_bytes_max - chunk_bytes_max,
                   .bytes = std::string(chunk_bytes_max, 'x')});

  Clock wide;
  for (std::uint64_t i = 1; i <= 100'000; ++i) {
    wide.set(ReplicaId::from_words(i, i), limits::sequence_max);
  }
  comes_back(ClockReport{.space = "s", .applied = wide, .durable = wide, .state = {}});
}

TEST(Message, too_long_a_message_is_malformed_unseen) {
  const auto back = decode(std::string(message_bytes_max + 8, '\0'));
  ASSERT_FALSE(back.ok());
  EXPECT_EQ(back.error().code, ErrorCode::malformed);
  EXPECT_THAT(back.error().message, HasSubstr("longer than"));
}

TEST(Message, the_reason_of_a_reject_is_made_to_fit) {
  const auto back = decode(encode(message_of(
      Reject{.code = ErrorCode::unsupported_version,
             .reason = "line\nbreak \xFF" + std::string(2 * reject_reason_bytes_max, 'r')})));
  ASSERT_TRUE(back.ok());
  const std::string& reason = std::get<Reject>(back->body).reason;
  EXPECT_EQ(reason.size(), reject_reason_bytes_max);
  EXPECT_THAT(reason, testing::StartsWith("line?break ?rrr"));
}

TEST(Message, one_that_breaks_a_rule_is_not_encoded) {
  Message message = message_of(Hello{});
  message.sender = "";
  EXPECT_DEATH((void)encode(message), "broken_rule");
  EXPECT_DEATH((void)encode(message_of(Ack{.space = "", .durable = clock_of_three()})),
               "broken_rule");
  EXPECT_DEATH((void)encode(message_of(Events{.space = "s", .events = {}})), "broken_rule");
  EXPECT_DEATH((void)encode(message_of(Chunk{
                   .space = "s", .transfer = 1, .total_bytes = 1, .offset = 1, .bytes = "x"})),
               "broken_rule");
}

}  // namespace
}  // namespace rejoin::transport
