// An event that comes to a document: which one, how much of its history is there, the event.
#include "fuzz.h"
#include "rejoin/crdt/assert.h"
#include "worlds.h"

namespace rejoin::fuzz {

std::vector<std::string> seeds() {
  std::vector<std::string> inputs;
  for (std::size_t w = 0; w < world_count(); ++w) {
    const auto& events = world(w).events();
    for (std::size_t e = 0; e < events.size(); ++e) {
      inputs.push_back(reader_seed(w, e, events[e]->encoded()));
    }
  }
  return inputs;
}

}  // namespace rejoin::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rejoin;
  const auto [world, events, bytes] = fuzz::reader_input(data, size);
  const Result<EventPtr> event = Event::decode(std::string(bytes));
  if (!event.ok()) {
    REJOIN_ASSERT(!event.error().message.empty());
    return 0;
  }
  REJOIN_ASSERT((*event)->first() >= 1 && (*event)->first() <= (*event)->last());
  fuzz::Subject& reader = fuzz::reader(world, events);
  const Result<Applied> applied = reader.document.apply(**event);
  if (applied.ok() && *applied == Applied::applied) {
    // Whoever gets the change as a delta is where the event would have brought him.
    Document other = reader.make();
    const Result<Applied> joined = other.join(reader.document.delta_since(other.clock()));
    REJOIN_ASSERT(joined.ok() && snapshot(other) == snapshot(reader.document));
    REJOIN_ASSERT(*reader.document.apply(**event) == Applied::duplicate);
  }
  reader.check(applied.ok() && *applied == Applied::applied);
  return 0;
}
