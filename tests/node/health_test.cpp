// Whether a node is well, and how long peers have been behind.
#include "health.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <future>

#include "full_disk.h"
#include "nodes.h"
#include "temp_directory.h"

namespace rejoin::node {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

constexpr SpaceOptions in_memory{.durable = false};

bool comes_to_be_healthy(const Node& node) {
  return eventually([&] { return node.health().empty(); });
}

TEST(Health, a_node_alone_is_healthy) {
  Node a = must(Node::open(quick_options("a")));
  must(a.open_space("s", in_memory));
  EXPECT_THAT(a.health(), IsEmpty());
}

TEST(Health, one_peer_that_is_heard_is_enough) {
  NodeOptions options = quick_options("a");
  options.peers = {{"c", "tcp://127.0.0.1:1"}};
  Node a = must(Node::open(options)), b = must(Node::open(quick_options("b")));
  must(a.open_space("s", in_memory));
  must(b.open_space("s", in_memory));
  EXPECT_THAT(a.health(), ElementsAre("no peer is heard: c"));
  connect_all({&a, &b});
  EXPECT_TRUE(comes_to_be_healthy(a));
  b.stop();
  EXPECT_TRUE(eventually([&] { return !a.health().empty(); }));
  EXPECT_THAT(a.health(), ElementsAre("no peer is heard: b, c"));
}

TEST(Health, a_disk_that_refuses_is_told_with_its_reason_until_it_takes_writes) {
  TempDirectory directory;
  FullDisk disk;
  Node a = must(Node::open(quick_options("a", directory.path())));
  Space space = must(a.open_space("s"));
  must(must(set(space, "k", 1)).wait_durable(patience));
  disk.set_full(true);
  must(set(space, "k", 2));
  ASSERT_TRUE(eventually([&] { return !a.storage_error().empty(); }));
  EXPECT_THAT(a.health(), ElementsAre("the store refuses writes, new commits are in memory only: " +
                                      a.storage_error()));
  disk.set_full(false);
  EXPECT_TRUE(comes_to_be_healthy(a));
}

TEST(Health, a_store_that_was_set_aside_is_told) {
  TempDirectory directory;
  must(Node::open(quick_options("a", directory.path())).value().open_space("s"));
  std::ofstream(directory.file("rejoin.db")) << "this is no database";
  Node a = must(Node::open(quick_options("a", directory.path())));
  EXPECT_THAT(a.health(),
              ElementsAre("the store was damaged and was moved to " + a.set_aside_store()));
}

TEST(Health, writes_that_no_peer_takes_in_time_are_told) {
  NodeOptions options = quick_options("a");
  options.acknowledge_within = 1ms;
  Node a = must(Node::open(options)), b = must(Node::open(quick_options("b")));
  Space at_a = must(a.open_space("s", in_memory));
  must(a.open_space("t", in_memory));
  must(b.open_space("t", in_memory));  // but not s, of which it therefore takes nothing
  connect_all({&a, &b});
  ASSERT_TRUE(comes_to_be_healthy(a));
  must(set(at_a, "k", 1));
  ASSERT_TRUE(eventually([&] { return !a.health().empty(); }));
  EXPECT_THAT(a.health(),
              ElementsAre(StartsWith("no peer that is heard has all writes of space s since ")));
  EXPECT_THAT(a.metrics(), HasSubstr("\nrejoin_unhealthy 1\n"));
  EXPECT_THAT(a.metrics(), HasSubstr("\nrejoin_peer_behind_seconds{space=\"s\",peer=\"b\"} "));
  must(b.open_space("s", in_memory));
  EXPECT_TRUE(comes_to_be_healthy(a));
}

TEST(Node, responds_unless_something_keeps_its_lock) {
  Node a = must(Node::open(quick_options("a")));
  Space space = must(a.open_space("s", in_memory));
  EXPECT_TRUE(a.responds(patience));
  std::promise<void> inside, go_on;
  std::thread writer([&] {
    must(space.transact([&](Transaction&) -> Status {
      inside.set_value();
      go_on.get_future().wait();
      return {};
    }));
  });
  inside.get_future().wait();
  EXPECT_FALSE(a.responds(50ms));
  go_on.set_value();
  writer.join();
  EXPECT_TRUE(a.responds(patience));
  a.stop();
  EXPECT_FALSE(a.responds(patience));
}

// ---- LagAges ----

class LagAgesTest : public ::testing::Test {
 protected:
  // What `ages` says at `now` of a peer that has `there` of the `here` writes of one writer.
  std::optional<std::chrono::microseconds> look(Sequence here, Sequence there,
                                                std::chrono::microseconds now) {
    SpaceStatus space;
    space.name = "s";
    space.clock.set(writer, here);
    PeerStatus peer;
    peer.name = "b";
    peer.applied.set(writer, there);
    peer.lag = here - there;
    space.peers.push_back(peer);
    const LagAges::Ages all = ages.look({space}, now);
    const auto found = all.find({"s", "b"});
    return found == all.end() ? std::nullopt : std::optional(found->second);
  }

  LagAges ages;
  ReplicaId writer = ReplicaId::from_words(1, 2);
};

TEST_F(LagAgesTest, count_from_the_first_look_at_which_the_peer_was_behind) {
  EXPECT_EQ(look(1, 1, 5s), std::nullopt);
  EXPECT_EQ(look(3, 1, 10s), 0s);
  EXPECT_EQ(look(3, 1, 14s), 4s);
  EXPECT_EQ(look(9, 2, 15s), 5s);  // it came nearer, but lacks what it lacked
}

TEST_F(LagAgesTest, begin_anew_when_the_peer_has_what_it_lacked_then) {
  look(3, 1, 10s);
  EXPECT_EQ(look(5, 3, 20s), 0s);  // now it lacks what came meanwhile
  EXPECT_EQ(look(5, 4, 21s), 1s);
  EXPECT_EQ(look(5, 5, 22s), std::nullopt);
  EXPECT_EQ(look(6, 5, 30s), 0s);
}

}  // namespace
}  // namespace rejoin::node
