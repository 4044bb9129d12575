// `rejoin sim new`: a scenario to begin with.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <memory>

#include "sim/sim.h"

namespace rejoin::command {

namespace {

constexpr const char* starter =
    R"toml(# A scenario for `rejoin sim`: a cluster, what goes wrong, and who writes meanwhile. Run it with
#   rejoin sim run FILE --seeds 1..100
# Every key is in docs/simulation.md. Where a value stands, [low, high] lets each seed draw one.
name = "my_scenario"
description = "Two regions and an edge device: the link to the edge comes and goes."

nodes = ["frankfurt", "virginia", "edge"]
topology = "mesh"           # who talks to whom: mesh, line, ring, star, random (of a degree)
duration = "60s"            # of load and faults; afterwards everything heals,
converge_within = "30s"     # and all nodes must agree within this time
swarm = true                # each seed leaves out about half of the random faults
expects = ["deltas joined"] # a campaign that never gets there has tested too little

[network]
delay = ["5ms", "80ms"]     # each link's median, drawn by each seed
loss = [0.0, 0.1]           # share of messages
reorder = 0.05

[disk]
sync = ["200us", "5ms"]     # how long a durable write takes

[clocks]
skew = ["-10s", "10s"]      # how wrong each wall clock is

[workload]
clients = [3, 6]
think = ["50ms", "200ms"]   # between two steps of a client
writes = [1, 4]             # of one transaction
removal = 0.1               # share of writes that remove something

# At a stated time: the edge is offline for ten seconds. (Kinds of faults: partition, one_way,
# crash, disk_loss, pause, clock_jump, disk_failure, link_cut, flapping, slow, bit_flip,
# read_error, slow_sync, lying_sync, slow_drip, other_version, priority_schedule.)
[[fault]]
kind = "partition"
nodes = ["edge"]
at = "20s"
lasts = "10s"

# Again and again, to nodes that the seed draws.
[[random_fault]]
kind = "crash"
every = ["5s", "20s"]       # mean time between two
lasts = ["100ms", "5s"]     # until the restart

[[random_fault]]
kind = "one_way"
every = "10s"
lasts = ["500ms", "5s"]
)toml";

}  // namespace

void add_sim_new(CLI::App& sim, int& exit_code) {
  auto* command = sim.add_subcommand("new", "Write a commented scenario to begin with");
  const auto path = std::make_shared<std::string>();
  command->add_option("file", *path, "where to (default: stdout); must not exist yet");
  command->footer(
      "Example:\n"
      "  rejoin sim new my.toml && rejoin sim run my.toml --seeds 1..100");
  command->callback([path, &exit_code] {
    if (path->empty()) {
      std::fputs(starter, stdout);
      return;
    }
    std::error_code ignored;
    if (std::filesystem::exists(*path, ignored)) {
      exit_code = fail(*path + " exists already; name a file that does not");
    } else if (write_file(*path, starter)) {
      std::printf("wrote %s; run it with: rejoin sim run %s --seeds 1..100\n", path->c_str(),
                  path->c_str());
    } else {
      exit_code = exit_failed;
    }
  });
}

}  // namespace rejoin::command
