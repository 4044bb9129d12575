// Cursors by example; random histories are compared with the specification in
// document_property_test.cpp.
#include "rejoin/crdt/types/cursor.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <vector>

#include "site.h"

namespace rejoin {
namespace {

class Editor : public Site {
 public:
  explicit Editor(std::uint64_t n) : Site(ReplicaId::from_words(n, n)) {}

  void insert(std::size_t at, std::string_view text) {
    commit([&](MapRef root) { EXPECT_TRUE(root.text("t").insert(at, text).ok()); });
  }
  void remove(std::size_t at, std::size_t count) {
    commit([&](MapRef root) { EXPECT_TRUE(root.text("t").remove(at, count).ok()); });
  }
  TextView text() const { return root().text("t"); }
  // The text with a bar where the cursor is.
  std::string shown(const Cursor& cursor) const {
    const Result<std::size_t> at = text().index_of(cursor);
    if (!at.ok()) return at.error().to_string();
    return *text().slice(0, *at) + "|" + *text().slice(*at, text().size() - *at);
  }
};

class Cursors : public testing::Test {
 protected:
  Editor a{1};
  Editor b{2};
};

TEST_F(Cursors, a_cursor_moves_with_what_it_sticks_to) {
  a.insert(0, "abcd");
  exchange(a, b);
  const Cursor left = *a.text().cursor(2, Sticks::left);
  const Cursor right = *a.text().cursor(2, Sticks::right);
  b.insert(0, "xy");
  b.insert(4, "-");
  b.remove(0, 1);
  exchange(a, b);
  for (const Editor* site : {&a, &b}) {
    EXPECT_EQ(site->shown(left), "yab|-cd");
    EXPECT_EQ(site->shown(right), "yab-|cd");
  }
}

TEST_F(Cursors, at_the_ends_it_sticks_to_the_text_or_to_its_end) {
  EXPECT_EQ(a.shown(*a.text().cursor(0, Sticks::left)), "|");
  a.insert(0, "ab");
  const Cursor beginning = *a.text().cursor(0, Sticks::left);
  const Cursor before_a = *a.text().cursor(0, Sticks::right);
  const Cursor behind_b = *a.text().cursor(2, Sticks::left);
  const Cursor end = *a.text().cursor(2, Sticks::right);
  a.insert(0, "<");
  a.insert(3, ">");
  EXPECT_EQ(a.shown(beginning), "|<ab>");
  EXPECT_EQ(a.shown(before_a), "<|ab>");
  EXPECT_EQ(a.shown(behind_b), "<ab|>");
  EXPECT_EQ(a.shown(end), "<ab>|");
}

TEST_F(Cursors, where_its_element_was_removed_it_is_where_that_stood) {
  a.insert(0, "abcd");
  const Cursor left = *a.text().cursor(2, Sticks::left);
  const Cursor right = *a.text().cursor(2, Sticks::right);
  a.remove(1, 2);
  EXPECT_EQ(a.shown(left), "a|d");
  EXPECT_EQ(a.shown(right), "a|d");
  a.remove(0, 2);
  EXPECT_EQ(a.shown(left), "|");
}

TEST_F(Cursors, one_of_an_element_that_is_not_here_is_not_found) {
  a.insert(0, "abcd");
  const Cursor at_c = *a.text().cursor(2, Sticks::right);
  const auto error = [&](const Result<std::size_t>& found) {
    EXPECT_FALSE(found.ok());
    if (found.ok()) return std::string();
    EXPECT_EQ(found.error().code, ErrorCode::not_found);
    return found.error().message + " " + found.error().where;
  };
  EXPECT_NE(error(b.text().index_of(at_c)).find("has not come here yet"), std::string::npos);
  exchange(a, b);
  EXPECT_EQ(b.shown(at_c), "ab|cd");
  b.commit([](MapRef root) { EXPECT_TRUE(root.text("other").append("x").ok()); });
  EXPECT_NE(error(b.root().text("other").index_of(at_c)).find("is not one of these"),
            std::string::npos);
  a.remove(1, 2);
  exchange(a, b);
  for (Editor* site : {&a, &b}) {
    site->document.prune(site->document.clock());
    site->document.forget_elements(site->document.clock());
  }
  const std::string forgotten = error(a.text().index_of(at_c));
  EXPECT_NE(forgotten.find("removed and is forgotten"), std::string::npos) << forgotten;
  EXPECT_NE(forgotten.find("/text:t"), std::string::npos) << forgotten;
}

TEST_F(Cursors, lists_have_them_too) {
  a.commit([](MapRef root) { EXPECT_TRUE(root.list("l").insert(0, {1, 2, 3}).ok()); });
  exchange(a, b);
  const Cursor cursor = *a.root().list("l").cursor(1, Sticks::right);
  b.commit([](MapRef root) {
    EXPECT_TRUE(root.list("l").insert(0, {8, 9}).ok());
    // Within a transaction, too.
    EXPECT_EQ(*root.list("l").index_of(*root.list("l").cursor(1, Sticks::left)), 1u);
  });
  exchange(a, b);
  EXPECT_EQ(*a.root().list("l").index_of(cursor), 3u);
  EXPECT_EQ(a.root().list("l").cursor(6, Sticks::left).error().code, ErrorCode::out_of_range);
  EXPECT_EQ(a.root().list("l").cursor(6, Sticks::left).error().where, "/list:l");
  EXPECT_EQ(a.text().cursor(1, Sticks::left).error().code, ErrorCode::out_of_range);
}

TEST_F(Cursors, means_the_same_to_replicas_that_met_others_in_another_order) {
  Editor c(3);
  c.insert(0, "c");
  b.insert(0, "b");
  exchange(b, c);
  a.insert(0, "abc");
  exchange(a, b);
  exchange(a, c);
  exchange(b, a);
  for (std::size_t i = 0; i <= 5; ++i) {
    const Result<Cursor> sent = Cursor::decode(a.text().cursor(i, Sticks::right)->encoded());
    ASSERT_TRUE(sent.ok());
    for (const Editor* site : {&a, &b, &c}) EXPECT_EQ(*site->text().index_of(*sent), i);
  }
}

// Many leaves, and inner nodes above them, with removed elements everywhere.
TEST(CursorsInALargeList, are_where_their_elements_are) {
  std::mt19937_64 random(1);
  Site site(ReplicaId::from_words(1, 1));
  std::vector<std::int64_t> model;  // no value twice
  std::int64_t next = 0;
  std::map<std::int64_t, Cursor> cursors;  // by the value to whose left they are
  for (int round = 0; round < 100; ++round) {
    site.commit([&](MapRef root) {
      ListRef list = root.list("l");
      for (int i = 0; i < 300; ++i) {
        const std::size_t at = random() % (model.size() + 1);
        const auto place = model.begin() + static_cast<std::ptrdiff_t>(at);
        if (at < model.size() && random() % 4 == 0) {
          ASSERT_TRUE(list.remove(at).ok());
          cursors.erase(*place);
          model.erase(place);
        } else {
          ASSERT_TRUE(list.insert(at, next).ok());
          model.insert(place, next++);
        }
      }
    });
    const ListView list = site.root().list("l");
    ASSERT_EQ(list.size(), model.size());
    std::map<std::int64_t, std::size_t> index;
    for (std::size_t i = 0; i < model.size(); ++i) index[model[i]] = i;
    for (const auto& [value, cursor] : cursors) ASSERT_EQ(*list.index_of(cursor), index.at(value));
    for (std::size_t i = round % 7; i < model.size(); i += 97) {
      cursors[model[i]] = *list.cursor(i, Sticks::right);
      ASSERT_EQ(*list.index_of(*list.cursor(i + 1, Sticks::left)), i + 1);
    }
  }
}

TEST(CursorBytes, are_refused_when_any_bit_is_another_or_any_byte_is_missing) {
  const Dot dot{ReplicaId::from_words(0x0123456789ABCDEF, ~0ull), 300};
  for (const Cursor& cursor : {Cursor{dot, Sticks::left}, Cursor{dot, Sticks::right},
                               Cursor{{}, Sticks::left}, Cursor{{}, Sticks::right}}) {
    const std::string bytes = cursor.encoded();
    EXPECT_LE(bytes.size(), 32u);
    ASSERT_TRUE(Cursor::decode(bytes).ok());
    EXPECT_EQ(*Cursor::decode(bytes), cursor);
    for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
      std::string damaged = bytes;
      damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
      EXPECT_FALSE(Cursor::decode(damaged).ok()) << "bit " << bit;
    }
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      EXPECT_EQ(Cursor::decode(bytes.substr(0, size)).error().code, ErrorCode::malformed);
    }
    EXPECT_EQ(Cursor::decode(bytes + "x").error().code, ErrorCode::malformed);
    std::string newer = bytes;
    newer[0] = 2;
    EXPECT_EQ(Cursor::decode(newer).error().code, ErrorCode::unsupported_version);
  }
}

}  // namespace
}  // namespace rejoin
