// What an application sees of one node and of several that talk over ZeroMQ on loopback.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <thread>

#include "nodes.h"
#include "rejoin/crdt/json.h"
#include "temp_directory.h"

namespace rejoin::node {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

constexpr SpaceOptions ephemeral{.durable = false};

// ---- One node ----

TEST(Node, what_was_committed_is_read_back) {
  Node node = must(Node::open(quick_options("a")));
  Space space = must(node.open_space("s", ephemeral));
  EXPECT_EQ(get(space, "k"), std::nullopt);
  const Receipt receipt = must(set(space, "k", 7));
  EXPECT_EQ(get(space, "k"), Value(7));
  EXPECT_EQ(receipt.dot().sequence, 1u);
  EXPECT_TRUE(receipt.token().clock().includes(receipt.dot()));
}

TEST(Node, an_error_from_the_writer_comes_back_and_nothing_is_written) {
  Node node = must(Node::open(quick_options("a")));
  Space space = must(node.open_space("s", ephemeral));
  auto outcome = space.transact([](Transaction& t) -> Status {
    must(t.root().reg("k").set(1));
    return make_error(ErrorCode::out_of_range, "no");
  });
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, ErrorCode::out_of_range);
  EXPECT_EQ(get(space, "k"), std::nullopt);
  EXPECT_TRUE(space.token().clock().empty());
}

TEST(Node, an_exception_from_the_writer_passes_through_and_nothing_is_written) {
  Node node = must(Node::open(quick_options("a")));
  Space space = must(node.open_space("s", ephemeral));
  EXPECT_THROW(static_cast<void>(space.transact([](Transaction& t) -> Status {
                 must(t.root().reg("k").set(1));
                 throw std::logic_error("oops");
               })),
               std::logic_error);
  EXPECT_EQ(get(space, "k"), std::nullopt);
  must(set(space, "k", 2));  // and the space is still usable
  EXPECT_EQ(get(space, "k"), Value(2));
}

TEST(Node, an_empty_transaction_in_an_empty_space_needs_no_event_and_no_waiting) {
  Node node = must(Node::open(quick_options("a")));
  Space space = must(node.open_space("s", ephemeral));
  const Receipt receipt = must(space.transact([](Transaction&) { return Status{}; }));
  EXPECT_EQ(receipt.dot().sequence, 0u);
  EXPECT_TRUE(receipt.wait_on_peers(100, milliseconds(0)));
  EXPECT_EQ(node.counters().events_committed, 0u);
}

TEST(Node, a_durable_space_needs_a_directory) {
  Node node = must(Node::open(quick_options("a")));
  auto space = node.open_space("s");
  ASSERT_FALSE(space);
  EXPECT_EQ(space.error().code, ErrorCode::invalid_argument);
  EXPECT_THAT(space.error().message, HasSubstr("directory"));
}

TEST(Node, a_space_can_be_opened_twice_but_not_otherwise) {
  TempDirectory directory;
  Node node = must(Node::open(quick_options("a", directory.path())));
  Space one = must(node.open_space("s"));
  Space two = must(node.open_space("s"));
  must(set(one, "k", 1));
  EXPECT_EQ(get(two, "k"), Value(1));
  auto other = node.open_space("s", ephemeral);
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, ErrorCode::invalid_argument);
}

TEST(Node, wrong_options_are_named) {
  NodeOptions options = quick_options("");
  auto node = Node::open(options);
  ASSERT_FALSE(node);
  EXPECT_EQ(node.error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(node.error().where, "name");

  options = quick_options("a");
  options.peers["b"] = "nowhere";
  node = Node::open(options);
  ASSERT_FALSE(node);
  EXPECT_EQ(node.error().where, "peers.b");
}

TEST(Node, a_port_in_use_is_named) {
  Node first = must(Node::open(quick_options("a")));
  NodeOptions options = quick_options("b");
  options.listen = first.listen_endpoint();
  auto second = Node::open(options);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::address_in_use);
  EXPECT_THAT(second.error().to_string(), HasSubstr(first.listen_endpoint()));
}

TEST(Node, json_goes_out_and_comes_in_again) {
  Node node = must(Node::open(quick_options("a")));
  Space space = must(node.open_space("s", ephemeral));
  const std::string text = R"({"answer":42,"list":[1,"two",null],"map":{"deep":{"er":true}}})";
  must(space.import_json({}, text));
  EXPECT_EQ(must(space.export_json()), text);
  EXPECT_EQ(must(space.export_json(Path().map("map"))), R"({"deep":{"er":true}})");
  EXPECT_EQ(must(space.export_json(Path().map("map").map("deep"), 1)), "{\n \"er\": true\n}");

  must(space.import_json(Path().map("map"), R"({"other":1.5})"));
  EXPECT_EQ(must(space.export_json()),
            R"({"answer":42,"list":[1,"two",null],"map":{"other":1.5}})");

  auto broken = space.import_json({}, "{\"a\": ");
  ASSERT_FALSE(broken);
  EXPECT_EQ(broken.error().code, ErrorCode::malformed);
  auto absent = space.export_json(Path().map("nothing"));
  ASSERT_FALSE(absent);
  EXPECT_EQ(absent.error().code, ErrorCode::not_found);
}

TEST(Node, after_stop_reading_goes_on_and_the_rest_says_closed) {
  TempDirectory directory;
  Node node = must(Node::open(quick_options("a", directory.path())));
  Space space = must(node.open_space("s"));
  const Receipt receipt = must(set(space, "k", 1));
  node.stop();
  node.stop();
  EXPECT_EQ(get(space, "k"), Value(1));
  EXPECT_EQ(set(space, "k", 2).error().code, ErrorCode::closed);
  EXPECT_EQ(node.open_space("t").error().code, ErrorCode::closed);
  EXPECT_EQ(node.connect("b", "tcp://127.0.0.1:1").error().code, ErrorCode::closed);
  EXPECT_EQ(receipt.wait_on_peers(1, patience).error().code, ErrorCode::closed);
  EXPECT_TRUE(receipt.wait_durable(milliseconds(0))) << "stop() writes what was committed";
}

TEST(Node, a_wait_ends_when_the_node_stops) {
  Node node = must(Node::open(quick_options("a")));
  Space space = must(node.open_space("s", ephemeral));
  const Receipt receipt = must(set(space, "k", 1));
  Signal waiting;
  Status outcome;
  std::thread waiter([&] {
    waiting.raise();
    outcome = receipt.wait_on_peers(1, patience);
  });
  ASSERT_TRUE(waiting.wait_for(1));
  node.stop();
  waiter.join();
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, ErrorCode::closed);
}

// ---- Watching ----

TEST(Watch, hears_of_changes_at_and_below_its_path_and_of_no_others) {
  Node node = must(Node::open(quick_options("a")));
  Space space = must(node.open_space("s", ephemeral));
  std::mutex mutex;
  std::vector<Path> heard;
  Signal called;
  Subscription watching = space.watch(Path().map("in"), [&](const ChangeNotice& notice) {
    EXPECT_EQ(notice.space, "s");
    std::lock_guard guard(mutex);
    heard.insert(heard.end(), notice.paths.begin(), notice.paths.end());
    called.raise();
  });
  must(set(space, "outside", 1));
  must(space.transact([](Transaction& t) { return t.root().map("in").reg("k").set(1); }));
  ASSERT_TRUE(called.wait_for(1));
  std::lock_guard guard(mutex);
  EXPECT_THAT(heard, testing::Each(Path().map("in").child(Type::reg, "k")));
}

TEST(Watch, the_last_state_is_always_followed_by_a_call) {
  Node node = must(Node::open(quick_options("a")));
  Space space = must(node.open_space("s", ephemeral));
  Signal called;
  std::atomic<std::int64_t> seen = 0;
  Subscription watching = space.watch({}, [&](const ChangeNotice&) {
    seen = get(space, "k")->as_integer();
    called.raise();
  });
  for (int i = 1; i <= 1000; ++i) must(set(space, "k", i));
  EXPECT_TRUE(called.wait_until([&] { return seen == 1000; }));
}

TEST(Watch, what_a_callback_throws_stops_nobody) {
  Node node = must(Node::open(quick_options("a")));
  Space space = must(node.open_space("s", ephemeral));
  Signal called;
  Subscription watching = space.watch({}, [&](const ChangeNotice&) {
    called.raise();
    throw std::runtime_error("oops");
  });
  must(set(space, "k", 1));
  ASSERT_TRUE(called.wait_for(1));
  must(set(space, "k", 2));
  EXPECT_TRUE(called.wait_for(2));
}

TEST(Watch, a_cancelled_one_is_not_called_any_more) {
  Node node = must(Node::open(quick_options("a")));
  Space space = must(node.open_space("s", ephemeral));
  Signal first_called, second_called;
  Subscription first = space.watch({}, [&](const ChangeNotice&) { first_called.raise(); });
  Subscription second = space.watch({}, [&](const ChangeNotice&) { second_called.raise(); });
  must(set(space, "k", 1));
  ASSERT_TRUE(first_called.wait_for(1));
  first.cancel();
  const std::size_t before = first_called.count();
  const std::size_t others = second_called.count();
  must(set(space, "k", 2));
  ASSERT_TRUE(second_called.wait_for(others + 1));
  EXPECT_EQ(first_called.count(), before);
}

TEST(Watch, a_callback_may_cancel_itself) {
  Node node = must(Node::open(quick_options("a")));
  Space space = must(node.open_space("s", ephemeral));
  Signal called;
  Subscription once;
  std::mutex assigned;
  {
    std::lock_guard guard(assigned);
    once = space.watch({}, [&](const ChangeNotice&) {
      std::lock_guard wait_for_assignment(assigned);
      once.cancel();
      called.raise();
    });
  }
  must(set(space, "k", 1));
  ASSERT_TRUE(called.wait_for(1));
  Signal other;
  Subscription second = space.watch({}, [&](const ChangeNotice&) { other.raise(); });
  must(set(space, "k", 2));
  ASSERT_TRUE(other.wait_for(1));
  EXPECT_EQ(called.count(), 1u);
}

// ---- Several nodes ----

class Durability : public testing::TestWithParam<bool> {
 protected:
  Node open(const std::string& name) {
    return must(Node::open(quick_options(name, GetParam() ? directory_.file(name) : "")));
  }
  SpaceOptions space_options() const { return SpaceOptions{.durable = GetParam()}; }

 private:
  TempDirectory directory_;
};

INSTANTIATE_TEST_SUITE_P(Spaces, Durability, testing::Values(true, false), [](const auto& which) {
  return which.param ? std::string("durable") : std::string("ephemeral");
});

TEST_P(Durability, a_commit_is_seen_by_every_other_node) {
  Node a = open("a"), b = open("b"), c = open("c");
  connect_all({&a, &b, &c});
  Space at_a = must(a.open_space("s", space_options()));
  Space at_b = must(b.open_space("s", space_options()));
  Space at_c = must(c.open_space("s", space_options()));
  const Receipt receipt = must(set(at_a, "k", "v"));
  must(at_b.wait_for(receipt.token(), patience));
  must(at_c.wait_for(receipt.token(), patience));
  EXPECT_EQ(get(at_b, "k"), Value("v"));
  EXPECT_EQ(get(at_c, "k"), Value("v"));
  EXPECT_EQ(at_a.status().hash, at_b.status().hash);
  EXPECT_EQ(at_a.status().hash, at_c.status().hash);
}

TEST_P(Durability, receipts_tell_when_a_commit_is_safe) {
  Node a = open("a"), b = open("b"), c = open("c");
  connect_all({&a, &b, &c});
  Space at_a = must(a.open_space("s", space_options()));
  Space at_b = must(b.open_space("s", space_options()));
  Space at_c = must(c.open_space("s", space_options()));
  const Receipt receipt = must(set(at_a, "k", "v"));
  EXPECT_TRUE(receipt.wait_durable(patience));
  EXPECT_TRUE(receipt.wait_on_peers(2, patience));
  EXPECT_TRUE(receipt.wait_on_peer("b", milliseconds(0)));
  EXPECT_TRUE(receipt.wait_on_peer("c", milliseconds(0)));
}

TEST_P(Durability, a_client_reads_its_writes_from_node_to_node) {
  Node a = open("a"), b = open("b");
  connect_all({&a, &b});
  Space at_a = must(a.open_space("s", space_options()));
  Space at_b = must(b.open_space("s", space_options()));
  // The client goes back and forth with the text of its token.
  std::string carried = CausalToken("s", {}).to_string();
  for (std::int64_t round = 0; round < 20; ++round) {
    Space& here = round % 2 == 0 ? at_a : at_b;
    must(here.wait_for(must(CausalToken::parse(carried)), patience));
    if (round > 0) {
      ASSERT_EQ(get(here, "round"), Value(round - 1));
    }
    carried = must(set(here, "round", round)).token().to_string();
  }
}

TEST_P(Durability, a_partition_heals_and_both_sides_keep_what_they_wrote) {
  Node a = open("a"), b = open("b");
  connect_all({&a, &b});
  Space at_a = must(a.open_space("s", space_options()));
  Space at_b = must(b.open_space("s", space_options()));
  must(at_b.wait_for(must(set(at_a, "before", 1)).token(), patience));

  a.set_link("b", false);
  const Receipt from_a = must(set(at_a, "at a", 2));
  const Receipt from_b = must(set(at_b, "at b", 3));
  auto stuck = from_a.wait_on_peers(1, milliseconds(400));
  ASSERT_FALSE(stuck);
  EXPECT_EQ(stuck.error().code, ErrorCode::timeout);
  EXPECT_THAT(stuck.error().message, HasSubstr("durable here and on 0 of 1 peer; silent: b"));
  stuck = at_b.wait_for(from_a.token(), milliseconds(50));
  ASSERT_FALSE(stuck);
  EXPECT_THAT(stuck.error().message, HasSubstr("still missing: 1 write of"));
  EXPECT_EQ(get(at_b, "at a"), std::nullopt);

  a.set_link("b", true);
  must(at_b.wait_for(from_a.token(), patience));
  must(at_a.wait_for(from_b.token(), patience));
  must(from_a.wait_on_peer("b", patience));
  EXPECT_EQ(must(at_a.export_json()), R"({"at a":2,"at b":3,"before":1})");
  EXPECT_EQ(must(at_b.export_json()), must(at_a.export_json()));
  EXPECT_EQ(at_a.status().hash, at_b.status().hash);
}

TEST(Nodes, a_watcher_hears_of_what_others_write) {
  Node a = must(Node::open(quick_options("a"))), b = must(Node::open(quick_options("b")));
  connect_all({&a, &b});
  Space at_a = must(a.open_space("s", ephemeral));
  Space at_b = must(b.open_space("s", ephemeral));
  Signal called;
  std::atomic<bool> right = false;
  Subscription watching = at_b.watch(Path().map("m"), [&](const ChangeNotice&) {
    at_b.read([&](const Document& document) {
      right = document.root().map("m").counter("c").value() == 5;
    });
    called.raise();
  });
  must(at_a.transact([](Transaction& t) { return t.root().map("m").counter("c").add(5); }));
  EXPECT_TRUE(called.wait_until([&] { return right.load(); }));
}

TEST(Nodes, a_token_of_another_space_is_refused) {
  Node a = must(Node::open(quick_options("a")));
  Space one = must(a.open_space("one", ephemeral));
  Space two = must(a.open_space("two", ephemeral));
  auto outcome = two.wait_for(must(set(one, "k", 1)).token(), patience);
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, ErrorCode::invalid_argument);
}

TEST(Nodes, one_dials_and_the_other_only_listens) {
  Node listener = must(Node::open(quick_options("listener")));
  NodeOptions options = quick_options("edge");
  options.listen = "";
  options.peers["listener"] = listener.listen_endpoint();
  Node edge = must(Node::open(options));
  Space at_edge = must(edge.open_space("s", ephemeral));
  Space at_listener = must(listener.open_space("s", ephemeral));
  must(at_listener.wait_for(must(set(at_edge, "k", 1)).token(), patience));
  must(at_edge.wait_for(must(set(at_listener, "k", 2)).token(), patience));
  EXPECT_EQ(get(at_edge, "k"), Value(2));
}

TEST(Nodes, links_can_be_cut_one_by_one) {
  Node a = must(Node::open(quick_options("a"))), b = must(Node::open(quick_options("b"))),
       c = must(Node::open(quick_options("c")));
  connect_all({&a, &b, &c});
  Space at_a = must(a.open_space("s", ephemeral));
  Space at_b = must(b.open_space("s", ephemeral));
  Space at_c = must(c.open_space("s", ephemeral));
  a.set_link("c", false);  // what a writes reaches c through b
  must(at_c.wait_for(must(set(at_a, "k", 1)).token(), patience));
  EXPECT_EQ(get(at_c, "k"), Value(1));
}

TEST(Nodes, many_threads_write_and_no_reader_sees_half_a_transaction) {
  Node a = must(Node::open(quick_options("a"))), b = must(Node::open(quick_options("b")));
  connect_all({&a, &b});
  Space at_a = must(a.open_space("s", ephemeral));
  Space at_b = must(b.open_space("s", ephemeral));
  constexpr int writers = 3, rounds = 200;
  std::atomic<bool> done = false;
  std::atomic<int> halves = 0, looks = 0;

  std::vector<std::thread> threads;
  for (int w = 0; w < writers; ++w) {
    threads.emplace_back([&, w] {
      Space& space = w % 2 == 0 ? at_a : at_b;
      for (std::int64_t i = 1; i <= rounds; ++i) {
        must(space.transact([&](Transaction& t) -> Status {
          const std::string name = "pair" + std::to_string(w);
          if (auto set = t.root().reg(name + ".left").set(i); !set) return set;
          if (auto add = t.root().counter("total").add(1); !add) return add;
          return t.root().reg(name + ".right").set(i);
        }));
      }
    });
  }
  std::vector<std::thread> readers;
  for (Space* space : {&at_a, &at_b}) {
    readers.emplace_back([&, space] {
      while (!done) {
        space->read([&](const Document& document) {
          for (int w = 0; w < writers; ++w) {
            const std::string name = "pair" + std::to_string(w);
            if (document.root().reg(name + ".left").get() !=
                document.root().reg(name + ".right").get()) {
              ++halves;
            }
          }
        });
        ++looks;
        static_cast<void>(space->status());
        std::this_thread::yield();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  must(at_a.wait_for(at_b.token(), patience));
  must(at_b.wait_for(at_a.token(), patience));
  done = true;
  for (std::thread& thread : readers) thread.join();

  EXPECT_EQ(halves, 0);
  EXPECT_GT(looks, 0);
  for (Space* space : {&at_a, &at_b}) {
    space->read([&](const Document& document) {
      EXPECT_EQ(document.root().counter("total").value(), writers * rounds);
    });
  }
  EXPECT_EQ(at_a.status().hash, at_b.status().hash);
}

TEST(Nodes, a_busy_writer_does_not_keep_others_out) {
  Node a = must(Node::open(quick_options("a"))), b = must(Node::open(quick_options("b")));
  connect_all({&a, &b});
  Space at_a = must(a.open_space("s", ephemeral));
  Space at_b = must(b.open_space("s", ephemeral));
  Space noise = must(a.open_space("only at a", ephemeral));
  std::atomic<bool> done = false;
  std::thread busy([&] {
    while (!done) {
      must(noise.transact([](Transaction& t) { return t.root().counter("spin").add(1); }));
    }
  });
  // Another writer, a reader, and the network thread all get their turn meanwhile.
  for (int i = 0; i < 20; ++i) {
    const Receipt receipt = must(set(at_a, "k", i));
    EXPECT_EQ(get(at_a, "k"), Value(i));
    EXPECT_TRUE(at_b.wait_for(receipt.token(), patience));
  }
  done = true;
  busy.join();
}

}  // namespace
}  // namespace rejoin::node
