// Marks as Peritext has them (Litt, Lim, Kleppmann, van Hardenberg: "Peritext: A CRDT for
// Collaborative Rich Text Editing", CSCW 2022): each is anchored to the code points at its ends,
// and what a code point looks like follows from all that cover it.
#include "types/text_marks.h"

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <set>

#include "rejoin/crdt/limits.h"
#include "rejoin/crdt/mutant.h"
#include "rejoin/crdt/types/text.h"
#include "store/mark_codec.h"
#include "types/check.h"
#include "types/cursors.h"

namespace rejoin {
namespace {

// An end of a mark.
struct Bound {
  std::size_t order;  // between and at elements, removed ones included
  std::size_t index;  // of live ones
};

// An entry of a mark's cell, where it stands now.
struct PlacedMark {
  NodeIndex cell;
  std::string_view name;
  Bound begin;
  Bound end;
  MarkContent content;
  LocalDot dot;
  bool covers_nothing() const { return begin.index >= end.index; }
};

std::optional<Bound> bound_of(const Store& store, const TextSequence& text, const Cursor& cursor) {
  const bool left = cursor.sticks == Sticks::left;
  if (cursor.element.sequence == 0) {
    if (left) return Bound{0, 0};
    return Bound{std::numeric_limits<std::size_t>::max(), text.live_count()};
  }
  const auto found = text.standing(store.to_element(cursor.element));
  if (!found) return std::nullopt;
  return Bound{2 * found->rank + (left ? 2 : 1),
               found->live_before + (left && found->live ? 1 : 0)};
}

// Calls `visit` with each entry of each mark. One whose ends are not here covers nothing: no honest
// writer names what its readers do not have.
template <class Visit>
void for_each_mark(const Store& store, NodeIndex at, Visit visit) {
  const TextSequence* text = text_of(&store, at);
  store.for_each_child(at, [&](NodeIndex cell) {
    const auto& entries = std::get<Entries>(store.node(cell).cell);
    if (entries.empty()) return;
    const MarkKey key = *decode_mark_key(store.node(cell).key.as_bytes());
    std::optional<Bound> begin, end;
    if (text != nullptr) begin = bound_of(store, *text, key.begin);
    if (text != nullptr) end = bound_of(store, *text, key.end);
    if (!begin || !end) begin = end = Bound{0, 0};
    for (const Entry& entry : entries) {
      visit(PlacedMark{cell, key.name, *begin, *end, *decode_mark(entry.value.as_bytes()),
                       entry.dot()});
    }
  });
}

void remove_cells(Store& store, std::vector<NodeIndex> cells) {
  std::sort(cells.begin(), cells.end());
  cells.erase(std::unique(cells.begin(), cells.end()), cells.end());
  for (const NodeIndex cell : cells) store.remove_entries(cell);
}

// Whether a mark of a name counts less than another one.
bool counts_less(const Store& store, const PlacedMark& a, const PlacedMark& b) {
  if (a.content.time != b.content.time) {
    return REJOIN_MUTANT(earlier_mark_counts, a.content.time < b.content.time,
                         b.content.time < a.content.time);
  }
  if (a.dot.replica != b.dot.replica) return store.replica_less(a.dot.replica, b.dot.replica);
  return a.dot.sequence < b.dot.sequence;
}

// The marks at one place, by name. Each is its place in an order in which later ones count.
class Active {
 public:
  explicit Active(const std::vector<PlacedMark>& marks) : marks_(marks) {}
  void begin(std::size_t mark) { by_name_[marks_[mark].name].insert(mark); }
  void end(std::size_t mark) {
    const auto it = by_name_.find(marks_[mark].name);
    it->second.erase(mark);
    if (it->second.empty()) by_name_.erase(it);
  }
  std::vector<TextMark> shown() const {
    std::vector<TextMark> shown;
    for (const auto& [name, marks] : by_name_) {
      const Value& value = marks_[*marks.rbegin()].content.value;
      if (!value.is_null()) shown.push_back({std::string(name), value});
    }
    return shown;
  }

 private:
  const std::vector<PlacedMark>& marks_;
  std::map<std::string_view, std::set<std::size_t>> by_name_;
};

std::vector<TextSpan> spans_of(const Store& store, NodeIndex at) {
  const TextSequence* text = text_of(&store, at);
  const std::size_t size = text == nullptr ? 0 : text->live_count();
  std::vector<PlacedMark> marks;
  for_each_mark(store, at, [&](PlacedMark mark) {
    if (!mark.covers_nothing()) marks.push_back(std::move(mark));
  });
  std::sort(marks.begin(), marks.end(),
            [&](const PlacedMark& a, const PlacedMark& b) { return counts_less(store, a, b); });
  struct Edge {
    std::size_t index;
    std::size_t mark;
    bool begins;
  };
  std::vector<Edge> edges;
  for (std::size_t i = 0; i < marks.size(); ++i) {
    edges.push_back({marks[i].begin.index, i, true});
    edges.push_back({marks[i].end.index, i, false});
  }
  std::sort(edges.begin(), edges.end(),
            [](const Edge& a, const Edge& b) { return a.index < b.index; });

  std::vector<TextSpan> spans;
  Active active(marks);
  std::size_t from = 0;
  const auto end_span = [&](std::size_t to) {
    if (from == to) return;
    std::vector<TextMark> shown = active.shown();
    if (!spans.empty() && spans.back().marks == shown) {
      spans.back().end = to;
    } else {
      spans.push_back({from, to, std::move(shown)});
    }
    from = to;
  };
  for (auto edge = edges.begin(); edge != edges.end();) {
    const std::size_t index = edge->index;
    end_span(index);
    for (; edge != edges.end() && edge->index == index; ++edge) {
      edge->begins ? active.begin(edge->mark) : active.end(edge->mark);
    }
  }
  end_span(size);
  return spans;
}

// Whether a code point of [begin, end) has a mark of that name.
bool shows(const std::vector<TextSpan>& spans, std::size_t begin, std::size_t end,
           std::string_view name) {
  return std::any_of(spans.begin(), spans.end(), [&](const TextSpan& span) {
    return span.begin < end && begin < span.end &&
           std::any_of(span.marks.begin(), span.marks.end(),
                       [&](const TextMark& mark) { return mark.name == name; });
  });
}

// A null value: unmark.
Status write_mark(Store& store, NodeIndex at, std::size_t begin, std::size_t end,
                  std::string_view name, const Value& value, Grow grow) {
  const auto wrong = [&](ErrorCode code, std::string message) {
    return make_error(code, std::move(message), store.path_of(at).to_string());
  };
  const std::size_t size = store.sequence_size(at);
  if (begin > size || end > size) return beyond_text(store, at, std::max(begin, end), size);
  if (begin >= end) {
    return wrong(ErrorCode::invalid_argument, "a mark covers one code point at least, and [" +
                                                  std::to_string(begin) + ", " +
                                                  std::to_string(end) + ") has none");
  }
  if (name.empty()) return wrong(ErrorCode::invalid_argument, "a mark has a name");
  if (name.size() > limits::mark_name_bytes_max) {
    return wrong(ErrorCode::limit_exceeded,
                 "the name of a mark may have " + std::to_string(limits::mark_name_bytes_max) +
                     " bytes, this one has " + std::to_string(name.size()));
  }
  if (!is_valid_utf8(name)) {
    return wrong(ErrorCode::invalid_argument, "the name of a mark is not valid UTF-8");
  }
  if (store.depth_of(at) == limits::path_depth_max) {
    return wrong(ErrorCode::limit_exceeded,
                 "a mark is a step below its text, and a path may have " +
                     std::to_string(limits::path_depth_max));
  }

  if (value.is_null() && !shows(spans_of(store, at), begin, end, name)) return {};

  const TextSequence* text = text_of(&store, at);
  const auto cursor = [&](std::size_t index, Sticks sticks) {
    return cursor_at(&store, text, index, sticks);
  };
  const bool at_begin = grow == Grow::at_begin || grow == Grow::at_both;
  const bool at_end = grow == Grow::at_end || grow == Grow::at_both;
  const MarkKey key{
      cursor(begin, at_begin ? Sticks::left : Sticks::right),
      cursor(end, at_end || REJOIN_MUTATED(mark_grows_at_its_end) ? Sticks::right : Sticks::left),
      name};
  const NodeIndex cell =
      store.find_or_create_child(at, Type::element, Value::bytes(encode_mark_key(key)));
  if (Status status = store.check_writable(cell); !status.ok()) return status;

  // What this mark has seen does not count more, whatever the clocks said.
  MarkContent content{store.transaction_time(), value};
  const Bound first = *bound_of(store, *text, key.begin);
  const Bound last = *bound_of(store, *text, key.end);
  std::vector<NodeIndex> superseded;
  for_each_mark(store, at, [&](const PlacedMark& mark) {
    const bool same_name = mark.name == name;
    if (same_name && mark.content.time >= content.time) {
      const std::uint64_t seen = mark.content.time.value;
      content.time.value = std::max(seen, seen + 1);  // the last time there is has no next
    }
    const bool within =
        same_name && first.order <= mark.begin.order && mark.end.order <= last.order;
    if (mark.cell != cell && (within || mark.covers_nothing())) superseded.push_back(mark.cell);
  });
  store.put(cell, Value::bytes(encode_mark(content)));
  remove_cells(store, std::move(superseded));
  return {};
}

}  // namespace

void drop_empty_marks(Store& store, NodeIndex text) {
  store.settle();
  std::vector<NodeIndex> empty;
  for_each_mark(store, text, [&](const PlacedMark& mark) {
    if (mark.covers_nothing()) empty.push_back(mark.cell);
  });
  remove_cells(store, std::move(empty));
}

std::vector<TextSpan> TextView::spans() const {
  const NodeIndex i = index();
  return i == no_node ? std::vector<TextSpan>() : spans_of(*store_, i);
}

Status TextRef::mark(std::size_t begin, std::size_t end, std::string_view name, const Value& value,
                     Grow grow) {
  Result<std::uint32_t> i = writable();
  if (!i.ok()) return i.error();
  if (value.is_null()) {
    return make_error(ErrorCode::wrong_type,
                      "null is no value of a mark; unmark() takes what is marked away",
                      store_->path_of(*i).to_string());
  }
  Status valid = check_value(value, limits::mark_value_bytes_max, *store_, *i);
  if (!valid.ok()) return valid;
  return write_mark(*store_, *i, begin, end, name, value, grow);
}

Status TextRef::unmark(std::size_t begin, std::size_t end, std::string_view name, Grow grow) {
  Result<std::uint32_t> i = writable();
  if (!i.ok()) return i.error();
  return write_mark(*store_, *i, begin, end, name, Value(), grow);
}

}  // namespace rejoin
