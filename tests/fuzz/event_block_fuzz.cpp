// A block of events.
#include "fuzz.h"
#include "rejoin/crdt/assert.h"
#include "rejoin/crdt/codec.h"
#include "rejoin/crdt/event_block.h"
#include "worlds.h"

namespace rejoin::fuzz {
namespace {

std::string with_plain_columns(const std::string& block) {
  Reader in(block);
  std::string plain;
  Writer out(plain);
  out.u8(in.u8());
  out.varint(in.varint());
  while (!in.at_end()) out.bytes(unpacked_again(in.bytes(in.remaining())));
  REJOIN_ASSERT(in.ok());
  return plain;
}

}  // namespace

std::vector<std::string> seeds() {
  std::vector<std::string> inputs;
  for (std::size_t w = 0; w < world_count(); ++w) {
    const std::span<const EventPtr> events = world(w).events();
    inputs.push_back(*encode_block(events));
    inputs.push_back(with_plain_columns(inputs.back()));
    for (std::size_t i = 0; i + 3 <= events.size(); i += 3) {
      inputs.push_back(with_plain_columns(*encode_block(events.subspan(i, 3))));
    }
  }
  return inputs;
}

}  // namespace rejoin::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rejoin;
  const Result<std::vector<EventPtr>> events = decode_block(fuzz::as_text(data, size));
  if (!events.ok()) {
    REJOIN_ASSERT(!events.error().message.empty());
    return 0;
  }
  const Result<std::string> block = encode_block(*events);
  REJOIN_ASSERT(block.ok());
  const Result<std::vector<EventPtr>> again = decode_block(*block);
  REJOIN_ASSERT(again.ok() && again->size() == events->size());
  for (std::size_t i = 0; i < events->size(); ++i) {
    REJOIN_ASSERT((*again)[i]->encoded() == (*events)[i]->encoded());
    REJOIN_ASSERT(Event::decode((*events)[i]->encoded()).ok());
  }
  return 0;
}
