// The executable specification of the kernel: naive, short, and written from the documentation of
// the types alone.
//
// A replica is the set of operations that it knows, each with the operations that its writer had
// seen. Nothing is ever merged or forgotten: what is visible is computed from the whole set, by the
// definition of each type. An operation is "live" unless a known operation that takes such things
// away had seen it. No dots, no clocks, no deltas, no tombstones; quadratic and worse.
#pragma once

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "rejoin/crdt/hybrid_time.h"
#include "rejoin/crdt/id.h"
#include "rejoin/crdt/path.h"

namespace rejoin::specification {

// An element of a list, text or log, named by its writer and how many elements that one had
// inserted before.
struct ElementName {
  ReplicaId replica;
  std::uint64_t number = 0;
  friend auto operator<=>(const ElementName&, const ElementName&) = default;
};

// An end of a mark: before or behind an element; without one, the text's beginning or end.
struct MarkEnd {
  std::optional<ElementName> element;
  bool behind = false;
};

struct Operation {
  enum class Kind {
    put,              // a value in a cell; takes away what the cell held
    clear,            // takes away what the cell held
    increment,        // of a counter
    reset,            // takes away increments
    insert,           // an element of a list, text or log
    move,             // a new place for an element of a list
    remove_elements,  // takes away elements of a list, by name
    remove_subtree,   // takes away everything at and below the path
  };
  Kind kind = Kind::put;
  Path path;
  Value value;                        // put, insert
  std::int64_t amount = 0;            // increment; put, of a request for rights
  ReplicaId asked;                    // put, of a request for rights
  bool keep_self = false;             // remove_subtree: what is at the path itself stays
  ElementName element;                // insert; move: the place's
  ElementName moved;                  // move: which element
  Value key;                          // insert, of a map: its step below the list
  std::optional<ElementName> parent;  // insert, move: in FugueMax's tree; none is the root
  bool is_left_child = false;         // insert, move
  std::optional<ElementName> right;   // insert, move: its right origin; none is the end
  std::set<ElementName> removed;      // remove_elements
  MarkEnd begin, end;                 // put, of a mark of a text
  std::string mark;                   // put, of a mark: its name
  HybridTime mark_time;               // put, of a mark: by which it counts

  // Whether this operation takes away `other`, had it seen it.
  bool takes_away(const Operation& other) const {
    switch (kind) {
      case Kind::put:
      case Kind::clear:
        return other.kind == Kind::put && other.path == path;
      case Kind::reset:
        return other.kind == Kind::increment && other.path == path;
      case Kind::remove_elements:
        return other.kind == Kind::insert && other.path == path && removed.contains(other.element);
      case Kind::remove_subtree:
        return other.path.starts_with(path) && !(keep_self && other.path == path);
      case Kind::increment:
      case Kind::insert:
      case Kind::move:
        return false;
    }
    return false;
  }
  // Whether it can be live: the others only take away.
  bool adds() const { return kind == Kind::put || kind == Kind::increment || kind == Kind::insert; }
};

// A transaction, with all transactions that its writer had seen.
struct Event {
  ReplicaId writer;
  HybridTime time;
  std::vector<Operation> operations;
  std::set<std::size_t> seen;
};

using History = std::vector<Event>;

// An operation that is live at a replica.
struct Live {
  const Operation* operation;
  ReplicaId writer;
  HybridTime time;
};

class Replica {
 public:
  explicit Replica(const History& history) : history_(&history) {}

  // ---- What it knows ----
  std::set<std::size_t> known;     // closed under "seen"
  std::vector<Operation> pending;  // of the open transaction
  ReplicaId self;
  HybridTime time;  // of the open transaction
  std::uint64_t elements_inserted = 0;

  std::vector<Live> live() const {
    std::vector<Live> result = not_taken_away();
    // What is below an element of a list is there as long as the element.
    std::set<Path> elements;
    for (const Live& l : result) {
      if (is_map_element(*l.operation)) elements.insert(map_of(*l.operation));
    }
    std::erase_if(result, [&](const Live& l) {
      for (Path at = l.operation->path; !at.is_root(); at = at.parent()) {
        if (at.parent().type() == Type::list && !elements.contains(at)) return true;
      }
      return false;
    });
    return result;
  }
  // The maps that are elements of lists.
  std::vector<Path> maps_in_lists() const {
    std::vector<Path> result;
    for (const Live& l : live()) {
      if (is_map_element(*l.operation)) result.push_back(map_of(*l.operation));
    }
    std::sort(result.begin(), result.end());
    return result;
  }

  // ---- What it shows ----
  // What is live in the cell, by writer.
  std::vector<Live> cell(const Path& path) const {
    std::vector<Live> result;
    for (const Live& l : live()) {
      if (l.operation->path == path) result.push_back(l);
    }
    std::stable_sort(result.begin(), result.end(),
                     [](const Live& a, const Live& b) { return a.writer < b.writer; });
    return result;
  }
  bool exists(const Path& path) const {
    return path.is_root() || lines().contains(path.to_string());
  }
  std::optional<Value> register_value(const Path& path) const {
    return register_value(path.type(), cell(path));
  }
  std::int64_t counter_value(const Path& path) const { return counter_value(cell(path)); }
  // Of a bounded counter. Rights that are gone, though they were used meanwhile, are none.
  std::int64_t rights(const Path& path, const ReplicaId& of) const {
    return std::max<std::int64_t>(counter_value(account(path, of)), 0);
  }
  static Path account(const Path& path, const ReplicaId& of) {
    return path.child(Type::counter, bytes_of(of));
  }
  // Who asked, whom, for how much; by the time of asking.
  struct Request {
    HybridTime time;
    ReplicaId asker;
    ReplicaId asked;
    std::int64_t amount;
    friend auto operator<=>(const Request&, const Request&) = default;
  };
  std::vector<Request> requests(const Path& path) const {
    std::vector<Request> result;
    for (const Live& l : live()) {
      if (l.operation->path.type() != Type::reg || l.operation->path.parent() != path) continue;
      result.push_back({l.time, l.writer, l.operation->asked, l.operation->amount});
    }
    std::sort(result.begin(), result.end());
    return result;
  }
  bool contains(const Path& set, const Value& element) const {
    return is_in(cell(set.child(Type::element, element)));
  }
  // The live elements, in order, each with the place where it is seen.
  struct Seen {
    ElementName element;
    ElementName place;
  };
  std::vector<Seen> seen(const Path& path) const {
    std::map<ElementName, ElementName> seen_at;
    for (const Live& l : cell(path)) seen_at[l.operation->element] = l.operation->element;
    for (const auto& [element, place] : moves(path)) {
      if (seen_at.contains(element)) seen_at[element] = place;
    }
    std::vector<Seen> result;
    for (const ElementName& place : Tree(*this, path).order()) {
      for (const auto& [element, at] : seen_at) {
        if (at == place) result.push_back({element, place});
      }
    }
    return result;
  }
  std::vector<ElementName> list(const Path& path) const {
    std::vector<ElementName> result;
    for (const Seen& s : seen(path)) result.push_back(s.element);
    return result;
  }

  // The marks of each code point of a text, in order: those that cover it, the latest of each name,
  // unless that one takes away (null).
  using Marks = std::map<std::string, Value>;
  std::vector<Marks> marks(const Path& path) const {
    const std::vector<ElementName> all = Tree(*this, path).order();
    const std::vector<Live> puts = marks_below(path);
    std::vector<Marks> result;
    for (const ElementName& element : list(path)) {
      std::map<std::string, const Live*> latest;
      for (const Live& l : puts) {
        if (!covers(*l.operation, element, all)) continue;
        const Live*& best = latest[l.operation->mark];
        if (best == nullptr || counts_less(*best, l)) best = &l;
      }
      Marks& shown = result.emplace_back();
      for (const auto& [name, l] : latest) {
        if (!l->operation->value.is_null()) shown[name] = l->operation->value;
      }
    }
    return result;
  }
  // Where a cursor is that sticks to an element: where that is seen, or was inserted if it was
  // removed. Nothing where the element is not known.
  std::optional<std::size_t> index_of(const Path& path, const ElementName& element,
                                      bool behind) const {
    const std::vector<ElementName> all = Tree(*this, path).order();
    std::set<ElementName> places;
    ElementName place = element;
    for (const Seen& s : seen(path)) {
      places.insert(s.place);
      if (s.element == element) place = s.place;
    }
    const auto at = std::find(all.begin(), all.end(), place);
    if (at == all.end()) return std::nullopt;
    return std::count_if(all.begin(), at + (behind ? 1 : 0),
                         [&](const ElementName& before) { return places.contains(before); });
  }

  // What a tree shows: each node's parent, empty at the top.
  std::map<std::string, std::string> tree(const Path& path) const {
    const std::vector<Live> all = live();
    std::map<std::string, TreeNode> nodes;
    for (const Live& l : all) note_node(path, l, nodes);
    return resolve(nodes);
  }
  bool is_within(const std::map<std::string, std::string>& tree, std::string node,
                 const std::string& above) const {
    for (; !node.empty(); node = tree.at(node)) {
      if (node == above) return true;
    }
    return above.empty();
  }

  // Everything that is visible: a line a path that exists, saying what a reader would read there.
  std::map<std::string, std::string> lines() const {
    std::map<Path, std::vector<Live>> cells;
    for (const Live& l : live()) cells[l.operation->path].push_back(l);
    std::map<std::string, std::string> result;
    for (auto& [path, content] : cells) {
      std::stable_sort(content.begin(), content.end(),
                       [](const Live& a, const Live& b) { return a.writer < b.writer; });
      const std::optional<std::string> text = describe(path, content);
      if (!text) continue;
      if (path.parent().type() == Type::text) {
        result[path.parent().to_string()] = *text;
      } else if (path.parent().type() == Type::bounded_counter) {
        result.try_emplace(path.parent().to_string(), describe_bounded(path.parent()));
      } else if (path.type() == Type::element) {
        // Paths are in order, so elements come in Value order.
        result[path.parent().to_string()] += *text;
      } else {
        result[path.to_string()] = *text;
      }
      for (Path above = path.parent(); !above.is_root(); above = above.parent()) {
        if (above.type() == Type::map) result[above.to_string()] = "map";
      }
    }
    std::set<Path> trees;
    for (const auto& [path, content] : cells) {
      for (Path above = path; !above.is_root(); above = above.parent()) {
        if (above.type() == Type::tree) trees.insert(above);
      }
    }
    for (const Path& path : trees) {
      std::string& text = result[path.to_string()];
      text.clear();
      for (const auto& [name, parent] : tree(path)) text += name + "<" + parent + " ";
      for (Path above = path.parent(); !above.is_root(); above = above.parent()) {
        if (above.type() == Type::map) result[above.to_string()] = "map";
      }
    }
    result.erase("/");
    return result;
  }

  // ---- What the open transaction does: the documented meaning of each call ----
  void set_register(const Path& path, const Value& value) {
    const std::optional<Value> current = register_value(path);
    if (current && path.type() == Type::max_register && !number_less(*current, value)) return;
    if (current && path.type() == Type::min_register && !number_less(value, *current)) return;
    put(path, value);
  }
  void clear_register(const Path& path) {
    if (!cell(path).empty()) add(Operation::Kind::clear, path);
  }
  void add_to_counter(const Path& path, std::int64_t amount) {
    if (amount == 0 && !cell(path).empty()) return;
    add(Operation::Kind::increment, path).amount = amount;
  }
  void reset_counter(const Path& path) {
    if (!cell(path).empty()) add(Operation::Kind::reset, path);
  }
  void set_flag(const Path& path, bool on) {
    if (path.type() == Type::disable_flag || on) {
      put(path, Value(on));
    } else if (!cell(path).empty()) {
      add(Operation::Kind::clear, path);
    }
  }
  void add_to_set(const Path& set, const Value& element) {
    put(set.child(Type::element, element), Value(true));
  }
  void remove_from_set(const Path& set, const Value& element) {
    const Path path = set.child(Type::element, element);
    if (set.type() == Type::remove_wins_set) {
      put(path, Value(false));
    } else if (!cell(path).empty()) {
      add(Operation::Kind::clear, path);
    }
  }
  // Each says whether it is allowed.
  bool create_bounded(const Path& path, std::int64_t bound) {
    if (exists(path) && this->bound(path) != bound) return false;
    if (cell(path).empty()) put(path, Value(bound));
    return true;
  }
  void increment(const Path& path, std::int64_t amount) {
    if (amount > 0) add(Operation::Kind::increment, account(path, self)).amount = amount;
  }
  bool decrement(const Path& path, std::int64_t amount) {
    if (rights(path, self) < amount) return false;
    if (amount > 0) add(Operation::Kind::increment, account(path, self)).amount = -amount;
    return true;
  }
  bool transfer(const Path& path, std::int64_t amount, const ReplicaId& to) {
    if (to == self || rights(path, self) < amount) return false;
    if (amount == 0) return true;
    add(Operation::Kind::increment, account(path, self)).amount = -amount;
    add(Operation::Kind::increment, account(path, to)).amount = amount;
    return true;
  }
  // The richest of the others; the second when the richest was asked already.
  bool ask(const Path& path, std::int64_t amount) {
    const Path place = path.child(Type::reg, bytes_of(self));
    std::vector<std::pair<std::int64_t, ReplicaId>> others;
    for (const ReplicaId& of : holders(path)) {
      if (of != self && rights(path, of) > 0) others.push_back({-rights(path, of), of});
    }
    std::sort(others.begin(), others.end());
    if (amount <= 0 || others.empty()) return false;
    ReplicaId asked = others[0].second;
    const std::vector<Live> open = cell(place);
    if (!open.empty() && open[0].operation->asked == asked && others.size() > 1) {
      asked = others[1].second;
    }
    return ask(path, amount, asked);
  }
  bool ask(const Path& path, std::int64_t amount, const ReplicaId& asked) {
    if (amount <= 0 || asked == self) return false;
    const Path place = path.child(Type::reg, bytes_of(self));
    const std::vector<Live> open = cell(place);
    if (!open.empty() && open[0].operation->asked == asked && open[0].operation->amount == amount) {
      return true;
    }
    Operation& operation = add(Operation::Kind::put, place);
    operation.asked = asked;
    operation.amount = amount;
    return true;
  }
  void withdraw(const Path& path) {
    const Path place = path.child(Type::reg, bytes_of(self));
    if (!cell(place).empty()) add(Operation::Kind::clear, place);
  }
  void answer(const Path& path, std::int64_t keep) {
    for (const Request& request : requests(path)) {
      if (request.asked != self) continue;
      const std::int64_t amount = std::min(request.amount, rights(path, self) - keep);
      if (amount <= 0) return;
      transfer(path, amount, request.asker);
      add(Operation::Kind::clear, path.child(Type::reg, bytes_of(request.asker)));
    }
  }
  // 0, or the greatest that was given.
  std::int64_t bound(const Path& path) const {
    std::optional<std::int64_t> greatest;
    for (const Live& l : cell(path)) {
      const std::int64_t given = l.operation->value.as_integer();
      greatest = std::max(greatest.value_or(given), given);
    }
    return greatest.value_or(0);
  }
  void create_map(const Path& path) { put(path, Value()); }
  // Of a node that may stand there.
  void place_node(const Path& path, const std::string& name, const std::string& parent) {
    const std::map<std::string, std::string> now = tree(path);
    std::string previous;
    if (const auto it = now.find(name); it != now.end()) {
      previous = it->second != parent ? it->second : chosen(path, name).previous;
    }
    put(path.child(Type::element, name), Value(parent + "<" + previous));
    keep_others(path, now, name);
  }
  void remove_node(const Path& path, const std::string& name) {
    const std::map<std::string, std::string> now = tree(path);
    for (const auto& [node, parent] : now) {
      if (!is_within(now, node, name)) continue;
      const Path place = path.child(Type::element, node);
      if (!cell(place).empty()) add(Operation::Kind::clear, place);
      remove(path.child(Type::map, node));
    }
    keep_others(path, now, "");
  }
  void remove(const Path& path) {
    if (exists(path)) add(Operation::Kind::remove_subtree, path);
  }
  void clear_map(const Path& path) {
    for (const auto& [below, text] : lines()) {
      const Path other = *Path::parse(below);
      if (other == path || !other.starts_with(path)) continue;
      add(Operation::Kind::remove_subtree, path).keep_self = true;
      return;
    }
  }
  void insert(const Path& path, std::size_t index, const std::vector<Value>& values) {
    for (const Value& value : values) {
      Operation& operation = add_place(Operation::Kind::insert, path, index++);
      operation.value = value;
    }
  }
  void move(const Path& path, std::size_t from, std::size_t to) {
    if (from == to) return;
    const ElementName moved = list(path)[from];
    add_place(Operation::Kind::move, path, from < to ? to + 1 : to).moved = moved;
  }
  void insert_map(const Path& path, std::size_t index, const Value& key) {
    insert(path, index, {Value()});
    pending.back().key = key;
    put(path.child(Type::map, key), Value());
  }
  // Behind every entry that is known, whether it is still there or not.
  void append(const Path& path, const std::vector<Value>& values) {
    for (const Value& value : values) {
      const std::vector<ElementName> known_entries = Tree(*this, path).order();
      Operation& operation = add(Operation::Kind::insert, path);
      operation.value = value;
      operation.element = {self, elements_inserted++};
      if (!known_entries.empty()) operation.parent = known_entries.back();
    }
  }
  void remove_elements(const Path& path, std::size_t index, std::size_t count) {
    const std::vector<ElementName> now = list(path);
    Operation& operation = add(Operation::Kind::remove_elements, path);
    for (std::size_t i = index; i < index + count; ++i) operation.removed.insert(now[i]);
    if (path.type() == Type::text) take_marks_away(path, nullptr);
  }
  // No value: unmark.
  void mark(const Path& path, std::size_t begin, std::size_t end, const std::string& name,
            const std::optional<Value>& value, bool grows_at_begin, bool grows_at_end) {
    const std::vector<Marks> shown = marks(path);
    const bool any = std::any_of(shown.begin() + static_cast<std::ptrdiff_t>(begin),
                                 shown.begin() + static_cast<std::ptrdiff_t>(end),
                                 [&](const Marks& here) { return here.contains(name); });
    if (!value && !any) return;
    const std::vector<ElementName> now = list(path);
    const auto end_at = [&](std::size_t index, bool behind) {
      if (behind) return MarkEnd{index == 0 ? std::nullopt : std::optional(now[index - 1]), true};
      return MarkEnd{index == now.size() ? std::nullopt : std::optional(now[index]), false};
    };
    Operation operation;
    operation.begin = end_at(begin, grows_at_begin);
    operation.end = end_at(end, !grows_at_end);
    operation.mark = name;
    operation.mark_time = time;
    for (const Live& l : marks_below(path)) {
      const HybridTime other = l.operation->mark_time;
      if (l.operation->mark == name && other >= operation.mark_time) {
        operation.mark_time = HybridTime{other.value + 1};
      }
    }
    operation.value = value.value_or(Value());
    operation.path =
        path.child(Type::element, in_words(operation.begin) + in_words(operation.end) + name);
    take_marks_away(path, &operation);
    pending.push_back(operation);
  }

  // Numbers numerically, everything else and what is numerically equal by Value order.
  static bool number_less(const Value& a, const Value& b) {
    const auto is_number = [](const Value& v) { return v.is_integer() || v.is_real(); };
    if (!is_number(a) || !is_number(b)) return a < b;
    // A mantissa of 64 bits holds every int64 and every double.
    static_assert(std::numeric_limits<long double>::digits >= 64);
    const auto number = [](const Value& v) {
      return v.is_integer() ? static_cast<long double>(v.as_integer())
                            : static_cast<long double>(v.as_real());
    };
    const long double x = number(a);
    const long double y = number(b);
    if ((x != x) != (y != y)) return y != y;  // NaN is above every number
    return x < y || (!(y < x) && a < b);
  }

 private:
  std::vector<Live> marks_below(const Path& path) const {
    std::vector<Live> result;
    for (const Live& l : live()) {
      if (!l.operation->path.is_root() && l.operation->path.parent() == path) result.push_back(l);
    }
    return result;
  }
  static std::string in_words(const MarkEnd& end) {
    std::string text = end.behind ? "behind " : "before ";
    if (end.element) {
      text += end.element->replica.to_string() + std::to_string(end.element->number);
    }
    return text + " ";
  }
  // How many of all elements of the text, removed ones included, stand before an end of a mark.
  static std::size_t before(const MarkEnd& end, const std::vector<ElementName>& all) {
    if (!end.element) return end.behind ? 0 : all.size();
    const auto at = std::find(all.begin(), all.end(), *end.element);
    return static_cast<std::size_t>(at - all.begin()) + (end.behind ? 1 : 0);
  }
  static bool covers(const Operation& mark, const ElementName& element,
                     const std::vector<ElementName>& all) {
    const auto at =
        static_cast<std::size_t>(std::find(all.begin(), all.end(), element) - all.begin());
    return before(mark.begin, all) <= at && at < before(mark.end, all);
  }
  // Whether the one's end is where the other's is or further left, whatever is inserted.
  static bool is_left_of(const MarkEnd& a, const MarkEnd& b, const std::vector<ElementName>& all) {
    const std::size_t x = before(a, all);
    const std::size_t y = before(b, all);
    return x != y ? x < y : a.behind || !b.behind;
  }
  static bool counts_less(const Live& a, const Live& b) {
    return std::tuple(a.operation->mark_time, a.writer, a.operation) <
           std::tuple(b.operation->mark_time, b.writer, b.operation);
  }
  // Those that cover nothing, and those of the name of a new one, all within it.
  void take_marks_away(const Path& path, const Operation* fresh) {
    const std::vector<ElementName> all = Tree(*this, path).order();
    const std::vector<ElementName> shown = list(path);
    std::set<Path> gone;
    for (const Live& l : marks_below(path)) {
      const Operation& old = *l.operation;
      const bool covers_any = std::any_of(
          shown.begin(), shown.end(), [&](const ElementName& e) { return covers(old, e, all); });
      const bool within = fresh != nullptr && fresh->mark == old.mark &&
                          is_left_of(fresh->begin, old.begin, all) &&
                          is_left_of(old.end, fresh->end, all);
      const bool replaced = fresh != nullptr && fresh->path == old.path;
      if ((within || !covers_any) && !replaced) gone.insert(old.path);
    }
    for (const Path& cell : gone) add(Operation::Kind::clear, cell);
  }
  static Value bytes_of(const ReplicaId& id) {
    return Value::bytes(std::string(id.bytes.begin(), id.bytes.end()));
  }
  // Everybody with an account.
  std::set<ReplicaId> holders(const Path& path) const {
    std::set<ReplicaId> result;
    for (const Live& l : live()) {
      const Path& at = l.operation->path;
      if (at.type() != Type::counter || at.parent() != path) continue;
      ReplicaId id;
      const std::string_view bytes = at.steps().back().key.as_bytes();
      std::copy(bytes.begin(), bytes.end(), id.bytes.begin());
      result.insert(id);
    }
    return result;
  }
  std::string describe_bounded(const Path& path) const {
    std::int64_t sum = bound(path);
    std::string text;
    for (const ReplicaId& of : holders(path)) {
      const std::int64_t held = rights(path, of);
      sum += held;
      if (held > 0) text += " " + of.short_name() + ":" + std::to_string(held);
    }
    for (const Request& r : requests(path)) {
      text += " " + r.asker.short_name() + "?" + r.asked.short_name() + ":" +
              std::to_string(r.amount) + "@" + r.time.to_string();
    }
    return std::to_string(sum) + " from " + std::to_string(bound(path)) + text;
  }

  // The order of a list: the tree of all its known elements, removed or not, as the paper defines
  // it (Weidner, Kleppmann: "The Art of the Fugue", 2023, section 5).
  class Tree {
   public:
    Tree(const Replica& replica, const Path& path) {
      const auto take = [&](const Operation& operation) {
        const bool is_place =
            operation.kind == Operation::Kind::insert || operation.kind == Operation::Kind::move;
        if (is_place && operation.path == path) {
          nodes_.emplace(operation.element, &operation);
        }
      };
      for (const std::size_t e : replica.known) {
        for (const Operation& operation : (*replica.history_)[e].operations) take(operation);
      }
      for (const Operation& operation : replica.pending) take(operation);
    }
    std::vector<ElementName> order() const {
      std::vector<ElementName> names;
      for (const auto& [name, node] : nodes_) names.push_back(name);
      std::sort(names.begin(), names.end(),
                [&](const ElementName& a, const ElementName& b) { return before(a, b); });
      return names;
    }
    // The element after this one (after the beginning), removed ones included.
    std::optional<ElementName> after(const std::optional<ElementName>& name) const {
      const std::vector<ElementName> all = order();
      auto it = all.begin();
      if (name) it = std::find(all.begin(), all.end(), *name) + 1;
      return it == all.end() ? std::nullopt : std::optional(*it);
    }
    bool has_right_children(const std::optional<ElementName>& name) const {
      return std::any_of(nodes_.begin(), nodes_.end(), [&](const auto& node) {
        return node.second->parent == name && !node.second->is_left_child;
      });
    }

   private:
    // From the root down to the element.
    std::vector<ElementName> chain(const ElementName& name) const {
      std::vector<ElementName> result;
      for (std::optional<ElementName> at = name; at; at = nodes_.at(*at)->parent) {
        result.push_back(*at);
      }
      std::reverse(result.begin(), result.end());
      return result;
    }
    bool before(const ElementName& a, const ElementName& b) const {
      if (a == b) return false;
      const std::vector<ElementName> left = chain(a);
      const std::vector<ElementName> right = chain(b);
      std::size_t i = 0;
      while (i < left.size() && i < right.size() && left[i] == right[i]) ++i;
      if (i == left.size()) return !nodes_.at(right[i])->is_left_child;  // b is below a
      if (i == right.size()) return nodes_.at(left[i])->is_left_child;   // a is below b
      const Operation& x = *nodes_.at(left[i]);
      const Operation& y = *nodes_.at(right[i]);
      if (x.is_left_child != y.is_left_child) return x.is_left_child;
      // Right siblings: in the reverse order of their right origins.
      if (!x.is_left_child && x.right != y.right) {
        if (!x.right || !y.right) return !x.right;
        return before(*y.right, *x.right);
      }
      return x.element < y.element;
    }
    std::map<ElementName, const Operation*> nodes_;
  };

  Operation& add_place(Operation::Kind kind, const Path& path, std::size_t index) {
    std::optional<ElementName> left;
    if (index > 0) left = seen(path)[index - 1].place;
    const Tree tree(*this, path);
    const std::optional<ElementName> right = tree.after(left);
    const bool left_has_right_children = tree.has_right_children(left);
    Operation& operation = add(kind, path);  // the tree is void from here on
    operation.element = {self, elements_inserted++};
    operation.right = right;
    // FugueMax: the left origin's first right child, otherwise a left child of the right origin.
    if (left_has_right_children) {
      operation.parent = operation.right;
      operation.is_left_child = true;
    } else {
      operation.parent = left;
    }
    return operation;
  }
  // Where each element of a list was moved last, as far as is known: the latest move counts, and a
  // move is later than all of that element that it had seen.
  std::map<ElementName, ElementName> moves(const Path& path) const {
    struct Move {
      std::size_t event;
      std::uint64_t at;
      ReplicaId writer;
      const Operation* operation;
    };
    std::map<ElementName, std::vector<Move>> all;
    const auto take = [&](const Event& event, std::size_t number, const Operation& operation) {
      if (operation.kind != Operation::Kind::move || operation.path != path) return;
      std::vector<Move>& moves = all[operation.moved];
      std::uint64_t at = event.time.value;
      for (const Move& earlier : moves) {
        if (earlier.event != number && !event.seen.contains(earlier.event)) continue;
        at = std::max(at, earlier.at + 1);
      }
      moves.push_back({number, at, event.writer, &operation});
    };
    for (const std::size_t e : known) {
      for (const Operation& operation : (*history_)[e].operations) {
        take((*history_)[e], e, operation);
      }
    }
    const Event open{self, time, {}, known};
    for (const Operation& operation : pending) take(open, history_->size(), operation);
    std::map<ElementName, ElementName> result;
    for (const auto& [element, moves] : all) {
      const auto last =
          std::max_element(moves.begin(), moves.end(), [](const Move& a, const Move& b) {
            return std::pair(a.at, a.writer) < std::pair(b.at, b.writer);
          });
      result[element] = last->operation->element;
    }
    return result;
  }

  // No node but one moves.
  void keep_others(const Path& path, const std::map<std::string, std::string>& before,
                   const std::string& except) {
    for (;;) {
      std::vector<std::string> moved;
      for (const auto& [name, parent] : tree(path)) {
        if (name != except && before.contains(name) && before.at(name) != parent) {
          moved.push_back(name);
        }
      }
      if (moved.empty()) return;
      for (const std::string& name : moved) {
        put(path.child(Type::element, name),
            Value(before.at(name) + "<" + chosen(path, name).previous));
      }
    }
  }

  struct TreeNode {
    std::string parent;
    std::string previous;
    const Live* place = nullptr;  // none: only properties are left of it
  };
  static bool earlier(const Live& a, const Live& b) {
    // Of one event, the order of its operations in memory.
    return std::tuple(a.time, a.writer, a.operation) < std::tuple(b.time, b.writer, b.operation);
  }
  static bool earlier(const TreeNode& a, const TreeNode& b) {
    if (a.place == nullptr || b.place == nullptr) return a.place == nullptr && b.place != nullptr;
    return earlier(*a.place, *b.place);
  }
  // What is live there, if it says something of a node of the tree.
  static void note_node(const Path& tree, const Live& l, std::map<std::string, TreeNode>& nodes) {
    const Path& path = l.operation->path;
    if (path == tree || !path.starts_with(tree)) return;
    const Step& step = path.steps()[tree.depth()];
    TreeNode& node = nodes[std::string(step.key.as_string())];
    if (step.type != Type::element || (node.place != nullptr && earlier(l, *node.place))) return;
    const std::string text(l.operation->value.as_string());
    node.parent = text.substr(0, text.find('<'));
    node.previous = text.substr(text.find('<') + 1);
    node.place = &l;
  }
  TreeNode chosen(const Path& tree, const std::string& name) const {
    const std::vector<Live> all = live();
    std::map<std::string, TreeNode> nodes;
    for (const Live& l : all) note_node(tree, l, nodes);
    TreeNode node = nodes[name];
    node.place = nullptr;
    return node;
  }
  // Each node's parent, as the documentation of the tree has it.
  static std::map<std::string, std::string> resolve(const std::map<std::string, TreeNode>& nodes) {
    const auto or_top = [&](const std::string& name) {
      return nodes.contains(name) ? name : std::string();
    };
    std::map<std::string, std::string> parents;
    for (const auto& [name, node] : nodes) {
      const bool there = node.parent.empty() || nodes.contains(node.parent);
      parents[name] = or_top(there ? node.parent : node.previous);
    }
    // The nodes above one, as far as they do not repeat.
    const auto above = [&](const std::string& name) {
      std::vector<std::string> chain;
      for (std::string at = name;
           !at.empty() && std::find(chain.begin(), chain.end(), at) == chain.end();
           at = parents.at(at)) {
        chain.push_back(at);
      }
      return chain;
    };
    for (;;) {
      std::string loses;  // of the latest moves of all cycles, the earliest
      for (const auto& [name, node] : nodes) {
        const std::vector<std::string> chain = above(name);
        if (parents.at(chain.back()) != name) continue;  // no cycle, or it only leads to one
        const auto& move = node;  // structured bindings cannot be captured by all compilers
        const bool latest = std::none_of(chain.begin(), chain.end(), [&](const std::string& other) {
          return earlier(move, nodes.at(other));
        });
        if (latest && (loses.empty() || earlier(node, nodes.at(loses)))) loses = name;
      }
      if (loses.empty()) return parents;
      const std::string back = or_top(nodes.at(loses).previous);
      const std::vector<std::string> chain = above(back);
      const bool below_itself = std::find(chain.begin(), chain.end(), loses) != chain.end();
      parents[loses] = below_itself ? std::string() : back;
    }
  }

  bool is_taken_away(const Operation& operation, std::size_t event, std::size_t index) const {
    for (const std::size_t e : known) {
      const Event& other = (*history_)[e];
      if (e != event && !other.seen.contains(event)) continue;
      for (std::size_t i = e == event ? index + 1 : 0; i < other.operations.size(); ++i) {
        if (other.operations[i].takes_away(operation)) return true;
      }
    }
    return std::any_of(pending.begin(), pending.end(),
                       [&](const Operation& p) { return p.takes_away(operation); });
  }

  static bool is_map_element(const Operation& operation) {
    return operation.kind == Operation::Kind::insert && !operation.key.is_null();
  }
  static Path map_of(const Operation& insertion) {
    return insertion.path.child(Type::map, insertion.key);
  }
  std::vector<Live> not_taken_away() const {
    std::vector<Live> result;
    for (const std::size_t e : known) {
      const Event& event = (*history_)[e];
      for (std::size_t i = 0; i < event.operations.size(); ++i) {
        const Operation& operation = event.operations[i];
        if (operation.adds() && !is_taken_away(operation, e, i)) {
          result.push_back({&operation, event.writer, event.time});
        }
      }
    }
    for (std::size_t i = 0; i < pending.size(); ++i) {
      bool gone = !pending[i].adds();
      for (std::size_t j = i + 1; j < pending.size(); ++j)
        gone |= pending[j].takes_away(pending[i]);
      if (!gone) result.push_back({&pending[i], self, time});
    }
    return result;
  }

  Operation& add(Operation::Kind kind, const Path& path) {
    Operation& operation = pending.emplace_back();
    operation.kind = kind;
    operation.path = path;
    return operation;
  }
  void put(const Path& path, const Value& value) { add(Operation::Kind::put, path).value = value; }

  static std::optional<Value> register_value(Type type, const std::vector<Live>& content) {
    const Live* chosen = nullptr;
    for (const Live& l : content) {
      bool better = chosen == nullptr;
      if (!better && type == Type::max_register) {
        better = number_less(chosen->operation->value, l.operation->value);
      } else if (!better && type == Type::min_register) {
        better = number_less(l.operation->value, chosen->operation->value);
      } else if (!better) {
        better = std::pair(chosen->time, chosen->writer) < std::pair(l.time, l.writer);
      }
      if (better) chosen = &l;
    }
    return chosen == nullptr ? std::nullopt : std::optional(chosen->operation->value);
  }
  static std::int64_t counter_value(const std::vector<Live>& content) {
    std::int64_t sum = 0;
    for (const Live& l : content) sum += l.operation->amount;
    return sum;
  }
  static bool all_on(const std::vector<Live>& content) {
    return std::all_of(content.begin(), content.end(),
                       [](const Live& l) { return l.operation->value.as_bool(); });
  }
  // An element of a set: added, and (for remove-wins sets) no removal that no addition saw.
  static bool is_in(const std::vector<Live>& content) {
    return !content.empty() && all_on(content);
  }

  std::string describe_sequence(const Path& path, const std::vector<Live>& content) const {
    std::string text;
    std::map<ElementName, const Operation*> by_name;
    for (const Live& l : content) by_name[l.operation->element] = l.operation;
    for (const ElementName& name : list(path)) {
      const Operation& insertion = *by_name.at(name);
      if (path.type() == Type::text) {
        text += insertion.value.as_string();
      } else if (is_map_element(insertion)) {
        text += map_of(insertion).to_string() + " ";
      } else {
        text += insertion.value.to_string() + " ";
      }
    }
    if (path.type() != Type::text) return text;
    std::size_t index = 0;
    for (const Marks& here : marks(path)) {
      for (const auto& [name, value] : here) {
        text += " " + std::to_string(index) + ":" + name + "=" + value.to_string();
      }
      ++index;
    }
    return text;
  }

  // What a reader reads in a cell; nothing where it shows nothing.
  std::optional<std::string> describe(const Path& path, const std::vector<Live>& content) const {
    std::string text;
    switch (path.type()) {
      case Type::map:
        return "map";
      case Type::reg:
      case Type::multi_register:
      case Type::max_register:
      case Type::min_register:
        text = register_value(path.type(), content)->to_string() + " of";
        for (const Live& l : content) {
          text += " " + l.operation->value.to_string() + "@" + l.time.to_string() + "/" +
                  l.writer.short_name();
        }
        return text;
      case Type::counter:
        return std::to_string(counter_value(content));
      case Type::bounded_counter:
        return describe_bounded(path);
      case Type::enable_flag:
      case Type::disable_flag:
        return all_on(content) ? "on" : "off";
      case Type::element:
        if (path.parent().type() == Type::text) {
          return describe_sequence(path.parent(), cell(path.parent()));
        }
        if (path.parent().type() == Type::tree || !is_in(content)) return std::nullopt;
        return path.steps().back().key.to_string() + " ";
      case Type::list:
      case Type::log:
      case Type::text:
        return describe_sequence(path, content);
      case Type::set:
      case Type::remove_wins_set:
      case Type::tree:
        break;
    }
    return std::nullopt;
  }

  const History* history_;
};

}  // namespace rejoin::specification
