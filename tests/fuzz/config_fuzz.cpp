// A node's config file.
#include <fstream>
#include <sstream>

#include "config.h"
#include "fuzz.h"
#include "rejoin/crdt/assert.h"
#include "rejoin/node/node.h"

namespace rejoin::fuzz {

std::vector<std::string> seeds() {
  std::ostringstream example;
  example << std::ifstream("examples/node.toml").rdbuf();
  return {example.str(), "name = \"a\"",
          R"(name = "a"
cluster = "c"
listen = "tcp://127.0.0.1:7000"
directory = "/d"
admin_socket = "/s"
members = ["a", "b"]
exchange_interval_ms = 1
peer_timeout_ms = 2
member_away_after_ms = 4
forget_after_ms = 5
clock_ahead_max_ms = 3
link_bytes_per_second = 8192
log_level = "off"
[peers]
b = "tcp://127.0.0.1:7001"
[[spaces]]
name = "x"
[[spaces]]
name = "y"
durable = false
)"};
}

}  // namespace rejoin::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rejoin;
  const auto options = node::NodeOptions::from_toml(fuzz::as_text(data, size));
  if (options.ok()) {
    REJOIN_ASSERT(node::validate(*options).ok());
  } else {
    REJOIN_ASSERT(options.error().code == ErrorCode::malformed && !options.error().message.empty());
  }
  return 0;
}
