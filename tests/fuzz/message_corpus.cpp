// Writes messages of every kind into the folder that is named, for a fuzzer to begin with.
#include <filesystem>
#include <fstream>
#include <iostream>

#include "../transport/messages.h"
#include "rejoin/crdt/assert.h"

namespace {

// Events with effects of every kind: the decoder checks each against the type of what it changes.
std::vector<rejoin::EventPtr> events_of_all_types() {
  using namespace rejoin;
  Document document(ReplicaId::from_words(5, 6));
  std::vector<EventPtr> events;
  const auto commit = [&](auto write) {
    Transaction transaction =
        document.begin({HybridTime::from_millis(1000 + events.size()), "planner", "why"});
    write(transaction.root().map("m"));
    events.push_back(transaction.commit());
  };
  const auto must = [](const Status& written) { REJOIN_ASSERT(written.ok()); };
  commit([&](MapRef map) {
    must(map.reg("r").set(1.5));
    must(map.counter("c").add(3));
    must(map.set("s").add("x"));
    must(map.flag("f").set(true));
    must(map.list("l").insert(0, {1, "two", true}));
    must(map.log("g").append({1, "two"}));
    must(map.text("t").append("abc"));
  });
  commit([&](MapRef map) {
    must(map.reg("r").clear());
    must(map.counter("c").reset());
    must(map.list("l").remove(1));
    must(map.log("g").append("three"));
    must(map.text("t").remove(0, 2));
  });
  commit([&](MapRef map) { must(map.remove("g", Type::log)); });
  return events;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace rejoin;
  using namespace rejoin::transport;
  if (argc != 2) {
    std::cerr << "usage: message_corpus FOLDER\n";
    return 2;
  }
  const std::filesystem::path folder = argv[1];
  std::filesystem::create_directories(folder);
  Clock clock;
  clock.set(ReplicaId::from_words(1, 2), 300);
  clock.set(ReplicaId::from_words(3, 4), 5);
  const StateHash hash{.low = 6, .high = 7};
  const std::string space = "sessions";
  int count = 0;
  for (const Body& body :
       {Body(Hello{.reply = true}), Body(Summary{.of_all = hash, .spaces = 3}),
        Body(Digests{{{.space = space, .clock = hash, .state = hash},
                      {.space = "b", .clock = hash, .state = {}}}}),
        Body(ClockReport{.space = space, .applied = clock, .durable = clock, .state = hash}),
        Body(Events{.space = space, .events = written_events(3, 20)}),
        Body(Events{.space = space, .events = events_of_all_types()}),
        Body(Ack{.space = space, .durable = clock}),
        Body(Chunk{.space = space, .transfer = 1, .total_bytes = 99, .offset = 9, .bytes = "abc"}),
        Body(Chunk{.space = space,
        .transfer = 1,
        .total_bytes = 99'999,
        .offset = 9,
        .bytes = std::string(66'000, 'x')}),
        Body(ChunkAck{.space = space, .transfer = 1, .received = 12}),
        Body(Reject{.code = ErrorCode::unsupported_version, .reason = "why"})}) {
    std::string bytes = encode(message_of(body));
    bytes.resize(bytes.size() - 8);  // without the checksum, as the fuzzer feeds them
    std::ofstream out(folder / (std::string(kind_name(body)) + std::to_string(count++)),
                      std::ios::binary);
    out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }
  std::cout << count << " messages in " << folder.string() << "\n";
}
