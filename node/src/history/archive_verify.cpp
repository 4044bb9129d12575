// Verifying the chains of an archive.
#include <algorithm>
#include <utility>

#include "history/archive_state.h"

namespace rejoin::node::history {
namespace {

std::string name_of(const Event& event) {
  return "event " + event.writer().to_string() + ":" + std::to_string(event.last()) + " (of " +
         (event.author().empty() ? std::string("an unnamed author")
                                 : "\"" + std::string(event.author()) + "\"") +
         " at " + event.time().to_string() + ")";
}

// How far a writer's chain was followed.
struct Chain {
  Sequence last = 0;
  Digest link;
  Digest old_link;  // of that which is kept where links are stale
};

}  // namespace

Result<Archive::Verified> Archive::verify(const std::string& space, const Heads& expected) const {
  Verified verified;
  auto everything = beyond(space, {});
  if (!everything.ok()) return std::move(everything).error();
  auto known_gaps = gaps(space);
  if (!known_gaps.ok()) return std::move(known_gaps).error();
  std::map<ReplicaId, Stale> old;
  std::map<ReplicaId, Chain> chains;
  // That which is kept after the last event that was followed.
  const auto kept_link = [&](const ReplicaId& replica) {
    const Chain& chain = chains[replica];
    const auto found = old.find(replica);
    return found != old.end() && chain.last >= found->second.next ? chain.old_link : chain.link;
  };
  const auto broken = [&](std::string what) {
    if (verified.broken.empty()) verified.broken = std::move(what);
  };
  // Gaps may follow each other.
  const auto is_missing = [&](const ReplicaId& writer, Sequence first, Sequence last) {
    while (first <= last) {
      const auto gap = std::ranges::find_if(
          *known_gaps, [&](const Gap& g) { return g.writer == writer && g.first == first; });
      if (gap == known_gaps->end()) return false;
      first = gap->last + 1;
    }
    return first == last + 1;
  };
  const auto follow = [&](const LinkedEvent& linked) {
    const Event& event = *linked.event;
    Chain& chain = chains[event.writer()];
    ++verified.events;
    if (event.first() != chain.last + 1) {
      if (event.first() <= chain.last) {
        return broken(name_of(event) + " is there a second time");
      }
      if (!is_missing(event.writer(), chain.last + 1, event.first() - 1)) {
        return broken("before " + name_of(event) + ", the writes " +
                      std::to_string(chain.last + 1) + " to " + std::to_string(event.first() - 1) +
                      " of its writer are missing");
      }
      chain.link = chain.old_link = {};
    }
    chain.last = event.last();
    const Digest digest = digest_of(event);
    chain.link = next_link(chain.link, digest);
    const auto found = old.find(event.writer());
    if (found != old.end() && event.first() >= found->second.first) {
      chain.old_link = next_link(chain.old_link, digest);
    }
    if (beginning(kept_link(event.writer())) != linked.link) {
      return broken(name_of(event) + " is not what its link was made of");
    }
    const auto head = expected.find(event.writer());
    if (head != expected.end() && head->second.last == chain.last &&
        head->second.link != chain.link) {
      broken("the chain of " + event.writer().to_string() +
             " does not lead to the link that was "
             "noted for " +
             name_of(event) + ": that one, or one before it, was changed");
    }
  };

  const std::lock_guard guard(mutex_);
  const Space* known = find(space);
  if (known == nullptr) return verified;
  for (const auto& [replica, writer] : known->writers) {
    auto found = stale(writer);
    if (!found.ok()) return std::move(found).error();
    if (*found) old.emplace(replica, **found);
  }
  for (const ChunkId id : everything->chunks) {
    auto events = read_chunk(id);
    if (!events.ok()) return std::move(events).error();
    ++verified.chunks;
    std::set<std::int64_t> places = {place_below(known->id, {})};
    std::set<ReplicaId> writers;
    for (const LinkedEvent& linked : *events) {
      follow(linked);
      if (!verified.broken.empty()) return verified;
      add_places(known->id, *linked.event, places);
      writers.insert(linked.event->writer());
    }
    for (const std::int64_t place : places) {
      sqlite::Statement& query = statements_->is_touched;
      auto row = query.bind(1, place).bind(2, id).step();
      if (!row.ok()) return std::move(row).error();
      const bool there = *row && query.integer(0) == 1;
      query.reset();
      if (!there) {
        broken("the index of places does not lead to " + name_of(*events->front().event) +
               " and those after it");
        return verified;
      }
    }
    for (const ReplicaId& replica : writers) {
      const Chain& chain = chains[replica];
      const auto writer = known->writers.find(replica);
      if (writer == known->writers.end()) continue;
      auto spans = spans_from(writer->second, chain.last, 1);
      if (!spans.ok()) return std::move(spans).error();
      if (spans->empty() || spans->front().last != chain.last || spans->front().chunk != id ||
          spans->front().link != kept_link(replica)) {
        broken("the link after event " + replica.to_string() + ":" + std::to_string(chain.last) +
               " is not that of its chain");
        return verified;
      }
    }
  }
  for (const LinkedEvent& linked : known->newest) follow(linked);
  for (const auto& [replica, writer] : known->writers) {
    const Sequence last = chains[replica].last;
    if (!verified.broken.empty() || last >= writer.last) continue;
    if (!is_missing(replica, last + 1, writer.last)) {
      broken("the writes " + std::to_string(last + 1) + " to " + std::to_string(writer.last) +
             " of " + replica.to_string() + " are missing");
    }
  }
  for (const auto& [replica, head] : expected) {
    const Sequence last = chains[replica].last;
    if (verified.broken.empty() && last < head.last) {
      broken("the writes " + std::to_string(last + 1) + " to " + std::to_string(head.last) +
             " of " + replica.to_string() + ", for which a link was noted, are missing");
    }
  }
  return verified;
}

}  // namespace rejoin::node::history
