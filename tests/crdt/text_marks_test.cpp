// Marks of texts by example, those of the Peritext paper first; random histories are compared with
// the specification in document_property_test.cpp.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "rejoin/crdt/json.h"
#include "rejoin/crdt/limits.h"
#include "rejoin/crdt/types/text.h"
#include "site.h"

namespace rejoin {
namespace {

// Spans as in "The [bold=true fox] jumped".
std::string shown(const TextView& text) {
  std::string out;
  for (const TextSpan& span : text.spans()) {
    if (!span.marks.empty()) out += "[";
    for (const TextMark& mark : span.marks) out += mark.name + "=" + mark.value.to_string() + " ";
    out += *text.slice(span.begin, span.end - span.begin);
    if (!span.marks.empty()) out += "]";
  }
  return out;
}

class Author : public Site {
 public:
  // `ahead`: how far this one's clock is ahead.
  explicit Author(std::uint64_t n, std::uint64_t ahead = 0)
      : Site(ReplicaId::from_words(n, n), ahead) {}

  // A write that must succeed.
  template <class Write>
  EventPtr does(Write write) {
    return commit([&](MapRef root) {
      const Status status = write(root.text("t"));
      EXPECT_TRUE(status.ok()) << (status.ok() ? "" : status.error().to_string());
    });
  }
  EventPtr insert(std::size_t at, std::string_view text) {
    return does([&](TextRef t) { return t.insert(at, text); });
  }
  EventPtr remove(std::size_t at, std::size_t count) {
    return does([&](TextRef t) { return t.remove(at, count); });
  }
  EventPtr mark(std::size_t begin, std::size_t end, std::string_view name,
                const Value& value = true, Grow grow = Grow::at_end) {
    return does([&](TextRef t) { return t.mark(begin, end, name, value, grow); });
  }
  EventPtr unmark(std::size_t begin, std::size_t end, std::string_view name,
                  Grow grow = Grow::at_end) {
    return does([&](TextRef t) { return t.unmark(begin, end, name, grow); });
  }
  TextView text() const { return root().text("t"); }
  std::string shown() const { return rejoin::shown(text()); }
  // The text's own cell not counted.
  std::size_t mark_cells() const { return document.cell_count() - (text().size() > 0 ? 1 : 0); }
};

class Marks : public testing::Test {
 protected:
  Marks() {
    a.insert(0, "The fox jumped");
    exchange(a, b);
  }
  // Both show this, after they exchanged.
  void expect(const std::string& text) {
    exchange(a, b);
    EXPECT_EQ(a.shown(), text);
    EXPECT_EQ(b.shown(), text);
  }
  Author a{1};
  Author b{2, 100};
};

// ---- The examples of the paper, by their numbers in its section on authors' intent ----

TEST_F(Marks, example_1_what_is_inserted_in_a_bold_text_concurrently_is_bold) {
  a.mark(0, 14, "bold");
  b.insert(4, "brown ");
  expect("[bold=true The brown fox jumped]");
}

TEST_F(Marks, example_2_concurrent_overlapping_bold_is_bold_throughout) {
  a.mark(0, 7, "bold");
  b.mark(4, 14, "bold");
  expect("[bold=true The fox jumped]");
}

TEST_F(Marks, example_3_concurrent_overlapping_marks_of_different_names_both_show) {
  a.mark(0, 7, "bold");
  b.mark(4, 14, "italic");
  expect("[bold=true The ][bold=true italic=true fox][italic=true  jumped]");
}

TEST_F(Marks, example_4_of_concurrent_colours_the_later_shows_where_they_overlap) {
  b.mark(4, 14, "colour", "blue", Grow::nowhere);
  a.mark(0, 7, "colour", "red", Grow::nowhere);
  expect("[colour=\"red\" The ][colour=\"blue\" fox jumped]");
}

TEST_F(Marks, example_5_of_bold_and_concurrent_not_bold_the_later_counts) {
  a.mark(0, 14, "bold");
  exchange(a, b);
  b.unmark(4, 14, "bold");
  a.mark(0, 7, "bold");
  expect("[bold=true The ]fox jumped");
  a.mark(4, 7, "bold");
  expect("[bold=true The fox] jumped");
}

TEST_F(Marks, example_6_comments_of_names_of_their_own_lie_over_each_other) {
  a.mark(0, 7, "comment:1", "animal?", Grow::nowhere);
  b.mark(4, 14, "comment:2", "passive", Grow::nowhere);
  expect(
      "[comment:1=\"animal?\" The ][comment:1=\"animal?\" comment:2=\"passive\" fox]"
      "[comment:2=\"passive\"  jumped]");
}

TEST_F(Marks, example_7_bold_grows_at_its_end_and_not_at_its_beginning) {
  a.mark(4, 7, "bold");
  b.insert(7, "es");
  b.insert(4, "red ");
  expect("The red [bold=true foxes] jumped");
}

TEST_F(Marks, example_8_a_link_grows_nowhere) {
  a.mark(4, 7, "link", "https://x.test", Grow::nowhere);
  b.insert(7, "es");
  b.insert(4, "red ");
  expect("The red [link=\"https://x.test\" fox]es jumped");
}

// Bold and a link that end together: one goes on, the other does not, whoever types there.
TEST_F(Marks, what_is_inserted_behind_a_bold_link_is_bold_and_not_linked) {
  a.mark(4, 7, "bold");
  a.mark(4, 7, "link", "https://x.test", Grow::nowhere);
  exchange(a, b);
  a.insert(7, "es");
  b.insert(4, "red ");
  expect("The red [bold=true link=\"https://x.test\" fox][bold=true es] jumped");
}

// Taking bold away grows as bold does: what is typed behind is plain like it, in front it is bold.
TEST_F(Marks, what_is_inserted_behind_plain_text_is_plain) {
  a.mark(0, 14, "bold");
  exchange(a, b);
  a.unmark(4, 7, "bold");
  b.insert(7, "es");
  b.insert(4, "red ");
  expect("[bold=true The red ]foxes[bold=true  jumped]");
}

// ---- Ends ----

TEST_F(Marks, a_mark_may_grow_at_its_beginning_or_at_both_ends) {
  a.mark(4, 7, "x", 1, Grow::at_begin);
  a.mark(4, 7, "y", 2, Grow::at_both);
  a.insert(7, ">");
  a.insert(4, "<");
  EXPECT_EQ(a.shown(), "The [x=1 y=2 <fox][y=2 >] jumped");
}

TEST_F(Marks, marks_reach_to_the_ends_of_the_text) {
  a.mark(0, 14, "bold");
  a.mark(0, 14, "x", 1, Grow::at_both);
  a.mark(0, 14, "y", 2, Grow::nowhere);
  a.insert(14, ".");
  a.insert(0, "- ");
  EXPECT_EQ(a.shown(), "[x=1 - ][bold=true x=1 y=2 The fox jumped][bold=true x=1 .]");
}

TEST_F(Marks, bold_stays_where_its_first_and_last_code_points_are_removed) {
  a.mark(4, 7, "bold");
  b.remove(4, 1);
  b.remove(5, 1);
  expect("The [bold=true o] jumped");
  a.insert(5, "xo");
  expect("The [bold=true oxo] jumped");
}

TEST_F(Marks, what_is_inserted_before_removed_text_stands_before_it) {
  a.mark(4, 7, "link", 1, Grow::nowhere);
  a.remove(6, 1);
  a.insert(6, "g");
  expect("The [link=1 fog] jumped");
  a.remove(4, 1);
  a.insert(4, "l");
  expect("The l[link=1 og] jumped");
}

TEST_F(Marks, they_are_of_code_points_whatever_these_take_in_bytes) {
  a.does([](TextRef t) {
    EXPECT_TRUE(t.insert(3, "\u00E9\u20AC\U0001D11E").ok());
    return t.mark(4, 6, "bold", true, Grow::nowhere);
  });
  expect("The\u00E9[bold=true \u20AC\U0001D11E] fox jumped");
}

// ---- Which of several counts ----

TEST_F(Marks, one_that_saw_another_counts_more_though_its_clock_is_behind) {
  b.mark(0, 14, "colour", "red");
  exchange(a, b);
  a.mark(4, 7, "colour", "blue");
  expect("[colour=\"red\" The ][colour=\"blue\" fox][colour=\"red\"  jumped]");
  a.unmark(0, 7, "colour");
  expect("The fox[colour=\"red\"  jumped]");
  // Two in one transaction are written one after the other.
  a.does([](TextRef t) {
    EXPECT_TRUE(t.mark(0, 5, "colour", "green", Grow::nowhere).ok());
    return t.mark(2, 9, "colour", "grey", Grow::nowhere);
  });
  expect("[colour=\"green\" Th][colour=\"grey\" e fox j][colour=\"red\" umped]");
}

TEST_F(Marks, of_two_written_at_one_time_the_greater_id_counts) {
  Author c(3, b.time);
  exchange(b, c);
  b.mark(0, 7, "colour", "red");
  c.mark(0, 7, "colour", "blue");
  exchange(b, c);
  EXPECT_EQ(b.shown(), "[colour=\"blue\" The fox] jumped");
  EXPECT_EQ(c.shown(), b.shown());
}

TEST_F(Marks, taking_away_wins_over_a_concurrent_mark_that_is_earlier_and_loses_to_a_later_one) {
  a.mark(0, 14, "bold");
  exchange(a, b);
  a.mark(0, 3, "bold");
  b.unmark(0, 7, "bold");
  expect("The fox[bold=true  jumped]");
  a.unmark(8, 14, "bold");
  b.mark(8, 14, "bold");
  expect("The fox[bold=true  jumped]");
}

TEST_F(Marks, nothing_is_written_where_nothing_is_to_be_taken_away) {
  EXPECT_EQ(a.unmark(0, 7, "bold"), nullptr);
  a.mark(0, 3, "bold");
  EXPECT_EQ(a.unmark(3, 7, "bold"), nullptr);
  EXPECT_NE(a.unmark(2, 7, "bold"), nullptr);
  expect("[bold=true Th]e fox jumped");
}

// ---- What is kept ----

TEST_F(Marks, do_not_grow_in_number_with_the_edits) {
  for (int i = 0; i < 20; ++i) {
    a.mark(4, 7, "bold");
    a.mark(4, 8, "bold", i);
    a.unmark(2, 10, "bold");
    EXPECT_LE(a.mark_cells(), 2u);
    exchange(a, b);
    b.mark(3, 9, "colour", i);
    exchange(a, b);
  }
  EXPECT_EQ(a.mark_cells(), 2u);
  EXPECT_EQ(a.shown(), "The[colour=19  fox j]umped");
}

TEST_F(Marks, one_that_reaches_further_stays_beside_the_newer) {
  a.mark(4, 7, "bold");
  a.mark(4, 7, "bold", 2, Grow::nowhere);
  EXPECT_EQ(a.mark_cells(), 2u);
  a.insert(7, "es");
  EXPECT_EQ(a.shown(), "The [bold=2 fox][bold=true es] jumped");
  a.mark(4, 9, "bold", 3, Grow::at_both);
  EXPECT_EQ(a.mark_cells(), 1u);
}

TEST_F(Marks, go_with_what_they_cover) {
  a.mark(4, 7, "bold");
  a.mark(0, 4, "link", 1, Grow::nowhere);
  a.remove(4, 3);
  EXPECT_EQ(a.mark_cells(), 1u);
  expect("[link=1 The ] jumped");
  a.remove(0, 11);
  EXPECT_FALSE(a.text().exists());
  EXPECT_EQ(a.document.cell_count(), 0u);
  expect("");
}

TEST_F(Marks, of_what_two_removed_go_with_the_next_write) {
  a.mark(4, 7, "bold");
  exchange(a, b);
  a.remove(4, 2);
  b.remove(5, 2);
  expect("The  jumped");
  EXPECT_EQ(a.mark_cells(), 1u);
  a.mark(0, 3, "link", 1, Grow::nowhere);
  EXPECT_EQ(a.mark_cells(), 1u);
  expect("[link=1 The]  jumped");
}

TEST_F(Marks, go_with_the_text_but_for_those_that_the_remover_had_not_seen) {
  a.mark(0, 3, "bold");
  exchange(a, b);
  a.commit([](MapRef root) { EXPECT_TRUE(root.remove("t", Type::text).ok()); });
  b.insert(7, "es");
  b.mark(0, 14, "italic");
  expect("[italic=true es]");
}

TEST_F(Marks, survive_a_restart_and_come_as_a_whole_state) {
  a.mark(0, 7, "bold");
  a.mark(4, 14, "link", "x", Grow::nowhere);
  a.remove(4, 1);
  Document restarted(a.document.self());
  ASSERT_TRUE(restarted.load_header(a.document.header()).ok());
  a.document.take_dirty([&](const Document::StoredCell& cell) {
    ASSERT_TRUE(cell.bytes.empty() || restarted.load_cell(cell.key, cell.bytes).ok());
  });
  ASSERT_TRUE(restarted.finish_load().ok());
  EXPECT_EQ(restarted.hash(), a.document.hash());
  EXPECT_EQ(shown(restarted.root().text("t")), a.shown());
  Document copy(ReplicaId::from_words(9, 9));
  ASSERT_TRUE(copy.join(a.document).ok());
  EXPECT_EQ(shown(copy.root().text("t")), a.shown());
  EXPECT_EQ(copy.canonical_state(), a.document.canonical_state());
}

TEST_F(Marks, come_to_nothing_with_their_transaction) {
  a.mark(0, 7, "bold");
  const std::string before = a.document.canonical_state();
  {
    Transaction transaction = a.begin();
    TextRef text = transaction.root().text("t");
    ASSERT_TRUE(text.insert(3, "!").ok());
    ASSERT_TRUE(text.mark(0, 12, "bold", 2, Grow::at_both).ok());
    ASSERT_TRUE(text.remove(0, 15).ok());
    EXPECT_EQ(shown(text), "");
  }
  a.expect_sound();
  EXPECT_EQ(a.document.canonical_state(), before);
  EXPECT_EQ(a.shown(), "[bold=true The fox] jumped");
}

// The code points at its ends are removed and forgotten by nobody while the mark is there, and by
// all once it is gone.
TEST_F(Marks, keep_the_removed_code_points_at_their_ends) {
  a.insert(14, std::string(1000, '.'));
  a.mark(500, 900, "bold");
  const Cursor first = *a.text().cursor(500, Sticks::right);
  const Cursor behind = *a.text().cursor(900, Sticks::right);
  const Cursor within = *a.text().cursor(600, Sticks::right);
  a.remove(300, 400);
  a.remove(450, 100);
  exchange(a, b);
  const auto forget = [](Author& site) {
    site.document.prune(site.document.clock());
    site.document.forget_elements(site.document.clock());
    site.expect_sound();
  };
  const std::string before = a.shown();
  forget(a);
  EXPECT_EQ(a.shown(), before);
  // One has forgotten what is between, the other has not.
  a.insert(300, "a");
  b.insert(400, "b");
  exchange(a, b);
  EXPECT_EQ(a.shown(), b.shown());
  Author c(3);
  c.pull(a);
  EXPECT_EQ(c.shown(), b.shown());
  forget(b);
  for (const Author* site : {&a, &b}) {
    EXPECT_TRUE(site->text().index_of(first).ok());
    EXPECT_TRUE(site->text().index_of(behind).ok());
    EXPECT_FALSE(site->text().index_of(within).ok());
  }
  b.mark(0, b.text().size(), "bold", true, Grow::at_both);
  exchange(a, b);
  forget(a);
  forget(b);
  expect_equal(a, b);
  for (const Author* site : {&a, &b}) {
    EXPECT_FALSE(site->text().index_of(first).ok());
    EXPECT_FALSE(site->text().index_of(behind).ok());
  }
}

// ---- JSON, paths, errors ----

TEST_F(Marks, in_json_a_text_is_its_code_points) {
  a.mark(0, 7, "bold");
  EXPECT_EQ(*to_json(a.document), (nlohmann::json{{"t", "The fox jumped"}}));
}

TEST_F(Marks, of_code_points_that_an_import_keeps_stay) {
  a.mark(4, 7, "bold");
  const auto import = [&](const char* wanted) {
    Transaction transaction = a.begin();
    EXPECT_TRUE(from_json(transaction, {}, {{"t", wanted}}).ok());
    transaction.commit();
    a.expect_sound();
    EXPECT_EQ(*to_json(a.document), (nlohmann::json{{"t", wanted}}));
  };
  import("The foxes jumped");
  EXPECT_EQ(a.shown(), "The [bold=true foxes] jumped");
  import("");
  EXPECT_EQ(a.root().reg("t").get(), Value(""));
}

TEST_F(Marks, have_paths_that_parse) {
  a.document.track_changes(true);
  a.mark(0, 7, "bold");
  const std::vector<Path> changes = a.document.take_changes();
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].parent().to_string(), "/text:t");
  EXPECT_EQ(*Path::parse(changes[0].to_string()), changes[0]);
  EXPECT_TRUE(a.document.exists(changes[0]));
  EXPECT_FALSE(Path::parse("/text:t/element:bytes:0011").ok());
  EXPECT_FALSE(Path::parse("/text:t/element:bold").ok());
  EXPECT_FALSE(Path::parse("/text:t/map:bold").ok());
}

TEST_F(Marks, that_are_refused_leave_the_document_as_it_was) {
  const std::string before = a.document.canonical_state();
  const auto refused = [&](auto write) {
    Error error;
    const EventPtr event = a.commit([&](MapRef root) {
      const Status status = write(root.text("t"));
      EXPECT_FALSE(status.ok());
      if (!status.ok()) error = status.error();
    });
    EXPECT_EQ(event, nullptr);
    EXPECT_EQ(a.document.canonical_state(), before);
    EXPECT_EQ(error.where, "/text:t");
    return error;
  };
  const auto mark = [&](std::size_t begin, std::size_t end, std::string_view name, Value value) {
    const Error unmarked =
        refused([&](TextRef t) { return t.unmark(begin, end, name, Grow::nowhere); });
    const Error error =
        refused([&](TextRef t) { return t.mark(begin, end, name, value, Grow::nowhere); });
    EXPECT_EQ(unmarked.to_string(), error.to_string());
    return error;
  };
  EXPECT_EQ(mark(0, 15, "bold", 1).code, ErrorCode::out_of_range);
  EXPECT_EQ(mark(15, 15, "bold", 1).message, "index 15 in a text of 14 code points");
  EXPECT_EQ(mark(20, 3, "bold", 1).message, "index 20 in a text of 14 code points");
  EXPECT_EQ(mark(5, 5, "bold", 1).code, ErrorCode::invalid_argument);
  EXPECT_NE(mark(5, 3, "bold", 1).message.find("[5, 3)"), std::string::npos);
  EXPECT_EQ(mark(0, 3, "", 1).code, ErrorCode::invalid_argument);
  EXPECT_EQ(mark(0, 3, "\xFF", 1).code, ErrorCode::invalid_argument);
  const std::string name(limits::mark_name_bytes_max, 'n');
  const Error long_name = mark(0, 3, name + "n", 1);
  EXPECT_EQ(long_name.code, ErrorCode::limit_exceeded);
  EXPECT_NE(long_name.message.find(std::to_string(limits::mark_name_bytes_max)), std::string::npos);

  const auto valued = [&](const Value& value) {
    return refused([&](TextRef t) { return t.mark(0, 3, "bold", value, Grow::at_end); });
  };
  EXPECT_EQ(valued(Value()).code, ErrorCode::wrong_type);
  EXPECT_EQ(valued(Value("\xFF")).code, ErrorCode::invalid_argument);
  const std::string long_value(limits::mark_value_bytes_max, 'v');
  EXPECT_EQ(valued(Value(long_value + "v")).code, ErrorCode::limit_exceeded);
  a.mark(0, 3, name, long_value);
  exchange(a, b);
}

TEST(MarksOfATextTooDeep, are_refused) {
  Author a(1);
  const auto deepest = [](MapRef map) {
    for (std::size_t i = 1; i < limits::path_depth_max; ++i) map = map.map("m");
    return map.text("t");
  };
  a.commit([&](MapRef root) {
    TextRef text = deepest(root);
    ASSERT_TRUE(text.insert(0, "ab").ok());
    const Status status = text.mark(0, 1, "bold", true, Grow::at_end);
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, ErrorCode::limit_exceeded);
    EXPECT_EQ(status.error().where, text.path().to_string());
  });
}

}  // namespace
}  // namespace rejoin
