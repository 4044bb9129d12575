#include "named_path.h"

#include <gtest/gtest.h>

#include "nodes.h"

namespace rejoin::node {
namespace {

TEST(NamedPath, without_a_type_is_whatever_is_there_as_json_shows_it) {
  Node a = must(Node::open(quick_options("a")));
  Space space = must(a.open_space("s", {.durable = false}));
  must(space.transact([](Transaction& t) -> Status {
    must(t.root().counter("n").add(1));
    must(t.root().reg("both").set(1));
    return t.root().map("both").reg("below").set(2);
  }));
  const auto found = [&](const char* text) {
    std::optional<Path> path;
    space.read(
        [&](const Document& document) { path = must(NamedPath::parse(text)).find(document); });
    return path ? path->to_string() : "nothing";
  };
  EXPECT_EQ(found("/"), "/");
  EXPECT_EQ(found("/n"), "/counter:n");
  EXPECT_EQ(found("/counter:n"), "/counter:n");
  EXPECT_EQ(found("/register:n"), "nothing");
  EXPECT_EQ(found("/both"), "/map:both");
  EXPECT_EQ(found("/register:both"), "/register:both");
  EXPECT_EQ(found("/both/below"), "/map:both/register:below");
  EXPECT_EQ(found("/neither"), "nothing");
  EXPECT_EQ(found("/neither/below"), "nothing");
  EXPECT_FALSE(NamedPath::parse("no/slash"));
}

TEST(NamedPath, covers_what_is_under_its_name_only) {
  const auto covers = [](const char* text, const char* path) {
    return must(NamedPath::parse(text)).covers(must(Path::parse(path, Type::reg)));
  };
  EXPECT_TRUE(covers("/", "/a/b"));
  EXPECT_TRUE(covers("/a", "/a"));
  EXPECT_TRUE(covers("/a", "/counter:a"));
  EXPECT_TRUE(covers("/a", "/map:a/b"));
  EXPECT_FALSE(covers("/a", "/ab"));
  EXPECT_FALSE(covers("/a/b", "/a"));
  EXPECT_FALSE(covers("/a/b", "/a/c"));
  EXPECT_TRUE(covers("/counter:a", "/counter:a"));
  EXPECT_FALSE(covers("/counter:a", "/register:a"));
}

}  // namespace
}  // namespace rejoin::node
