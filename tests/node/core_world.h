// A small world for replica cores: virtual time, a network that delays, loses, doubles and
// reorders, and disks that keep what was written whole and nothing else. Everything follows from
// one seed.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "rejoin/crdt/codec.h"
#include "rejoin/crdt/delta.h"
#include "rejoin/crdt/types/map.h"
#include "rejoin/node/core.h"
#include "rejoin/node/storage.h"
#include "rejoin/transport/message.h"

namespace rejoin::node::testing {

using std::chrono::microseconds;
using std::chrono::milliseconds;

// splitmix64.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9E3779B97F4A7C15ull);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
  }
  std::uint64_t below(std::uint64_t n) { return n == 0 ? 0 : next() % n; }
  bool chance(double p) { return static_cast<double>(next() >> 11) * 0x1p-53 < p; }

 private:
  std::uint64_t state_;
};

// Keeps batches; what is loaded is what they amount to.
class FakeDisk {
 public:
  void write(std::shared_ptr<const PersistBatch> batch) { batches_.push_back(std::move(batch)); }
  void lose_last(std::size_t count) {
    while (count-- > 0 && !batches_.empty()) batches_.pop_back();
  }
  const std::vector<std::shared_ptr<const PersistBatch>>& batches() const { return batches_; }
  std::vector<StoredSpace> load() const;

 private:
  std::vector<std::shared_ptr<const PersistBatch>> batches_;
};

struct NetworkOptions {
  microseconds latency_min{500};
  microseconds latency_max{2000};
  double loss = 0;
  double duplication = 0;
  bool in_order = false;               // between two nodes, as ZeroMQ keeps it
  std::uint64_t bytes_per_second = 0;  // of each direction of each link; 0: without bound
};

using Adjust = std::function<void(CoreOptions&)>;
using SpaceList = std::vector<std::pair<std::string, bool>>;  // name, durable

class World {
 public:
  struct Machine {
    CoreOptions options;
    SpaceList spaces;
    std::unique_ptr<Core> core;  // null while crashed
    FakeDisk disk;
    std::uint64_t starts = 0;
    std::int64_t clock_skew_millis = 0;
    microseconds disk_latency_min{100};
    microseconds disk_latency_max{1500};
    bool disk_fails = false;
    bool disk_hangs = false;
    // What is being written, and by space the clock that is durable when it is.
    std::shared_ptr<const PersistBatch> writing;
    std::map<std::string, Clock> writing_clocks;
    microseconds written_at{0};
    std::map<std::string, Clock> durable;  // by space, as this world saw it written
    // For the gate: the last own write when a state hash was first seen, by space.
    std::map<std::string, std::map<StateHash, Dot>> seen_at;
    std::vector<Notice> notices;
  };

  explicit World(std::uint64_t seed) : dice(seed), seed_(seed) {}

  // ---- Building ----
  void add(const std::string& name, const std::vector<std::string>& peers,
           const Adjust& adjust = {}, SpaceList spaces = {{"s", true}});
  // Nodes that all know each other.
  void add_mesh(const std::vector<std::string>& names, const Adjust& adjust = {},
                SpaceList spaces = {{"s", true}});

  Machine& machine(const std::string& name) { return machines.at(name); }
  Core& core(const std::string& name) { return *machines.at(name).core; }
  const Document& document(const std::string& name, const std::string& space = "s") {
    return core(name).document(space);
  }
  Now now_of(const std::string& name) const;

  // ---- Doing ----
  Committed write(const std::string& name, const std::function<Status(Transaction&)>& write,
                  const std::string& space = "s");
  Committed put(const std::string& name, const std::string& key, const Value& value,
                const std::string& space = "s");
  void deliver(const std::string& from, const std::string& to, const std::string& bytes);
  void crash(const std::string& name);
  void start(const std::string& name);
  void cut(const std::string& a, const std::string& b) {
    cuts.insert({a, b});
    cuts.insert({b, a});
  }
  void isolate(const std::string& name);
  void heal() { cuts.clear(); }
  // Gives the core's output to the network and the disk; after calling a core directly.
  void drain(const std::string& name);

  // ---- Time ----
  void run_for(microseconds span);
  // False when `span` passed first.
  bool run_until(const std::function<bool()>& condition,
                 microseconds span = std::chrono::minutes(2));
  bool converge(const std::string& space = "s", microseconds span = std::chrono::minutes(2)) {
    return run_until([&] { return converged(space); }, span);
  }

  // ---- Checking ----
  bool converged(const std::string& space = "s");  // equal clocks
  // Invariants of every core; and equal states wherever clocks are equal.
  void check_everything();
  std::string describe(const std::string& space = "s");  // who has what, and thinks what of whom
  // What a node says of a write's durability is so; meaningless once a disk was lost.
  void check_receipts(const std::string& name, const std::string& space, const Dot& dot);

  Dice dice;
  microseconds now{std::chrono::seconds(1000)};
  NetworkOptions network;
  std::map<std::string, Machine> machines;
  std::set<std::pair<std::string, std::string>> cuts;
  // Sees each message as it leaves; false drops it.
  std::function<bool(const std::string& from, const Send&)> tap;
  std::map<std::pair<std::string, std::string>, std::uint64_t> bytes_sent;  // (from, kind)
  std::map<std::pair<std::string, std::string>, std::uint64_t> messages_sent;
  std::uint64_t sent_total() const;
  void forget_traffic() {
    bytes_sent.clear();
    messages_sent.clear();
  }
  std::uint64_t trace = 0;  // a hash of everything that was sent
  bool check_gate = true;

 private:
  struct Packet {
    std::string from;
    std::string to;
    std::string bytes;
  };
  void step(microseconds limit);
  void check_released(const std::string& name, const Send& send);
  void note_state(const std::string& name);

  std::uint64_t seed_;
  std::uint64_t sent_ = 0;
  std::map<std::pair<microseconds, std::uint64_t>, Packet> packets_;
  std::map<std::pair<std::string, std::string>, microseconds> last_arrival_;
  std::map<std::pair<std::string, std::string>, microseconds> free_at_;
};

// ---- What tests of several files do ----

inline std::uint64_t of_kind(const World& w, const std::string& kind) {
  std::uint64_t bytes = 0;
  for (const auto& [what, sent] : w.bytes_sent) bytes += what.second == kind ? sent : 0;
  return bytes;
}

inline std::string text(Dice& dice, std::size_t size) {
  std::string s;
  while (s.size() < size) s += static_cast<char>('a' + dice.below(26));
  return s;
}

// Registers `prefix`0, `prefix`1, ..., a hundred an event.
inline void fill(World& w, const std::string& name, int keys, const std::string& prefix = "k",
                 std::size_t value_size = 16) {
  for (int i = 0; i < keys;) {
    w.write(name, [&](Transaction& t) {
      for (int n = 0; n < 100 && i < keys; ++n, ++i) {
        if (Status s = t.root().reg(prefix + std::to_string(i)).set(text(w.dice, value_size));
            !s.ok()) {
          return s;
        }
      }
      return Status();
    });
  }
}

// ---- Implementation ----

inline std::vector<StoredSpace> FakeDisk::load() const {
  struct Kept {
    ReplicaId replica;
    HybridTime last_time;
    std::string header;
    std::map<std::string, std::string> cells;
    std::optional<StateHash> hash;
    std::vector<LogRecord> log;
  };
  std::map<std::string, Kept> spaces;
  for (const auto& batch : batches_) {
    for (const SpaceRecord& record : batch->spaces) spaces[record.space].replica = record.replica;
    for (const LogRecord& record : batch->log) spaces.at(record.space).log.push_back(record);
    for (const CheckpointRecord& record : batch->checkpoints) {
      Kept& kept = spaces.at(record.space);
      kept.header = record.header;
      kept.last_time = record.last_time;
      kept.hash = record.hash;
      kept.log.clear();
      for (const Document::StoredCell& cell : record.dirty_cells) {
        if (cell.bytes.empty()) {
          kept.cells.erase(cell.key);
        } else {
          kept.cells[cell.key] = cell.bytes;
        }
      }
    }
  }
  std::vector<StoredSpace> loaded;
  const auto must = [](const Status& status) {
    if (!status.ok()) ADD_FAILURE() << status.error().to_string();
  };
  for (auto& [name, kept] : spaces) {
    SpaceLoader loader(name, kept.replica, kept.last_time);
    if (!kept.header.empty()) must(loader.header(kept.header));
    for (const auto& [key, bytes] : kept.cells) must(loader.cell(key, bytes));
    if (kept.hash) loader.expect_hash(*kept.hash);
    for (LogRecord& record : kept.log) must(loader.record(record.kind, record.bytes));
    Result<StoredSpace> space = loader.finish();
    if (!space.ok()) {
      ADD_FAILURE() << space.error().to_string();
      continue;
    }
    loaded.push_back(std::move(*space));
  }
  return loaded;
}

inline void World::add(const std::string& name, const std::vector<std::string>& peers,
                       const Adjust& adjust, SpaceList spaces) {
  Machine& machine = machines[name];
  machine.options.name = name;
  machine.options.peers = peers;
  if (adjust) adjust(machine.options);
  machine.spaces = std::move(spaces);
  start(name);
}

inline void World::add_mesh(const std::vector<std::string>& names, const Adjust& adjust,
                            SpaceList spaces) {
  for (const std::string& name : names) {
    std::vector<std::string> peers;
    for (const std::string& other : names) {
      if (other != name) peers.push_back(other);
    }
    add(name, peers, adjust, spaces);
  }
}

inline Now World::now_of(const std::string& name) const {
  const auto wall = 1'700'000'000'000ll + now.count() / 1000 + machines.at(name).clock_skew_millis;
  return Now{now, static_cast<std::uint64_t>(wall)};
}

inline void World::start(const std::string& name) {
  Machine& machine = machines.at(name);
  ASSERT_FALSE(machine.core);
  CoreOptions options = machine.options;
  options.random_seed[0] = seed_ ^ hash_bytes(name).low;
  options.random_seed[1] = ++machine.starts;
  machine.core = std::make_unique<Core>(options, now_of(name));
  machine.durable.clear();
  for (StoredSpace& stored : machine.disk.load()) {
    machine.durable[stored.name] = stored.document.clock_with_retired();
    const Status opened = machine.core->open_space(std::move(stored), now_of(name));
    ASSERT_TRUE(opened.ok()) << opened.error().to_string();
  }
  for (const auto& [space, durable] : machine.spaces) {
    const Status opened = machine.core->open_space(space, SpaceOptions{durable}, now_of(name));
    ASSERT_TRUE(opened.ok()) << opened.error().to_string();
  }
  drain(name);
}

inline void World::crash(const std::string& name) {
  Machine& machine = machines.at(name);
  machine.core.reset();
  machine.writing.reset();
  machine.writing_clocks.clear();
  machine.seen_at.clear();
}

inline void World::isolate(const std::string& name) {
  for (const auto& [other, machine] : machines) {
    if (other != name) cut(name, other);
  }
}

inline Committed World::write(const std::string& name,
                              const std::function<Status(Transaction&)>& write,
                              const std::string& space) {
  Result<Committed> committed = core(name).transact(space, name, "", write, now_of(name));
  if (!committed.ok()) {
    ADD_FAILURE() << committed.error().to_string();
    return {};
  }
  drain(name);
  return *committed;
}

inline Committed World::put(const std::string& name, const std::string& key, const Value& value,
                            const std::string& space) {
  return write(
      name, [&](Transaction& t) { return t.root().reg(key).set(value); }, space);
}

inline void World::note_state(const std::string& name) {
  Machine& machine = machines.at(name);
  for (const std::string& space : machine.core->spaces()) {
    const Document& document = machine.core->document(space);
    const ReplicaId self = document.self();
    machine.seen_at[space].try_emplace(document.hash(), Dot{self, document.seen(self)});
  }
}

// The gate, seen from outside: no message tells of an own write that is not on the disk.
inline void World::check_released(const std::string& name, const Send& send) {
  Machine& machine = machines.at(name);
  const Result<transport::Message> decoded = transport::decode(send.bytes);
  ASSERT_TRUE(decoded.ok()) << decoded.error().to_string();
  const auto self_in = [&](const std::string& space) {
    return machine.core->document(space).self();
  };
  const auto is_durable = [&](const std::string& space) {
    for (const auto& [own, durable] : machine.spaces) {
      if (own == space) return durable;
    }
    return true;
  };
  const auto check_clock = [&](const std::string& space, const Clock& clock) {
    if (!is_durable(space)) return;
    ASSERT_LE(clock.get(self_in(space)), machine.durable[space].get(self_in(space)))
        << name << " sent a " << send.kind << " with writes that are not durable";
  };
  const auto check_state = [&](const std::string& space, const StateHash& state) {
    if (!is_durable(space)) return;
    const auto seen = machine.seen_at[space].find(state);
    ASSERT_NE(seen, machine.seen_at[space].end()) << name << " sent a state that it never had";
    ASSERT_TRUE(machine.durable[space].includes(seen->second))
        << name << " sent a " << send.kind << " of a state that is not durable";
  };
  if (const auto* report = std::get_if<transport::ClockReport>(&decoded->body)) {
    check_clock(report->space, report->applied);
    check_state(report->space, report->state);
  } else if (const auto* digests = std::get_if<transport::Digests>(&decoded->body)) {
    for (const auto& digest : digests->digests) {
      if (digest.clock != StateHash{}) check_state(digest.space, digest.state);
    }
  } else if (const auto* events = std::get_if<transport::Events>(&decoded->body)) {
    for (const EventPtr& event : events->events) {
      Clock clock;
      clock.advance(event->id());
      check_clock(events->space, clock);
    }
  } else if (const auto* ack = std::get_if<transport::Ack>(&decoded->body)) {
    if (is_durable(ack->space)) {
      ASSERT_TRUE(machine.durable[ack->space].includes(ack->durable))
          << name << " acknowledged what is not durable";
    }
  } else if (const auto* chunk = std::get_if<transport::Chunk>(&decoded->body)) {
    if (chunk->offset == 0) {
      Reader in(chunk->bytes);
      in.u8();
      const auto base = Clock::decode(in);
      const auto clock = Clock::decode(in);
      if (base.ok() && clock.ok()) check_clock(chunk->space, *clock);
    }
  }
}

inline void World::drain(const std::string& name) {
  Machine& machine = machines.at(name);
  if (check_gate) note_state(name);
  for (Send& send : machine.core->take_sends()) {
    if (check_gate) check_released(name, send);
    bytes_sent[{name, send.kind}] += send.bytes.size();
    ++messages_sent[{name, send.kind}];
    trace = hash_bytes(name + send.to + send.bytes, trace).low;
    if (tap && !tap(name, send)) continue;
    deliver(name, send.to, send.bytes);
  }
  for (Notice& notice : machine.core->take_notices()) {
    if (notice.kind == Notice::Kind::changed || notice.kind == Notice::Kind::progress) continue;
    machine.notices.push_back(std::move(notice));
  }
  if (machine.writing) return;
  machine.writing = machine.core->take_batch();
  if (!machine.writing) return;
  machine.writing_clocks.clear();
  for (const std::string& space : machine.core->spaces()) {
    machine.writing_clocks[space] = machine.core->document(space).clock_with_retired();
  }
  machine.written_at =
      now + machine.disk_latency_min +
      microseconds(dice.below(static_cast<std::uint64_t>(
                                  (machine.disk_latency_max - machine.disk_latency_min).count()) +
                              1));
}

inline void World::deliver(const std::string& from, const std::string& to,
                           const std::string& bytes) {
  if (!machines.contains(to)) return;
  const int copies = dice.chance(network.duplication) ? 2 : 1;
  for (int i = 0; i < copies; ++i) {
    if (dice.chance(network.loss)) continue;
    microseconds departure = now;
    if (network.bytes_per_second > 0) {
      microseconds& free_at = free_at_[{from, to}];
      departure = free_at = std::max(now, free_at) +
                            microseconds(bytes.size() * 1'000'000 / network.bytes_per_second);
    }
    microseconds arrival =
        departure + network.latency_min +
        microseconds(dice.below(
            static_cast<std::uint64_t>((network.latency_max - network.latency_min).count()) + 1));
    if (network.in_order) {
      microseconds& last = last_arrival_[{from, to}];
      arrival = last = std::max(arrival, last);
    }
    packets_.emplace(std::pair(arrival, ++sent_), Packet{from, to, bytes});
  }
}

inline std::uint64_t World::sent_total() const {
  std::uint64_t total = 0;
  for (const auto& [what, bytes] : bytes_sent) total += bytes;
  return total;
}

inline void World::step(microseconds limit) {
  microseconds next = limit;
  if (!packets_.empty()) next = std::min(next, packets_.begin()->first.first);
  for (auto& [name, machine] : machines) {
    if (!machine.core) continue;
    next = std::min(next, machine.core->next_deadline());
    if (machine.writing && !machine.disk_hangs) next = std::min(next, machine.written_at);
  }
  now = std::max(now, next);
  while (!packets_.empty() && packets_.begin()->first.first <= now) {
    const Packet packet = std::move(packets_.begin()->second);
    packets_.erase(packets_.begin());
    Machine& to = machines.at(packet.to);
    if (!to.core || cuts.contains({packet.from, packet.to})) continue;
    to.core->receive(packet.from, packet.bytes, now_of(packet.to));
    drain(packet.to);
  }
  for (auto& [name, machine] : machines) {
    if (!machine.core) continue;
    if (machine.writing && !machine.disk_hangs && machine.written_at <= now) {
      const auto batch = std::exchange(machine.writing, nullptr);
      if (machine.disk_fails) {
        machine.core->persisted(batch->ticket, make_error(ErrorCode::disk_full, "no room left"),
                                now_of(name));
      } else {
        machine.disk.write(batch);
        machine.durable = machine.writing_clocks;
        machine.core->persisted(batch->ticket, {}, now_of(name));
      }
      drain(name);
    }
    if (machine.core->next_deadline() <= now) {
      machine.core->tick(now_of(name));
      EXPECT_GT(machine.core->next_deadline(), now) << "a tick must move the deadline";
      drain(name);
    }
  }
}

inline void World::run_for(microseconds span) {
  const microseconds end = now + span;
  while (now < end && !::testing::Test::HasFailure()) step(end);
}

inline bool World::run_until(const std::function<bool()>& condition, microseconds span) {
  const microseconds end = now + span;
  while (!condition()) {
    if (now >= end || ::testing::Test::HasFailure()) return false;
    step(end);
  }
  return true;
}

inline bool World::converged(const std::string& space) {
  const Document* first = nullptr;
  for (auto& [name, machine] : machines) {
    if (!machine.core || !machine.core->has_space(space)) continue;
    const Document& document = machine.core->document(space);
    if (!first) first = &document;
    if (document.clock_with_retired() != first->clock_with_retired()) return false;
  }
  return true;
}

inline void World::check_everything() {
  std::map<std::string, const Document*> first;
  for (auto& [name, machine] : machines) {
    if (!machine.core) continue;
    const Status status = machine.core->check_invariants();
    EXPECT_TRUE(status.ok()) << name << ": " << status.error().to_string();
    EXPECT_EQ(machine.core->counters().divergences, 0u) << name;
    EXPECT_EQ(machine.core->counters().messages_malformed, 0u)
        << name << (machine.notices.empty() ? "" : ": " + machine.notices.back().detail);
    for (const std::string& space : machine.core->spaces()) {
      const Document& document = machine.core->document(space);
      const Document* other = first.try_emplace(space, &document).first->second;
      if (document.clock() != other->clock()) continue;
      EXPECT_EQ(document.hash(), other->hash()) << name;
      EXPECT_EQ(document.canonical_state(), other->canonical_state()) << name;
    }
  }
}

inline std::string World::describe(const std::string& space) {
  std::string text;
  for (auto& [name, machine] : machines) {
    if (!machine.core) continue;
    const SpaceStatus status = machine.core->status(space, now_of(name));
    const CoreCounters& counters = machine.core->counters();
    text += name + " has " + status.clock.to_string() + ", keeps " +
            status.durable_clock.to_string() + ", " + std::to_string(status.waiting_events) +
            " wait; deltas sent " + std::to_string(counters.deltas_sent) + ", joined " +
            std::to_string(counters.deltas_joined) + ", abandoned " +
            std::to_string(counters.transfers_abandoned) + ", catch-ups " +
            std::to_string(counters.event_catchups_sent) + ", kept back " +
            std::to_string(counters.messages_kept_back) + "\n";
    for (const PeerStatus& peer : status.peers) {
      text += "  " + peer.name + (peer.alive ? " alive " : " silent ") + peer.applied.to_string() +
              "\n";
    }
    if (!machine.notices.empty()) text += "  last: " + machine.notices.back().detail + "\n";
  }
  return text;
}

inline void World::check_receipts(const std::string& name, const std::string& space,
                                  const Dot& dot) {
  Machine& here = machines.at(name);
  if (!here.core) return;
  if (here.core->durable_here(space, dot)) {
    EXPECT_TRUE(here.durable[space].includes(dot))
        << name << " says that it keeps " << dot.to_string();
  }
  for (const std::string& peer : here.core->durable_at(space, dot)) {
    EXPECT_TRUE(machines.at(peer).durable[space].includes(dot))
        << name << " says that " << peer << " keeps " << dot.to_string();
  }
}

}  // namespace rejoin::node::testing
