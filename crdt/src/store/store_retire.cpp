// Replicas whose writers are gone, and which the clock leaves out (docs/protocol.md, "Retired
// replica ids").
#include <algorithm>
#include <optional>
#include <string>

#include "rejoin/crdt/assert.h"
#include "rejoin/crdt/codec.h"
#include "rejoin/crdt/mutant.h"
#include "store/cell_codec.h"
#include "store/store.h"

namespace rejoin {

namespace {
// So many of them keep their numbers at least: looking for those that may go costs O(state).
constexpr std::size_t retired_writers_min = 32;
}  // namespace

std::vector<Sequence> Store::dense_with_retired(const Clock& clock) const {
  std::vector<Sequence> out = dense(clock);
  if (REJOIN_MUTATED(retired_ids_are_never_stable)) return out;
  for (ReplicaIndex r = 0; r < writers_.size(); ++r) {
    if (writers_[r].retired && out[r] == 0) out[r] = writers_[r].clock;
  }
  return out;
}

bool Store::includes(const Clock& clock) const {
  if (clock_.includes(clock)) return true;
  return std::all_of(clock.begin(), clock.end(),
                     [&](const auto& entry) { return entry.second <= seen(entry.first); });
}

bool Store::is_depended_on(const ReplicaId& id) const {
  const ReplicaIndex replica = find_replica(id);
  return replica != no_replica && writers_[replica].clock > 0 &&
         writers_[replica].depended_on >= writers_[replica].clock;
}

// ---- Leaving out, and naming again ----

bool Store::retire(const ReplicaId& id) {
  REJOIN_ASSERT(!in_transaction());
  const Sequence last = clock_.get(id);
  if (last == 0) return false;
  writers_[find_replica(id)].retired = true;
  retired_.set(id, last);
  retired_hash_ += Clock::fingerprint(id, last);
  for (Clock* clock : {&clock_, &floor_, &element_floor_}) clock->set(id, 0);
  const auto in_use = static_cast<std::size_t>(std::count_if(
      writers_.begin(), writers_.end(), [](const Writer_& writer) { return writer.retired; }));
  if (in_use > std::max(retired_writers_max_, retired_writers_min)) free_writers();
  return true;
}

void Store::list_again(ReplicaIndex replica) {
  Writer_& writer = writers_[replica];
  const Sequence last = retired_.get(writer.id);  // a transaction may have written more by now
  writer.retired = false;
  retired_hash_ -= Clock::fingerprint(writer.id, last);
  retired_.set(writer.id, 0);
  clock_.set(writer.id, last);
  // What of it was within the floors is not known any more.
  floor_.set(writer.id, last);
  if (!element_floor_.empty()) element_floor_.set(writer.id, last);
}

void Store::restore(const ReplicaId& id) {
  REJOIN_ASSERT(!in_transaction());
  if (retired_.get(id) != 0) list_again(intern(id));
}

bool Store::adopt_retired(const Clock& retired) {
  const StateHash before = retired_hash_;
  Clock unknown;
  for (const auto& [id, last] : retired) {
    const ReplicaIndex known = find_replica(id);
    if (known != no_replica) {
      advance(known, last);
      if (writers_[known].clock == last && !writers_[known].retired) (void)retire(id);
      continue;
    }
    const Sequence had = retired_.get(id);
    if (had >= last) continue;
    if (had != 0) retired_hash_ -= Clock::fingerprint(id, had);
    retired_hash_ += Clock::fingerprint(id, last);
    unknown.set(id, last);
  }
  retired_.join(unknown);
  return retired_hash_ != before;
}

// A number stands in stored cells, too. So it may go to another replica when nothing in memory has
// it and every cell that could have it is written anew.
void Store::free_writers() {
  std::vector<bool> used(writers_.size(), false);
  const Numbering use = [&](ReplicaIndex r) -> std::uint64_t {
    used[r] = true;
    return r;
  };
  const auto use_all = [&](const Clock& clock) {
    for (const auto& [id, sequence] : clock) {
      if (const ReplicaIndex r = find_replica(id); r != no_replica) use(r);
    }
  };
  use_all(forgotten_);
  for (const SubtreeRemoval& removal : removals_) {
    use(removal.dot.replica);
    use_all(removal.clock);
  }
  for (NodeIndex index = 0; index < node_end_; ++index) {
    if (!node(index).in_use) continue;
    std::string bytes;
    Writer out(bytes);
    CellWriters column{out, out, out, out, {}};
    encode_cell(node(index), nullptr, use, column);
    if (is_sequence(node(index).type)) mark_dirty(index);
  }
  retired_writers_max_ = 0;
  for (ReplicaIndex r = 0; r < writers_.size(); ++r) {
    Writer_& writer = writers_[r];
    if (!writer.retired || r == self_) {
      used[r] = true;
      continue;
    }
    if (used[r] || writer.changed_since_commit) {
      used[r] = true;
      retired_writers_max_ += 2;
      continue;
    }
    replica_by_id_.erase(writer.id);
    writer = Writer_{};
    writer.changed_since_commit = false;
    free_writers_.push_back(r);
  }
  for (NodeIndex index = 0; index < node_end_; ++index) {
    if (!node(index).in_use) continue;
    with_existing_sequence(node(index), [&](auto& sequence) { sequence.keep_replicas(used); });
  }
}

// ---- Others' clocks ----

std::optional<Clock> Store::retired_there(const Clock& clock, const StateHash& retired) const {
  if (retired == StateHash{}) return Clock{};
  Clock there = retired_;
  StateHash hash = retired_hash_;
  // What they have of an id that they do not leave out, their clock names.
  for (const auto& [id, sequence] : clock) {
    const Sequence last = there.get(id);
    if (last == 0) continue;
    there.set(id, 0);
    hash -= Clock::fingerprint(id, last);
  }
  const auto also = [&](const ReplicaId& id, Sequence last) {
    there.set(id, last);
    hash += Clock::fingerprint(id, last);
  };
  const auto told = [&] { return hash == retired || REJOIN_MUTATED(any_clock_is_understood); };
  if (told()) return there;
  // Or else they leave out what this clock names and theirs does not. What is written here is new
  // to them more often than it is retired.
  const Sequence own = clock.get(self()) == 0 ? clock_.get(self()) : 0;
  for (const auto& [id, last] : clock_) {
    if (id != self() && clock.get(id) == 0) also(id, last);
  }
  if (told()) return there;
  if (own != 0) also(self(), own);
  if (told()) return there;
  return std::nullopt;
}

std::optional<Document::Seen> Store::seen_there(const Clock& clock,
                                                const StateHash& retired) const {
  Document::Seen seen{clock, false};
  const bool same = retired == retired_hash_ &&
                    std::none_of(clock.begin(), clock.end(),
                                 [&](const auto& entry) { return retired_.get(entry.first) != 0; });
  if (same) return seen;
  const std::optional<Clock> there = retired_there(clock, retired);
  if (!there) return std::nullopt;
  for (const auto& [id, last] : *there) {
    if (retired_.get(id) == 0) seen.clock.set(id, last);
  }
  for (const auto& [id, last] : retired_) {
    const Sequence named = clock.get(id);
    if (named == last) seen.clock.set(id, 0);
    if (std::max(named, there->get(id)) < last) seen.lacks_retired = true;
  }
  return seen;
}

}  // namespace rejoin
