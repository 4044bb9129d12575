// Feeds the message codec with what libFuzzer makes up:
//   cmake -B build/fuzz -G Ninja -DCMAKE_CXX_COMPILER=clang++ -DREJOIN_BUILD_FUZZERS=ON \
//         "-DREJOIN_SANITIZE=address;undefined" -DCMAKE_BUILD_TYPE=RelWithDebInfo
//   ninja -C build/fuzz message_fuzz message_corpus
//   build/fuzz/bin/message_corpus build/fuzz/corpus
//   build/fuzz/bin/message_fuzz -max_total_time=120 build/fuzz/corpus
// Events within a message are decoded with all their effects (crdt/src/store/effect.cpp), those of
// lists and logs among them. The bytes of a delta are only joined by a document: damaged ones are
// in tests/crdt/document_damage_test.cpp. Nothing may crash, leak or take long, and what is decoded
// must survive being encoded again.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "rejoin/crdt/assert.h"
#include "rejoin/transport/message.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rejoin;
  const auto message = transport::decode_frame({reinterpret_cast<const char*>(data), size});
  if (!message) return 0;
  const std::string bytes = transport::encode(*message);
  const auto again = transport::decode(bytes);
  REJOIN_ASSERT(again.ok());
  REJOIN_ASSERT(transport::encode(*again) == bytes);
  return 0;
}
