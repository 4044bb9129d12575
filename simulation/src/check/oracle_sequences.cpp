// The oracle's lists, logs and texts: which elements are there, on which side of which others, with
// which marks. Where removed elements could decide, which nobody shows, it allows both.
#include <algorithm>
#include <set>
#include <tuple>

#include "check/elements.h"
#include "check/oracle.h"

namespace rejoin::simulation {

struct Oracle::Elements {
  std::map<std::int64_t, OpRef> inserted;  // those that are there
  std::set<std::int64_t> erased;
  std::map<std::int64_t, std::vector<Counted>> moves;
};

enum class Oracle::Covers : char { no, maybe, yes };

std::vector<Oracle::Counted> Oracle::counted(const Refs& writes) const {
  std::vector<Counted> result;
  for (auto ref = writes.rbegin(); ref != writes.rend(); ++ref) {
    const std::uint64_t time = commits_[ref->commit].time.value;
    Counted one{*ref, time, time};
    for (const Counted& other : result) {
      if (saw(*ref, other.ref)) one.time_max = std::max(one.time_max, other.time_max + 1);
    }
    result.push_back(one);
  }
  return result;
}

bool Oracle::counts_over(const Counted& a, const Counted& b) const {
  if (saw(a.ref, b.ref) || saw(b.ref, a.ref)) return saw(a.ref, b.ref);
  const Commit& x = commits_[a.ref.commit];
  const Commit& y = commits_[b.ref.commit];
  return std::tie(a.time_min, x.replica, x.last) > std::tie(b.time_max, y.replica, y.last);
}

Oracle::Elements Oracle::elements(const Refs& ops) const {
  Elements all;
  Refs removals;
  std::map<std::int64_t, Refs> moves;
  for (const OpRef& ref : ops) {
    const Op& what = op(ref);
    switch (what.kind) {
      case Op::Kind::remove_leaf:
      case Op::Kind::remove_container:
        push_latest(removals, ref);
        break;
      case Op::Kind::erase:
        all.erased.insert(what.elements.begin(), what.elements.end());
        break;
      case Op::Kind::insert:
      case Op::Kind::insert_map:
        if (seen_by_any(ref, removals)) break;
        for (const auto element : what.elements) {
          if (!all.erased.contains(element)) all.inserted.emplace(element, ref);
        }
        break;
      case Op::Kind::move:
        moves[what.elements.front()].push_back(ref);
        break;
      default:
        break;
    }
  }
  for (const auto& [element, of_it] : moves) {
    std::vector<Counted>& by_time = all.moves[element] = counted(of_it);
    // A move outlives all that it saw, so nothing is in doubt.
    for (Counted& move : by_time) move.time_min = move.time_max;
  }
  return all;
}

// What put an element where it is; or where it was for the one who wrote `seen_by`.
const Oracle::OpRef& Oracle::place(const Elements& all, std::int64_t element,
                                   const OpRef* seen_by) const {
  const OpRef* place = &all.inserted.at(element);
  const auto moves = all.moves.find(element);
  if (moves == all.moves.end()) return *place;
  const Counted* last = nullptr;
  for (const Counted& move : moves->second) {
    if (seen_by != nullptr && !saw(*seen_by, move.ref)) continue;
    if (last == nullptr || counts_over(move, *last)) last = &move;
  }
  return last == nullptr ? *place : last->ref;
}

std::string Oracle::compare_elements(const std::vector<std::int64_t>& shown,
                                     const Refs& ops) const {
  const Elements all = elements(ops);
  std::map<std::int64_t, std::size_t> position;
  for (const std::int64_t element : shown) {
    if (!all.inserted.contains(element)) {
      return "shows " + std::to_string(element) +
             (all.erased.contains(element) ? ", which was removed" : ", which should not be there");
    }
    const std::size_t at = position.size();
    if (!position.try_emplace(element, at).second) {
      return "shows " + std::to_string(element) + " twice";
    }
  }
  for (const auto& [element, insertion] : all.inserted) {
    const auto here = position.find(element);
    if (here == position.end()) return "lacks " + std::to_string(element);
    const OpRef& placed = place(all, element, nullptr);
    // Whether another one, which stood on one side when this one came here, is on the other. One
    // that was moved since says nothing.
    const auto is_beyond = [&](std::int64_t other, bool should_be_behind) {
      const auto there = position.find(other);
      if (there == position.end()) return false;
      if (place(all, other, nullptr) != place(all, other, &placed)) return false;
      return (there->second > here->second) != should_be_behind;
    };
    for (const auto& [other, behind] :
         {std::pair(op(placed).left, false), std::pair(op(placed).right, true)}) {
      if (is_beyond(other, behind)) {
        return "shows " + std::to_string(element) + " on the wrong side of " +
               std::to_string(other);
      }
    }
    if (placed != insertion) continue;
    const auto& run = op(insertion).elements;
    const auto next = std::find(run.begin(), run.end(), element) + 1;
    if (next != run.end() && is_beyond(*next, true)) {
      return "shows " + std::to_string(*next) + " before " + std::to_string(element) +
             ", which was inserted right before it";
    }
  }
  return {};
}

// Of a list whose elements are those that should be there. What is written in an element is there
// as long as that.
std::string Oracle::compare_maps(const ListView& shown, const Refs& ops) const {
  const Elements all = elements(ops);
  std::map<std::int64_t, Refs> notes;
  for (const OpRef& ref : ops) {
    if (op(ref).kind == Op::Kind::note) push_latest(notes[op(ref).elements.front()], ref);
  }
  const std::vector<std::int64_t> numbers = elements_of(shown);
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const auto map = shown.map(i);
    const bool is_map = op(all.inserted.at(numbers[i])).kind == Op::Kind::insert_map;
    if (map.ok() != is_map) {
      return "shows " + std::to_string(numbers[i]) + (is_map ? " as a value" : " as a map");
    }
    if (!is_map) continue;
    const std::optional<Value> note = map->reg(element_note).get();
    const OpRef* written = latest(notes[numbers[i]]);
    if (note != (written ? std::optional(op(*written).value) : std::nullopt)) {
      return "shows " + (note ? note->to_string() : std::string("nothing")) + " written in " +
             std::to_string(numbers[i]) + " instead of " +
             (written ? op(*written).value.to_string() : std::string("nothing"));
    }
  }
  return {};
}

// Whether a mark covers each code point that is shown. Those that its writer saw it covers or not,
// for good; others by where they stand among those, at its ends by how it grows. There only a code
// point that is still shown says where it ends.
std::vector<Oracle::Covers> Oracle::covers(const OpRef& mark,
                                           const std::vector<std::int64_t>& shown,
                                           const Elements& all) const {
  const Op& what = op(mark);
  const std::set<std::int64_t> marked(what.elements.begin(), what.elements.end());
  const std::size_t none = shown.size();
  std::vector<Covers> result(shown.size(), Covers::maybe);
  std::vector<std::size_t> seen;
  std::size_t first = none, last = none;
  for (std::size_t i = 0; i < shown.size(); ++i) {
    if (!saw(mark, all.inserted.at(shown[i]))) continue;
    seen.push_back(i);
    result[i] = marked.contains(shown[i]) ? Covers::yes : Covers::no;
    if (result[i] == Covers::no) continue;
    first = std::min(first, i);
    last = i;
  }
  if (first == none) return result;  // it may have been taken away since, or not
  const bool grows_at_begin = what.grow == Grow::at_begin || what.grow == Grow::at_both;
  const bool grows_at_end = what.grow == Grow::at_end || what.grow == Grow::at_both;
  // Of those between `inner`, the outermost one that is covered, and `outer`, the next one outside.
  const auto at_end = [&](bool grows, std::size_t inner, std::int64_t innermost, std::size_t outer,
                          std::int64_t outermost) {
    const std::int64_t beyond = outer == none ? 0 : shown[outer];
    if (grows) return beyond == outermost ? Covers::yes : Covers::maybe;
    return shown[inner] == innermost ? Covers::no : Covers::maybe;
  };
  const auto after = std::upper_bound(seen.begin(), seen.end(), last);
  const auto before = std::lower_bound(seen.begin(), seen.end(), first);
  const std::size_t left = before == seen.begin() ? none : *std::prev(before);
  const std::size_t right = after == seen.end() ? none : *after;
  for (std::size_t i = 0; i < shown.size(); ++i) {
    if (result[i] != Covers::maybe) continue;
    if (i > first && i < last) {
      result[i] = Covers::yes;
    } else if ((left != none && i < left) || (right != none && i > right)) {
      result[i] = Covers::no;
    } else if (i < first) {
      result[i] = at_end(grows_at_begin, first, what.elements.front(), left, what.left);
    } else {
      result[i] = at_end(grows_at_end, last, what.elements.back(), right, what.right);
    }
  }
  return result;
}

// Of a text whose code points are those that should be there.
std::string Oracle::compare_marks(const TextView& text, const Refs& ops) const {
  const std::vector<std::int64_t> shown = elements_of(text.to_string());
  const Elements all = elements(ops);
  Refs removals;
  std::map<std::string, Refs> by_name;
  for (const OpRef& ref : ops) {
    if (op(ref).kind == Op::Kind::mark) by_name[op(ref).name].push_back(ref);
    const bool removes =
        op(ref).kind == Op::Kind::remove_leaf || op(ref).kind == Op::Kind::remove_container;
    if (removes) push_latest(removals, ref);
  }
  std::vector<std::map<std::string, Value>> actual(shown.size());
  for (const TextSpan& span : text.spans()) {
    for (const TextMark& mark : span.marks) {
      if (!by_name.contains(mark.name))
        return "shows the mark " + mark.name + ", which nobody made";
      for (std::size_t i = span.begin; i < span.end; ++i) actual[i][mark.name] = mark.value;
    }
  }
  for (const auto& [name, writes] : by_name) {
    std::vector<Counted> marks = counted(writes);
    std::erase_if(marks, [&](const Counted& mark) { return seen_by_any(mark.ref, removals); });
    std::vector<std::vector<Covers>> covered;
    for (const Counted& mark : marks) covered.push_back(covers(mark.ref, shown, all));
    for (std::size_t i = 0; i < shown.size(); ++i) {
      const auto found = actual[i].find(name);
      const Value value = found == actual[i].end() ? Value() : found->second;
      bool any = false, right = false;
      for (std::size_t m = 0; m < marks.size(); ++m) {
        any |= covered[m][i] == Covers::yes;
        if (covered[m][i] == Covers::no || op(marks[m].ref).value != value) continue;
        bool beaten = false;
        for (std::size_t other = 0; other < marks.size(); ++other) {
          beaten |= covered[other][i] == Covers::yes && counts_over(marks[other], marks[m]);
        }
        right |= !beaten;
      }
      if (right || (!any && value.is_null())) continue;
      return "shows " + value.to_string() + " as the mark " + name + " of " +
             std::to_string(shown[i]) + ", which no mark says that counts there";
    }
  }
  return {};
}

}  // namespace rejoin::simulation
