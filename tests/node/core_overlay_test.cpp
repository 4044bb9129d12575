// Members that come and go: how they find each other, who is a neighbour, who is believed dead.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "core_world.h"

namespace rejoin::node::testing {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;
using transport::Life;

std::string numbered(int i) { return "n" + std::to_string(i); }

// Whether it brings something of who the members are.
bool brings_members(const Send& send) {
  const auto message = transport::decode(send.bytes);
  const auto* events = std::get_if<transport::Events>(&message->body);
  const auto* chunk = std::get_if<transport::Chunk>(&message->body);
  return (events && events->space == members_space) || (chunk && chunk->space == members_space);
}

void forget_at_once(CoreOptions& options) {
  options.exchange_interval = milliseconds(100);
  options.peer_timeout = seconds(20);
  options.forget_after = seconds(0);
}

Status type(Transaction& t) { return t.root().text("t").insert(0, "ab"); }

class CoreOverlay : public ::testing::Test {
 protected:
  // All know the first alone.
  void start(int nodes, const Adjust& adjust = {}) {
    w.check_gate = false;  // it knows "s" alone
    for (int i = 0; i < nodes; ++i) join(numbered(i), adjust);
  }
  void join(const std::string& name, const Adjust& adjust = {}) {
    w.add(name, name == "n0" ? std::vector<std::string>{} : std::vector<std::string>{"n0"},
          [&](CoreOptions& options) {
            options.overlay = OverlayOptions{};
            options.overlay->endpoint = "tcp://" + name + ":1";
            if (adjust) adjust(options);
          },
          {{"s", true}, {members_space, true}});
  }
  std::vector<std::string> names_of_members(const std::string& at) {
    std::vector<std::string> names;
    for (const MemberStatus& member : w.core(at).members()) names.push_back(member.name);
    return names;
  }
  Life life_of(const std::string& member, const std::string& at) {
    for (const MemberStatus& known : w.core(at).members()) {
      if (known.name == member) return known.life;
    }
    ADD_FAILURE() << at << " does not know " << member;
    return Life::alive;
  }
  std::vector<std::string> running() {
    std::vector<std::string> names;
    for (const auto& [name, machine] : w.machines) {
      if (machine.core) names.push_back(name);
    }
    return names;
  }
  // Everybody who runs has as many neighbours as it wants, all of them mutual.
  bool settled() {
    const auto all = running();
    for (const std::string& name : all) {
      const auto neighbours = w.core(name).neighbours();
      const std::size_t wanted = all.size() <= mesh_members_max ? all.size() - 1 : 5;
      if (neighbours.size() < wanted) return false;
      for (const std::string& other : neighbours) {
        if (!w.machine(other).core) return false;
        const auto theirs = w.core(other).neighbours();
        if (std::ranges::find(theirs, name) == theirs.end()) return false;
      }
    }
    return true;
  }
  bool all_know(const std::vector<std::string>& members) {
    return std::ranges::all_of(
        running(), [&](const std::string& name) { return names_of_members(name) == members; });
  }
  bool all_believe(const std::string& member, Life life) {
    return std::ranges::all_of(running(), [&](const std::string& name) {
      return name == member || life_of(member, name) == life;
    });
  }

  World w{1};
};

TEST_F(CoreOverlay, a_few_who_know_one_find_all_others_and_talk_with_all) {
  start(5);
  ASSERT_TRUE(w.run_until([&] { return settled(); }));
  ASSERT_TRUE(w.run_until([&] { return all_know({"n0", "n1", "n2", "n3", "n4"}); }));
  EXPECT_THAT(w.core("n3").neighbours(), UnorderedElementsAre("n0", "n1", "n2", "n4"));
  EXPECT_EQ(w.core("n3").members()[4].endpoint, "tcp://n4:1");
  w.put("n4", "x", 1);
  ASSERT_TRUE(w.converge());
}

TEST_F(CoreOverlay, of_many_each_talks_with_a_few_and_all_hear_of_all) {
  start(40);
  ASSERT_TRUE(w.run_until([&] { return settled() && names_of_members("n7").size() == 40; }));
  for (const std::string& name : running()) {
    EXPECT_GE(w.core(name).neighbours().size(), 5u) << name;
    EXPECT_LE(w.core(name).neighbours().size(), 15u) << name;
  }
  w.put("n39", "x", 1);
  ASSERT_TRUE(w.converge());
  ASSERT_TRUE(w.converge(members_space));
}

TEST_F(CoreOverlay, who_is_to_be_dialled_is_said_with_its_endpoint_and_when_to_hang_up) {
  start(1);
  w.core("n0").take_dials();
  join("n1");
  ASSERT_TRUE(w.run_until([&] { return settled() && all_know({"n0", "n1"}); }));
  const auto dialled = w.core("n1").take_dials();
  ASSERT_EQ(dialled.size(), 1u);
  EXPECT_EQ(dialled[0].peer, "n0");
  EXPECT_FALSE(dialled[0].hang_up);
  w.crash("n1");
  ASSERT_TRUE(w.run_until([&] { return w.core("n0").neighbours().empty(); }));
  ASSERT_TRUE(w.run_until([&] {
    const auto dials = w.core("n0").take_dials();
    return std::ranges::any_of(dials,
                               [](const Dial& dial) { return dial.peer == "n1" && dial.hang_up; });
  }));
  // It is looked for, at what it had said.
  ASSERT_TRUE(w.run_until([&] {
    const auto dials = w.core("n0").take_dials();
    return std::ranges::any_of(dials, [](const Dial& dial) {
      return dial.peer == "n1" && dial.endpoint == "tcp://n1:1" && !dial.hang_up;
    });
  }));
}

TEST_F(CoreOverlay, one_that_dies_is_suspected_and_then_dead_everywhere_and_alive_when_it_is_back) {
  start(20);
  ASSERT_TRUE(w.run_until([&] { return settled() && names_of_members("n7").size() == 20; }));
  ASSERT_TRUE(w.converge(members_space));
  w.crash("n7");
  ASSERT_TRUE(w.run_until([&] { return all_believe("n7", Life::dead); }, seconds(15)));
  ASSERT_TRUE(w.run_until([&] { return settled(); }));
  bool was_suspected = false;
  for (const Notice& notice : w.machine("n0").notices) {
    was_suspected |= notice.kind == Notice::Kind::member_suspected && notice.peer == "n7";
  }
  EXPECT_TRUE(was_suspected);
  w.start("n7");
  ASSERT_TRUE(w.run_until([&] { return all_believe("n7", Life::alive); }, seconds(30)));
  ASSERT_TRUE(w.run_until([&] { return settled(); }));
}

TEST_F(CoreOverlay, one_that_is_slow_to_answer_denies_the_suspicion) {
  start(12);
  ASSERT_TRUE(w.run_until([&] { return settled() && names_of_members("n7").size() == 12; }));
  ASSERT_TRUE(w.converge(members_space));
  // n0 does not hear n1 any more, the others do.
  const auto neighbour = w.core("n0").neighbours()[0];
  w.cuts.insert({neighbour, "n0"});
  ASSERT_TRUE(w.run_until([&] {
    return std::ranges::any_of(w.machine("n0").notices, [&](const Notice& notice) {
      return notice.kind == Notice::Kind::member_suspected && notice.peer == neighbour;
    });
  }));
  ASSERT_TRUE(w.run_until([&] { return all_believe(neighbour, Life::alive); }, seconds(10)));
  w.run_for(seconds(10));
  for (const std::string& name : running()) {
    for (const Notice& notice : w.machine(name).notices) {
      EXPECT_NE(notice.kind, Notice::Kind::member_dead) << notice.peer << " at " << name;
    }
  }
}

TEST_F(CoreOverlay, halves_that_were_cut_from_each_other_for_long_find_each_other_again) {
  start(16);
  ASSERT_TRUE(w.run_until([&] { return settled() && names_of_members("n7").size() == 16; }));
  ASSERT_TRUE(w.converge(members_space));
  for (int a = 0; a < 8; ++a) {
    for (int b = 8; b < 16; ++b) w.cut(numbered(a), numbered(b));
  }
  w.run_for(minutes(2));
  EXPECT_EQ(life_of("n12", "n3"), Life::dead);
  EXPECT_EQ(life_of("n3", "n12"), Life::dead);
  w.put("n3", "left", 1);
  w.put("n12", "right", 1);
  w.heal();
  ASSERT_TRUE(w.converge());
  ASSERT_TRUE(w.run_until([&] {
    return std::ranges::all_of(running(),
                               [&](const auto& name) { return all_believe(name, Life::alive); });
  }));
}

TEST_F(CoreOverlay, one_that_leaves_is_a_member_no_more_and_nobody_mourns_it) {
  start(4);
  ASSERT_TRUE(w.run_until([&] { return settled() && all_know({"n0", "n1", "n2", "n3"}); }));
  ASSERT_TRUE(w.core("n2").remove_member("n2", "n2", w.now_of("n2")).ok());
  w.drain("n2");
  ASSERT_TRUE(w.run_until([&] { return names_of_members("n0").size() == 3; }));
  w.run_for(seconds(1));
  w.crash("n2");
  ASSERT_TRUE(w.run_until([&] { return all_know({"n0", "n1", "n3"}); }));
  w.run_for(seconds(30));
  EXPECT_TRUE(all_know({"n0", "n1", "n3"}));
  for (const Notice& notice : w.machine("n0").notices) {
    EXPECT_NE(notice.kind, Notice::Kind::member_dead);
  }
  EXPECT_THAT(w.core("n1").neighbours(), UnorderedElementsAre("n0", "n3"));
}

TEST_F(CoreOverlay, one_that_was_taken_out_enters_itself_again_when_it_is_back) {
  start(4);
  ASSERT_TRUE(w.run_until([&] { return settled() && all_know({"n0", "n1", "n2", "n3"}); }));
  w.crash("n2");
  ASSERT_TRUE(w.run_until([&] { return all_believe("n2", Life::dead); }));
  ASSERT_TRUE(w.core("n0").remove_member("n2", "operator", w.now_of("n0")).ok());
  w.drain("n0");
  ASSERT_TRUE(w.run_until([&] { return all_know({"n0", "n1", "n3"}); }));
  w.put("n1", "meanwhile", 1);
  w.start("n2");
  ASSERT_TRUE(w.run_until([&] { return all_know({"n0", "n1", "n2", "n3"}); }));
  ASSERT_TRUE(w.converge());
  const Status again = w.core("n0").remove_member("n9", "operator", w.now_of("n0"));
  ASSERT_FALSE(again.ok());
  EXPECT_EQ(again.error().code, ErrorCode::not_found);
  EXPECT_EQ(again.error().where, "n9");
}

TEST_F(CoreOverlay, a_leaf_talks_with_full_members_alone_and_nobody_dials_it) {
  const auto leaf = [](CoreOptions& options) { options.overlay->leaf = true; };
  start(4);
  join("m1", leaf);
  join("m2", leaf);
  ASSERT_TRUE(w.run_until([&] {
    return all_know({"m1", "m2", "n0", "n1", "n2", "n3"}) && w.core("m1").neighbours().size() >= 4;
  }));
  w.run_for(seconds(10));
  EXPECT_THAT(w.core("m1").neighbours(), UnorderedElementsAre("n0", "n1", "n2", "n3"));
  w.put("m1", "x", 1);
  ASSERT_TRUE(w.converge());
  w.core("n0").take_dials();
  w.crash("m1");
  w.run_for(minutes(1));
  for (const Dial& dial : w.core("n0").take_dials()) {
    EXPECT_TRUE(dial.hang_up || dial.peer[0] != 'm') << dial.peer;
  }
}

// n1 and n2 do not know that there is n3, which knows what they remove, and not that it is removed.
TEST_F(CoreOverlay, removals_are_kept_for_a_member_of_whom_one_other_alone_knows) {
  const auto forget_soon = [](CoreOptions& options) { options.forget_after = seconds(2); };
  start(3, forget_soon);
  ASSERT_TRUE(w.run_until([&] { return settled() && all_know({"n0", "n1", "n2"}); }));
  w.write("n0", [](Transaction& t) { return t.root().counter("c").add(5); });
  ASSERT_TRUE(w.converge());
  w.tap = [](const std::string& from, const Send& send) {
    return from != "n0" || send.to == "n3" || !brings_members(send);
  };
  w.cut("n3", "n1");
  w.cut("n3", "n2");
  join("n3", forget_soon);
  ASSERT_TRUE(w.converge());
  w.isolate("n3");
  w.write("n1", [](Transaction& t) { return t.root().counter("c").reset(); });
  ASSERT_TRUE(w.run_until([&] {
    const Clock& reset = w.document("n1").clock();
    return w.document("n0").clock() == reset && w.document("n2").clock() == reset;
  }));
  w.run_for(seconds(5));
  for (const char* name : {"n1", "n2"}) {
    EXPECT_THAT(names_of_members(name), ElementsAre("n0", "n1", "n2"));
    EXPECT_TRUE(w.document(name).remembers_removals()) << name;
  }
  w.tap = nullptr;
  w.heal();
  ASSERT_TRUE(w.converge());
  EXPECT_TRUE(w.run_until([&] {
    return std::ranges::none_of(
        running(), [&](const std::string& name) { return w.document(name).remembers_removals(); });
  }));
}

// Else n3 would know a part of what is forgotten by others, who do not wait for it.
TEST_F(CoreOverlay, one_that_joins_takes_a_space_over_when_it_is_known_and_whole) {
  start(3, forget_at_once);
  ASSERT_TRUE(w.run_until([&] { return settled() && all_know({"n0", "n1", "n2"}); }));
  w.tap = [](const std::string& from, const Send& send) {
    return from != "n3" || !brings_members(send);
  };
  join("n3", forget_at_once);
  ASSERT_TRUE(w.run_until([&] { return w.core("n3").neighbours().size() == 3; }));
  w.write("n1", type);
  w.run_for(seconds(5));
  EXPECT_THAT(names_of_members("n3"), ElementsAre("n0", "n1", "n2", "n3"));
  EXPECT_TRUE(w.document("n3").clock().empty());
  w.write("n1", type);
  ASSERT_TRUE(w.run_until([&] {
    return w.document("n2").clock() == w.document("n1").clock() &&
           !w.document("n2").remembers_elements();
  }));
  const std::uint64_t events = w.core("n3").counters().events_applied;
  w.tap = nullptr;
  ASSERT_TRUE(w.converge());
  EXPECT_EQ(w.core("n3").counters().events_applied, events);
  w.check_everything();
}

// n0 runs on after it has left, and does not hear that n1 wants nothing of it any more. The others
// forget what orders elements that it has never seen.
TEST_F(CoreOverlay, one_that_left_and_runs_on_is_told_of_nothing_but_the_members) {
  start(3, forget_at_once);
  ASSERT_TRUE(w.run_until([&] { return settled() && all_know({"n0", "n1", "n2"}); }));
  w.write("n1", type);
  ASSERT_TRUE(w.converge());
  w.tap = [](const std::string& from, const Send& send) {
    const auto message = transport::decode(send.bytes);
    const auto* neighbour = std::get_if<transport::Neighbour>(&message->body);
    return from != "n1" || !neighbour || neighbour->step != transport::Neighbour::Step::part;
  };
  ASSERT_TRUE(w.core("n0").remove_member("n0", "n0", w.now_of("n0")).ok());
  w.drain("n0");
  ASSERT_TRUE(w.run_until([&] { return all_know({"n1", "n2"}); }));
  const Clock seen = w.document("n0").clock();
  w.write("n1", type);
  ASSERT_TRUE(w.run_until([&] {
    return !w.document("n1").remembers_elements() && !w.document("n2").remembers_elements();
  }));
  ASSERT_TRUE(w.run_until([&] {
    const auto neighbours = w.core("n1").neighbours();
    return std::ranges::find(neighbours, "n0") != neighbours.end();
  }));
  w.run_for(seconds(5));
  w.check_everything();
  EXPECT_EQ(w.document("n0").clock(), seen);
  // Nor is anything taken that it wrote.
  const Clock members = w.document("n1").clock();
  w.write("n0", type);
  w.run_for(seconds(5));
  EXPECT_EQ(w.document("n1").clock(), members);
  EXPECT_EQ(w.document("n2").clock(), members);
}

// n1 has something of n0's that waits for what n2 wrote when it hears that n0 has left.
TEST_F(CoreOverlay, what_waits_from_one_that_left_is_taken_no_more) {
  start(3);
  ASSERT_TRUE(w.run_until([&] { return settled() && all_know({"n0", "n1", "n2"}); }));
  bool first = true;
  w.tap = [&](const std::string& from, const Send& send) {
    const auto message = transport::decode(send.bytes);
    const auto* events = std::get_if<transport::Events>(&message->body);
    if (!events || events->space != "s") return true;
    return (from == "n2" && send.to == "n0") ||
           (from == "n0" && send.to == "n1" && std::exchange(first, false));
  };
  w.put("n2", "x", 1);
  const Clock kept = w.document("n2").clock();
  ASSERT_TRUE(w.run_until([&] { return w.document("n0").clock() == kept; }));
  w.put("n0", "y", 1);
  ASSERT_TRUE(w.run_until(
      [&] { return w.core("n1").status("s", w.now_of("n1")).waiting_events == 1; }, seconds(1)));
  ASSERT_TRUE(w.core("n0").remove_member("n0", "n0", w.now_of("n0")).ok());
  w.drain("n0");
  ASSERT_TRUE(w.run_until([&] { return all_know({"n1", "n2"}); }, seconds(1)));
  w.crash("n0");
  w.tap = nullptr;
  ASSERT_TRUE(w.converge("s", seconds(5)));
  EXPECT_EQ(w.document("n1").clock(), kept);
}

// Once the branches are known an event comes to each but once.
TEST_F(CoreOverlay, events_travel_along_a_tree) {
  start(40);
  ASSERT_TRUE(w.run_until([&] { return settled() && names_of_members("n7").size() == 40; }));
  ASSERT_TRUE(w.converge(members_space));
  w.run_for(seconds(10));
  const auto sum = [&](std::uint64_t CoreCounters::*counter) {
    std::uint64_t total = 0;
    for (const std::string& name : running()) total += w.core(name).counters().*counter;
    return total;
  };
  for (int i = 0; i < 5; ++i) {  // finds the branches
    w.put("n3", "x", i);
    w.run_for(seconds(1));
  }
  const std::uint64_t applied = sum(&CoreCounters::events_applied);
  const std::uint64_t doubled = sum(&CoreCounters::events_duplicate);
  for (int i = 0; i < 20; ++i) {
    w.put("n3", "x", i);
    w.run_for(seconds(1));
  }
  EXPECT_EQ(sum(&CoreCounters::events_applied) - applied, 20u * 39);
  EXPECT_LE(sum(&CoreCounters::events_duplicate) - doubled, 20u * 39 / 5);
}

TEST_F(CoreOverlay, the_tree_mends_itself_when_many_die_at_once) {
  start(40);
  ASSERT_TRUE(w.run_until([&] { return settled() && names_of_members("n7").size() == 40; }));
  for (int i = 0; i < 5; ++i) {
    w.put("n3", "x", i);
    w.run_for(seconds(1));
  }
  for (int i = 10; i < 22; ++i) w.crash(numbered(i));
  w.put("n3", "after", 1);
  ASSERT_TRUE(w.converge("s", seconds(30)));
  ASSERT_TRUE(w.run_until([&] { return settled(); }));
  for (int i = 0; i < 5; ++i) {
    w.put("n3", "x", i);
    w.run_for(seconds(1));
  }
  // By branches alone: who waits whether an event comes by one waits for relay_delay.
  w.put("n3", "mended", 1);
  EXPECT_TRUE(w.converge("s", milliseconds(60)));
}

TEST_F(CoreOverlay, idle_neighbours_exchange_nothing_but_summaries) {
  start(20);
  ASSERT_TRUE(w.run_until([&] { return settled() && names_of_members("n7").size() == 20; }));
  ASSERT_TRUE(w.converge(members_space));
  w.run_for(seconds(30));
  w.forget_traffic();
  w.run_for(seconds(60));
  for (const auto& [what, count] : w.messages_sent) {
    EXPECT_EQ(what.second, "summary") << what.first << " sent " << count;
  }
}

TEST_F(CoreOverlay, messages_of_one_that_is_no_neighbour_change_nothing) {
  start(3);
  ASSERT_TRUE(w.run_until([&] { return settled(); }));
  const auto before = w.core("n0").members();
  const auto give = [&](const transport::Body& body) {
    w.deliver("x", "n0", transport::encode({"rejoin", "x", 77, 0, body}));
  };
  give(transport::Rumours{{{"n1", 5, Life::dead}}});
  give(transport::Neighbour{transport::Neighbour::Step::part});
  give(transport::Neighbour{transport::Neighbour::Step::accept});
  w.run_for(seconds(2));
  EXPECT_EQ(w.core("n0").members().size(), before.size());
  EXPECT_EQ(life_of("n1", "n0"), Life::alive);
  EXPECT_THAT(w.core("n0").neighbours(), UnorderedElementsAre("n1", "n2"));
}

}  // namespace
}  // namespace rejoin::node::testing
