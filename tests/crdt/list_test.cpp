// Lists by example: elements that are maps, and elements that move.
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

// ---- Moving ----

// Two replicas that have [1, 2, 3, {"step": "plan"}].
class Moves : public testing::Test {
 protected:
  Moves() {
    a.commit([](MapRef& root) {
      ASSERT_TRUE(root.list("l").insert(0, {1, 2, 3}).ok());
      ASSERT_TRUE(root.list("l").insert_map(3)->reg("step").set("plan").ok());
    });
    exchange(a, b);
  }
  static EventPtr move(Site& site, std::size_t from, std::size_t to) {
    return site.commit([&](MapRef& root) { ASSERT_TRUE(root.list("l").move(from, to).ok()); });
  }
  static EventPtr remove(Site& site, std::size_t at) {
    return site.commit([&](MapRef& root) { ASSERT_TRUE(root.list("l").remove(at).ok()); });
  }
  static std::string list(const Site& site) {
    return to_json(site.document)->value("l", nlohmann::json()).dump();
  }
  Site a{id_b};
  Site b{id_a, 10};  // later, and first where ids decide
};

TEST_F(Moves, an_element_stands_where_it_was_moved) {
  const std::size_t all[] = {0, 1, 2, 3};
  for (const std::size_t from : all) {
    for (const std::size_t to : all) {
      nlohmann::json wanted = nlohmann::json::parse(list(a));
      const nlohmann::json moved = wanted[from];
      wanted.erase(from);
      wanted.insert(wanted.begin() + static_cast<std::ptrdiff_t>(to), moved);
      EXPECT_EQ(move(a, from, to) == nullptr, from == to);
      EXPECT_EQ(list(a), wanted.dump());
    }
  }
  exchange(a, b);
  EXPECT_EQ(list(b), list(a));
}

TEST_F(Moves, a_move_is_one_operation_of_an_event_without_the_content) {
  const Value large(std::string(10000, 'x'));
  a.commit([&](MapRef& root) { ASSERT_TRUE(root.list("l").insert(0, large).ok()); });
  const EventPtr event = move(a, 0, 4);
  EXPECT_EQ(event->last(), event->first());
  EXPECT_LT(event->encoded().size(), 100u);
}

TEST_F(Moves, of_two_concurrent_moves_the_later_counts_and_one_copy_is_left) {
  const EventPtr early = move(a, 0, 3);
  const EventPtr late = move(b, 0, 1);
  Site c{id_c};
  c.pull(a);
  EXPECT_EQ(a.receive(late), Applied::applied);
  EXPECT_EQ(b.receive(early), Applied::applied);
  c.pull(b);
  for (const Site* site : {&a, &b, &c}) EXPECT_EQ(list(*site), R"([2,1,3,{"step":"plan"}])");
  expect_equal(a, b);
  expect_equal(a, c);
}

TEST_F(Moves, a_move_that_saw_another_counts_whatever_the_clocks_said) {
  move(b, 0, 3);  // its clock is ahead
  exchange(a, b);
  move(a, 3, 1);
  exchange(a, b);
  EXPECT_EQ(list(b), R"([2,1,3,{"step":"plan"}])");
}

TEST_F(Moves, a_chain_of_moves_beats_one_only_by_its_times) {
  for (std::size_t to : {1u, 2u, 3u}) move(a, to - 1, to);
  move(b, 0, 1);  // later than all three
  exchange(a, b);
  EXPECT_EQ(list(a), R"([2,1,3,{"step":"plan"}])");
}

// The loser of two moves must not win later, where it was seen to lose, nor where it was not.
TEST_F(Moves, a_move_that_lost_stays_lost) {
  Site c{id_c, 5};
  c.pull(a);
  const EventPtr by_c = move(c, 0, 2);
  const EventPtr first = move(b, 0, 3);
  a.receive(first);
  const EventPtr second = move(a, 3, 0);  // by the clocks earlier than both
  Site d{ReplicaId::from_words(0xD, 1)};
  d.pull(b);
  d.receive(by_c);
  d.receive(second);
  b.receive(second);
  b.receive(by_c);
  a.receive(by_c);
  expect_equal(a, b);
  expect_equal(a, d);
  EXPECT_EQ(list(a), R"([1,2,3,{"step":"plan"}])");
}

TEST_F(Moves, removing_wins_over_moving) {
  const EventPtr moved = move(a, 0, 2);
  const EventPtr removed = remove(b, 0);
  Site c{id_c};
  c.pull(b);
  a.receive(removed);
  b.receive(moved);
  c.pull(a);
  for (const Site* site : {&a, &b, &c}) EXPECT_EQ(list(*site), R"([2,3,{"step":"plan"}])");
  expect_equal(a, b);
  expect_equal(a, c);
}

TEST_F(Moves, an_element_that_was_moved_is_removed_where_it_is_seen) {
  move(a, 0, 2);
  exchange(a, b);
  const EventPtr moved = move(b, 2, 1);
  remove(a, 2);
  a.receive(moved);
  b.pull(a);
  expect_equal(a, b);
  EXPECT_EQ(list(a), R"([2,3,{"step":"plan"}])");
}

TEST_F(Moves, a_map_keeps_what_is_written_in_it_wherever_it_goes) {
  move(a, 3, 0);
  b.commit([](MapRef& root) { ASSERT_TRUE(root.list("l").map(3)->reg("done").set(true).ok()); });
  exchange(a, b);
  EXPECT_EQ(list(a), R"([{"done":true,"step":"plan"},1,2,3])");
  remove(b, 0);
  a.commit([](MapRef& root) { ASSERT_TRUE(root.list("l").map(0)->reg("more").set(1).ok()); });
  exchange(a, b);
  EXPECT_EQ(list(a), "[1,2,3]");
  EXPECT_EQ(a.document.cell_count(), 1u);
}

TEST_F(Moves, a_cursor_follows_its_element) {
  const Cursor before = *a.root().list("l").cursor(0, Sticks::right);
  const Cursor behind = *a.root().list("l").cursor(1, Sticks::left);
  move(b, 0, 2);
  exchange(a, b);
  EXPECT_EQ(*a.root().list("l").index_of(before), 2u);
  EXPECT_EQ(*a.root().list("l").index_of(behind), 3u);
  EXPECT_EQ(*a.root().list("l").cursor(2, Sticks::right), before);
  remove(b, 2);
  exchange(a, b);
  EXPECT_EQ(*a.root().list("l").index_of(before), 0u);
}

TEST_F(Moves, insertions_beside_a_place_that_lost_stand_where_they_were_put) {
  move(a, 0, 2);
  a.commit([](MapRef& root) { ASSERT_TRUE(root.list("l").insert(3, "behind").ok()); });
  move(b, 0, 1);
  exchange(a, b);
  EXPECT_EQ(list(a), R"([2,1,3,"behind",{"step":"plan"}])");
}

TEST_F(Moves, what_is_stable_is_forgotten_and_the_element_goes_on) {
  const auto prune = [&] {
    for (Site* site : {&a, &b}) {
      (void)site->document.prune(a.document.clock());
      site->document.forget_elements(a.document.clock());
      site->expect_sound();
    }
  };
  std::size_t bytes = 0;
  for (int round = 0; round < 100; ++round) {
    move(a, 0, 3);
    move(b, 0, 2);
    exchange(a, b);
    prune();
    if (round == 10) bytes = a.document.delta_since(Clock()).encoded().size();
  }
  EXPECT_LE(a.document.delta_since(Clock()).encoded().size(), bytes * 2);
  remove(a, 0);
  move(b, 0, 1);
  exchange(a, b);
  prune();
  EXPECT_EQ(a.root().list("l").size(), 3u);
  expect_equal(a, b);
}

// Two replicas that have [2, 3, {...}, 1], the last where it was moved, behind what was removed.
class ForgottenPlaces : public Moves {
 protected:
  ForgottenPlaces() {
    a.commit([](MapRef& root) { ASSERT_TRUE(root.list("l").push("x").ok()); });
    move(a, 0, 4);
    remove(a, 3);
    exchange(a, b);
    stable = a.document.clock();
  }
  // B has not heard of what A did then, and types behind the element.
  EventPtr insertion_behind() {
    return b.commit([](MapRef& root) { ASSERT_TRUE(root.list("l").insert(4, "y").ok()); });
  }
  void forget(Site& site) const {
    (void)site.document.prune(stable);
    site.document.forget_elements(stable);
    site.expect_sound();
  }
  // What is inserted behind the place comes to the same list wherever it arrives.
  void expect_in_place(const std::string& expected) {
    Site c{id_c};
    c.pull(a);
    const EventPtr insertion = insertion_behind();
    for (Site* site : {&a, &c}) {
      forget(*site);
      site->receive(insertion);
      EXPECT_EQ(list(*site), expected);
    }
    b.pull(a);
    expect_equal(a, b);
    expect_equal(a, c);
  }
  Clock stable;
};

TEST_F(ForgottenPlaces, a_place_that_lost_stays_until_all_have_seen_it_lose) {
  move(a, 3, 0);
  expect_in_place(R"([1,2,3,{"step":"plan"},"y"])");
}

TEST_F(ForgottenPlaces, the_place_of_a_removed_element_stays_until_all_have_seen_it_go) {
  remove(a, 3);
  expect_in_place(R"([2,3,{"step":"plan"},"y"])");
}

TEST_F(Moves, a_rollback_brings_back_the_place_before) {
  move(a, 0, 2);
  const std::string before = a.document.canonical_state();
  const std::string delta = a.document.delta_since(Clock()).encoded();
  Transaction transaction = a.begin();
  ListRef l = transaction.root().list("l");
  ASSERT_TRUE(l.move(2, 0).ok());
  ASSERT_TRUE(l.move(1, 3).ok());
  const std::size_t mark = transaction.savepoint();
  const std::string then = list(a);
  ASSERT_TRUE(l.move(3, 0).ok());
  ASSERT_TRUE(l.remove(0, 3).ok());
  transaction.rollback_to(mark);
  EXPECT_EQ(list(a), then);
  ASSERT_TRUE(l.remove(0, 4).ok());
  transaction.abort();
  a.expect_sound();
  EXPECT_EQ(a.document.canonical_state(), before);
  EXPECT_EQ(a.document.delta_since(Clock()).encoded(), delta);
}

TEST_F(Moves, what_was_moved_at_the_end_of_time_cannot_be_moved_again) {
  Site c{id_c, ~0ull - 1};
  c.pull(a);
  move(c, 0, 1);
  a.pull(c);
  a.commit([](MapRef& root) {
    const Status status = root.list("l").move(1, 0);
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, ErrorCode::limit_exceeded);
    EXPECT_EQ(status.error().where, "/list:l");
    ASSERT_TRUE(root.list("l").move(0, 1).ok());
  });
  exchange(a, b);
  EXPECT_EQ(list(b), R"([1,2,3,{"step":"plan"}])");
}

TEST_F(Moves, a_place_that_is_not_there_is_refused) {
  const std::string before = a.document.canonical_state();
  Transaction transaction = a.begin();
  ListRef l = transaction.root().list("l");
  EXPECT_EQ(l.move(4, 0).error().to_string(), "out_of_range at /list:l: index 4 in a list of 4");
  EXPECT_EQ(l.move(0, 4).error().to_string(), "out_of_range at /list:l: index 4 in a list of 4");
  EXPECT_EQ(transaction.root().list("none").move(0, 0).error().code, ErrorCode::out_of_range);
  EXPECT_EQ(transaction.size(), 0u);
  transaction.abort();
  EXPECT_EQ(a.document.canonical_state(), before);
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
