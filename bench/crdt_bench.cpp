// What the kernel costs: in memory, on one core, with the event of every transaction captured.
#include <benchmark/benchmark.h>
#include <malloc.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "rejoin/crdt/agent/session.h"
#include "rejoin/crdt/document.h"
#include "rejoin/crdt/sketch.h"
#include "rejoin/crdt/transaction.h"

namespace {

using rejoin::Applied;
using rejoin::Clock;
using rejoin::CounterHandle;
using rejoin::decode_symbols;
using rejoin::Delta;
using rejoin::Document;
using rejoin::encode_symbols;
using rejoin::Event;
using rejoin::EventPtr;
using rejoin::HybridTime;
using rejoin::MapRef;
using rejoin::Path;
using rejoin::ReplicaId;
using rejoin::SketchDecoder;
using rejoin::SketchEncoder;
using rejoin::Transaction;
using rejoin::Type;
using rejoin::Value;

// A benchmark whose work did not happen must not report a figure.
template <class T>
void must(const rejoin::Result<T>& result) {
  if (result.ok()) return;
  std::cerr << "benchmark failed: " << result.error().to_string() << '\n';
  std::abort();
}

void must_apply(const rejoin::Result<Applied>& result) {
  must(result);
  if (*result == Applied::applied) return;
  std::cerr << "benchmark failed: nothing was applied\n";
  std::abort();
}

// The processor time of this thread: everything here is work in memory, and other processes on the
// machine must not count.
double thread_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

// A document with a writer of its own whose every transaction takes a later time.
class Replica {
 public:
  explicit Replica(std::uint64_t number) : document(ReplicaId::from_words(number, ~number)) {}

  Transaction begin() { return document.begin({HybridTime{++time_}, "bench", ""}); }

  Document document;

 private:
  std::uint64_t time_ = 1u << 20;
};

std::vector<std::string> key_names(std::size_t count) {
  std::vector<std::string> names;
  names.reserve(count);
  for (std::size_t i = 0; i < count; ++i) names.push_back("key-" + std::to_string(i));
  return names;
}

// Walks over 0..size-1 with a stride that visits all of them and jumps about in memory.
class Scatter {
 public:
  explicit Scatter(std::size_t size) : size_(size) {}
  std::size_t next() { return at_ = (at_ + 7919) % size_; }  // a prime, and no divisor of our sizes

 private:
  std::size_t size_;
  std::size_t at_ = 0;
};

// Sets register keys[i] of the map "registers" for all keys, a thousand a transaction.
void fill_registers(Replica& replica, const std::vector<std::string>& keys) {
  for (std::size_t at = 0; at < keys.size(); at += 1000) {
    Transaction transaction = replica.begin();
    MapRef map = transaction.root().map("registers");
    for (std::size_t i = at; i < std::min(at + 1000, keys.size()); ++i) {
      must(map.reg(keys[i]).set(Value(static_cast<std::int64_t>(i))));
    }
    transaction.commit();
  }
}

void report_writes(benchmark::State& state, std::size_t writes_a_transaction) {
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(writes_a_transaction));
}

// The argument of these is the number of writes a transaction.

void counter_increment(benchmark::State& state) {
  const auto writes = static_cast<std::size_t>(state.range(0));
  Replica replica(1);
  CounterHandle handle(Path().map("usage").child(Type::counter, "tokens"));
  for (auto _ : state) {
    Transaction transaction = replica.begin();
    for (std::size_t i = 0; i < writes; ++i) must(transaction.counter(handle).add(1));
    EventPtr event = transaction.commit();
    benchmark::DoNotOptimize(event);
  }
  report_writes(state, writes);
  const auto expected = static_cast<std::int64_t>(writes) * state.iterations();
  if (replica.document.root().map("usage").counter("tokens").value() < expected) {
    state.SkipWithError("increments are missing");
  }
}
BENCHMARK(counter_increment)->Arg(1000)->Arg(1)->ArgName("writes");

void register_set_in_map_of_10000(benchmark::State& state) {
  const auto writes = static_cast<std::size_t>(state.range(0));
  const std::vector<std::string> keys = key_names(10'000);
  Replica replica(1);
  fill_registers(replica, keys);
  Scatter scatter(keys.size());
  std::int64_t value = 0;
  for (auto _ : state) {
    Transaction transaction = replica.begin();
    MapRef map = transaction.root().map("registers");
    for (std::size_t i = 0; i < writes; ++i)
      must(map.reg(keys[scatter.next()]).set(Value(++value)));
    EventPtr event = transaction.commit();
    benchmark::DoNotOptimize(event);
  }
  report_writes(state, writes);
}
BENCHMARK(register_set_in_map_of_10000)->Arg(1000)->Arg(1)->ArgName("writes");

// New elements, into a set that grows to 100,000 and then begins anew.
void set_add(benchmark::State& state) {
  const auto writes = static_cast<std::size_t>(state.range(0));
  const std::vector<std::string> elements = key_names(100'000);
  auto replica = std::make_unique<Replica>(1);
  std::size_t next = 0;
  for (auto _ : state) {
    if (next + writes > elements.size()) {
      state.PauseTiming();
      replica = std::make_unique<Replica>(1);
      next = 0;
      state.ResumeTiming();
    }
    Transaction transaction = replica->begin();
    rejoin::SetRef set = transaction.root().set("members");
    for (std::size_t i = 0; i < writes; ++i) must(set.add(Value(elements[next++])));
    EventPtr event = transaction.commit();
    benchmark::DoNotOptimize(event);
  }
  report_writes(state, writes);
  if (replica->document.root().set("members").size() != next) {
    state.SkipWithError("elements are missing");
  }
}
BENCHMARK(set_add)->Arg(1000)->Arg(1)->ArgName("writes");

// At the end of a list that grows to 100,000 elements and then begins anew.
void list_push(benchmark::State& state) {
  const auto writes = static_cast<std::size_t>(state.range(0));
  auto replica = std::make_unique<Replica>(1);
  std::size_t size = 0;
  for (auto _ : state) {
    if (size + writes > 100'000) {
      state.PauseTiming();
      replica = std::make_unique<Replica>(1);
      size = 0;
      state.ResumeTiming();
    }
    Transaction transaction = replica->begin();
    rejoin::ListRef list = transaction.root().list("turns");
    for (std::size_t i = 0; i < writes; ++i) {
      must(list.push(Value(static_cast<std::int64_t>(size++))));
    }
    EventPtr event = transaction.commit();
    benchmark::DoNotOptimize(event);
  }
  report_writes(state, writes);
  if (replica->document.root().list("turns").size() != size) {
    state.SkipWithError("elements are missing");
  }
}
BENCHMARK(list_push)->Arg(1000)->Arg(1)->ArgName("writes");

// Two replicas of 100,000 registers, of which the first then writes 1,000, all over the map.
struct Pair {
  Pair() : keys(key_names(100'000)), scatter(keys.size()) {
    fill_registers(first, keys);
    must_apply(second.document.join(first.document));
  }

  void touch_1000() {
    Transaction transaction = first.begin();
    MapRef map = transaction.root().map("registers");
    for (int i = 0; i < 1000; ++i) must(map.reg(keys[scatter.next()]).set(Value(++value)));
    transaction.commit();
  }

  std::vector<std::string> keys;
  Scatter scatter;
  Replica first{1};
  Replica second{2};
  std::int64_t value = 1 << 20;
};

void join_delta_of_1000_of_100000(benchmark::State& state) {
  Pair pair;
  for (auto _ : state) {
    pair.touch_1000();
    const std::string bytes =
        pair.first.document.delta_since(pair.second.document.clock()).encoded();
    const double start = thread_seconds();
    const auto delta = Delta::decode(bytes);
    must(delta);
    must_apply(pair.second.document.join(*delta));
    state.SetIterationTime(thread_seconds() - start);
  }
  if (pair.first.document.hash() != pair.second.document.hash()) {
    state.SkipWithError("the replicas differ");
  }
  state.SetItemsProcessed(state.iterations() * 1000);
}
BENCHMARK(join_delta_of_1000_of_100000)->UseManualTime()->Unit(benchmark::kMillisecond);

void delta_since_of_1000_of_100000(benchmark::State& state) {
  Pair pair;
  pair.touch_1000();
  std::size_t bytes = 0;
  for (auto _ : state) {
    const Delta delta = pair.first.document.delta_since(pair.second.document.clock());
    bytes = delta.body.size();
    benchmark::DoNotOptimize(bytes);
  }
  state.SetItemsProcessed(state.iterations() * 1000);
  state.counters["bytes_a_cell"] = static_cast<double>(bytes) / 1000;
}
BENCHMARK(delta_since_of_1000_of_100000)->Unit(benchmark::kMillisecond);

void delta_since_start_of_100000(benchmark::State& state) {
  Pair pair;
  for (auto _ : state) {
    const Delta delta = pair.first.document.delta_since(Clock());
    benchmark::DoNotOptimize(delta.cells);
  }
  state.SetItemsProcessed(state.iterations() * 100'000);
}
BENCHMARK(delta_since_start_of_100000)->Unit(benchmark::kMillisecond);

// Cells of 32 bytes each, some of which were written after removals that the other replica has not
// seen and the writer has forgotten: what a member meets that was away for long. Counts what nodes
// would send, without their envelopes; the payload is the keys and values that differ.
void compare_of_1000000(benchmark::State& state) {
  const auto differing = static_cast<std::size_t>(state.range(0));
  const std::vector<std::string> keys = key_names(1'000'000);
  const auto value_of = [](std::size_t i, const char* kind) {
    std::string text = std::to_string(i) + kind;
    while (text.size() < 32) text += std::to_string(i * 2654435761 + text.size());
    return Value(text.substr(0, 32));
  };
  Replica writer(1);
  for (std::size_t at = 0; at < keys.size(); at += 1000) {
    Transaction transaction = writer.begin();
    MapRef map = transaction.root().map("registers");
    for (std::size_t i = at; i < at + 1000; ++i) must(map.reg(keys[i]).set(value_of(i, " first ")));
    transaction.commit();
  }
  double bytes = 0;
  double payload = 0;
  double round_trips = 0;
  for (auto _ : state) {
    state.PauseTiming();
    Replica away(2);
    must_apply(away.document.join(writer.document));
    Scatter scatter(keys.size());
    payload = 0;
    for (std::size_t n = 0; n < differing; ++n) {
      const std::size_t i = scatter.next();
      for (const bool again : {false, true}) {
        Transaction transaction = writer.begin();
        MapRef map = transaction.root().map("registers");
        if (!again) must(map.reg(keys[i]).clear());
        if (again) must(map.reg(keys[i]).set(value_of(i + n, " then ")));
        transaction.commit();
      }
      payload += static_cast<double>(keys[i].size() + 32);
    }
    writer.document.prune(writer.document.clock());
    state.ResumeTiming();

    const Clock compared = writer.document.clock();
    const auto theirs = writer.document.cell_hashes(7);
    const auto ours = away.document.cell_hashes(7);
    const auto hashes = [](const std::vector<Document::CellHash>& cells) {
      std::vector<std::uint64_t> all;
      for (const auto& cell : cells) all.push_back(cell.hash);
      return all;
    };
    const auto places = [](const std::vector<Document::CellHash>& cells,
                           std::vector<std::uint64_t> wanted) {
      std::sort(wanted.begin(), wanted.end());
      std::vector<std::uint64_t> found;
      for (const auto& cell : cells) {
        if (std::binary_search(wanted.begin(), wanted.end(), cell.hash))
          found.push_back(cell.place);
      }
      return found;
    };
    SketchEncoder encoder(hashes(theirs));
    SketchDecoder decoder(hashes(ours));
    bytes = 0;
    round_trips = 0;
    for (std::size_t have = 0; !decoder.done();) {
      const std::size_t next = have == 0 ? 64 : 2 * have;
      const std::string symbols = encode_symbols(encoder.symbols(next), have, next, theirs.size());
      bytes += static_cast<double>(symbols.size());
      const auto decoded = decode_symbols(symbols, have, theirs.size());
      must(decoded);
      decoder.add(*decoded);
      have = next;
      ++round_trips;
    }
    bytes += 8 * static_cast<double>(decoder.only_theirs().size());
    auto delta = writer.document.delta_of(places(theirs, decoder.only_theirs()), 7, compared);
    if (!delta) return state.SkipWithError("the comparison is too old");
    bytes += static_cast<double>(delta->encoded().size());
    ++round_trips;
    delta->judged = places(ours, decoder.only_ours());
    must_apply(away.document.join(*delta));
    if (away.document.hash() != writer.document.hash()) {
      return state.SkipWithError("the replicas differ");
    }
  }
  state.counters["bytes"] = bytes;
  state.counters["bytes_by_payload"] = bytes / payload;
  state.counters["round_trips"] = round_trips;
}
BENCHMARK(compare_of_1000000)
    ->Arg(1)
    ->Arg(1000)
    ->ArgName("differing")
    ->Iterations(1)
    ->Unit(benchmark::kMillisecond);

// Decodes and applies another replica's events of register writes.
void event_apply(benchmark::State& state) {
  const auto writes = static_cast<std::size_t>(state.range(0));
  const std::size_t events_a_round = std::max<std::size_t>(1, 10'000 / writes);
  const std::vector<std::string> keys = key_names(10'000);
  Replica writer(1);
  fill_registers(writer, keys);
  Replica reader(2);
  must_apply(reader.document.join(writer.document));
  Scatter scatter(keys.size());
  std::int64_t value = 0;
  std::vector<std::string> events;
  for (auto _ : state) {
    events.clear();
    for (std::size_t n = 0; n < events_a_round; ++n) {
      Transaction transaction = writer.begin();
      MapRef map = transaction.root().map("registers");
      for (std::size_t i = 0; i < writes; ++i) {
        must(map.reg(keys[scatter.next()]).set(Value(++value)));
      }
      events.push_back(transaction.commit()->encoded());
    }
    const double start = thread_seconds();
    for (std::string& bytes : events) {
      const auto event = Event::decode(std::move(bytes));
      must(event);
      must_apply(reader.document.apply(**event));
    }
    state.SetIterationTime(thread_seconds() - start);
  }
  if (writer.document.hash() != reader.document.hash()) state.SkipWithError("the replicas differ");
  report_writes(state, writes * events_a_round);
}
BENCHMARK(event_apply)->Arg(1000)->Arg(1)->ArgName("writes")->UseManualTime();

rejoin::agent::Turn turn_number(int number) {
  rejoin::agent::Turn turn;
  turn.role = rejoin::agent::Role::assistant;
  turn.content = std::string(200, 'c');
  turn.author = "frankfurt";
  turn.time_millis = 1'716'000'000'000;
  turn.id = "t0/" + std::to_string(number);
  return turn;
}

EventPtr append_turn(Replica& replica, const rejoin::agent::Turn& turn) {
  Transaction transaction = replica.begin();
  must(rejoin::agent::SessionRef(transaction, "s1").append(turn));
  return transaction.commit();
}

// Appends 100 turns of 200 bytes to a session that has 1,000, each a transaction of its own.
void append_turn_to_session_of_1000(benchmark::State& state) {
  constexpr int turns = 100;
  std::size_t bytes = 0;
  for (auto _ : state) {
    Replica replica(1);
    for (int i = 0; i < 1000; ++i) append_turn(replica, turn_number(i));
    std::vector<rejoin::agent::Turn> written;
    for (int i = 0; i < turns; ++i) written.push_back(turn_number(1000 + i));
    std::vector<EventPtr> events(turns);
    const double start = thread_seconds();
    for (int i = 0; i < turns; ++i) {
      events[static_cast<std::size_t>(i)] =
          append_turn(replica, written[static_cast<std::size_t>(i)]);
    }
    state.SetIterationTime(thread_seconds() - start);
    bytes = events.back()->encoded().size() - written.back().content->size();
  }
  state.counters["bytes_beyond_content"] = static_cast<double>(bytes);
  report_writes(state, turns);
}
BENCHMARK(append_turn_to_session_of_1000)->UseManualTime();

// What an agent reads before it goes on: a summary and the last 20 turns.
void context_of_session_of_1000(benchmark::State& state) {
  Replica replica(1);
  for (int i = 0; i < 1000; ++i) append_turn(replica, turn_number(i));
  {
    Transaction transaction = replica.begin();
    rejoin::agent::SessionRef session(transaction, "s1");
    must(session.summarize({.content = std::string(1000, 's')}, 20));
    transaction.commit();
  }
  const rejoin::agent::SessionView session(replica.document, "s1");
  for (auto _ : state) {
    const rejoin::agent::Context context = session.context();
    if (context.turns.size() != 20) state.SkipWithError("turns are missing");
  }
}
BENCHMARK(context_of_session_of_1000)->Unit(benchmark::kMicrosecond);

// What a live register of a small integer under a short name costs in memory: by the document's own
// estimate, and as the allocator sees it.
void memory_of_100000_registers(benchmark::State& state) {
  const std::vector<std::string> keys = key_names(100'000);
  double estimate = 0;
  double allocated = 0;
  for (auto _ : state) {
    const std::size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
    Replica replica(1);
    fill_registers(replica, keys);
    allocated = static_cast<double>(mallinfo2().uordblks + mallinfo2().hblkhd - before);
    estimate = static_cast<double>(replica.document.memory_bytes());
  }
  state.counters["estimated_bytes_a_cell"] = estimate / static_cast<double>(keys.size());
  state.counters["allocated_bytes_a_cell"] = allocated / static_cast<double>(keys.size());
  state.SetItemsProcessed(state.iterations() * 100'000);
}
BENCHMARK(memory_of_100000_registers)->Unit(benchmark::kMillisecond);

// Loads a checkpoint of 100,000 cells from memory.
void load_100000_cells(benchmark::State& state) {
  Replica source(1);
  fill_registers(source, key_names(100'000));
  std::vector<Document::StoredCell> cells;
  source.document.take_dirty([&](Document::StoredCell cell) { cells.push_back(std::move(cell)); });
  const std::string header = source.document.header();
  for (auto _ : state) {
    Document document(ReplicaId::from_words(2, 2));
    must(document.load_header(header));
    for (const auto& cell : cells) must(document.load_cell(cell.key, cell.bytes));
    must(document.finish_load());
    if (document.hash() != source.document.hash()) state.SkipWithError("the replicas differ");
  }
  state.SetItemsProcessed(state.iterations() * 100'000);
}
BENCHMARK(load_100000_cells)->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
