#include "rejoin/simulation/promise.h"

#include <array>
#include <cstddef>

namespace rejoin::simulation {

namespace {

struct Words {
  std::string_view name;
  std::string_view meaning;
};

constexpr std::array<Words, promises> words = {{
    {"certificate", "equal clocks mean equal states"},
    {"clocks", "a clock never goes back, except to what the disk holds after a crash"},
    {"times", "a node's writes get later, and no wrong clock drags another one along"},
    {"durable_first", "nothing is shown elsewhere before it is durable where it was written"},
    {"durability", "what is durable is there after any crash"},
    {"state", "every cell reads what the definition of its type says"},
    {"whole_transactions", "a transaction is seen whole or not at all"},
    {"bound", "a bounded counter is never below its bound"},
    {"token", "a client reads what it wrote and read wherever its causal token goes"},
    {"causality", "whoever sees a write sees what its writer had seen"},
    {"receipt", "what a receipt says is true of the disks"},
    {"good_faith",
     "nodes find no fault with each other's undamaged messages and states, and refuse those of "
     "another version"},
    {"invariants", "the kernel's and the protocol's invariants hold, and buffers are bounded"},
    {"progress", "a healed core acknowledges, agrees and falls silent without the other nodes"},
    {"convergence", "all nodes agree in time once the faults have ended"},
    {"rest", "the cluster comes to rest once all nodes agree"},
    {"silence", "idle peers say nothing but the fixed exchange"},
    {"accepted_writes",
     "a correct transaction is accepted, and a failed one leaves nothing behind"},
    {"workload", "what the workload expects"},
    {"survival", "no assertion fails, and nothing else ends the process"},
}};

}  // namespace

std::string_view to_string(Promise promise) {
  return words[static_cast<std::size_t>(promise)].name;
}

std::string_view meaning(Promise promise) {
  return words[static_cast<std::size_t>(promise)].meaning;
}

std::optional<Promise> parse_promise(std::string_view name) {
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i].name == name) return static_cast<Promise>(i);
  }
  return std::nullopt;
}

}  // namespace rejoin::simulation
