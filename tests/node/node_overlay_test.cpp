// Real nodes that find each other.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "nodes.h"
#include "temp_directory.h"

namespace rejoin::node {
namespace {

using ::testing::HasSubstr;

class NodeOverlay : public ::testing::Test {
 protected:
  Node& add(const std::string& name, bool leaf = false, const std::string& region = "") {
    NodeOptions options = quick_options(name);
    options.peer_timeout = milliseconds(1000);
    options.overlay.emplace().leaf = leaf;
    options.overlay->region = region;
    if (leaf) options.listen.clear();
    if (!nodes.empty()) options.peers["n0"] = nodes.at("n0")->listen_endpoint();
    auto node = std::make_unique<Node>(must(Node::open(options)));
    must(node->open_space("s", {.durable = false}));
    return *(nodes[name] = std::move(node));
  }
  static std::size_t count(const Node& node, transport::Life life) {
    const auto members = node.members();
    return static_cast<std::size_t>(
        std::ranges::count(members, life, [](const MemberStatus& member) { return member.life; }));
  }
  bool all_count(std::size_t alive) {
    return std::ranges::all_of(nodes, [&](const auto& node) {
      return count(*node.second, transport::Life::alive) == alive;
    });
  }

  std::map<std::string, std::unique_ptr<Node>> nodes;
};

TEST_F(NodeOverlay, all_find_each_other_through_one_and_hear_what_each_writes) {
  for (int i = 0; i < 12; ++i) add("n" + std::to_string(i));
  ASSERT_TRUE(eventually([&] { return all_count(12); }));
  Space at_last = must(nodes.at("n11")->open_space("s", {.durable = false}));
  must(set(at_last, "x", 1));
  for (const auto& [name, node] : nodes) {
    Space space = must(node->open_space("s", {.durable = false}));
    EXPECT_TRUE(eventually([&] { return get(space, "x") == Value(1); })) << name;
  }
}

TEST_F(NodeOverlay, one_that_is_gone_is_dead_and_one_that_was_taken_out_is_no_member) {
  for (int i = 0; i < 4; ++i) add("n" + std::to_string(i));
  ASSERT_TRUE(eventually([&] { return all_count(4); }));
  nodes.erase("n2");
  ASSERT_TRUE(eventually([&] {
    return std::ranges::all_of(
        nodes, [&](const auto& node) { return count(*node.second, transport::Life::dead) == 1; });
  }));
  must(nodes.at("n3")->remove_member("n2", "operator"));
  ASSERT_TRUE(eventually([&] { return nodes.at("n0")->members().size() == 3; }));
  const Status again = nodes.at("n3")->remove_member("n2");
  ASSERT_FALSE(again.ok());
  EXPECT_EQ(again.error().code, ErrorCode::not_found);
}

TEST_F(NodeOverlay, a_leaf_dials_and_is_not_dialled) {
  for (int i = 0; i < 3; ++i) add("n" + std::to_string(i));
  Node& leaf = add("phone", true);
  ASSERT_TRUE(eventually([&] { return all_count(4); }));
  Space on_the_phone = must(leaf.open_space("s", {.durable = false}));
  must(set(on_the_phone, "x", 7));
  Space far = must(nodes.at("n2")->open_space("s", {.durable = false}));
  EXPECT_TRUE(eventually([&] { return get(far, "x") == Value(7); }));
}

TEST_F(NodeOverlay, all_name_the_same_node_for_a_session_and_the_next_one_when_that_is_gone) {
  const auto best_at = [&](const std::string& asked, const std::string& region) {
    const auto best = nodes.at(asked)->nodes_for("s1", region);
    return best.empty() ? "" : best.front().name;
  };
  const auto all_say = [&](const std::string& best, const std::string& region) {
    return std::ranges::all_of(
        nodes, [&](const auto& node) { return best_at(node.first, region) == best; });
  };
  add("n0", false, "europe");
  add("n1", false, "europe");
  add("n2", false, "asia");
  add("phone", true, "asia");
  ASSERT_TRUE(eventually([&] { return all_count(4); }));
  EXPECT_TRUE(eventually([&] { return all_say("n2", "asia"); })) << "a leaf cannot be dialled";
  const std::string best = best_at("n0", "europe");
  const std::string next = best == "n0" ? "n1" : "n0";
  EXPECT_TRUE(eventually([&] { return all_say(best, "europe"); }));
  EXPECT_EQ(nodes.at("phone")->nodes_for("s1").front().name, "n2") << "its own region";
  EXPECT_EQ(nodes.at(best)->nodes_for("s1"), nodes.at(best)->nodes_for("s1", "europe"));
  EXPECT_EQ(nodes.at("n2")->nodes_for("s1", "mars"), nodes.at("n2")->nodes_for("s1", ""));

  nodes.erase(best);
  EXPECT_TRUE(eventually([&] { return all_say(next, "europe"); }));
  nodes.erase("n2");
  EXPECT_TRUE(eventually([&] { return all_say(next, "asia"); })) << "no other region is left";
  nodes.erase(next);
  EXPECT_TRUE(eventually([&] { return best_at("phone", "asia").empty(); }));
}

TEST_F(NodeOverlay, one_that_moves_to_another_region_says_so) {
  const TempDirectory directory;
  NodeOptions options = quick_options("n1", directory.file("store"));
  add("n0");
  options.peers["n0"] = nodes.at("n0")->listen_endpoint();
  const auto region_at_n0 = [&] {
    for (const MemberStatus& member : nodes.at("n0")->members()) {
      if (member.name == "n1") return member.region;
    }
    return std::string("not there");
  };
  for (const std::string region : {"asia", "europe", ""}) {
    options.overlay.emplace().region = region;
    const Node node = must(Node::open(options));
    EXPECT_TRUE(eventually([&] { return region_at_n0() == region; })) << region;
  }
}

TEST_F(NodeOverlay, without_an_overlay_peers_that_are_heard_are_named_and_regions_say_nothing) {
  auto a = std::make_unique<Node>(must(Node::open(quick_options("a"))));
  Node b = must(Node::open(quick_options("b")));
  must(a->open_space("s", {.durable = false}));
  must(b.open_space("s", {.durable = false}));
  EXPECT_EQ(b.nodes_for("s1").size(), 1u);
  must(b.connect("a", a->listen_endpoint()));  // a was not told of b
  EXPECT_TRUE(eventually([&] { return a->nodes_for("s1").size() == 2; }));
  EXPECT_TRUE(eventually([&] { return b.nodes_for("s1") == a->nodes_for("s1", "asia"); }));
  a.reset();
  EXPECT_TRUE(eventually([&] { return b.nodes_for("s1").size() == 1; }));
}

TEST_F(NodeOverlay, without_an_overlay_there_are_no_members_to_take_out) {
  Node node = must(Node::open(quick_options("a")));
  EXPECT_TRUE(node.members().empty());
  const Status removed = node.remove_member("b");
  ASSERT_FALSE(removed.ok());
  EXPECT_EQ(removed.error().code, ErrorCode::invalid_argument);
  EXPECT_THAT(removed.error().message, HasSubstr("[overlay]"));
}

}  // namespace
}  // namespace rejoin::node
