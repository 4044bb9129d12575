// Writes messages of every kind into the folder that is named, for a fuzzer to begin with.
#include <filesystem>
#include <fstream>
#include <iostream>

#include "../transport/messages.h"

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
