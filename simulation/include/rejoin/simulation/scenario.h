// What a simulation runs: how many nodes, over what network and disks, with which faults, under
// which load. Read from TOML (docs/simulation.md lists every key) or filled in by a program.
//
// Wherever a Range stands, each run draws a value from its seed.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "rejoin/crdt/path.h"
#include "rejoin/crdt/result.h"
#include "rejoin/simulation/promise.h"
#include "rejoin/simulation/random.h"

namespace rejoin::simulation {

using Duration = std::chrono::microseconds;  // of virtual time

// `overlay`: the nodes know some of the first, and find the others themselves
// (CoreOptions::overlay). In all others each is told with whom it talks.
enum class Topology { mesh, line, ring, star, random, overlay };

class LinkTrace;      // link_trace.h
class RegionLatency;  // link_trace.h

// A recording that a scenario names, and what is in it; null only while `file` is empty.
template <class T>
struct Recorded {
  std::string file;
  std::shared_ptr<const T> content = nullptr;
  friend bool operator==(const Recorded& a, const Recorded& b) { return a.file == b.file; }
};

// One link that is not like the others. `up` is what the first of the two nodes sends to the
// second, `down` what comes back.
struct LinkOptions {
  std::vector<std::string> nodes;  // two
  // Until the faults end, bytes leave when the recording says; they wait in a queue of
  // NetworkOptions::queue_bytes, and no bandwidth applies.
  Recorded<LinkTrace> up, down;
  // Until the run ends. Scenario::converge_within is then longer by what the recording takes, at
  // its worst, to carry a full queue and the state that the nodes have then, twice.
  bool stays = false;
  std::optional<Range<Duration>> up_delay, down_delay;  // the median, instead of any other

  friend bool operator==(const LinkOptions&, const LinkOptions&) = default;
};

// One direction of a link. The delay of a message is log-normal around the link's median, with a
// share of messages that take a heavy-tailed (Pareto) multiple of it. Messages of one direction
// stay in order, except those that are reordered or duplicated on purpose.
struct NetworkOptions {
  Range<Duration> delay{Duration(5'000), Duration(60'000)};  // the median; drawn for each link
  bool asymmetric = false;  // each direction draws a median of its own
  // The median between nodes that `region` places: half of the round trip of their regions.
  Recorded<RegionLatency> regions;
  std::map<std::string, std::string> region;  // of a node
  std::vector<LinkOptions> links;
  std::uint32_t spread_ppm = 300'000;          // of the delay's logarithm, base 2
  Range<Share> slow{Share{0}, Share{20'000}};  // messages from the heavy tail
  std::uint32_t slow_alpha_ppm = 1'200'000;    // its exponent: the smaller, the heavier
  Range<Share> loss = Range<Share>::of(Share{0});
  // Messages that are lost in a row, on average (Gilbert and Elliott's model: a link is good or
  // bad, and loses all while it is bad); 1: each by itself.
  std::uint64_t loss_burst = 1;
  Range<Share> duplicate = Range<Share>::of(Share{0});
  Range<Share> reorder = Range<Share>::of(Share{0});
  Range<Share> corrupt = Range<Share>::of(Share{0});  // bytes changed, cut off, added or made up
  // Bytes a second, for each link direction; 0: no limit. What waits for the link beyond
  // queue_bytes is dropped, as by a socket's high-water mark.
  Range<std::uint64_t> bandwidth = Range<std::uint64_t>::of(0);
  std::uint64_t queue_bytes = 8u << 20;

  friend bool operator==(const NetworkOptions&, const NetworkOptions&) = default;
};

// What keeps a node's state: a model of a store, which is quick; the real one on SQLite, with a
// disk in memory under it; or one of the two, drawn for each node.
enum class DiskStore { model, sqlite, either };

struct DiskOptions {
  DiskStore store = DiskStore::model;
  Range<Duration> sync{Duration(200), Duration(5'000)};  // the median; drawn for each node
  std::uint32_t spread_ppm = 500'000;
  // Crashes that are the machine's and not the process's alone: what was not synced may be lost, in
  // part and in any order. (A model store has something to lose then only while its disk lies.)
  Share power_loss = percent(50);
  // Of a model store: a crash meets a batch that is being written, and it is then there after the
  // restart, or not.
  Share torn_batch_kept = percent(50);
  // Of a model store: after a crash it cannot tell whether its last writes are all there.
  Share uncertain_after_crash = percent(20);

  friend bool operator==(const DiskOptions&, const DiskOptions&) = default;
};

// Every node's clocks: how wrong the wall clock is, and how fast both run.
struct ClockOptions {
  Range<Duration> skew = Range<Duration>::of(Duration(0));       // may be negative
  Range<std::uint64_t> drift_ppm = Range<std::uint64_t>::of(0);  // drawn, with either sign

  friend bool operator==(const ClockOptions&, const ClockOptions&) = default;
};

// The first of a client's steps is number 1.
struct ClientStep {
  std::uint64_t client = 0;
  std::uint64_t step = 0;
  friend auto operator<=>(const ClientStep&, const ClientStep&) = default;
};

struct WorkloadOptions {
  Range<std::uint64_t> clients{4, 10};
  Range<Duration> think{Duration(50'000), Duration(500'000)};  // mean time between a client's steps
  Range<std::uint64_t> writes{1, 6};                           // most writes of one transaction
  Share move = percent(10);                 // a step moves the client to another node
  Share removal = percent(5);               // a write that removes a subtree
  Share abort = percent(3);                 // a transaction that fails halfway
  Range<std::uint64_t> value_bytes{1, 64};  // length of string values
  Range<std::uint64_t> keys{1, 2};          // names a type and map: fewer meet more often
  bool ephemeral_space = false;             // a second space that no disk keeps
  Duration token_wait{20'000'000};          // then the client gives its token up
  std::set<Type> types;                     // writes of others are left out; empty: none is
  // Those that are taken, each as it would be in the whole run; unset: all.
  std::optional<std::set<ClientStep>> steps;

  bool writes_type(Type type) const { return types.empty() || types.contains(type); }
  // Step 0, a client's arrival, happens for those that take any.
  bool takes_step(std::uint64_t client, std::uint64_t step) const;

  friend bool operator==(const WorkloadOptions&, const WorkloadOptions&) = default;
};

enum class FaultKind {
  partition,     // some nodes cannot talk with the rest
  one_way,       // messages from one node to another are lost, not those back
  crash,         // the process dies; what was not durable is gone
  disk_loss,     // a crash that takes the store along; the node comes back with new replica ids
  pause,         // the process stands still; messages wait for it
  clock_jump,    // the wall clock jumps, for good
  disk_failure,  // every write to the disk is refused (full, or an I/O error)
  link_cut,      // two nodes cannot talk with each other, though both may reach the others
  flapping,      // the same, on and off again all the time
  slow,          // the process works for moments and stands still in between: ten to a thousand
                 // times slower than it should be, and not dead
  bit_flip,      // a bit of what is on the disk turns
  read_error,    // what is on the disk cannot be read now and then, and no node starts with it
  slow_sync,     // a durable write takes a hundred times longer
  lying_sync,  // a sync returns at once and does nothing: a power loss loses what it said was safe
  slow_drip,   // a link carries a few bytes a second; then the connection is made anew
  other_version,  // the process is restarted with another version of the protocol, and back again
  // What nodes send and write is done by the priorities of causal chains of messages, not by its
  // latency: "probabilistic concurrency testing".
  priority_schedule,
};
inline constexpr int fault_kinds = 17;
// Those of a moment, which do not last.
constexpr bool is_momentary(FaultKind kind) {
  return kind == FaultKind::clock_jump || kind == FaultKind::bit_flip;
}
// Those between two nodes.
constexpr bool is_of_a_link(FaultKind kind) {
  return kind == FaultKind::one_way || kind == FaultKind::link_cut || kind == FaultKind::flapping ||
         kind == FaultKind::slow_drip;
}
std::string_view to_string(FaultKind kind);

// A fault at a stated time.
struct PlannedFault {
  FaultKind kind = FaultKind::partition;
  Duration at{0};
  Duration lasts{0};  // of a crash or disk loss: until the restart; 0 for what is_momentary()
  // partition: one side; one_way: from, to; link_cut, flapping, slow_drip: both ends; else: whom
  std::vector<std::string> nodes;
  Duration jump{0};  // clock_jump: by how much, may be negative

  friend bool operator==(const PlannedFault&, const PlannedFault&) = default;
};

// A fault that happens again and again to nodes drawn from the seed.
struct RandomFault {
  FaultKind kind = FaultKind::partition;
  Range<Duration> every{Duration(0), Duration(0)};  // mean time between two, over the whole cluster
  Range<Duration> lasts{Duration(0), Duration(0)};
  Range<Duration> jump{Duration(0), Duration(0)};

  friend bool operator==(const RandomFault&, const RandomFault&) = default;
};

// What a node is that is not healed.
enum class Absence {
  down,  // its process does not run
  cut,   // it and those that are healed cannot talk with each other
  slow,  // FaultKind::slow
};
inline constexpr int absences = 3;
std::string_view to_string(Absence absence);

// After the faults only a core of the nodes is healed at first, and must go on alone: what is
// written there is acknowledged, the core agrees, and is silent then, each within
// Scenario::converge_within. Then the others are healed, too. (TigerBeetle's simulator calls this
// its liveness mode.)
struct LivenessOptions {
  Share share{Share::whole};      // of the runs
  std::vector<std::string> core;  // connected; empty: more than half of the nodes, drawn
  std::set<Absence> others{Absence::down, Absence::cut, Absence::slow};  // drawn for each

  friend bool operator==(const LivenessOptions&, const LivenessOptions&) = default;
};

// A node that joins the running cluster, or leaves it for good.
struct MemberChange {
  std::string node;
  Range<Duration> at = Range<Duration>::of(Duration(0));

  friend bool operator==(const MemberChange&, const MemberChange&) = default;
};

// Protocol options by the names they have in CoreOptions; times in microseconds.
using CoreKnobs = std::map<std::string, Range<std::uint64_t>>;
// What `core` in a scenario may name, with the range that `buggify` draws from.
const CoreKnobs& known_core_knobs();
std::set<std::string> all_core_knobs();  // their names

// What a seed means: raised whenever the simulator draws otherwise, so that the same scenario and
// seed give another run.
inline constexpr std::uint64_t replay_format = 1;

inline constexpr std::size_t nodes_max = 1'024;

struct Scenario {
  std::string name = "unnamed";
  std::string description;
  std::string source;  // the file it came from, for messages
  // A scenario that is about one run: the seed, and the promise that the run is known to break.
  std::optional<std::uint64_t> seed;
  std::optional<Promise> breaks;

  std::vector<std::string> nodes{"a", "b", "c"};
  Topology topology = Topology::mesh;
  std::uint64_t degree = 6;       // random topology: how many neighbours a node has on average
  Duration duration{60'000'000};  // of load and faults
  // After healing, all nodes must agree within this time.
  Duration converge_within{60'000'000};
  // Each run leaves out every second kind of random fault, on average: some bugs need the absence
  // of what hides them (Groce et al., "Swarm testing", 2012).
  bool swarm = false;
  // The core options that are drawn from wild ranges, where `core` does not name them.
  std::set<std::string> buggify = all_core_knobs();
  std::vector<std::string> expects;        // states that a campaign must reach (coverage.h)
  std::uint64_t steps_max = 5'000'000;     // more than this in one run is a failure
  std::uint64_t deep_check_every = 2'000;  // steps between checks of the whole state of every node

  NetworkOptions network;
  DiskOptions disk;
  ClockOptions clocks;
  WorkloadOptions workload;
  std::optional<LivenessOptions> liveness;
  // Nobody knows a node that joins until then (Core::add_peer). One that leaves stays a member in
  // the eyes of the others, who wait for it before they forget removals: until
  // CoreOptions::member_away_after. In a mesh, where who talks with whom says who the members are.
  std::vector<MemberChange> joins, leaves;
  // Nodes that an operator has evicted from the beginning: the others do not count them among the
  // members (CoreOptions::members), so nothing waits for them.
  std::vector<std::string> evicted;
  CoreKnobs core;
  std::vector<PlannedFault> planned;
  std::vector<RandomFault> random;

  // Errors name file, line, key and what was expected there.
  static Result<Scenario> from_toml_file(const std::string& path);
  static Result<Scenario> from_toml(std::string_view text, const std::string& source = "scenario");
  // What from_toml reads as this scenario: whatever is not as by default.
  std::string to_toml() const;
  // What from_toml checks beyond single keys: names that exist, times within the run.
  Status validate() const;

  friend bool operator==(const Scenario&, const Scenario&) = default;
};

// One shipped with the package, or a path: "lossy_mesh" finds simulation/scenarios/lossy_mesh.toml
// in the source tree, the build or the installation.
Result<Scenario> find_scenario(const std::string& name_or_path);
// All shipped ones, by name. `not_found` when there is no folder of them.
Result<std::vector<Scenario>> shipped_scenarios();

}  // namespace rejoin::simulation
