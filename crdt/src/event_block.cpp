#include "rejoin/crdt/event_block.h"

#include <algorithm>
#include <array>
#include <deque>
#include <optional>
#include <unordered_map>
#include <utility>

#include "rejoin/crdt/codec.h"
#include "rejoin/crdt/limits.h"
#include "store/effect.h"
#include "store/element_id.h"
#include "store/packing.h"
#include "utf8.h"

namespace rejoin {

namespace {

constexpr std::uint8_t block_format = 1;

// Where the parts of events go. A column holds what resembles itself.
enum Column : std::size_t {
  heads,     // writers, sequences, authors and notes, counts
  clocks,    // hybrid times
  tables,    // replicas that an event names, and its dependencies
  kinds,     // of effects
  paths,     // by number
  shapes,    // flags and counts within effects, replicas of dots
  dots,      // sequences of dots
  numbers,   // parts of counters
  values,    // of entries and elements
  texts,     // contents of texts
  names,     // replica ids, path steps, authors and notes, each when it first occurs
  leftover,  // events that are not written as our own encoder would
  column_count,
};

// ---- Events in parts ----

struct Dependency {
  std::uint64_t index;  // in the table, from 1
  Sequence sequence;
};

// What an event's bytes say. Dots name replicas as in the event: 0 the writer, then its table.
struct Parts {
  ReplicaId writer;
  Sequence first = 0;
  std::uint64_t time = 0;
  std::string_view author;
  std::string_view note;
  std::vector<ReplicaId> table;
  std::vector<Dependency> dependencies;
  struct Write {
    Effect effect;  // but for its path
    const std::vector<Step>* path = nullptr;
  };
  std::vector<Write> writes;
  std::deque<std::vector<Step>> own_paths;  // of writes; shared by those in a row

  Sequence dots() const {
    Sequence sum = 0;
    for (const Write& write : writes) sum += write.effect.count;
    return sum;
  }
};

// Of an event that was decoded before.
Parts parts_of(const Event& event) {
  Parts parts;
  Reader in(event.encoded());
  (void)in.u8();
  parts.writer = in.replica();
  parts.first = in.varint();
  (void)in.varint();
  parts.time = in.varint();
  parts.author = in.bytes(limits::author_bytes_max);
  parts.note = in.bytes(limits::note_bytes_max);
  for (std::uint64_t n = in.varint(); n > 0 && in.ok(); --n) parts.table.push_back(in.replica());
  for (std::uint64_t n = in.varint(); n > 0 && in.ok(); --n) {
    const std::uint64_t index = in.varint();
    parts.dependencies.push_back({index, in.varint()});
  }
  EffectReader effects(std::string_view(event.encoded()).substr(in.position()), parts.table.size(),
                       event.first(), event.last());
  Effect effect;
  while (effects.next(effect)) {
    const bool same = !parts.own_paths.empty() && effect.steps.empty() &&
                      effect.shared == parts.own_paths.back().size();
    if (!same) {
      std::vector<Step> path;
      if (effect.shared > 0) {
        const std::vector<Step>& last = parts.own_paths.back();
        path.assign(last.begin(), last.begin() + static_cast<std::ptrdiff_t>(effect.shared));
      }
      path.insert(path.end(), effect.steps.begin(), effect.steps.end());
      parts.own_paths.push_back(std::move(path));
    }
    parts.writes.push_back({std::move(effect), &parts.own_paths.back()});
    effect = Effect();
  }
  return parts;
}

void write_dot(EventDot dot, Writer& out) {
  out.varint(dot.replica);
  out.varint(dot.sequence);
}

void write_effect(const Effect& effect, Writer& out) {
  switch (effect.kind) {
    case EffectKind::put:
    case EffectKind::remove:
      out.varint(effect.dots.size());
      for (const EventDot dot : effect.dots) write_dot(dot, out);
      if (effect.kind == EffectKind::put) effect.value.encode(out);
      break;
    case EffectKind::remove_subtree:
      out.varint(effect.keep_self ? 1 : 0);
      out.varint(effect.dots.size());
      for (const EventDot dot : effect.dots) write_dot(dot, out);
      break;
    case EffectKind::counter_add:
      out.zigzag(effect.total);
      out.varint(effect.base_sequence);
      out.zigzag(effect.base);
      break;
    case EffectKind::counter_reset:
      out.varint(effect.resets.size());
      for (const Effect::Reset& reset : effect.resets) {
        write_dot(reset.dot, out);
        out.zigzag(reset.total);
      }
      break;
    case EffectKind::list_insert:
    case EffectKind::text_insert:
      write_dot(effect.left, out);
      write_dot(effect.right, out);
      if (effect.kind == EffectKind::text_insert) {
        out.bytes(effect.text);
        break;
      }
      out.varint(effect.values.size());
      for (const Value& value : effect.values) value.encode(out);
      break;
    case EffectKind::list_move:
      write_dot(effect.left, out);
      write_dot(effect.right, out);
      write_dot(effect.element, out);
      out.varint(effect.later);
      break;
    case EffectKind::sequence_remove:
      out.varint(effect.ranges.size());
      for (const Effect::Range& range : effect.ranges) {
        write_dot(range.target, out);
        out.varint(range.count << 1 | (range.descending ? 1 : 0));
      }
      break;
  }
}

std::size_t shared_steps(const std::vector<Step>& a, const std::vector<Step>& b) {
  return static_cast<std::size_t>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first -
                                  a.begin());
}

// An event's bytes, as Store::commit writes them; of one too large, so much that it shows.
std::string bytes_of(const Parts& parts) {
  std::string bytes;
  Writer out(bytes);
  out.u8(event_format);
  out.replica(parts.writer);
  out.varint(parts.first);
  out.varint(parts.dots());
  out.varint(parts.time);
  out.bytes(parts.author);
  out.bytes(parts.note);
  out.varint(parts.table.size());
  for (const ReplicaId& id : parts.table) out.replica(id);
  out.varint(parts.dependencies.size());
  for (const auto& [index, sequence] : parts.dependencies) {
    out.varint(index);
    out.varint(sequence);
  }
  out.varint(parts.writes.size());
  const std::vector<Step> root;
  const std::vector<Step>* previous = &root;
  for (const auto& [effect, path] : parts.writes) {
    out.u8(static_cast<std::uint8_t>(effect.kind));
    const std::size_t shared = path == previous ? path->size() : shared_steps(*path, *previous);
    out.varint(shared);
    out.varint(path->size() - shared);
    for (std::size_t i = shared; i < path->size(); ++i) {
      out.u8(static_cast<std::uint8_t>((*path)[i].type));
      (*path)[i].key.encode(out);
    }
    previous = path;
    write_effect(effect, out);
    if (bytes.size() > limits::event_bytes_max) break;
  }
  return bytes;
}

// True when the parts, and the guesses of Codec below, give the event's bytes again. Any event that
// a Store wrote is such.
bool is_regular(const Event& event, const Parts& parts) {
  std::vector<ReplicaId> table = parts.table;
  std::sort(table.begin(), table.end());
  const bool unique = std::adjacent_find(table.begin(), table.end()) == table.end();
  const auto is_plain = [](EventDot dot) { return dot.sequence != 0 || dot.replica == 0; };
  return unique &&
         std::all_of(parts.writes.begin(), parts.writes.end(),
                     [&](const Parts::Write& write) {
                       return is_plain(write.effect.left) && is_plain(write.effect.right);
                     }) &&
         bytes_of(parts) == event.encoded();
}

// ---- Columns ----

// Both take the same calls: the one writes what it is given, the other gives what it reads.
class ColumnWriter {
 public:
  static constexpr bool reads = false;
  void number(Column c, std::uint64_t& v) { Writer(columns_[c]).varint(v); }
  void zigzag(Column c, std::int64_t& v) { Writer(columns_[c]).zigzag(v); }
  void value(Column c, Value& v) {
    Writer out(columns_[c]);
    v.encode(out);
  }
  void id(Column c, ReplicaId& v) { Writer(columns_[c]).replica(v); }
  void bytes(Column c, std::string_view& v) { Writer(columns_[c]).bytes(v); }
  void raw(Column c, std::string_view& v, std::uint64_t) { Writer(columns_[c]).raw(v); }
  std::uint64_t count(Column c, std::size_t n, Column) {
    std::uint64_t v = n;
    number(c, v);
    return v;
  }
  static bool ok() { return true; }
  static void fail() {}

  std::string packed_columns() const {
    std::string out;
    Writer writer(out);
    for (const std::string& column : columns_) {
      writer.bytes(packed(column, Effort::archive));
    }
    return out;
  }

 private:
  std::array<std::string, column_count> columns_;
};

class ColumnReader {
 public:
  static constexpr bool reads = true;
  explicit ColumnReader(const std::array<std::string, column_count>& columns) {
    for (const std::string& column : columns) readers_.emplace_back(column);
  }
  void number(Column c, std::uint64_t& v) { v = readers_[c].varint(); }
  void zigzag(Column c, std::int64_t& v) { v = readers_[c].zigzag(); }
  void value(Column c, Value& v) {
    Result<Value> read = Value::decode(readers_[c]);
    if (read.ok()) {
      v = std::move(*read);
    } else {
      fail();
    }
  }
  void id(Column c, ReplicaId& v) { v = readers_[c].replica(); }
  void bytes(Column c, std::string_view& v) { v = readers_[c].bytes(readers_[c].remaining()); }
  void raw(Column c, std::string_view& v, std::uint64_t size) {
    v = readers_[c].raw(static_cast<std::size_t>(size));
  }
  // Of items that take a byte at least of the column `of`: nothing is made for a claim.
  std::uint64_t count(Column c, std::size_t, Column of) {
    return readers_[c].varint_at_most(readers_[of].remaining());
  }
  bool ok() const {
    return !failed_ &&
           std::all_of(readers_.begin(), readers_.end(), [](const Reader& in) { return in.ok(); });
  }
  bool at_end() const {
    return std::all_of(readers_.begin(), readers_.end(),
                       [](const Reader& in) { return in.at_end(); });
  }
  void fail() { failed_ = true; }

 private:
  std::vector<Reader> readers_;
  bool failed_ = false;
};

struct ElementIdHash {
  std::size_t operator()(ElementId id) const {
    return (id.sequence + (std::uint64_t{id.replica} << 40)) * 0x9E3779B97F4A7C15ull >> 8;
  }
};

// ---- Both ways ----

// Goes through the parts of one event after the other, and remembers what the next one is likely to
// say. In what it remembers, replicas have the block's numbers, in order of their first occurrence.
template <class Columns>
class Codec {
 public:
  explicit Codec(Columns& columns) : io_(columns) {}

  void event(Parts& parts) {
    writer_ = replica(heads, parts.writer);
    difference(heads, parts.first, next_of(writer_));
    difference(clocks, parts.time, last_time_);
    last_time_ = parts.time;
    text(parts.author);
    text(parts.note);
    for_each(heads, parts.table, tables,
             [&](ReplicaId& id) { table_.push_back(replica(tables, id)); });
    for_each(heads, parts.dependencies, dots, [&](Dependency& dependency) {
      io_.number(tables, dependency.index);
      if (dependency.index == 0 || dependency.index > table_.size()) return io_.fail();
      Sequence& known = next_of(table_[dependency.index - 1]);
      difference(dots, dependency.sequence, known);
      known = std::max(known, dependency.sequence + 1);
    });
    at_ = parts.first;
    for_each(heads, parts.writes, kinds, [&](Parts::Write& write) {
      effect(write);
      at_ += write.effect.count;
    });
    next_of(writer_) = at_;
    table_.clear();
  }

 private:
  // What came of one path.
  struct PathState {
    std::vector<Step> steps;
    ElementId entry;  // the last put
    struct Part {
      std::uint64_t writer;
      std::int64_t total;
      Sequence base_sequence;
      std::int64_t base;
    };
    std::vector<Part> counter;
    // Of a sequence: its beginning, and where the last edit ended.
    ElementId first;
    ElementId first_live;
    ElementId before;
    ElementId after;
  };
  // An element's neighbours, as far as the block's events tell: those beside it when it came, until
  // another came between. Only a guess where edits were concurrent, and the same at both ends.
  struct Links {
    ElementId next;
    ElementId next_live;
    ElementId previous_live;
  };

  // -- pieces --

  template <class Items, class Each>
  void for_each(Column c, Items& items, Column of, Each each) {
    std::uint64_t n = io_.count(c, items.size(), of);
    if constexpr (Columns::reads) {
      items.clear();
      for (; n > 0 && io_.ok(); --n) each(items.emplace_back());
    } else {
      for (auto& item : items) each(item);
    }
  }

  void difference(Column c, std::uint64_t& v, std::uint64_t base) {
    auto d = static_cast<std::int64_t>(v - base);
    io_.zigzag(c, d);
    v = base + static_cast<std::uint64_t>(d);
  }
  void difference(Column c, std::int64_t& v, std::int64_t base) {
    auto word = static_cast<std::uint64_t>(v);
    difference(c, word, static_cast<std::uint64_t>(base));
    v = static_cast<std::int64_t>(word);
  }

  // Numbers of things that are told in full when they first occur: `known` of them are.
  template <class Tell>
  std::uint64_t known_or_new(Column c, std::uint64_t number, std::size_t known, Tell tell) {
    io_.number(c, number);
    if (number == known) {
      tell();
    } else if (number > known) {
      io_.fail();
      return 0;
    }
    return number;
  }

  std::uint64_t replica(Column c, ReplicaId& id) {
    std::uint64_t number = ids_.size();
    if constexpr (!Columns::reads) {
      number = ids_by_id_.try_emplace(id, number).first->second;
    }
    number = known_or_new(c, number, ids_.size(), [&] {
      io_.id(names, id);
      ids_.push_back(id);
    });
    if (number < ids_.size()) id = ids_[number];
    return number;
  }

  void text(std::string_view& text) {
    std::uint64_t number = texts_.size();
    if constexpr (!Columns::reads) {
      number = texts_by_text_.try_emplace(std::string(text), number).first->second;
    }
    number = known_or_new(heads, number, texts_.size(), [&] {
      io_.bytes(names, text);
      texts_.push_back(text);
    });
    if (number < texts_.size()) text = texts_[number];
  }

  PathState& path(const std::vector<Step>*& steps) {
    std::uint64_t number = path_states_.size();
    if constexpr (!Columns::reads) {
      std::string key;
      Writer out(key);
      for (const Step& step : *steps) {
        out.u8(static_cast<std::uint8_t>(step.type));
        step.key.encode(out);
      }
      number = paths_by_key_.try_emplace(std::move(key), number).first->second;
    }
    number = known_or_new(paths, number, path_states_.size(), [&] {
      // With what it shares with the last new one.
      std::uint64_t shared = 0;
      if constexpr (!Columns::reads) {
        shared = shared_steps(*steps, last_new_);
      }
      io_.number(names, shared);
      if (shared > last_new_.size()) return io_.fail();
      std::vector<Step> rest;
      if constexpr (!Columns::reads) {
        rest.assign(steps->begin() + static_cast<std::ptrdiff_t>(shared), steps->end());
      }
      for_each(names, rest, names, [&](Step& step) {
        std::uint64_t type = static_cast<std::uint64_t>(step.type);
        io_.number(names, type);
        step.type = static_cast<Type>(type);
        io_.value(names, step.key);
        if (!is_known_type(static_cast<std::uint8_t>(std::min<std::uint64_t>(type, 255))))
          io_.fail();
      });
      last_new_.resize(shared);
      last_new_.insert(last_new_.end(), rest.begin(), rest.end());
      if (last_new_.size() > limits::path_depth_max) io_.fail();
      path_states_.emplace_back().steps = last_new_;
    });
    if (path_states_.empty()) path_states_.emplace_back();  // after a failure
    PathState& state = path_states_[std::min<std::size_t>(number, path_states_.size() - 1)];
    if constexpr (Columns::reads) steps = &state.steps;
    return state;
  }

  Sequence& next_of(std::uint64_t replica) {
    if (replica >= next_.size()) next_.resize(replica + 1, 1);
    return next_[replica];
  }

  // -- dots --

  // The block's number for a replica of the event.
  std::uint32_t number_of(std::uint32_t replica) {
    if (replica > table_.size()) {
      io_.fail();
      return 0;
    }
    return static_cast<std::uint32_t>(replica == 0 ? writer_ : table_[replica - 1]);
  }
  ElementId element(EventDot dot) { return {number_of(dot.replica), dot.sequence}; }
  // The event's dot for an element; null where the event cannot name its replica.
  std::optional<EventDot> dot_of(ElementId id) {
    if (id.replica == writer_) return EventDot{0, id.sequence};
    const auto it = std::find(table_.begin(), table_.end(), id.replica);
    if (it == table_.end()) return std::nullopt;
    return EventDot{static_cast<std::uint32_t>(it - table_.begin() + 1), id.sequence};
  }
  void expect(EventDot& dot, ElementId expected) {
    if (const std::optional<EventDot> found = dot_of(expected)) {
      dot = *found;
    } else {
      io_.fail();
    }
  }
  void dot(EventDot& dot, Sequence base) {
    std::uint64_t replica = dot.replica;
    io_.number(shapes, replica);
    dot.replica = static_cast<std::uint32_t>(std::min<std::uint64_t>(replica, table_.size() + 1));
    difference(dots, dot.sequence, base);
    (void)number_of(dot.replica);
  }
  // Dots of entries, of which `expected` is the likely one.
  void entry_dots(std::vector<EventDot>& named, ElementId expected) {
    std::uint64_t form = named.size() + 1;
    if constexpr (!Columns::reads) {
      if (named.size() == 1 && !expected.is_boundary() && element(named[0]) == expected) form = 0;
    }
    io_.number(shapes, form);
    if (form == 0) {
      named.resize(1);
      return expect(named[0], expected);
    }
    if constexpr (Columns::reads) named.clear();
    for (std::uint64_t i = 0; i + 1 < form && io_.ok(); ++i) {
      if constexpr (Columns::reads) named.emplace_back();
      dot(named[i], at_);
    }
  }

  // -- effects --

  void effect(Parts::Write& write) {
    Effect& effect = write.effect;
    std::uint64_t kind = static_cast<std::uint64_t>(effect.kind);
    io_.number(kinds, kind);
    effect.kind = static_cast<EffectKind>(kind);
    PathState& at = path(write.path);
    effect.count = 1;
    switch (effect.kind) {
      case EffectKind::put:
        entry_dots(effect.dots, at.entry);
        io_.value(values, effect.value);
        at.entry = {static_cast<std::uint32_t>(writer_), at_};
        break;
      case EffectKind::remove:
        entry_dots(effect.dots, at.entry);
        break;
      case EffectKind::remove_subtree: {
        std::uint64_t keep_self = effect.keep_self ? 1 : 0;
        io_.number(shapes, keep_self);
        effect.keep_self = keep_self != 0;
        for_each(shapes, effect.dots, shapes, [&](EventDot& d) { dot(d, at_); });
        break;
      }
      case EffectKind::counter_add:
        counter_add(effect, at);
        break;
      case EffectKind::counter_reset:
        for_each(shapes, effect.resets, shapes, [&](Effect::Reset& reset) {
          dot(reset.dot, at_);
          io_.zigzag(numbers, reset.total);
        });
        break;
      case EffectKind::list_insert:
        place(effect, at);
        for_each(shapes, effect.values, values, [&](Value& value) { io_.value(values, value); });
        effect.count = effect.values.size();
        inserted(effect, at);
        break;
      case EffectKind::text_insert:
        place(effect, at);
        text_content(effect);
        inserted(effect, at);
        break;
      case EffectKind::list_move:
        place(effect, at);
        dot(effect.element, at_);
        io_.number(numbers, effect.later);
        inserted(effect, at);
        break;
      case EffectKind::sequence_remove:
        effect.count = 0;
        for_each(shapes, effect.ranges, shapes, [&](Effect::Range& range) {
          removal(range, at);
          effect.count += range.count;
        });
        break;
      default:
        io_.fail();
    }
  }

  void counter_add(Effect& effect, PathState& at) {
    auto part = std::find_if(at.counter.begin(), at.counter.end(),
                             [&](const auto& p) { return p.writer == writer_; });
    if (part == at.counter.end()) {
      part = at.counter.insert(part, typename PathState::Part{writer_, 0, at_ - 1, 0});
    }
    difference(numbers, effect.total, part->total);
    difference(numbers, effect.base_sequence, part->base_sequence);
    difference(numbers, effect.base, part->base);
    *part = {writer_, effect.total, effect.base_sequence, effect.base};
  }

  void text_content(Effect& effect) {
    std::uint64_t size = effect.text.size();
    io_.number(shapes, size);
    io_.raw(texts, effect.text, size);
    effect.count = count_code_points(effect.text);
  }

  // -- sequences --

  Links& links(ElementId id) {
    const Links typed_on{id.plus(1), id.plus(1), {id.replica, id.sequence - 1}};
    return links_.try_emplace(id, typed_on).first->second;
  }
  ElementId& next(PathState& at, ElementId id) {
    return id.is_boundary() ? at.first : links(id).next;
  }
  ElementId& next_live(PathState& at, ElementId id) {
    return id.is_boundary() ? at.first_live : links(id).next_live;
  }
  void link_live(PathState& at, ElementId before, ElementId after) {
    next_live(at, before) = after;
    if (!after.is_boundary()) links(after).previous_live = before;
  }

  enum Expected : std::uint64_t {
    left_expected = 1,
    left_boundary = 2,
    right_expected = 4,
    right_boundary = 8,
  };

  // The origins of an insertion: where the last edit ended, and what stands behind that.
  void place(Effect& effect, PathState& at) {
    std::uint64_t flags = 0;
    if constexpr (!Columns::reads) {
      const ElementId left = origin(effect.left);
      if (left == at.before) {
        flags |= left_expected;
      } else if (left.is_boundary()) {
        flags |= left_boundary;
      }
      const ElementId right = origin(effect.right);
      if (right == next(at, left)) {
        flags |= right_expected;
      } else if (right.is_boundary()) {
        flags |= right_boundary;
      }
    }
    io_.number(shapes, flags);
    end(effect.left, (flags & left_expected) != 0, (flags & left_boundary) != 0, at.before,
        at.before.sequence);
    end(effect.right, (flags & right_expected) != 0, (flags & right_boundary) != 0,
        next(at, origin(effect.left)), effect.left.sequence);
  }
  ElementId origin(EventDot dot) { return dot.sequence == 0 ? ElementId{} : element(dot); }
  void end(EventDot& end, bool is_expected, bool is_boundary, ElementId expected, Sequence base) {
    if (is_boundary || (is_expected && expected.is_boundary())) {
      end = {};
    } else if (is_expected) {
      expect(end, expected);
    } else {
      dot(end, base);
    }
  }

  void inserted(const Effect& effect, PathState& at) {
    if (effect.count == 0) return io_.fail();
    const ElementId left = origin(effect.left);
    const ElementId first{static_cast<std::uint32_t>(writer_), at_};
    const ElementId last = first.plus(effect.count - 1);
    const ElementId after = next_live(at, left);
    next(at, left) = first;
    links(last).next = origin(effect.right);
    link_live(at, left, first);
    link_live(at, last, after);
    at.before = last;
    at.after = after;
  }

  enum Form : std::uint64_t {
    back_from_here,  // upwards, up to where the last edit ended
    on_from_here,    // upwards from there
    down_from_here,  // downwards from there
    up_elsewhere,
    down_elsewhere,
  };

  void removal(Effect::Range& range, PathState& at) {
    std::uint64_t form = up_elsewhere;
    if constexpr (!Columns::reads) {
      const ElementId target = element(range.target);
      if (range.descending) {
        form = target == at.before ? down_from_here : down_elsewhere;
      } else if (target.plus(range.count - 1) == at.before) {
        form = back_from_here;
      } else if (target == at.after) {
        form = on_from_here;
      }
    }
    io_.number(shapes, form);
    io_.number(shapes, range.count);
    if (range.count == 0 || range.count > limits::sequence_max) return io_.fail();
    range.descending = form == down_from_here || form == down_elsewhere;
    switch (form) {
      case back_from_here:
        if (at.before.sequence < range.count) return io_.fail();
        expect(range.target, {at.before.replica, at.before.sequence - (range.count - 1)});
        break;
      case on_from_here:
        expect(range.target, at.after);
        break;
      case down_from_here:
        expect(range.target, at.before);
        break;
      default:
        dot(range.target, at.before.sequence);
    }
    const ElementId target = element(range.target);
    if (range.descending && target.sequence < range.count) return io_.fail();
    const ElementId low =
        range.descending ? ElementId{target.replica, target.sequence - (range.count - 1)} : target;
    at.before = links(low).previous_live;
    at.after = links(low.plus(range.count - 1)).next_live;
    link_live(at, at.before, at.after);
  }

  Columns& io_;
  std::vector<ReplicaId> ids_;
  std::unordered_map<ReplicaId, std::uint64_t> ids_by_id_;
  std::vector<std::string_view> texts_;
  std::unordered_map<std::string, std::uint64_t> texts_by_text_;
  std::deque<PathState> path_states_;
  std::unordered_map<std::string, std::uint64_t> paths_by_key_;
  std::vector<Step> last_new_;
  std::vector<Sequence> next_;  // by replica: the sequence that its next event begins with
  std::uint64_t last_time_ = 0;
  std::unordered_map<ElementId, Links, ElementIdHash> links_;
  // Of the event at hand.
  std::uint64_t writer_ = 0;
  std::vector<std::uint64_t> table_;
  Sequence at_ = 0;
};

constexpr std::string_view subject = "event block";

Error malformed(const char* what) {
  return make_error(ErrorCode::malformed, std::string(subject) + ": " + what);
}

Error too_large() {
  return make_error(ErrorCode::limit_exceeded, "an event block holds at most " +
                                                   std::to_string(limits::block_bytes_max) +
                                                   " bytes of events; divide them");
}

}  // namespace

Result<std::string> encode_block(std::span<const EventPtr> events) {
  ColumnWriter columns;
  Codec<ColumnWriter> codec(columns);
  std::size_t bytes = 0;
  for (const EventPtr& event : events) {
    bytes += event->encoded().size();
    if (bytes > limits::block_bytes_max) return too_large();
    Parts parts = parts_of(*event);
    std::uint64_t regular = is_regular(*event, parts) ? 1 : 0;
    columns.number(heads, regular);
    if (regular != 0) {
      codec.event(parts);
    } else {
      std::string_view whole = event->encoded();
      columns.bytes(leftover, whole);
    }
  }
  std::string block;
  Writer out(block);
  out.u8(block_format);
  out.varint(events.size());
  out.raw(columns.packed_columns());
  return block;
}

Result<std::vector<EventPtr>> decode_block(std::string_view bytes) {
  Reader in(bytes);
  const std::uint8_t format = in.u8();
  if (in.ok() && format != block_format) {
    return make_error(ErrorCode::unsupported_version,
                      "event block format " + std::to_string(format) + ", this build reads " +
                          std::to_string(block_format));
  }
  const std::uint64_t count = in.varint();
  std::array<std::string, column_count> columns;
  for (std::string& column : columns) {
    Result<std::string> plain = unpacked(in.bytes(in.remaining()), subject);
    if (!in.ok()) return malformed("cut short");
    if (!plain.ok()) return std::move(plain).error();
    column = *std::move(plain);
  }
  if (!in.at_end()) return malformed("something follows it");

  ColumnReader reader(columns);
  Codec<ColumnReader> codec(reader);
  std::vector<EventPtr> events;
  std::size_t sum = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    std::uint64_t regular = 0;
    reader.number(heads, regular);
    std::string event_bytes;
    if (regular != 0) {
      Parts parts;
      codec.event(parts);
      if (reader.ok()) event_bytes = bytes_of(parts);
    } else {
      std::string_view whole;
      reader.bytes(leftover, whole);
      event_bytes = whole;
    }
    if (!reader.ok()) return malformed("its columns do not fit together");
    sum += event_bytes.size();
    if (sum > limits::block_bytes_max) return too_large();
    Result<EventPtr> event = Event::decode(std::move(event_bytes));
    if (!event.ok()) return std::move(event).error();
    events.push_back(*std::move(event));
  }
  if (!reader.at_end()) return malformed("something follows its events");
  return events;
}

}  // namespace rejoin
