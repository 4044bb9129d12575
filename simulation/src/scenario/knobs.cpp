#include "scenario/knobs.h"

#include <algorithm>
#include <functional>
#include <vector>

#include "scenario/toml_reader.h"

namespace rejoin::simulation {

namespace {

using node::CoreOptions;

struct Knob {
  const char* name;
  bool duration;
  Range<std::uint64_t> wild;
  void (*set)(CoreOptions&, std::uint64_t);
};

constexpr std::uint64_t ms = 1'000, s = 1'000'000, kib = 1'024, mib = 1'048'576;

Duration micros(std::uint64_t v) { return Duration(static_cast<std::int64_t>(v)); }
std::size_t size(std::uint64_t v) { return static_cast<std::size_t>(v); }

// An option's place says which generator it is drawn from.
const std::vector<Knob>& knobs_in_order() {
  static const std::vector<Knob> knobs = {
      {"exchange_interval",
       true,
       {100 * ms, 3 * s},
       [](CoreOptions& o, std::uint64_t v) { o.exchange_interval = micros(v); }},
      {"peer_timeout",
       true,
       {1 * s, 10 * s},
       [](CoreOptions& o, std::uint64_t v) { o.peer_timeout = micros(v); }},
      {"resend_after",
       true,
       {50 * ms, 2 * s},
       [](CoreOptions& o, std::uint64_t v) { o.resend_after = micros(v); }},
      {"gap_report_interval",
       true,
       {5 * ms, 500 * ms},
       [](CoreOptions& o, std::uint64_t v) { o.gap_report_interval = micros(v); }},
      {"relay_delay",
       true,
       {1, 500 * ms},
       [](CoreOptions& o, std::uint64_t v) { o.relay_delay = micros(v); }},
      {"clock_ahead_max",
       true,
       {1 * s, 120 * s},
       [](CoreOptions& o, std::uint64_t v) {
         o.clock_ahead_max = std::chrono::milliseconds(static_cast<std::int64_t>(v / ms));
       }},
      {"push_bytes_max",
       false,
       {256, 256 * kib},
       [](CoreOptions& o, std::uint64_t v) { o.push_bytes_max = size(v); }},
      {"recent_bytes_max",
       false,
       {256, 1 * mib},
       [](CoreOptions& o, std::uint64_t v) { o.recent_bytes_max = size(v); }},
      {"waiting_bytes_max",
       false,
       {1 * kib, 1 * mib},
       [](CoreOptions& o, std::uint64_t v) { o.waiting_bytes_max = size(v); }},
      {"chunk_bytes",
       false,
       {64, 64 * kib},
       [](CoreOptions& o, std::uint64_t v) { o.chunk_bytes = size(v); }},
      {"chunk_window",
       false,
       {1, 16},
       [](CoreOptions& o, std::uint64_t v) { o.chunk_window = size(v); }},
      {"incoming_transfer_bytes_max",
       false,
       {64 * mib, 256 * mib},
       [](CoreOptions& o, std::uint64_t v) { o.incoming_transfer_bytes_max = size(v); }},
      {"checkpoint_log_bytes",
       false,
       {256, 1 * mib},
       [](CoreOptions& o, std::uint64_t v) { o.checkpoint_log_bytes = size(v); }},
      {"member_away_after",
       true,
       {500 * ms, 60 * s},
       [](CoreOptions& o, std::uint64_t v) { o.member_away_after = micros(v); }},
      {"forget_after",
       true,
       {0, 10 * s},
       [](CoreOptions& o, std::uint64_t v) { o.forget_after = micros(v); }},
      {"compare_from_bytes",
       false,
       {1, 64 * kib},
       [](CoreOptions& o, std::uint64_t v) { o.compare_from_bytes = size(v); }},
      {"link_bytes_per_second",
       false,
       {128 * kib, 4 * mib},
       [](CoreOptions& o, std::uint64_t v) { o.link_bytes_per_second = v; }},
  };
  return knobs;
}

}  // namespace

const CoreKnobs& known_core_knobs() {
  static const CoreKnobs known = [] {
    CoreKnobs all;
    for (const auto& knob : knobs_in_order()) all[knob.name] = knob.wild;
    return all;
  }();
  return known;
}

std::set<std::string> all_core_knobs() {
  std::set<std::string> names;
  for (const auto& knob : knobs_in_order()) names.insert(knob.name);
  return names;
}

bool is_duration_knob(const std::string& name) {
  for (const auto& knob : knobs_in_order()) {
    if (name == knob.name) return knob.duration;
  }
  return false;
}

void read_core_options(TomlTable& table, CoreKnobs& core) {
  for (const auto& [name, wild] : known_core_knobs()) {
    if (!table.has(name)) {
      table.node(name);  // known, so that it is named where an unknown one is
      continue;
    }
    if (is_duration_knob(name)) {
      Range<Duration> range;
      table.read(name, range);
      if (range.low < Duration(0)) table.problem(name, "core." + name + ": must not be negative");
      core[name] = {static_cast<std::uint64_t>(std::max<std::int64_t>(0, range.low.count())),
                    static_cast<std::uint64_t>(std::max<std::int64_t>(0, range.high.count()))};
    } else {
      Range<std::uint64_t> range;
      table.read(name, range);
      core[name] = range;
    }
  }
  table.finish();
}

void draw_core_options(const Scenario& scenario, const Random& random, CoreOptions& options) {
  options.forget_after = std::chrono::seconds(2);  // a day is longer than most runs
  for (std::size_t i = 0; i < knobs_in_order().size(); ++i) {
    const Knob& knob = knobs_in_order()[i];
    Random own = random.fork(i);
    const auto named = scenario.core.find(knob.name);
    if (named != scenario.core.end()) {
      knob.set(options, own.draw(named->second));
    } else if (scenario.buggify.contains(knob.name) && own.coin()) {
      knob.set(options, own.draw(knob.wild));
    }
  }
}

}  // namespace rejoin::simulation
