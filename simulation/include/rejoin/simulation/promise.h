// What a run may find broken.
#pragma once

#include <optional>
#include <string_view>

namespace rejoin::simulation {

enum class Promise {
  certificate,         // equal clocks mean equal states
  clocks,              // no clock goes back, except to what the disk holds after a crash
  times,               // a node's writes get later, and no wrong clock drags another one along
  durable_first,       // nothing is shown elsewhere before it is durable where it was written
  durability,          // what is durable is there after any crash
  state,               // every cell reads what the definition of its type says
  whole_transactions,  // a transaction is seen whole or not at all
  bound,               // a bounded counter is never below its bound
  token,               // a client reads what it wrote and read wherever its causal token goes
  causality,           // whoever sees a write sees what its writer had seen
  receipt,             // what a receipt says is true of the disks
  good_faith,          // nodes find no fault with each other's undamaged messages and states
  invariants,          // the kernel's and the protocol's own, and bounded buffers
  progress,            // a healed core of the nodes goes on without the others
  convergence,         // all nodes agree in time once the faults have ended
  rest,                // the cluster comes to rest after that
  silence,             // idle peers say nothing but the fixed exchange
  accepted_writes,     // a correct transaction is accepted, and a failed one leaves nothing behind
  workload,            // what a workload of your own expects
  survival,            // no assertion fails, and no signal ends the process
};
inline constexpr int promises = 20;

std::string_view to_string(Promise promise);  // "durable_first"
// "nothing is shown elsewhere before it is durable where it was written"
std::string_view meaning(Promise promise);
std::optional<Promise> parse_promise(std::string_view name);

}  // namespace rejoin::simulation
