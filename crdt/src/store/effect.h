// The effects of an event: what each write does to one place. The format is in docs/formats.md.
#pragma once

#include <boost/container/small_vector.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "rejoin/crdt/codec.h"
#include "rejoin/crdt/event.h"
#include "rejoin/crdt/path.h"
#include "rejoin/crdt/value.h"

namespace rejoin {

// Numbers are part of the format.
enum class EffectKind : std::uint8_t {
  put = 1,             // an entry that replaces the entries it names
  remove = 2,          // takes away the entries it names
  remove_subtree = 3,  // takes away every entry below that its clock includes
  counter_add = 4,     // the writer's part of a counter, as it is now
  counter_reset = 5,   // takes away increments, up to a (sequence, total) a replica
  list_insert = 6,  // a run of elements between two neighbours; in a log, the end is the right one
  sequence_remove = 7,  // takes away ranges of elements of a list or text, a dot for each
  text_insert = 8,      // like list_insert
  list_move = 9,        // a holder between two neighbours, for an element that goes there
};

inline constexpr std::uint8_t event_format = 1;
inline constexpr std::uint8_t delta_format = 2;
// Where nothing is retired.
inline constexpr std::uint8_t delta_format_without_retired = 1;

// A dot whose replica is an index into the event's own table: 0 is the writer.
struct EventDot {
  std::uint32_t replica = 0;
  Sequence sequence = 0;
};

// One effect, decoded. Which members mean something depends on the kind.
struct Effect {
  EffectKind kind = EffectKind::put;
  std::size_t shared = 0;   // leading steps that are those of the previous effect's path
  std::vector<Step> steps;  // the steps after them
  Type type = Type::map;    // of what lives at the path
  Type parent_type = Type::map;
  Sequence first = 0;  // the dots it takes
  Sequence count = 1;
  std::vector<EventDot> dots;  // entries named (put, remove); clock (remove_subtree)
  Value value;                 // put
  bool keep_self = false;      // remove_subtree: the place's own existence stays
  std::int64_t total = 0;      // counter_add
  Sequence base_sequence = 0;  // counter_add
  std::int64_t base = 0;       // counter_add
  struct Reset {
    EventDot dot;
    std::int64_t total;
  };
  std::vector<Reset> resets;  // counter_reset
  EventDot left, right;  // list_insert, text_insert, list_move; sequence 0: the beginning, the end
  EventDot element;      // list_move
  std::uint64_t later = 0;    // list_move: its stamp less the event's time
  std::vector<Value> values;  // list_insert
  std::string_view text;      // text_insert; valid while the event is
  struct Range {
    EventDot target;
    Sequence count;
    bool descending;
  };
  std::vector<Range> ranges;  // sequence_remove
};

// Reads an event's effects one after the other and checks everything that can be checked without a
// document: kinds against types, keys, limits, dots within the event's own range of replicas.
class EffectReader {
 public:
  EffectReader(std::string_view bytes, std::size_t replicas, Sequence first, Sequence last);
  // False at the end, or on an error (then !ok()).
  bool next(Effect& effect);
  bool ok() const { return reader_.ok() && !broken_; }
  std::size_t position() const { return reader_.position(); }

 private:
  void read_path(Effect& effect);
  EventDot read_dot();
  void note_taken(EventDot dot);
  bool includes_all_taken(std::vector<EventDot> clock) const;
  Reader reader_;
  std::size_t replicas_;
  std::uint64_t remaining_ = 0;
  Sequence next_sequence_;
  Sequence last_;
  bool broken_ = false;
  // By replica, the latest write that effects took away so far, and of how many replicas.
  boost::container::small_vector<Sequence, 8> taken_;
  std::size_t taken_replicas_ = 0;
  std::vector<Type> types_;  // along the current path, root excluded
};

// The effects of an event that was decoded, for those who do not apply them to a document.
class EventEffects {
 public:
  explicit EventEffects(const Event& event)
      : event_(event),
        bytes_(std::string_view(event.bytes_).substr(event.effects_at_)),
        reader_(bytes_, event.replicas_.size(), event.first_, event.last_) {}
  bool next(Effect& effect) {
    begin_ = reader_.position();
    return reader_.next(effect);
  }
  // All that stands before the first effect.
  std::string_view head() const {
    return std::string_view(event_.bytes_).substr(0, event_.effects_at_ + reader_.position());
  }
  // The bytes of the effect that was read last.
  std::string_view bytes() const { return bytes_.substr(begin_, reader_.position() - begin_); }
  Dot dot(EventDot dot) const {
    if (dot.sequence == 0) return {};
    return {dot.replica == 0 ? event_.writer_ : event_.replicas_[dot.replica - 1], dot.sequence};
  }

 private:
  const Event& event_;
  std::string_view bytes_;
  EffectReader reader_;
  std::size_t begin_ = 0;
};

// How many leading steps of an effect's path are those of `place`, where those of the effect before
// it were `same`.
std::size_t steps_alike(std::size_t same, const Effect& effect, const std::vector<Step>& place);

// True when a child of this type, under this key, may live below `parent`.
bool may_contain(Type parent, Type child, const Value& key);
// True for the types whose cell is a counter, or whose cell holds dotted entries; lists hold both
// entries (their existence) and elements.
inline bool is_counter(Type type) { return type == Type::counter; }
bool is_register(Type type);
bool is_container(Type type);
// True for the types whose elements are values.
inline bool is_list(Type type) { return type == Type::list || type == Type::log; }
inline bool is_sequence(Type type) { return is_list(type) || type == Type::text; }
// True when an entry of this cell carries a boolean of which false wins.
bool is_remove_wins(Type type, Type parent);
bool valid_entry_value(Type type, Type parent, const Value& value);

// Fails the reader on unknown types, oversized keys or a misplaced child.
Step decode_step(Reader& in, Type parent);

}  // namespace rejoin
