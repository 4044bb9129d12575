// Verifying the history of a node that is stopped.
#include "history/archive.h"
#include "rejoin/node/inspect.h"

namespace rejoin::node {

Result<std::vector<AuditedSpace>> audit(const std::string& directory,
                                        const std::map<std::string, Heads>& expected) {
  auto store = inspect(directory);
  if (!store.ok()) return std::move(store).error();
  auto archive = history::Archive::open({directory, true});
  if (!archive.ok()) return std::move(archive).error();
  std::vector<AuditedSpace> audited;
  for (const std::string& name : (*archive)->spaces()) {
    AuditedSpace space;
    space.name = name;
    Clock reached;
    bool takes_over = false;
    for (const InspectedSpace& inspected : store->spaces) {
      if (inspected.space.name != name) continue;
      // What the store's log has is not in the archive yet.
      for (const EventPtr& event : inspected.space.recent) (*archive)->add(name, event);
      reached = inspected.space.document.clock_with_retired();
      takes_over = inspected.log_deltas > 0;
    }
    const auto noted = expected.find(name);
    auto verified = (*archive)->verify(name, noted == expected.end() ? Heads() : noted->second);
    if (!verified.ok()) return std::move(verified).error();
    space.events = verified->events;
    space.broken = verified->broken;
    const Clock beyond = reached.beyond((*archive)->clock(name));
    if (space.broken.empty() && !beyond.empty() && !takes_over) {
      const auto& [writer, last] = *beyond.begin();
      space.broken = "the state of the node has writes of " + writer.to_string() + " up to " +
                     std::to_string(last) + ", of which the events are missing";
    }
    auto missing = (*archive)->gaps(name);
    if (!missing.ok()) return std::move(missing).error();
    space.missing = *std::move(missing);
    auto heads = (*archive)->heads(name);
    if (!heads.ok()) return std::move(heads).error();
    space.heads = *std::move(heads);
    audited.push_back(std::move(space));
  }
  return audited;
}

}  // namespace rejoin::node
