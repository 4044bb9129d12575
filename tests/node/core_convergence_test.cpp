// Random worlds: whatever the network, the disks and the machines do, once they stop doing it all
// nodes agree, nothing acknowledged is lost, and only summaries are sent.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "core_world.h"

namespace rejoin::node::testing {
namespace {

using std::chrono::seconds;

// How bad it gets.
struct Weather {
  const char* name;
  bool crashes = false;
  bool disks_are_lost = false;  // whole
  bool last_batches_are_lost = false;
};

std::vector<std::vector<std::string>> draw_topology(Dice& dice, std::size_t count) {
  std::vector<std::set<std::size_t>> links(count);
  const auto join = [&](std::size_t a, std::size_t b) {
    if (a == b) return;
    links[a].insert(b);
    links[b].insert(a);
  };
  const auto shape = dice.below(4);
  for (std::size_t i = 1; i < count; ++i) {
    if (shape == 0) {  // mesh
      for (std::size_t j = 0; j < i; ++j) join(i, j);
    } else if (shape == 1) {  // line
      join(i, i - 1);
    } else if (shape == 2) {  // star
      join(i, 0);
    } else {  // anything connected
      join(i, dice.below(i));
      join(i, dice.below(count));
    }
  }
  std::vector<std::vector<std::string>> peers(count);
  for (std::size_t i = 0; i < count; ++i) {
    for (const std::size_t j : links[i]) {
      peers[i].push_back(std::string(1, static_cast<char>('a' + j)));
    }
    // Of a pair one alone may dial.
    if (peers[i].size() > 1 && dice.chance(0.1)) peers[i].pop_back();
  }
  return peers;
}

void draw_options(Dice& dice, CoreOptions& o) {
  o.exchange_interval = milliseconds(50 + dice.below(1000));
  o.peer_timeout = milliseconds(3500 + dice.below(3000));  // longer than anybody's interval
  o.resend_after = milliseconds(20 + dice.below(500));
  o.gap_report_interval = milliseconds(5 + dice.below(100));
  o.relay_delay = milliseconds(5 + dice.below(200));
  o.push_bytes_max = 100 + dice.below(20'000);
  o.recent_bytes_max = 200 + dice.below(dice.chance(0.5) ? 3'000 : 1'000'000);
  o.waiting_bytes_max = 500 + dice.below(100'000);
  o.catchup_bytes_max = 200 + dice.below(50'000);
  o.chunk_bytes = 50 + dice.below(5'000);
  o.chunk_window = 1 + dice.below(8);
  o.transfer_timeout = milliseconds(1'000 + dice.below(59'000));
  o.outgoing_transfers_max = 1 + dice.below(4);
  o.checkpoint_log_bytes = dice.chance(0.3) ? 1 : 500 + dice.below(100'000);
  o.gated_bytes_max = 2'000 + dice.below(100'000);
  o.digests_per_message = 1 + dice.below(4);
}

Status random_write(Dice& dice, Transaction& t) {
  const auto name = [&] { return "n" + std::to_string(dice.below(5)); };
  for (std::uint64_t n = 1 + dice.below(4); n > 0; --n) {
    MapRef map = t.root();
    if (dice.chance(0.5)) map = map.map(name());
    Status status;
    switch (dice.below(10)) {
      case 0:
      case 1:
        status = map.reg(name()).set(static_cast<std::int64_t>(dice.below(1000)));
        break;
      case 2:
        status = map.counter(name()).add(static_cast<std::int64_t>(dice.below(10)));
        break;
      case 3:
        status = map.counter(name()).reset();
        break;
      case 4:
        status = map.set(name()).add(static_cast<std::int64_t>(dice.below(5)));
        break;
      case 5:
        status =
            map.set(name(), Type::remove_wins_set).remove(static_cast<std::int64_t>(dice.below(5)));
        break;
      case 6:
        status = map.flag(name()).set(dice.chance(0.5));
        break;
      case 7: {
        ListRef list = map.list(name());
        if (list.size() > 0 && dice.chance(0.4)) {
          status = list.remove(dice.below(list.size()));
        } else {
          status = list.insert(dice.below(list.size() + 1), "some text of some length");
        }
        break;
      }
      case 8:
        status = t.root().remove(name(), Type::map);
        break;
      default:
        status = map.remove(name(), dice.chance(0.5) ? Type::reg : Type::list);
        break;
    }
    if (!status.ok()) return status;
  }
  return {};
}

class CoreConvergence : public ::testing::TestWithParam<Weather> {
 protected:
  void run_seed(std::uint64_t seed);
};

void CoreConvergence::run_seed(std::uint64_t seed) {
  const Weather& weather = GetParam();
  World w(seed);
  Dice& dice = w.dice;
  w.network.latency_min = microseconds(100 + dice.below(20'000));
  w.network.latency_max = w.network.latency_min + microseconds(dice.below(100'000));
  w.network.loss = dice.chance(0.5) ? 0 : 0.001 * static_cast<double>(dice.below(200));
  w.network.duplication = dice.chance(0.5) ? 0 : 0.001 * static_cast<double>(dice.below(100));
  w.network.in_order = dice.chance(0.5);
  const std::size_t count = 2 + dice.below(4);
  const auto topology = draw_topology(dice, count);
  std::vector<std::string> names;
  for (std::size_t i = 0; i < count; ++i)
    names.push_back(std::string(1, static_cast<char>('a' + i)));
  const bool everyone_is_heard =
      std::ranges::all_of(topology, [&](const auto& p) { return p.size() == count - 1; });
  for (std::size_t i = 0; i < count; ++i) {
    w.add(names[i], topology[i],
          [&](CoreOptions& o) {
            draw_options(dice, o);
            o.members = names;
            o.forget_after = seconds(2);
            // Whoever lost what it had acknowledged may lack a removal that others have forgotten,
            // because it had said that it keeps it: nothing but a comparison of states finds that.
            if (weather.last_batches_are_lost) o.members.push_back("nobody");
          },
          {{"s", true}, {"e", false}});
    w.machine(names[i]).clock_skew_millis =
        dice.chance(0.7) ? 0 : static_cast<std::int64_t>(dice.below(200'000)) - 100'000;
  }

  const bool receipts_hold = !weather.disks_are_lost && !weather.last_batches_are_lost;
  std::vector<std::pair<std::string, Dot>> unkept;  // committed, not known to be durable yet
  std::vector<Dot> kept;
  const auto look_at_receipts = [&] {
    std::erase_if(unkept, [&](const auto& commit) {
      if (!w.machine(commit.first).core) return true;
      if (receipts_hold) w.check_receipts(commit.first, "s", commit.second);
      if (!w.core(commit.first).durable_here("s", commit.second)) return false;
      kept.push_back(commit.second);
      return true;
    });
    if (!receipts_hold || kept.empty()) return;
    const Dot& dot = kept[dice.below(kept.size())];
    for (const std::string& name : names) w.check_receipts(name, "s", dot);
  };

  const int steps = 150;
  for (int i = 0; i < steps && !HasFailure(); ++i) {
    const std::string& name = names[dice.below(count)];
    World::Machine& machine = w.machine(name);
    const auto what = dice.below(20);
    if (what < 12) {
      if (machine.core) {
        const std::string space = dice.chance(0.8) ? "s" : "e";
        const Committed committed = w.write(
            name, [&](Transaction& t) { return random_write(dice, t); }, space);
        if (committed.event && space == "s") unkept.emplace_back(name, committed.event->id());
      }
    } else if (what == 12) {
      w.cut(name, names[dice.below(count)]);
    } else if (what == 13) {
      w.cuts.insert({name, names[dice.below(count)]});
    } else if (what == 14) {
      w.isolate(name);
    } else if (what == 15) {
      w.heal();
    } else if (what == 16) {
      machine.disk_fails = dice.chance(0.5);
    } else if (what == 17) {
      machine.disk_hangs = dice.chance(0.5);
    } else if (weather.crashes) {
      if (!machine.core) {
        w.start(name);
      } else {
        look_at_receipts();
        w.crash(name);
        if (weather.disks_are_lost && dice.chance(0.3)) {
          machine.disk = FakeDisk();
          machine.durable.clear();
        }
        if (weather.last_batches_are_lost && dice.chance(0.5)) {
          machine.disk.lose_last(1 + dice.below(3));
        }
      }
    }
    look_at_receipts();
    w.run_for(milliseconds(dice.chance(0.1) ? dice.below(8'000) : dice.below(80)));
    if (i % 10 == 0) {
      for (const std::string& n : names) {
        if (!w.machine(n).core) continue;
        const Status status = w.core(n).check_invariants();
        ASSERT_TRUE(status.ok()) << status.error().to_string();
      }
    }
  }

  w.heal();
  for (const std::string& name : names) {
    World::Machine& machine = w.machine(name);
    machine.disk_fails = machine.disk_hangs = false;
    if (!machine.core) w.start(name);
  }
  ASSERT_TRUE(w.converge("s", seconds(300))) << w.describe();
  ASSERT_TRUE(w.converge("e", seconds(300))) << w.describe("e");
  w.check_everything();
  if (receipts_hold) {
    for (const Dot& dot : kept) {
      EXPECT_TRUE(w.document("a").clock_with_retired().includes(dot))
          << dot.to_string() << " was kept and is lost";
    }
  }
  // Soon everybody knows that everybody has everything.
  w.network.loss = w.network.duplication = 0;
  const auto silent = [&] {
    w.forget_traffic();
    w.run_for(seconds(10));
    for (const auto& [what, sent] : w.messages_sent) {
      if (what.second != "summary") return false;
    }
    return true;
  };
  int rounds = 0;
  while (!silent() && !HasFailure()) {
    for (const auto& [what, sent] : w.messages_sent) {
      if (rounds == 8)
        ADD_FAILURE() << what.first << " still sends " << what.second << ": " << sent;
    }
    ++rounds;
  }
  for (const std::string& name : names) {
    // What is left of transfers that their senders gave up goes in its time.
    EXPECT_TRUE(w.run_until([&] { return w.core(name).buffered_bytes() == 0; }, seconds(60)));
    if (everyone_is_heard && !weather.last_batches_are_lost) {
      EXPECT_TRUE(w.run_until([&] { return w.document(name).touch_count() == 0; })) << name;
    }
  }
  w.check_everything();
}

TEST_P(CoreConvergence, random_worlds_agree_when_they_heal) {
  const char* only = std::getenv("REJOIN_SEED");
  const char* many = std::getenv("REJOIN_SEEDS");
  const std::uint64_t first = only ? std::strtoull(only, nullptr, 10) : 1;
  const std::uint64_t last = only ? first : many ? std::strtoull(many, nullptr, 10) : 40;
  for (std::uint64_t seed = first; seed <= last; ++seed) {
    SCOPED_TRACE("again with REJOIN_SEED=" + std::to_string(seed));
    run_seed(seed);
    ASSERT_FALSE(HasFailure());
  }
}

INSTANTIATE_TEST_SUITE_P(
    Weather, CoreConvergence,
    ::testing::Values(Weather{.name = "network"}, Weather{.name = "crashes", .crashes = true},
                      Weather{.name = "lost_disks", .crashes = true, .disks_are_lost = true},
                      Weather{
                          .name = "lost_batches", .crashes = true, .last_batches_are_lost = true}),
    [](const auto& weather) { return std::string(weather.param.name); });

}  // namespace
}  // namespace rejoin::node::testing
