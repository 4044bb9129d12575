#include "rejoin/crdt/json.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "generators.h"
#include "history.h"

namespace rejoin {
namespace {

using nlohmann::json;

const ReplicaId a = ReplicaId::from_words(0xA, 1);
const ReplicaId b = ReplicaId::from_words(0xB, 1);

class Json : public testing::Test {
 protected:
  // Imports in a transaction of its own; returns how many writes it took.
  std::size_t import(const json& value, const Path& path = {}, bool remove_missing = true) {
    Transaction transaction = document.begin({HybridTime::from_millis(++millis), "", ""});
    const Status status = from_json(transaction, path, value, remove_missing);
    EXPECT_TRUE(status.ok()) << (status.ok() ? "" : status.error().to_string());
    const std::size_t writes = transaction.size();
    transaction.commit();
    return writes;
  }
  Error import_error(const json& value, const Path& path = {}) {
    const std::string before = document.canonical_state();
    Transaction transaction = document.begin({HybridTime::from_millis(++millis), "", ""});
    const Status status = from_json(transaction, path, value);
    EXPECT_FALSE(status.ok());
    EXPECT_EQ(transaction.size(), 0u);
    transaction.commit();
    EXPECT_EQ(document.canonical_state(), before);
    return status.ok() ? Error() : status.error();
  }
  template <class Writes>
  void write(Writes writes) {
    Transaction transaction = document.begin({HybridTime::from_millis(++millis), "", ""});
    writes(transaction.root());
    transaction.commit();
  }
  std::string text(const Path& path = {}) { return to_json(document, path)->dump(); }

  Document document{a};
  std::uint64_t millis = 0;
};

TEST_F(Json, every_type_has_its_form) {
  write([](MapRef root) {
    ASSERT_TRUE(root.reg("register").set("text").ok());
    ASSERT_TRUE(root.reg("max", Type::max_register).set(7).ok());
    ASSERT_TRUE(root.reg("min", Type::min_register).set(-7).ok());
    ASSERT_TRUE(root.reg("many", Type::multi_register).set(1.5).ok());
    ASSERT_TRUE(root.counter("counter").add(3).ok());
    ASSERT_TRUE(root.flag("enable").set(true).ok());
    ASSERT_TRUE(root.flag("disable", Type::disable_flag).set(false).ok());
    ASSERT_TRUE(root.list("list").insert(0, {Value(), Value(true), Value("b"), Value("a")}).ok());
    for (const char* element : {"b", "a"}) {
      ASSERT_TRUE(root.set("set").add(element).ok());
      ASSERT_TRUE(root.set("rw", Type::remove_wins_set).add(element).ok());
    }
    ASSERT_TRUE(root.map("map").create().ok());
    ASSERT_TRUE(root.map("deep").map("er").reg("x").set(Value()).ok());
  });
  EXPECT_EQ(*to_json(document), json::parse(R"({
    "register": "text", "max": 7, "min": -7, "many": [1.5], "counter": 3, "enable": true,
    "disable": false, "list": [null, true, "b", "a"], "set": ["a", "b"], "rw": ["a", "b"],
    "map": {}, "deep": {"er": {"x": null}}
  })"));
}

TEST_F(Json, concurrent_siblings_of_a_multi_register_are_all_shown_in_value_order) {
  Document other(b);
  Transaction one = document.begin({HybridTime::from_millis(2), "", ""});
  ASSERT_TRUE(one.root().reg("r", Type::multi_register).set("later").ok());
  one.commit();
  Transaction two = other.begin({HybridTime::from_millis(1), "", ""});
  ASSERT_TRUE(two.root().reg("r", Type::multi_register).set("early").ok());
  two.commit();
  ASSERT_TRUE(document.join(other).ok());
  EXPECT_EQ(text(), R"({"r":["early","later"]})");
}

TEST_F(Json, of_several_types_under_a_name_the_first_is_shown) {
  write([](MapRef root) {
    ASSERT_TRUE(root.counter("x").add(1).ok());
    ASSERT_TRUE(root.reg("x").set("register").ok());
  });
  EXPECT_EQ(text(), R"({"x":"register"})");
  write([](MapRef root) { ASSERT_TRUE(root.map("x").reg("y").set(1).ok()); });
  EXPECT_EQ(text(), R"({"x":{"y":1}})");
}

TEST_F(Json, bytes_and_strange_doubles_survive_both_ways) {
  const std::vector<Value> values{Value::bytes(""),
                                  Value::bytes("a"),
                                  Value::bytes("ab"),
                                  Value::bytes("abc"),
                                  Value::bytes(std::string("\x00\xFF\xFE", 3)),
                                  Value(-0.0),
                                  Value(0.1),
                                  Value(1.0),
                                  Value(1e300),
                                  Value(std::numeric_limits<double>::infinity()),
                                  Value(-std::numeric_limits<double>::infinity()),
                                  Value(std::numeric_limits<double>::quiet_NaN()),
                                  Value(std::numeric_limits<std::int64_t>::min()),
                                  Value(std::numeric_limits<std::int64_t>::max())};
  write([&](MapRef root) { ASSERT_TRUE(root.list("v").insert(0, values).ok()); });
  EXPECT_EQ(text(Path().child(Type::list, "v")),
            R"([{"$bytes":""},{"$bytes":"YQ=="},{"$bytes":"YWI="},{"$bytes":"YWJj"},)"
            R"({"$bytes":"AP/+"},-0.0,0.1,1.0,1e+300,{"$double":"inf"},{"$double":"-inf"},)"
            R"({"$double":"nan"},-9223372036854775808,9223372036854775807])");
  const json exported = json::parse(text());
  document = Document(b);
  import(exported);
  EXPECT_EQ(document.root().list("v").values(), values);
}

TEST_F(Json, a_part_can_be_exported_and_what_is_not_there_is_an_error) {
  write([](MapRef root) {
    ASSERT_TRUE(root.map("m").counter("n").add(4).ok());
    ASSERT_TRUE(root.set("s").add(9).ok());
  });
  EXPECT_EQ(text(Path().map("m")), R"({"n":4})");
  EXPECT_EQ(text(Path().map("m").child(Type::counter, "n")), "4");
  EXPECT_EQ(text(Path().child(Type::set, "s").child(Type::element, 9)), "9");
  const auto missing = to_json(document, Path().map("m").child(Type::reg, "n"));
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().to_string(), "not_found at /map:m/register:n: nothing is here");
  EXPECT_EQ(to_json(Document(b))->dump(), "{}");
}

TEST_F(Json, import_makes_maps_lists_and_registers_and_says_what_was_said) {
  const json wanted = json::parse(R"({"a": {"b": {}, "c": [1, "x", null, 2.5]}, "n": null, "d": 1.0,
                                      "big": 9223372036854775807, "": {"é/:%": true}})");
  EXPECT_GT(import(wanted), 0u);
  EXPECT_EQ(*to_json(document), wanted);
  EXPECT_EQ(text(), wanted.dump());
  EXPECT_TRUE(document.root().map("a").list("c").exists());
  EXPECT_EQ(*document.root().reg("d").get(), Value(1.0));
}

TEST_F(Json, importing_what_is_there_writes_nothing) {
  write([](MapRef root) {
    ASSERT_TRUE(root.counter("counter").add(3).ok());
    ASSERT_TRUE(root.flag("flag").set(true).ok());
    ASSERT_TRUE(root.set("set").add("b").ok());
    ASSERT_TRUE(root.set("set").add("a").ok());
    ASSERT_TRUE(root.list("list").push(1).ok());
    ASSERT_TRUE(root.map("empty").create().ok());
    ASSERT_TRUE(root.reg("many", Type::multi_register).set(1).ok());
    ASSERT_TRUE(root.reg("bytes").set(Value::bytes("x")).ok());
    ASSERT_TRUE(root.reg("nan").set(std::numeric_limits<double>::quiet_NaN()).ok());
  });
  EXPECT_EQ(import(*to_json(document)), 0u);
}

TEST_F(Json, only_what_differs_is_written) {
  import(json::parse(R"({"a": 1, "b": 2, "l": [1, 2, 3, 4, 5], "m": {"x": 1, "y": 2}})"));
  EXPECT_EQ(import(json::parse(R"({"a": 1, "b": 3, "l": [1, 2, 3, 4, 5], "m": {"x": 1, "y": 2}})")),
            1u);
  // One element out, one in.
  EXPECT_EQ(import(json::parse(R"({"a": 1, "b": 3, "l": [1, 3, 4, 9, 5], "m": {"x": 1, "y": 2}})")),
            2u);
  EXPECT_EQ(import(json::parse(R"({"a": 1, "b": 3, "l": [1, 3, 4, 9, 5], "m": {"x": 1}})")), 1u);
  EXPECT_EQ(text(), R"({"a":1,"b":3,"l":[1,3,4,9,5],"m":{"x":1}})");
  // 1 is not 1.0.
  EXPECT_EQ(import(json::parse(R"({"a": 1.0, "b": 3, "l": [1, 3, 4, 9, 5], "m": {"x": 1}})")), 1u);
}

TEST_F(Json, an_edited_export_keeps_its_types) {
  write([](MapRef root) {
    ASSERT_TRUE(root.counter("counter").add(3).ok());
    ASSERT_TRUE(root.flag("flag", Type::disable_flag).set(true).ok());
    ASSERT_TRUE(root.set("set").add("a").ok());
    ASSERT_TRUE(root.set("set").add("b").ok());
    ASSERT_TRUE(root.reg("max", Type::max_register).set(5).ok());
    ASSERT_TRUE(root.reg("many", Type::multi_register).set(5).ok());
  });
  import(json::parse(
      R"({"counter": 10, "flag": false, "set": ["c", "b"], "max": 6, "many": [{"$bytes": "YQ=="}]})"));
  EXPECT_EQ(document.root().counter("counter").value(), 10);
  EXPECT_FALSE(document.root().flag("flag", Type::disable_flag).get());
  EXPECT_TRUE(document.root().set("set").contains("c"));
  EXPECT_EQ(document.root().children().size(), 5u);
  EXPECT_EQ(text(), R"({"counter":10,"flag":false,"many":[{"$bytes":"YQ=="}],"max":6,)"
                    R"("set":["b","c"]})");
}

TEST_F(Json, a_child_that_cannot_say_it_gives_way) {
  write([](MapRef root) {
    ASSERT_TRUE(root.map("map").reg("x").set(1).ok());
    ASSERT_TRUE(root.counter("counter").add(3).ok());
    ASSERT_TRUE(root.set("set").add("a").ok());
    ASSERT_TRUE(root.set("set2").add("a").ok());
    ASSERT_TRUE(root.list("list").push("a").ok());
    ASSERT_TRUE(root.text("text").append("a").ok());
    ASSERT_TRUE(root.reg("max", Type::max_register).set(5).ok());
  });
  const json wanted = json::parse(R"({"map": 1, "counter": 1.5, "set": ["a", "a"], "set2":
      {"$tree": [{"name": "n"}]}, "list": {"x": 1}, "max": 4, "text": ""})");
  import(wanted);
  EXPECT_EQ(*to_json(document), wanted);
  EXPECT_EQ(document.root().children().size(), 7u);
}

TEST_F(Json, missing_names_are_removed_only_when_asked) {
  import(json::parse(R"({"a": 1, "m": {"x": 1, "y": 2}})"));
  EXPECT_EQ(import(json::parse(R"({"m": {"y": 3}})"), {}, false), 1u);
  EXPECT_EQ(text(), R"({"a":1,"m":{"x":1,"y":3}})");
  import(json::parse(R"({"m": {"y": 3}})"));
  EXPECT_EQ(text(), R"({"m":{"y":3}})");
  import(json::object(), Path().map("m"));
  EXPECT_EQ(text(), R"({"m":{}})");
}

TEST_F(Json, an_empty_array_leaves_nothing) {
  import(json::parse(R"({"m": {"l": [1]}})"));
  import(json::parse(R"({"m": {"l": []}})"));
  EXPECT_EQ(text(), R"({"m":{}})");
}

TEST_F(Json, elements_that_stand_elsewhere_are_moved) {
  import(json::parse(R"({"l": [{"n": 1}, "a", "b", "c", "a"]})"));
  const Cursor cursor = *document.root().list("l").cursor(0, Sticks::right);
  EXPECT_EQ(import(json::parse(R"({"l": ["a", "b", "c", "a", {"n": 1}]})")), 1u);
  EXPECT_EQ(*document.root().list("l").index_of(cursor), 4u);
  EXPECT_EQ(import(json::parse(R"({"l": ["c", "a", {"n": 1}, "b", "a"]})")), 2u);
  EXPECT_EQ(text(), R"({"l":["c","a",{"n":1},"b","a"]})");
  EXPECT_EQ(*document.root().list("l").index_of(cursor), 2u);
  // Two are new, one goes, two move.
  import(json::parse(R"({"l": [7, "b", "a", 8, {"n": 1}, "a"]})"));
  EXPECT_EQ(text(), R"({"l":[7,"b","a",8,{"n":1},"a"]})");
  EXPECT_EQ(*document.root().list("l").index_of(cursor), 4u);
}

TEST_F(Json, every_order_of_a_list_becomes_every_other) {
  std::vector<int> from{0, 1, 2, 3};
  do {
    std::vector<int> to{0, 1, 2, 2, 4};
    do {
      import(json{{ "l", from }});
      import(json{{ "l", to }});
      ASSERT_EQ(text(), json({{"l", to}}).dump()) << json(from).dump();
    } while (std::next_permutation(to.begin(), to.end()));
  } while (std::next_permutation(from.begin(), from.end()));
}

TEST_F(Json, an_enable_flag_turned_off_leaves_nothing) {
  write([](MapRef root) { ASSERT_TRUE(root.flag("f").set(true).ok()); });
  import(json::parse(R"({"f": false})"));
  EXPECT_FALSE(document.root().flag("f").get());
  EXPECT_EQ(text(), "{}");
}

TEST_F(Json, what_is_hidden_does_not_come_out_where_nothing_is_left) {
  write([](MapRef root) {
    ASSERT_TRUE(root.flag("f").set(true).ok());
    ASSERT_TRUE(root.flag("f", Type::disable_flag).set(true).ok());
    ASSERT_TRUE(root.set("s").add(1).ok());
    ASSERT_TRUE(root.reg("s").set(1).ok());
  });
  import(json::parse(R"({"f": false, "s": []})"));
  EXPECT_EQ(text(), "{}");
}

TEST_F(Json, what_cannot_be_imported_leaves_nothing_and_names_its_path) {
  import(json::parse(R"({"a": 1})"));
  const Error nested = import_error(json::parse(R"({"a": 2, "l": [1, [2]]})"));
  EXPECT_EQ(nested.code, ErrorCode::wrong_type);
  EXPECT_EQ(nested.where, "/list:l");
  const Error big = import_error(json::parse(R"({"a": 2, "m": {"n": 9223372036854775808}})"));
  EXPECT_EQ(big.code, ErrorCode::out_of_range);
  EXPECT_EQ(big.where, "/map:m/register:n");
  EXPECT_EQ(import_error(json::parse("[1]")).code, ErrorCode::wrong_type);
  EXPECT_EQ(import_error(json(json::value_t::discarded)).code, ErrorCode::wrong_type);
  EXPECT_EQ(import_error(json::object(), Path().child(Type::list, "l")).code,
            ErrorCode::invalid_argument);
  EXPECT_EQ(import_error(json{{"a", "\xFF"}}).code, ErrorCode::invalid_argument);
  EXPECT_EQ(import_error(json{{"\xFF", 1}}).code, ErrorCode::invalid_argument);
  json deep = 1;
  for (int i = 0; i < 100; ++i) deep = json{{"x", deep}};
  EXPECT_EQ(import_error(deep).code, ErrorCode::limit_exceeded);
  EXPECT_EQ(import_error(json{{std::string(5000, 'x'), 1}}).code, ErrorCode::limit_exceeded);
}

TEST_F(Json, objects_that_only_look_like_bytes_are_maps) {
  const json wanted =
      json::parse(R"({"a": {"$bytes": "?"}, "b": {"$bytes": "YQ==", "x": 1}, "c": {"$double": "1"},
                      "d": {"$bytes": "YR=="}, "e": {"$bytes": "YQ"}, "f": {"$bytes": 1}})");
  import(wanted);
  EXPECT_EQ(*to_json(document), wanted);
  EXPECT_TRUE(document.root().map("d").exists());
}

rc::Gen<json> any_json(int depth) {
  const auto scalar = rc::gen::oneOf(
      rc::gen::just(json(nullptr)),
      rc::gen::map(rc::gen::arbitrary<bool>(), [](bool v) { return json(v); }),
      rc::gen::map(rc::gen::inRange(-2, 3), [](int v) { return json(v); }),
      rc::gen::map(rc::gen::inRange(-2, 3), [](int v) { return json(v / 2.0); }),
      rc::gen::map(generators::utf8(), [](const std::string& v) { return json(v); }));
  if (depth == 0) return scalar;
  const auto in_array =
      rc::gen::map(rc::gen::pair(rc::gen::element<std::string>("a", "b"), any_json(depth - 1)),
                   [](const auto& v) {
                     return json{{v.first, v.second}};
                   });
  const auto array = rc::gen::map(rc::gen::nonEmpty(rc::gen::container<std::vector<json>>(
                                      rc::gen::oneOf(scalar, rc::gen::just(json(1)), in_array))),
                                  [](const std::vector<json>& v) { return json(v); });
  const auto object = rc::gen::map(
      rc::gen::container<std::vector<std::pair<std::string, json>>>(
          rc::gen::pair(rc::gen::element<std::string>("a", "b", "c", "d"), any_json(depth - 1))),
      [](const auto& v) { return json(std::map<std::string, json>(v.begin(), v.end())); });
  return rc::gen::oneOf(scalar, array, object, object);
}

rc::Gen<json> any_object() {
  return rc::gen::map(
      rc::gen::container<std::vector<std::pair<std::string, json>>>(
          rc::gen::pair(rc::gen::element<std::string>("a", "b", "c"), any_json(2))),
      [](const auto& v) { return json(std::map<std::string, json>(v.begin(), v.end())); });
}

RC_GTEST_PROP(json, a_document_says_what_was_imported_last, ()) {
  Document document(a);
  for (std::uint64_t i = 1; i <= 3; ++i) {
    const json wanted = *rc::gen::resize(8, any_object());
    Transaction transaction = document.begin({HybridTime::from_millis(i), "", ""});
    RC_ASSERT(from_json(transaction, {}, wanted).ok());
    transaction.commit();
    RC_ASSERT(to_json(document)->dump() == wanted.dump());
    Transaction again = document.begin({HybridTime::from_millis(i + 1), "", ""});
    RC_ASSERT(from_json(again, {}, wanted).ok());
    RC_ASSERT(again.size() == 0u);
  }
}

// An import may be refused for two reasons: a bounded counter would fall by more rights than are
// here, or a counter change by more than 64 bits with a sign.
void require_reason(const Document& document, const json& wanted, const Error& error) {
  const Result<Path> path = Path::parse(error.where);
  require(error.code == ErrorCode::out_of_range && path.ok(), error.to_string());
  const json* at = &wanted;
  for (const Step& step : path->steps()) at = &at->at(std::string(step.key.as_string()));
  const auto target = at->get<std::int64_t>();
  const MapView map = document.root().at(path->parent());
  const std::string name(path->steps().back().key.as_string());
  std::int64_t change = 0;
  if (path->type() == Type::counter) {
    require(__builtin_sub_overflow(target, map.counter(name).value(), &change), error.to_string());
    return;
  }
  require(path->type() == Type::bounded_counter, error.to_string());
  const BoundedCounterView counter = map.bounded_counter(name);
  const bool overflows = __builtin_sub_overflow(counter.value(), target, &change);
  require(overflows || change > counter.rights_here(), error.to_string());
}

// Of the children under a name, which must have some, the one that is shown.
Type shown_as(const MapView& map, const std::string& name) {
  const std::vector<Child> children = map.children();  // by name, then type
  return std::find_if(children.begin(), children.end(),
                      [&](const Child& child) { return child.name == name; })
      ->type;
}

// Takes out each `false` that turns an enable flag of `before` off: nothing is left under its name.
void drop_flags_turned_off(json& wanted, const MapView& before) {
  for (auto it = wanted.begin(); it != wanted.end();) {
    const std::string& name = it.key();
    if (*it == json(false) && before.flag(name).get() &&
        shown_as(before, name) == Type::enable_flag) {
      it = wanted.erase(it);
      continue;
    }
    if (it->is_object() && it->contains("$tree")) {
      for (json& node : (*it)["$tree"]) {
        if (!node.contains("properties")) continue;
        json& properties = node["properties"];
        drop_flags_turned_off(properties,
                              before.tree(name).properties(node["name"].get<std::string>()));
        if (properties.empty()) node.erase("properties");
      }
    } else if (it->is_object()) {
      drop_flags_turned_off(*it, before.map(name));
    }
    ++it;
  }
}

// Whatever types are there: after an import the document says the same, up to the order of sets.
RC_GTEST_PROP(json, an_export_of_any_state_goes_into_any_other, ()) {
  World world(2);
  world.perform(*any_actions());
  const json wanted = *to_json(world.peer(0).document);
  Document document = copy_of(world.peer(1).document, ReplicaId::from_words(~0ull, 9));
  const std::string before = document.canonical_state();
  Transaction transaction = document.begin({HybridTime::from_millis(1u << 20), "", ""});
  const Status status = from_json(transaction, {}, wanted);
  if (!status.ok()) {
    require_reason(document, wanted, status.error());
    require(transaction.size() == 0 && document.canonical_state() == before,
            "a refused import left something");
    return;
  }
  transaction.commit();
  RC_ASSERT(document.check_invariants().ok());
  json said = *to_json(document);
  const auto sort_arrays = [](const auto& self, json& node) -> void {
    if (node.is_array()) std::sort(node.begin(), node.end());
    if (node.is_object()) {
      for (json& child : node) self(self, child);
    }
  };
  json expected = wanted;
  drop_flags_turned_off(expected, world.peer(1).document.root());
  sort_arrays(sort_arrays, said);
  sort_arrays(sort_arrays, expected);
  require(said == expected, said.dump() + " instead of " + expected.dump());
}

}  // namespace
}  // namespace rejoin
