// JSON that is imported into a document: which one, whether what it lacks goes, the JSON.
#include <nlohmann/json.hpp>

#include "fuzz.h"
#include "rejoin/crdt/assert.h"
#include "rejoin/crdt/codec.h"
#include "rejoin/crdt/json.h"
#include "worlds.h"

namespace rejoin::fuzz {
namespace {

// Of an empty transaction: null.
Result<EventPtr> imported(Document& document, const nlohmann::json& json, bool remove_missing) {
  Transaction transaction = document.begin({HybridTime::from_millis(1 << 20), "", ""});
  const Status status = from_json(transaction, Path(), json, remove_missing);
  REJOIN_ASSERT(status.ok() || transaction.size() == 0);
  if (!status.ok()) return status.error();
  return transaction.commit();
}

}  // namespace

std::vector<std::string> seeds() {
  std::vector<std::string> inputs;
  for (std::size_t w = 0; w < world_count(); ++w) {
    const std::size_t all = world(w).events().size();
    for (std::size_t e = all % 6; e <= all; e += 6) {
      inputs.push_back({static_cast<char>(w), static_cast<char>(e % 2)});
      inputs.back() += to_json(reader(w, e).document)->dump();
    }
  }
  return inputs;
}

}  // namespace rejoin::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rejoin;
  Reader in(fuzz::as_text(data, size));
  const std::size_t world = in.u8();
  const bool remove_missing = in.u8() % 2 == 1;
  const auto json = nlohmann::json::parse(in.raw(in.remaining()), nullptr, false);
  if (json.is_discarded()) return 0;
  fuzz::Subject& writer = fuzz::writer(world);
  const Result<EventPtr> event = fuzz::imported(writer.document, json, remove_missing);
  const bool taken = event.ok() && *event != nullptr;
  if (taken) {
    writer.check_event(**event);
    // It says so now, once more at most (what "false" and "[]" leave is nothing, of no type); and
    // its own export says nothing new.
    REJOIN_ASSERT(fuzz::imported(writer.document, json, remove_missing).ok());
    const auto again = fuzz::imported(writer.document, json, remove_missing);
    REJOIN_ASSERT(again.ok() && *again == nullptr);
    const auto own = fuzz::imported(writer.document, *to_json(writer.document), true);
    REJOIN_ASSERT(own.ok() && *own == nullptr);
  }
  writer.check(taken);
  return 0;
}
