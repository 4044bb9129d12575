// Undoing an event: against what there would be without it.
#include "rejoin/crdt/revert.h"

#include <gmock/gmock.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>

#include "history.h"
#include "rejoin/crdt/json.h"

namespace rejoin {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

const ReplicaId here = ReplicaId::from_words(9, 9);

// ---- What is read, by path; what is in a list is part of the list's line ----

struct Reading {
  bool ordered;  // else what is in lists and texts is compared whatever its order
  std::map<Path, std::string> lines = {};
  std::set<Path> of_siblings = {};  // registers that others wrote beside each other

  std::string joined(std::vector<std::string> parts) const {
    if (!ordered) std::ranges::sort(parts);
    std::string text;
    for (const std::string& part : parts) text += part + ",";
    return text;
  }

  void read(const MapView& map, const Path& path) {
    for (const Child& child : map.children()) {
      const Path at = path.child(child.type, child.name);
      // Marks that cover nothing go with the next removal in a text; nobody reads them.
      if (child.type == Type::text && map.text(child.name).size() == 0) continue;
      lines[at] = line_of(map, child, at);
    }
  }

  std::string line_of(const MapView& map, const Child& child, const Path& at) {
    std::vector<std::string> parts;
    switch (child.type) {
      case Type::map:
        read(map.map(child.name), at);
        return "map";
      case Type::list: {
        const ListView list = map.list(child.name);
        for (std::size_t i = 0; i < list.size(); ++i) {
          const auto element = list.map(i);
          if (!element.ok()) {
            parts.push_back(list.at(i)->to_string());
            continue;
          }
          Reading below{ordered};
          below.read(*element, Path());
          for (const Path& path : below.of_siblings) of_siblings.insert(at.map(path.to_string()));
          parts.push_back(below.to_text());
        }
        return joined(parts);
      }
      case Type::log:
        for (const Value& value : map.log(child.name).values()) parts.push_back(value.to_string());
        return joined(parts);
      case Type::text: {
        const TextView text = map.text(child.name);
        for (std::size_t i = 0; i < text.size(); ++i) parts.push_back(*text.slice(i, 1));
        return joined(parts);
      }
      case Type::set:
      case Type::remove_wins_set:
        for (const Value& value : map.set(child.name, child.type).elements()) {
          parts.push_back(value.to_string());
        }
        return joined(parts);
      case Type::reg:
      case Type::multi_register:
      case Type::max_register:
      case Type::min_register: {
        const RegisterView reg = map.reg(child.name, child.type);
        if (reg.siblings().size() > 1) of_siblings.insert(at);
        return reg.get()->to_string();
      }
      case Type::counter:
        return std::to_string(map.counter(child.name).value());
      case Type::bounded_counter:
        return std::to_string(map.bounded_counter(child.name).value());
      case Type::enable_flag:
      case Type::disable_flag:
        return map.flag(child.name, child.type).get() ? "on" : "off";
      case Type::tree: {
        const TreeView tree = map.tree(child.name);
        for (const TreeItem& item : tree.items()) {
          parts.push_back(item.name + " below " + item.parent);
          read(tree.properties(item.name), at.child(Type::map, item.name));
        }
        return joined(parts);
      }
      case Type::element:
        break;
    }
    return "?";
  }

  std::string to_text() const {
    std::string text = "{";
    for (const auto& [path, line] : lines) text += path.to_string() + "=" + line + ";";
    return text + "}";
  }
};

Reading reading_of(const Document& document, bool ordered) {
  Reading reading{ordered};
  reading.read(document.root(), Path());
  return reading;
}

// ---- The past, from all events ----

// What the writer of each event had seen, with the event itself.
std::vector<Clock> seen_by(const std::vector<EventPtr>& events) {
  std::vector<Clock> seen;
  std::map<ReplicaId, Clock> last;
  std::map<ReplicaId, std::vector<std::size_t>> of_writer;
  const auto past_of = [&](const Dot& dot) {
    Clock past;
    for (const std::size_t i : of_writer[dot.replica]) {
      if (events[i]->first() <= dot.sequence) past.join(seen[i]);
    }
    return past;
  };
  for (std::size_t i = 0; i < events.size(); ++i) {
    Clock clock = last[events[i]->writer()];
    for (const auto& [replica, sequence] : events[i]->dependencies()) {
      clock.join(past_of({replica, sequence}));
    }
    clock.advance(events[i]->id());
    last[events[i]->writer()] = clock;
    of_writer[events[i]->writer()].push_back(i);
    seen.push_back(clock);
  }
  return seen;
}

std::vector<Past> pasts_of(const std::vector<EventPtr>& events, std::size_t undone) {
  const Clock seen = seen_by(events)[undone];
  std::vector<Past> pasts;
  for (const Path& place : places_to_revert(*events[undone])) {
    Past past{place, Document(ReplicaId{}), {}};
    for (std::size_t i = 0; i < events.size(); ++i) {
      if (i == undone || !touches(*events[i], place)) continue;
      if (seen.includes(events[i]->id())) {
        past.before.replay(*events[i], place);
      } else {
        past.since.push_back(events[i]);
      }
    }
    pasts.push_back(std::move(past));
  }
  return pasts;
}

struct Undone {
  Reverted outcome;
  EventPtr event;
};

Result<Undone> undo(Document& document, const std::vector<EventPtr>& events, std::size_t which) {
  Transaction transaction = document.begin({HybridTime{std::uint64_t{1} << 60}, "eve", "undo"});
  auto reverted = revert(transaction, *events[which], pasts_of(events, which));
  if (!reverted.ok()) return reverted.error();
  return Undone{*std::move(reverted), transaction.commit()};
}

Document document_of(const std::vector<EventPtr>& events,
                     const std::function<bool(std::size_t)>& which, ReplicaId self = here) {
  Document document(self);
  for (std::size_t i = 0; i < events.size(); ++i) {
    if (!which(i)) continue;
    const auto applied = document.apply(*events[i]);
    require(applied.ok() && *applied == Applied::applied, "an event whose turn has come");
  }
  return document;
}

const auto all = [](std::size_t) { return true; };

bool lies_within(const Path& path, const std::vector<Path>& places) {
  return std::ranges::any_of(places, [&](const Path& place) {
    return path.starts_with(place) || place.starts_with(path);
  });
}

// ---- Properties ----

// About all types at once, or one.
std::vector<Action> some_actions() {
  if (*rc::gen::arbitrary<bool>()) return *any_actions();
  return *any_actions(writes_of(*rc::gen::elementOf(history_types())));
}

// Whatever else happened: the event that undoes another is one like any other, and leaves alone
// what the other did not write.
RC_GTEST_PROP(revert, is_an_event_that_leaves_other_places_alone, ()) {
  World world(3);
  world.perform(some_actions());
  const auto& events = world.events();
  RC_PRE(!events.empty());
  const std::size_t which = *rc::gen::inRange<std::size_t>(0, events.size());
  Document document = document_of(events, all);
  Document other = document_of(events, all, ReplicaId::from_words(8, 8));
  Document behind = document_of(events, all, ReplicaId::from_words(7, 7));
  const auto before = reading_of(document, true);
  const auto undone = undo(document, events, which);
  if (!undone.ok()) {
    RC_ASSERT(undone.error().code == ErrorCode::out_of_range);  // of a counter
    RC_ASSERT(reading_of(document, true).lines == before.lines);
    return;
  }
  RC_ASSERT(document.check_invariants().ok());
  if (!undone->event) {
    RC_ASSERT(undone->outcome.cells == 0u);
    return;
  }
  RC_ASSERT(other.apply(**Event::decode(undone->event->encoded())).value() == Applied::applied);
  RC_ASSERT(other.hash() == document.hash());
  RC_ASSERT(other.check_invariants().ok());
  RC_ASSERT(behind.join(document.delta_since(behind.clock())).value() == Applied::applied);
  RC_ASSERT(behind.hash() == document.hash());

  const auto after = reading_of(document, true);
  const std::vector<Path> places = places_to_revert(*events[which]);
  for (const auto* lines : {&before.lines, &after.lines}) {
    for (const auto& [path, line] : *lines) {
      if (lies_within(path, places)) continue;
      RC_ASSERT(before.lines.contains(path) && after.lines.contains(path));
      RC_ASSERT(before.lines.at(path) == after.lines.at(path));
    }
  }
}

// An event on which nothing depends might not have been at all. Undone, all is as it would be then.
RC_GTEST_PROP(revert, leaves_what_there_would_be_without_the_event, ()) {
  World world(3);
  world.perform(some_actions());
  const auto& events = world.events();
  RC_PRE(!events.empty());
  const std::vector<Clock> seen = seen_by(events);
  std::vector<std::size_t> last;
  for (std::size_t i = 0; i < events.size(); ++i) {
    const bool is_last = std::ranges::none_of(events, [&](const EventPtr& event) {
      const auto j = static_cast<std::size_t>(&event - events.data());
      return j != i && seen[j].includes(events[i]->id());
    });
    if (is_last) last.push_back(i);
  }
  const std::size_t which = *rc::gen::elementOf(last);
  const bool saw_all = std::ranges::all_of(
      events, [&](const EventPtr& event) { return seen[which].includes(event->id()); });

  Document document = document_of(events, all);
  const Document without = document_of(events, [&](std::size_t i) { return i != which; });
  const auto undone = undo(document, events, which);
  if (!undone.ok()) {
    RC_ASSERT(undone.error().code == ErrorCode::out_of_range);
    return;
  }
  const Reading expected = reading_of(without, saw_all);
  const Reading actual = reading_of(document, saw_all);
  std::vector<Path> left_out;
  for (const auto& kept : undone->outcome.kept) left_out.push_back(kept.path);
  for (const Path& path : expected.of_siblings) {
    const bool of_extremes = path.type() == Type::max_register || path.type() == Type::min_register;
    if (!of_extremes) left_out.push_back(path);
  }
  // What others wrote meanwhile in an element that the event removed does not come back with it.
  for (const EventPtr& event : events) {
    if (seen[which].includes(event->id())) continue;
    for (Path path : paths_of(*event)) {
      for (; !path.is_root(); path = path.parent()) {
        if (path.type() == Type::map && path.parent().type() == Type::list) {
          left_out.push_back(path.parent());
        }
      }
    }
  }
  const auto reads = [&](const Reading& reading, const Path& path) {
    const auto found = reading.lines.find(path);
    return found == reading.lines.end() ? "nothing" : found->second;
  };
  std::size_t compared = 0;
  for (const auto* lines : {&expected.lines, &actual.lines}) {
    for (const auto& [path, line] : *lines) {
      if (lies_within(path, left_out)) continue;
      if (path.type() == Type::tree && !saw_all) continue;  // concurrent moves count by their times
      ++compared;
      if (reads(expected, path) == reads(actual, path)) continue;
      RC_LOG() << path.to_string() << " reads " << reads(actual, path) << " instead of "
               << reads(expected, path) << std::endl;
      RC_FAIL("it is not as it would be without the event");
    }
  }
  RC_CLASSIFY(saw_all, "nothing is concurrent");
  RC_CLASSIFY(undone->outcome.kept.empty() && undone->event, "all is undone");
  RC_CLASSIFY(compared == 0, "nothing to compare");
}

// ---- Examples ----

// Two replicas that tell each other everything, unless they are cut off.
class RevertTest : public testing::Test {
 protected:
  EventPtr commit(Document& at, const std::function<void(MapRef)>& write) {
    Transaction transaction = at.begin({HybridTime{++millis_ << 16}, "ann", ""});
    write(transaction.root());
    const EventPtr event = transaction.commit();
    events_.push_back(event);
    for (Document* document : {&a, &b}) {
      if (document != &at && !cut_) {
        EXPECT_TRUE(document->apply(*event).ok());
      }
    }
    return event;
  }
  void cut() { cut_ = true; }
  void heal() {
    cut_ = false;
    ASSERT_TRUE(a.join(b).ok());
    ASSERT_TRUE(b.join(a).ok());
  }
  Reverted undo_at_a(const EventPtr& event) {
    const auto which = std::ranges::find(events_, event) - events_.begin();
    auto undone = undo(a, events_, static_cast<std::size_t>(which));
    EXPECT_TRUE(undone.ok());
    if (undone->event) events_.push_back(undone->event);
    return undone->outcome;
  }
  const EventPtr& last_event() const { return events_.back(); }
  std::string json() const { return to_json(a)->dump(); }

  Document a{ReplicaId::from_words(1, 1)};
  Document b{ReplicaId::from_words(2, 2)};

 private:
  std::vector<EventPtr> events_;
  std::uint64_t millis_ = 0;
  bool cut_ = false;
};

TEST_F(RevertTest, keeps_what_others_did_since) {
  commit(a, [](MapRef root) { (void)root.reg("plan").set(Value("walk")); });
  const EventPtr wrong = commit(a, [](MapRef root) {
    (void)root.reg("plan").set(Value("fly"));
    (void)root.counter("cost").add(3);
  });
  commit(b, [](MapRef root) { (void)root.counter("cost").add(2); });
  const Reverted reverted = undo_at_a(wrong);
  EXPECT_EQ(json(), R"({"cost":2,"plan":"walk"})");
  EXPECT_EQ(reverted.cells, 2u);
  EXPECT_THAT(reverted.kept, IsEmpty());
}

TEST_F(RevertTest, says_what_it_leaves) {
  commit(a, [](MapRef root) { (void)root.reg("plan").set(Value("walk")); });
  const EventPtr wrong = commit(a, [](MapRef root) { (void)root.reg("plan").set(Value("fly")); });
  commit(b, [](MapRef root) { (void)root.reg("plan").set(Value("swim")); });
  const Reverted reverted = undo_at_a(wrong);
  EXPECT_EQ(json(), R"({"plan":"swim"})");
  EXPECT_EQ(reverted.cells, 0u);
  ASSERT_THAT(reverted.kept, SizeIs(1));
  EXPECT_EQ(reverted.kept[0].path, Path().child(Type::reg, "plan"));
  EXPECT_EQ(reverted.kept[0].reason, "it was written over or removed since");
}

TEST_F(RevertTest, of_values_beside_each_other_takes_away_its_own) {
  commit(a, [](MapRef root) { (void)root.reg("plan").set(Value("walk")); });
  cut();
  const EventPtr wrong = commit(a, [](MapRef root) { (void)root.reg("plan").set(Value("fly")); });
  commit(b, [](MapRef root) { (void)root.reg("plan").set(Value("swim")); });
  heal();
  EXPECT_THAT(undo_at_a(wrong).kept, IsEmpty());
  EXPECT_EQ(json(), R"({"plan":"swim"})");
}

TEST_F(RevertTest, does_not_bring_back_what_others_removed_as_well) {
  commit(a, [](MapRef root) {
    (void)root.set("tags").add(Value("x"));
    (void)root.list("list").insert(0, {Value(1), Value(2)});
  });
  cut();
  const EventPtr wrong = commit(a, [](MapRef root) {
    (void)root.set("tags").remove(Value("x"));
    (void)root.list("list").remove(0, 2);
  });
  commit(b, [](MapRef root) {
    (void)root.set("tags").remove(Value("x"));
    (void)root.list("list").remove(0);
  });
  heal();
  (void)undo_at_a(wrong);
  EXPECT_EQ(json(), R"({"list":[2]})");
}

TEST_F(RevertTest, puts_text_back_where_it_was_and_keeps_what_was_typed_since) {
  commit(a, [](MapRef root) { (void)root.text("t").insert(0, "The red fox jumped"); });
  const EventPtr wrong = commit(a, [](MapRef root) {
    (void)root.text("t").remove(4, 4);
    (void)root.text("t").insert(0, "> ");
  });
  commit(b, [](MapRef root) {
    (void)root.text("t").insert(1, "-");  // within what is undone
    (void)root.text("t").insert(root.text("t").size(), "!");
  });
  EXPECT_EQ(json(), R"({"t":">- The fox jumped!"})");
  EXPECT_THAT(undo_at_a(wrong).kept, IsEmpty());
  EXPECT_EQ(json(), R"({"t":"-The red fox jumped!"})");
}

TEST_F(RevertTest, brings_maps_of_a_list_back_with_all_that_was_in_them) {
  commit(a, [](MapRef root) {
    ListRef steps = root.list("steps");
    (void)steps.push(Value("first"));
    MapRef step = *steps.insert_map(1);
    (void)step.reg("name").set(Value("pack"));
    (void)step.counter("tries").add(2);
    MapRef part = *step.list("parts").insert_map(0);
    (void)part.set("tags").add(Value("blue"));
    (void)steps.push(Value("last"));
  });
  const std::string before = json();
  const EventPtr wrong = commit(a, [](MapRef root) { (void)root.list("steps").remove(0, 3); });
  EXPECT_EQ(json(), "{}");
  EXPECT_THAT(undo_at_a(wrong).kept, IsEmpty());
  EXPECT_EQ(json(), before);
  EXPECT_EQ(a.root().list("steps").map(1)->counter("tries").value(), 2);
}

TEST_F(RevertTest, leaves_an_element_in_which_others_wrote) {
  const EventPtr wrong = commit(a, [](MapRef root) {
    ListRef steps = root.list("steps");
    (void)(*steps.insert_map(0)).reg("name").set(Value("pack"));
    (void)(*steps.insert_map(1)).reg("name").set(Value("go"));
  });
  commit(b, [](MapRef root) { (void)(*root.list("steps").map(1)).reg("by").set(Value("bob")); });
  const Reverted reverted = undo_at_a(wrong);
  EXPECT_EQ(json(), R"({"steps":[{"by":"bob","name":"go"}]})");
  ASSERT_THAT(reverted.kept, SizeIs(1));
  EXPECT_EQ(reverted.kept[0].reason, "others wrote in what was inserted");
}

TEST_F(RevertTest, moves_back_what_nobody_else_moved) {
  commit(a, [](MapRef root) {
    (void)root.list("l").insert(0, {Value(1), Value(2), Value(3), Value(4)});
  });
  const EventPtr wrong = commit(a, [](MapRef root) {
    (void)root.list("l").move(0, 3);
    (void)root.list("l").move(0, 2);
  });
  EXPECT_EQ(json(), R"({"l":[3,4,2,1]})");
  commit(b, [](MapRef root) { (void)root.list("l").move(3, 0); });
  EXPECT_EQ(json(), R"({"l":[1,3,4,2]})");
  EXPECT_THAT(undo_at_a(wrong).kept, SizeIs(1));
  EXPECT_EQ(json(), R"({"l":[1,2,3,4]})");
}

TEST_F(RevertTest, puts_each_element_behind_its_former_neighbour_wherever_that_is_now) {
  commit(a, [](MapRef root) {
    (void)root.list("l").insert(0, {Value(1), Value(2), Value(3), Value(4)});
  });
  const EventPtr wrong = commit(a, [](MapRef root) {
    (void)root.list("l").remove(3);
    (void)root.list("l").remove(1);
  });
  commit(b, [](MapRef root) { (void)root.list("l").move(0, 1); });
  EXPECT_EQ(json(), R"({"l":[3,1]})");
  (void)undo_at_a(wrong);
  EXPECT_EQ(json(), R"({"l":[3,4,1,2]})");
}

TEST_F(RevertTest, of_a_removed_subtree_brings_back_every_cell) {
  commit(a, [](MapRef root) {
    MapRef m = root.map("m");
    (void)m.reg("r").set(Value(1));
    (void)m.counter("c").add(5);
    (void)m.text("t").insert(0, "text");
    (void)m.log("l").append(Value("entry"));
    (void)m.map("empty").create();
    (void)m.tree("tree").create("top");
    (void)m.tree("tree").create("below", "top");
    (void)m.bounded_counter("b").create(-2);
    (void)m.bounded_counter("b").increment(7);
    (void)m.flag("on").set(true);
  });
  const std::string before = json();
  const EventPtr wrong = commit(a, [](MapRef root) { (void)root.remove("m", Type::map); });
  EXPECT_EQ(json(), "{}");
  EXPECT_THAT(undo_at_a(wrong).kept, IsEmpty());
  EXPECT_EQ(json(), before);
  EXPECT_EQ(a.root().map("m").bounded_counter("b").bound(), -2);
}

TEST_F(RevertTest, keeps_logs_and_rights_that_are_not_here) {
  const EventPtr appended = commit(a, [](MapRef root) { (void)root.log("l").append(Value(1)); });
  const Reverted reverted = undo_at_a(appended);
  ASSERT_THAT(reverted.kept, SizeIs(1));
  EXPECT_EQ(reverted.kept[0].reason, "a log is only appended to");

  const EventPtr made =
      commit(b, [](MapRef root) { (void)root.bounded_counter("b").increment(3); });
  commit(b, [](MapRef root) { (void)root.bounded_counter("b").decrement(1); });
  const Reverted rights = undo_at_a(made);
  ASSERT_THAT(rights.kept, SizeIs(1));
  EXPECT_EQ(a.root().bounded_counter("b").value(), 2);
}

TEST_F(RevertTest, can_be_undone) {
  commit(a, [](MapRef root) {
    (void)root.reg("plan").set(Value("walk"));
    (void)root.list("l").insert(0, {Value(1), Value(2), Value(3)});
  });
  const EventPtr wrong = commit(a, [](MapRef root) {
    (void)root.reg("plan").set(Value("fly"));
    (void)root.list("l").remove(1);
    (void)root.set("tags").add(Value("x"));
    (void)root.counter("cost").add(3);
  });
  const std::string after = json();
  (void)undo_at_a(wrong);
  EXPECT_EQ(json(), R"({"l":[1,2,3],"plan":"walk"})");
  (void)undo_at_a(last_event());
  EXPECT_EQ(json(), after);
}

TEST(places_to_revert, lie_not_below_each_other) {
  Document document(here);
  Transaction transaction = document.begin({HybridTime{1 << 16}, "", ""});
  MapRef root = transaction.root();
  (void)root.map("m").create();
  (void)root.map("m").reg("r").set(Value(1));
  (void)root.bounded_counter("b").increment(3);
  (void)root.set("s").add(Value("x"));
  const EventPtr event = transaction.commit();
  EXPECT_THAT(
      places_to_revert(*event),
      testing::UnorderedElementsAre(Path().map("m"), Path().child(Type::bounded_counter, "b"),
                                    Path().child(Type::set, "s").child(Type::element, "x")));
}

}  // namespace
}  // namespace rejoin
