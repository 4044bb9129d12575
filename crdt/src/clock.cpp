#include "rejoin/crdt/clock.h"

#include <algorithm>
#include <array>

#include "rejoin/crdt/assert.h"
#include "rejoin/crdt/codec.h"
#include "rejoin/crdt/limits.h"

namespace rejoin {

Sequence Clock::get(const ReplicaId& replica) const {
  const auto it = entries_.find(replica);
  return it == entries_.end() ? 0 : it->second;
}

void Clock::set(const ReplicaId& replica, Sequence sequence) {
  REJOIN_ASSERT(sequence <= limits::sequence_max);
  if (sequence == 0) {
    entries_.erase(replica);
  } else {
    entries_.insert_or_assign(replica, sequence);
  }
}

bool Clock::includes(const Clock& other) const {
  if (other.size() > size()) return false;
  auto ours = entries_.begin();
  for (const auto& [replica, sequence] : other.entries_) {
    while (ours != entries_.end() && ours->first < replica) ++ours;
    if (ours == entries_.end() || ours->first != replica || ours->second < sequence) return false;
    ++ours;
  }
  return true;
}

void Clock::advance(const Dot& dot) {
  REJOIN_ASSERT(dot.sequence <= limits::sequence_max);
  if (dot.sequence == 0) return;
  const auto it = entries_.lower_bound(dot.replica);
  if (it != entries_.end() && it->first == dot.replica) {
    it->second = std::max(it->second, dot.sequence);
  } else {
    entries_.emplace_hint(it, dot.replica, dot.sequence);
  }
}

void Clock::join(const Clock& other) {
  // Mostly both know the same replicas: raise in place, and rebuild only if one is new.
  auto ours = entries_.begin();
  bool unknown = false;
  for (const auto& [replica, sequence] : other.entries_) {
    while (ours != entries_.end() && ours->first < replica) ++ours;
    if (ours != entries_.end() && ours->first == replica) {
      ours->second = std::max(ours->second, sequence);
    } else {
      unknown = true;
    }
  }
  if (!unknown) return;
  Entries::sequence_type merged;
  merged.reserve(size() + other.size());
  // Of equal keys set_union takes the first range's, which the loop above has raised already.
  std::set_union(entries_.begin(), entries_.end(), other.entries_.begin(), other.entries_.end(),
                 std::back_inserter(merged),
                 [](const auto& a, const auto& b) { return a.first < b.first; });
  entries_.adopt_sequence(boost::container::ordered_unique_range, std::move(merged));
}

void Clock::meet(const Clock& other) {
  Entries::sequence_type both;
  both.reserve(std::min(size(), other.size()));
  auto theirs = other.entries_.begin();
  for (const auto& [replica, sequence] : entries_) {
    while (theirs != other.entries_.end() && theirs->first < replica) ++theirs;
    if (theirs == other.entries_.end()) break;
    if (theirs->first == replica) both.emplace_back(replica, std::min(sequence, theirs->second));
  }
  entries_.adopt_sequence(boost::container::ordered_unique_range, std::move(both));
}

Causality Clock::compare(const Clock& other) const {
  const bool includes_other = includes(other);
  const bool included = other.includes(*this);
  if (includes_other && included) return Causality::equal;
  if (includes_other) return Causality::after;
  return included ? Causality::before : Causality::concurrent;
}

Clock Clock::beyond(const Clock& other) const {
  Clock more;
  auto theirs = other.entries_.begin();
  for (const auto& entry : entries_) {
    while (theirs != other.entries_.end() && theirs->first < entry.first) ++theirs;
    const bool known = theirs != other.entries_.end() && theirs->first == entry.first &&
                       theirs->second >= entry.second;
    if (!known) more.entries_.insert(more.entries_.end(), entry);
  }
  return more;
}

std::uint64_t Clock::distance_beyond(const Clock& other) const {
  // Two entries may add up to more than 2^64: saturates.
  std::uint64_t distance = 0;
  auto theirs = other.entries_.begin();
  for (const auto& [replica, sequence] : entries_) {
    while (theirs != other.entries_.end() && theirs->first < replica) ++theirs;
    Sequence known = 0;
    if (theirs != other.entries_.end() && theirs->first == replica) known = theirs->second;
    if (sequence <= known) continue;
    if (__builtin_add_overflow(distance, sequence - known, &distance)) return ~std::uint64_t{0};
  }
  return distance;
}

StateHash Clock::fingerprint(const ReplicaId& replica, Sequence sequence) {
  constexpr std::uint64_t seed = 0x636C6F636B;  // "clock": apart from hashes of other things
  std::array<char, sizeof(replica.bytes) + sizeof(sequence)> bytes;
  auto* const end = std::copy(replica.bytes.begin(), replica.bytes.end(), bytes.begin());
  for (std::size_t i = 0; i < sizeof(sequence); ++i) end[i] = static_cast<char>(sequence >> 8 * i);
  return hash_bytes({bytes.data(), bytes.size()}, seed);
}

StateHash Clock::fingerprint() const {
  StateHash sum;
  for (const auto& [replica, sequence] : entries_) sum += fingerprint(replica, sequence);
  return sum;
}

void Clock::encode(Writer& out) const {
  out.varint(size());
  for (const auto& [replica, sequence] : entries_) {
    out.replica(replica);
    out.varint(sequence);
  }
}

Result<Clock> Clock::decode(Reader& in) {
  constexpr std::size_t entry_bytes_min = 16 + 1;
  const std::size_t at = in.position();
  const auto malformed = [&](const char* what) {
    in.fail();
    return make_error(ErrorCode::malformed, what, "byte " + std::to_string(at));
  };
  const std::uint64_t count = in.varint_at_most(limits::clock_entries_max);
  if (!in.ok() || count > in.remaining() / entry_bytes_min) {
    return malformed("a clock claims more entries than there are");
  }
  Entries::sequence_type entries;
  entries.reserve(static_cast<std::size_t>(count));
  ReplicaId previous;  // nil, which names nobody: the first id must be greater too
  for (std::uint64_t i = 0; i < count; ++i) {
    const ReplicaId replica = in.replica();
    const Sequence sequence = in.varint_at_most(limits::sequence_max);
    if (!in.ok()) return malformed("a clock is cut short or has a sequence out of range");
    if (replica <= previous) return malformed("a clock's replica ids are not in ascending order");
    if (sequence == 0) return malformed("a clock has an entry of 0");
    entries.emplace_back(replica, sequence);
    previous = replica;
  }
  Clock clock;
  clock.entries_.adopt_sequence(boost::container::ordered_unique_range, std::move(entries));
  return clock;
}

std::string Clock::encoded() const {
  std::string bytes;
  bytes.reserve(3 + size() * (16 + 4));
  Writer out(bytes);
  encode(out);
  return bytes;
}

Result<Clock> Clock::decode(std::string_view bytes) {
  Reader in(bytes);
  Result<Clock> clock = decode(in);
  if (clock.ok() && !in.at_end()) {
    return make_error(ErrorCode::malformed, "bytes follow the end of a clock",
                      "byte " + std::to_string(in.position()));
  }
  return clock;
}

std::string Clock::to_string() const {
  std::string text = "{";
  for (const auto& [replica, sequence] : entries_) {
    if (text.size() > 1) text += ", ";
    text.append(replica.short_name()).append(":").append(std::to_string(sequence));
  }
  return text += "}";
}

}  // namespace rejoin
