// What the protocol core counts, by the names that a summary shows.
#pragma once

#include <cstdint>
#include <utility>

#include "rejoin/node/core.h"

namespace rejoin::simulation {

using CoreCounter = std::pair<const char*, std::uint64_t node::CoreCounters::*>;

inline constexpr CoreCounter counter_names[] = {
    {"events committed", &node::CoreCounters::events_committed},
    {"events applied", &node::CoreCounters::events_applied},
    {"events duplicate", &node::CoreCounters::events_duplicate},
    {"events dropped while waiting", &node::CoreCounters::events_waiting_dropped},
    {"events relayed", &node::CoreCounters::events_relayed},
    {"event catch-ups sent", &node::CoreCounters::event_catchups_sent},
    {"deltas sent", &node::CoreCounters::deltas_sent},
    {"deltas joined", &node::CoreCounters::deltas_joined},
    {"comparisons", &node::CoreCounters::comparisons},
    {"transfers abandoned", &node::CoreCounters::transfers_abandoned},
    {"certificate checks", &node::CoreCounters::certificate_checks},
    {"divergences", &node::CoreCounters::divergences},
    {"messages malformed", &node::CoreCounters::messages_malformed},
    {"messages rejected", &node::CoreCounters::messages_rejected},
    {"messages stale", &node::CoreCounters::messages_stale},
    {"messages kept back", &node::CoreCounters::messages_kept_back},
    {"storage failures", &node::CoreCounters::storage_failures},
    {"touches pruned", &node::CoreCounters::touches_pruned},
    {"elements forgotten", &node::CoreCounters::elements_forgotten},
    {"ids retired", &node::CoreCounters::ids_retired},
    {"replica ids replaced", &node::CoreCounters::replica_ids_replaced},
    {"times ahead", &node::CoreCounters::times_ahead},
};
static_assert(std::size(counter_names) * sizeof(std::uint64_t) == sizeof(node::CoreCounters),
              "a counter of the core has no name here");

}  // namespace rejoin::simulation
