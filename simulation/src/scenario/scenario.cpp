// Scenarios from TOML.
#include "rejoin/simulation/scenario.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <set>

#include "rejoin/simulation/coverage.h"
#include "rejoin/simulation/link_trace.h"
#include "rejoin/transport/message.h"
#include "scenario/knobs.h"
#include "scenario/shipped.h"
#include "scenario/toml_reader.h"
#include "world/topology.h"

namespace rejoin::simulation {

namespace fs = std::filesystem;

namespace {

std::vector<std::string> fault_names() {
  std::vector<std::string> names;
  for (int i = 0; i < fault_kinds; ++i) {
    names.emplace_back(to_string(static_cast<FaultKind>(i)));
  }
  return names;
}

// Why the nodes that are healed first cannot go on alone; empty when they can.
std::string why_no_core(const Scenario& scenario, const LivenessOptions& liveness) {
  if (liveness.core.empty()) {
    return scenario.nodes.size() < 3 ? "three nodes are needed for a majority that leaves some out"
                                     : "";
  }
  if (scenario.topology == Topology::random) {
    return "who is connected in a random topology is drawn; expected \"majority\"";
  }
  const std::set<std::string> core(liveness.core.begin(), liveness.core.end());
  if (core.size() >= scenario.nodes.size()) return "leave some nodes out";
  const auto neighbours = neighbours_of(scenario, Random(0));
  const auto index = [&](const std::string& name) {
    return static_cast<NodeIndex>(std::find(scenario.nodes.begin(), scenario.nodes.end(), name) -
                                  scenario.nodes.begin());
  };
  std::set<std::string> reached{*core.begin()};
  std::vector<std::string> next{*core.begin()};
  while (!next.empty()) {
    const NodeIndex node = index(next.back());
    next.pop_back();
    if (node == scenario.nodes.size()) continue;
    for (const NodeIndex neighbour : neighbours[node]) {
      const std::string& name = scenario.nodes[neighbour];
      if (core.contains(name) && reached.insert(name).second) next.push_back(name);
    }
  }
  for (const auto& name : core) {
    if (reached.contains(name)) continue;
    return "\"" + *core.begin() + "\" and \"" + name + "\" reach each other only through others";
  }
  return "";
}

void read_nodes(TomlTable& top, Scenario& scenario) {
  const auto* found = top.node("nodes");
  if (found == nullptr) return;
  if (const auto* count = found->as_integer()) {
    if (count->get() < 1 || count->get() > static_cast<std::int64_t>(nodes_max)) {
      top.problem("nodes", "nodes: expected a number from 1 to " + std::to_string(nodes_max) +
                               ", or a list of names");
      return;
    }
    scenario.nodes.clear();
    for (std::int64_t i = 1; i <= count->get(); ++i) {
      scenario.nodes.emplace_back("n").append(std::to_string(i));
    }
    return;
  }
  top.read("nodes", scenario.nodes);
}

// A run depends on what a seed means, a scenario for any seed does not.
void read_replay(TomlTable& top, Scenario& scenario) {
  std::uint64_t format = replay_format;
  top.read("format", format);
  if (format != replay_format) {
    top.problem("format", "format: this file is of format " + std::to_string(format) +
                              " and this program replays format " + std::to_string(replay_format) +
                              ", in which the same seed gives another run; replay it with the "
                              "version that wrote it");
  }
  if (top.has("seed")) {
    if (!top.has("format")) {
      top.problem("seed", "seed: a file with a seed says which format it is of: format = " +
                              std::to_string(replay_format));
    }
    std::uint64_t seed = 0;
    top.read("seed", seed);
    scenario.seed = seed;
  } else {
    top.node("seed");
  }
  std::string breaks;
  top.read("breaks", breaks);
  if (breaks.empty()) return;
  scenario.breaks = parse_promise(breaks);
  if (scenario.breaks) return;
  std::string known;
  for (int i = 0; i < promises; ++i) {
    known += (i == 0 ? "" : ", ") + std::string(to_string(static_cast<Promise>(i)));
  }
  top.problem("breaks", "breaks: expected one of " + known);
}

void read_buggify(TomlTable& top, Scenario& scenario) {
  const auto* found = top.node("buggify");
  if (found == nullptr) return;
  if (const auto* flag = found->as_boolean()) {
    if (!flag->get()) scenario.buggify.clear();
    return;
  }
  std::vector<std::string> names;
  if (found->is_array()) {
    top.read("buggify", names);
  } else {
    top.problem("buggify", "buggify: expected true, false or a list of protocol options");
  }
  scenario.buggify = {names.begin(), names.end()};
}

// "2:5" or "2:5-9": client and steps.
bool read_steps(const std::string& text, std::set<ClientStep>& steps) {
  constexpr std::uint64_t steps_max = 1'000'000;
  std::uint64_t client = 0, first = 0, last = 0;
  const char* at = text.data();
  const char* const end = at + text.size();
  const auto number = [&](std::uint64_t& value, char then) {
    const auto [rest, error] = std::from_chars(at, end, value);
    if (error != std::errc()) return false;
    at = rest;
    if (at == end) return then == 0;
    return *at++ == then;
  };
  if (!number(client, ':')) return false;
  if (text.find('-') != std::string::npos) {
    if (!number(first, '-') || !number(last, 0)) return false;
  } else {
    if (!number(first, 0)) return false;
    last = first;
  }
  if (first == 0 || last < first || last > steps_max) return false;
  for (std::uint64_t step = first; step <= last; ++step) steps.insert({client, step});
  return true;
}

// Where a scenario's recordings are looked for, the nearest first.
std::vector<fs::path> recording_folders(const std::string& scenario_file) {
  const char* data = std::getenv("REJOIN_DATA");
  std::vector<fs::path> folders{fs::path(scenario_file).parent_path(),
                                fs::path(data != nullptr ? data : "../shared/data")};
  for (const auto& shipped : shipped_folders("scenarios")) folders.emplace_back(shipped);
  return folders;
}

template <class T>
void read_recorded(TomlTable& table, const std::string& key, const std::string& scenario_file,
                   Recorded<T>& recorded) {
  table.read(key, recorded.file);
  if (recorded.file.empty()) return;
  std::string looked_for;
  for (const auto& folder : recording_folders(scenario_file)) {
    const fs::path path = folder / recorded.file;
    std::error_code ignored;
    if (!fs::is_regular_file(path, ignored)) {
      looked_for += (looked_for.empty() ? "" : ", ") + path.string();
      continue;
    }
    auto content = T::read(path.string());
    if (content.ok()) {
      recorded.content = std::make_shared<const T>(*std::move(content));
    } else {
      table.problem(key, table.full(key) + ": " + content.error().to_string());
    }
    return;
  }
  table.problem(key, table.full(key) + ": there is no such file; looked for " + looked_for +
                         "; put it beside the scenario, or set REJOIN_DATA to the folder that "
                         "holds recordings");
}

void read_delay(TomlTable& table, const std::string& key, std::optional<Range<Duration>>& delay) {
  Range<Duration> read{};
  table.read(key, read);
  if (table.has(key)) delay = read;
}

LinkOptions read_link(TomlTable table, const Scenario& scenario) {
  LinkOptions link;
  table.read("nodes", link.nodes);
  read_recorded(table, "up", scenario.source, link.up);
  read_recorded(table, "down", scenario.source, link.down);
  table.read("stays", link.stays);
  read_delay(table, "up_delay", link.up_delay);
  read_delay(table, "down_delay", link.down_delay);
  for (const auto& name : link.nodes) {
    if (std::find(scenario.nodes.begin(), scenario.nodes.end(), name) == scenario.nodes.end()) {
      table.problem("nodes", "link.nodes: there is no node \"" + name + "\"");
    }
  }
  if (link.nodes.size() != 2 || link.nodes[0] == link.nodes[1]) {
    table.problem("nodes", "link.nodes: name two nodes; what the first sends is \"up\"");
  }
  table.finish();
  return link;
}

void read_regions(TomlTable& table, const Scenario& scenario, TomlProblems& problems,
                  NetworkOptions& network) {
  read_recorded(table, "regions", scenario.source, network.regions);
  const auto* places = table.table("region");
  if (places == nullptr) return;
  TomlTable of_nodes(*places, "network.region", problems);
  for (const auto& node : scenario.nodes) {
    if (!of_nodes.has(node)) {
      of_nodes.node(node);
      continue;
    }
    std::string& region = network.region[node];
    of_nodes.read(node, region);
    if (network.regions.file.empty()) {
      of_nodes.problem(node, of_nodes.full(node) +
                                 ": say in network.regions which file tells how "
                                 "far apart regions are");
    } else if (network.regions.content != nullptr && !network.regions.content->knows(region)) {
      std::string known;
      for (const auto& name : network.regions.content->names()) {
        known += (known.empty() ? "" : ", ") + name;
      }
      of_nodes.problem(node, of_nodes.full(node) + ": expected one of " + known);
    }
  }
  of_nodes.finish();
}

void read_network(TomlTable table, const Scenario& scenario, TomlProblems& problems,
                  NetworkOptions& network) {
  table.read("delay", network.delay);
  table.read("asymmetric", network.asymmetric);
  read_regions(table, scenario, problems, network);
  table.read_ppm("spread", network.spread_ppm, 8);
  table.read("slow", network.slow);
  table.read_ppm("slow_alpha", network.slow_alpha_ppm, 10);
  if (network.slow_alpha_ppm == 0) table.problem("slow_alpha", "network.slow_alpha: must exceed 0");
  table.read("loss", network.loss);
  table.read("loss_burst", network.loss_burst);
  if (network.loss_burst < 1 || network.loss_burst > Share::whole) {
    table.problem("loss_burst", "network.loss_burst: expected 1 to 1000000 messages");
  }
  table.read("duplicate", network.duplicate);
  table.read("reorder", network.reorder);
  table.read("corrupt", network.corrupt);
  table.read("bandwidth", network.bandwidth);
  table.read("queue_bytes", network.queue_bytes);
  table.finish();
}

void read_disk(TomlTable table, DiskOptions& disk) {
  int store = static_cast<int>(disk.store);
  table.read_choice("store", {"model", "sqlite", "either"}, store);
  disk.store = static_cast<DiskStore>(store);
  table.read("sync", disk.sync);
  table.read_ppm("spread", disk.spread_ppm, 8);
  table.read("power_loss", disk.power_loss);
  table.read("torn_batch_kept", disk.torn_batch_kept);
  table.read("uncertain_after_crash", disk.uncertain_after_crash);
  table.finish();
}

void read_clocks(TomlTable table, ClockOptions& clocks) {
  table.read("skew", clocks.skew);
  table.read("drift_ppm", clocks.drift_ppm);
  if (clocks.drift_ppm.high > 500'000) {
    table.problem("drift_ppm", "clocks.drift_ppm: expected at most 500000");
  }
  table.finish();
}

void read_workload(TomlTable table, WorkloadOptions& workload) {
  table.read("clients", workload.clients);
  table.read("think", workload.think);
  table.read("writes", workload.writes);
  table.read("move", workload.move);
  table.read("removal", workload.removal);
  table.read("abort", workload.abort);
  table.read("value_bytes", workload.value_bytes);
  table.read("keys", workload.keys);
  table.read("ephemeral_space", workload.ephemeral_space);
  table.read("token_wait", workload.token_wait);
  std::vector<std::string> names;
  table.read("types", names);
  for (const auto& name : names) {
    const auto type = parse_type(name);
    if (type.ok()) {
      workload.types.insert(*type);
    } else {
      table.problem("types", "workload.types: " + type.error().to_string());
    }
  }
  if (table.has("steps")) {
    std::vector<std::string> texts;
    table.read("steps", texts);
    workload.steps.emplace();
    for (const auto& text : texts) {
      if (read_steps(text, *workload.steps)) continue;
      table.problem("steps",
                    "workload.steps: expected a client and its steps, such as \"2:5\" or "
                    "\"2:5-9\"");
      break;
    }
  } else {
    table.node("steps");
  }
  if (workload.keys.low == 0) table.problem("keys", "workload.keys: expected at least 1");
  if (workload.clients.high > 1'000) {
    table.problem("clients", "workload.clients: expected at most 1000");
  }
  if (workload.value_bytes.high > (1u << 20)) {
    table.problem("value_bytes", "workload.value_bytes: expected at most 1048576");
  }
  table.finish();
}

std::vector<std::string> absence_names() {
  std::vector<std::string> names;
  for (int i = 0; i < absences; ++i) names.emplace_back(to_string(static_cast<Absence>(i)));
  return names;
}

void read_liveness(TomlTable table, const Scenario& scenario, LivenessOptions& liveness) {
  table.read("share", liveness.share);
  const auto* core = table.node("core");
  if (core != nullptr && core->is_array()) {
    table.read("core", liveness.core);
    if (liveness.core.empty()) table.problem("core", "liveness.core: name the nodes");
  } else if (core != nullptr && core->value_or(std::string()) != "majority") {
    table.problem("core", "liveness.core: expected \"majority\" or a list of nodes");
  }
  for (const auto& name : liveness.core) {
    if (std::find(scenario.nodes.begin(), scenario.nodes.end(), name) == scenario.nodes.end()) {
      table.problem("core", "liveness.core: there is no node \"" + name + "\"");
    }
  }
  if (const std::string wrong = why_no_core(scenario, liveness); !wrong.empty()) {
    table.problem("core", "liveness.core: " + wrong);
  }
  if (table.has("others")) {
    std::vector<std::string> others;
    table.read("others", others);
    liveness.others.clear();
    const auto names = absence_names();
    for (const auto& other : others) {
      const auto known = std::find(names.begin(), names.end(), other);
      if (known == names.end()) {
        table.problem("others", "liveness.others: expected some of down, cut, slow");
        break;
      }
      liveness.others.insert(static_cast<Absence>(known - names.begin()));
    }
    if (others.empty()) table.problem("others", "liveness.others: expected at least one state");
  } else {
    table.node("others");
  }
  table.finish();
}

// Why nodes cannot join and leave as they should; empty when they can.
std::string why_no_change(const Scenario& scenario, const std::vector<MemberChange>& changes) {
  std::set<std::string> changing;
  for (const auto& change : changes) {
    if (!changing.insert(change.node).second) return "\"" + change.node + "\" is named twice";
    if (change.at.low < Duration(0) || change.at.high >= scenario.duration) {
      return "at: must lie between 0s and the scenario's duration";
    }
    if (std::find(scenario.nodes.begin(), scenario.nodes.end(), change.node) ==
        scenario.nodes.end()) {
      return "node: there is no node \"" + change.node + "\"";
    }
  }
  if (changing.size() >= scenario.nodes.size()) return "leave one node that is always there";
  const bool can_change =
      scenario.topology == Topology::mesh || scenario.topology == Topology::overlay;
  if (!changes.empty() && !can_change) {
    return "expected the topology \"mesh\" or \"overlay\"";
  }
  return "";
}

void read_member_changes(TomlTable& top, const std::string& key, TomlProblems& problems,
                         std::vector<MemberChange>& changes) {
  for (const auto* entry : top.tables(key)) {
    TomlTable table(*entry, key, problems);
    MemberChange change;
    table.read("node", change.node);
    if (!table.has("at")) table.problem(key + ".at: say when");
    table.read("at", change.at);
    table.finish();
    changes.push_back(std::move(change));
  }
}

PlannedFault read_planned(TomlTable table, const Scenario& scenario) {
  PlannedFault fault;
  int kind = -1;
  table.read_choice("kind", fault_names(), kind);
  if (kind < 0) table.problem("fault.kind: say which kind of fault this is");
  fault.kind = static_cast<FaultKind>(std::max(kind, 0));
  if (!table.has("at")) table.problem("fault.at: say when the fault begins");
  table.read("at", fault.at);
  table.read("nodes", fault.nodes);
  if (fault.kind == FaultKind::clock_jump) table.read("jump", fault.jump);
  if (!is_momentary(fault.kind)) {
    if (!table.has("lasts")) table.problem("fault.lasts: say how long the fault lasts");
    table.read("lasts", fault.lasts);
  }
  if (fault.at < Duration(0) || fault.at >= scenario.duration) {
    table.problem("at", "fault.at: must lie between 0s and the scenario's duration");
  }
  if (fault.lasts < Duration(0)) table.problem("lasts", "fault.lasts: must not be negative");
  for (const auto& name : fault.nodes) {
    if (std::find(scenario.nodes.begin(), scenario.nodes.end(), name) == scenario.nodes.end()) {
      table.problem("nodes", "fault.nodes: there is no node \"" + name + "\"");
    }
  }
  if (fault.nodes.empty()) {
    table.problem("nodes", "fault.nodes: name the nodes concerned");
  } else if (is_of_a_link(fault.kind) &&
             (fault.nodes.size() != 2 || fault.nodes[0] == fault.nodes[1])) {
    table.problem("nodes", "fault.nodes: a " + std::string(to_string(fault.kind)) +
                               " fault names two nodes" +
                               (fault.kind == FaultKind::one_way ? ", from and to" : ""));
  } else if (fault.kind == FaultKind::partition && fault.nodes.size() >= scenario.nodes.size()) {
    table.problem("nodes", "fault.nodes: a partition names one side, not all nodes");
  }
  table.finish();
  return fault;
}

RandomFault read_random(TomlTable table, const Scenario& scenario) {
  RandomFault fault;
  int kind = -1;
  table.read_choice("kind", fault_names(), kind);
  if (kind < 0) table.problem("random_fault.kind: say which kind of fault this is");
  fault.kind = static_cast<FaultKind>(std::max(kind, 0));
  if (!table.has("every")) {
    table.problem("random_fault.every: say how often, on average, the fault happens");
  }
  table.read("every", fault.every);
  if (table.has("every") && fault.every.low < std::chrono::milliseconds(1)) {
    table.problem("every", "random_fault.every: must be at least 1ms");
  }
  if (fault.kind == FaultKind::clock_jump) table.read("jump", fault.jump);
  if (!is_momentary(fault.kind)) {
    if (!table.has("lasts")) table.problem("random_fault.lasts: say how long the fault lasts");
    table.read("lasts", fault.lasts);
    if (fault.lasts.low < Duration(0)) {
      table.problem("lasts", "random_fault.lasts: must not be negative");
    }
  }
  const bool needs_two = fault.kind == FaultKind::partition || is_of_a_link(fault.kind);
  if (needs_two && scenario.nodes.size() < 2) {
    table.problem("kind", "random_fault.kind: this kind needs two nodes");
  }
  table.finish();
  return fault;
}

void read_all(TomlTable& top, Scenario& scenario, TomlProblems& problems) {
  top.read("name", scenario.name);
  top.read("description", scenario.description);
  read_replay(top, scenario);
  read_nodes(top, scenario);
  int topology = static_cast<int>(scenario.topology);
  top.read_choice("topology", {"mesh", "line", "ring", "star", "random", "overlay"}, topology);
  scenario.topology = static_cast<Topology>(topology);
  top.read("degree", scenario.degree);
  if (scenario.degree < 2) top.problem("degree", "degree: expected at least 2");
  top.read("duration", scenario.duration);
  top.read("converge_within", scenario.converge_within);
  if (scenario.duration <= Duration(0)) top.problem("duration", "duration: must exceed 0s");
  if (scenario.converge_within <= Duration(0)) {
    top.problem("converge_within", "converge_within: must exceed 0s");
  }
  top.read("swarm", scenario.swarm);
  read_buggify(top, scenario);
  top.read("expects", scenario.expects);
  for (const auto& state : scenario.expects) {
    if (std::binary_search(known_states().begin(), known_states().end(), state)) continue;
    std::string known;
    for (const auto& name : known_states()) known += (known.empty() ? "" : ", ") + name;
    top.problem("expects", "expects: no run reaches \"" + state + "\"; expected some of " + known);
  }
  top.read("steps_max", scenario.steps_max);
  top.read("deep_check_every", scenario.deep_check_every);
  if (scenario.deep_check_every == 0) {
    top.problem("deep_check_every", "deep_check_every: expected at least 1");
  }
  const auto part = [&](const char* key, auto read) {
    if (const auto* table = top.table(key)) read(TomlTable(*table, key, problems));
  };
  part("network", [&](TomlTable table) {
    read_network(std::move(table), scenario, problems, scenario.network);
  });
  for (const auto* table : top.tables("link")) {
    scenario.network.links.push_back(read_link(TomlTable(*table, "link", problems), scenario));
  }
  part("disk", [&](TomlTable table) { read_disk(std::move(table), scenario.disk); });
  part("clocks", [&](TomlTable table) { read_clocks(std::move(table), scenario.clocks); });
  part("workload", [&](TomlTable table) { read_workload(std::move(table), scenario.workload); });
  part("liveness", [&](TomlTable table) {
    scenario.liveness.emplace();
    read_liveness(std::move(table), scenario, *scenario.liveness);
  });
  top.read("evicted", scenario.evicted);
  read_member_changes(top, "join", problems, scenario.joins);
  read_member_changes(top, "leave", problems, scenario.leaves);
  part("core", [&](TomlTable table) { read_core_options(table, scenario.core); });
  for (const auto* table : top.tables("fault")) {
    scenario.planned.push_back(read_planned(TomlTable(*table, "fault", problems), scenario));
  }
  for (const auto* table : top.tables("random_fault")) {
    scenario.random.push_back(read_random(TomlTable(*table, "random_fault", problems), scenario));
  }
  top.finish();
}

}  // namespace

Result<Scenario> Scenario::from_toml(std::string_view text, const std::string& source) {
  TomlProblems problems{source, std::nullopt};
  Scenario scenario;
  scenario.source = source;
  try {
    const toml::table table = toml::parse(text, source);
    TomlTable top(table, "", problems);
    read_all(top, scenario, problems);
  } catch (const toml::parse_error& error) {
    return make_error(ErrorCode::malformed, std::string(error.description()),
                      source + ':' + std::to_string(error.source().begin.line));
  }
  if (problems.first) return *std::move(problems.first);
  if (auto status = scenario.validate(); !status.ok()) return std::move(status).error();
  return scenario;
}

Result<Scenario> Scenario::from_toml_file(const std::string& path) {
  const auto text = read_file("scenario", path);
  if (!text.ok()) return text.error();
  return from_toml(*text, path);
}

Status Scenario::validate() const {
  const auto wrong = [&](const std::string& what) {
    return make_error(ErrorCode::invalid_argument, what, source.empty() ? name : source);
  };
  if (nodes.empty() || nodes.size() > nodes_max) {
    return wrong("nodes: expected 1 to " + std::to_string(nodes_max) + " of them");
  }
  if (degree < 2) return wrong("degree: expected at least 2");
  std::set<std::string> names;
  for (const auto& node : nodes) {
    if (node.empty() || node.size() > transport::name_bytes_max) {
      return wrong("nodes: a name has 1 to 255 bytes");
    }
    if (!names.insert(node).second) return wrong("nodes: two are called \"" + node + "\"");
  }
  for (const auto& fault : planned) {
    for (const auto& node : fault.nodes) {
      if (!names.contains(node)) return wrong("fault.nodes: there is no node \"" + node + "\"");
    }
    if (is_of_a_link(fault.kind) && fault.nodes.size() != 2) {
      return wrong("fault.nodes: a " + std::string(to_string(fault.kind)) +
                   " fault names two nodes");
    }
  }
  for (const auto& node : evicted) {
    if (!names.contains(node)) return wrong("evicted: there is no node \"" + node + "\"");
  }
  if (const std::string why = why_no_change(*this, joins); !why.empty()) {
    return wrong("join: " + why);
  }
  if (const std::string why = why_no_change(*this, leaves); !why.empty()) {
    return wrong("leave: " + why);
  }
  for (const auto& join : joins) {
    if (std::ranges::find(leaves, join.node, &MemberChange::node) != leaves.end()) {
      return wrong("leave: \"" + join.node + "\" joins; another node may leave");
    }
  }
  if (liveness && !leaves.empty()) return wrong("liveness: expected none where nodes leave");
  if (liveness) {
    for (const auto& node : liveness->core) {
      if (!names.contains(node)) return wrong("liveness.core: there is no node \"" + node + "\"");
    }
    if (const std::string why = why_no_core(*this, *liveness); !why.empty()) {
      return wrong("liveness.core: " + why);
    }
    if (liveness->others.empty()) return wrong("liveness.others: expected at least one state");
  }
  for (const auto& link : network.links) {
    if (link.nodes.size() != 2 || link.nodes[0] == link.nodes[1]) {
      return wrong("link.nodes: name two nodes");
    }
    for (const auto& node : link.nodes) {
      if (!names.contains(node)) return wrong("link.nodes: there is no node \"" + node + "\"");
    }
    if ((!link.up.file.empty() && !link.up.content) ||
        (!link.down.file.empty() && !link.down.content)) {
      return wrong("link: a recording that is named must be read, too");
    }
  }
  for (const auto& [node, region] : network.region) {
    if (!names.contains(node)) return wrong("network.region: there is no node \"" + node + "\"");
    if (!network.regions.content || !network.regions.content->knows(region)) {
      return wrong("network.region: network.regions does not tell of \"" + region + "\"");
    }
  }
  for (const auto& knob : buggify) {
    if (!known_core_knobs().contains(knob)) return wrong("buggify: unknown option " + knob);
  }
  for (const auto& [knob, range] : core) {
    if (!known_core_knobs().contains(knob)) return wrong("core." + knob + ": unknown option");
  }
  return {};
}

bool WorkloadOptions::takes_step(std::uint64_t client, std::uint64_t step) const {
  if (!steps) return true;
  if (step > 0) return steps->contains({client, step});
  const auto any = steps->lower_bound({client, 0});
  return any != steps->end() && any->client == client;
}

Result<Scenario> find_scenario(const std::string& name_or_path) {
  const auto path = find_shipped("scenario", "rejoin sim list", name_or_path);
  if (!path.ok()) return path.error();
  return Scenario::from_toml_file(*path);
}

Result<std::vector<Scenario>> shipped_scenarios() {
  return read_shipped<Scenario>("scenarios", Scenario::from_toml_file);
}

}  // namespace rejoin::simulation
