// Replica ids whose writers are gone, as they leave the clocks of nodes.
#include <gtest/gtest.h>

#include <algorithm>

#include "core_world.h"
#include "rejoin/crdt/types/register.h"
#include "rejoin/crdt/types/set.h"

namespace rejoin::node::testing {
namespace {

using std::chrono::seconds;

const std::vector<std::string> members{"a", "b", "c"};

void name_members(CoreOptions& o) {
  o.members = members;
  o.forget_after = seconds(5);
}

// Its machine is another one from now on, with nothing on its disk.
void replace(World& w, const std::string& name) {
  w.crash(name);
  w.machine(name).disk = FakeDisk();
  w.start(name);
}

bool members_agree(World& w) {
  return w.run_until([&] {
    for (const std::string& name : members) {
      if (!w.core(name).has_space("s")) return false;
      if (w.document(name).clock_with_retired() != w.document("a").clock_with_retired()) {
        return false;
      }
    }
    return true;
  });
}

// What nothing depends on is named.
void write_after_all(World& w) {
  w.put("a", "after all", Value(""));
  ASSERT_TRUE(members_agree(w));
}

// Replaces members in turn, each of which writes, and waits until all of them have it.
void replace_many(World& w, int count) {
  for (int i = 0; i < count; ++i) {
    const std::string& name = members[static_cast<std::size_t>(i) % members.size()];
    replace(w, name);
    w.put(name, "k" + std::to_string(i % 7), Value(std::int64_t{i}));
    ASSERT_TRUE(members_agree(w));
  }
  write_after_all(w);
}

bool all_leave_out(World& w, std::size_t listed_max) {
  return w.run_until(
      [&] {
        for (const std::string& name : members) {
          const Document& document = w.document(name);
          if (document.clock().size() > listed_max) return false;
          if (document.retired_hash() != w.document("a").retired_hash()) return false;
        }
        return true;
      },
      seconds(60));
}

bool all_retired(World& w, const ReplicaId& id) {
  return w.run_until(
      [&] {
        return std::ranges::all_of(members, [&](const std::string& name) {
          return w.document(name).retired().get(id) != 0;
        });
      },
      seconds(60));
}

TEST(CoreRetiring, clocks_after_many_replacements_are_those_of_a_new_cluster) {
  World w(1);
  w.add_mesh(members, name_members);
  replace_many(w, 120);
  ASSERT_TRUE(all_leave_out(w, members.size())) << w.describe();
  EXPECT_GE(w.document("a").retired().size(), 117u);
  // The next event of each names what it has come to depend on.
  for (const std::string& name : members) w.put(name, "k", Value("before"));
  ASSERT_TRUE(w.converge());
  World fresh(2);
  fresh.add_mesh(members, name_members);
  for (const std::string& name : members) fresh.put(name, "k", Value("before"));
  ASSERT_TRUE(fresh.converge());
  // In idleness, and for one more write: a report has a hash more, which packing spares a new one.
  const auto sent = [](World& world, bool write) {
    world.run_for(seconds(30));
    world.forget_traffic();
    if (write) world.put("a", "k", Value("after"));
    world.run_for(seconds(100));
    std::uint64_t most = 0;
    for (const auto& [what, messages] : world.messages_sent) {
      most = std::max(most, world.bytes_sent[what] / messages);
    }
    return most;
  };
  EXPECT_LE(sent(w, false), sent(fresh, false) + 2);
  EXPECT_LE(sent(w, true), sent(fresh, true) + 20);
  w.check_everything();
}

TEST(CoreRetiring, what_is_left_out_outlives_restarts) {
  World w(3);
  w.add_mesh(members, name_members);
  replace_many(w, 9);
  ASSERT_TRUE(all_leave_out(w, members.size())) << w.describe();
  const StateHash retired = w.document("a").retired_hash();
  EXPECT_NE(retired, StateHash{});
  for (const std::string& name : members) {
    w.run_for(seconds(1));
    w.crash(name);
    w.start(name);
    EXPECT_EQ(w.document(name).retired_hash(), retired) << name;
  }
  w.put("a", "k", Value("after"));
  ASSERT_TRUE(w.converge());
  w.check_everything();
}

// d is no member any more when it is cut away, and all others are replaced meanwhile.
TEST(CoreRetiring, evicted_node_comes_back_without_a_resurrection_or_a_loss) {
  World w(4);
  const std::vector<std::string> all{"a", "b", "c", "d"};
  w.add_mesh(all, name_members);
  w.put("d", "of d", Value("first"));
  w.put("a", "removed", Value("there"));
  w.put("b", "kept", Value("there"));
  ASSERT_TRUE(w.converge());
  w.run_for(seconds(10));
  w.isolate("d");
  w.write("a", [](Transaction& t) { return t.root().reg("removed").clear(); });
  w.put("d", "written alone", Value("by d"));
  ASSERT_TRUE(members_agree(w));
  const ReplicaId d = w.document("d").self();
  replace_many(w, 30);
  ASSERT_TRUE(all_leave_out(w, members.size())) << w.describe();
  EXPECT_NE(w.document("a").retired().get(d), 0u);
  w.run_for(seconds(10));

  w.heal();
  ASSERT_TRUE(w.converge()) << w.describe();
  for (const std::string& name : all) {
    const MapView root = w.document(name).root();
    EXPECT_FALSE(root.reg("removed").exists()) << name;
    EXPECT_EQ(root.reg("kept").get(), Value("there")) << name;
    EXPECT_EQ(root.reg("of d").get(), Value("first")) << name;
    EXPECT_EQ(root.reg("written alone").get(), Value("by d")) << name;
  }
  w.put("d", "later", Value("by d"));
  ASSERT_TRUE(w.converge()) << w.describe();
  w.check_everything();
}

TEST(CoreRetiring, id_of_a_member_that_writes_nothing_stays) {
  World w(5);
  w.add_mesh(members, name_members);
  for (const std::string& name : members) w.put(name, "k", Value(name));
  ASSERT_TRUE(w.converge());
  w.run_for(seconds(60));
  for (const std::string& name : members) {
    EXPECT_EQ(w.document(name).clock().size(), members.size());
    EXPECT_EQ(w.core(name).counters().ids_retired, 0u) << name;
  }
}

TEST(CoreRetiring, only_what_nobody_writes_under_is_left_out) {
  World w(14);
  w.add_mesh(members, name_members);
  for (const std::string& name : members) w.put(name, "k", Value(name));
  ASSERT_TRUE(w.converge());
  const ReplicaId gone = w.document("c").self();
  replace(w, "c");
  ASSERT_TRUE(members_agree(w));
  w.put("c", "k", Value("of the new one"));
  ASSERT_TRUE(all_retired(w, gone)) << w.describe();
  w.run_for(seconds(30));
  for (const std::string& name : members) {
    EXPECT_EQ(w.document(name).retired().size(), 1u) << name;
    EXPECT_EQ(w.document(name).clock().size(), members.size()) << name;
  }
}

// A causal token of a member does not name what is retired, so something that it names must depend
// on that: or else d, which was evicted, takes it for fulfilled.
TEST(CoreRetiring, id_is_named_until_something_depends_on_it) {
  World w(15);
  w.add_mesh({"a", "b", "c", "d"}, name_members);
  w.put("d", "k", Value("of all"));
  ASSERT_TRUE(w.converge());
  w.isolate("d");
  w.put("c", "of c", Value("unknown to d"));
  const ReplicaId gone = w.document("c").self();
  ASSERT_TRUE(members_agree(w));
  replace(w, "c");
  ASSERT_TRUE(members_agree(w));
  w.run_for(seconds(60));
  for (const std::string& name : members) {
    EXPECT_EQ(w.document(name).clock().get(gone), 1u) << name;
    EXPECT_FALSE(w.core("d").shows("s", w.document(name).clock())) << name;
  }
  write_after_all(w);
  ASSERT_TRUE(all_retired(w, gone)) << w.describe();
  for (const std::string& name : members) {
    EXPECT_FALSE(w.core("d").shows("s", w.document(name).clock())) << name;
  }
  w.heal();
  ASSERT_TRUE(w.converge()) << w.describe();
  EXPECT_TRUE(w.core("d").shows("s", w.document("a").clock()));
  w.check_everything();
}

// What an evicted node wrote beside a removal meets that removal, if it comes back in time.
TEST(CoreRetiring, removals_wait_for_who_was_evicted) {
  World w(16);
  const auto name_more = [](CoreOptions& o) {
    name_members(o);
    o.forget_after = seconds(40);
  };
  w.add_mesh({"a", "b", "c", "d"}, name_more);
  const auto set = [](Transaction& t) { return t.root().set("s", Type::remove_wins_set); };
  w.write("a", [&](Transaction& t) { return set(t).add("x"); });
  w.write("d", [](Transaction& t) { return t.root().counter("n").add(3); });
  ASSERT_TRUE(w.converge());
  w.isolate("d");
  w.write("c", [&](Transaction& t) { return set(t).remove("x"); });
  w.write("c", [](Transaction& t) { return t.root().counter("n").reset(); });
  ASSERT_TRUE(members_agree(w));
  replace(w, "c");  // what a retired id removed counts as well
  ASSERT_TRUE(members_agree(w));
  write_after_all(w);
  w.run_for(seconds(30));
  w.write("d", [&](Transaction& t) { return set(t).add("x"); });
  w.write("d", [](Transaction& t) { return t.root().counter("n").add(1); });

  w.heal();
  ASSERT_TRUE(w.converge()) << w.describe();
  for (const std::string& name : members) {
    const MapView root = w.document(name).root();
    EXPECT_FALSE(root.set("s", Type::remove_wins_set).contains("x")) << name;
    EXPECT_EQ(root.counter("n").value(), 1) << name;
    EXPECT_TRUE(w.run_until([&] { return !w.document(name).remembers_removals(); }, seconds(90)));
  }
  w.check_everything();
}

// Equal summaries alone do not say under which id a member writes.
TEST(CoreRetiring, ids_of_members_stay_when_nodes_are_started_again) {
  World w(9);
  w.add_mesh(members, name_members);
  for (const std::string& name : members) w.put(name, "k", Value(name));
  ASSERT_TRUE(w.converge());
  for (const std::string& name : members) {
    w.run_for(seconds(10));
    w.crash(name);
    w.start(name);
  }
  w.run_for(seconds(60));
  for (const std::string& name : members) {
    EXPECT_EQ(w.document(name).clock().size(), members.size());
    EXPECT_EQ(w.core(name).counters().ids_retired, 0u) << name;
  }
}

TEST(CoreRetiring, nothing_is_retired_while_a_member_is_away) {
  World w(6);
  w.add_mesh(members, name_members);
  for (const std::string& name : members) w.put(name, "k", Value(name));
  ASSERT_TRUE(w.converge());
  w.crash("c");
  replace(w, "a");
  ASSERT_TRUE(w.run_until([&] { return w.core("a").has_space("s"); }, seconds(10)));
  w.put("a", "k", Value("new"));
  w.run_for(seconds(60));
  EXPECT_TRUE(w.document("b").retired().empty());
  w.start("c");
  ASSERT_TRUE(w.converge());
  write_after_all(w);
  EXPECT_TRUE(all_leave_out(w, members.size()));
  w.check_everything();
}

// What a retired id removed is forgotten. b and d hear that a leaves it out before they hear of
// what c wrote without having seen the removal.
TEST(CoreRetiring, removal_by_a_retired_id_holds_for_what_is_still_on_its_way) {
  World w(7);
  const std::vector<std::string> four{"a", "b", "c", "d"};
  w.add_mesh(four, [&](CoreOptions& o) {
    o.members = four;
    o.forget_after = seconds(5);
  });
  const auto add = [](Transaction& t) { return t.root().set("s", Type::remove_wins_set).add("x"); };
  const auto remove = [](Transaction& t) {
    return t.root().set("s", Type::remove_wins_set).remove("x");
  };
  const auto three_agree = [&] {
    return w.document("b").clock() == w.document("a").clock() &&
           w.document("d").clock() == w.document("a").clock();
  };
  for (const std::string& name : four) w.write(name, add);
  ASSERT_TRUE(w.converge());
  w.run_for(seconds(10));
  w.isolate("c");
  w.write("a", remove);
  w.write("c", add);
  const ReplicaId gone = w.document("a").self();
  ASSERT_TRUE(w.run_until(three_agree));
  w.run_for(seconds(1));
  replace(w, "a");
  ASSERT_TRUE(w.run_until([&] { return w.core("a").has_space("s"); }));
  w.put("a", "k", Value("of the new one"));
  ASSERT_TRUE(w.run_until(three_agree));
  w.put("a", "k", Value("when it has seen the removal"));
  ASSERT_TRUE(w.run_until(three_agree));

  w.heal();
  const std::set<std::string> lagging{"b", "d"};
  w.tap = [&](const std::string& from, const Send& send) {
    const std::string kind = send.kind;
    const bool brings_writes = kind == "events" || kind == "chunk";
    return !brings_writes || lagging.contains(from) || !lagging.contains(send.to);
  };
  ASSERT_TRUE(w.run_until([&] { return w.document("a").retired().get(gone) != 0; }, seconds(60)));
  w.run_for(seconds(20));
  w.tap = nullptr;
  ASSERT_TRUE(w.converge()) << w.describe();
  for (const std::string& name : four) {
    EXPECT_FALSE(w.document(name).root().set("s", Type::remove_wins_set).contains("x")) << name;
  }
  w.check_everything();
}

// d is no member, and is gone for good when e brings what it wrote last.
TEST(CoreRetiring, news_of_a_retired_id_comes_from_another_than_its_writer) {
  World w(10);
  w.add_mesh({"a", "b", "c", "d", "e"}, name_members);
  w.put("d", "k", Value("first"));
  ASSERT_TRUE(w.converge());
  w.run_for(seconds(10));
  for (const std::string& name : members) {
    w.cut(name, "d");
    w.cut(name, "e");
  }
  const Dot late = w.put("d", "k", Value("late")).event->id();
  ASSERT_TRUE(w.run_until([&] { return w.document("e").seen(late.replica) == late.sequence; }));
  w.crash("d");
  write_after_all(w);
  ASSERT_TRUE(all_retired(w, late.replica)) << w.describe();

  w.heal();
  ASSERT_TRUE(w.converge("s", seconds(60))) << w.describe();
  EXPECT_EQ(w.document("a").root().reg("k").get(), Value("late"));
  w.check_everything();
}

// d is no member, and has not heard of a removal by an id that the members retire and of which
// nothing is left. A new node does not name that in what it writes: its state came without it.
TEST(CoreRetiring, one_that_lacks_what_was_retired_is_given_no_single_events) {
  World w(11);
  w.add_mesh({"a", "b", "c", "d"}, name_members);
  for (const std::string& name : members) w.put(name, name, Value(name));
  w.put("a", "removed", Value("there"));
  ASSERT_TRUE(w.converge());
  w.run_for(seconds(10));
  bool brings_writes = false;
  w.tap = [&](const std::string& from, const Send& send) {
    const std::string kind = send.kind;
    if (from == "d") return kind == "hello" || kind == "summary" || kind == "ack";
    return send.to != "d" || kind == "hello" || (kind == "events" && brings_writes);
  };
  const ReplicaId gone = w.document("c").self();
  w.write("c", [](Transaction& t) { return t.root().reg("removed").clear(); });
  w.write("c", [](Transaction& t) { return t.root().reg("c").clear(); });
  ASSERT_TRUE(members_agree(w));
  write_after_all(w);
  w.run_for(seconds(10));
  replace(w, "c");
  ASSERT_TRUE(members_agree(w));
  ASSERT_TRUE(all_retired(w, gone)) << w.describe();
  w.run_for(seconds(5));
  replace(w, "c");
  ASSERT_TRUE(members_agree(w));
  brings_writes = true;
  w.put("c", "then", Value("of the new one"));
  const auto has = [&](const char* key) { return w.document("d").root().reg(key).exists(); };
  (void)w.run_until([&] { return has("then"); }, seconds(10));
  EXPECT_FALSE(has("then") && has("removed"));

  w.tap = nullptr;
  ASSERT_TRUE(w.converge()) << w.describe();
  EXPECT_TRUE(has("then") && !has("removed"));
  w.check_everything();
}

// d does not know who the members are, and cannot find out that an id is gone.
TEST(CoreRetiring, one_that_cannot_tell_what_is_gone_leaves_out_what_others_do) {
  World w(12);
  w.add_mesh({"a", "b", "c", "d"}, [](CoreOptions& o) {
    if (o.name != "d") name_members(o);
  });
  for (int i = 0; i < 6; ++i) {
    w.put("d", "mine", Value(std::int64_t{i}));
    replace_many(w, 3);
  }
  w.put("a", "k", Value("in the end"));
  ASSERT_TRUE(w.converge());
  EXPECT_TRUE(w.run_until([&] { return w.document("d").clock().size() <= 4; }, seconds(60)))
      << w.describe();
  EXPECT_TRUE(all_leave_out(w, 4)) << w.describe();
  w.check_everything();
}

// d is no member, and known to a alone.
TEST(CoreRetiring, one_that_comes_back_and_writes_nothing_leaves_all_quiet) {
  World w(13);
  w.add("a", {"b", "c", "d"}, name_members);
  w.add("b", {"a", "c"}, name_members);
  w.add("c", {"a", "b"}, name_members);
  w.add("d", {"a"});
  const Dot first = w.put("d", "k", Value("of d")).event->id();
  const ReplicaId d = first.replica;
  for (const std::string& name : members) w.put(name, "k", Value(name));
  ASSERT_TRUE(w.converge());
  w.run_for(seconds(10));
  w.cut("a", "d");
  write_after_all(w);
  ASSERT_TRUE(all_retired(w, d)) << w.describe();

  w.heal();
  w.run_for(seconds(30));
  w.forget_traffic();
  w.run_for(seconds(30));
  for (const auto& [what, count] : w.messages_sent) {
    EXPECT_EQ(what.second, "summary") << what.first << " sent " << count;
  }
  EXPECT_EQ(w.document("d").retired().get(d), first.sequence);
  EXPECT_TRUE(w.core("d").durable_here("s", first));
  EXPECT_EQ(w.core("d").durable_at("s", first), std::vector<std::string>{"a"});
  const Dot later = w.put("d", "later", Value("of d")).event->id();
  EXPECT_EQ(later, (Dot{d, first.sequence + 1}));
  EXPECT_FALSE(w.core("d").durable_here("s", later));
  // Sooner than by the next exchange: a is known to have what d had written before.
  EXPECT_TRUE(w.run_until([&] { return w.document("a").seen(d) == 2; }, milliseconds(100)));
  ASSERT_TRUE(w.converge()) << w.describe();
  for (const std::string& name : members) EXPECT_EQ(w.document(name).clock().get(d), 2u) << name;
  w.check_everything();
}

// A process that was just started has not said yet under which id it writes.
TEST(CoreRetiring, an_id_stays_until_all_members_have_said_what_they_write_under) {
  World w(16);
  w.add_mesh(members, name_members);
  for (const std::string& name : members) w.put(name, name, Value(name));
  ASSERT_TRUE(w.converge());
  write_after_all(w);
  w.run_for(seconds(30));
  const ReplicaId b = w.document("b").self();
  w.crash("b");
  w.run_for(seconds(10));
  w.tap = [](const std::string& from, const Send& send) {
    return from != "b" || send.kind != std::string("clock_report");
  };
  w.start("b");
  w.run_for(seconds(20));
  EXPECT_EQ(w.document("a").retired().get(b), 0u);
  w.tap = {};
  ASSERT_TRUE(w.converge());
  w.run_for(seconds(20));
  EXPECT_EQ(w.document("a").retired().get(b), 0u);
  EXPECT_EQ(w.document("b").self(), b);
  w.check_everything();
}

// Whoever did not hear that a transfer had ended goes on with it.
TEST(CoreRetiring, an_old_delta_names_nothing_again) {
  World w(15);
  w.add_mesh(members, [](CoreOptions& o) {
    name_members(o);
    o.recent_bytes_max = 500;
  });
  const auto retire_c = [&](const ReplicaId& id) {
    replace(w, "c");
    ASSERT_TRUE(members_agree(w));
    write_after_all(w);
    ASSERT_TRUE(all_retired(w, id)) << w.describe();
    w.run_for(seconds(10));
  };
  const Dot first = w.put("c", "k", Value("of the first c")).event->id();
  ASSERT_TRUE(w.converge());
  retire_c(first.replica);
  const Dot second = w.put("c", "k", Value("of the second c")).event->id();
  ASSERT_TRUE(w.converge());
  std::vector<std::string> chunks;
  w.tap = [&](const std::string& from, const Send& send) {
    if (from == "b" && send.to == "a" && send.kind == std::string("chunk")) {
      chunks.push_back(send.bytes);
      return false;
    }
    return true;
  };
  w.isolate("a");
  fill(w, "b", 100);
  for (int i = 0; i < 20; ++i) w.put("b", "k", Value(std::int64_t{i}));
  w.run_for(seconds(10));
  w.heal();
  w.cut("a", "c");
  ASSERT_TRUE(w.run_until([&] { return !chunks.empty(); }));
  w.heal();  // a is told by c
  ASSERT_TRUE(w.converge());
  retire_c(second.replica);

  w.tap = {};
  for (const std::string& chunk : chunks) w.deliver("b", "a", chunk);
  w.run_for(seconds(1));
  EXPECT_EQ(w.document("a").clock().get(second.replica), 0u);
  EXPECT_EQ(w.document("a").retired().get(second.replica), second.sequence);
  w.check_everything();
}

// On a link that holds messages up and lets others overtake them.
TEST(CoreRetiring, a_late_report_is_made_up_for_by_the_next_summary) {
  World w(14);
  w.add_mesh(members, name_members);
  std::string late;
  w.tap = [&](const std::string& from, const Send& send) {
    if (from == "b" && send.to == "a" && send.kind == std::string("clock_report")) {
      late = send.bytes;
    }
    return true;
  };
  w.isolate("a");
  w.put("a", "k", Value("from a"));
  w.put("b", "k", Value("from b"));
  w.run_for(seconds(10));
  w.heal();
  ASSERT_TRUE(w.converge());
  ASSERT_FALSE(late.empty());
  w.tap = {};
  const Dot first = w.put("c", "k", Value("of the first c")).event->id();
  ASSERT_TRUE(w.converge());
  replace(w, "c");
  ASSERT_TRUE(members_agree(w));
  write_after_all(w);
  ASSERT_TRUE(all_retired(w, first.replica)) << w.describe();
  w.run_for(seconds(10));
  const std::vector<std::string> others{"b", "c"};
  ASSERT_EQ(w.core("a").durable_at("s", first), others);

  w.deliver("b", "a", late);
  w.run_for(seconds(5));
  EXPECT_EQ(w.core("a").durable_at("s", first), others);
  w.forget_traffic();
  w.run_for(seconds(10));
  for (const auto& [what, count] : w.messages_sent) {
    EXPECT_EQ(what.second, "summary") << what.first << " sent " << count;
  }
  w.check_everything();
}

}  // namespace
}  // namespace rejoin::node::testing
