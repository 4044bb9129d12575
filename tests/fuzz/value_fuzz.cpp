// The base forms, each from the whole input: a value, a clock; a replica id, a causal token, a time
// bucket, the name of a type; the record of the last acknowledged commit.
#include "fuzz.h"
#include "rejoin/crdt/agent/windowed_counter.h"
#include "rejoin/crdt/assert.h"
#include "rejoin/crdt/codec.h"
#include "rejoin/crdt/id.h"
#include "rejoin/crdt/path.h"
#include "rejoin/crdt/value.h"
#include "rejoin/node/node.h"
#include "sqlite/tail.h"
#include "worlds.h"

namespace rejoin::fuzz {
namespace {

// What is read whole has these bytes alone.
void read_values(std::string_view bytes) {
  Reader in(bytes);
  while (!in.at_end()) {
    const std::size_t begin = in.position();
    const Result<Value> value = Value::decode(in);
    if (!value.ok()) return;
    std::string again;
    Writer out(again);
    value->encode(out);
    REJOIN_ASSERT(again == bytes.substr(begin, in.position() - begin));
    (void)value->to_string();
  }
}

}  // namespace

std::vector<std::string> seeds() {
  std::vector<std::string> inputs;
  std::string values;
  Writer out(values);
  for (const Value& value : {Value(), Value(true), Value(-3), Value(0.5), Value("text"),
                             Value::bytes("\xFF"), Value(std::string(40, 'x'))}) {
    value.encode(out);
  }
  inputs.push_back(values);
  const Clock& clock = world(0).peer(0).document.clock();
  inputs.push_back(clock.encoded());
  inputs.push_back(clock.begin()->first.to_string());
  inputs.push_back(node::CausalToken("sessions", clock).to_string());
  inputs.push_back(node::sqlite::Acknowledged{3, 4, true}.encode());
  for (const agent::Granularity granularity : agent::granularities) {
    inputs.push_back(agent::bucket_name(granularity, agent::bucket_time_min));
  }
  for (std::uint8_t type = 0; type < 32; ++type) {
    if (is_known_type(type)) inputs.emplace_back(to_string(static_cast<Type>(type)));
  }
  return inputs;
}

}  // namespace rejoin::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rejoin;
  const std::string_view bytes = fuzz::as_text(data, size);
  fuzz::read_values(bytes);
  if (const auto clock = Clock::decode(bytes)) REJOIN_ASSERT(clock->encoded() == bytes);
  if (const auto id = ReplicaId::parse(bytes)) {
    REJOIN_ASSERT(*ReplicaId::parse(id->to_string()) == *id);
  }
  if (const auto token = node::CausalToken::parse(bytes)) {
    REJOIN_ASSERT(token->to_string() == bytes);
  }
  if (const auto acknowledged = node::sqlite::Acknowledged::decode(bytes)) {
    REJOIN_ASSERT(acknowledged->encode() == bytes);
  }
  for (const agent::Granularity granularity : agent::granularities) {
    if (const auto begin = agent::parse_bucket(granularity, bytes)) {
      REJOIN_ASSERT(agent::bucket_name(granularity, *begin) == bytes);
    }
  }
  if (const auto type = parse_type(bytes)) REJOIN_ASSERT(to_string(*type) == bytes);
  return 0;
}
