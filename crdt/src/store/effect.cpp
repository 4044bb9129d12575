#include "store/effect.h"

#include <algorithm>

#include "rejoin/crdt/limits.h"
#include "store/element_key.h"
#include "store/mark_codec.h"
#include "store/sequence.h"
#include "store/tree_place.h"

namespace rejoin {

bool is_register(Type type) { return type >= Type::reg && type <= Type::min_register; }

bool is_container(Type type) {
  return type == Type::map || is_sequence(type) || type == Type::set ||
         type == Type::remove_wins_set || type == Type::bounded_counter || type == Type::tree;
}

bool is_remove_wins(Type type, Type parent) {
  return type == Type::disable_flag || (type == Type::element && parent == Type::remove_wins_set);
}

bool valid_entry_value(Type type, Type parent, const Value& value) {
  if (is_register(type)) return true;
  if (is_remove_wins(type, parent)) return value.is_bool();
  if (type == Type::bounded_counter) return value.is_integer();  // its bound
  if (type == Type::element && parent == Type::tree) {
    return value.is_bytes() && decode_tree_place(value.as_bytes()).has_value();
  }
  if (type == Type::element && parent == Type::text) {
    return value.is_bytes() && decode_mark(value.as_bytes()).has_value();
  }
  return value.is_null();
}

bool may_contain(Type parent, Type child, const Value& key) {
  if (key.contents().size() > limits::key_bytes_max) return false;
  switch (parent) {
    case Type::map:
      return child != Type::element && key.is_string();
    case Type::set:
    case Type::remove_wins_set:
      return child == Type::element;
    case Type::bounded_counter:
      return (child == Type::counter || child == Type::reg) && key.is_bytes() &&
             key.contents().size() == sizeof(ReplicaId);
    case Type::list:  // an element that is a map
      return child == Type::map && key.is_bytes() && key.contents().size() == element_key_bytes;
    case Type::tree:  // a node's place and its properties
      return (child == Type::element || child == Type::map) && key.is_string() &&
             !key.as_string().empty();
    case Type::text:  // a mark
      return child == Type::element && key.is_bytes() &&
             decode_mark_key(key.as_bytes()).has_value();
    default:
      return false;
  }
}

Step decode_step(Reader& in, Type parent) {
  const std::uint8_t number = in.u8();
  Result<Value> key = Value::decode(in);
  if (!in.ok() || !key.ok() || !is_known_type(number) ||
      !may_contain(parent, static_cast<Type>(number), *key)) {
    in.fail();
    return {};
  }
  return Step{static_cast<Type>(number), std::move(*key)};
}

std::size_t steps_alike(std::size_t same, const Effect& effect, const std::vector<Step>& place) {
  if (same < effect.shared) return same;
  same = effect.shared;
  for (const Step& step : effect.steps) {
    if (same == place.size() || !(step == place[same])) break;
    ++same;
  }
  return same;
}

EffectReader::EffectReader(std::string_view bytes, std::size_t replicas, Sequence first,
                           Sequence last)
    : reader_(bytes),
      replicas_(replicas),
      next_sequence_(first),
      last_(last),
      taken_(replicas + 1, 0) {
  remaining_ = reader_.varint_at_most(limits::event_effects_max);
}

EventDot EffectReader::read_dot() {
  EventDot dot;
  dot.replica = static_cast<std::uint32_t>(reader_.varint_at_most(replicas_));
  dot.sequence = reader_.varint_at_most(limits::sequence_max);
  return dot;
}

void EffectReader::note_taken(EventDot dot) {
  Sequence& latest = taken_[dot.replica];
  if (latest == 0 && dot.sequence > 0) ++taken_replicas_;
  latest = std::max(latest, dot.sequence);
}

// Who removes a subtree has seen what he removed before; what is remembered of the one removal
// stands for the others below it.
bool EffectReader::includes_all_taken(std::vector<EventDot> clock) const {
  std::sort(clock.begin(), clock.end(),
            [](EventDot a, EventDot b) { return a.replica < b.replica; });
  std::size_t included = 0;
  for (std::size_t i = 0; i < clock.size(); ++i) {
    const auto [replica, sequence] = clock[i];
    if (i > 0 && replica == clock[i - 1].replica) return false;
    if (taken_[replica] > sequence) return false;
    if (taken_[replica] > 0) ++included;
  }
  return included == taken_replicas_;
}

void EffectReader::read_path(Effect& effect) {
  effect.shared = static_cast<std::size_t>(reader_.varint_at_most(types_.size()));
  const auto more =
      static_cast<std::size_t>(reader_.varint_at_most(limits::path_depth_max - effect.shared));
  types_.resize(effect.shared);
  effect.steps.clear();
  effect.steps.reserve(more);
  for (std::size_t i = 0; i < more && reader_.ok(); ++i) {
    effect.steps.push_back(decode_step(reader_, types_.empty() ? Type::map : types_.back()));
    types_.push_back(effect.steps.back().type);
  }
  effect.type = types_.empty() ? Type::map : types_.back();
  effect.parent_type = types_.size() < 2 ? Type::map : types_[types_.size() - 2];
}

bool EffectReader::next(Effect& effect) {
  if (!ok()) return false;
  if (remaining_ == 0) {
    if (!reader_.at_end() || next_sequence_ != last_ + 1) broken_ = true;
    return false;
  }
  --remaining_;
  const std::uint8_t kind = reader_.u8();
  read_path(effect);
  if (!reader_.ok()) return false;
  effect.kind = static_cast<EffectKind>(kind);
  effect.first = next_sequence_;
  effect.count = 1;
  effect.dots.clear();
  // A count of items cannot exceed the bytes that are left: no allocation beyond the input's size.
  const auto count = [&] { return reader_.varint_at_most(reader_.remaining()); };
  switch (effect.kind) {
    case EffectKind::put:
    case EffectKind::remove: {
      if (is_counter(effect.type)) broken_ = true;
      for (std::uint64_t n = count(); n > 0 && reader_.ok(); --n) {
        effect.dots.push_back(read_dot());
        note_taken(effect.dots.back());
      }
      if (effect.kind == EffectKind::put) {
        Result<Value> value = Value::decode(reader_);
        if (!value.ok() || !valid_entry_value(effect.type, effect.parent_type, *value)) {
          broken_ = true;
        } else {
          effect.value = std::move(*value);
        }
      }
      break;
    }
    case EffectKind::remove_subtree: {
      effect.keep_self = reader_.varint_at_most(1) != 0;
      if (!is_container(effect.type)) broken_ = true;
      for (std::uint64_t n = count(); n > 0 && reader_.ok(); --n) effect.dots.push_back(read_dot());
      if (taken_replicas_ > 0 && !includes_all_taken(effect.dots)) broken_ = true;
      break;
    }
    case EffectKind::counter_add:
      if (!is_counter(effect.type)) broken_ = true;
      effect.total = reader_.zigzag();
      effect.base_sequence = reader_.varint_at_most(limits::sequence_max);
      effect.base = reader_.zigzag();
      if (effect.base_sequence >= effect.first) broken_ = true;
      break;
    case EffectKind::counter_reset:
      if (!is_counter(effect.type)) broken_ = true;
      effect.resets.clear();
      for (std::uint64_t n = count(); n > 0 && reader_.ok(); --n) {
        const EventDot dot = read_dot();
        effect.resets.push_back({dot, reader_.zigzag()});
        note_taken(dot);
      }
      break;
    case EffectKind::list_insert:
      if (!is_list(effect.type)) broken_ = true;
      effect.left = read_dot();
      effect.right = read_dot();
      if (effect.type == Type::log && effect.right.sequence != 0) broken_ = true;
      effect.values.clear();
      for (std::uint64_t n = count(); n > 0 && reader_.ok(); --n) {
        Result<Value> value = Value::decode(reader_);
        if (!value.ok()) {
          broken_ = true;
          break;
        }
        effect.values.push_back(std::move(*value));
      }
      effect.count = effect.values.size();
      if (effect.count == 0) broken_ = true;
      break;
    case EffectKind::list_move:
      if (effect.type != Type::list) broken_ = true;
      effect.left = read_dot();
      effect.right = read_dot();
      effect.element = read_dot();
      effect.later = reader_.varint();
      if (effect.element.sequence == 0) broken_ = true;
      break;
    case EffectKind::text_insert:
      if (effect.type != Type::text) broken_ = true;
      effect.left = read_dot();
      effect.right = read_dot();
      effect.text = reader_.bytes(reader_.remaining());
      effect.count = count_code_points(effect.text);
      if (effect.count == 0 || !is_valid_utf8(effect.text)) broken_ = true;
      break;
    case EffectKind::sequence_remove: {
      if (!is_sequence(effect.type) || effect.type == Type::log) broken_ = true;
      effect.ranges.clear();
      const Sequence dots = last_ - next_sequence_ + 1;
      effect.count = 0;
      for (std::uint64_t n = count(); n > 0 && reader_.ok(); --n) {
        const EventDot target = read_dot();
        const std::uint64_t packed = reader_.varint();
        const Effect::Range range{target, packed >> 1, (packed & 1) != 0};
        if (target.sequence == 0 || range.count == 0 || range.count > dots - effect.count ||
            (range.descending && target.sequence < range.count)) {
          broken_ = true;
          break;
        }
        effect.ranges.push_back(range);
        note_taken({target.replica,
                    range.descending ? target.sequence : target.sequence + (range.count - 1)});
        effect.count += range.count;
      }
      if (effect.count == 0) broken_ = true;
      break;
    }
    default:
      broken_ = true;
  }
  next_sequence_ += effect.count;
  if (next_sequence_ - 1 > last_) broken_ = true;
  return ok();
}

}  // namespace rejoin
