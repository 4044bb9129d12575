// The sessions that the demo is to play.
#include "demo/input.h"
#include "fuzz.h"
#include "rejoin/crdt/assert.h"

namespace rejoin::fuzz {

std::vector<std::string> seeds() {
  std::vector<std::string> inputs;
  std::string_view rest = demo::sample_text();
  while (!rest.empty() && inputs.size() < 12) {
    const std::size_t end = std::min(rest.find('\n'), rest.size() - 1) + 1;
    inputs.emplace_back(rest.substr(0, end));
    rest.remove_prefix(end);
  }
  inputs.push_back(R"({"session": "s", "task": {"user_id": "u"}, "turns": [
{"role": "user", "content": "Hm."}, {"role": "assistant", "content": null, "tool_calls":
[{"id": "1", "function": {"name": "f", "arguments": "{}"}}]},
{"role": "tool", "tool_call_id": "1", "name": "f", "content": ""}]})");
  for (char& c : inputs.back()) c = c == '\n' ? ' ' : c;
  inputs.push_back(inputs.back() + "\n\n" + inputs.front());
  return inputs;
}

}  // namespace rejoin::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rejoin;
  const auto sessions = demo::parse_sessions(fuzz::as_text(data, size), "input", 100);
  if (!sessions.ok()) {
    REJOIN_ASSERT(!sessions.error().message.empty());
    return 0;
  }
  for (const demo::InputSession& session : *sessions) {
    for (const agent::Turn& turn : session.turns) REJOIN_ASSERT(agent::encode_turn(turn).ok());
  }
  return 0;
}
