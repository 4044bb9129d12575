// Looking back at spaces of running nodes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "nodes.h"
#include "rejoin/crdt/json.h"
#include "rejoin/node/admin_client.h"
#include "rejoin/node/inspect.h"
#include "temp_directory.h"

namespace rejoin::node {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

const SpaceOptions with_history{.durable = true, .history = true};

Receipt commit(Space& space, const std::string& author, const std::string& note,
               const std::function<Status(Transaction&)>& write) {
  Receipt receipt = must(space.transact({author, note}, write));
  must(receipt.wait_durable(patience));
  return receipt;
}

Path path(const char* text) { return must(Path::parse(text)); }

std::string json_at(const Space& space, const Clock& version, const Path& place) {
  const Document past = must(space.at(version, place));
  return must(to_json(past, place)).dump();
}

TEST(NodeHistory, tells_who_wrote_what_and_how_it_stood) {
  TempDirectory directory;
  Node node = must(Node::open(quick_options("a", directory.path())));
  Space space = must(node.open_space("s", with_history));
  const Receipt first = commit(space, "ann", "a first plan", [](Transaction& t) {
    (void)t.root().map("s1").counter("tokens").add(5);
    return t.root().map("s1").reg("plan").set("walk");
  });
  commit(space, "bob", "", [](Transaction& t) { return t.root().map("s2").reg("plan").set("x"); });
  const Receipt second = commit(space, "bob", "it rains", [](Transaction& t) {
    return t.root().map("s1").reg("plan").set("drive");
  });

  const auto past = must(space.history(path("/s1")));
  ASSERT_THAT(past, SizeIs(2));
  EXPECT_EQ(past[0].event->id(), second.dot());
  EXPECT_EQ(past[0].event->author(), "bob");
  EXPECT_EQ(past[0].event->note(), "it rains");
  ASSERT_THAT(past[0].writes, SizeIs(1));
  EXPECT_THAT(past[0].writes[0].values, ElementsAre(Value("drive")));
  EXPECT_EQ(past[1].event->id(), first.dot());
  EXPECT_THAT(past[1].writes, SizeIs(2));
  EXPECT_THAT(must(space.history(path("/s1"), {.limit = 1})), SizeIs(1));

  const auto reasons = must(space.why(path("/s1/register:plan")));
  ASSERT_THAT(reasons, SizeIs(1));
  EXPECT_EQ(reasons[0].origin.value, Value("drive"));
  EXPECT_EQ(reasons[0].event->author(), "bob");
  ASSERT_THAT(reasons[0].overwrote, SizeIs(1));
  EXPECT_EQ(reasons[0].overwrote[0].value, Value("walk"));
  EXPECT_EQ(reasons[0].overwrote[0].event->note(), "a first plan");

  EXPECT_EQ(json_at(space, first.token().clock(), path("/s1")), R"({"plan":"walk","tokens":5})");
  EXPECT_EQ(json_at(space, second.token().clock(), path("/s1")), R"({"plan":"drive","tokens":5})");
  EXPECT_EQ(must(space.version_before(second.dot())).get(second.dot().replica),
            second.dot().sequence - 1);

  const auto differences =
      must(space.diff(first.token().clock(), second.token().clock(), path("/")));
  ASSERT_THAT(differences, SizeIs(2));
  EXPECT_EQ(differences[0].path, "/s1/plan");
  EXPECT_EQ(differences[0].before, "\"walk\"");
  EXPECT_EQ(differences[0].after, "\"drive\"");
  EXPECT_EQ(differences[1].path, "/s2/plan");
  EXPECT_EQ(differences[1].before, "");
}

// What one writer appended in several commits has consecutive dots.
TEST(NodeHistory, tells_which_commit_each_element_is_owed_to) {
  TempDirectory directory;
  Node node = must(Node::open(quick_options("a", directory.path())));
  const auto append = [&](Space& space, const std::string& note, std::vector<const char*> words) {
    return commit(space, "ann", note, [&](Transaction& t) -> Status {
      for (const char* word : words) {
        if (auto ok = t.root().list("words").push(word); !ok) return ok;
      }
      return {};
    });
  };
  const auto write = [&](Space& space, const std::string& note, std::string_view text) {
    return commit(space, "ann", note, [&](Transaction& t) {
      return t.root().text("text").insert(t.root().text("text").size(), text);
    });
  };
  Space space = must(node.open_space("s", {.durable = true}));
  append(space, "unseen", {"a"});
  append(space, "unseen", {"b"});
  space = must(node.open_space("s", with_history));
  append(space, "one", {"c", "d"});
  append(space, "two", {"e"});
  write(space, "three", "gr\u00fc\u00df");
  write(space, "four", "e!");

  std::vector<std::string> told;
  for (const char* place : {"/list:words", "/text:text"}) {
    for (const Reason& reason : must(space.why(path(place)))) {
      told.push_back(std::to_string(reason.origin.at) + "+" + std::to_string(reason.origin.count) +
                     " " + std::string(reason.origin.value.as_string()) + " " +
                     std::string(reason.event ? reason.event->note() : "?"));
    }
  }
  EXPECT_THAT(told, ElementsAre("0+2 a ?", "2+2 c one", "4+1 e two", "0+4 gr\u00fc\u00df three",
                                "4+2 e! four"));
}

TEST(NodeHistory, is_kept_over_restarts_and_checkpoints) {
  TempDirectory directory;
  std::vector<Clock> versions;
  constexpr int rounds = 6;
  for (int round = 0; round < rounds; ++round) {
    Node node = must(Node::open(quick_options("a", directory.path())));
    Space space =
        round == 0 ? must(node.open_space("s", with_history)) : must(node.open_space("s"));
    Receipt last;
    // More than a checkpoint's worth of log.
    for (int i = 0; i < 30; ++i) {
      last = must(space.transact([&](Transaction& t) {
        return t.root().reg("n").set(std::string(50'000, static_cast<char>('a' + round)));
      }));
    }
    must(last.wait_durable(patience));
    versions.push_back(last.token().clock());
  }
  Node node = must(Node::open(quick_options("a", directory.path())));
  Space space = must(node.open_space("s"));
  EXPECT_THAT(must(space.history(path("/register:n"), {.limit = 1000})), SizeIs(30 * rounds));
  EXPECT_THAT(must(space.missing_history()), SizeIs(0));
  for (int round = 0; round < rounds; ++round) {
    const Document past = must(space.at(versions[static_cast<std::size_t>(round)]));
    EXPECT_EQ(past.root().reg("n").get(),
              Value(std::string(50'000, static_cast<char>('a' + round))));
  }
}

// The events of others are kept like one's own; but not what came with a state that was taken over.
std::vector<std::string> events_of(const Space& space) {
  std::vector<std::string> events;
  const auto all = must(space.history(Path(), {.limit = 1000}));
  for (const PastEvent& past : all) events.push_back(past.event->encoded());
  return events;
}

// How far each writer's chain leads, in the directory of a stopped node.
Heads verified(const std::string& directory) {
  const std::vector<AuditedSpace> audited = must(audit(directory));
  EXPECT_THAT(audited, SizeIs(1));
  EXPECT_EQ(audited[0].broken, "");
  EXPECT_THAT(audited[0].missing, testing::IsEmpty());
  return audited[0].heads;
}

// That know each other and keep the history of one space.
struct TwoNodes {
  TwoNodes() { connect_all({&a, &b}); }

  TempDirectory directory;
  Node a = must(Node::open(quick_options("a", directory.file("a"))));
  Node b = must(Node::open(quick_options("b", directory.file("b"))));
  Space at_a = must(a.open_space("s", with_history));
  Space at_b = must(b.open_space("s", with_history));
};

TEST(NodeHistory, has_what_others_wrote) {
  TwoNodes nodes;
  auto& [directory, a, b, at_a, at_b] = nodes;
  for (int i = 0; i < 50; ++i) {
    const Receipt receipt = commit(i % 2 == 0 ? at_a : at_b, i % 2 == 0 ? "ann" : "bob", "",
                                   [&](Transaction& t) { return t.root().reg("n").set(i); });
    must((i % 2 == 0 ? at_b : at_a).wait_for(receipt.token(), patience));
  }
  must(must(set(at_a, "end", true)).wait_on_peer("b", patience));
  ASSERT_THAT(events_of(at_a), SizeIs(51));
  EXPECT_TRUE(eventually([&] { return events_of(at_b) == events_of(at_a); }));
}

// What it took over as a state it asks for, from whoever has it: before, between and behind what
// came as events, and over its own restarts.
TEST(NodeHistory, asks_others_for_what_came_without_events) {
  TempDirectory directory;
  {
    Node a = must(Node::open(quick_options("a", directory.file("a"))));
    Node plain = must(Node::open(quick_options("plain", directory.file("plain"))));
    Space at_a = must(a.open_space("s", with_history));
    Space at_plain = must(plain.open_space("s", {.durable = true}));
    connect_all({&a, &plain});
    const auto put = [](Space& space, int from, int count) {
      Receipt last;
      for (int i = from; i < from + count; ++i) {
        last = commit(space, "ann", "", [&](Transaction& t) {
          return t.root().reg("n").set(Value(std::int64_t{i}));
        });
      }
      return last;
    };
    // The state costs less than so many events.
    must(put(at_a, 0, 300).wait_on_peer("plain", patience));
    must(put(at_plain, 300, 40).wait_on_peer("a", patience));
    {
      Node b = must(Node::open(quick_options("b", directory.file("b"))));
      Space at_b = must(b.open_space("s", with_history));
      // It is told a state by one that keeps no history.
      connect_all({&b, &plain});
      must(at_b.wait_for(at_plain.token(), patience));
      ASSERT_TRUE(eventually([&] { return !must(at_b.missing_history()).empty(); }));
      must(put(at_b, 340, 20).wait_on_peer("plain", patience));
    }
    must(at_a.wait_for(at_plain.token(), patience));
    Node b = must(Node::open(quick_options("b", directory.file("b"))));
    Space at_b = must(b.open_space("s", with_history));
    connect_all({&b, &plain});
    connect_all({&b, &a});
    must(put(at_b, 360, 5).wait_on_peer("a", patience));
    ASSERT_TRUE(eventually([&] { return must(at_b.missing_history()).empty(); }));
    EXPECT_THAT(events_of(at_b), SizeIs(365));
  }
  EXPECT_EQ(verified(directory.file("b")), verified(directory.file("a")));
}

TEST(NodeHistory, says_what_it_does_not_know) {
  TempDirectory directory;
  Node node = must(Node::open(quick_options("a", directory.path())));
  Space plain = must(node.open_space("plain"));
  must(set(plain, "k", "v"));
  const auto without = plain.history({});
  ASSERT_FALSE(without);
  EXPECT_THAT(without.error().message, HasSubstr("history = \"full\""));

  // Turned on later: what was before is missing, and said so.
  must(must(set(plain, "k", "w")).wait_durable(patience));
  Space space = must(node.open_space("plain", with_history));
  const Receipt receipt =
      commit(space, "", "", [](Transaction& t) { return t.root().reg("k").set("x"); });
  ASSERT_THAT(must(space.missing_history()), SizeIs(1));
  EXPECT_EQ(must(space.missing_history())[0].last, 2u);
  const auto reasons = must(space.why(path("/register:k")));
  ASSERT_THAT(reasons, SizeIs(1));
  EXPECT_EQ(reasons[0].event->id(), receipt.dot());
  ASSERT_THAT(reasons[0].overwrote, SizeIs(1));
  EXPECT_EQ(reasons[0].overwrote[0].event, nullptr);
  const auto unknown = space.at(receipt.token().clock());
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, ErrorCode::not_found);
  EXPECT_THAT(unknown.error().message, HasSubstr("1 to 2"));

  Clock future = receipt.token().clock();
  future.set(ReplicaId::from_words(7, 7), 3);
  EXPECT_THAT(space.at(future).error().message, HasSubstr(ReplicaId::from_words(7, 7).to_string()));
  EXPECT_EQ(space.version_before({ReplicaId::from_words(7, 7), 3}).error().code,
            ErrorCode::not_found);
  const auto ephemeral = node.open_space("e", {.durable = false, .history = true});
  ASSERT_FALSE(ephemeral);
  EXPECT_EQ(ephemeral.error().code, ErrorCode::invalid_argument);
}

TEST(NodeHistory, is_turned_off_and_on_again) {
  TempDirectory directory;
  Node node = must(Node::open(quick_options("a", directory.path())));
  Space space = must(node.open_space("s", with_history));
  const auto put = [&](const char* value) {
    return commit(space, "", "", [&](Transaction& t) { return t.root().reg("k").set(value); });
  };
  const Receipt first = put("first");
  (void)must(node.open_space("s", {.durable = true, .history = false}));
  (void)put("unseen");
  (void)must(node.open_space("s", with_history));
  (void)put("last");
  ASSERT_THAT(must(space.missing_history()), SizeIs(1));
  EXPECT_EQ(must(space.missing_history())[0].first, 2u);
  EXPECT_EQ(must(space.missing_history())[0].last, 2u);
  EXPECT_THAT(must(space.history(Path())), SizeIs(2));
  EXPECT_EQ(json_at(space, first.token().clock(), path("/register:k")), R"("first")");
}

// A clock that is a year ahead: what depends on its writes is no part of a version before them.
TEST(NodeHistory, versions_until_a_time_are_whole) {
  TempDirectory directory;
  Node node = must(Node::open(quick_options("a", directory.path())));
  Space space = must(node.open_space("s", with_history));
  const Receipt one =
      commit(space, "", "", [](Transaction& t) { return t.root().reg("k").set(1); });
  const HybridTime between = must(space.history({}))[0].event->time();
  const Receipt two =
      commit(space, "", "", [](Transaction& t) { return t.root().reg("k").set(2); });
  EXPECT_EQ(must(space.version_until(between)), one.token().clock());
  EXPECT_EQ(must(space.version_until(HybridTime::from_millis(1))), Clock());
  EXPECT_EQ(must(space.version_until(HybridTime{~std::uint64_t{0}})), two.token().clock());
}

// What still holds a receipt or a space of the node that stopped does not keep its files.
TEST(NodeHistory, lets_another_node_go_on_after_a_stop) {
  TempDirectory directory;
  Node stopped = must(Node::open(quick_options("a", directory.path())));
  Space before = must(stopped.open_space("s", with_history));
  const Receipt receipt =
      commit(before, "ann", "", [](Transaction& t) { return t.root().reg("k").set(1); });
  stopped.stop();
  EXPECT_EQ(before.history(Path()).error().code, ErrorCode::closed);
  EXPECT_EQ(before.at(receipt.token().clock()).error().code, ErrorCode::closed);
  Node node = must(Node::open(quick_options("a", directory.path())));
  EXPECT_THAT(must(must(node.open_space("s")).history(Path())), SizeIs(1));
}

// Whoever feeds on a space misses nothing and hears of nothing before what it depends on, in
// whatever portions, and goes on at another node.
TEST(NodeHistory, feeds_everything_once_in_causal_order) {
  TwoNodes nodes;
  auto& [directory, a, b, at_a, at_b] = nodes;
  Receipt last;
  for (int i = 0; i < 60; ++i) {
    last = commit(i % 3 == 0 ? at_a : at_b, "", "",
                  [&](Transaction& t) { return t.root().reg("n").set(i); });
  }
  const Clock all = [&] {
    Receipt end = must(set(at_a, "end", true));
    must(at_a.wait_for(last.token(), patience));
    must(end.wait_on_peer("b", patience));
    Clock clock = end.token().clock();
    clock.join(last.token().clock());
    return clock;
  }();
  Clock cursor;
  Clock heard;
  for (std::size_t limit = 1; !cursor.includes(all); ++limit) {
    // The second half at the other node.
    const Space& space = heard.distance_beyond({}) * 2 < all.distance_beyond({}) ? at_a : at_b;
    const Feed feed = must(space.feed(cursor, limit, patience));
    ASSERT_FALSE(feed.steps.empty());
    for (const Feed::Step& step : feed.steps) {
      if (step.event) {
        EXPECT_TRUE(heard.includes(step.event->dependencies()));
        EXPECT_EQ(heard.get(step.event->writer()) + 1, step.event->first());
        heard.advance(step.event->id());
      } else {
        EXPECT_EQ(heard.get(step.missing->writer) + 1, step.missing->first);
        heard.advance({step.missing->writer, step.missing->last});
      }
      EXPECT_EQ(step.cursor, heard);
      cursor = step.cursor;
    }
  }
  EXPECT_EQ(heard, all);
  EXPECT_THAT(must(at_a.feed(cursor, 10)).steps, SizeIs(0));
}

TEST(NodeHistory, a_feed_of_large_events_comes_in_portions_that_fit_into_memory) {
  TempDirectory directory;
  Node node = must(Node::open(quick_options("a", directory.file("a"))));
  Space space = must(node.open_space("s", with_history));
  for (const std::size_t megabytes : {3, 3, 3, 12, 1}) {
    must(must(set(space, "x", std::string(megabytes << 20, 'x'))).wait_durable(patience));
  }
  std::vector<std::size_t> portions;
  Clock cursor;
  while (true) {
    const Feed feed = must(space.feed(cursor));
    if (feed.steps.empty()) break;
    portions.push_back(feed.steps.size());
    cursor = feed.steps.back().cursor;
  }
  EXPECT_THAT(portions, testing::ElementsAre(2, 1, 1, 1));
  EXPECT_EQ(cursor, space.token().clock());
}

TEST(NodeHistory, undoes_an_event_that_others_built_upon) {
  TempDirectory directory;
  Node a = must(Node::open(quick_options("a", directory.file("a"))));
  Node b = must(Node::open(quick_options("b", directory.file("b"))));
  connect_all({&a, &b});
  Space at_a = must(a.open_space("s", with_history));
  Space at_b = must(b.open_space("s", with_history));
  commit(at_a, "ann", "", [](Transaction& t) {
    (void)t.root().text("t").insert(0, "one three");
    return t.root().reg("plan").set("walk");
  });
  const Receipt wrong = commit(at_a, "eve", "", [](Transaction& t) {
    (void)t.root().text("t").insert(4, "two ");
    (void)t.root().counter("cost").add(3);
    return t.root().reg("plan").set("fly");
  });
  must(at_b.wait_for(wrong.token(), patience));
  const Receipt others = commit(at_b, "bob", "", [](Transaction& t) {
    (void)t.root().counter("cost").add(2);
    return t.root().text("t").insert(0, "> ");
  });
  must(at_a.wait_for(others.token(), patience));
  must(at_b.wait_for(others.token(), patience));

  // What b was told as a state it asks a for.
  ASSERT_TRUE(eventually([&] { return must(at_b.missing_history()).empty(); }));
  const auto undone = must(at_b.revert(wrong.dot(), {.author = "cid", .note = ""}));
  EXPECT_EQ(undone.reverted.cells, 3u);
  EXPECT_TRUE(undone.reverted.kept.empty());
  must(at_a.wait_for(undone.receipt.token(), patience));
  EXPECT_EQ(must(at_a.export_json({}, -1)), R"({"cost":2,"plan":"walk","t":"> one three"})");
  must(undone.receipt.wait_durable(patience));
  const auto past = must(at_b.history({}, {.limit = 1}));
  EXPECT_EQ(past.at(0).event->author(), "cid");
  EXPECT_EQ(past.at(0).event->note(), "reverts " + wrong.dot().full_name());

  const auto unknown = at_b.revert(Dot{ReplicaId::from_words(1, 2), 3});
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, ErrorCode::not_found);
  EXPECT_EQ(must(a.open_space("plain")).revert(wrong.dot()).error().code,
            ErrorCode::invalid_argument);
}

TEST(NodeHistory, answers_on_the_admin_socket) {
  TempDirectory directory;
  Node node = must(Node::open(quick_options("a", directory.path())));
  Space space = must(node.open_space("s", with_history));
  const Receipt one = commit(space, "ann", "why not", [](Transaction& t) {
    (void)t.root().text("t").insert(0, "hello");
    return t.root().reg("k").set(1);
  });
  commit(space, "bob", "", [](Transaction& t) {
    (void)t.root().text("t").remove(0, 1);
    return t.root().reg("k").set(2);
  });
  AdminClient client = must(AdminClient::connect(node.admin_socket()));
  using nlohmann::json;
  const auto ask = [&](json request) {
    request["space"] = "s";
    return client.call(request);
  };
  const json history = must(ask({{"command", "history"}, {"path", "/register:k"}}));
  ASSERT_EQ(history["events"].size(), 2u);
  EXPECT_EQ(history["events"][1]["author"], "ann");
  EXPECT_EQ(history["events"][1]["note"], "why not");
  EXPECT_EQ(history["events"][0]["writes"][0]["value"], 2);
  const std::string event =
      one.dot().replica.to_string() + ":" + std::to_string(one.dot().sequence);
  EXPECT_EQ(history["events"][1]["event"], event);
  const json why = must(ask({{"command", "why"}, {"path", "/register:k"}}));
  EXPECT_EQ(why["reasons"][0]["overwrote"][0]["value"], 1);
  EXPECT_EQ(why["reasons"][0]["by"]["author"], "bob");
  for (const std::string& version : {event, one.token().to_string(),
                                     "before:" + std::string(why["reasons"][0]["by"]["event"])}) {
    EXPECT_EQ(must(ask({{"command", "at"}, {"version", version}}))["json"],
              (json{{"k", 1}, {"t", "hello"}}));
  }
  EXPECT_EQ(must(ask({{"command", "at"}, {"version", "2001-01-01T00:00:00Z"}}))["json"],
            json::object());
  EXPECT_EQ(must(ask({{"command", "at"}, {"version", "now"}, {"path", "/text:t"}}))["json"],
            "ello");
  const json diff = must(ask({{"command", "diff"}, {"from", event}}));
  EXPECT_EQ(diff["differences"], json::parse(R"([{"path":"/k","before":1,"after":2},
                            {"path":"/t","before":"hello","after":"ello"}])"));
  EXPECT_THAT(ask({{"command", "at"}, {"version", "yesterday"}}).error().message,
              HasSubstr("no version"));
  EXPECT_EQ(ask({{"command", "why"}, {"path", "/register:nope"}}).error().code,
            ErrorCode::not_found);
  EXPECT_EQ(ask({{"command", "history"}, {"limit", 0}}).error().code, ErrorCode::out_of_range);
}

// Joined along each writer, the dependencies that a feed tells are what the writer had seen.
TEST(NodeHistory, a_feed_on_the_admin_socket_tells_what_each_writer_had_seen) {
  TwoNodes nodes;
  auto& [directory, a, b, at_a, at_b] = nodes;
  for (int i = 0; i < 12; ++i) {
    Space& space = i % 4 < 2 ? at_a : at_b;
    const Receipt last = must(set(space, "n", i));
    if (i % 3 == 0) must((i % 4 < 2 ? at_b : at_a).wait_for(last.token(), patience));
  }
  const Receipt end = must(set(at_b, "end", true));
  must(at_a.wait_for(end.token(), patience));
  must(must(set(at_a, "end", true)).wait_durable(patience));

  AdminClient client = must(AdminClient::connect(a.admin_socket()));
  const auto ask = [&](nlohmann::json request) {
    request["space"] = "s";
    return must(client.call(request));
  };
  std::map<ReplicaId, Clock> seen;
  std::size_t with_dependencies = 0;
  const nlohmann::json steps = ask({{"command", "feed"}})["steps"];
  ASSERT_EQ(steps.size(), 14u);
  for (const auto& step : steps) {
    const Dot event = must(Dot::parse(step["event"].get<std::string>()));
    Clock& clock = seen[event.replica];
    with_dependencies += step["dependencies"].empty() ? 0 : 1;
    for (const auto& [replica, sequence] : step["dependencies"].items()) {
      clock.set(must(ReplicaId::parse(replica)), sequence);
    }
    const auto token = must(CausalToken::parse(
        ask({{"command", "at"}, {"version", "before:" + event.full_name()}})["token"]
            .get<std::string>()));
    EXPECT_EQ(token.clock(), clock) << event.full_name();
    clock.advance(event);
  }
  EXPECT_GE(with_dependencies, 4u);
}

TEST(NodeHistory, a_policy_that_is_none_is_refused) {
  const auto unknown = NodeOptions::from_toml(
      "name = \"a\"\ndirectory = \"d\"\n[[spaces]]\nname = \"s\"\nhistory = \"some\"\n");
  ASSERT_FALSE(unknown);
  EXPECT_THAT(unknown.error().to_string(), HasSubstr("config:5"));
  EXPECT_THAT(unknown.error().to_string(), HasSubstr("\"full\""));
  const auto ephemeral = NodeOptions::from_toml(
      "name = \"a\"\n[[spaces]]\nname = \"s\"\ndurable = false\nhistory = \"full\"\n");
  ASSERT_FALSE(ephemeral);
  EXPECT_THAT(ephemeral.error().to_string(), HasSubstr("config:5"));
}

}  // namespace
}  // namespace rejoin::node
