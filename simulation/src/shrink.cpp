#include "rejoin/simulation/shrink.h"

#include <algorithm>
#include <utility>

namespace rejoin::simulation {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class Shrinker {
 public:
  explicit Shrinker(const ShrinkOptions& options)
      : options_(options), deadline_(std::chrono::steady_clock::now() + options.budget) {}

  Result<Shrunk> shrink(const Scenario& scenario, std::uint64_t seed) {
    best_.scenario = scenario;
    best_.scenario.seed = seed;
    best_.result = run(best_.scenario);
    if (best_.result.ok) {
      return make_error(ErrorCode::invalid_argument,
                        "seed " + std::to_string(seed) +
                            " passes: there is nothing to shrink; name one that fails",
                        scenario.source.empty() ? scenario.name : scenario.source);
    }
    promise_ = *best_.result.promise;
    best_.scenario.breaks = promise_;
    state_the_run();
    std::uint64_t smaller_before = 0;
    do {
      smaller_before = smaller_;
      pass("duration", [&] { shorten(); });
      pass("faults", [&] { drop_faults(); });
      pass("nodes", [&] { drop_nodes(); });
      pass("steps", [&] { drop_steps(); });
      pass("bad luck", [&] { calm(); });
      pass("protocol options", [&] { drop_knobs(); });
      pass("kinds of writes", [&] { drop_types(); });
      pass("lengths of faults", [&] { shorten_faults(); });
    } while (smaller_ != smaller_before && !over());
    pass("round times", [&] { round_times(); });
    best_.complete = !over();
    best_.runs = runs_;
    return std::move(best_);
  }

 private:
  bool over() const {
    return runs_ >= options_.runs_max || std::chrono::steady_clock::now() >= deadline_;
  }

  RunResult run(const Scenario& candidate) {
    if (options_.trying) {
      options_.trying(candidate,
                      {runs_, pass_, best_.scenario.nodes.size(), best_.scenario.planned.size(),
                       best_.result.client_steps.size(), best_.result.failed_at});
    }
    ++runs_;
    RunOptions options;
    options.seed = *candidate.seed;
    options.workload = options_.workload;
    return simulation::run(candidate, options);
  }

  // Whether `candidate` breaks the promise too; then it is the best so far.
  bool accept(Scenario candidate) {
    if (over() || candidate == best_.scenario) return false;
    // What goes on for much longer than the run that is known fails in another way.
    Scenario bounded = candidate;
    if (promise_ != Promise::rest) {
      bounded.steps_max = std::min(candidate.steps_max, 4 * best_.result.steps + 10'000);
    }
    RunResult result = run(bounded);
    if (result.promise != promise_) return false;
    best_.scenario = std::move(candidate);
    best_.result = std::move(result);
    ++smaller_;
    return true;
  }

  template <class Change>
  bool try_to(Change change) {
    Scenario candidate = best_.scenario;
    change(candidate);
    return accept(std::move(candidate));
  }

  template <class Body>
  void pass(const char* name, Body body) {
    pass_ = name;
    if (!over()) body();
  }

  // Delta debugging: leaves out halves, quarters, ... of `items`, as long as `accept_rest` takes
  // what is left.
  template <class Item, class AcceptRest>
  void minimise(std::vector<Item> items, AcceptRest accept_rest) {
    if (items.empty() || accept_rest(std::vector<Item>())) return;
    for (std::size_t part = (items.size() + 1) / 2; part > 0;
         part = part == 1 ? 0 : (part + 1) / 2) {
      for (std::size_t from = 0; from < items.size() && !over();) {
        std::vector<Item> rest(items.begin(), items.begin() + static_cast<std::ptrdiff_t>(from));
        const std::size_t to = std::min(items.size(), from + part);
        rest.insert(rest.end(), items.begin() + static_cast<std::ptrdiff_t>(to), items.end());
        if (rest.size() < items.size() && accept_rest(rest)) {
          items = std::move(rest);
        } else {
          from = to;
        }
      }
    }
  }

  // Random faults as stated ones, and the steps that were taken by number.
  void state_the_run() {
    pass("stated faults", [&] {
      try_to([&](Scenario& s) {
        s.planned = best_.result.struck;
        std::erase_if(s.planned, [&](const auto& fault) { return fault.at >= s.duration; });
        s.random.clear();
        s.swarm = false;
      });
    });
    pass("stated steps", [&] { try_to([&](Scenario& s) { s.workload.steps = steps_taken(); }); });
  }

  std::set<ClientStep> steps_taken() const {
    return {best_.result.client_steps.begin(), best_.result.client_steps.end()};
  }

  static void set_duration(Scenario& s, Duration duration) {
    s.duration = duration;
    std::erase_if(s.planned, [&](const auto& fault) { return fault.at >= duration; });
  }

  // To just after the failure; where that comes after the storm, by halves.
  void shorten() {
    const Duration failed_at = best_.result.failed_at;
    if (failed_at < best_.scenario.duration) {
      try_to([&](Scenario& s) { set_duration(s, failed_at + milliseconds(1)); });
      return;
    }
    for (Duration less = best_.scenario.duration / 2; less >= milliseconds(10); less /= 2) {
      while (best_.scenario.duration > less &&
             try_to([&](Scenario& s) { set_duration(s, s.duration - less); })) {
      }
    }
  }

  void drop_faults() {
    for (std::size_t i = best_.scenario.random.size(); i-- > 0;) {
      try_to(
          [&](Scenario& s) { s.random.erase(s.random.begin() + static_cast<std::ptrdiff_t>(i)); });
    }
    minimise(best_.scenario.planned, [&](const std::vector<PlannedFault>& rest) {
      return try_to([&](Scenario& s) { s.planned = rest; });
    });
  }

  static void drop_node(Scenario& s, const std::string& node) {
    std::erase(s.nodes, node);
    std::erase_if(s.planned, [&](PlannedFault& fault) {
      const bool named = std::erase(fault.nodes, node) > 0;
      const bool one_end = fault.kind == FaultKind::one_way && named;
      const bool no_side =
          fault.kind == FaultKind::partition && fault.nodes.size() >= s.nodes.size();
      return fault.nodes.empty() || one_end || no_side;
    });
  }

  void drop_nodes() {
    const std::vector<std::string> nodes = best_.scenario.nodes;
    for (auto node = nodes.rbegin(); node != nodes.rend(); ++node) {
      if (best_.scenario.nodes.size() > 1) try_to([&](Scenario& s) { drop_node(s, *node); });
    }
  }

  void drop_steps() {
    if (!best_.scenario.workload.steps) return;
    std::vector<std::uint64_t> clients;
    for (const auto& step : steps_taken()) {
      if (clients.empty() || clients.back() != step.client) clients.push_back(step.client);
    }
    minimise(clients, [&](const std::vector<std::uint64_t>& rest) {
      return try_to([&](Scenario& s) {
        s.workload.steps = steps_taken();
        std::erase_if(*s.workload.steps, [&](const ClientStep& step) {
          return !std::binary_search(rest.begin(), rest.end(), step.client);
        });
      });
    });
    // By time, so that what came long before the failure goes at once.
    minimise(best_.result.client_steps, [&](const std::vector<ClientStep>& rest) {
      return try_to([&](Scenario& s) { s.workload.steps = {rest.begin(), rest.end()}; });
    });
  }

  void calm() {
    const auto none = Range<Share>::of(Share{0});
    try_to([&](Scenario& s) {
      s.network.loss = s.network.duplicate = s.network.reorder = s.network.corrupt = none;
      s.network.slow = none;
      s.network.bandwidth = Range<std::uint64_t>::of(0);
    });
    for (auto share : {&NetworkOptions::loss, &NetworkOptions::duplicate, &NetworkOptions::reorder,
                       &NetworkOptions::corrupt, &NetworkOptions::slow}) {
      try_to([&](Scenario& s) { s.network.*share = none; });
    }
    try_to([&](Scenario& s) { s.network.bandwidth = Range<std::uint64_t>::of(0); });
    try_to([&](Scenario& s) { s.network.spread_ppm = 0; });
    try_to([&](Scenario& s) { s.network.delay = Range<Duration>::of(milliseconds(10)); });
    try_to([&](Scenario& s) { s.disk.spread_ppm = 0; });
    try_to([&](Scenario& s) { s.disk.sync = Range<Duration>::of(milliseconds(1)); });
    try_to([&](Scenario& s) { s.disk.torn_batch_kept = Share{0}; });
    try_to([&](Scenario& s) { s.disk.uncertain_after_crash = Share{0}; });
    try_to([&](Scenario& s) { s.clocks = {}; });
    try_to([&](Scenario& s) { s.topology = Topology::mesh; });
    try_to([&](Scenario& s) { s.workload.ephemeral_space = false; });
    try_to([&](Scenario& s) { s.workload.keys = Range<std::uint64_t>::of(1); });
    try_to([&](Scenario& s) { s.workload.value_bytes = Range<std::uint64_t>::of(1); });
    for (std::uint64_t most = 1; most <= 3; ++most) {
      if (best_.scenario.workload.writes.high <= most) break;
      if (try_to([&](Scenario& s) { s.workload.writes = Range<std::uint64_t>::of(most); })) break;
    }
  }

  void drop_knobs() {
    const auto& drawn = best_.scenario.buggify;
    minimise(std::vector<std::string>(drawn.begin(), drawn.end()),
             [&](const std::vector<std::string>& rest) {
               return try_to([&](Scenario& s) { s.buggify = {rest.begin(), rest.end()}; });
             });
    const CoreKnobs named = best_.scenario.core;
    for (const auto& [knob, range] : named) {
      try_to([&](Scenario& s) { s.core.erase(knob); });
    }
  }

  void drop_types() {
    std::vector<Type> types(best_.scenario.workload.types.begin(),
                            best_.scenario.workload.types.end());
    if (types.empty()) {
      for (std::uint8_t number = 1; is_known_type(number); ++number) {
        types.push_back(static_cast<Type>(number));
      }
    }
    minimise(types, [&](const std::vector<Type>& rest) {
      if (rest.empty()) return false;  // no type at all would mean every type
      return try_to([&](Scenario& s) { s.workload.types = {rest.begin(), rest.end()}; });
    });
  }

  void shorten_faults() {
    for (std::size_t i = 0; i < best_.scenario.planned.size(); ++i) {
      while (best_.scenario.planned[i].lasts >= milliseconds(2) &&
             try_to([&](Scenario& s) { s.planned[i].lasts /= 2; })) {
      }
      for (std::size_t n = best_.scenario.planned[i].nodes.size(); n-- > 0;) {
        const PlannedFault& fault = best_.scenario.planned[i];
        if (fault.kind == FaultKind::one_way || fault.nodes.size() == 1) break;
        try_to([&](Scenario& s) {
          auto& nodes = s.planned[i].nodes;
          nodes.erase(nodes.begin() + static_cast<std::ptrdiff_t>(n));
        });
      }
    }
  }

  // Times that are easy to read, where nothing hangs on them.
  void round_times() {
    const auto round = [&](auto time_of) {
      for (const Duration unit : {Duration(seconds(1)), Duration(milliseconds(100)),
                                  Duration(milliseconds(10)), Duration(milliseconds(1))}) {
        if (time_of(best_.scenario) % unit == Duration(0)) return;
        const auto to_unit = [&](Scenario& s) -> void {
          Duration& time = time_of(s);
          time = (time + unit / 2) / unit * unit;
        };
        if (try_to([&](Scenario& s) {
              to_unit(s);
              set_duration(s, s.duration);
            })) {
          return;
        }
      }
    };
    const std::size_t faults = best_.scenario.planned.size();
    round([](Scenario& s) -> Duration& { return s.duration; });
    for (std::size_t i = 0; i < faults && best_.scenario.planned.size() == faults; ++i) {
      round([i](Scenario& s) -> Duration& { return s.planned[i].at; });
      if (best_.scenario.planned.size() != faults) break;
      round([i](Scenario& s) -> Duration& { return s.planned[i].lasts; });
      round([i](Scenario& s) -> Duration& { return s.planned[i].jump; });
    }
  }

  const ShrinkOptions& options_;
  const std::chrono::steady_clock::time_point deadline_;
  Shrunk best_;
  Promise promise_{};
  std::string pass_ = "the run itself";
  std::uint64_t runs_ = 0;
  std::uint64_t smaller_ = 0;  // how often something could go
};

}  // namespace

Result<Shrunk> shrink(const Scenario& scenario, std::uint64_t seed, const ShrinkOptions& options) {
  return Shrinker(options).shrink(scenario, seed);
}

}  // namespace rejoin::simulation
