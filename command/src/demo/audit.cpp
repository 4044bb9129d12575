#include "demo/audit.h"

#include <algorithm>

#include "demo/cluster.h"
#include "rejoin/node/history.h"

namespace rejoin::demo {

Result<Audit> audit_histories(const std::array<std::string, region_count>& directories) {
  Audit audit;
  node::Heads first;
  for (std::size_t i = 0; i < region_count; ++i) {
    const std::string name(region_names[i]);
    const auto spaces = node::audit(directories[i]);
    if (!spaces) return spaces.error();
    const auto space = std::ranges::find(*spaces, space_name, &node::AuditedSpace::name);
    if (space == spaces->end()) {
      audit.found.push_back(name + ": there is no history of the space");
      continue;
    }
    if (!space->broken.empty()) audit.found.push_back(name + ": history: " + space->broken);
    if (i == 0) {
      first = space->heads;
    } else if (space->heads != first) {
      audit.found.push_back(name + ": history: its chains do not end as those of " +
                            std::string(region_names[0]));
    }
    audit.chains = space->heads.size();
  }
  return audit;
}

}  // namespace rejoin::demo
