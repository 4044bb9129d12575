// A path as text: the type of its last step, where it names none, then the path.
#include "fuzz.h"
#include "rejoin/crdt/assert.h"
#include "rejoin/crdt/codec.h"
#include "rejoin/crdt/path.h"
#include "worlds.h"

namespace rejoin::fuzz {

std::vector<std::string> seeds() {
  std::vector<std::string> inputs;
  for (std::size_t w = 0; w < world_count(); ++w) {
    for (const auto& [path, text] : visible(reader(w, world(w).events().size()).document)) {
      inputs.push_back(std::string(1, '\1') + path);
    }
  }
  for (const char* text : {"/", "/sessions/s1/tokens", "/set:ids/element:integer:7",
                           "/set:ids/null:", "/set:ids/boolean:true", "/set:ids/real:0.5",
                           "/set:ids/real:0x7ff8000000000001", "/set:ids/bytes:00ff", "/a%2Fb%00",
                           "/bounded_counter:stock/counter:bytes:00112233445566778899aabbccddeeff",
                           "/tree:t/n/register:x", "/text:t/element:bytes:0000626f6c64"}) {
    for (const char type : {'\1', '\5', '\11'}) inputs.push_back(std::string(1, type) + text);
  }
  return inputs;
}

}  // namespace rejoin::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rejoin;
  Reader in(fuzz::as_text(data, size));
  const std::uint8_t type = in.u8();
  const Type last = is_known_type(type) ? static_cast<Type>(type) : Type::map;
  const Result<Path> path = Path::parse(in.raw(in.remaining()), last);
  if (!path.ok()) {
    REJOIN_ASSERT(!path.error().message.empty());
    return 0;
  }
  const std::string text = path->to_string();
  const Result<Path> again = Path::parse(text);
  REJOIN_ASSERT(again.ok() && *again == *path && again->to_string() == text);
  // Wherever it leads in a document, asking does no harm.
  (void)fuzz::reader(fuzz::world_count() - 1, ~std::size_t{0}).document.exists(*path);
  return 0;
}
