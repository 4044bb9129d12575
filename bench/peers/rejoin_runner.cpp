// Rejoin's runner for scripts/bench-peers; README.md here describes the inputs, the measures and
// the lines that a runner prints.
#include <malloc.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "rejoin/crdt/document.h"
#include "rejoin/crdt/event_block.h"
#include "rejoin/crdt/transaction.h"
#include "rejoin/crdt/types/text.h"

namespace {

using Json = nlohmann::json;
using rejoin::Applied;
using rejoin::Clock;
using rejoin::Delta;
using rejoin::Document;
using rejoin::Event;
using rejoin::EventPtr;
using rejoin::HybridTime;
using rejoin::MapRef;
using rejoin::ReplicaId;
using rejoin::Transaction;
using rejoin::Type;
using rejoin::Value;

constexpr int not_offered = 3;  // the exit status that says: there is no such measure here

[[noreturn]] void fail(const std::string& why) {
  std::cerr << why << '\n';
  std::exit(1);
}

template <class T>
void must(const rejoin::Result<T>& result) {
  if (!result.ok()) fail(result.error().to_string());
}

void must_apply(const rejoin::Result<Applied>& result) {
  must(result);
  if (*result == Applied::missing) fail("something to apply depends on what is not here");
}

// ---- Measuring ----

double seconds(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

// The lesser of elapsed and processor time: waiting for a core does not count.
class Stopwatch {
 public:
  double ms() const {
    const double elapsed = seconds(CLOCK_MONOTONIC) - elapsed_;
    return 1e3 * std::min(elapsed, seconds(CLOCK_PROCESS_CPUTIME_ID) - processor_);
  }

 private:
  double elapsed_ = seconds(CLOCK_MONOTONIC);
  double processor_ = seconds(CLOCK_PROCESS_CPUTIME_ID);
};

// The median, in milliseconds, of several runs of `work` after a warm-up, each on a fresh result of
// `prepare`, which is not measured. Hands back the last run's result.
template <class Prepare, class Work>
auto median_ms(Prepare prepare, Work work) {
  using Output = std::invoke_result_t<Work, std::invoke_result_t<Prepare>>;
  constexpr std::size_t samples_max = 9;
  constexpr double budget_seconds = 1;
  const double begin = seconds(CLOCK_MONOTONIC);
  std::optional<Output> result(work(prepare()));
  std::vector<double> times;
  while (times.empty() ||
         (times.size() < samples_max && seconds(CLOCK_MONOTONIC) - begin < budget_seconds)) {
    auto prepared = prepare();
    result.reset();
    const Stopwatch watch;
    result.emplace(work(std::move(prepared)));
    times.push_back(watch.ms());
  }
  std::sort(times.begin(), times.end());
  return std::pair<double, Output>(times[times.size() / 2], std::move(*result));
}

// The lines that a runner prints: one JSON object a figure.
class Report {
 public:
  explicit Report(std::string input) : input_(std::move(input)) {}

  // With the texts that the work arrived at, for the caller to check.
  void figure(const std::string& measure, double value, const std::string& unit,
              const std::vector<std::string>& texts = {}) const {
    const Json line = {{"system", "rejoin"},  {"version", REJOIN_VERSION},
                       {"input", input_},     {"measure", measure},
                       {"value", value},      {"unit", unit},
                       {"texts", Json(texts)}};
    std::cout << line.dump() << '\n';
  }

 private:
  std::string input_;
};

// A document with a writer of its own whose every transaction takes a later time.
class Replica {
 public:
  explicit Replica(std::uint64_t number) : document(ReplicaId::from_words(number, ~number)) {}

  Transaction begin() { return document.begin({HybridTime{++time_}, "", ""}); }

  Document document;

 private:
  std::uint64_t time_ = std::uint64_t{1} << 40;
};

// ---- Maps ----

using Write = std::pair<std::string, std::optional<Value>>;
using Writes = std::vector<Write>;  // one transaction

struct MapHistory {
  std::vector<Writes> base;
  std::vector<Writes> here;
  std::vector<Writes> there;
};

std::optional<Value> read_value(const Json& json) {
  if (json.is_null()) return std::nullopt;
  return json.is_string() ? Value(json.get<std::string>()) : Value(json.get<std::int64_t>());
}

std::vector<Writes> read_transactions(const Json& json) {
  std::vector<Writes> transactions;
  for (const Json& transaction : json) {
    Writes& writes = transactions.emplace_back();
    for (const Json& write : transaction) {
      writes.emplace_back(write[0].get<std::string>(), read_value(write[1]));
    }
  }
  return transactions;
}

MapHistory read_map_history(const Json& json) {
  return {read_transactions(json["base"]), read_transactions(json["here"]),
          read_transactions(json["there"])};
}

void write(Replica& replica, const std::vector<Writes>& transactions) {
  for (const Writes& writes : transactions) {
    Transaction transaction = replica.begin();
    MapRef map = transaction.root();
    for (const auto& [key, value] : writes) {
      must(value ? map.reg(key).set(*value) : map.remove(key, Type::reg));
    }
    transaction.commit();
  }
}

void check(const Document& document, const MapHistory& history) {
  for (const auto* transactions : {&history.here, &history.there}) {
    if (transactions->empty()) continue;
    for (const auto& [key, value] : transactions->back()) {
      if (document.root().reg(key).get() != value) fail("the value of " + key + " is another");
    }
  }
}

// Gives `to` what it lacks; returns how many bytes crossed the link, the question included.
std::size_t send_missing(const Document& from, const std::string& clock_of_receiver,
                         std::string& bytes) {
  const auto clock = Clock::decode(clock_of_receiver);
  must(clock);
  bytes = from.delta_since(*clock).encoded();
  return clock_of_receiver.size() + bytes.size();
}

void join(Document& document, const std::string& bytes) {
  const auto delta = Delta::decode(bytes);
  must(delta);
  must_apply(document.join(*delta));
}

std::size_t exchange(Document& here, Document& there, bool both_ways) {
  std::string to_there;
  std::string to_here;
  std::size_t bytes = send_missing(here, there.clock().encoded(), to_there);
  if (both_ways) bytes += send_missing(there, here.clock().encoded(), to_here);
  if (both_ways) join(here, to_here);
  join(there, to_there);
  return bytes;
}

struct Pair {
  std::unique_ptr<Replica> here = std::make_unique<Replica>(1);
  std::unique_ptr<Replica> there = std::make_unique<Replica>(2);
  std::size_t exchanged_bytes = 0;
};

// Both replicas after writing apart.
Pair apart(const MapHistory& history) {
  Pair pair;
  write(*pair.here, history.base);
  exchange(pair.here->document, pair.there->document, true);
  write(*pair.here, history.here);
  write(*pair.there, history.there);
  return pair;
}

void measure_exchange(const std::string& measure, const MapHistory& history, const Report& report) {
  const bool both_ways = !history.there.empty();
  const auto [ms, pair] = median_ms([&] { return apart(history); },
                                    [&](Pair p) {
                                      p.exchanged_bytes =
                                          exchange(p.here->document, p.there->document, both_ways);
                                      return p;
                                    });
  if (pair.here->document.hash() != pair.there->document.hash()) fail("the replicas differ");
  check(pair.there->document, history);
  report.figure(measure + "_bytes", static_cast<double>(pair.exchanged_bytes), "bytes");
  report.figure(measure + "_time", ms, "ms");
}

// What is left of cells once every member has seen the removals; the clock is not a part of it.
void measure_residue(const MapHistory& history, const Report& report) {
  Replica replica(1);
  write(replica, history.base);
  write(replica, history.here);
  check(replica.document, history);
  replica.document.prune(replica.document.clock());
  const std::size_t nothing = Document(replica.document.self()).delta_since(Clock()).body.size();
  const std::size_t left = replica.document.delta_since(Clock()).body.size();
  report.figure("residue_bytes", static_cast<double>(left - nothing), "bytes");
}

int measure_map(const std::string& measure, const MapHistory& history, const Report& report) {
  if (measure == "catch_up" || measure == "reconcile") {
    measure_exchange(measure, history, report);
  } else if (measure == "residue") {
    measure_residue(history, report);
  } else {
    return not_offered;
  }
  return 0;
}

// ---- Text ----
constexpr std::size_t batch = 1000;  // patches a transaction where a trace is replayed in batches

struct Patch {
  std::size_t position;
  std::size_t deleted;
  std::string inserted;
};

struct TextTransaction {
  std::size_t agent;
  std::vector<std::size_t> receive;  // transactions that the agent's replica must be given first
  std::vector<Patch> patches;
};

struct Trace {
  std::size_t agents;
  std::vector<TextTransaction> transactions;
  std::vector<std::vector<std::size_t>> receive_at_end;  // by agent
};

Trace read_trace(const Json& json) {
  Trace trace{json["agents"], {}, json["receive_at_end"]};
  for (const Json& transaction : json["transactions"]) {
    TextTransaction& read = trace.transactions.emplace_back(
        TextTransaction{transaction["agent"], transaction["receive"], {}});
    for (const Json& patch : transaction["patches"]) {
      read.patches.push_back({patch[0], patch[1], patch[2]});
    }
  }
  return trace;
}

// The same patches, so many to a transaction.
Trace in_batches(const Trace& trace) {
  Trace batched{1, {}, {{}}};
  std::size_t count = 0;
  for (const TextTransaction& transaction : trace.transactions) {
    for (const Patch& patch : transaction.patches) {
      if (count++ % batch == 0) batched.transactions.push_back({0, {}, {}});
      batched.transactions.back().patches.push_back(patch);
    }
  }
  return batched;
}

std::string text_of(const Document& document) { return document.root().text("text").to_string(); }

// One call an insertion or removal.
EventPtr edit(Replica& replica, const std::vector<Patch>& patches) {
  Transaction transaction = replica.begin();
  rejoin::TextRef text = transaction.root().text("text");
  for (const Patch& patch : patches) {
    if (patch.deleted > 0) must(text.remove(patch.position, patch.deleted));
    if (!patch.inserted.empty()) must(text.insert(patch.position, patch.inserted));
  }
  return transaction.commit();
}

std::unique_ptr<Replica> replay(const Trace& trace) {
  auto replica = std::make_unique<Replica>(1);
  for (const TextTransaction& transaction : trace.transactions) edit(*replica, transaction.patches);
  return replica;
}

void measure_replay(const Trace& trace, const Report& report) {
  const auto each = median_ms([] { return 0; }, [&](int) { return replay(trace); });
  report.figure("replay_committed", each.first, "ms", {text_of(each.second->document)});
  const Trace batched = in_batches(trace);
  const auto all = median_ms([] { return 0; }, [&](int) { return replay(batched); });
  report.figure("replay", all.first, "ms", {text_of(all.second->document)});
}

// A block of all events.
std::string history_of(const Trace& trace) {
  Replica replica(1);
  std::vector<EventPtr> events;
  for (const TextTransaction& transaction : trace.transactions) {
    if (const EventPtr event = edit(replica, transaction.patches)) events.push_back(event);
  }
  const auto block = rejoin::encode_block(events);
  must(block);
  return *block;
}

void apply_block(Document& document, const std::string& bytes) {
  const auto events = rejoin::decode_block(bytes);
  must(events);
  for (const EventPtr& event : *events) must_apply(document.apply(*event));
}

// From the bytes until `take_in` has them in a document and the text has been read.
template <class TakeIn>
void measure_load(const std::string& measure, const std::string& bytes, TakeIn take_in,
                  const Report& report) {
  const auto [ms, loaded] = median_ms([] { return std::make_unique<Replica>(98); },
                                      [&](std::unique_ptr<Replica> replica) {
                                        take_in(replica->document, bytes);
                                        std::string text = text_of(replica->document);
                                        return std::pair(std::move(replica), std::move(text));
                                      });
  report.figure(measure, ms, "ms", {loaded.second});
}

void measure_save(const Trace& trace, const Report& report) {
  const Trace batched = in_batches(trace);
  const std::string history = history_of(trace);
  report.figure("bytes_history", static_cast<double>(history.size()), "bytes");
  measure_load("load_history", history, apply_block, report);
  report.figure("bytes_history_batched", static_cast<double>(history_of(batched).size()), "bytes");
  const auto source = replay(batched);
  source->document.prune(source->document.clock());
  source->document.forget_elements(source->document.clock());
  const std::string state = source->document.delta_since(Clock()).encoded();
  report.figure("bytes_state", static_cast<double>(state.size()), "bytes");
  measure_load("load", state, join, report);
}

std::size_t allocated_bytes() {
  const auto info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

void measure_memory(const Trace& trace, const Report& report) {
  const Trace batched = in_batches(trace);
  replay(Trace{1, {batched.transactions.front()}, {}});  // allocates what a process needs but once
  const std::size_t before = allocated_bytes();
  const auto replica = replay(batched);
  const std::size_t held = allocated_bytes() - before;
  const std::string text = text_of(replica->document);
  report.figure("memory", static_cast<double>(held) - static_cast<double>(text.size()), "bytes",
                {text});
}

void apply_events(Document& document, const std::vector<std::string>& events) {
  for (const std::string& bytes : events) {
    const auto event = Event::decode(bytes);
    must(event);
    must_apply(document.apply(**event));
  }
}

std::vector<std::string> pick(const std::vector<std::string>& events,
                              const std::vector<std::size_t>& indices) {
  std::vector<std::string> picked;
  for (const std::size_t index : indices) picked.push_back(events[index]);
  return picked;
}

void measure_merge(const Trace& trace, const Report& report) {
  std::vector<std::unique_ptr<Replica>> replicas;
  for (std::size_t i = 0; i < trace.agents; ++i)
    replicas.push_back(std::make_unique<Replica>(i + 1));
  std::vector<std::string> events;
  for (const TextTransaction& transaction : trace.transactions) {
    Replica& replica = *replicas[transaction.agent];
    apply_events(replica.document, pick(events, transaction.receive));
    events.push_back(edit(replica, transaction.patches)->encoded());
  }
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < trace.agents; ++i) {
    apply_events(replicas[i]->document, pick(events, trace.receive_at_end[i]));
    texts.push_back(text_of(replicas[i]->document));
  }
  const auto [ms, merged] = median_ms([] { return std::make_unique<Replica>(99); },
                                      [&](std::unique_ptr<Replica> replica) {
                                        apply_events(replica->document, events);
                                        std::string read = text_of(replica->document);
                                        return std::pair(std::move(replica), std::move(read));
                                      });
  texts.push_back(merged.second);
  report.figure("merge", ms, "ms", texts);
  measure_load("merge_whole", replicas[0]->document.delta_since(Clock()).encoded(), join, report);
}

int measure_text(const std::string& measure, const Json& json, const Report& report) {
  const Trace trace = read_trace(json);
  if (measure == "replay") {
    measure_replay(trace, report);
  } else if (measure == "save") {
    measure_save(trace, report);
  } else if (measure == "memory") {
    measure_memory(trace, report);
  } else if (measure == "merge") {
    measure_merge(trace, report);
  } else {
    return not_offered;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: rejoin_runner MEASURE INPUT-FILE\n";
    return 2;
  }
  std::ifstream file(argv[2]);
  const Json json = Json::parse(file, nullptr, false);
  if (json.is_discarded()) fail(std::string(argv[2]) + " is not JSON");
  const Report report(json["name"].get<std::string>());
  if (json.contains("transactions")) return measure_text(argv[1], json, report);
  return measure_map(argv[1], read_map_history(json), report);
}
