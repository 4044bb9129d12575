#include "check/oracle.h"

#include <algorithm>
#include <utility>

#include "check/elements.h"

namespace rejoin::simulation {

namespace {

bool is_removal(Op::Kind kind) {
  return kind == Op::Kind::remove_leaf || kind == Op::Kind::remove_container;
}

std::string list_of(const std::vector<Value>& values) {
  std::string text = "[";
  for (const auto& value : values) {
    if (text.size() > 1) text += ", ";
    text += value.to_string();
  }
  return text + ']';
}

}  // namespace

MapView container_view(const Document& document, const Container& container) {
  MapView map = document.root();
  for (const auto& step : container.steps) map = map.map(step);
  return map;
}

Oracle::Oracle(const KeySpace& keys)
    : keys_(keys), by_leaf_(keys.leaves().size()), by_container_(keys.containers().size()) {}

std::uint32_t Oracle::intern(const ReplicaId& replica) {
  return writers_.try_emplace(replica, static_cast<std::uint32_t>(writers_.size())).first->second;
}

Oracle::Dense Oracle::dense(const Clock& clock) const {
  Dense view(writers_.size());
  for (const auto& [replica, sequence] : clock) {
    const auto found = writers_.find(replica);
    if (found != writers_.end()) view[found->second] = sequence;
  }
  return view;
}

void Oracle::record(const Event& event, const Clock& before, std::vector<Op> ops) {
  Commit commit;
  commit.writer = intern(event.writer());
  commit.replica = event.writer();
  commit.first = event.first();
  commit.last = event.last();
  commit.time = event.time();
  commit.before = dense(before);
  commit.ops = std::move(ops);
  const auto index = static_cast<std::uint32_t>(commits_.size());
  for (std::uint32_t i = 0; i < commit.ops.size(); ++i) {
    const Op& what = commit.ops[i];
    const OpRef ref{index, i};
    if (what.kind == Op::Kind::remove_container) {
      for (ContainerIndex inner = 0; inner < keys_.containers().size(); ++inner) {
        if (keys_.is_below(inner, what.target)) by_container_[inner].push_back(ref);
      }
      for (LeafIndex leaf = 0; leaf < keys_.leaves().size(); ++leaf) {
        if (keys_.is_below(keys_.leaves()[leaf].container, what.target)) {
          by_leaf_[leaf].push_back(ref);
        }
      }
    } else if (what.kind == Op::Kind::create) {
      by_container_[what.target].push_back(ref);
    } else {
      by_leaf_[what.target].push_back(ref);
      if (what.kind == Op::Kind::rights && what.target == keys_.funds()) {
        funds_.add(commit.replica, commit.last, what.amount);
      }
    }
  }
  commits_.push_back(std::move(commit));
}

void Oracle::lose(const ReplicaId& writer, Sequence kept) {
  funds_.lose(writer, kept);
  for (auto commit = commits_.rbegin(); commit != commits_.rend(); ++commit) {
    if (commit->replica == writer && commit->last > kept) commit->lost = true;
  }
}

bool Oracle::shown(const OpRef& ref, const Dense& view) const {
  const Commit& commit = commits_[ref.commit];
  return !commit.lost && view[commit.writer] >= commit.last;
}

bool Oracle::saw(const OpRef& later, const OpRef& earlier) const {
  if (later.commit == earlier.commit) return later.op > earlier.op;
  const Commit& by = commits_[later.commit];
  const Commit& of = commits_[earlier.commit];
  return of.writer < by.before.size() && by.before[of.writer] >= of.last;
}

bool Oracle::seen_by_any(const OpRef& ref, const Refs& later) const {
  return std::any_of(later.begin(), later.end(),
                     [&](const OpRef& candidate) { return saw(candidate, ref); });
}

Oracle::Refs Oracle::visible(const Refs& ops, const Dense& view) const {
  Refs in_view;
  for (auto ref = ops.rbegin(); ref != ops.rend(); ++ref) {
    if (shown(*ref, view)) in_view.push_back(*ref);
  }
  return in_view;
}

Oracle::Shown Oracle::shown_commits(const Dense& view) const {
  Shown shown;
  shown.reserve(commits_.size());
  for (const Commit& commit : commits_) {
    shown.push_back(!commit.lost && view[commit.writer] >= commit.last);
  }
  return shown;
}

Oracle::Refs Oracle::visible(const Refs& ops, const Shown& shown) const {
  Refs in_view;
  in_view.reserve(ops.size());
  for (auto ref = ops.rbegin(); ref != ops.rend(); ++ref) {
    if (shown[ref->commit]) in_view.push_back(*ref);
  }
  return in_view;
}

std::optional<Oracle::Difference> Oracle::compare(const Document& document) const {
  const Dense view = dense(document.clock_with_retired());
  if (auto wrong = check_whole_transactions(view)) return Difference{*wrong, std::nullopt};
  const Shown shown = shown_commits(view);
  for (ContainerIndex i = 0; i < keys_.containers().size(); ++i) {
    Refs removals;
    for (const OpRef& ref : visible(by_container_[i], shown)) {
      if (is_removal(op(ref).kind)) {
        removals.push_back(ref);
      } else if (!seen_by_any(ref, removals)) {
        if (container_view(document, keys_.containers()[i]).exists()) break;
        return Difference{
            "the map " + keys_.containers()[i].name + " was created, never removed, and is gone",
            std::nullopt};
      }
    }
  }
  for (LeafIndex leaf = 0; leaf < keys_.leaves().size(); ++leaf) {
    if (auto wrong = compare_leaf(document, leaf, shown)) return Difference{*wrong, leaf};
  }
  return std::nullopt;
}

std::vector<std::string> Oracle::history(LeafIndex leaf, const Clock& clock) const {
  constexpr const char* names[] = {"write",
                                   "clear",
                                   "add",
                                   "reset",
                                   "enable",
                                   "disable",
                                   "set_add",
                                   "set_remove",
                                   "insert",
                                   "insert_map",
                                   "move",
                                   "note",
                                   "erase",
                                   "mark",
                                   "rights",
                                   "ask",
                                   "end_request",
                                   "tree_place",
                                   "tree_remove",
                                   "tree_write",
                                   "remove_leaf",
                                   "create",
                                   "remove_container"};
  const Dense view = dense(clock);
  std::vector<ReplicaId> replicas(writers_.size());
  for (const auto& [replica, index] : writers_) replicas[index] = replica;
  std::vector<std::string> lines;
  for (const OpRef& ref : by_leaf_[leaf]) {
    const Commit& commit = commits_[ref.commit];
    const Op& what = op(ref);
    std::string line = Dot{commit.replica, commit.last}.to_string();
    line += commit.lost ? " lost " : shown(ref, view) ? " in " : " out ";
    line += names[static_cast<std::size_t>(what.kind)];
    line += ' ' + std::to_string(what.amount) + ' ' + what.value.to_string();
    for (const auto element : what.elements) line += ' ' + std::to_string(element);
    if (!what.replica.is_nil()) line += " of " + what.replica.short_name();
    if (!what.holder.is_nil()) line += " from " + what.holder.short_name();
    if (!what.name.empty()) line += " named " + what.name;
    if (!what.parent.empty()) line += " below " + what.parent;
    if (what.keeps_others) line += " and others";
    line += " at " + commit.time.to_string() + " after";
    for (std::size_t i = 0; i < commit.before.size(); ++i) {
      if (commit.before[i] == 0) continue;
      line += ' ' + Dot{replicas[i], commit.before[i]}.to_string();
    }
    lines.push_back(std::move(line));
  }
  return lines;
}

std::optional<std::string> Oracle::check_whole_transactions(const Dense& view) const {
  for (const Commit& commit : commits_) {
    if (commit.lost) continue;
    const Sequence upto = view[commit.writer];
    if (upto >= commit.first && upto < commit.last) {
      return "half of the transaction " + Dot{commit.replica, commit.last}.to_string() +
             " is in the clock, which ends at " + std::to_string(upto);
    }
  }
  return std::nullopt;
}

std::optional<std::string> Oracle::compare_leaf(const Document& document, LeafIndex leaf,
                                                const Shown& shown) const {
  const Leaf& place = keys_.leaves()[leaf];
  const MapView map = container_view(document, keys_.containers()[place.container]);
  const Refs ops = visible(by_leaf_[leaf], shown);
  std::string wrong;
  switch (place.type) {
    case Type::reg:
    case Type::multi_register:
    case Type::max_register:
    case Type::min_register:
      wrong = compare_register(map.reg(place.name, place.type), place.type, ops);
      break;
    case Type::counter:
      wrong = compare_counter(map.counter(place.name), ops);
      break;
    case Type::enable_flag:
    case Type::disable_flag:
      wrong = compare_flag(map.flag(place.name, place.type), place.type, ops);
      break;
    case Type::set:
    case Type::remove_wins_set:
      wrong = compare_set(map.set(place.name, place.type), place.type, ops);
      break;
    case Type::list:
      wrong = compare_elements(elements_of(map.list(place.name)), ops);
      if (wrong.empty()) wrong = compare_maps(map.list(place.name), ops);
      break;
    case Type::log:
      wrong = compare_elements(elements_of(map.log(place.name).values()), ops);
      break;
    case Type::text:
      wrong = compare_elements(elements_of(map.text(place.name).to_string()), ops);
      if (wrong.empty()) wrong = compare_marks(map.text(place.name), ops);
      break;
    case Type::bounded_counter:
      wrong = compare_bounded_counter(map.bounded_counter(place.name), ops);
      break;
    case Type::tree:
      wrong = compare_tree(map.tree(place.name), ops);
      break;
    case Type::map:
    case Type::element:
      break;
  }
  if (wrong.empty()) return std::nullopt;
  return place.place + ' ' + wrong;
}

// A write is there until something that saw it replaces or removes it. Newest first: what is seen
// by one that was seen itself is also seen by that one's seer, so the undominated are enough to
// compare with.
std::string Oracle::compare_register(const RegisterView& shown, Type type, const Refs& ops) const {
  Refs undominated;
  Refs live;
  for (const OpRef& ref : ops) {
    if (seen_by_any(ref, undominated)) continue;
    undominated.push_back(ref);
    if (op(ref).kind == Op::Kind::write) live.push_back(ref);
  }
  const auto actual = shown.get();
  if (live.empty()) {
    if (!actual) return {};
    return "shows " + actual->to_string() + " where nothing should be";
  }
  if (type == Type::multi_register) {
    std::vector<Value> expected, siblings;
    for (const OpRef& ref : live) expected.push_back(op(ref).value);
    for (const auto& sibling : shown.siblings()) siblings.push_back(sibling.value);
    std::sort(expected.begin(), expected.end());
    std::sort(siblings.begin(), siblings.end());
    if (expected == siblings) return {};
    return "shows " + list_of(siblings) + " instead of " + list_of(expected);
  }
  const OpRef* best = &live.front();
  for (const OpRef& ref : live) {
    if (type == Type::reg) {
      const Commit& a = commits_[ref.commit];
      const Commit& b = commits_[best->commit];
      if (std::tie(a.time, a.replica, a.last) > std::tie(b.time, b.replica, b.last)) best = &ref;
    } else {
      const auto order = compare_numerically(op(ref).value, op(*best).value);
      if (type == Type::max_register ? order > 0 : order < 0) best = &ref;
    }
  }
  const Value& expected = op(*best).value;
  if (actual && *actual == expected) return {};
  return "shows " + (actual ? actual->to_string() : std::string("nothing")) + " instead of " +
         expected.to_string() + ", written by " +
         Dot{commits_[best->commit].replica, commits_[best->commit].last}.to_string();
}

std::string Oracle::compare_counter(const CounterView& shown, const Refs& ops) const {
  Refs resets;
  std::int64_t expected = 0;
  for (const OpRef& ref : ops) {
    const bool adds = op(ref).kind == Op::Kind::add;
    if (seen_by_any(ref, resets)) continue;
    if (adds) {
      expected += op(ref).amount;
    } else {
      resets.push_back(ref);
    }
  }
  if (shown.value() == expected) return {};
  return "shows " + std::to_string(shown.value()) + " instead of " + std::to_string(expected);
}

std::string Oracle::compare_flag(const FlagView& shown, Type type, const Refs& ops) const {
  Refs enables, disables, removals;
  bool live_enable = false, live_disable = false;
  for (const OpRef& ref : ops) {
    switch (op(ref).kind) {
      case Op::Kind::enable:
        live_enable |= !seen_by_any(ref, disables) && !seen_by_any(ref, removals);
        push_latest(enables, ref);
        break;
      case Op::Kind::disable:
        live_disable |= !seen_by_any(ref, enables) && !seen_by_any(ref, removals);
        push_latest(disables, ref);
        break;
      default:
        push_latest(removals, ref);
    }
  }
  const bool expected = live_enable && (type == Type::enable_flag || !live_disable);
  if (shown.get() == expected) return {};
  return expected ? "is off and should be on" : "is on and should be off";
}

std::string Oracle::compare_set(const SetView& shown, Type type, const Refs& ops) const {
  struct Element {
    Refs adds, removes;
    bool live_add = false, live_remove = false;
  };
  std::map<Value, Element> elements;
  Refs removals;
  for (const OpRef& ref : ops) {
    if (is_removal(op(ref).kind)) {
      push_latest(removals, ref);
      continue;
    }
    const bool removed = seen_by_any(ref, removals);
    Element& element = elements[op(ref).value];
    if (op(ref).kind == Op::Kind::set_add) {
      element.live_add |= !removed && !seen_by_any(ref, element.removes);
      push_latest(element.adds, ref);
    } else {
      element.live_remove |= !removed && !seen_by_any(ref, element.adds);
      push_latest(element.removes, ref);
    }
  }
  std::vector<Value> expected;
  for (const auto& [value, element] : elements) {
    if (element.live_add && (type == Type::set || !element.live_remove)) expected.push_back(value);
  }
  const auto actual = shown.elements();
  if (actual == expected) return {};
  return "shows " + list_of(actual) + " instead of " + list_of(expected);
}

}  // namespace rejoin::simulation
