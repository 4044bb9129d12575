// What is wrong with a node, for operators and supervisors: see docs/operating.md.
#pragma once

#include <chrono>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "rejoin/node/core.h"

namespace rejoin::node {

class Runtime;

// Since when each peer has lacked something that is here. Nothing watches for it: it is known from
// when somebody first looked. Thread-safe.
class LagAges {
 public:
  using Ages = std::map<std::pair<std::string, std::string>, std::chrono::microseconds>;

  // How long each peer has been behind, by space and peer; none for who lacks nothing. `now` is
  // that of a clock that never goes back.
  Ages look(const std::vector<SpaceStatus>& spaces, std::chrono::microseconds now);

 private:
  struct Behind {
    Clock lacked;  // the peer has not had all of this since then
    std::chrono::microseconds since;
  };
  std::mutex mutex_;
  std::map<std::pair<std::string, std::string>, Behind> behind_;
};

// One sentence for each reason why the node is not healthy. Waits for its network thread, for a
// while.
std::vector<std::string> flaws_of(Runtime& runtime);

}  // namespace rejoin::node
