#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <nlohmann/json.hpp>

#include "history.h"
#include "property_runs.h"
#include "rejoin/crdt/codec.h"
#include "rejoin/crdt/document.h"
#include "rejoin/crdt/json.h"
#include "rejoin/crdt/transaction.h"
#include "site.h"
#include "store/packing.h"

namespace rejoin {
namespace {

[[maybe_unused]] const bool runs_scaled = scale_property_runs(2000);

using testing::ElementsAre;
using testing::IsEmpty;

ReplicaId replica(std::uint64_t n) { return ReplicaId::from_words(n, n); }

class Author : public Site {
 public:
  explicit Author(std::uint64_t n) : Site(replica(n)) {}
  EventPtr append(const std::vector<Value>& values) {
    return commit([&](MapRef root) { ASSERT_TRUE(root.map("m").log("l").append(values).ok()); });
  }
  LogView log() const { return document.root().map("m").log("l"); }
  std::vector<Value> values() const { return log().values(); }
};

TEST(Log, runs_of_two_stand_side_by_side_and_what_saw_both_comes_last) {
  Author a(1), b(2);
  a.append({"start"});
  exchange(a, b);
  a.append({"a1"});
  a.append({"a2"});
  b.append({"b1", "b2"});
  exchange(a, b);
  EXPECT_THAT(a.values(), ElementsAre("start", "a1", "a2", "b1", "b2"));
  EXPECT_EQ(b.values(), a.values());
  a.append({"end"});
  exchange(a, b);
  EXPECT_THAT(b.values(), ElementsAre("start", "a1", "a2", "b1", "b2", "end"));
}

TEST(Log, entries_say_who_wrote_them_and_indexes_beyond_the_end_are_refused) {
  Author a(1), b(2);
  a.append({"x", 7});
  exchange(a, b);
  b.append({true});
  EXPECT_EQ(b.log().size(), 3u);
  EXPECT_EQ(*b.log().at(1), (LogEntry{7, {replica(1), 2}}));
  EXPECT_THAT(*b.log().entries(1, 2),
              ElementsAre(LogEntry{7, {replica(1), 2}}, LogEntry{true, {replica(2), 1}}));
  EXPECT_THAT(*b.log().entries(3, 0), IsEmpty());
  for (const Error& error :
       {b.log().at(3).error(), b.log().entries(2, 2).error(), b.log().entries(4, 0).error()}) {
    EXPECT_EQ(error.code, ErrorCode::out_of_range);
    EXPECT_EQ(error.where, "/map:m/log:l");
    EXPECT_THAT(error.message, testing::HasSubstr("a log of 3"));
  }
  const LogView absent = b.document.root().log("none");
  EXPECT_EQ(absent.size(), 0u);
  EXPECT_THAT(absent.entries(), IsEmpty());
  EXPECT_THAT(absent.entries_since(Clock()), IsEmpty());
  EXPECT_FALSE(absent.at(0).ok());
}

TEST(Log, a_reader_with_a_clock_is_told_what_came_since_wherever_it_stands) {
  Author a(1), b(2);
  a.append({"a1"});
  b.append({"b1"});
  const Clock read = b.document.clock();
  EXPECT_THAT(b.log().entries_since(read), IsEmpty());
  a.append({"a2"});
  b.pull(a);
  b.append({"b2"});
  EXPECT_THAT(b.values(), ElementsAre("a1", "a2", "b1", "b2"));
  std::vector<Value> since;
  for (const LogEntry& entry : b.log().entries_since(read)) since.push_back(entry.value);
  EXPECT_THAT(since, ElementsAre("a1", "a2", "b2"));
}

TEST(Log, removing_it_takes_what_the_remover_saw_and_the_next_entry_follows_what_is_left) {
  Author a(1), b(2);
  a.append({1, 2});
  exchange(a, b);
  a.commit([](MapRef root) { ASSERT_TRUE(root.map("m").remove("l", Type::log).ok()); });
  b.append({3});
  exchange(a, b);
  EXPECT_THAT(a.values(), ElementsAre(3));
  b.commit([](MapRef root) { ASSERT_TRUE(root.remove("m", Type::map).ok()); });
  a.append({4});
  a.append({5});
  exchange(a, b);
  EXPECT_THAT(b.values(), ElementsAre(4, 5));
  // After all is forgotten that can be.
  for (Author* w : {&a, &b}) {
    w->document.prune(w->document.clock());
    w->document.forget_elements(w->document.clock());
  }
  b.append({6});
  exchange(a, b);
  EXPECT_THAT(a.values(), ElementsAre(4, 5, 6));
}

TEST(Log, appends_of_one_transaction_are_one_effect_and_can_be_taken_back) {
  Author a(1);
  a.append({"kept"});
  const EventPtr event = a.commit([&](MapRef root) {
    LogRef log = root.map("m").log("l");
    for (int i = 0; i < 100; ++i) ASSERT_TRUE(log.append(i).ok());
    EXPECT_EQ(log.size(), 101u);
  });
  EXPECT_EQ(event->last() - event->first(), 99u);
  EXPECT_LT(event->encoded().size(), 400u);
  const StateHash before = a.document.hash();
  {
    Transaction transaction = a.document.begin({HybridTime{1000}, "", ""});
    LogRef log = transaction.root().map("m").log("l");
    ASSERT_TRUE(log.append("one").ok());
    const std::size_t mark = transaction.savepoint();
    ASSERT_TRUE(log.append("two").ok());
    transaction.rollback_to(mark);
    EXPECT_EQ(log.size(), 102u);
    const Status wrong = log.append({"fine", "\xFF"});
    ASSERT_FALSE(wrong.ok());
    EXPECT_EQ(wrong.error().code, ErrorCode::invalid_argument);
    EXPECT_EQ(log.size(), 102u);
  }
  EXPECT_EQ(a.document.hash(), before);
  ASSERT_TRUE(a.document.check_invariants().ok());
}

TEST(Log, json_goes_on_where_the_log_ends_and_otherwise_a_list_takes_over) {
  Author a(1);
  a.append({1, 2});
  const auto import = [&](const char* text) {
    Transaction transaction = a.document.begin({HybridTime{1000}, "", ""});
    ASSERT_TRUE(from_json(transaction, Path().map("m"), nlohmann::json::parse(text)).ok());
    transaction.commit();
  };
  const LogEntry first = *a.log().at(0);
  import(R"({"l": [1, 2, "x"]})");
  EXPECT_THAT(a.values(), ElementsAre(1, 2, "x"));
  EXPECT_EQ(*a.log().at(0), first);
  EXPECT_EQ(to_json(a.document)->dump(), R"({"m":{"l":[1,2,"x"]}})");
  import(R"({"l": [2, "x"]})");
  EXPECT_EQ(a.log().size(), 0u);
  EXPECT_EQ(to_json(a.document)->dump(), R"({"m":{"l":[2,"x"]}})");
}

// ---- From no honest writer ----

// `bytes`, which speak of the list "l" in the map "m", as if it were a log.
std::string as_log(std::string bytes) {
  std::string key;
  Writer out(key);
  Value("l").encode(out);
  const std::string list = static_cast<char>(Type::list) + key;
  const std::size_t at = bytes.find(list);
  EXPECT_NE(at, std::string::npos);
  bytes[at] = static_cast<char>(Type::log);
  return bytes;
}

// The same for deltas, whose names say how much of the one before they share: nothing.
Delta as_log(Delta delta) {
  std::string plain = *unpacked(delta.body, "delta");
  std::string key;
  Writer out(key);
  Value("l").encode(out);
  const std::string list = static_cast<char>(Type::list) + std::string(1, '\0') + key;
  const std::size_t at = plain.find(list);
  EXPECT_NE(at, std::string::npos);
  plain[at] = static_cast<char>(Type::log);
  delta.body = packed(plain);
  return delta;
}

// A writer of a list does something to it; a reader has what was before, as a log.
struct Forged {
  explicit Forged(const std::function<void(ListRef)>& write) {
    const EventPtr first = liar.commit([](MapRef root) {
      ASSERT_TRUE(root.map("m").list("l").insert(0, {1, 2, 3}).ok());
    });
    before = liar.document.clock();
    EXPECT_EQ(*reader.document.apply(**Event::decode(as_log(first->encoded()))), Applied::applied);
    EXPECT_THAT(reader.values(), ElementsAre(1, 2, 3));
    event = liar.commit([&](MapRef root) { write(root.map("m").list("l")); })->encoded();
  }
  void expect_refused() {
    const Snapshot known = snapshot(reader.document);
    const Result<EventPtr> decoded = Event::decode(as_log(event));
    ASSERT_FALSE(decoded.ok());
    EXPECT_EQ(decoded.error().code, ErrorCode::malformed);
    const Result<Applied> joined = reader.document.join(as_log(liar.document.delta_since(before)));
    ASSERT_FALSE(joined.ok());
    EXPECT_EQ(joined.error().code, ErrorCode::malformed);
    EXPECT_EQ(snapshot(reader.document), known);
    EXPECT_TRUE(reader.document.check_invariants().ok());
    // From the disk neither.
    int cells = 0;
    liar.document.take_dirty([&](Document::StoredCell cell) {
      if (cell.bytes.empty() || cell.key.find("l") == std::string::npos) return;
      ++cells;
      Document document(replica(7));
      ASSERT_TRUE(document.load_header(liar.document.header()).ok());
      const Status loaded = document.load_cell(as_log(cell.key), cell.bytes);
      EXPECT_EQ(loaded.ok() ? ErrorCode::not_found : loaded.error().code, ErrorCode::corrupt);
    });
    EXPECT_EQ(cells, 1);
  }
  Author liar{1};
  Author reader{2};
  Clock before;
  std::string event;
};

TEST(LogHostile, what_appends_is_taken_in_whatever_made_it) {
  Forged forged([](ListRef list) { ASSERT_TRUE(list.push(4).ok()); });
  EXPECT_EQ(*forged.reader.document.apply(**Event::decode(as_log(forged.event))), Applied::applied);
  EXPECT_THAT(forged.reader.values(), ElementsAre(1, 2, 3, 4));
}

TEST(LogHostile, an_insertion_in_front_of_an_entry_is_refused) {
  Forged([](ListRef list) { ASSERT_TRUE(list.insert(1, 4).ok()); }).expect_refused();
  Forged([](ListRef list) { ASSERT_TRUE(list.insert(0, 4).ok()); }).expect_refused();
}

TEST(LogHostile, the_removal_of_single_entries_is_refused) {
  Forged([](ListRef list) { ASSERT_TRUE(list.remove(1).ok()); }).expect_refused();
  Forged([](ListRef list) { ASSERT_TRUE(list.remove(0, 3).ok()); }).expect_refused();
}

// ---- Random histories ----

// Whatever stands before an entry had not seen it; entries of one event stand as they were written.
void check_causal_order(World& world, unsigned at) {
  const Document& document = world.peer(at).document;
  const auto event_of = [&](const Dot& dot) {
    for (std::size_t e = 0; e < world.events().size(); ++e) {
      const Event& event = *world.events()[e];
      if (event.writer() == dot.replica && event.first() <= dot.sequence &&
          dot.sequence <= event.last()) {
        return e;
      }
    }
    RC_FAIL("an entry that nobody wrote");
  };
  for (const auto& [text, line] : visible(document)) {
    const Path path = *Path::parse(text);
    if (path.type() != Type::log) continue;
    const std::vector<LogEntry> entries =
        document.root().at(path.parent()).log(path.steps().back().key.as_string()).entries();
    for (std::size_t later = 1; later < entries.size(); ++later) {
      const std::size_t event = event_of(entries[later].dot);
      for (std::size_t i = 0; i < later; ++i) {
        const std::size_t earlier = event_of(entries[i].dot);
        require(!world.history()[earlier].seen.contains(event),
                "an entry of " + text + " stands behind one whose writer had seen it");
        require(earlier != event || entries[i].dot.sequence < entries[later].dot.sequence,
                "entries of " + text + " are not in the order of their event");
      }
    }
  }
}

RC_GTEST_PROP(log_property, an_entry_stands_behind_all_that_its_writer_had_seen, ()) {
  using W = Write::Kind;
  World world(*rc::gen::inRange(2u, 5u));
  const std::vector<Action> actions = *any_actions(
      {W::append, W::append, W::append, W::append, W::remove, W::clear_map, W::rollback});
  for (const Action& action : actions) {
    world.perform(action);
    check_causal_order(world, action.replica);
  }
  world.heal();
  for (unsigned i = 0; i < world.size(); ++i) check_causal_order(world, i);
}

}  // namespace
}  // namespace rejoin
