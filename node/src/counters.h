// The counters of a node, in one list for everybody who tells them: the admin socket by `name`, the
// metrics by `metric`.
#pragma once

#include <cstdint>
#include <iterator>

#include "rejoin/node/core.h"
#include "rejoin/transport/transport.h"

namespace rejoin::node {

template <class Counters>
struct CounterField {
  const char* name;
  std::uint64_t Counters::*value;
  const char* metric;
  const char* meaning;
};

inline constexpr CounterField<CoreCounters> core_counter_fields[] = {
    {"events_committed", &CoreCounters::events_committed, "rejoin_events_committed_total",
     "Transactions committed here."},
    {"events_applied", &CoreCounters::events_applied, "rejoin_events_applied_total",
     "Events of other nodes that were applied."},
    {"events_duplicate", &CoreCounters::events_duplicate, "rejoin_events_duplicate_total",
     "Events that came and were here already."},
    {"events_waiting_dropped", &CoreCounters::events_waiting_dropped,
     "rejoin_events_waiting_dropped_total",
     "Events dropped because too many waited for what they depend on; they are sent again."},
    {"events_relayed", &CoreCounters::events_relayed, "rejoin_events_relayed_total",
     "Events of other nodes that were passed on."},
    {"deltas_sent", &CoreCounters::deltas_sent, "rejoin_deltas_sent_total",
     "Transfers of cells to peers that were behind."},
    {"deltas_joined", &CoreCounters::deltas_joined, "rejoin_deltas_joined_total",
     "Transfers of cells that were joined here."},
    {"comparisons", &CoreCounters::comparisons, "rejoin_comparisons_total",
     "Comparisons of whole states begun with peers that were away for long."},
    {"transfers_abandoned", &CoreCounters::transfers_abandoned, "rejoin_transfers_abandoned_total",
     "Transfers of either direction that stood still and were given up."},
    {"event_catchups_sent", &CoreCounters::event_catchups_sent, "rejoin_event_catchups_sent_total",
     "Times that a peer was sent the events it lacked."},
    {"certificate_checks", &CoreCounters::certificate_checks, "rejoin_certificate_checks_total",
     "Comparisons of one space's hash with a peer's under equal clocks. While all spaces are "
     "equal, "
     "one sum of them is compared, which is not counted."},
    {"divergences", &CoreCounters::divergences, "rejoin_divergences_total",
     "Certificate checks at which the hashes differed. Must be 0."},
    {"messages_malformed", &CoreCounters::messages_malformed, "rejoin_messages_malformed_total",
     "Messages dropped because they do not parse or break a rule."},
    {"messages_rejected", &CoreCounters::messages_rejected, "rejoin_messages_rejected_total",
     "Messages of nodes of another cluster or version."},
    {"messages_stale", &CoreCounters::messages_stale, "rejoin_messages_stale_total",
     "Messages of or for a process that has ended since."},
    {"messages_kept_back", &CoreCounters::messages_kept_back, "rejoin_messages_kept_back_total",
     "Messages dropped because too many waited for the disk."},
    {"storage_failures", &CoreCounters::storage_failures, "rejoin_storage_failures_total",
     "Group commits that the store refused; they are tried again."},
    {"touches_pruned", &CoreCounters::touches_pruned, "rejoin_touches_pruned_total",
     "Removals forgotten because every member has seen them."},
    {"elements_forgotten", &CoreCounters::elements_forgotten, "rejoin_elements_forgotten_total",
     "Removed elements of lists, logs and texts that were forgotten."},
    {"ids_retired", &CoreCounters::ids_retired, "rejoin_ids_retired_total",
     "Replica ids whose writers are gone that left a clock."},
    {"replica_ids_replaced", &CoreCounters::replica_ids_replaced,
     "rejoin_replica_ids_replaced_total", "Times that a space went on under a new replica id."},
    {"times_ahead", &CoreCounters::times_ahead, "rejoin_times_ahead_total",
     "Times of events not adopted because they were too far ahead of the clock here."},
};
// A new counter is told by everybody, or does not compile.
static_assert(std::size(core_counter_fields) == sizeof(CoreCounters) / sizeof(std::uint64_t));

inline constexpr CounterField<transport::TrafficCounters> traffic_counter_fields[] = {
    {"messages_sent", &transport::TrafficCounters::messages_sent,
     "rejoin_network_sent_messages_total", "Messages handed to the network."},
    {"messages_received", &transport::TrafficCounters::messages_received,
     "rejoin_network_received_messages_total", "Messages received."},
    {"bytes_sent", &transport::TrafficCounters::bytes_sent, "rejoin_network_sent_bytes_total",
     "Bytes handed to the network."},
    {"bytes_received", &transport::TrafficCounters::bytes_received,
     "rejoin_network_received_bytes_total", "Bytes received."},
    {"messages_dropped", &transport::TrafficCounters::messages_dropped,
     "rejoin_network_dropped_messages_total",
     "Messages not sent because the peer's queue was full or it was not connected."},
    {"messages_refused", &transport::TrafficCounters::messages_refused,
     "rejoin_network_refused_messages_total",
     "Messages received and thrown away: no usable name, or several parts."},
    {"peers_refused", &transport::TrafficCounters::peers_refused,
     "rejoin_network_refused_peers_total", "Connections that failed authentication."},
};
static_assert(std::size(traffic_counter_fields) ==
              sizeof(transport::TrafficCounters) / sizeof(std::uint64_t));

}  // namespace rejoin::node
