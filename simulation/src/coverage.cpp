#include "rejoin/simulation/coverage.h"

#include <algorithm>
#include <utility>

#include "counter_names.h"
#include "rejoin/transport/message.h"

namespace rejoin::simulation {

namespace {

template <std::size_t... index>
std::vector<std::string> message_kinds(std::index_sequence<index...>) {
  return {transport::kind_name(transport::Body(std::in_place_index<index>))...};
}

// Counted by the run itself and by the built-in workload.
constexpr const char* run_states[] = {
    "acknowledged writes lost in doubt",
    "acknowledged writes lost unnoticed",
    "clocks noticed ahead",
    "cores that went on alone",
    "damage found while writing",
    "decrements given up",
    "decrements that waited",
    "members alive after all",
    "members dead",
    "members suspected",
    "nodes joined",
    "nodes left cut",
    "nodes left down",
    "nodes left for good",
    "nodes left slow",
    "peers down",
    "peers up",
    "receipts",
    "requests for rights answered",
    "starts refused by the disk",
    "storage failures noticed",
    "stores set aside",
    "tokens given up",
    "transactions undone",
    "waits with a token",
    "writes lost in crashes",
};

std::string fault_state(FaultKind kind) { return "fault " + std::string(to_string(kind)); }

Coverage network_states(const RunResult& result) {
  return {{"messages lost", result.lost},
          {"messages duplicated", result.duplicated},
          {"messages damaged", result.corrupted}};
}

}  // namespace

const std::vector<std::string>& known_states() {
  static const std::vector<std::string> all = [] {
    std::vector<std::string> names(std::begin(run_states), std::end(run_states));
    for (const auto& [name, member] : counter_names) names.emplace_back(name);
    for (int i = 0; i < fault_kinds; ++i) names.push_back(fault_state(static_cast<FaultKind>(i)));
    for (const auto& [name, times] : network_states({})) names.push_back(name);
    constexpr auto kinds = std::make_index_sequence<std::variant_size_v<transport::Body>>();
    for (const auto& kind : message_kinds(kinds)) names.push_back("message " + kind);
    std::sort(names.begin(), names.end());
    return names;
  }();
  return all;
}

Coverage coverage(const RunResult& result) {
  Coverage reached;
  for (const auto& name : known_states()) reached[name] = 0;
  for (const auto& [name, times] : result.counts) reached[name] += times;
  for (const auto& [name, times] : network_states(result)) reached[name] += times;
  for (int i = 0; i < fault_kinds; ++i) {
    reached[fault_state(static_cast<FaultKind>(i))] += result.faults[static_cast<std::size_t>(i)];
  }
  return reached;
}

std::vector<std::string> missed(const Scenario& scenario, const RunResult& total) {
  const Coverage reached = coverage(total);
  std::vector<std::string> names;
  for (const auto& name : scenario.expects) {
    const auto found = reached.find(name);
    if (found == reached.end() || found->second == 0) names.push_back(name);
  }
  return names;
}

}  // namespace rejoin::simulation
