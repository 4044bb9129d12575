// A delta that comes to a document: which one, how much of its history is there, the delta.
#include "fuzz.h"
#include "rejoin/crdt/assert.h"
#include "worlds.h"

namespace rejoin::fuzz {

std::vector<std::string> seeds() {
  std::vector<std::string> inputs;
  const auto add = [&](std::size_t w, std::size_t events, Delta delta, bool packed) {
    if (!packed) delta.body = unpacked_again(delta.body);
    inputs.push_back(reader_seed(w, events, delta.encoded()));
  };
  for (std::size_t w = 0; w < world_count(); ++w) {
    const std::size_t all = world(w).events().size();
    for (std::size_t have = 0; have < all; ++have) {
      const Clock& base = reader(w, have).document.clock();
      for (const std::size_t reach : {have + 1, have % 5 == 0 ? all : have + 3}) {
        add(w, have, reader(w, std::min(reach, all)).document.delta_since(base), false);
      }
    }
    // Documents that went another way: with what they pruned, and remember.
    for (std::size_t p = 0; p < world(w).size(); ++p) {
      const Document& document = world(w).peer(p).document;
      add(w, 0, document.delta_since(Clock()), false);
      add(w, all / 2, document.delta_since(reader(w, all / 2).document.clock()), p == 0);
    }
  }
  for (const Document& document : texts()) add(0, 0, document.delta_since(Clock()), false);
  return inputs;
}

}  // namespace rejoin::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rejoin;
  const auto [world, events, bytes] = fuzz::reader_input(data, size);
  const Result<Delta> delta = Delta::decode(bytes);
  if (!delta.ok()) {
    REJOIN_ASSERT(!delta.error().message.empty());
    return 0;
  }
  REJOIN_ASSERT(delta->encoded() == bytes);
  fuzz::Subject& reader = fuzz::reader(world, events);
  const Result<Applied> joined = reader.document.join(*delta);
  const bool taken = joined.ok() && *joined == Applied::applied;
  if (taken) {
    REJOIN_ASSERT(reader.document.clock().includes(delta->clock));
    const Snapshot after = snapshot(reader.document);
    REJOIN_ASSERT(*reader.document.join(*delta) == Applied::duplicate);
    REJOIN_ASSERT(snapshot(reader.document) == after);
  }
  reader.check(taken);
  return 0;
}
