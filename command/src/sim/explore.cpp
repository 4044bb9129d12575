// `rejoin sim explore`: all that can happen to a small cluster.
#include "rejoin/simulation/explore.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "sim/sim.h"

namespace rejoin::command {
namespace {

using simulation::ExploreResult;
using simulation::Scope;
using simulation::Violation;

struct ExploreArguments {
  std::string scope;
  std::string choices;
  std::string json;
  std::uint64_t states_max = simulation::ExploreOptions{}.states_max;
  std::int64_t crashes = -1, losses = -1, duplicates = -1, timers = -1;  // -1: as the scope says
};

class Progress {
 public:
  Progress() : shown_(::isatty(STDERR_FILENO) != 0) {}
  ~Progress() {
    if (any_) std::fprintf(stderr, "\n");
  }
  void show(std::uint64_t states, std::uint64_t waiting) {
    const auto now = std::chrono::steady_clock::now();
    if (!shown_ || now - last_ < std::chrono::milliseconds(100)) return;
    last_ = now;
    any_ = true;
    std::fprintf(stderr, "\r%llu states, %llu of them to go on from   ",
                 static_cast<unsigned long long>(states), static_cast<unsigned long long>(waiting));
  }

 private:
  bool shown_;
  bool any_ = false;
  std::chrono::steady_clock::time_point last_{};
};

int list_scopes() {
  const auto scopes = simulation::shipped_scopes();
  if (!scopes.ok()) return fail(scopes.error());
  std::size_t width = 0;
  for (const auto& scope : *scopes) width = std::max(width, scope.name.size());
  for (const auto& scope : *scopes) {
    std::printf("%-*s  %s\n", static_cast<int>(width), scope.name.c_str(),
                scope.description.c_str());
  }
  return exit_done;
}

// The command that goes the same way again.
std::string again(const ExploreArguments& arguments, const std::string& choices) {
  std::string command = "rejoin sim explore " + arguments.scope;
  const auto bound = [&](const char* name, std::int64_t value) {
    if (value >= 0) command += std::string(" --") + name + ' ' + std::to_string(value);
  };
  bound("crashes", arguments.crashes);
  bound("losses", arguments.losses);
  bound("duplicates", arguments.duplicates);
  bound("timers", arguments.timers);
  return command + " --choices '" + choices + '\'';
}

int report(const ExploreArguments& arguments, const Violation& violation) {
  std::fflush(stdout);
  for (std::size_t i = 0; i < violation.story.size(); ++i) {
    std::cerr << (i + 1 < 10 ? " " : "") << i + 1 << ". " << violation.story[i] << '\n';
  }
  std::cerr << violation.what << "\n  broken: " << meaning(violation.promise)
            << "\n  again:  " << again(arguments, violation.choices) << '\n';
  return exit_failed;
}

std::string as_json(const Scope& scope, const ExploreArguments& arguments,
                    const ExploreResult& result, double took) {
  nlohmann::ordered_json json;
  json["scope"] = scope.name;
  json["nodes"] = scope.nodes.size();
  json["crashes"] = scope.crashes;
  json["losses"] = scope.losses;
  json["duplicates"] = scope.duplicates;
  json["timers"] = scope.timers;
  json["states"] = result.states;
  json["transitions"] = result.transitions;
  json["depth"] = result.depth;
  json["node_states"] = result.node_states;
  json["rests"] = result.rests;
  json["complete"] = result.complete;
  json["states_max"] = arguments.states_max;
  json["real_seconds"] = took;
  if (result.violation) {
    json["violation"] = {{"promise", to_string(result.violation->promise)},
                         {"failure", result.violation->what},
                         {"story", result.violation->story},
                         {"again", again(arguments, result.violation->choices)}};
  }
  return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + '\n';
}

int replay(const Scope& scope, const ExploreArguments& arguments) {
  const auto replayed = simulation::replay_choices(scope, arguments.choices);
  if (!replayed.ok()) return fail(replayed.error());
  if (replayed->violation) return report(arguments, *replayed->violation);
  for (std::size_t i = 0; i < replayed->story.size(); ++i) {
    std::printf("%2zu. %s\n", i + 1, replayed->story[i].c_str());
  }
  std::printf("passed: nothing is broken on this way\n");
  return exit_done;
}

int explore(const ExploreArguments& arguments) {
  if (arguments.scope.empty()) return list_scopes();
  auto scope = simulation::find_scope(arguments.scope);
  if (!scope.ok()) return fail(scope.error());
  const auto bound = [](std::int64_t value, std::uint64_t& of) {
    if (value >= 0) of = static_cast<std::uint64_t>(value);
  };
  bound(arguments.crashes, scope->crashes);
  bound(arguments.losses, scope->losses);
  bound(arguments.duplicates, scope->duplicates);
  bound(arguments.timers, scope->timers);
  if (!arguments.choices.empty()) return replay(*scope, arguments);

  remember_run("rejoin sim explore " + arguments.scope);
  simulation::ExploreOptions options;
  options.states_max = arguments.states_max;
  const auto began = std::chrono::steady_clock::now();
  const ExploreResult result = [&] {
    Progress progress;
    options.progress = [&](std::uint64_t states, std::uint64_t waiting) {
      progress.show(states, waiting);
    };
    return simulation::explore(*scope, options);
  }();
  const double took =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  std::printf(
      "%llu states, %llu transitions, at most %llu choices deep; %llu histories of single nodes;\n"
      "healed from %llu states at rest; %.1f s\n",
      static_cast<unsigned long long>(result.states),
      static_cast<unsigned long long>(result.transitions),
      static_cast<unsigned long long>(result.depth),
      static_cast<unsigned long long>(result.node_states),
      static_cast<unsigned long long>(result.rests), took);
  if (!arguments.json.empty() &&
      !write_file(arguments.json, as_json(*scope, arguments, result, took))) {
    return exit_failed;
  }
  if (result.violation) return report(arguments, *result.violation);
  if (!result.complete) {
    fail("not complete: there are more than " + std::to_string(arguments.states_max) +
         " states (--states-max); what was covered holds");
    return exit_not_reached;
  }
  std::printf(
      "complete: %s holds in every order, with %llu crashes, %llu losses, %llu duplicates "
      "and %llu timers\n",
      scope->name.c_str(), static_cast<unsigned long long>(scope->crashes),
      static_cast<unsigned long long>(scope->losses),
      static_cast<unsigned long long>(scope->duplicates),
      static_cast<unsigned long long>(scope->timers));
  return exit_done;
}

}  // namespace

void add_sim_explore(CLI::App& sim, int& exit_code) {
  auto* command = sim.add_subcommand(
      "explore", "Try everything that can happen to a small cluster; without a name: list scopes");
  const auto arguments = std::make_shared<ExploreArguments>();
  command->add_option("scope", arguments->scope, "a TOML file, or the name of a shipped scope");
  const auto bound = [&](const char* name, std::int64_t& value, const char* what) {
    command->add_option(name, value, what)->check(CLI::Range(0, 16));
  };
  bound("--crashes", arguments->crashes, "at most so many crashes (default: as the scope says)");
  bound("--losses", arguments->losses, "at most so many lost messages");
  bound("--duplicates", arguments->duplicates, "at most so many messages that come twice");
  bound("--timers", arguments->timers, "at most so many timers that fire");
  command->add_option("--states-max", arguments->states_max,
                      "end incomplete beyond so many states (default 10000000)");
  command->add_option("--choices", arguments->choices,
                      "go this one way, as a violation names it, and tell it");
  command->add_option("--json", arguments->json, "write the result to this file as JSON, too");
  command->footer(
      "Every order is tried in which messages arrive, writes to disk end, clients act, timers "
      "fire\n"
      "and processes crash and come back. docs/simulation.md says what a scope may say and what\n"
      "that covers.\n\n"
      "Examples:\n"
      "  rejoin sim explore                                 the shipped scopes\n"
      "  rejoin sim explore add_remove                      one of them\n"
      "  rejoin sim explore add_remove --crashes 2          with more that goes wrong\n\n"
      "Exit codes: 0 all was covered and holds, 1 a promise was broken, 2 wrong usage, 3 there "
      "was\n"
      "more than --states-max; what was covered holds.");
  command->callback([arguments, &exit_code] { exit_code = explore(*arguments); });
}

}  // namespace rejoin::command
