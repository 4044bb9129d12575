#include "rejoin/simulation/shrink.h"

#include <algorithm>
#include <utility>

#include "trial.h"

namespace rejoin::simulation {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Range<Share> NetworkOptions::*shares[] = {
    &NetworkOptions::loss, &NetworkOptions::duplicate, &NetworkOptions::reorder,
    &NetworkOptions::corrupt, &NetworkOptions::slow};

class Shrinker {
 public:
  explicit Shrinker(const ShrinkOptions& options)
      : options_(options), deadline_(std::chrono::steady_clock::now() + options.budget) {}

  Result<Shrunk> shrink(const Scenario& scenario, std::uint64_t seed) {
    at_.scenario = scenario;
    at_.scenario.seed = seed;
    at_.scenario.expects.clear();
    at_.result = run(at_.scenario);
    if (at_.result.ok) {
      return make_error(ErrorCode::invalid_argument,
                        "seed " + std::to_string(seed) +
                            " passes: there is nothing to shrink; name one that fails",
                        scenario.source.empty() ? scenario.name : scenario.source);
    }
    promise_ = *at_.result.promise;
    at_.scenario.breaks = promise_;
    descend();
    best_ = at_;
    if (!options_.keep_seed) pass("other seeds", [&] { look_around(); });
    at_ = std::move(best_);
    pass("round times", [&] { round_times(); });
    at_.complete = !over();
    at_.runs = runs_;
    at_.scenario.name = scenario.name + '-' + std::to_string(seed);
    at_.scenario.description =
        "Shrunk from seed " + std::to_string(seed) + " of " + scenario.name + '.';
    at_.scenario.source.clear();
    return std::move(at_);
  }

 private:
  // Makes the run as small as it gets without another seed.
  void descend() {
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
  }

  // What a reader has to keep in mind.
  static std::uint64_t size(const Shrunk& shrunk) {
    const Scenario& s = shrunk.scenario;
    const NetworkOptions& network = s.network;
    const auto bad_luck = std::count_if(std::begin(shares), std::end(shares), [&](auto share) {
      return (network.*share).high > Share{0};
    });
    return 3 * s.nodes.size() + 2 * s.planned.size() + 2 * s.random.size() +
           shrunk.result.client_steps.size() + s.buggify.size() +
           static_cast<std::uint64_t>(bad_luck) + (s.workload.writes.high > 1 ? 4 : 0);
  }

  // No part of the best run can go, but another seed may break the promise in a smaller one: draws
  // simpler scenarios and seeds, descends from those that fail, and ends when many did not help.
  void look_around() {
    constexpr int patience = 3'000;
    Random random(*best_.scenario.seed);
    for (int in_vain = 0; in_vain < patience && !over(); ++in_vain) {
      Scenario candidate = simpler(random);
      RunResult result = run(bounded(candidate, best_.result.steps));
      if (result.promise != promise_) continue;
      at_ = {std::move(candidate), std::move(result)};
      descend();
      if (size(at_) >= size(best_)) continue;
      best_ = at_;
      in_vain = 0;
    }
  }

  // Another seed for the best scenario, with every second thing in it as simple as can be.
  Scenario simpler(Random& random) const {
    Scenario s = best_.scenario;
    s.seed = random.below(1'000'000);
    s.workload.steps.reset();
    std::set<std::uint64_t> clients;
    for (const auto& step : best_.result.client_steps) clients.insert(step.client);
    s.workload.clients =
        Range<std::uint64_t>::of(1 + random.below(std::max<std::size_t>(2, clients.size())));
    set_duration(s, std::max(Duration(milliseconds(100)), s.duration / (1 << random.below(5))));
    if (random.coin()) s.workload.writes = Range<std::uint64_t>::of(1);
    if (random.coin()) s.workload.keys = Range<std::uint64_t>::of(1);
    if (random.coin()) s.workload.think = Range<Duration>::of(milliseconds(50));
    if (random.coin()) s.buggify.clear();
    if (random.coin()) s.topology = Topology::mesh;
    for (auto share : shares) {
      if (random.coin()) s.network.*share = Range<Share>::of(Share{0});
    }
    if (random.coin()) s.network.bandwidth = Range<std::uint64_t>::of(0);
    if (s.nodes.size() > 2 && random.coin()) drop_node(s, s.nodes[random.below(s.nodes.size())]);
    std::erase_if(s.planned, [&](const auto&) { return random.below(4) == 0; });
    return s;
  }

  bool over() const {
    return runs_ >= options_.runs_max || std::chrono::steady_clock::now() >= deadline_;
  }

  // All of the run when it breaks the promise; otherwise only which one it breaks, if any.
  RunResult run(const Scenario& candidate) {
    if (options_.trying) {
      options_.trying(candidate,
                      {runs_, pass_, at_.scenario.nodes.size(), at_.scenario.planned.size(),
                       at_.result.client_steps.size(), at_.result.failed_at});
    }
    ++runs_;
    RunOptions options;
    options.seed = *candidate.seed;
    options.workload = options_.workload;
    // A process for each run costs more than most of the runs do.
    if (promise_ && promise_ != Promise::survival) return simulation::run(candidate, options);
    const Trial trial(candidate, options);
    if (!promise_ || trial.promise() == promise_) return trial.result();
    RunResult another;
    another.promise = trial.promise();
    return another;
  }

  // What goes on for much longer than a run that is known does not break the promise.
  Scenario bounded(Scenario candidate, std::uint64_t steps) const {
    if (promise_ == Promise::rest) return candidate;
    candidate.steps_max = std::min(candidate.steps_max, 4 * steps + 10'000);
    return candidate;
  }

  // Whether `candidate` breaks the promise too; then it is the best so far.
  bool accept(Scenario candidate) {
    if (over() || candidate == at_.scenario || !candidate.validate().ok()) return false;
    RunResult result = run(bounded(candidate, at_.result.steps));
    if (result.promise != promise_) return false;
    at_.scenario = std::move(candidate);
    at_.result = std::move(result);
    ++smaller_;
    return true;
  }

  template <class Change>
  bool try_to(Change change) {
    Scenario candidate = at_.scenario;
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
        s.planned = at_.result.struck;
        std::erase_if(s.planned, [&](const auto& fault) { return fault.at >= s.duration; });
        s.random.clear();
        s.swarm = false;
      });
    });
    pass("stated steps", [&] { try_to([&](Scenario& s) { s.workload.steps = steps_taken(); }); });
  }

  std::set<ClientStep> steps_taken() const {
    return {at_.result.client_steps.begin(), at_.result.client_steps.end()};
  }

  static void set_duration(Scenario& s, Duration duration) {
    s.duration = duration;
    std::erase_if(s.planned, [&](const auto& fault) { return fault.at >= duration; });
  }

  // To just after the failure; where that comes after the storm, by halves.
  void shorten() {
    const Duration failed_at = at_.result.failed_at;
    if (failed_at < at_.scenario.duration) {
      try_to([&](Scenario& s) { set_duration(s, failed_at + milliseconds(1)); });
      return;
    }
    for (Duration less = at_.scenario.duration / 2; less >= milliseconds(10); less /= 2) {
      while (at_.scenario.duration > less &&
             try_to([&](Scenario& s) { set_duration(s, s.duration - less); })) {
      }
    }
  }

  void drop_faults() {
    for (std::size_t i = at_.scenario.random.size(); i-- > 0;) {
      try_to(
          [&](Scenario& s) { s.random.erase(s.random.begin() + static_cast<std::ptrdiff_t>(i)); });
    }
    minimise(at_.scenario.planned, [&](const std::vector<PlannedFault>& rest) {
      return try_to([&](Scenario& s) { s.planned = rest; });
    });
  }

  // By value: it may be one of those in `s`.
  static void drop_node(Scenario& s, std::string node) {
    std::erase(s.nodes, node);
    std::erase(s.evicted, node);
    s.network.region.erase(node);
    if (s.liveness && std::erase(s.liveness->core, node) > 0 && s.liveness->core.empty()) {
      s.liveness.reset();
    }
    for (auto* changes : {&s.joins, &s.leaves}) {
      std::erase_if(*changes, [&](const MemberChange& change) { return change.node == node; });
    }
    std::erase_if(s.network.links, [&](const LinkOptions& link) {
      return std::find(link.nodes.begin(), link.nodes.end(), node) != link.nodes.end();
    });
    std::erase_if(s.planned, [&](PlannedFault& fault) {
      const bool named = std::erase(fault.nodes, node) > 0;
      const bool one_end = is_of_a_link(fault.kind) && named;
      const bool no_side =
          fault.kind == FaultKind::partition && fault.nodes.size() >= s.nodes.size();
      return fault.nodes.empty() || one_end || no_side;
    });
  }

  void drop_nodes() {
    const std::vector<std::string> nodes = at_.scenario.nodes;
    for (auto node = nodes.rbegin(); node != nodes.rend(); ++node) {
      if (at_.scenario.nodes.size() > 1) try_to([&](Scenario& s) { drop_node(s, *node); });
    }
  }

  void drop_steps() {
    if (!at_.scenario.workload.steps) return;
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
    minimise(at_.result.client_steps, [&](const std::vector<ClientStep>& rest) {
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
    for (auto share : shares) {
      try_to([&](Scenario& s) { s.network.*share = none; });
    }
    try_to([&](Scenario& s) { s.network.bandwidth = Range<std::uint64_t>::of(0); });
    try_to([&](Scenario& s) { s.network.loss_burst = 1; });
    try_to([&](Scenario& s) { s.network.asymmetric = false; });
    try_to([&](Scenario& s) { s.network.region.clear(); });
    for (std::size_t i = at_.scenario.network.links.size(); i-- > 0;) {
      try_to([&](Scenario& s) {
        s.network.links.erase(s.network.links.begin() + static_cast<std::ptrdiff_t>(i));
      });
    }
    if (at_.scenario.network.region.empty()) {
      try_to([&](Scenario& s) { s.network.regions = {}; });
    }
    try_to([&](Scenario& s) { s.network.spread_ppm = 0; });
    try_to([&](Scenario& s) { s.network.delay = Range<Duration>::of(milliseconds(10)); });
    try_to([&](Scenario& s) { s.disk.spread_ppm = 0; });
    try_to([&](Scenario& s) { s.disk.sync = Range<Duration>::of(milliseconds(1)); });
    try_to([&](Scenario& s) { s.disk.store = DiskStore::model; });
    try_to([&](Scenario& s) { s.disk.power_loss = Share{0}; });
    try_to([&](Scenario& s) { s.disk.torn_batch_kept = Share{0}; });
    try_to([&](Scenario& s) { s.disk.uncertain_after_crash = Share{0}; });
    try_to([&](Scenario& s) { s.clocks = {}; });
    try_to([&](Scenario& s) { s.liveness.reset(); });
    try_to([&](Scenario& s) { s.joins.clear(); });
    try_to([&](Scenario& s) { s.leaves.clear(); });
    try_to([&](Scenario& s) { s.topology = Topology::mesh; });
    try_to([&](Scenario& s) { s.workload.ephemeral_space = false; });
    try_to([&](Scenario& s) { s.workload.keys = Range<std::uint64_t>::of(1); });
    try_to([&](Scenario& s) { s.workload.value_bytes = Range<std::uint64_t>::of(1); });
    for (std::uint64_t most = 1; most <= 3; ++most) {
      if (at_.scenario.workload.writes.high <= most) break;
      if (try_to([&](Scenario& s) { s.workload.writes = Range<std::uint64_t>::of(most); })) break;
    }
  }

  void drop_knobs() {
    const auto& drawn = at_.scenario.buggify;
    minimise(std::vector<std::string>(drawn.begin(), drawn.end()),
             [&](const std::vector<std::string>& rest) {
               return try_to([&](Scenario& s) { s.buggify = {rest.begin(), rest.end()}; });
             });
    const CoreKnobs named = at_.scenario.core;
    for (const auto& knob : named) {
      try_to([&](Scenario& s) { s.core.erase(knob.first); });
    }
  }

  void drop_types() {
    std::vector<Type> types(at_.scenario.workload.types.begin(), at_.scenario.workload.types.end());
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
    for (std::size_t i = 0; i < at_.scenario.planned.size(); ++i) {
      while (at_.scenario.planned[i].lasts >= milliseconds(2) &&
             try_to([&](Scenario& s) { s.planned[i].lasts /= 2; })) {
      }
      for (std::size_t n = at_.scenario.planned[i].nodes.size(); n-- > 0;) {
        const PlannedFault& fault = at_.scenario.planned[i];
        if (is_of_a_link(fault.kind) || fault.nodes.size() == 1) break;
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
        if (time_of(at_.scenario) % unit == Duration(0)) return;
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
    const std::size_t faults = at_.scenario.planned.size();
    round([](Scenario& s) -> Duration& { return s.duration; });
    for (std::size_t i = 0; i < faults && at_.scenario.planned.size() == faults; ++i) {
      round([i](Scenario& s) -> Duration& { return s.planned[i].at; });
      if (at_.scenario.planned.size() != faults) break;
      round([i](Scenario& s) -> Duration& { return s.planned[i].lasts; });
      round([i](Scenario& s) -> Duration& { return s.planned[i].jump; });
    }
  }

  const ShrinkOptions& options_;
  const std::chrono::steady_clock::time_point deadline_;
  Shrunk at_;                       // where the descent is
  Shrunk best_;                     // the smallest one so far
  std::optional<Promise> promise_;  // of the first run
  std::string pass_ = "the run itself";
  std::uint64_t runs_ = 0;
  std::uint64_t smaller_ = 0;  // how often something could go
};

}  // namespace

Result<Shrunk> shrink(const Scenario& scenario, std::uint64_t seed, const ShrinkOptions& options) {
  return Shrinker(options).shrink(scenario, seed);
}

}  // namespace rejoin::simulation
