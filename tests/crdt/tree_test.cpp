// Trees by example; random histories are compared with the specification in
// document_property_test.cpp.
#include "rejoin/crdt/types/tree.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "rejoin/crdt/document.h"
#include "rejoin/crdt/json.h"
#include "rejoin/crdt/transaction.h"
#include "site.h"

namespace rejoin {
namespace {

class Planner : public Site {
 public:
  // `ahead`: how far this one's clock is ahead.
  explicit Planner(std::uint64_t n, std::uint64_t ahead = 0)
      : Site(ReplicaId::from_words(n, n), ahead) {}

  template <class Write>
  void commit(Write write) {
    Site::commit([&](MapRef root) { write(root.tree("plan")); });
  }
  // A write that must succeed.
  template <class Write>
  void does(Write write) {
    commit([&](TreeRef tree) {
      const Status status = write(tree);
      EXPECT_TRUE(status.ok()) << (status.ok() ? "" : status.error().to_string());
    });
  }
  void create(std::string_view name, std::string_view parent = {},
              std::optional<std::size_t> index = std::nullopt) {
    does([&](TreeRef tree) { return tree.create(name, parent, index); });
  }
  void move(std::string_view name, std::string_view parent,
            std::optional<std::size_t> index = std::nullopt) {
    does([&](TreeRef tree) { return tree.move(name, parent, index); });
  }
  void remove(std::string_view name) {
    does([&](TreeRef tree) { return tree.remove(name); });
  }
  // Refused, with the document as it was.
  template <class Write>
  Error refused(Write write) {
    const std::string before = document.canonical_state();
    Error error;
    commit([&](TreeRef tree) {
      const Status status = write(tree);
      ASSERT_FALSE(status.ok());
      error = status.error();
    });
    EXPECT_EQ(document.canonical_state(), before);
    EXPECT_EQ(error.where, "/tree:plan");
    return error;
  }
  TreeView tree() const { return document.root().tree("plan"); }
  // "a(b c(d)) e": children in brackets.
  std::string shape(std::string_view below = {}) const {
    std::string text;
    for (const std::string& child : tree().children(below)) {
      text += (text.empty() ? "" : " ") + child;
      if (const std::string deeper = shape(child); !deeper.empty()) text += "(" + deeper + ")";
    }
    return text;
  }
};

void exchange(Planner& a, Planner& b) {
  rejoin::exchange(a, b);
  EXPECT_EQ(a.tree().items(), b.tree().items());
  EXPECT_EQ(a.shape(), b.shape());
}

class Tree : public testing::Test {
 protected:
  Planner a{1};
  Planner b{2, 1000};  // whose clock runs ahead: its writes are the later ones

  // Both begin with x, y and z at the top.
  void begin() {
    for (const char* name : {"x", "y", "z"}) a.create(name);
    exchange(a, b);
  }
};

TEST_F(Tree, nodes_stand_where_they_are_put) {
  a.create("goal");
  a.create("second", "goal");
  a.create("first", "goal", 0);
  a.create("between", "goal", 1);
  a.create("step", "first");
  EXPECT_EQ(a.shape(), "goal(first(step) between second)");
  a.move("second", "", 0);
  EXPECT_EQ(a.shape(), "second goal(first(step) between)");
  a.move("first", "goal", 1);
  EXPECT_EQ(a.shape(), "second goal(between first(step))");
  EXPECT_EQ(a.tree().parent("step"), "first");
  EXPECT_EQ(a.tree().parent("second"), "");
  EXPECT_EQ(a.tree().parent("nobody"), std::nullopt);
  EXPECT_EQ(a.tree().size(), 5u);
  const std::vector<TreeItem> items = a.tree().items();
  EXPECT_EQ(items.back(), (TreeItem{"step", "first", 2}));
}

TEST_F(Tree, two_moves_of_a_node_leave_one_copy_at_the_later_place) {
  begin();
  a.move("x", "y");
  b.move("x", "z");
  exchange(a, b);
  EXPECT_EQ(a.shape(), "y z(x)");
}

TEST_F(Tree, a_cycle_loses_its_latest_move) {
  begin();
  a.move("x", "y");
  b.move("y", "x");
  exchange(a, b);
  EXPECT_EQ(a.shape(), "y(x) z");
}

TEST_F(Tree, a_longer_cycle_loses_its_latest_move_and_keeps_what_is_below) {
  begin();
  Planner c(3, 500);
  c.pull(a);
  a.create("below", "x");
  a.move("x", "y");
  b.move("z", "x");  // the latest
  c.move("y", "z");
  exchange(a, b);
  exchange(a, c);
  exchange(a, b);
  EXPECT_EQ(a.shape(), "z(y(x(below)))");
  EXPECT_EQ(c.shape(), a.shape());
}

TEST_F(Tree, a_move_that_did_not_count_stays_undone_when_others_move) {
  begin();
  a.move("x", "y");
  b.move("y", "x");
  exchange(a, b);
  a.move("x", "z");  // nothing stands in the way of y below x now
  exchange(a, b);
  EXPECT_EQ(a.shape(), "y z(x)");
}

TEST_F(Tree, a_removal_moves_nothing_else) {
  for (const char* name : {"q", "x", "m"}) a.create(name);
  a.create("y", "q");
  exchange(a, b);
  Planner c(3, 2000);
  Planner d(4, 3000);
  c.pull(a);
  d.pull(a);
  a.move("x", "y");
  b.move("y", "x");  // lost, for it is later; and back below q it would be below itself
  c.move("q", "m");
  d.move("m", "y");
  for (Planner* other : {&b, &c, &d}) exchange(a, *other);
  EXPECT_EQ(a.shape(), "y(x m(q))");
  a.remove("x");  // with it goes the reason why y did not move
  EXPECT_EQ(a.shape(), "y(m(q))");
}

TEST_F(Tree, a_node_put_elsewhere_among_its_siblings_remembers_where_it_was_before) {
  begin();
  a.create("child", "z");
  a.move("child", "y");
  exchange(a, b);
  a.move("child", "y", 0);
  b.remove("y");
  exchange(a, b);
  EXPECT_EQ(a.shape(), "x z(child)");
}

TEST_F(Tree, a_write_that_saw_another_wins_whatever_the_clocks_say) {
  begin();
  b.move("x", "y");
  exchange(a, b);
  a.move("x", "z");  // earlier by the clocks
  exchange(a, b);
  EXPECT_EQ(a.shape(), "y z(x)");
}

TEST_F(Tree, removal_takes_what_it_saw_below) {
  begin();
  a.create("child", "x");
  a.commit([](TreeRef tree) {
    ASSERT_TRUE(tree.properties("child").reg("status").set(Value("open")).ok());
  });
  exchange(a, b);
  a.move("child", "y");  // out of what goes
  b.remove("x");
  exchange(a, b);
  EXPECT_EQ(a.shape(), "y(child) z");
  EXPECT_FALSE(a.tree().contains("x"));
  b.remove("y");
  exchange(a, b);
  EXPECT_EQ(a.shape(), "z");
  EXPECT_FALSE(a.tree().properties("child").exists());
}

TEST_F(Tree, what_is_moved_into_a_removed_node_stays_where_it_was) {
  begin();
  a.create("child", "y");
  exchange(a, b);
  a.move("child", "x");
  b.remove("x");
  exchange(a, b);
  EXPECT_EQ(a.shape(), "y(child) z");
  a.create("x");  // another node of that name does not claim it
  exchange(a, b);
  EXPECT_EQ(a.shape(), "y(child) z x");
}

TEST_F(Tree, a_property_written_meanwhile_survives_removal_at_the_top) {
  begin();
  a.move("x", "y");
  exchange(a, b);
  a.commit([](TreeRef tree) {
    ASSERT_TRUE(tree.properties("x").reg("status").set(Value("done")).ok());
  });
  b.remove("x");
  exchange(a, b);
  EXPECT_EQ(a.tree().parent("x"), "");
  EXPECT_EQ(a.tree().properties("x").reg("status").get(), Value("done"));
  EXPECT_EQ(a.tree().size(), 3u);
  for (const std::size_t index : {0u, 1u, 2u}) {  // others can stand around it
    a.move("z", "", index);
    EXPECT_EQ(a.tree().children()[index], "z");
  }
  a.remove("x");
  EXPECT_FALSE(a.tree().contains("x"));
}

TEST_F(Tree, nodes_created_under_one_name_are_one) {
  a.create("x");
  b.create("other");
  b.create("x", "other");
  exchange(a, b);
  EXPECT_EQ(a.shape(), "other(x)");
}

TEST_F(Tree, the_same_place_can_be_chosen_again_and_again) {
  a.create("first");
  a.create("last");
  std::string expected = "last";
  for (int i = 0; i < 2000; ++i) {
    const std::string name = "n" + std::to_string(i);
    a.create(name, "", 1);
    expected = name + " " + expected;
  }
  EXPECT_EQ(a.shape(), "first " + expected);
}

TEST_F(Tree, what_cannot_be_is_refused) {
  begin();
  a.move("y", "x");
  a.move("z", "y");
  EXPECT_EQ(a.refused([](TreeRef t) { return t.move("x", "z"); }).code,
            ErrorCode::invalid_argument);
  EXPECT_EQ(a.refused([](TreeRef t) { return t.move("x", "x"); }).code,
            ErrorCode::invalid_argument);
  EXPECT_EQ(a.refused([](TreeRef t) { return t.move("nobody", "x"); }).code, ErrorCode::not_found);
  EXPECT_EQ(a.refused([](TreeRef t) { return t.move("x", "nobody"); }).code, ErrorCode::not_found);
  EXPECT_EQ(a.refused([](TreeRef t) { return t.remove("nobody"); }).code, ErrorCode::not_found);
  EXPECT_EQ(a.refused([](TreeRef t) { return t.create("x"); }).code, ErrorCode::invalid_argument);
  EXPECT_EQ(a.refused([](TreeRef t) { return t.create(""); }).code, ErrorCode::invalid_argument);
  EXPECT_EQ(a.refused([](TreeRef t) { return t.create("\xFF"); }).code,
            ErrorCode::invalid_argument);
  EXPECT_EQ(a.refused([](TreeRef t) { return t.create(std::string(5000, 'n')); }).code,
            ErrorCode::limit_exceeded);
  const Error beyond = a.refused([](TreeRef t) { return t.create("n", "y", 2); });
  EXPECT_EQ(beyond.code, ErrorCode::out_of_range);
  EXPECT_NE(beyond.message.find("1 siblings"), std::string::npos) << beyond.message;
}

TEST_F(Tree, json_has_a_node_after_the_other) {
  a.create("goal");
  a.create("step", "goal");
  a.commit([](TreeRef tree) {
    ASSERT_TRUE(tree.properties("step").reg("status").set(Value("open")).ok());
  });
  const nlohmann::json shown = *to_json(a.document);
  EXPECT_EQ(shown["plan"]["$tree"],
            nlohmann::json::parse(R"([{"name": "goal"}, {"name": "step", "parent": "goal",
                                       "properties": {"status": "open"}}])"));
  EXPECT_EQ(*to_json(a.document, *Path::parse("/tree:plan/map:step")),
            nlohmann::json::parse(R"({"status": "open"})"));
  EXPECT_EQ(*to_json(a.document, *Path::parse("/tree:plan/step/register:status")), "open");
}

TEST_F(Tree, json_is_written_back_as_moves) {
  begin();
  a.create("gone");
  const auto import = [&](const char* text) {
    Status status;
    a.commit([&](TreeRef) {});
    Transaction transaction = a.document.begin({HybridTime{100}, "", ""});
    status = from_json(transaction, Path(),
                       nlohmann::json{{"plan", {{"$tree", nlohmann::json::parse(text)}}}});
    transaction.commit();
    return status;
  };
  const char* wanted = R"([{"name": "z"}, {"name": "x", "parent": "z", "properties": {"n": 1}},
                           {"name": "new", "parent": "x"}, {"name": "y"}])";
  const Status status = import(wanted);
  ASSERT_TRUE(status.ok()) << status.error().to_string();
  EXPECT_EQ(a.shape(), "z(x(new)) y");
  EXPECT_EQ((*to_json(a.document))["plan"]["$tree"], nlohmann::json::parse(wanted));
  EXPECT_EQ(import(R"([{"name": 1}])").error().code, ErrorCode::wrong_type);
  EXPECT_EQ(import(R"([{"name": "x"}, {"name": "x"}])").error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(import(R"([{"name": "x", "parent": "nobody"}])").error().code, ErrorCode::not_found);
  EXPECT_EQ(a.shape(), "z(x(new)) y");
}

}  // namespace
}  // namespace rejoin
