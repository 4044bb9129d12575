#include "rejoin/crdt/event.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "rejoin/crdt/codec.h"
#include "rejoin/crdt/limits.h"
#include "store/effect.h"

namespace rejoin {

Result<EventPtr> Event::decode(std::string bytes) { return parse(std::move(bytes), true); }

Result<EventPtr> Event::parse(std::string bytes, bool check_effects) {
  if (bytes.size() > limits::event_bytes_max) {
    return make_error(ErrorCode::limit_exceeded, "event of " + std::to_string(bytes.size()) +
                                                     " bytes is larger than " +
                                                     std::to_string(limits::event_bytes_max));
  }
  std::shared_ptr<Event> event(new Event());
  event->bytes_ = std::move(bytes);
  Reader in(event->bytes_);
  const std::uint8_t format = in.u8();
  if (in.ok() && format != event_format) {
    return make_error(ErrorCode::unsupported_version, "event format " + std::to_string(format) +
                                                          ", this build reads " +
                                                          std::to_string(event_format));
  }
  const auto malformed = [&](const char* what) {
    return make_error(ErrorCode::malformed,
                      std::string("event: ") + what + " at byte " + std::to_string(in.position()));
  };
  event->writer_ = in.replica();
  event->first_ = in.varint_at_most(limits::sequence_max);
  const std::uint64_t count = in.varint_at_most(limits::sequence_max);
  event->time_ = HybridTime{in.varint()};
  event->author_ = in.bytes(limits::author_bytes_max);
  event->note_ = in.bytes(limits::note_bytes_max);
  if (!in.ok() || event->writer_.is_nil() || event->first_ == 0 || count == 0) {
    return malformed("bad header");
  }
  event->last_ = event->first_ + count - 1;
  if (event->last_ > limits::sequence_max) return malformed("sequence out of range");
  if (!is_valid_utf8(event->author_) || !is_valid_utf8(event->note_)) {
    return malformed("author or note is not UTF-8");
  }
  std::uint64_t replicas = in.varint_at_most(in.remaining() / 16);
  event->replicas_.reserve(static_cast<std::size_t>(replicas));
  for (; replicas > 0 && in.ok(); --replicas) {
    const ReplicaId id = in.replica();
    if (id.is_nil() || id == event->writer_) return malformed("bad replica id");
    event->replicas_.push_back(id);
  }
  std::uint64_t count_left = in.varint_at_most(event->replicas_.size());
  std::vector<std::pair<ReplicaId, Sequence>> dependencies;
  dependencies.reserve(static_cast<std::size_t>(count_left));
  for (; count_left > 0 && in.ok(); --count_left) {
    const std::uint64_t index = in.varint_at_most(event->replicas_.size());
    const Sequence sequence = in.varint_at_most(limits::sequence_max);
    if (!in.ok() || index == 0 || sequence == 0) return malformed("bad dependency");
    dependencies.emplace_back(event->replicas_[static_cast<std::size_t>(index) - 1], sequence);
  }
  // They come in any order. Entered in that of a clock each costs O(1); a hostile event of a few
  // megabytes would take hours otherwise.
  std::sort(dependencies.begin(), dependencies.end());
  event->dependencies_.reserve(dependencies.size());
  for (const auto& [replica, sequence] : dependencies) {
    if (event->dependencies_.get(replica) != 0) return malformed("a dependency named twice");
    event->dependencies_.set(replica, sequence);
  }
  if (!in.ok()) return malformed("cut short");
  event->effects_at_ = in.position();
  if (check_effects) {
    EffectReader effects(std::string_view(event->bytes_).substr(event->effects_at_),
                         event->replicas_.size(), event->first_, event->last_);
    Effect effect;
    while (effects.next(effect)) {
    }
    if (!effects.ok()) {
      return make_error(
          ErrorCode::malformed,
          "event: bad effect near byte " + std::to_string(event->effects_at_ + effects.position()));
    }
  }
  return EventPtr(std::move(event));
}

}  // namespace rejoin
