// Operations that somebody asks for over the admin socket: on which document, the operations.
#include <nlohmann/json.hpp>

#include "admin_operations.h"
#include "fuzz.h"
#include "rejoin/crdt/assert.h"
#include "rejoin/crdt/codec.h"
#include "worlds.h"

namespace rejoin::fuzz {

std::vector<std::string> seeds() {
  std::vector<std::string> inputs;
  for (std::size_t w = 0; w < world_count(); ++w) {
    for (
        const char* operations :
        {R"([{"op": "set", "path": "/register:x", "value": 1},
              {"op": "set", "path": "/a/multi_register:y", "value": {"$bytes": "AP8="}},
              {"op": "set", "path": "/max_register:x", "value": 1.5},
              {"op": "clear", "path": "/a/register:x"}])",
         R"([{"op": "add", "path": "/counter:x", "amount": 3}, {"op": "reset", "path": "/a/counter:x"},
              {"op": "flag", "path": "/disable_flag:x", "on": false},
              {"op": "flag", "path": "/y", "on": true}])",
         R"([{"op": "include", "path": "/set:x", "value": "a"},
              {"op": "exclude", "path": "/remove_wins_set:x", "value": null}])",
         R"([{"op": "push", "path": "/list:x", "values": [1, "a", true]},
              {"op": "insert", "path": "/list:x", "index": 1, "value": 2},
              {"op": "erase", "path": "/list:x", "index": 0, "count": 2},
              {"op": "push", "path": "/a/log:y", "value": "b"}])",
         R"([{"op": "push", "path": "/list:x", "values": [{"a": [{}]}, 2]},
              {"op": "move", "path": "/list:x", "from": 1, "to": 0},
              {"op": "within", "path": "/list:x", "index": 1, "ops": [
               {"op": "add", "path": "/counter:x", "amount": 1},
               {"op": "import", "path": "/a", "json": {"n": {}}}]}])",
         R"([{"op": "create", "path": "/a/a"}, {"op": "remove", "path": "/b"},
              {"op": "remove", "path": "/tree:x"}, {"op": "remove", "path": "/text:y"},
              {"op": "import", "path": "/a", "json": {"n": [{"a": 1}], "$tree": []}}])",
         R"([{"op": "turn", "session": "s", "once": true, "turn": {"role": "assistant",
              "content": "Hm.", "id": "t1", "time": 7, "author": "a",
              "tool_calls": [{"id": "1", "name": "f", "arguments": "{}"}]}},
              {"op": "step", "session": "s", "step": "search", "status": "done", "detail": 3},
              {"op": "usage", "session": "s", "tokens_in": 5, "calls": 1},
              {"op": "preference", "session": "s", "name": "seat", "value": "aisle"}])"}) {
      inputs.push_back(std::string(1, static_cast<char>(w)) + operations);
    }
  }
  return inputs;
}

}  // namespace rejoin::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rejoin;
  Reader in(fuzz::as_text(data, size));
  const std::size_t world = in.u8();
  const auto json = nlohmann::json::parse(in.raw(in.remaining()), nullptr, false);
  if (json.is_discarded()) return 0;
  fuzz::Subject& writer = fuzz::writer(world);
  EventPtr event;
  {
    Transaction transaction = writer.document.begin({HybridTime::from_millis(1 << 20), "", ""});
    if (node::apply_operations(transaction, json).ok()) event = transaction.commit();
  }
  if (event) writer.check_event(*event);
  writer.check(event != nullptr);
  return 0;
}
