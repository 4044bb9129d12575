// Maps in lists, by example.
#include "rejoin/crdt/types/list.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "rejoin/crdt/json.h"
#include "rejoin/crdt/limits.h"
#include "site.h"

namespace rejoin {
namespace {

const ReplicaId id_a = ReplicaId::from_words(0xA, 1);
const ReplicaId id_b = ReplicaId::from_words(0xB, 1);
const ReplicaId id_c = ReplicaId::from_words(0xC, 1);

std::string text(const Site& site) { return to_json(site.document)->dump(); }

// Two replicas that have [{"step": "plan"}, 2].
class List : public testing::Test {
 protected:
  List() {
    a.commit([](MapRef& root) {
      const Result<MapRef> map = root.list("l").insert_map(0);
      ASSERT_TRUE(map.ok());
      ASSERT_TRUE(MapRef(*map).reg("step").set("plan").ok());
      ASSERT_TRUE(root.list("l").push(2).ok());
    });
    exchange(a, b);
  }
  Site a{id_a};
  Site b{id_b};
};

TEST_F(List, an_element_may_be_a_map) {
  EXPECT_EQ(text(b), R"({"l":[{"step":"plan"},2]})");
  EXPECT_EQ(b.root().list("l").values(), (std::vector<Value>{Value(), Value(2)}));
  EXPECT_EQ(*b.root().list("l").map(0)->reg("step").get(), Value("plan"));
  const Path path = b.root().list("l").map(0)->path();
  EXPECT_TRUE(b.document.exists(path));
  EXPECT_EQ(*Path::parse(path.to_string()), path);
  EXPECT_EQ(to_json(b.document, path)->dump(), R"({"step":"plan"})");
  EXPECT_EQ(to_json(b.document, path.child(Type::reg, "step"))->dump(), R"("plan")");
}

TEST_F(List, an_empty_map_is_there) {
  a.commit([](MapRef& root) { ASSERT_TRUE(root.list("e").insert_map(0).ok()); });
  exchange(a, b);
  EXPECT_EQ(to_json(b.document, Path().child(Type::list, "e"))->dump(), "[{}]");
}

TEST_F(List, maps_inserted_concurrently_are_different_ones) {
  for (Site* site : {&a, &b}) {
    site->commit([&](MapRef& root) {
      MapRef map = *root.list("l").insert_map(1);
      ASSERT_TRUE(map.reg("of").set(site == &a ? "a" : "b").ok());
    });
  }
  exchange(a, b);
  EXPECT_EQ(a.root().list("l").size(), 4u);
  EXPECT_NE(a.root().list("l").map(1)->reg("of").get(), a.root().list("l").map(2)->reg("of").get());
}

TEST_F(List, writes_in_one_map_are_both_kept) {
  a.commit([](MapRef& root) { ASSERT_TRUE(root.list("l").map(0)->counter("n").add(2).ok()); });
  b.commit([](MapRef& root) { ASSERT_TRUE(root.list("l").map(0)->counter("n").add(3).ok()); });
  exchange(a, b);
  EXPECT_EQ(a.root().list("l").map(0)->counter("n").value(), 5);
}

TEST_F(List, removing_an_element_takes_what_others_write_in_it_meanwhile) {
  const EventPtr removal =
      a.commit([](MapRef& root) { ASSERT_TRUE(root.list("l").remove(0).ok()); });
  const EventPtr write = b.commit([](MapRef& root) {
    ASSERT_TRUE(root.list("l").map(0)->reg("done").set(true).ok());
    ASSERT_TRUE(root.list("l").map(0)->text("note").append("late").ok());
    ASSERT_TRUE(root.list("l").map(0)->list("inner").insert_map(0).ok());
  });
  // In either order, as events and as cells.
  Site c{id_c};
  c.document = Document(id_c);
  ASSERT_TRUE(c.document.join(b.document).ok());
  EXPECT_EQ(b.receive(removal), Applied::applied);
  EXPECT_EQ(a.receive(write), Applied::applied);
  c.pull(a);
  for (Site* site : {&a, &b, &c}) {
    EXPECT_EQ(text(*site), R"({"l":[2]})");
    EXPECT_EQ(site->document.cell_count(), 1u);
  }
  expect_equal(a, b);
  expect_equal(a, c);
}

TEST_F(List, removing_the_list_takes_what_others_write_in_its_elements_meanwhile) {
  a.commit([](MapRef& root) { ASSERT_TRUE(root.remove("l", Type::list).ok()); });
  b.commit([](MapRef& root) {
    ASSERT_TRUE(root.list("l").map(0)->reg("done").set(true).ok());
    ASSERT_TRUE(root.list("l").insert_map(0).ok());
  });
  exchange(a, b);
  EXPECT_EQ(text(a), R"({"l":[{}]})");
}

TEST_F(List, what_is_removed_stays_away_when_its_removal_is_forgotten) {
  a.commit([](MapRef& root) { ASSERT_TRUE(root.list("l").remove(0).ok()); });
  exchange(a, b);
  for (Site* site : {&a, &b}) {
    (void)site->document.prune(a.document.clock());
    site->document.forget_elements(a.document.clock());
    site->expect_sound();
  }
  Site c{id_c};
  c.pull(b);
  expect_equal(a, c);
  EXPECT_EQ(text(c), R"({"l":[2]})");
}

TEST_F(List, a_removal_that_is_rolled_back_brings_all_of_it_back) {
  a.commit([](MapRef& root) {
    ASSERT_TRUE(root.list("l").map(0)->text("t").append("words").ok());
    ASSERT_TRUE(root.list("l").map(0)->map("m").counter("n").add(1).ok());
    ASSERT_TRUE(root.list("l").map(0)->map("gone").counter("n").add(1).ok());
    ASSERT_TRUE(root.list("l").map(0)->remove("gone", Type::map).ok());
  });
  const std::string before = a.document.canonical_state();
  const std::string delta = a.document.delta_since(Clock()).encoded();
  Transaction transaction = a.begin();
  ASSERT_TRUE(transaction.root().list("l").remove(0, 2).ok());
  EXPECT_FALSE(a.root().list("l").exists());
  EXPECT_EQ(a.document.cell_count(), 0u);
  transaction.abort();
  a.expect_sound();
  EXPECT_EQ(a.document.canonical_state(), before);
  EXPECT_EQ(a.document.delta_since(Clock()).encoded(), delta);
}

TEST_F(List, writing_in_a_map_whose_element_was_removed_is_refused) {
  a.commit([](MapRef& root) {
    ListRef list = root.list("l");
    MapRef map = *list.map(0);
    TextRef note = map.text("note");
    ASSERT_TRUE(note.append("x").ok());
    ASSERT_TRUE(list.remove(0).ok());
    for (const Status& status : {note.insert(0, "y"), map.reg("r").set(1), map.create()}) {
      ASSERT_FALSE(status.ok());
      EXPECT_EQ(status.error().code, ErrorCode::not_found);
      EXPECT_EQ(status.error().where.rfind("/list:l/map:bytes:", 0), 0u) << status.error().where;
    }
  });
  EXPECT_EQ(text(a), R"({"l":[2]})");
}

TEST_F(List, errors_name_the_path_and_the_bound) {
  const std::string before = a.document.canonical_state();
  Transaction transaction = a.begin();
  ListRef list = transaction.root().list("l");
  EXPECT_EQ(list.map(1).error().to_string(),
            "wrong_type at /list:l: the element at index 1 of 2 is a value, not a map");
  EXPECT_EQ(list.map(2).error().to_string(), "out_of_range at /list:l: index 2 in a list of 2");
  EXPECT_EQ(list.insert_map(3).error().to_string(),
            "out_of_range at /list:l: index 3 in a list of 2");
  EXPECT_EQ(transaction.root().list("none").map(0).error().code, ErrorCode::out_of_range);
  EXPECT_EQ(transaction.size(), 0u);
  Path deep;
  for (std::size_t i = 1; i < limits::path_depth_max; ++i) deep = deep.map("m");
  EXPECT_EQ(transaction.root().at(deep).list("l").insert_map(0).error().code,
            ErrorCode::limit_exceeded);
  EXPECT_EQ(transaction.size(), 0u);
  EXPECT_EQ(transaction.commit(), nullptr);
  EXPECT_EQ(a.document.canonical_state(), before);
}

TEST_F(List, objects_in_arrays_are_imported_as_maps) {
  const nlohmann::json wanted = nlohmann::json::parse(
      R"({"l": [1, {"x": [{"y": {}}, null]}, 2, 3, {"$bytes": "YQ=="}, {}]})");
  const auto import = [&](const nlohmann::json& json) {
    Transaction transaction = a.begin();
    const Status status = from_json(transaction, {}, json);
    EXPECT_TRUE(status.ok()) << (status.ok() ? "" : status.error().to_string());
    const std::size_t writes = transaction.size();
    transaction.commit();
    a.expect_sound();
    return writes;
  };
  EXPECT_GT(import(wanted), 0u);
  EXPECT_EQ(text(a), wanted.dump());
  EXPECT_EQ(import(wanted), 0u);
  // What stays the same stays the same element.
  const Path kept = a.root().list("l").map(1)->path();
  nlohmann::json other = wanted;
  other["l"].insert(other["l"].begin(), nlohmann::json{{"new", 1}});
  other["l"].erase(4);
  import(other);
  EXPECT_EQ(text(a), other.dump());
  EXPECT_EQ(a.root().list("l").map(2)->path(), kept);
}

}  // namespace
}  // namespace rejoin
