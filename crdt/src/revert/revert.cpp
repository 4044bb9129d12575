#include "rejoin/crdt/revert.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "revert/cell_state.h"
#include "revert/since.h"
#include "saturate.h"
#include "store/element_key.h"
#include "store/store.h"

namespace rejoin {
namespace {

using reverting::Cells;
using reverting::cells_of;
using reverting::CellState;
using reverting::Given;
using reverting::Item;
using reverting::Since;
using reverting::state_of;

// What of `all` is not in `others`, by name.
template <class Named, class Name>
std::vector<Named> without(const std::vector<Named>& all, const std::vector<Named>& others,
                           Name name) {
  std::set<Dot> known;
  for (const Named& other : others) known.insert(other.*name);
  std::vector<Named> rest;
  for (const Named& one : all) {
    if (!known.contains(one.*name)) rest.push_back(one);
  }
  return rest;
}

bool is_before(const Given& a, const Given& b) {
  if (a.time != b.time) return a.time < b.time;
  return a.dot < b.dot;
}

// Which of several values that stood beside each other reads.
Value read_of(const std::vector<Given>& entries, Type type, bool removal_wins) {
  const auto reads_below = [&](const Given& a, const Given& b) {
    if (type == Type::max_register || type == Type::min_register) {
      const auto order = compare_numerically(a.value, b.value);
      if (order != 0) return type == Type::max_register ? order < 0 : order > 0;
    }
    if (removal_wins && a.value != b.value) return a.value.as_bool();
    return is_before(a, b);
  };
  return std::ranges::max_element(entries, reads_below)->value;
}

}  // namespace

// Undoes one event, place by place.
class Reverting {
 public:
  Reverting(Transaction& transaction, const Event& event)
      : store_(*transaction.store_), event_(event) {}

  Status undo(Past past) {
    const Since since(past.since);
    since_ = &since;
    before_ = cells_of(*past.before.store_, past.place);
    past.before.replay(event_, past.place);
    after_ = cells_of(*past.before.store_, past.place);
    find_moved();
    std::set<Path> paths;  // a parent before what is below it
    for (const auto* cells : {&before_, &after_}) {
      for (const auto& [path, state] : *cells) paths.insert(path);
    }
    for (const Path& path : paths) {
      if (is_below_removed(path)) continue;
      if (Status status = undo_at(path); !status.ok()) return status;
    }
    return {};
  }

  Reverted result() && { return std::move(result_); }

 private:
  static const CellState& at(const Cells& cells, const Path& path) {
    static const CellState nothing;
    const auto found = cells.find(path);
    return found == cells.end() ? nothing : found->second;
  }

  Status undo_at(const Path& path) {
    const std::size_t size = store_.transaction_size();
    const std::size_t kept = result_.kept.size();
    const CellState& before = at(before_, path);
    const CellState& after = at(after_, path);
    Status status;
    if (before.bounded || after.bounded) {
      status = undo_bounded(path, before, after);
    } else {
      status = undo_entries(path, before, after);
      if (status.ok()) status = undo_parts(path, before, after);
      if (status.ok()) status = undo_items(path, before, after);
    }
    if (!status.ok() && status.error().code == ErrorCode::not_found) {
      keep(path, "the element of a list that it lies in was removed since");
      return {};
    }
    if (store_.transaction_size() != size && result_.kept.size() == kept) ++result_.cells;
    return status;
  }

  void keep(const Path& path, std::string reason) {
    result_.kept.push_back({path, std::move(reason)});
  }

  // ---- Where things are now ----

  // A map that came back as a new element of a list has another path than before.
  Path now(const Path& path) const {
    for (Path above = path;; above = above.parent()) {
      if (const auto found = renamed_.find(above); found != renamed_.end()) {
        Path renamed = found->second;
        for (std::size_t i = above.depth(); i < path.depth(); ++i) {
          renamed = renamed.child(path.steps()[i].type, path.steps()[i].key);
        }
        return renamed;
      }
      if (above.is_root()) return path;
    }
  }
  NodeIndex find_now(const Path& path) {
    store_.settle();
    return store_.find(now(path));
  }
  Result<NodeIndex> writable(const Path& path) {
    store_.settle();
    const NodeIndex index = store_.find_or_create(now(path));
    if (Status status = store_.check_writable(index); !status.ok()) return status.error();
    return index;
  }
  bool is_below_removed(const Path& path) const {
    return std::ranges::any_of(removed_,
                               [&](const Path& above) { return path.starts_with(above); });
  }

  // ---- Registers, flags, elements of sets, nodes of trees, marks, maps that merely exist ----

  Status undo_entries(const Path& path, const CellState& before, const CellState& after) {
    const auto gained = without(after.entries, before.entries, &Given::dot);
    auto lost = without(before.entries, after.entries, &Given::dot);
    if (gained.empty() && lost.empty()) return {};
    if (renamed_.contains(path)) return {};  // came back with the element
    if (!gained.empty() && before.entries.empty() && is_built_upon(path)) {
      keep(path, "others wrote in it since");
      return {};
    }

    CellState here = state_of(store_, find_now(path));
    const auto is_here = [&](const Given& given) {
      return std::ranges::find(here.entries, given.dot, &Given::dot) != here.entries.end();
    };
    if (!gained.empty() && std::ranges::none_of(gained, is_here)) {
      keep(path, "it was written over or removed since");
      return {};
    }
    for (const Given& given : gained) {
      if (!is_here(given)) continue;
      store_.remove_entries(find_now(path), given.dot);
      std::erase_if(here.entries, [&](const Given& one) { return one.dot == given.dot; });
    }

    std::erase_if(lost, [&](const Given& given) { return since_->took(path, given.dot); });
    if (lost.empty()) return {};
    auto index = writable(path);
    if (!index.ok()) return index.error();
    const Type type = path.type();
    const bool removal_wins = store_.removal_wins(store_.node(*index));
    const Value value = read_of(lost, type, removal_wins);
    const bool of_extremes = type == Type::max_register || type == Type::min_register;
    const bool reads_beside_others = of_extremes || (removal_wins && !value.as_bool());
    if (!here.entries.empty() && !reads_beside_others) {
      if (gained.empty()) keep(path, "it was written anew since");
      return {};
    }
    if (gained.empty() && since_->wrote(path, Written::Kind::put)) {
      keep(path, "it was written and removed again since");
      return {};
    }
    if (lost.size() > 1 && type == Type::multi_register) {
      keep(path, "of the values that stood beside each other one comes back");
    }
    if (of_extremes) return RegisterRef(&store_, store_.ref(*index)).set(value);
    store_.put(*index, value);
    return {};
  }

  // Whether others wrote in what the event made: a map, or the properties of a tree's node.
  bool is_built_upon(const Path& path) const {
    const Path parent = path.parent();
    if (path.type() == Type::element && parent.type() == Type::tree) {
      return since_->wrote_at_or_below(parent.child(Type::map, path.steps().back().key));
    }
    return false;
  }

  // ---- Counters ----

  Status undo_parts(const Path& path, const CellState& before, const CellState& after) {
    WideSum change = 0;
    bool was_reset = false;
    for (const auto& [replica, part] : after.parts) change += part.sum;
    for (const auto& [replica, part] : before.parts) {
      change -= part.sum;
      const auto later = after.parts.find(replica);
      was_reset |= later == after.parts.end() || later->second.reset > part.reset;
    }
    if (change == 0 && before.parts.empty() == after.parts.empty()) return {};
    const CellState here = state_of(store_, find_now(path));
    const auto own = here.parts.find(event_.writer());
    const bool is_here = own != here.parts.end() && own->second.last >= event_.first();
    if (was_reset ? since_->wrote(path, Written::Kind::reset) : !is_here) {
      keep(path, "the counter was reset since");
      return {};
    }
    auto index = writable(path);
    if (!index.ok()) return index.error();
    const auto former = before.parts.find(event_.writer());
    const bool alone = is_here && here.parts.size() == 1 && own->second.last <= event_.last() &&
                       (former == before.parts.end() || former->second.last <= own->second.reset);
    if (alone && !was_reset) {
      store_.counter_reset(*index);  // nothing else was counted: the counter is not there again
      return {};
    }
    // One of 0 is there again by adding 0.
    return CounterRef(&store_, store_.ref(*index)).add(saturate(-change));
  }

  Status undo_bounded(const Path& path, const CellState& before, const CellState& after) {
    if (before.bounded == after.bounded) {
      const bool touched = std::ranges::any_of(
          paths_of(event_), [&](const Path& written) { return written.starts_with(path); });
      if (touched) keep(path, "requests, and rights that were given away, stay as they are");
      return {};
    }
    if (since_->removed_above(path)) {
      keep(path, "others removed it since");
      return {};
    }
    auto index = writable(path);
    if (!index.ok()) return index.error();
    BoundedCounterRef counter(&store_, store_.ref(*index));
    if (!before.bounded || !after.bounded) {
      if (since_->wrote_at_or_below(path)) {
        keep(path, "others wrote in it since");
        return {};
      }
      if (!before.bounded) {
        store_.remove_subtree(*index, false);
        return {};
      }
      if (Status made = counter.create(before.bounded->bound); !made.ok()) return made;
    }
    const std::int64_t former = before.bounded->value;
    const std::int64_t later = after.bounded ? after.bounded->value : before.bounded->bound;
    const std::int64_t change = saturate(static_cast<WideSum>(later) - former);
    if (change < 0) return counter.increment(saturate(-static_cast<WideSum>(change)));
    if (counter.rights_here() < change) {
      keep(path, "only " + std::to_string(counter.rights_here()) + " of the " +
                     std::to_string(change) + " rights to take back are here");
      return {};
    }
    return counter.decrement(change);
  }

  // ---- Lists, texts and logs ----

  Status undo_items(const Path& path, const CellState& before, const CellState& after) {
    const auto gained = without(after.items, before.items, &Item::element);
    auto lost = without(before.items, after.items, &Item::element);
    std::erase_if(lost, [&](const Item& item) {
      const bool by_others = since_->erased(path, item.element);
      if (by_others) removed_.push_back(path.child(Type::map, element_key(item.element)));
      return by_others;
    });
    if (path.type() == Type::log) return undo_log(path, gained, lost);
    if (Status status = remove_items(path, gained); !status.ok()) return status;
    if (Status status = move_back(path, before); !status.ok()) return status;
    return restore_items(path, before, lost);
  }

  Status undo_log(const Path& path, const std::vector<Item>& gained,
                  const std::vector<Item>& lost) {
    if (!gained.empty()) keep(path, "a log is only appended to");
    if (lost.empty()) return {};
    if (!state_of(store_, find_now(path)).items.empty()) {
      keep(path, "the log was begun anew since");
      return {};
    }
    auto index = writable(path);
    if (!index.ok()) return index.error();
    LogRef log(&store_, store_.ref(*index));
    for (const Item& item : lost) {
      if (Status status = log.append(item.value); !status.ok()) return status;
    }
    return {};
  }

  Status remove_items(const Path& path, const std::vector<Item>& gained) {
    if (gained.empty()) return {};
    const NodeIndex index = find_now(path);
    std::map<Dot, std::size_t> places = places_of(state_of(store_, index).items);
    std::vector<std::size_t> gone;
    bool built_upon = false;
    for (const Item& item : gained) {
      const Path below = path.child(Type::map, element_key(item.element));
      removed_.push_back(below);
      const auto place = places.find(item.element);
      if (place == places.end()) continue;
      if (path.type() == Type::list && since_->wrote_at_or_below(below)) {
        built_upon = true;
      } else {
        gone.push_back(place->second);
      }
    }
    if (built_upon) keep(path, "others wrote in what was inserted");
    std::ranges::sort(gone, std::greater());
    for (std::size_t i = 0; i < gone.size();) {
      std::size_t end = i + 1;
      while (end < gone.size() && gone[end] + 1 == gone[end - 1]) ++end;
      const Status status =
          path.type() == Type::text
              ? TextRef(&store_, store_.ref(index)).remove(gone[end - 1], end - i)
              : ListRef(&store_, store_.ref(index)).remove(gone[end - 1], end - i);
      if (!status.ok()) return status;
      i = end;
    }
    return {};
  }

  static std::map<Dot, std::size_t> places_of(const std::vector<Item>& items) {
    std::map<Dot, std::size_t> places;
    for (std::size_t i = 0; i < items.size(); ++i) places.emplace(items[i].element, i);
    return places;
  }

  // For each item of `before`, behind which place of `here` it stood: the one after the nearest
  // that stood before it and is still there, else the one of the nearest that stood behind it.
  std::vector<std::size_t> anchors(const std::vector<Item>& before,
                                   const std::map<Dot, std::size_t>& here,
                                   const std::set<Dot>& leave_out) const {
    std::vector<std::optional<std::size_t>> found(before.size());
    std::optional<std::size_t> last;
    const auto place_of = [&](const Item& item) -> std::optional<std::size_t> {
      const auto place = here.find(item.element);
      if (place == here.end() || leave_out.contains(item.element)) return std::nullopt;
      return place->second;
    };
    for (std::size_t i = 0; i < before.size(); ++i) {
      found[i] = last;
      if (const auto place = place_of(before[i])) last = *place + 1;
    }
    last.reset();
    for (std::size_t i = before.size(); i-- > 0;) {
      if (!found[i]) found[i] = last;
      if (const auto place = place_of(before[i])) last = *place;
    }
    std::vector<std::size_t> anchors;
    for (const auto& place : found) anchors.push_back(place.value_or(here.size()));
    return anchors;
  }

  void find_moved() {
    moved_.clear();
    for (const Written& write : writes_of(event_)) {
      if (write.kind == Written::Kind::move) moved_[write.path].push_back(write.element);
    }
  }

  Status move_back(const Path& path, const CellState& before) {
    const auto moved = moved_.find(path);
    if (moved == moved_.end()) return {};
    std::set<Dot> away(moved->second.begin(), moved->second.end());
    const NodeIndex index = find_now(path);
    // In the order in which they stood, so that each finds its neighbour where it was.
    for (std::size_t i = 0; i < before.items.size(); ++i) {
      const Dot& element = before.items[i].element;
      if (!away.contains(element)) continue;
      auto here = places_of(state_of(store_, index).items);
      const auto place = here.find(element);
      if (place == here.end()) continue;
      if (since_->moved(path, element)) {
        keep(path, "others moved an element since");
        continue;
      }
      const std::size_t from = place->second;
      std::size_t to = anchors(before.items, here, away)[i];
      if (to > from) --to;
      if (to != from) {
        if (Status status = ListRef(&store_, store_.ref(index)).move(from, to); !status.ok()) {
          return status;
        }
      }
      away.erase(element);
    }
    return {};
  }

  Status restore_items(const Path& path, const CellState& before, const std::vector<Item>& lost) {
    if (lost.empty()) return {};
    auto index = writable(path);
    if (!index.ok()) return index.error();
    const auto here = places_of(state_of(store_, *index).items);
    const std::vector<std::size_t> places = anchors(before.items, here, {});
    std::set<Dot> missing;
    for (const Item& item : lost) missing.insert(item.element);
    // From the end, so that places before stay what they are; of one place, the last item first.
    std::vector<std::size_t> order;
    for (std::size_t i = before.items.size(); i-- > 0;) {
      const Dot& element = before.items[i].element;
      if (missing.contains(element) && !here.contains(element)) order.push_back(i);
    }
    std::ranges::stable_sort(order, std::greater(), [&](std::size_t i) { return places[i]; });
    for (std::size_t i = 0; i < order.size();) {
      std::vector<Value> run;  // backwards
      const std::size_t place = places[order[i]];
      for (; i < order.size() && places[order[i]] == place; ++i) {
        const Item& item = before.items[order[i]];
        const Path map = path.child(Type::map, element_key(item.element));
        if (path.type() != Type::list || !before_.contains(map)) {
          run.push_back(item.value);
          continue;
        }
        if (Status status = insert_run(path, place, run); !status.ok()) return status;
        auto inserted = ListRef(&store_, store_.ref(find_now(path))).insert_map(place);
        if (!inserted.ok()) return inserted.error();
        renamed_[map] = inserted->path();
      }
      if (Status status = insert_run(path, place, run); !status.ok()) return status;
    }
    return {};
  }

  Status insert_run(const Path& path, std::size_t place, std::vector<Value>& backwards) {
    if (backwards.empty()) return {};
    std::vector<Value> values(backwards.rbegin(), backwards.rend());
    backwards.clear();
    const NodeRef ref = store_.ref(find_now(path));
    if (path.type() != Type::text) return ListRef(&store_, ref).insert(place, values);
    std::string text;
    for (const Value& value : values) text += value.as_string();
    return TextRef(&store_, ref).insert(place, text);
  }

  Store& store_;
  const Event& event_;
  Reverted result_;
  // Of the place at hand.
  const Since* since_ = nullptr;
  Cells before_;
  Cells after_;
  std::map<Path, std::vector<Dot>> moved_;
  std::map<Path, Path> renamed_;
  std::vector<Path> removed_;  // maps in lists: what is below them is not to be undone
};

std::vector<Path> places_to_revert(const Event& event) {
  std::vector<Path> written;
  for (const Path& path : paths_of(event)) {
    std::vector<Step> steps;
    for (const Step& step : path.steps()) {
      steps.push_back(step);
      if (step.type == Type::bounded_counter) break;
    }
    written.emplace_back(std::move(steps));
  }
  std::ranges::sort(written);
  std::vector<Path> places;
  for (Path& path : written) {
    if (places.empty() || !path.starts_with(places.back())) places.push_back(std::move(path));
  }
  return places;
}

Result<Reverted> revert(Transaction& transaction, const Event& event, std::vector<Past> pasts) {
  Reverting reverting(transaction, event);
  for (Past& past : pasts) {
    if (Status status = reverting.undo(std::move(past)); !status.ok()) return status.error();
  }
  return std::move(reverting).result();
}

}  // namespace rejoin
