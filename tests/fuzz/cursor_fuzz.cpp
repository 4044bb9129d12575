// A cursor that somebody kept: in which world's document, how much of its history is there, the
// cursor. With its checksum, and once more with the right one set behind it.
#include "fuzz.h"
#include "rejoin/crdt/assert.h"
#include "rejoin/crdt/types/cursor.h"
#include "worlds.h"

namespace rejoin::fuzz {
namespace {

// Calls it with each list and text below the map.
template <class Function>
void for_each_sequence(const MapView& map, Function function) {
  for (const Child& child : map.children()) {
    if (child.type == Type::map) for_each_sequence(map.map(child.name), function);
    if (child.type == Type::list) function(map.list(child.name));
    if (child.type == Type::text) function(map.text(child.name));
  }
}

std::string with_checksum(std::string bytes) {
  const std::uint64_t hash = hash_bytes(bytes).low;
  for (int byte = 0; byte < 4; ++byte) bytes.push_back(static_cast<char>(hash >> (8 * byte)));
  return bytes;
}

void find(const Document& document, std::string_view bytes) {
  const Result<Cursor> cursor = Cursor::decode(bytes);
  if (!cursor.ok()) return;
  REJOIN_ASSERT(cursor->encoded() == bytes);
  for_each_sequence(document.root(), [&](const auto& view) {
    const Result<std::size_t> index = view.index_of(*cursor);
    REJOIN_ASSERT(index.ok() ? *index <= view.size() : !index.error().message.empty());
  });
}

}  // namespace

std::vector<std::string> seeds() {
  std::vector<std::string> inputs;
  for (std::size_t w = 0; w < world_count(); ++w) {
    const std::size_t events = world(w).events().size();
    for_each_sequence(reader(w, events).document.root(), [&](const auto& view) {
      for (std::size_t i = 0; i <= view.size(); ++i) {
        for (const Sticks sticks : {Sticks::left, Sticks::right}) {
          const std::string bytes = view.cursor(i, sticks)->encoded();
          for (const std::string_view part :
               {std::string_view(bytes), std::string_view(bytes).substr(0, bytes.size() - 4)}) {
            inputs.push_back(reader_seed(w, events - i % 3, part));
          }
        }
      }
    });
  }
  return inputs;
}

}  // namespace rejoin::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rejoin;
  const auto [world, events, input] = fuzz::reader_input(data, size);
  const std::string bytes(input);
  const Document& document = fuzz::reader(world, events).document;
  fuzz::find(document, bytes);
  fuzz::find(document, fuzz::with_checksum(bytes));
  return 0;
}
