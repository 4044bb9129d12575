#include "rejoin/crdt/history.h"

#include <algorithm>
#include <utility>

#include "store/effect.h"

namespace rejoin {
namespace {

Written::Kind kind_of(EffectKind kind) {
  switch (kind) {
    case EffectKind::put:
      return Written::Kind::put;
    case EffectKind::remove:
      return Written::Kind::remove;
    case EffectKind::remove_subtree:
      return Written::Kind::remove_below;
    case EffectKind::counter_add:
      return Written::Kind::add;
    case EffectKind::counter_reset:
      return Written::Kind::reset;
    case EffectKind::list_insert:
    case EffectKind::text_insert:
      return Written::Kind::insert;
    case EffectKind::sequence_remove:
      return Written::Kind::erase;
    case EffectKind::list_move:
      return Written::Kind::move;
  }
  return Written::Kind::put;
}

Written write_of(Effect& effect, const EventEffects& effects, const ReplicaId& writer) {
  Written write;
  write.kind = kind_of(effect.kind);
  write.first = {writer, effect.first};
  write.count = effect.count;
  for (const EventDot& dot : effect.dots) write.replaced.push_back(effects.dot(dot));
  switch (effect.kind) {  // members of other kinds are left from effects before
    case EffectKind::put:
      write.values.push_back(std::move(effect.value));
      break;
    case EffectKind::counter_add:
      write.total = effect.total;
      break;
    case EffectKind::counter_reset:
      for (const Effect::Reset& reset : effect.resets) {
        write.replaced.push_back(effects.dot(reset.dot));
      }
      break;
    case EffectKind::list_insert:
      write.values = std::move(effect.values);
      break;
    case EffectKind::text_insert:
      write.text = effect.text;
      break;
    case EffectKind::sequence_remove:
      for (const Effect::Range& range : effect.ranges) {
        write.erased.push_back({effects.dot(range.target), range.count, range.descending});
      }
      break;
    case EffectKind::list_move:
      write.element = effects.dot(effect.element);
      break;
    case EffectKind::remove:
    case EffectKind::remove_subtree:
      break;
  }
  write.keeps_self = effect.kind == EffectKind::remove_subtree && effect.keep_self;
  return write;
}

}  // namespace

std::string_view to_string(Written::Kind kind) {
  switch (kind) {
    case Written::Kind::put:
      return "put";
    case Written::Kind::remove:
      return "remove";
    case Written::Kind::remove_below:
      return "remove_below";
    case Written::Kind::add:
      return "add";
    case Written::Kind::reset:
      return "reset";
    case Written::Kind::insert:
      return "insert";
    case Written::Kind::erase:
      return "erase";
    case Written::Kind::move:
      return "move";
  }
  return "unknown";
}

std::vector<Written> writes_of(const Event& event) {
  std::vector<Written> writes;
  EventEffects effects(event);
  Effect effect;
  std::vector<Step> steps;
  while (effects.next(effect)) {
    steps.resize(effect.shared);
    for (Step& step : effect.steps) steps.push_back(std::move(step));
    Written write = write_of(effect, effects, event.writer());
    write.path = Path(steps);
    writes.push_back(std::move(write));
  }
  return writes;
}

std::vector<Path> paths_of(const Event& event) {
  std::vector<Path> paths;
  EventEffects effects(event);
  Effect effect;
  std::vector<Step> steps;
  while (effects.next(effect)) {
    const bool same = effect.steps.empty() && effect.shared == steps.size() && !paths.empty();
    if (same) continue;
    steps.resize(effect.shared);
    for (Step& step : effect.steps) steps.push_back(std::move(step));
    paths.emplace_back(steps);
  }
  return paths;
}

bool touches(const Event& event, const Path& place) {
  EventEffects effects(event);
  Effect effect;
  std::size_t same = 0;
  while (effects.next(effect)) {
    same = steps_alike(same, effect, place.steps());
    if (same == std::min(effect.shared + effect.steps.size(), place.depth())) return true;
  }
  return false;
}

}  // namespace rejoin
