// The demo's node processes.
#pragma once

#include <sys/types.h>

#include <array>
#include <memory>
#include <string>

#include "demo/plan.h"
#include "rejoin/crdt/result.h"
#include "rejoin/node/admin_client.h"

namespace rejoin::demo {

inline constexpr const char* space_name = "sessions";

// One `rejoin node` process a region, each of this very program, on loopback ports that were free,
// with its configuration, store and log in a folder of its own. Whatever happens, no process
// outlives this object or this program. connect() may be called from any thread, the others only
// from the one that started the cluster, which must live as long.
class Cluster {
 public:
  // Returns when all three answer. Errors say what the process that failed wrote last.
  static Result<std::unique_ptr<Cluster>> start(const std::string& directory);
  ~Cluster();
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  std::array<std::string, region_count> stores() const;  // where each node keeps what it has
  Result<node::AdminClient> connect(Region region) const;

  void kill(Region region);       // -9
  Status restart(Region region);  // after kill(); returns when it answers
  // Cuts or restores a region's links to all others.
  Status set_links(Region region, bool up);
  // Asks all to end, and waits. An error names who had to be killed, or did not end well.
  Status stop();

 private:
  struct NodeProcess {
    std::string directory;
    int port = 0;
    pid_t pid = -1;
  };

  Cluster() = default;
  Status write_configurations(const std::string& directory);
  Status launch(Region region);
  Status await_answer(Region region);
  std::string last_words(Region region) const;

  std::array<NodeProcess, region_count> nodes_;
};

}  // namespace rejoin::demo
