// What a store gives back: a header, then any number of keys with their cells, each with its
// length.
#include "fuzz.h"
#include "rejoin/crdt/assert.h"
#include "rejoin/crdt/codec.h"
#include "worlds.h"

namespace rejoin::fuzz {

// Whole stores, and each cell alone: mutations then meet its contents more often than its key.
std::vector<std::string> seeds() {
  std::vector<std::string> inputs;
  const auto put = [](std::string& input, std::string_view bytes) { Writer(input).bytes(bytes); };
  for (std::size_t w = 0; w < world_count(); ++w) {
    for (std::size_t p = 0; p < world(w).size(); ++p) {
      World::Peer& peer = world(w).peer(p);
      world(w).save(peer);
      std::string header;
      put(header, peer.header);
      std::string all = header;
      for (const auto& [key, bytes] : peer.rows) {
        std::string cell;
        put(cell, key);
        put(cell, bytes);
        all += cell;
        inputs.push_back(header + cell);
      }
      inputs.push_back(std::move(all));
    }
  }
  for (Document& document : texts()) {
    std::string& input = inputs.emplace_back();
    put(input, document.header());
    document.take_dirty([&](const Document::StoredCell& cell) {
      put(input, cell.key);
      put(input, cell.bytes);
    });
  }
  return inputs;
}

}  // namespace rejoin::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rejoin;
  Reader in(fuzz::as_text(data, size));
  const auto next = [&] { return in.bytes(in.remaining()); };
  Document document(ReplicaId::from_words(~0ull, 1));
  Status status = document.load_header(next());
  while (status.ok() && in.ok() && !in.at_end()) {
    const std::string_view key = next();
    status = document.load_cell(key, next());
  }
  if (status.ok()) status = document.finish_load();
  if (status.ok()) {
    fuzz::check_whole(document);
  } else {
    REJOIN_ASSERT(status.error().code == ErrorCode::corrupt ||
                  status.error().code == ErrorCode::unsupported_version);
  }
  return 0;
}
