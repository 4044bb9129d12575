// Large texts and lists, against plain strings and vectors, and against each other: what the small
// random histories of document_property_test do not reach (leaves that divide, deep trees, long
// runs).
#include <gtest/gtest.h>

#include <random>

#include "rejoin/crdt/document.h"
#include "rejoin/crdt/transaction.h"
#include "site.h"

namespace rejoin {
namespace {

ReplicaId replica(int n) {
  ReplicaId id;
  id.bytes[0] = static_cast<std::uint8_t>(n);
  return id;
}

using CodePoints = std::vector<std::string>;

std::string joined(const CodePoints& text) {
  std::string out;
  for (const std::string& code_point : text) out += code_point;
  return out;
}

// One random edit, the same in the text and in the model.
void edit(TextRef text, CodePoints& model, std::mt19937_64& random) {
  static const CodePoints alphabet{"a", "b", "\u00E9", "\u20AC", "\U0001D11E", "c", "d", "e"};
  const std::size_t size = model.size();
  // Mostly near the last edit, as people do.
  static thread_local std::size_t near = 0;
  std::size_t at = random() % 4 == 0 ? random() % (size + 1) : std::min(near, size);
  if (size > 0 && random() % 3 == 0) {
    at = std::min(at, size - 1);
    if (random() % 2 == 0 && at > 0) --at;  // backspace
    const std::size_t longest = random() % 50 == 0 ? 2000 : 3;
    const std::size_t count = std::min(1 + random() % longest, size - at);
    ASSERT_TRUE(text.remove(at, count).ok());
    const auto begin = model.begin() + static_cast<std::ptrdiff_t>(at);
    model.erase(begin, begin + static_cast<std::ptrdiff_t>(count));
    near = at;
    return;
  }
  CodePoints run;
  const std::size_t longest = random() % 50 == 0 ? 3000 : 4;
  for (std::size_t n = 1 + random() % longest; n > 0; --n) {
    run.push_back(alphabet[random() % (random() % 4 == 0 ? alphabet.size() : 2)]);
  }
  ASSERT_TRUE(text.insert(at, joined(run)).ok());
  model.insert(model.begin() + static_cast<std::ptrdiff_t>(at), run.begin(), run.end());
  near = at + run.size();
}

TEST(Sequence, a_text_reads_like_a_string_edited_in_the_same_way) {
  std::mt19937_64 random(1);
  Document document(replica(1));
  CodePoints model;
  for (int round = 0; round < 300; ++round) {
    Transaction transaction = document.begin({});
    for (int i = 0; i < 20; ++i) edit(transaction.root().text("t"), model, random);
    ASSERT_EQ(transaction.root().text("t").to_string(), joined(model)) << "in round " << round;
    transaction.commit();
    const Status status = document.check_invariants();
    ASSERT_TRUE(status.ok()) << status.error().to_string() << " in round " << round;
  }
  const TextView text = document.root().text("t");
  ASSERT_EQ(text.size(), model.size());
  for (std::size_t i = 0; i < model.size(); i += 37) ASSERT_EQ(*text.slice(i, 1), model[i]);
}

TEST(Sequence, what_is_rolled_back_was_never_there) {
  std::mt19937_64 random(2);
  Document document(replica(1));
  CodePoints model;
  for (int round = 0; round < 200; ++round) {
    const StateHash hash = document.hash();
    const std::string state = document.canonical_state();
    {
      Transaction transaction = document.begin({});
      CodePoints scratch = model;
      for (int i = 0; i < 30; ++i) edit(transaction.root().text("t"), scratch, random);
    }
    ASSERT_EQ(document.hash(), hash);
    ASSERT_EQ(document.canonical_state(), state);
    ASSERT_TRUE(document.check_invariants().ok());
    Transaction transaction = document.begin({});
    for (int i = 0; i < 10; ++i) edit(transaction.root().text("t"), model, random);
    const std::size_t mark = transaction.savepoint();
    CodePoints scratch = model;
    for (int i = 0; i < 10; ++i) edit(transaction.root().text("t"), scratch, random);
    transaction.rollback_to(mark);
    for (int i = 0; i < 10; ++i) edit(transaction.root().text("t"), model, random);
    transaction.commit();
    ASSERT_EQ(document.root().text("t").to_string(), joined(model)) << "in round " << round;
    ASSERT_TRUE(document.check_invariants().ok());
  }
}

// Three edit at once; one hears of it by events, one by deltas, one by both; a fourth is loaded
// from what the first stored.
TEST(Sequence, large_texts_converge_by_events_deltas_and_stores) {
  std::mt19937_64 random(3);
  std::vector<std::unique_ptr<Document>> documents;
  std::vector<std::vector<EventPtr>> events(3);
  for (int i = 0; i < 3; ++i) documents.push_back(std::make_unique<Document>(replica(i + 1)));
  for (int round = 0; round < 60; ++round) {
    for (std::size_t i = 0; i < 3; ++i) {
      CodePoints model;
      {
        const std::string now = documents[i]->root().text("t").to_string();
        for (const char c : now) {
          if ((static_cast<unsigned char>(c) & 0xC0) == 0x80) {
            model.back() += c;
          } else {
            model.emplace_back(1, c);
          }
        }
      }
      Transaction transaction = documents[i]->begin({});
      for (int n = 0; n < 20; ++n) edit(transaction.root().text("t"), model, random);
      EventPtr event = transaction.commit();
      ASSERT_EQ(documents[i]->root().text("t").to_string(), joined(model));
      events[i].push_back(std::move(event));
    }
    for (std::size_t to = 0; to < 3; ++to) {
      for (std::size_t from = 0; from < 3; ++from) {
        if (to == from || random() % 3 == 0) continue;
        const bool by_events = to == 0 || (to == 2 && random() % 2 == 0);
        if (!by_events) {
          const Delta delta = documents[from]->delta_since(documents[to]->clock());
          ASSERT_TRUE(documents[to]->join(delta).ok());
          continue;
        }
        for (const EventPtr& event : events[from]) ASSERT_TRUE(documents[to]->apply(*event).ok());
      }
      const Status status = documents[to]->check_invariants();
      ASSERT_TRUE(status.ok()) << status.error().to_string() << " in round " << round;
    }
  }
  for (int twice = 0; twice < 2; ++twice) {
    for (std::size_t to = 0; to < 3; ++to) {
      for (std::size_t from = 0; from < 3; ++from) {
        if (to == from) continue;
        ASSERT_TRUE(documents[to]->join(documents[from]->delta_since(documents[to]->clock())).ok());
      }
    }
  }
  EXPECT_GT(documents[0]->root().text("t").size(), 10'000u);
  for (std::size_t i = 1; i < 3; ++i) {
    EXPECT_EQ(documents[i]->root().text("t").to_string(),
              documents[0]->root().text("t").to_string());
    EXPECT_EQ(documents[i]->hash(), documents[0]->hash());
    EXPECT_EQ(documents[i]->canonical_state(), documents[0]->canonical_state());
  }
  Document loaded(replica(9));
  ASSERT_TRUE(loaded.load_header(documents[0]->header()).ok());
  documents[0]->take_dirty(
      [&](Document::StoredCell cell) { ASSERT_TRUE(loaded.load_cell(cell.key, cell.bytes).ok()); });
  ASSERT_TRUE(loaded.finish_load().ok());
  EXPECT_EQ(loaded.canonical_state(), documents[0]->canonical_state());
  EXPECT_EQ(loaded.hash(), documents[0]->hash());
  EXPECT_TRUE(loaded.check_invariants().ok());
}

// The state hash depends on the order, not only on what is there.
TEST(Sequence, another_order_is_another_hash) {
  Document one(replica(1));
  Document other(replica(1));
  const auto write = [](Document& document, std::size_t second_at) {
    Transaction transaction = document.begin({});
    (void)transaction.root().text("t").insert(0, "a");
    (void)transaction.root().text("t").insert(second_at, "b");
    transaction.commit();
  };
  write(one, 1);
  write(other, 0);
  EXPECT_NE(one.hash(), other.hash());
}

TEST(Sequence, typing_on_is_one_effect_and_deleting_another) {
  Site site(replica(1));
  Transaction typing = site.begin();
  TextRef text = typing.root().text("t");
  for (std::size_t i = 0; i < 1000; ++i) ASSERT_TRUE(text.insert(i, "x").ok());
  EXPECT_EQ(typing.size(), 1u);
  const EventPtr typed = typing.commit();
  EXPECT_LT(typed->encoded().size(), 1100u);

  Transaction deleting = site.begin();
  text = deleting.root().text("t");
  for (std::size_t i = 1000; i > 500; --i) ASSERT_TRUE(text.remove(i - 1, 1).ok());
  for (std::size_t i = 0; i < 100; ++i) ASSERT_TRUE(text.remove(0, 1).ok());
  EXPECT_EQ(text.size(), 400u);
  EXPECT_EQ(deleting.size(), 1u);
  const EventPtr deleted = deleting.commit();
  EXPECT_LT(deleted->encoded().size(), 100u);

  Site follower(replica(2));
  follower.receive(typed);
  follower.receive(deleted);
  EXPECT_EQ(follower.document.root().text("t").size(), 400u);
  EXPECT_EQ(follower.document.hash(), site.document.hash());
}

TEST(Sequence, what_comes_and_goes_within_a_transaction_was_never_there) {
  Site site(replica(1));
  const EventPtr event = site.commit([](MapRef root) {
    TextRef text = root.text("t");
    ASSERT_TRUE(text.insert(0, "one three").ok());
    ASSERT_TRUE(text.insert(4, "to ").ok());
    ASSERT_TRUE(text.insert(5, "w").ok());  // within what was typed: one run with it
    ASSERT_TRUE(text.remove(0, 4).ok());
  });
  EXPECT_EQ(site.document.root().text("t").to_string(), "two three");
  EXPECT_EQ(event->last() - event->first() + 1, 9u);
  EXPECT_EQ(site.commit([](MapRef root) {
    TextRef text = root.text("t");
    ASSERT_TRUE(text.insert(3, "!").ok());
    ASSERT_TRUE(text.remove(3, 1).ok());
  }),
            nullptr);
}

TEST(Text, refuses_what_is_no_text_or_out_of_range_and_stays_as_it_was) {
  Document document(replica(1));
  Transaction transaction = document.begin({});
  TextRef text = transaction.root().text("notes");
  ASSERT_TRUE(text.insert(0, "a\u20ACb").ok());
  EXPECT_EQ(text.insert(4, "x").error().code, ErrorCode::out_of_range);
  EXPECT_EQ(text.insert(0, "\xFF").error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(text.remove(2, 2).error().code, ErrorCode::out_of_range);
  EXPECT_EQ(text.remove(2, 2).error().where, "/text:notes");
  EXPECT_NE(text.remove(2, 2).error().to_string().find("3 code points"), std::string::npos);
  EXPECT_EQ(text.slice(1, 3).error().code, ErrorCode::out_of_range);
  EXPECT_EQ(text.to_string(), "a\u20ACb");
  EXPECT_EQ(text.utf8_size(), 5u);
  EXPECT_EQ(text.utf16_size(), 3u);
}

}  // namespace
}  // namespace rejoin
