#include "rejoin/crdt/path.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>

#include "generators.h"
#include "rejoin/crdt/limits.h"

namespace rejoin {
namespace {

TEST(path, prints_every_type_and_escapes_names) {
  EXPECT_EQ(Path().to_string(), "/");
  EXPECT_EQ(Path().map("sessions").map("s1").child(Type::counter, "tokens").to_string(),
            "/map:sessions/map:s1/counter:tokens");
  EXPECT_EQ(Path().map("a/b:c%\n").to_string(), "/map:a%2Fb%3Ac%25%0A");
  EXPECT_EQ(Path().map("").to_string(), "/map:");
  const Path set = Path().child(Type::set, "ids");
  EXPECT_EQ(set.child(Type::element, Value("x")).to_string(), "/set:ids/element:x");
  EXPECT_EQ(set.child(Type::element, Value(-7)).to_string(), "/set:ids/element:integer:-7");
  EXPECT_EQ(set.child(Type::element, Value()).to_string(), "/set:ids/element:null:");
  EXPECT_EQ(set.child(Type::element, Value(true)).to_string(), "/set:ids/element:boolean:true");
  EXPECT_EQ(set.child(Type::element, Value(0.5)).to_string(), "/set:ids/element:real:0.5");
  EXPECT_EQ(set.child(Type::element, Value::bytes("\x01\xFF")).to_string(),
            "/set:ids/element:bytes:01FF");
}

RC_GTEST_PROP(path, parsing_what_was_printed_gives_the_same_path, ()) {
  const Path path = *generators::path();
  const Result<Path> parsed = Path::parse(path.to_string());
  RC_ASSERT(parsed.ok());
  RC_ASSERT(*parsed == path);
  // A name that happens to hold control characters still prints on one line.
  RC_ASSERT(path.to_string().find('\n') == std::string::npos);
}

TEST(path, the_bits_of_a_nan_survive_printing) {
  const Path path = Path().child(Type::set, "s").child(Type::element, Value(-std::nan("5")));
  EXPECT_EQ(*Path::parse(path.to_string()), path);
}

TEST(path, steps_without_a_type_are_maps_then_the_type_asked_for) {
  EXPECT_EQ(*Path::parse("/sessions/s1/tokens", Type::counter),
            Path().map("sessions").map("s1").child(Type::counter, "tokens"));
  EXPECT_EQ(*Path::parse("/sessions"), Path().map("sessions"));
  EXPECT_EQ(*Path::parse("/sessions/list:turns", Type::counter),
            Path().map("sessions").child(Type::list, "turns"));
  EXPECT_EQ(*Path::parse("/set:tags/red"),
            Path().child(Type::set, "tags").child(Type::element, "red"));
  EXPECT_EQ(*Path::parse("/", Type::counter), Path());
}

TEST(path, wrong_texts_say_what_is_wrong) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "begins with '/'"},
      {"a", "begins with '/'"},
      {"//a", "empty step"},
      {"/a/", "empty step"},
      {"/mop:a", "unknown type"},
      {"/map:a:b", "':' too many"},
      {"/set:s/element:integer:x", "':' too many"},
      {"/set:s/element:integer:", "':' too many"},
      {"/set:s/element:bytes:123", "':' too many"},
      {"/set:s/element:boolean:1", "':' too many"},
      {"/set:s/element:real:nan", "':' too many"},
      {"/map:a%2", "two hexadecimal digits"},
      {"/map:a%zz", "two hexadecimal digits"},
      {"/map:%FF", "UTF-8"},
      {"/register:a/map:b", "nothing lives below type register"},
      {"/list:a/b", "named by their ids"},
      {"/list:a/map:bytes:01", "named by their ids"},
      {"/list:a/register:b", "only maps live below a list"},
      {"/log:a/b", "nothing lives below type log"},
      {"/map:a/element:b", "below a set"},
      {"/set:a/map:b", "below a set"},
      {"/set:a/element:b/c", "nothing lives below type element"},
  };
  for (const auto& [text, what] : cases) {
    const Result<Path> parsed = Path::parse(text);
    ASSERT_FALSE(parsed.ok()) << text;
    EXPECT_EQ(parsed.error().code, ErrorCode::invalid_argument) << text;
    EXPECT_NE(parsed.error().message.find(what), std::string::npos) << parsed.error().message;
  }
  EXPECT_EQ(Path::parse("/map:a/mop:b").error().where, "step 2 (\"mop\")");
}

TEST(path, limits_hold_and_are_reached) {
  std::string deep;
  for (std::size_t i = 0; i < limits::path_depth_max; ++i) deep += "/a";
  EXPECT_EQ(Path::parse(deep)->depth(), limits::path_depth_max);
  EXPECT_EQ(Path::parse(deep + "/a").error().code, ErrorCode::limit_exceeded);
  const std::string name(limits::key_bytes_max, 'x');
  EXPECT_TRUE(Path::parse("/" + name).ok());
  EXPECT_EQ(Path::parse("/" + name + "x").error().code, ErrorCode::limit_exceeded);
}

RC_GTEST_PROP(path, no_text_crashes_the_parser, ()) {
  const std::string text = *rc::gen::container<std::string>(rc::gen::oneOf(
      rc::gen::element('/', ':', '%', 'm', 'a', 'p', '2', 'F'), rc::gen::arbitrary<char>()));
  const Result<Path> parsed = Path::parse(std::string("/").append(text));
  if (parsed.ok()) RC_ASSERT(*Path::parse(parsed->to_string()) == *parsed);
}

RC_GTEST_PROP(path, a_parent_comes_before_its_children_and_is_their_prefix, ()) {
  const Path path = *generators::path();
  const Path child = path.child(Type::map, *generators::utf8());
  RC_ASSERT(path < child);
  RC_ASSERT(child.starts_with(path));
  RC_ASSERT(!path.starts_with(child));
  RC_ASSERT(child.parent() == path);
  RC_ASSERT(child.depth() == path.depth() + 1);
  RC_ASSERT(child.starts_with(Path()));
}

RC_GTEST_PROP(path, order_is_total_and_keeps_subtrees_together, ()) {
  const Path x = *generators::path();
  const Path y = *generators::path();
  const Path below = x.map("below");
  RC_ASSERT((x == y) == ((x <=> y) == std::strong_ordering::equal));
  RC_ASSERT((x < y) == (y > x));
  if (x < y && y < below) RC_ASSERT(y.starts_with(x));
}

TEST(path, every_type_has_a_name) {
  for (unsigned number = 0; number < 256; ++number) {
    if (!is_known_type(static_cast<std::uint8_t>(number))) continue;
    const auto type = static_cast<Type>(number);
    EXPECT_EQ(*parse_type(to_string(type)), type);
  }
  EXPECT_TRUE(is_known_type(16));
  EXPECT_FALSE(is_known_type(0));
  EXPECT_FALSE(is_known_type(17));
  EXPECT_EQ(to_string(Type::reg), "register");
  EXPECT_FALSE(parse_type("").ok());
}

}  // namespace
}  // namespace rejoin
