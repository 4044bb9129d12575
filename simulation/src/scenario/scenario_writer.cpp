// Scenarios to TOML.
#include <algorithm>
#include <string>

#include "rejoin/simulation/scenario.h"
#include "scenario/knobs.h"

namespace rejoin::simulation {

namespace {

std::string quoted(std::string_view text) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (byte < 0x20 || byte == 0x7F) {
      out += std::string("\\u00") + digits[byte >> 4] + digits[byte & 15];
    } else {
      out += c;
    }
  }
  return out + '"';
}

// In the greatest unit that gives a whole number.
std::string written(Duration duration) {
  const std::int64_t micros = duration.count();
  const auto in = [&](std::int64_t unit, const char* name) {
    return '"' + std::to_string(micros / unit) + name + '"';
  };
  if (micros % 3'600'000'000 == 0 && micros != 0) return in(3'600'000'000, "h");
  if (micros % 1'000'000 == 0) return in(1'000'000, "s");
  if (micros % 1'000 == 0) return in(1'000, "ms");
  return in(1, "us");
}

// A millionth as a decimal fraction.
std::string written_ppm(std::uint64_t ppm) {
  std::string fraction = std::to_string(1'000'000 + ppm % 1'000'000).substr(1);
  while (fraction.size() > 1 && fraction.back() == '0') fraction.pop_back();
  return std::to_string(ppm / 1'000'000) + '.' + fraction;
}

std::string written(Share share) { return written_ppm(share.ppm); }
std::string written(std::uint64_t count) { return std::to_string(count); }
std::string written(bool flag) { return flag ? "true" : "false"; }

template <class T>
std::string written(const Range<T>& range) {
  if (range.fixed()) return written(range.low);
  return '[' + written(range.low) + ", " + written(range.high) + ']';
}

template <class Names>
std::string written_list(const Names& names) {
  std::string out = "[";
  for (const auto& name : names) out += (out.size() == 1 ? "" : ", ") + quoted(name);
  return out + ']';
}

std::string written_steps(const std::set<ClientStep>& steps) {
  std::vector<std::string> texts;
  for (auto at = steps.begin(); at != steps.end();) {
    const ClientStep first = *at;
    ClientStep last = first;
    while (++at != steps.end() && at->client == last.client && at->step == last.step + 1) {
      last = *at;
    }
    std::string text = std::to_string(first.client) + ':' + std::to_string(first.step);
    if (last != first) text += '-' + std::to_string(last.step);
    texts.push_back(std::move(text));
  }
  return written_list(texts);
}

// Lines of one table, and its head before the first of them.
class Table {
 public:
  Table(std::string& out, std::string head) : out_(out), head_(std::move(head)) {}
  void line(const char* key, const std::string& value) {
    if (!head_.empty()) out_ += '\n' + std::exchange(head_, {}) + '\n';
    out_ += std::string(key) + " = " + value + '\n';
  }
  template <class T>
  void differing(const char* key, const T& value, const T& standard) {
    if (!(value == standard)) line(key, written(value));
  }
  void differing_ppm(const char* key, std::uint32_t value, std::uint32_t standard) {
    if (value != standard) line(key, written_ppm(value));
  }

 private:
  std::string& out_;
  std::string head_;
};

void write_top(Table top, const Scenario& scenario) {
  static const Scenario standard;
  top.line("name", quoted(scenario.name));
  if (!scenario.description.empty()) top.line("description", quoted(scenario.description));
  if (scenario.seed) {
    top.line("format", std::to_string(replay_format));
    top.line("seed", std::to_string(*scenario.seed));
  }
  if (scenario.breaks) top.line("breaks", quoted(to_string(*scenario.breaks)));
  top.line("nodes", written_list(scenario.nodes));
  if (!scenario.evicted.empty()) top.line("evicted", written_list(scenario.evicted));
  constexpr const char* topologies[] = {"mesh", "line", "ring", "star", "random", "overlay"};
  if (scenario.topology != standard.topology) {
    top.line("topology", quoted(topologies[static_cast<int>(scenario.topology)]));
  }
  top.differing("degree", scenario.degree, standard.degree);
  top.line("duration", written(scenario.duration));
  top.differing("converge_within", scenario.converge_within, standard.converge_within);
  top.differing("swarm", scenario.swarm, standard.swarm);
  if (scenario.buggify.empty()) {
    top.line("buggify", "false");
  } else if (scenario.buggify != standard.buggify) {
    top.line("buggify", written_list(scenario.buggify));
  }
  if (!scenario.expects.empty()) top.line("expects", written_list(scenario.expects));
  top.differing("steps_max", scenario.steps_max, standard.steps_max);
  top.differing("deep_check_every", scenario.deep_check_every, standard.deep_check_every);
}

void write_network(Table table, const NetworkOptions& network) {
  const NetworkOptions standard;
  table.differing("delay", network.delay, standard.delay);
  table.differing("asymmetric", network.asymmetric, standard.asymmetric);
  if (!network.regions.file.empty()) table.line("regions", quoted(network.regions.file));
  table.differing_ppm("spread", network.spread_ppm, standard.spread_ppm);
  table.differing("slow", network.slow, standard.slow);
  table.differing_ppm("slow_alpha", network.slow_alpha_ppm, standard.slow_alpha_ppm);
  table.differing("loss", network.loss, standard.loss);
  table.differing("loss_burst", network.loss_burst, standard.loss_burst);
  table.differing("duplicate", network.duplicate, standard.duplicate);
  table.differing("reorder", network.reorder, standard.reorder);
  table.differing("corrupt", network.corrupt, standard.corrupt);
  table.differing("bandwidth", network.bandwidth, standard.bandwidth);
  table.differing("queue_bytes", network.queue_bytes, standard.queue_bytes);
}

void write_regions(Table table, const NetworkOptions& network) {
  for (const auto& [node, region] : network.region) {
    table.line(quoted(node).c_str(), quoted(region));
  }
}

void write_link(Table table, const LinkOptions& link) {
  table.line("nodes", written_list(link.nodes));
  if (!link.up.file.empty()) table.line("up", quoted(link.up.file));
  if (!link.down.file.empty()) table.line("down", quoted(link.down.file));
  if (link.stays) table.line("stays", "true");
  if (link.up_delay) table.line("up_delay", written(*link.up_delay));
  if (link.down_delay) table.line("down_delay", written(*link.down_delay));
}

void write_disk(Table table, const DiskOptions& disk) {
  const DiskOptions standard;
  constexpr const char* stores[] = {"model", "sqlite", "either"};
  if (disk.store != standard.store) {
    table.line("store", quoted(stores[static_cast<int>(disk.store)]));
  }
  table.differing("sync", disk.sync, standard.sync);
  table.differing_ppm("spread", disk.spread_ppm, standard.spread_ppm);
  table.differing("power_loss", disk.power_loss, standard.power_loss);
  table.differing("torn_batch_kept", disk.torn_batch_kept, standard.torn_batch_kept);
  table.differing("uncertain_after_crash", disk.uncertain_after_crash,
                  standard.uncertain_after_crash);
}

void write_clocks(Table table, const ClockOptions& clocks) {
  const ClockOptions standard;
  table.differing("skew", clocks.skew, standard.skew);
  table.differing("drift_ppm", clocks.drift_ppm, standard.drift_ppm);
}

void write_workload(Table table, const WorkloadOptions& workload) {
  static const WorkloadOptions standard;
  table.differing("clients", workload.clients, standard.clients);
  table.differing("think", workload.think, standard.think);
  table.differing("writes", workload.writes, standard.writes);
  table.differing("move", workload.move, standard.move);
  table.differing("removal", workload.removal, standard.removal);
  table.differing("abort", workload.abort, standard.abort);
  table.differing("keys", workload.keys, standard.keys);
  table.differing("value_bytes", workload.value_bytes, standard.value_bytes);
  table.differing("ephemeral_space", workload.ephemeral_space, standard.ephemeral_space);
  table.differing("token_wait", workload.token_wait, standard.token_wait);
  if (!workload.types.empty()) {
    std::vector<std::string_view> names;
    for (const Type type : workload.types) names.push_back(to_string(type));
    table.line("types", written_list(names));
  }
  if (workload.steps) table.line("steps", written_steps(*workload.steps));
}

void write_liveness(Table table, const LivenessOptions& liveness) {
  table.line("core", liveness.core.empty() ? quoted("majority") : written_list(liveness.core));
  table.differing("share", liveness.share, LivenessOptions().share);
  std::vector<std::string_view> others;
  for (const Absence absence : liveness.others) others.push_back(to_string(absence));
  table.line("others", written_list(others));
}

void write_member_change(Table table, const MemberChange& change) {
  table.line("node", quoted(change.node));
  table.line("at", written(change.at));
}

void write_core(Table table, const CoreKnobs& core) {
  const auto micros = [](std::uint64_t value) {
    return Duration(static_cast<std::int64_t>(value));
  };
  for (const auto& [name, range] : core) {
    table.line(name.c_str(), is_duration_knob(name)
                                 ? written(Range<Duration>{micros(range.low), micros(range.high)})
                                 : written(range));
  }
}

void write_planned(Table table, const PlannedFault& fault) {
  table.line("kind", quoted(to_string(fault.kind)));
  table.line("at", written(fault.at));
  if (fault.kind == FaultKind::clock_jump) table.line("jump", written(fault.jump));
  if (!is_momentary(fault.kind)) table.line("lasts", written(fault.lasts));
  table.line("nodes", written_list(fault.nodes));
}

void write_random(Table table, const RandomFault& fault) {
  table.line("kind", quoted(to_string(fault.kind)));
  table.line("every", written(fault.every));
  if (fault.kind == FaultKind::clock_jump) table.line("jump", written(fault.jump));
  if (!is_momentary(fault.kind)) table.line("lasts", written(fault.lasts));
}

}  // namespace

std::string Scenario::to_toml() const {
  std::string out;
  write_top(Table(out, ""), *this);
  write_network(Table(out, "[network]"), network);
  write_regions(Table(out, "[network.region]"), network);
  for (const auto& link : network.links) write_link(Table(out, "[[link]]"), link);
  write_disk(Table(out, "[disk]"), disk);
  write_clocks(Table(out, "[clocks]"), clocks);
  write_workload(Table(out, "[workload]"), workload);
  if (liveness) write_liveness(Table(out, "[liveness]"), *liveness);
  write_core(Table(out, "[core]"), core);
  for (const auto& join : joins) write_member_change(Table(out, "[[join]]"), join);
  for (const auto& leave : leaves) write_member_change(Table(out, "[[leave]]"), leave);
  for (const auto& fault : planned) write_planned(Table(out, "[[fault]]"), fault);
  for (const auto& fault : random) write_random(Table(out, "[[random_fault]]"), fault);
  return out;
}

}  // namespace rejoin::simulation
