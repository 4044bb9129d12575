// What a node makes of its disk: restarts, damage, a full one, and what peers do not do for it.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "full_disk.h"
#include "nodes.h"
#include "rejoin/crdt/agent/session.h"
#include "temp_directory.h"

namespace rejoin::node {
namespace {

using testing::HasSubstr;

// Of one that is large, cells are read on one thread and built on another.
TEST(NodeStorage, a_restart_keeps_a_large_store) {
  TempDirectory directory;
  constexpr int registers = 48;
  constexpr std::size_t bytes = 1 << 20;
  StateHash hash;
  {
    Node node = must(Node::open(quick_options("a", directory.path())));
    Space space = must(node.open_space("s"));
    Receipt last;
    for (int i = 0; i < registers; ++i) {
      last = must(set(space, std::to_string(i), std::string(bytes, static_cast<char>('A' + i))));
      must(last.wait_durable(patience));
    }
    hash = space.status().hash;
  }
  ASSERT_GT(std::filesystem::file_size(directory.file("rejoin.db")), registers / 2 * bytes);
  Node node = must(Node::open(quick_options("a", directory.path())));
  Space space = must(node.open_space("s"));
  EXPECT_EQ(node.set_aside_store(), "");
  EXPECT_EQ(space.status().hash, hash);
  EXPECT_EQ(get(space, "7"), Value(std::string(bytes, 'H')));
}

TEST(NodeStorage, a_restart_keeps_state_and_replica_id) {
  TempDirectory directory;
  ReplicaId id;
  StateHash hash;
  {
    Node node = must(Node::open(quick_options("a", directory.path())));
    Space space = must(node.open_space("s"));
    must(set(space, "k", "v"));
    id = space.status().replica;
    hash = space.status().hash;
  }
  Node node = must(Node::open(quick_options("a", directory.path())));
  ASSERT_EQ(node.status().size(), 1u) << "the space is there without being opened";
  Space space = must(node.open_space("s"));
  EXPECT_EQ(get(space, "k"), Value("v"));
  EXPECT_EQ(space.status().replica, id);
  EXPECT_EQ(space.status().hash, hash);
  EXPECT_EQ(must(set(space, "k", "w")).dot().sequence, 2u);
}

TEST(NodeStorage, an_ephemeral_space_begins_anew) {
  TempDirectory directory;
  ReplicaId id;
  {
    Node node = must(Node::open(quick_options("a", directory.path())));
    Space space = must(node.open_space("s", {.durable = false}));
    must(set(space, "k", "v"));
    id = space.status().replica;
  }
  Node node = must(Node::open(quick_options("a", directory.path())));
  Space space = must(node.open_space("s", {.durable = false}));
  EXPECT_EQ(get(space, "k"), std::nullopt);
  EXPECT_NE(space.status().replica, id);
}

TEST(NodeStorage, a_store_that_is_open_elsewhere_is_busy) {
  TempDirectory directory;
  Node first = must(Node::open(quick_options("a", directory.path())));
  auto second = Node::open(quick_options("a", directory.path()));
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::busy);
  EXPECT_THAT(second.error().to_string(), HasSubstr(directory.path()));
}

// Overwrites all rows of all pages, as a failing disk would.
void damage(const std::string& file) {
  std::fstream store(file, std::ios::in | std::ios::out | std::ios::binary);
  ASSERT_TRUE(store) << file;
  const auto size = static_cast<std::int64_t>(std::filesystem::file_size(file));
  for (std::int64_t page = 0; page + 4096 <= size; page += 4096) {
    store.seekp(page + 200);
    store << std::string(4096 - 200, 'x');
  }
}

TEST(NodeStorage, a_damaged_store_is_set_aside_and_filled_again_by_peers) {
  TempDirectory directory;
  Node healthy = must(Node::open(quick_options("b", directory.file("b"))));
  Space at_healthy = must(healthy.open_space("s"));
  ReplicaId id;
  {
    Node node = must(Node::open(quick_options("a", directory.file("a"))));
    connect_all({&node, &healthy});
    Space space = must(node.open_space("s"));
    id = space.status().replica;
    const Receipt receipt = must(set(space, "k", "v"));
    must(receipt.wait_on_peer("b", patience));
    must(space.wait_for(must(set(at_healthy, "other", 1)).token(), patience));
  }
  damage(directory.file("a") + "/rejoin.db");

  Node node = must(Node::open(quick_options("a", directory.file("a"))));
  EXPECT_THAT(node.set_aside_store(), HasSubstr("corrupt"));
  EXPECT_TRUE(std::filesystem::exists(node.set_aside_store())) << node.set_aside_store();
  Space space = must(node.open_space("s"));
  EXPECT_EQ(get(space, "k"), std::nullopt);
  EXPECT_NE(space.status().replica, id);
  connect_all({&node, &healthy});
  must(space.wait_for(at_healthy.token(), patience));
  EXPECT_EQ(get(space, "k"), Value("v"));
  const Receipt receipt = must(set(space, "new", 2));
  must(at_healthy.wait_for(receipt.token(), patience));
  EXPECT_EQ(space.status().hash, at_healthy.status().hash);
}

TEST(NodeStorage, a_full_disk_keeps_commits_in_memory_until_there_is_room) {
  FullDisk disk;
  TempDirectory directory;
  Node a = must(Node::open(quick_options("a", directory.file("a"))));
  Node b = must(Node::open(quick_options("b")));
  connect_all({&a, &b});
  Space at_a = must(a.open_space("s"));
  Space at_b = must(b.open_space("s", {.durable = false}));
  must(at_b.wait_for(must(set(at_a, "before", 1)).token(), patience));

  disk.set_full(true);
  const Receipt receipt = must(set(at_a, "k", "v"));
  EXPECT_EQ(get(at_a, "k"), Value("v"));
  auto stuck = receipt.wait_durable(milliseconds(300));
  ASSERT_FALSE(stuck);
  EXPECT_EQ(stuck.error().code, ErrorCode::timeout);
  EXPECT_THAT(stuck.error().message, HasSubstr("in memory only"));
  EXPECT_THAT(stuck.error().message, HasSubstr("disk_full"));
  EXPECT_THAT(a.storage_error(), HasSubstr("disk_full"));
  EXPECT_EQ(get(at_b, "k"), std::nullopt) << "nothing is sent that is not durable";

  disk.set_full(false);
  EXPECT_TRUE(receipt.wait_durable(patience));
  EXPECT_EQ(a.storage_error(), "");
  must(at_b.wait_for(receipt.token(), patience));
  EXPECT_EQ(get(at_b, "k"), Value("v"));
}

TEST(NodeStorage, what_is_there_already_is_acknowledged_only_when_it_is_safe) {
  FullDisk disk;
  TempDirectory directory;
  Node a = must(Node::open(quick_options("a", directory.file("a"))));
  Node b = must(Node::open(quick_options("b")));
  connect_all({&a, &b});
  Space at_a = must(a.open_space("s"));
  Space at_b = must(b.open_space("s", {.durable = false}));
  must(at_b.wait_for(must(set(at_a, "before", 1)).token(), patience));
  const auto append_once = [](Transaction& transaction) {
    agent::Turn turn;
    turn.role = agent::Role::user;
    turn.content = "hello";
    turn.id = "t1";
    const auto written = agent::SessionRef(transaction, "x").append_once(turn);
    return written ? Status() : Status(written.error());
  };

  disk.set_full(true);
  must(at_a.transact(append_once));
  const Receipt repeated = must(at_a.transact(append_once));
  ASSERT_EQ(repeated.dot().sequence, 0u) << "the turn is there";
  auto stuck = repeated.wait_durable(milliseconds(300));
  ASSERT_FALSE(stuck);
  EXPECT_THAT(stuck.error().message, HasSubstr("in memory only"));
  EXPECT_FALSE(repeated.wait_on_peer("b", milliseconds(0)));
  EXPECT_FALSE(repeated.wait_on_peers(1, milliseconds(0)));

  disk.set_full(false);
  EXPECT_TRUE(repeated.wait_durable(patience));
  EXPECT_TRUE(repeated.wait_on_peer("b", patience));
  EXPECT_TRUE(repeated.wait_on_peers(1, patience));
}

TEST(NodeStorage, a_stop_on_a_full_disk_ends_and_costs_only_what_was_never_acknowledged) {
  FullDisk disk;
  TempDirectory directory;
  {
    Node node = must(Node::open(quick_options("a", directory.path())));
    Space space = must(node.open_space("s"));
    must(must(set(space, "kept", 1)).wait_durable(patience));
    disk.set_full(true);
    must(set(space, "lost", 2));
    node.stop();
    EXPECT_THAT(node.storage_error(), HasSubstr("disk_full"));
  }
  disk.set_full(false);
  Node node = must(Node::open(quick_options("a", directory.path())));
  Space space = must(node.open_space("s"));
  EXPECT_EQ(get(space, "kept"), Value(1));
  EXPECT_EQ(get(space, "lost"), std::nullopt);
}

// Accepts connections, and never says a word on them.
class MutePeer {
 public:
  MutePeer() : listener_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
        ::listen(listener_, 16) != 0 ||
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
      throw std::runtime_error("no listener");
    }
    endpoint_ = "tcp://127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  }
  ~MutePeer() { ::close(listener_); }
  const std::string& endpoint() const { return endpoint_; }

 private:
  int listener_;
  std::string endpoint_;
};

TEST(NodeStorage, a_peer_that_never_answers_holds_nobody_up) {
  TempDirectory directory;
  MutePeer mute;
  NodeOptions options = quick_options("a", directory.path());
  options.peers["mute"] = mute.endpoint();
  Node a = must(Node::open(options));
  Node b = must(Node::open(quick_options("b")));
  connect_all({&a, &b});
  Space at_a = must(a.open_space("s"));
  Space at_b = must(b.open_space("s", {.durable = false}));
  for (int i = 0; i < 100; ++i) must(set(at_a, "k", i));
  const Receipt receipt = must(set(at_a, "k", "last"));
  must(receipt.wait_durable(patience));
  must(receipt.wait_on_peer("b", patience));
  must(at_b.wait_for(receipt.token(), patience));
  auto stuck = receipt.wait_on_peer("mute", milliseconds(50));
  ASSERT_FALSE(stuck);
  EXPECT_THAT(stuck.error().message, HasSubstr("not known to be on mute"));
  const auto before = std::chrono::steady_clock::now();
  a.stop();
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(10));
}

}  // namespace
}  // namespace rejoin::node
