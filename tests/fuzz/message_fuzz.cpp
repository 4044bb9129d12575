// A message from a peer, without the checksum behind it. Events in it are decoded with all their
// effects; the bytes of a delta are those of delta_fuzz.
#include "../transport/messages.h"
#include "fuzz.h"
#include "rejoin/crdt/assert.h"
#include "rejoin/transport/message.h"
#include "worlds.h"

namespace rejoin::fuzz {

std::vector<std::string> seeds() {
  using namespace transport;
  std::vector<std::string> inputs;
  const auto add = [&](const Body& body) {
    std::string bytes = encode(message_of(body));
    bytes.resize(bytes.size() - 8);
    inputs.push_back(std::move(bytes));
  };
  const std::string space = "sessions";
  for (std::size_t w = 0; w < world_count(); ++w) {
    const std::vector<EventPtr>& events = world(w).events();
    add(Events{.space = space, .events = {events.begin(), events.begin() + 8}});
    const Document& document = world(w).peer(0).document;
    add(ClockReport{.space = space,
                    .applied = document.clock(),
                    .durable = document.clock(),
                    .state = document.hash(),
                    .view = w,
                    .retired = document.hash(),
                    .writer = document.self()});
    const std::string bytes = document.delta_since(Clock()).encoded();
    add(Chunk{.space = space, .transfer = w, .total_bytes = bytes.size(), .bytes = bytes});
  }
  const Clock clock = world(0).peer(0).document.clock();
  const StateHash hash{.low = 6, .high = 7};
  for (const Body& body :
       {Body(Hello{.challenge = 4, .answer = 5}),
        Body(Summary{.of_all = hash, .spaces = 3, .view = 8, .life = 9}),
        Body(Digests{{{.space = space, .clock = hash, .state = hash},
                      {.space = "b", .clock = hash, .state = {}}},
                     9}),
        Body(Events{.space = space, .events = written_events(3, 20)}),
        Body(Ack{.space = space, .durable = clock, .enough = {clock.begin()->first}}),
        Body(Neighbour{.step = Neighbour::Step::accept,
        .urgent = true,
        .leaf = true,
        .endpoint = "tcp://a:1",
        .others = {{"b", "tcp://b:1"}}}),
        Body(WantHistory{.space = space, .missing = {{clock.begin()->first, 1, 9}}}),
        Body(History{.space = space, .events = written_events(2, 9)}),
        Body(Rumours{{{.member = "a", .number = 3, .life = Life::dead}}}),
        Body(Chunk{.space = space,
        .transfer = 1,
        .total_bytes = 99'999,
        .offset = 9,
        .bytes = std::string(66'000, 'x')}),
        Body(ChunkAck{.space = space, .transfer = 1, .received = 12}),
        Body(Sketch{.space = space,
        .comparison = 7,
        .clock = clock,
        .cells = 3,
        .from = 0,
        .bytes = std::string(26, 's')}),
        Body(SketchAnswer{
            .space = space, .comparison = 7, .have = 2, .done = true, .wanted = {1, 2}}),
        Body(Reject{.code = ErrorCode::unsupported_version, .reason = "why"})}) {
    add(body);
  }
  return inputs;
}

}  // namespace rejoin::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rejoin;
  const auto message = transport::decode_frame(fuzz::as_text(data, size));
  if (!message) {
    REJOIN_ASSERT(!message.error().message.empty());
    return 0;
  }
  const std::string bytes = transport::encode(*message);
  const auto again = transport::decode(bytes);
  REJOIN_ASSERT(again.ok());
  REJOIN_ASSERT(transport::encode(*again) == bytes);
  return 0;
}
