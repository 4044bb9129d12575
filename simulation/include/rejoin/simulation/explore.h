// Exhaustive exploration: all that can happen to a small cluster, instead of what a seed draws.
//
// A scope says who writes what where, and how much may go wrong. From there every order is tried in
// which messages arrive, writes to disk end, clients act, timers fire, and processes crash and come
// back, each of them at every point at which it can. docs/simulation.md tells what that covers.
//
//   const auto scope = simulation::find_scope("add_remove");
//   const auto result = simulation::explore(*scope, {});
//   if (result.violation) ...   // what broke, and the choices that lead there
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "rejoin/crdt/result.h"
#include "rejoin/simulation/cluster.h"
#include "rejoin/simulation/promise.h"
#include "rejoin/simulation/scenario.h"

namespace rejoin::simulation {

// One transaction of a client.
struct ScopeStep {
  enum class Write {
    reg,              // `value` into a register
    pair,             // `value` into two registers at once
    set_add,          // `value` into an add-wins set
    set_remove,       // `value` out of it
    remove_wins_add,  // the same in a remove-wins set
    remove_wins_remove,
    count,   // `value` more in a counter
    reset,   // the counter to 0
    enable,  // a flag on which enabling wins
    disable,
    deposit,     // `value` into the funds, a bounded counter that is never below 0
    spend,       // `value` of the funds, if there are rights for it here; else nothing
    give,        // rights for `value` of the funds to the node `to`, in the same way
    remove_map,  // the map with all that is in it
  };
  NodeIndex at = 0;
  Write write = Write::reg;
  std::string map = "data";  // where the cell is: data, data/m0, data/m0/sub, data/m1, data/m1/sub
  std::int64_t value = 1;
  std::uint64_t bytes = 0;  // reg: a string of this length instead of a number
  NodeIndex to = 0;
};

struct Scope {
  std::string name = "unnamed";
  std::string description;
  std::string source;  // the file it came from, for messages
  std::vector<std::string> nodes{"a", "b"};
  // Whether each node is told all members, and so waits for `forget_after` before it forgets some
  // removals; otherwise it knows its peers.
  bool name_members = true;
  // Written at first, one after another, each seen by all before the next.
  std::vector<ScopeStep> before;
  // These are down then, while `meanwhile` is written in the same way; they come back when they
  // come back.
  std::vector<NodeIndex> away;
  std::vector<ScopeStep> meanwhile;
  // What is explored. Each client takes one step after another, as soon as it likes. It carries its
  // causal token from node to node: a step waits until its node has all that the client wrote.
  std::vector<std::vector<ScopeStep>> clients;
  // How much may happen beside: crashes (with a restart at any later point), messages that are lost
  // or come twice, timers that fire.
  std::uint64_t crashes = 0;
  std::uint64_t losses = 0;
  std::uint64_t duplicates = 0;
  std::uint64_t timers = 0;
  std::vector<NodeIndex> crashing;  // only these crash; empty: all
  std::vector<NodeIndex> timed;     // only the timers of these fire; empty: those of all
  CoreKnobs core;                   // protocol options

  // Errors name file, line, key and what was expected there.
  static Result<Scope> from_toml_file(const std::string& path);
  static Result<Scope> from_toml(std::string_view text, const std::string& source = "scope");
};

// One shipped with the package, or a path: "add_remove" finds simulation/scopes/add_remove.toml.
Result<Scope> find_scope(const std::string& name_or_path);
// All shipped ones, by name. `not_found` when there is no folder of them.
Result<std::vector<Scope>> shipped_scopes();

struct ExploreOptions {
  std::uint64_t states_max = 10'000'000;  // the search ends incomplete beyond these
  // What must hold of everything that a node ever shows, beside what is always checked: a sentence
  // when it does not. Depends on the document alone.
  std::function<std::optional<std::string>(const Document&)> invariant;
  // Called now and then.
  std::function<void(std::uint64_t states, std::uint64_t waiting)> progress;
};

struct Violation {
  Promise promise;
  std::string what;                // in plain words
  std::string choices;             // "c1,a:sync,a>b,b:crash,...": what replay_choices() takes
  std::vector<std::string> story;  // the same in plain words, one line a choice
};

struct ExploreResult {
  std::uint64_t states = 0;       // different states of the whole cluster
  std::uint64_t transitions = 0;  // steps from one to another
  std::uint64_t depth = 0;        // the most choices after which there was still something new
  std::uint64_t node_states = 0;  // different histories of single nodes, of which those consist
  std::uint64_t rests = 0;        // states in which nothing was left to do; each was healed
  bool complete = false;          // all that the scope allows was covered
  std::optional<Violation> violation;  // a shortest one; the search ends there
};

// Deterministic: depends on the arguments alone. One thread, and memory in proportion to `states`.
ExploreResult explore(const Scope& scope, const ExploreOptions& options);

// Goes one way alone: `choices` as a Violation has them. Its story is that of the whole way, and
// what it broke, if it did: `invalid_argument` names the first choice that is none there.
struct ReplayedChoices {
  std::vector<std::string> story;
  std::optional<Violation> violation;
};
Result<ReplayedChoices> replay_choices(const Scope& scope, const std::string& choices,
                                       const ExploreOptions& options = {});

}  // namespace rejoin::simulation
