#include "rejoin/crdt/event_block.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "damage.h"
#include "history.h"
#include "rejoin/crdt/limits.h"

namespace rejoin {
namespace {

std::vector<std::string> bytes_of(const std::vector<EventPtr>& events) {
  std::vector<std::string> bytes;
  for (const EventPtr& event : events) bytes.push_back(event->encoded());
  return bytes;
}

RC_GTEST_PROP(event_block, gives_back_the_events_of_any_history, ()) {
  World world(3);
  world.perform(*any_actions());
  // Any part of it, so that elements are named whose insertions are elsewhere.
  const std::size_t from = *rc::gen::inRange<std::size_t>(0, world.events().size() + 1);
  const std::vector<EventPtr> events(world.events().begin() + static_cast<std::ptrdiff_t>(from),
                                     world.events().end());
  const Result<std::string> block = encode_block(events);
  RC_ASSERT(block.ok());
  const Result<std::vector<EventPtr>> again = decode_block(*block);
  RC_ASSERT(again.ok());
  RC_ASSERT(bytes_of(*again) == bytes_of(events));
}

// An event that decodes, but that no writer of ours would have encoded so.
RC_GTEST_PROP(event_block, gives_back_events_of_strange_writers, ()) {
  World world(2);
  world.perform(*any_actions());
  std::vector<EventPtr> events;
  for (const EventPtr& event : world.events()) {
    const Result<EventPtr> strange = Event::decode(damaged(event->encoded()));
    events.push_back(strange.ok() ? *strange : event);
  }
  const Result<std::string> block = encode_block(events);
  RC_ASSERT(block.ok());
  const Result<std::vector<EventPtr>> again = decode_block(*block);
  RC_ASSERT(again.ok());
  RC_ASSERT(bytes_of(*again) == bytes_of(events));
}

RC_GTEST_PROP(event_block, damaged_blocks_are_refused_or_hold_events, ()) {
  World world(2);
  world.perform(*any_actions());
  const Result<std::string> block = encode_block(world.events());
  RC_ASSERT(block.ok());
  const Result<std::vector<EventPtr>> read = decode_block(damaged(*block));
  RC_CLASSIFY(!read.ok(), "refused");
  if (!read.ok()) {
    RC_ASSERT(!read.error().message.empty());
    return;
  }
  for (const EventPtr& event : *read) RC_ASSERT(Event::decode(event->encoded()).ok());
}

TEST(EventBlock, of_nothing_holds_nothing) {
  const Result<std::string> block = encode_block({});
  ASSERT_TRUE(block.ok());
  const Result<std::vector<EventPtr>> events = decode_block(*block);
  ASSERT_TRUE(events.ok());
  EXPECT_TRUE(events->empty());
}

TEST(EventBlock, typing_on_costs_little_more_than_its_characters) {
  Document document(ReplicaId::from_words(1, 1));
  std::vector<EventPtr> events;
  std::string typed;
  std::uint64_t random = 1;
  for (std::size_t i = 0; i < 10000; ++i) {
    random = random * 6364136223846793005ull + 1442695040888963407ull;
    typed += static_cast<char>('a' + (random >> 60));  // four bits of content each
    Transaction transaction = document.begin({HybridTime::from_millis(i), "writer", ""});
    ASSERT_TRUE(transaction.root().text("t").append(typed.substr(i)).ok());
    events.push_back(transaction.commit());
  }
  const Result<std::string> block = encode_block(events);
  ASSERT_TRUE(block.ok());
  EXPECT_LT(block->size(), 5500u);
  const Result<std::vector<EventPtr>> again = decode_block(*block);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(bytes_of(*again), bytes_of(events));
}

TEST(EventBlock, what_is_no_block_is_refused) {
  EXPECT_EQ(decode_block("").error().code, ErrorCode::malformed);
  EXPECT_EQ(decode_block("\x02").error().to_string(),
            "unsupported_version: event block format 2, this build reads 1");
  const std::string block = *encode_block({});
  EXPECT_EQ(decode_block(block + "x").error().to_string(),
            "malformed: event block: something follows it");
  EXPECT_EQ(decode_block(block.substr(0, block.size() - 1)).error().to_string(),
            "malformed: event block: cut short");
}

// A few bytes that claim ever longer paths for an event after the other.
TEST(EventBlock, no_more_than_the_limit_comes_of_a_few_bytes) {
  Document document(ReplicaId::from_words(1, 1));
  std::vector<EventPtr> events;
  const std::string name(limits::key_bytes_max, 'n');
  for (std::size_t i = 0; i * 50 * name.size() <= limits::block_bytes_max; ++i) {
    Transaction transaction = document.begin({HybridTime::from_millis(i + 1), "", ""});
    MapRef map = transaction.root();
    for (int depth = 0; depth < 50; ++depth) map = map.map(name);
    ASSERT_TRUE(map.reg("x").set(1).ok());
    events.push_back(transaction.commit());
  }
  const Result<std::string> all = encode_block(events);
  ASSERT_FALSE(all.ok());
  EXPECT_EQ(all.error().code, ErrorCode::limit_exceeded);

  // Half of them fit, and take little.
  events.resize(events.size() / 2);
  const Result<std::string> half = encode_block(events);
  ASSERT_TRUE(half.ok());
  EXPECT_LT(half->size(), 30000u);
  EXPECT_TRUE(decode_block(*half).ok());
}

}  // namespace
}  // namespace rejoin
