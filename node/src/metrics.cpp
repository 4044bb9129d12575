#include "metrics.h"

#include <prometheus/collectable.h>
#include <prometheus/exposer.h>
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <exception>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "counters.h"
#include "runtime.h"

namespace rejoin::node {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

// Families in the order in which they were begun. Each is there even when it has no sample, so that
// what is not there is what this version does not know.
class Families {
 public:
  class Family {
   public:
    explicit Family(MetricFamily& family) : family_(family) {}
    void add(double value, Labels labels = {}) {
      ClientMetric& metric = family_.metric.emplace_back();
      metric.label = std::move(labels);
      if (family_.type == MetricType::Counter) {
        metric.counter.value = value;
      } else {
        metric.gauge.value = value;
      }
    }

   private:
    MetricFamily& family_;
  };

  // Of counters the name ends in _total. A Family is of use until the next one is begun.
  Family begin(const char* name, const char* meaning) {
    const bool counts = std::string_view(name).ends_with("_total");
    families_.push_back({name, meaning, counts ? MetricType::Counter : MetricType::Gauge, {}});
    return Family(families_.back());
  }
  void add(const char* name, const char* meaning, double value) { begin(name, meaning).add(value); }
  template <class Counters, std::size_t count>
  void add(const CounterField<Counters> (&fields)[count], const Counters& counters) {
    for (const auto& field : fields) {
      add(field.metric, field.meaning, static_cast<double>(counters.*field.value));
    }
  }

  std::vector<MetricFamily> take() { return std::move(families_); }

 private:
  std::vector<MetricFamily> families_;
};

double seconds(std::chrono::microseconds time) {
  return std::chrono::duration<double>(time).count();
}

void add_storage(Families& out, Runtime& runtime) {
  const StorageStatus storage = runtime.storage_status();
  out.add("rejoin_storage_write_error",
          "1 while the store refuses writes: commits are in memory only.", !storage.error.empty());
  out.add("rejoin_storage_set_aside",
          "1 when the store was damaged at the start and was moved aside.",
          !runtime.set_aside_store().empty());
  out.add("rejoin_storage_commits_total", "Group commits that are durable.",
          static_cast<double>(storage.commits));
  out.add("rejoin_storage_written_bytes_total", "Bytes of records and cells in those.",
          static_cast<double>(storage.bytes));
  out.add("rejoin_storage_write_seconds_total", "Time spent writing them, and on failed ones.",
          seconds(storage.writing));
  out.add("rejoin_storage_unwritten_seconds",
          "How long the oldest commit that is not durable has waited for the disk; 0 when all are.",
          seconds(storage.unwritten));
  out.add("rejoin_storage_file_bytes", "Size of the database and its write-ahead log.",
          static_cast<double>(storage.file_bytes));
}

std::uint64_t writes_of(const Clock& clock) {
  std::uint64_t sum = 0;
  for (const auto& [replica, sequence] : clock) sum += sequence;
  return sum;
}

void add_spaces(Families& out, Runtime& runtime, const std::vector<SpaceStatus>& spaces) {
  const auto each = [&](const char* name, const char* meaning, const auto& value_of) {
    auto family = out.begin(name, meaning);
    for (const SpaceStatus& space : spaces) {
      family.add(static_cast<double>(value_of(space)), {{"space", space.name}});
    }
  };
  each("rejoin_space_writes", "Writes that the space's clock counts, whoever made them.",
       [](const SpaceStatus& space) { return writes_of(space.clock); });
  each("rejoin_space_unwritten_writes", "Writes of these that are not durable here yet.",
       [](const SpaceStatus& space) { return space.clock.distance_beyond(space.durable_clock); });
  each("rejoin_space_replicas", "Replica ids in the space's clock.",
       [](const SpaceStatus& space) { return space.clock.size(); });
  each("rejoin_space_cells", "Cells that the space holds.",
       [](const SpaceStatus& space) { return space.cells; });
  each("rejoin_space_touches", "Removals that some member may not have seen yet.",
       [](const SpaceStatus& space) { return space.touches; });
  each("rejoin_space_waiting_events", "Events that wait for what they depend on.",
       [](const SpaceStatus& space) { return space.waiting_events; });

  auto lag = out.begin("rejoin_peer_lag_writes",
                       "Writes here that the peer is not known to have, in each space.");
  for (const SpaceStatus& space : spaces) {
    for (const PeerStatus& peer : space.peers) {
      lag.add(static_cast<double>(peer.lag), {{"space", space.name}, {"peer", peer.name}});
    }
  }
  auto behind = out.begin("rejoin_peer_behind_seconds",
                          "How long the peer has lacked a write that is here, as far as those who "
                          "asked can tell. No sample when it lacks none.");
  for (const auto& [where, age] : runtime.lag_ages(spaces)) {
    behind.add(seconds(age), {{"space", where.first}, {"peer", where.second}});
  }
}

void add_peers(Families& out, const std::vector<SpaceStatus>& spaces) {
  std::map<std::string, const PeerStatus*> peers;  // the same in every space, but for clocks
  for (const SpaceStatus& space : spaces) {
    for (const PeerStatus& peer : space.peers) peers[peer.name] = &peer;
  }
  auto up = out.begin("rejoin_peer_up", "1 while the peer is heard, 0 when it is silent.");
  for (const auto& [name, peer] : peers) up.add(peer->alive, {{"peer", name}});
  auto silent = out.begin("rejoin_peer_silent_seconds",
                          "Since the peer was last heard. No sample when it never was.");
  for (const auto& [name, peer] : peers) {
    if (!peer->was_heard()) continue;
    silent.add(static_cast<double>(peer->silent_millis) / 1000, {{"peer", name}});
  }
}

void add_members(Families& out, Runtime& runtime) {
  std::map<transport::Life, int> lives;
  int neighbours = 0;
  for (const MemberStatus& member : runtime.members()) {
    ++lives[member.life];
    neighbours += member.neighbour ? 1 : 0;
  }
  auto members = out.begin("rejoin_members",
                           "Members of the cluster by what is believed of them. None without an "
                           "overlay.");
  if (runtime.options().overlay) {
    for (const transport::Life life :
         {transport::Life::alive, transport::Life::suspected, transport::Life::dead}) {
      members.add(lives[life], {{"life", transport::life_name(life)}});
    }
  }
  out.add("rejoin_neighbours", "Members with whom this node talks. 0 without an overlay.",
          neighbours);
}

void add_kinds(Families& out, const std::map<std::string, MessageCount>& kinds,
               const char* messages_name, const char* messages_meaning, const char* bytes_name,
               const char* bytes_meaning) {
  auto messages = out.begin(messages_name, messages_meaning);
  for (const auto& [kind, count] : kinds) {
    messages.add(static_cast<double>(count.messages), {{"kind", kind}});
  }
  auto bytes = out.begin(bytes_name, bytes_meaning);
  for (const auto& [kind, count] : kinds) {
    bytes.add(static_cast<double>(count.bytes), {{"kind", kind}});
  }
}

std::vector<MetricFamily> collect(Runtime& runtime) {
  Families out;
  out.begin("rejoin_node_info", "1, with what the node is called.")
      .add(1, {{"name", runtime.options().name},
               {"cluster", runtime.options().cluster},
               {"version", REJOIN_VERSION}});
  out.add("rejoin_unhealthy", "Reasons why the node is not healthy; `rejoin health` names them.",
          static_cast<double>(flaws_of(runtime).size()));
  out.add(core_counter_fields, runtime.counters());
  out.add(traffic_counter_fields, runtime.traffic());
  add_kinds(out, runtime.sent_by_kind(), "rejoin_sent_messages_total",
            "Messages for peers, by kind.", "rejoin_sent_bytes_total",
            "Bytes of these messages, by kind.");
  add_kinds(out, runtime.received_by_kind(), "rejoin_received_messages_total",
            "Messages of peers, by kind; `unknown` where they do not parse.",
            "rejoin_received_bytes_total", "Bytes of these messages, by kind.");
  out.add("rejoin_buffered_bytes", "Bytes in buffers that peers can fill.",
          static_cast<double>(runtime.buffered_bytes()));
  out.add("rejoin_links_cut", "Links that were cut on purpose, with the admin command link.",
          static_cast<double>(runtime.links_down().size()));
  add_storage(out, runtime);
  const std::vector<SpaceStatus> spaces = runtime.status();
  add_spaces(out, runtime, spaces);
  add_peers(out, spaces);
  add_members(out, runtime);
  return out.take();
}

class Metrics : public prometheus::Collectable {
 public:
  explicit Metrics(Runtime& runtime) : runtime_(runtime) {}
  std::vector<MetricFamily> Collect() const override { return collect(runtime_); }

 private:
  Runtime& runtime_;
};

}  // namespace

std::string metrics_text(Runtime& runtime) {
  const prometheus::Serializer& serializer = prometheus::TextSerializer();
  return serializer.Serialize(collect(runtime));
}

Result<std::unique_ptr<MetricsServer>> MetricsServer::open(const std::string& address,
                                                           Runtime& runtime) {
  try {
    auto exposer = std::make_unique<prometheus::Exposer>(address);
    auto metrics = std::make_shared<Metrics>(runtime);
    exposer->RegisterCollectable(metrics);
    std::string bound = address.substr(0, address.rfind(':') + 1) +
                        std::to_string(exposer->GetListeningPorts().front());
    return std::unique_ptr<MetricsServer>(
        new MetricsServer(std::move(exposer), std::move(metrics), std::move(bound)));
  } catch (const std::exception&) {  // says nothing of why
    return make_error(ErrorCode::address_in_use,
                      "cannot listen there for metrics: another process does, or the address is "
                      "not of this machine; choose another in [metrics]",
                      address);
  }
}

MetricsServer::MetricsServer(std::unique_ptr<prometheus::Exposer> exposer,
                             std::shared_ptr<prometheus::Collectable> metrics, std::string address)
    : metrics_(std::move(metrics)), exposer_(std::move(exposer)), address_(std::move(address)) {}

MetricsServer::~MetricsServer() = default;

}  // namespace rejoin::node
