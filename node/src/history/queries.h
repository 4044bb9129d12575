// The questions that an archive answers. Thread-safe; none of them keeps others from writing for
// longer than a chunk takes to read.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "history/archive.h"
#include "rejoin/crdt/revert.h"
#include "rejoin/node/history.h"

namespace rejoin::node::history {

// Calls `visit` for each event that touched a place, in an order that respects what they depend on
// (or in the opposite one), until it returns false.
Status for_each_touching(const Archive& archive, const std::string& space, const Path& place,
                         bool newest_first, const std::function<bool(const EventPtr&)>& visit);

// Newest first.
Result<std::vector<PastEvent>> past_of(const Archive& archive, const std::string& space,
                                       const Path& place, const HistoryQuery& query);

// For origins of a document of that space, or of a past one.
Result<std::vector<Reason>> reasons_for(const Archive& archive, const std::string& space,
                                        const std::vector<Origin>& origins);

// How a place, and what is below it, stood when all of `version` had happened and nothing else.
// `not_found` where the archive does not reach so far, or lacks events within `version`: it says
// whose.
Result<Document> state_at(const Archive& archive, const std::string& space, const Path& place,
                          const Clock& version);

// The past of all places that revert() asks for. `not_found` where the archive lacks any events:
// they may have written there, too.
Result<std::vector<Past>> pasts_of(const Archive& archive, const std::string& space,
                                   const Event& event);

// All that was written until `time`, by the writers' clocks, as far as nothing in it depends on
// something later (from a writer whose clock was ahead).
Result<Clock> version_until(const Archive& archive, const std::string& space, HybridTime time);
// What the writer of the event that took this dot had seen just before. `not_found`.
Result<Clock> version_before(const Archive& archive, const std::string& space, const Dot& dot);

// See Space::feed().
Result<Feed> feed(const Archive& archive, const std::string& space, const Clock& cursor,
                  std::size_t limit, std::chrono::milliseconds timeout);

Result<std::vector<Difference>> differences(const Document& before, const Document& after,
                                            const Path& place);

}  // namespace rejoin::node::history
