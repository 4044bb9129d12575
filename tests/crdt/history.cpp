#include "history.h"

#include <cstdlib>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "rejoin/crdt/json.h"

namespace rejoin {
namespace {

using specification::Operation;

template <class T>
const T& pick(const std::vector<T>& from, unsigned n) {
  return from[n % from.size()];
}

const std::vector<Path>& maps() {
  static const std::vector<Path> list{Path(), Path().map("a"), Path().map("b"),
                                      Path().map("a").map("a"), Path().map("a").map("b")};
  return list;
}

const std::vector<Value>& values() {
  static const std::vector<Value> list{Value(1),
                                       Value(2),
                                       Value("a"),
                                       Value("b"),
                                       Value(1.0),
                                       Value(1.5),
                                       Value(-3),
                                       Value(),
                                       Value(true),
                                       Value(std::string(40, 'x')),
                                       Value::bytes("\xFF\x00"),
                                       Value(-0.0),
                                       Value(0),
                                       Value(std::numeric_limits<double>::quiet_NaN()),
                                       Value(std::numeric_limits<std::int64_t>::max()),
                                       Value(9223372036854775808.0)};
  return list;
}

const std::vector<std::string>& code_points() {
  static const std::vector<std::string> list{"a", "b", "\u00E9", "\u20AC", "\U0001D11E", "z"};
  return list;
}

// What World's `remove` may remove.
constexpr Type removable[] = {Type::map,
                              Type::map,
                              Type::list,
                              Type::set,
                              Type::remove_wins_set,
                              Type::reg,
                              Type::multi_register,
                              Type::max_register,
                              Type::counter,
                              Type::enable_flag,
                              Type::disable_flag,
                              Type::text,
                              Type::bounded_counter,
                              Type::log,
                              Type::tree};

// Two for each of them.
constexpr unsigned leaf_names = 2 * std::size(removable);

// "x" or "y"; a map's are "a" or "b".
const char* leaf_name(unsigned n) { return n % 2 == 0 ? "x" : "y"; }

bool is_container(Type type) {
  return type == Type::map || type == Type::list || type == Type::log || type == Type::text ||
         type == Type::set || type == Type::remove_wins_set || type == Type::bounded_counter ||
         type == Type::tree;
}

bool is_subset(const std::set<std::size_t>& part, const std::set<std::size_t>& whole) {
  return std::includes(whole.begin(), whole.end(), part.begin(), part.end());
}

void merge(std::set<std::size_t>& into, const std::set<std::size_t>& from) {
  into.insert(from.begin(), from.end());
}

// Every kind of write: how often it is chosen, and which type it is about; none: any.
struct WriteKind {
  Write::Kind kind;
  const char* name;
  std::size_t weight;
  const char* type;
};
constexpr WriteKind write_kinds[] = {
    {Write::Kind::set_register, "set_register", 6, "register"},
    {Write::Kind::clear_register, "clear_register", 2, "register"},
    {Write::Kind::add_to_counter, "add_to_counter", 5, "counter"},
    {Write::Kind::reset_counter, "reset_counter", 3, "counter"},
    {Write::Kind::create_bounded, "create_bounded", 1, "bounded_counter"},
    {Write::Kind::increment_bounded, "increment_bounded", 4, "bounded_counter"},
    {Write::Kind::decrement_bounded, "decrement_bounded", 8, "bounded_counter"},
    {Write::Kind::transfer_rights, "transfer_rights", 6, "bounded_counter"},
    {Write::Kind::ask_for_rights, "ask_for_rights", 4, "bounded_counter"},
    {Write::Kind::answer_requests, "answer_requests", 4, "bounded_counter"},
    {Write::Kind::set_flag, "set_flag", 4, "flag"},
    {Write::Kind::add_to_set, "add_to_set", 6, "set"},
    {Write::Kind::remove_from_set, "remove_from_set", 6, "set"},
    {Write::Kind::insert, "insert", 7, "list"},
    {Write::Kind::insert_map, "insert_map", 4, "list"},
    {Write::Kind::move_element, "move_element", 7, "list"},
    {Write::Kind::remove_elements, "remove_elements", 4, "list"},
    {Write::Kind::insert_text, "insert_text", 7, "text"},
    {Write::Kind::remove_text, "remove_text", 4, "text"},
    {Write::Kind::mark_text, "mark_text", 6, "text"},
    {Write::Kind::unmark_text, "unmark_text", 3, "text"},
    {Write::Kind::create_node, "create_node", 6, "tree"},
    {Write::Kind::move_node, "move_node", 8, "tree"},
    {Write::Kind::remove_node, "remove_node", 3, "tree"},
    {Write::Kind::set_property, "set_property", 2, "tree"},
    {Write::Kind::append, "append", 7, "log"},
    {Write::Kind::create_map, "create_map", 2, nullptr},
    {Write::Kind::remove, "remove", 5, nullptr},
    {Write::Kind::clear_map, "clear_map", 3, nullptr},
    {Write::Kind::rollback, "rollback", 2, nullptr},
};
static_assert(std::size(write_kinds) == static_cast<std::size_t>(Write::Kind::count));

const char* name_of(Write::Kind kind) {
  const auto at = std::find_if(std::begin(write_kinds), std::end(write_kinds),
                               [&](const WriteKind& w) { return w.kind == kind; });
  return at->name;
}

const char* name_of(Action::Kind kind) {
  static constexpr const char* names[] = {
      "commit",         "abort",    "apply_ready",   "apply_any", "join_delta",
      "join_old_delta", "join_all", "checkpoint",    "restart",   "prune",
      "become",         "compare",  "join_compared", "lose_disk", "retire"};
  static_assert(std::size(names) == static_cast<std::size_t>(Action::Kind::count));
  return names[static_cast<std::size_t>(kind)];
}

template <class T>
std::string joined(const std::vector<T>& parts) {
  std::string text;
  for (const T& part : parts) text += part.to_string() + " ";
  return text;
}

// Every index, as a cursor and back, through bytes.
template <class View>
void see_cursors(const View& view) {
  for (std::size_t i = 0; i <= view.size(); ++i) {
    for (const Sticks sticks : {Sticks::left, Sticks::right}) {
      const Result<Cursor> decoded = Cursor::decode(view.cursor(i, sticks)->encoded());
      require(decoded.ok() && *decoded == *view.cursor(i, sticks), "a cursor comes through bytes");
      require(*view.index_of(*decoded) == i, "a cursor is at the index at which it was made");
    }
  }
  require(!view.cursor(view.size() + 1, Sticks::left).ok(), "no cursor is beyond the end");
}

// Which code point has which marks.
std::string see_marks(const TextView& view) {
  std::string text;
  std::size_t end = 0;
  const std::vector<TextSpan> spans = view.spans();
  for (std::size_t i = 0; i < spans.size(); ++i) {
    const TextSpan& span = spans[i];
    require(span.begin == end && span.begin < span.end, "spans follow each other");
    require(i == 0 || spans[i - 1].marks != span.marks, "spans beside each other differ");
    for (end = span.begin; end < span.end; ++end) {
      for (const TextMark& mark : span.marks) {
        text += " " + std::to_string(end) + ":" + mark.name + "=" + mark.value.to_string();
      }
    }
  }
  require(end == view.size(), "the spans are the whole text");
  return text;
}

void see(const MapView& map, const Path& path, std::map<std::string, std::string>& lines) {
  for (const Child& child : map.children()) {
    const Path at = path.child(child.type, child.name);
    std::string& text = lines[at.to_string()];
    switch (child.type) {
      case Type::map:
        text = "map";
        see(map.map(child.name), at, lines);
        break;
      case Type::list: {
        const ListView list = map.list(child.name);
        const std::vector<Value> all = list.values();
        require(
            list.size() == all.size() && !list.at(all.size()).ok() && !list.map(all.size()).ok(),
            "a list's size is the number of its values");
        for (std::size_t i = 0; i < all.size(); ++i) {
          require(*list.at(i) == all[i], "a list's values are those at its indexes");
          const Result<MapView> element = list.map(i);
          text += (element.ok() ? element->path().to_string() : all[i].to_string()) + " ";
          if (!element.ok()) continue;
          require(all[i].is_null() && element->exists(),
                  "a map in a list is null among its values");
          lines[element->path().to_string()] = "map";
          see(*element, element->path(), lines);
        }
        see_cursors(list);
        break;
      }
      case Type::log: {
        const LogView log = map.log(child.name);
        const std::vector<Value> all = log.values();
        text = joined(all);
        const std::vector<LogEntry> entries = log.entries();
        require(log.size() == all.size() && entries.size() == all.size() &&
                    !log.at(all.size()).ok() && !log.entries(all.size(), 1).ok(),
                "a log's size is the number of its entries");
        for (std::size_t i = 0; i < all.size(); ++i) {
          require(entries[i].value == all[i] && *log.at(i) == entries[i],
                  "a log's entries are those at its indexes");
        }
        require(log.entries_since(Clock()) == entries, "nothing is known to an empty clock");
        break;
      }
      case Type::text: {
        const TextView view = map.text(child.name);
        text = view.to_string();
        const auto units = [&](auto width) {
          std::size_t sum = 0;
          for (const char c : text) sum += width(static_cast<unsigned char>(c));
          return sum;
        };
        require(view.size() == units([](unsigned char c) { return (c & 0xC0) != 0x80 ? 1u : 0u; }),
                "a text's size is the number of its code points");
        require(view.utf8_size() == text.size(), "a text's UTF-8 size is that of its string");
        require(view.utf16_size() == units([](unsigned char c) {
                  return (c & 0xC0) == 0x80 ? 0u : c >= 0xF0 ? 2u : 1u;
                }),
                "a text's UTF-16 size is the number of its 16-bit units");
        std::string pieces;
        for (std::size_t i = 0; i < view.size(); ++i) pieces += *view.slice(i, 1);
        require(pieces == text && !view.slice(view.size(), 1).ok(),
                "a text's slices are what it consists of");
        see_cursors(view);
        text += see_marks(view);
        break;
      }
      case Type::set:
      case Type::remove_wins_set: {
        const SetView set = map.set(child.name, child.type);
        text = joined(set.elements());
        require(set.size() == set.elements().size(), "a set's size is the number of its elements");
        break;
      }
      case Type::reg:
      case Type::multi_register:
      case Type::max_register:
      case Type::min_register: {
        const RegisterView reg = map.reg(child.name, child.type);
        text = reg.get()->to_string() + " of";
        for (const Sibling& s : reg.siblings()) {
          text += " " + s.value.to_string() + "@" + s.time.to_string() + "/" +
                  s.dot.replica.short_name();
        }
        break;
      }
      case Type::counter:
        text = std::to_string(map.counter(child.name).value());
        break;
      case Type::bounded_counter: {
        const BoundedCounterView counter = map.bounded_counter(child.name);
        require(counter.value() >= counter.bound(), "a bounded counter is below its bound");
        text = std::to_string(counter.value()) + " from " + std::to_string(counter.bound());
        std::map<ReplicaId, std::int64_t> by_id;
        std::int64_t last = std::numeric_limits<std::int64_t>::max();
        for (const RightsHolder& holder : counter.holders()) {
          require(holder.rights > 0 && holder.rights <= last &&
                      holder.rights == counter.rights(holder.replica),
                  "holders come by what they hold");
          last = by_id[holder.replica] = holder.rights;
        }
        for (const auto& [id, rights] : by_id) {
          text += " " + id.short_name() + ":" + std::to_string(rights);
        }
        for (const RightsRequest& r : counter.all_requests()) {
          text += " " + r.asker.short_name() + "?" + r.asked.short_name() + ":" +
                  std::to_string(r.amount) + "@" + r.time.to_string();
        }
        break;
      }
      case Type::enable_flag:
      case Type::disable_flag:
        text = map.flag(child.name, child.type).get() ? "on" : "off";
        break;
      case Type::tree: {
        const TreeView tree = map.tree(child.name);
        const std::vector<TreeItem> items = tree.items();
        std::map<std::string, std::string> parents;
        std::map<std::string, std::vector<std::string>> children;
        for (const TreeItem& item : items) {
          require(item.parent.empty() || parents.contains(item.parent),
                  "a node comes before its parent");
          parents[item.name] = item.parent;
          children[item.parent].push_back(item.name);
          require(tree.parent(item.name) == item.parent && tree.contains(item.name),
                  "a node's parent is not the one it has in items()");
          if (tree.properties(item.name).exists()) {
            const Path properties = at.child(Type::map, item.name);
            lines[properties.to_string()] = "map";
            see(tree.properties(item.name), properties, lines);
          }
        }
        require(tree.size() == items.size() && parents.size() == items.size(),
                "a tree's size is not the number of its nodes");
        for (const auto& [name, below] : children) {
          require(tree.children(name) == below, "a node's children are not those in items()");
        }
        std::string& line = lines[at.to_string()];
        for (const auto& [name, parent] : parents) line += name + "<" + parent + " ";
        break;
      }
      case Type::element:
        require(false, "a map has an element for a child");
    }
  }
}

}  // namespace

void require(bool condition, const std::string& sentence) {
  if (!condition) RC_FAIL(sentence);
}

std::string to_text(const std::map<std::string, std::string>& lines) {
  std::string text;
  for (const auto& [path, line] : lines) text += "  " + path + " = " + line + "\n";
  return text;
}

std::ostream& operator<<(std::ostream& out, const Write& write) {
  return out << name_of(write.kind) << "(" << write.map << "," << write.name << "," << write.value
             << ")";
}

std::ostream& operator<<(std::ostream& out, const Action& action) {
  out << "\n  " << name_of(action.kind) << "(" << action.replica << "," << action.other << ","
      << action.choice << ")";
  const bool writes = action.kind == Action::Kind::commit || action.kind == Action::Kind::abort;
  for (std::size_t i = 0; writes && i < action.writes.size(); ++i) out << " " << action.writes[i];
  return out;
}

// ---- Generators ----

namespace {

// What one history is about. Each leaves most kinds out and stays with few places: the same writes
// meet far more often than if every history did everything everywhere (swarm testing: Groce et al.,
// ISSTA 2012).
struct Focus {
  std::vector<Write::Kind> writes;
  std::vector<Action::Kind> actions;
  unsigned maps;
  unsigned first_name;
  unsigned names;
};

template <class Kind>
std::vector<Kind> some_of(const std::vector<std::pair<std::size_t, Kind>>& weighted) {
  std::vector<Kind> chosen;
  for (const auto& [weight, kind] : weighted) {
    if (!*rc::gen::arbitrary<bool>()) continue;
    chosen.insert(chosen.end(), weight, kind);
  }
  if (chosen.empty()) {
    for (const auto& [weight, kind] : weighted) chosen.insert(chosen.end(), weight, kind);
  }
  return chosen;
}

using WeightedWrites = std::vector<std::pair<std::size_t, Write::Kind>>;

// The writes of one type, and those of any; null: all.
WeightedWrites writes_about(const char* type) {
  WeightedWrites writes;
  bool known = type == nullptr || std::string(type) == "map";
  for (const WriteKind& write : write_kinds) {
    const bool is_it =
        type == nullptr || (write.type != nullptr && std::string(write.type) == type);
    known |= is_it;
    if (is_it || write.type == nullptr) writes.push_back({write.weight, write.kind});
  }
  if (!known) throw std::invalid_argument("no history is about " + std::string(type));
  return writes;
}

// `writes`: of which kinds; empty for some of all.
rc::Gen<Focus> any_focus(const std::vector<Write::Kind>& writes) {
  using A = Action::Kind;
  return rc::gen::exec([writes] {
    Focus focus;
    focus.writes = !writes.empty()
                       ? writes
                       : some_of<Write::Kind>(writes_about(std::getenv("REJOIN_HISTORY_TYPE")));
    focus.actions = some_of<A>({{4, A::abort},
                                {20, A::apply_ready},
                                {6, A::apply_any},
                                {12, A::join_delta},
                                {8, A::join_old_delta},
                                {4, A::join_all},
                                {6, A::checkpoint},
                                {4, A::restart},
                                {8, A::prune},
                                {2, A::become},
                                {6, A::compare},
                                {6, A::join_compared},
                                {4, A::lose_disk}});
    // Nothing happens without writes, and little without exchange.
    focus.actions.insert(focus.actions.end(), 20, A::commit);
    focus.actions.insert(focus.actions.end(), 4, A::join_delta);
    focus.maps = *rc::gen::inRange(1u, 6u);
    focus.first_name = *rc::gen::inRange(0u, leaf_names);
    focus.names = *rc::gen::element(1u, 2u, 3u, 4u, 8u, leaf_names);
    return focus;
  });
}

rc::Gen<Focus> element_focus() {
  using A = Action::Kind;
  using W = Write::Kind;
  return rc::gen::exec([] {
    Focus focus;
    focus.writes = *rc::gen::elementOf(
        std::vector<std::vector<W>>{{W::insert, W::insert, W::remove_elements},
                                    {W::insert, W::insert, W::remove_elements, W::move_element},
                                    {W::insert_text, W::insert_text, W::remove_text},
                                    {W::insert_text, W::insert_text, W::remove_text, W::mark_text},
                                    {W::append}});
    focus.actions = some_of<A>({{8, A::apply_ready},
                                {2, A::join_all},
                                {4, A::checkpoint},
                                {2, A::restart},
                                {4, A::compare},
                                {4, A::join_compared}});
    focus.actions.insert(focus.actions.end(), 12, A::commit);
    focus.actions.insert(focus.actions.end(), 12, A::join_delta);
    focus.actions.insert(focus.actions.end(), 6, A::prune);
    focus.actions.insert(focus.actions.end(), 3, A::lose_disk);
    focus.maps = focus.names = 1;
    focus.first_name = 0;
    return focus;
  });
}

rc::Gen<Write> any_write(const Focus& focus) {
  return rc::gen::build<Write>(
      rc::gen::set(&Write::kind, rc::gen::elementOf(focus.writes)),
      rc::gen::set(&Write::map, rc::gen::inRange(0u, focus.maps)),
      rc::gen::set(&Write::name, rc::gen::map(rc::gen::inRange(0u, focus.names),
                                              [first = focus.first_name](unsigned n) {
                                                return (first + n) % leaf_names;
                                              })),
      rc::gen::set(&Write::value, rc::gen::inRange(0u, 16u)));
}

rc::Gen<Action> any_action(const Focus& focus) {
  return rc::gen::build<Action>(
      rc::gen::set(&Action::kind, rc::gen::elementOf(focus.actions)),
      rc::gen::set(&Action::replica, rc::gen::inRange(0u, 12u)),
      rc::gen::set(&Action::other, rc::gen::inRange(0u, 12u)),
      rc::gen::set(&Action::choice, rc::gen::inRange(0u, 64u)),
      rc::gen::set(&Action::writes, rc::gen::mapcat(rc::gen::inRange<std::size_t>(1, 5),
                                                    [write = any_write(focus)](std::size_t n) {
                                                      return rc::gen::container<std::vector<Write>>(
                                                          n, write);
                                                    })));
}

rc::Gen<std::vector<Action>> actions_about(const rc::Gen<Focus>& any) {
  return rc::gen::mapcat(any, [](const Focus& focus) {
    return rc::gen::container<std::vector<Action>>(any_action(focus));
  });
}

}  // namespace

const std::vector<std::string>& history_types() {
  static const std::vector<std::string> types = [] {
    std::vector<std::string> names{"map"};
    for (const WriteKind& write : write_kinds) {
      if (write.type != nullptr && write.type != names.back()) names.emplace_back(write.type);
    }
    return names;
  }();
  return types;
}

std::vector<Write::Kind> writes_of(const std::string& type) {
  std::vector<Write::Kind> writes;
  for (const auto& [weight, kind] : writes_about(type.c_str())) {
    writes.insert(writes.end(), weight, kind);
  }
  return writes;
}

rc::Gen<std::vector<Action>> any_actions() { return any_actions({}); }

rc::Gen<std::vector<Action>> any_actions(const std::vector<Write::Kind>& writes) {
  return actions_about(any_focus(writes));
}

rc::Gen<std::vector<Action>> any_actions_that_retire() {
  return actions_about(rc::gen::map(any_focus({}), [](Focus focus) {
    using A = Action::Kind;
    const auto part = std::max<std::size_t>(focus.actions.size() / 8, 1);
    for (const A kind : {A::retire, A::retire, A::become, A::join_delta, A::apply_ready}) {
      focus.actions.insert(focus.actions.end(), part, kind);
    }
    return focus;
  }));
}

rc::Gen<std::vector<Action>> any_actions_on_elements() { return actions_about(element_focus()); }

// ---- Documents ----

std::map<std::string, std::string> visible(const Document& document) {
  std::map<std::string, std::string> lines;
  see(document.root(), Path(), lines);
  for (const auto& [path, text] : lines) {
    require(document.exists(*Path::parse(path)), "exists() denies " + path);
  }
  return lines;
}

Document copy_of(const Document& document, ReplicaId self) {
  Document copy(self);
  const Result<Applied> joined = copy.join(document);
  require(joined.ok(), "joining a whole state into an empty document");
  return copy;
}

Snapshot snapshot(const Document& document) {
  return {document.canonical_state(), document.hash(), document.clock_with_retired(),
          document.cell_count()};
}

// ---- World ----

World::World(unsigned replicas, Disks disks) : disks_(disks) {
  for (unsigned i = 0; i < replicas; ++i) {
    const ReplicaId id = new_id();
    peers_.push_back(std::make_unique<Peer>(id, history_));
    peers_.back()->model.self = id;
    peers_.back()->document.track_changes(true);
  }
}

// Later ids are neither greater nor less than earlier ones.
ReplicaId World::new_id() {
  ++ids_;
  return ReplicaId::from_words((ids_ * 0x9E3779B97F4A7C15ull) & 0xFFFFFFFF00000000ull, ids_);
}

Clock World::clock_of(const std::set<std::size_t>& known) const {
  Clock clock;
  for (const std::size_t e : known) clock.advance(events_[e]->id());
  return clock;
}

void World::check(const Peer& peer) {
  const Document& document = peer.document;
  const Status invariants = document.check_invariants();
  require(invariants.ok(), invariants.ok() ? "" : "broken: " + invariants.error().to_string());
  const auto expected = peer.model.lines();
  const auto actual = visible(document);
  require(actual == expected,
          "the document shows\n" + to_text(actual) + "instead of\n" + to_text(expected));
  require(document.clock_with_retired() == clock_of(peer.model.known),
          "the clock is not that of the known events: " + document.clock().to_string());
  check_cursors(peer);

  const Snapshot now = snapshot(document);
  const auto [same_clock, new_clock] = by_clock_.try_emplace(now.clock.encoded(), now);
  require(new_clock || same_clock->second == now,
          "two states with the clock " + now.clock.to_string());
  const auto [same_state, new_state] = hash_of_state_.try_emplace(now.canonical, now.hash);
  require(new_state || same_state->second == now.hash, "one state has two hashes");
  const auto [same_hash, new_hash] = state_of_hash_.try_emplace(now.hash, now.canonical);
  require(new_hash || same_hash->second == now.canonical, "two states have one hash");
  const std::string json = to_json(document)->dump();
  const auto [same_json, new_json] = json_of_state_.try_emplace(now.canonical, json);
  require(new_json || same_json->second == json, "one state has two exports");
}

void World::perform(const Action& action) {
  Peer& one = peer(action.replica);
  const std::size_t at = action.replica % peers_.size();
  Peer& other = *peers_[(at + 1 + action.other % (peers_.size() - 1)) % peers_.size()];
  RC_LOG() << name_of(action.kind) << " at " << at << " (" << one.model.self.short_name()
           << "), other " << (&other == &one ? "itself" : other.model.self.short_name())
           << std::endl;
  const auto before = one.model.lines();
  one.document.take_changes();
  switch (action.kind) {
    case Action::Kind::commit:
      commit(one, action);
      break;
    case Action::Kind::abort:
      abort(one, action);
      break;
    case Action::Kind::apply_ready: {
      std::vector<std::size_t> ready;
      for (std::size_t e = 0; e < events_.size(); ++e) {
        if (!one.model.known.contains(e) && is_subset(history_[e].seen, one.model.known) &&
            may_hear(one, e)) {
          ready.push_back(e);
        }
      }
      if (!ready.empty()) apply(one, pick(ready, action.choice));
      break;
    }
    case Action::Kind::apply_any:
      if (!events_.empty() && may_hear(one, action.choice % events_.size())) {
        apply(one, action.choice % events_.size());
      }
      break;
    case Action::Kind::join_delta:
      join_delta(one, other, report_of(one));
      break;
    case Action::Kind::join_old_delta: {
      Report base;  // the whole state, as if nothing were known
      if (action.choice % 4 != 0) base = report_of(peer(action.choice / 4));
      if (action.choice % 4 == 1) {
        base = {peer(action.choice / 4).document.clock_with_retired(), {}};
        base.clock.meet(one.document.clock_with_retired());
      }
      join_delta(one, other, base);
      break;
    }
    case Action::Kind::join_all:
      join_all(one, other);
      break;
    case Action::Kind::checkpoint:
      save(one);
      break;
    case Action::Kind::restart:
      // Without a store a new member begins, and is one only when it has caught up.
      if (one.header.empty()) {
        const ReplicaId id = new_id();
        one.document = Document(id);
        one.model.self = id;
        one.model.known.clear();
        if (disks_ == Disks::lost_and_made_up_for) begin_anew(one);
        join_all(one, other);
      } else {
        restart(one);
      }
      one.document.track_changes(true);
      break;
    case Action::Kind::prune:
      prune(one, action.choice);
      break;
    case Action::Kind::become:
      become(one);
      break;
    case Action::Kind::compare:
      compare(one, action.other, action.choice);
      break;
    case Action::Kind::join_compared:
      join_compared(one);
      break;
    case Action::Kind::lose_disk:
      if (disks_ == Disks::fall_back) {
        fall_back(one);
      } else if (disks_ != Disks::safe) {
        lose_disk(one, action.choice);
      }
      break;
    case Action::Kind::retire:
      retire(one, action.choice);
      break;
    case Action::Kind::count:
      break;
  }
  check(one);

  if (action.kind == Action::Kind::restart || action.kind == Action::Kind::lose_disk) return;
  // Whoever watches a path hears of every change.
  const std::vector<Path> changes = one.document.take_changes();
  std::map<std::string, std::string> after = one.model.lines();
  std::set<std::string> different;
  for (const auto& [path, text] : before) {
    if (!after.contains(path) || after[path] != text) different.insert(path);
  }
  for (const auto& [path, text] : after) {
    if (!before.contains(path)) different.insert(path);
  }
  for (const std::string& text : different) {
    const Path path = *Path::parse(text);
    const bool told = std::any_of(changes.begin(), changes.end(), [&](const Path& c) {
      return path.starts_with(c) || c.starts_with(path);
    });
    require(told, "nobody was told of the change of " + text);
  }
}

// ---- Writing ----

void World::begin(Peer& peer, const Action& action) {
  // Few different times, so that writers' clocks are skewed and often agree.
  const HybridTime wish = HybridTime::from_millis(action.choice % 8);
  peer.last_time = std::max(HybridTime{peer.last_time.value + 1}, wish);
  peer.model.time = peer.last_time;
  peer.model.pending.clear();
}

void World::write(Transaction& transaction, Peer& peer, const std::vector<Write>& writes) {
  std::vector<std::pair<std::size_t, std::size_t>> marks;
  for (const Write& w : writes) {
    if (w.kind == Write::Kind::rollback) {
      if (marks.empty()) continue;
      const std::size_t to = w.value % marks.size();
      const auto [mark, pending] = marks[to];
      marks.resize(to);
      transaction.rollback_to(mark);
      peer.model.pending.resize(pending);
      RC_LOG() << "  rollback to " << mark << std::endl;
    } else {
      marks.push_back({transaction.savepoint(), peer.model.pending.size()});
      write_one(transaction, peer, w);
    }
  }
  const auto expected = peer.model.lines();
  const auto actual = visible(peer.document);
  require(actual == expected, "inside the transaction the document shows\n" + to_text(actual) +
                                  "instead of\n" + to_text(expected));
}

void World::write_one(Transaction& transaction, Peer& peer, const Write& w) {
  static constexpr Type registers[] = {Type::reg, Type::multi_register, Type::max_register,
                                       Type::min_register};
  specification::Replica& model = peer.model;
  const std::vector<Path> in_lists = model.maps_in_lists();
  // Now and then in an element of a list.
  const bool goes_in = !in_lists.empty() && w.name % 3 == 1;
  const Path at = goes_in ? pick(in_lists, w.map + w.value) : pick(maps(), w.map);
  MapRef map = transaction.root().at(at);
  const std::string name = leaf_name(w.name);
  const unsigned kind = w.name / 2;
  const Value& value = pick(values(), w.value);
  Status status;
  Path path;
  switch (w.kind) {
    case Write::Kind::set_register:
    case Write::Kind::clear_register: {
      const Type type = registers[kind % 4];
      path = at.child(type, name);
      if (w.kind == Write::Kind::clear_register) {
        status = map.reg(name, type).clear();
        model.clear_register(path);
      } else {
        status = map.reg(name, type).set(value);
        model.set_register(path, value);
      }
      break;
    }
    case Write::Kind::add_to_counter: {
      path = at.child(Type::counter, name);
      const std::int64_t amount = static_cast<std::int64_t>(w.value) - 4;
      if (kind % 3 == 0) {
        CounterHandle handle(path);
        status = transaction.counter(handle).add(amount);
      } else {
        status = map.counter(name).add(amount);
      }
      model.add_to_counter(path, amount);
      break;
    }
    case Write::Kind::reset_counter:
      path = at.child(Type::counter, name);
      status = map.counter(name).reset();
      model.reset_counter(path);
      break;
    case Write::Kind::create_bounded:
    case Write::Kind::increment_bounded:
    case Write::Kind::decrement_bounded:
    case Write::Kind::transfer_rights:
    case Write::Kind::ask_for_rights:
    case Write::Kind::answer_requests:
      path = at.child(Type::bounded_counter, name);
      write_bounded(map.bounded_counter(name), path, peer, w);
      break;
    case Write::Kind::set_flag: {
      const Type type = kind % 2 == 0 ? Type::enable_flag : Type::disable_flag;
      path = at.child(type, name);
      status = map.flag(name, type).set(w.value % 2 == 0);
      model.set_flag(path, w.value % 2 == 0);
      break;
    }
    case Write::Kind::add_to_set:
    case Write::Kind::remove_from_set: {
      const Type type = kind % 2 == 0 ? Type::set : Type::remove_wins_set;
      // A removal that was forgotten no longer wins over an addition that comes after all.
      if (type == Type::remove_wins_set && !clock_of(model.known).includes(pruned_)) return;
      path = at.child(type, name);
      const Value& element = values()[w.value % 3];
      if (w.kind == Write::Kind::add_to_set) {
        status = map.set(name, type).add(element);
        model.add_to_set(path, element);
      } else {
        status = map.set(name, type).remove(element);
        model.remove_from_set(path, element);
      }
      require(map.set(name, type).contains(element) == model.contains(path, element),
              "contains() disagrees about " + path.to_string());
      break;
    }
    case Write::Kind::insert: {
      path = at.child(Type::list, name);
      const std::size_t index = kind % (model.list(path).size() + 1);
      std::vector<Value> run(1 + w.value % 3, value);
      for (std::size_t i = 1; i < run.size(); ++i) run[i] = pick(values(), w.value + 5);
      status = run.size() == 1 ? map.list(name).insert(index, run[0])
                               : map.list(name).insert(index, run);
      model.insert(path, index, run);
      break;
    }
    case Write::Kind::insert_map: {
      path = at.child(Type::list, name);
      const std::size_t index = kind % (model.list(path).size() + 1);
      const Result<MapRef> element = map.list(name).insert_map(index);
      if (!element.ok()) {
        status = element.error();
        break;
      }
      model.insert_map(path, index, element->path().steps().back().key);
      break;
    }
    case Write::Kind::move_element: {
      path = at.child(Type::list, name);
      const std::size_t size = model.list(path).size();
      if (size == 0) return;
      const std::size_t from = w.value % size;
      const std::size_t to = (w.value / 4 + kind) % size;
      status = map.list(name).move(from, to);
      model.move(path, from, to);
      break;
    }
    case Write::Kind::remove_elements: {
      path = at.child(Type::list, name);
      const std::size_t size = model.list(path).size();
      if (size == 0) return;
      const std::size_t index = kind % size;
      const std::size_t count = 1 + w.value % (size - index);
      status = map.list(name).remove(index, count);
      model.remove_elements(path, index, count);
      break;
    }
    case Write::Kind::insert_text: {
      path = at.child(Type::text, name);
      const std::size_t index = kind % (model.list(path).size() + 1);
      std::vector<Value> run;
      std::string text;
      for (unsigned i = 0; i <= w.value % 3; ++i) {
        run.emplace_back(pick(code_points(), w.value + 5 * i));
        text += pick(code_points(), w.value + 5 * i);
      }
      status = map.text(name).insert(index, text);
      model.insert(path, index, run);
      break;
    }
    case Write::Kind::remove_text: {
      path = at.child(Type::text, name);
      const std::size_t size = model.list(path).size();
      if (size == 0) return;
      const std::size_t index = kind % size;
      const std::size_t count = 1 + w.value % (size - index);
      status = map.text(name).remove(index, count);
      model.remove_elements(path, index, count);
      break;
    }
    case Write::Kind::mark_text:
    case Write::Kind::unmark_text: {
      path = at.child(Type::text, name);
      const std::size_t size = model.list(path).size();
      if (size == 0) return;
      const std::size_t begin = kind % size;
      const std::size_t end = begin + 1 + w.value % (size - begin);
      const std::string mark = w.value % 5 == 0 ? "link" : "bold";
      const auto grow = static_cast<Grow>(w.value / 4 % 4);
      const bool at_begin = grow == Grow::at_begin || grow == Grow::at_both;
      const bool at_end = grow == Grow::at_end || grow == Grow::at_both;
      if (w.kind == Write::Kind::mark_text) {
        status = map.text(name).mark(begin, end, mark, Value(static_cast<int>(kind % 3)), grow);
        model.mark(path, begin, end, mark, Value(static_cast<int>(kind % 3)), at_begin, at_end);
      } else {
        status = map.text(name).unmark(begin, end, mark, grow);
        model.mark(path, begin, end, mark, std::nullopt, at_begin, at_end);
      }
      break;
    }
    case Write::Kind::create_node:
    case Write::Kind::move_node:
    case Write::Kind::remove_node:
    case Write::Kind::set_property:
      path = at.child(Type::tree, name);
      status = write_tree(map.tree(name), path, peer, w);
      break;
    case Write::Kind::append: {
      path = at.child(Type::log, name);
      std::vector<Value> run(1 + w.value % 3, value);
      for (std::size_t i = 1; i < run.size(); ++i) run[i] = pick(values(), w.value + 5);
      status = run.size() == 1 ? map.log(name).append(run[0]) : map.log(name).append(run);
      model.append(path, run);
      break;
    }
    case Write::Kind::create_map:
      if (at.is_root()) return;
      path = at;
      status = map.create();
      model.create_map(path);
      break;
    case Write::Kind::remove: {
      const Type type = removable[kind % std::size(removable)];
      const std::string child = type == Type::map ? (w.name % 2 == 0 ? "a" : "b") : name;
      path = at.child(type, child);
      status = map.remove(child, type);
      model.remove(path);
      break;
    }
    case Write::Kind::clear_map:
      path = at;
      status = map.clear();
      model.clear_map(path);
      break;
    case Write::Kind::rollback:
    case Write::Kind::count:
      break;
  }
  RC_LOG() << "  " << name_of(w.kind) << " " << path.to_string() << " " << w.value << std::endl;
  require(status.ok(), status.ok() ? "" : "a write failed: " + status.error().to_string());
}

void World::write_bounded(BoundedCounterRef counter, const Path& path, Peer& peer, const Write& w) {
  specification::Replica& model = peer.model;
  const auto amount = static_cast<std::int64_t>(w.value % 6);
  Status status;
  bool allowed = true;
  ErrorCode refusal = ErrorCode::out_of_range;
  switch (w.kind) {
    case Write::Kind::create_bounded: {
      const std::int64_t bound = w.value % 3 == 0 ? -5 : 0;
      status = counter.create(bound);
      allowed = model.create_bounded(path, bound);
      refusal = ErrorCode::invalid_argument;
      break;
    }
    case Write::Kind::increment_bounded:
      status = counter.increment(amount);
      model.increment(path, amount);
      break;
    case Write::Kind::decrement_bounded:
      status = counter.decrement(amount);
      allowed = model.decrement(path, amount);
      break;
    case Write::Kind::transfer_rights: {
      const ReplicaId to = this->peer(w.value / 6 + w.name).model.self;
      status = counter.transfer(amount, to);
      allowed = model.transfer(path, amount, to);
      if (to == model.self) refusal = ErrorCode::invalid_argument;
      break;
    }
    case Write::Kind::ask_for_rights:
      if (w.value % 7 == 6) {
        status = counter.withdraw();
        model.withdraw(path);
      } else if (w.value % 7 == 5) {
        const ReplicaId holder = this->peer(w.value / 7 + w.name).model.self;
        status = counter.ask(amount, holder);
        allowed = model.ask(path, amount, holder);
        refusal = ErrorCode::invalid_argument;
      } else {
        const Result<ReplicaId> asked = counter.ask(amount);
        if (!asked.ok()) status = asked.error();
        allowed = model.ask(path, amount);
        refusal = amount == 0 ? ErrorCode::invalid_argument : ErrorCode::not_found;
      }
      break;
    default: {
      const Result<std::int64_t> given = counter.answer(w.value % 3);
      if (!given.ok()) status = given.error();
      model.answer(path, w.value % 3);
    }
  }
  require(status.ok() == allowed, std::string(name_of(w.kind)) + " was " +
                                      (allowed ? "refused" : "allowed") + " at " +
                                      path.to_string());
  require(allowed || (status.error().code == refusal && status.error().where == path.to_string()),
          allowed ? "" : "a refusal says " + status.error().to_string());
}

// Whatever was cut off, removed or lost: nobody used or gave away more rights of a bounded counter
// than it ever received.
void World::check_rights(const std::vector<Operation>& operations) {
  for (const Operation& operation : operations) {
    if (operation.kind != Operation::Kind::increment) continue;
    if (operation.path.parent().type() != Type::bounded_counter) continue;
    rights_[operation.path] += operation.amount;
  }
  for (const auto& [path, sum] : rights_) {
    require(sum >= 0, "more rights were used than there were at " + path.to_string());
  }
}

Status World::write_tree(TreeRef tree, const Path& path, Peer& peer, const Write& w) {
  static const std::vector<std::string> names{"n", "o", "p", "q"};
  specification::Replica& model = peer.model;
  const std::string& name = pick(names, w.value);
  const std::string parent = w.value / 4 == 0 ? std::string() : names[w.value / 4];
  const std::map<std::string, std::string> now = model.tree(path);
  if (w.kind == Write::Kind::set_property) {
    const Value& value = pick(values(), w.value);
    model.set_register(path.child(Type::map, name).child(Type::reg, "x"), value);
    return tree.properties(name).reg("x").set(value);
  }
  if (w.kind == Write::Kind::remove_node) {
    const Status status = tree.remove(name);
    require(status.ok() == now.contains(name), "a node is removed that is not there, or kept");
    if (status.ok()) model.remove_node(path, name);
    return {};
  }
  std::vector<std::string> siblings = tree.children(parent);
  std::erase(siblings, name);
  const std::size_t index = w.name / 2 % (siblings.size() + 1);
  const bool moves = w.kind == Write::Kind::move_node;
  const bool may = now.contains(name) == moves && (parent.empty() || now.contains(parent)) &&
                   !(moves && !parent.empty() && model.is_within(now, parent, name));
  const Status status = moves ? tree.move(name, parent, index) : tree.create(name, parent, index);
  require(status.ok() == may, status.ok() ? "a node is put where it may not be: " + name
                                          : "a node is not put: " + status.error().to_string());
  if (!may) return {};
  siblings.insert(siblings.begin() + static_cast<std::ptrdiff_t>(index), name);
  const std::vector<std::string> now_there = tree.children(parent);
  const auto in_words = [](const std::vector<std::string>& all) {
    std::string text;
    for (const std::string& one : all) text += " " + one;
    return text;
  };
  require(now_there == siblings, name + " was put among its siblings as" + in_words(now_there) +
                                     " and not as" + in_words(siblings));
  model.place_node(path, name, parent);
  return {};
}

void World::commit(Peer& peer, const Action& action) {
  begin(peer, action);
  Transaction transaction = peer.document.begin({peer.last_time, "author", ""});
  write(transaction, peer, action.writes);
  const EventPtr event = transaction.commit();
  require((event == nullptr) == peer.model.pending.empty(),
          "a transaction gives an event exactly when it wrote something");
  if (event == nullptr) return;
  const Result<EventPtr> decoded = Event::decode(event->encoded());
  require(decoded.ok(), "a committed event does not decode");
  events_.push_back(*decoded);
  specification::Event e{peer.model.self, peer.last_time, std::move(peer.model.pending),
                         peer.model.known};
  peer.model.pending.clear();
  check_rights(e.operations);
  history_.push_back(std::move(e));
  peer.model.known.insert(events_.size() - 1);
  peer.events.insert(events_.size() - 1);
  hold_cursors(peer, action.choice);
}

void World::hold_cursors(const Peer& peer, unsigned choice) {
  constexpr std::size_t held_max = 6;
  for (const Operation& operation : history_.back().operations) {
    const Path& path = operation.path;
    if (operation.kind != Operation::Kind::insert || path.type() == Type::log) continue;
    const std::vector<specification::ElementName> live = peer.model.list(path);
    if (live.empty()) continue;
    const MapView map = peer.document.root().at(path.parent());
    const std::string_view name = path.steps().back().key.as_string();
    const std::size_t at = choice % live.size();
    const bool left = choice / 4 % 2 == 0;
    const auto made = [&](const auto& view) {
      return *view.cursor(left ? at + 1 : at, left ? Sticks::left : Sticks::right);
    };
    const Cursor cursor = path.type() == Type::text ? made(map.text(name)) : made(map.list(name));
    if (held_.size() == held_max) held_.erase(held_.begin());
    held_.push_back({path, cursor, live[at]});
    return;
  }
}

void World::check_cursors(const Peer& peer) {
  for (const Held& held : held_) {
    const MapView map = peer.document.root().at(held.path.parent());
    const std::string_view name = held.path.steps().back().key.as_string();
    const Result<std::size_t> found = held.path.type() == Type::text
                                          ? map.text(name).index_of(held.cursor)
                                          : map.list(name).index_of(held.cursor);
    const bool left = held.cursor.sticks == Sticks::left;
    const auto expected = peer.model.index_of(held.path, held.element, left);
    if (found.ok()) {
      require(expected == *found, "a cursor of " + held.path.to_string() + " is at " +
                                      std::to_string(*found) + " and not at " +
                                      std::to_string(expected.value_or(0)));
      continue;
    }
    require(found.error().code == ErrorCode::not_found, found.error().to_string());
    const std::vector<specification::ElementName> live = peer.model.list(held.path);
    require(std::find(live.begin(), live.end(), held.element) == live.end(),
            "a cursor is not found though its element is there");
  }
}

void World::abort(Peer& peer, const Action& action) {
  begin(peer, action);
  const Snapshot before = snapshot(peer.document);
  const std::string delta = peer.document.delta_since(Clock()).encoded();
  {
    Transaction transaction = peer.document.begin({peer.last_time, "author", ""});
    write(transaction, peer, action.writes);
    if (action.choice % 3 == 0) transaction.abort();
    if (action.choice % 3 == 1) {
      transaction.rollback_to(0);
      require(transaction.size() == 0, "writes are left after a rollback to the beginning");
      require(transaction.commit() == nullptr, "a transaction rolled back gives an event");
    }
  }
  peer.model.pending.clear();
  require(snapshot(peer.document) == before, "an aborted transaction left something");
  require(peer.document.delta_since(Clock()).encoded() == delta,
          "an aborted transaction changed what others are sent");
}

// ---- Exchanging ----

void World::apply(Peer& peer, std::size_t e) {
  const Snapshot before = snapshot(peer.document);
  const bool known = peer.model.known.contains(e);
  const bool ready = is_subset(history_[e].seen, peer.model.known);
  const Applied expected = known ? Applied::duplicate : ready ? Applied::applied : Applied::missing;
  RC_LOG() << "  event " << events_[e]->id().to_string() << std::endl;
  const Result<Applied> applied = peer.document.apply(*events_[e]);
  require(applied.ok(), applied.ok() ? "" : "an event was refused: " + applied.error().to_string());
  require(*applied == expected, "an event was taken for what it is not");
  if (expected == Applied::applied) {
    peer.model.known.insert(e);
    peer.events.insert(e);
  } else {
    require(snapshot(peer.document) == before, "an event that was not applied left something");
  }
}

World::Report World::report_of(const Peer& peer) {
  return {peer.document.clock(), peer.document.retired_hash()};
}

void World::join_delta(Peer& peer, const Peer& from, const Report& report) {
  const Snapshot before = snapshot(peer.document);
  const auto reader = from.document.seen_there(report.clock, report.retired);
  require(reader || retires_, "nothing is retired, and a clock cannot be told");
  const bool told = reader && !reader->lacks_retired;
  const Delta delta = told ? from.document.delta_since(reader->clock) : from.document.whole();
  Clock base = told ? reader->clock : Clock();
  base.meet(from.document.clock());
  // Or it has a subtree's removal that cannot be told alone.
  if (!told || !base.includes(from.pruned) || !from.document.tells_since(reader->clock)) {
    require(delta.base.empty() || delta.base == base, "a delta's base is wrong");
    base = delta.base;
    if (delta.scope == Delta::Scope::whole) peer.pruned.join(from.pruned);
  }
  if (delta.scope == Delta::Scope::whole && told && retires_) base = Clock();
  require(delta.base == base && delta.clock == from.document.clock(), "a delta's clocks are wrong");
  if (delta.scope == Delta::Scope::since) base.join(from.document.retired());
  if (base.empty()) backlog_.push_back({delta, from.model.known, from.pruned});

  // It names no cell that no event beyond the base touched.
  std::set<Path> touched;
  std::size_t removals = 0;
  for (const std::size_t e : from.model.known) {
    if (base.includes(events_[e]->id())) continue;
    for (const Operation& operation : history_[e].operations) {
      const bool is_removal =
          operation.kind == Operation::Kind::remove_subtree && is_container(operation.path.type());
      if (!is_removal) {
        touched.insert(operation.path);
        continue;
      }
      ++removals;
      for (const std::size_t seen : from.model.known) {
        for (const Operation& other : history_[seen].operations) {
          // Counters and lists below are named one by one.
          const bool is_part =
              other.kind == Operation::Kind::increment || other.kind == Operation::Kind::insert;
          if (is_part && operation.takes_away(other)) touched.insert(other.path);
        }
      }
    }
  }
  require(delta.cells <= touched.size() + removals,
          "a delta names " + std::to_string(delta.cells) + " cells where " +
              std::to_string(touched.size() + removals) + " were touched");
  const std::string encoded = delta.encoded();
  const std::size_t estimate = told ? from.document.delta_bytes_estimate(reader->clock)
                                    : from.document.whole_bytes_estimate();
  require(estimate + 96 + 24 * (base.size() + delta.clock.size()) >= encoded.size(),
          "the estimate of a delta's size is too low");

  const Result<Delta> decoded = Delta::decode(encoded);
  require(decoded.ok(), "a delta does not decode");
  const bool understood =
      !delta.retired.empty() || peer.document.seen_there(delta.clock, delta.retired_hash);
  const Result<Applied> joined = peer.document.join(*decoded);
  require(joined.ok(), joined.ok() ? "" : "a delta was refused: " + joined.error().to_string());
  const bool fits = before.clock.includes(base) && understood;
  const bool news = !before.clock.includes(from.document.clock_with_retired());
  if (fits && news) {
    require(*joined == Applied::applied, "a delta with news was not applied");
    merge(peer.model.known, from.model.known);
    peer.forgot |= from.forgot;
  } else {
    require(*joined == (news ? Applied::missing : Applied::duplicate) ||
                (!fits && *joined == Applied::missing) || (fits && !delta.retired.empty()),
            "a delta was taken for what it is not");
    require(snapshot(peer.document) == before, "a delta that was not joined left something");
  }
}

void World::join_all(Peer& peer, const Peer& from) {
  const bool news =
      !peer.document.clock_with_retired().includes(from.document.clock_with_retired());
  const Result<Applied> joined = peer.document.join(from.document);
  require(joined.ok(), joined.ok() ? "" : "a state was refused: " + joined.error().to_string());
  require((retires_ && !news) || *joined == (news ? Applied::applied : Applied::duplicate),
          "a whole state was taken for what it is not");
  merge(peer.model.known, from.model.known);
  peer.pruned.join(from.pruned);
  peer.forgot |= from.forgot;
}

bool World::may_hear(const Peer& peer, std::size_t event) const {
  if (!peer.began_anew) return true;
  return std::any_of(peers_.begin(), peers_.end(), [&](const auto& p) {
    if (p.get() == &peer || !p->events.contains(event)) return false;
    const auto owed = peer.owed.find(p.get());
    return owed == peer.owed.end() || peer.document.includes(owed->second);
  });
}

// ---- Keeping and forgetting ----

void World::save(Peer& peer) {
  if (disks_ == Disks::fall_back && !peer.header.empty()) {
    peer.copy = Peer::Copy{peer.rows, peer.header, peer.stored, peer.stored_pruned};
  }
  peer.document.take_dirty([&](Document::StoredCell cell) {
    if (cell.bytes.empty()) {
      peer.rows.erase(cell.key);
    } else {
      peer.rows[cell.key] = std::move(cell.bytes);
    }
  });
  require(peer.document.dirty_count() == 0, "cells are dirty after they were taken");
  peer.header = peer.document.header();
  peer.stored = peer.model.known;
  peer.stored_pruned = peer.pruned;
}

Document World::load(const Peer& peer, ReplicaId self) {
  Document document(self);
  Status status = document.load_header(peer.header);
  for (auto row = peer.rows.rbegin(); status.ok() && row != peer.rows.rend(); ++row) {
    status = document.load_cell(row->first, row->second);
  }
  if (status.ok()) status = document.finish_load();
  require(status.ok(),
          status.ok() ? "" : "a checkpoint does not load: " + status.error().to_string());
  return document;
}

void World::restart(Peer& peer) {
  for (const std::size_t e : peer.model.known) {
    // A dot that may be known elsewhere is never used again.
    if (history_[e].writer == peer.model.self && !peer.stored.contains(e)) {
      peer.model.self = new_id();
      break;
    }
  }
  peer.model.known = peer.stored;
  peer.events.clear();
  peer.compared.reset();
  peer.pruned = peer.stored_pruned;
  peer.document = load(peer, peer.model.self);
}

void World::fall_back(Peer& peer) {
  if (!peer.copy) return;
  peer.rows = peer.copy->rows;
  peer.header = peer.copy->header;
  peer.stored = peer.copy->stored;
  peer.stored_pruned = peer.copy->pruned;
  restart(peer);
  peer.document.track_changes(true);
}

Clock World::stable_in_copies(const Peer& peer) const {
  Clock stable = stable_at(peer);
  for (const auto& p : peers_) {
    if (p->copy) stable.meet(clock_of(p->copy->stored));
  }
  return stable;
}

Clock World::stable_at(const Peer& peer) const {
  Clock stable = peer.document.clock_with_retired();
  for (const auto& p : peers_) {
    stable.meet(p->document.clock_with_retired());
    if (!p->header.empty()) stable.meet(clock_of(p->stored));
  }
  for (std::size_t e = 0; e < events_.size(); ++e) {
    if (!peer.model.known.contains(e)) stable.meet(clock_of(history_[e].seen));
  }
  return stable;
}

void World::prune(Peer& peer, unsigned choice) {
  const Snapshot before = snapshot(peer.document);
  const std::size_t touches = peer.document.touch_count();
  const Clock stable = stable_at(peer);
  const Clock early =
      disks_ != Disks::safe && choice % 2 == 0 ? peer.document.clock_with_retired() : stable;
  const Clock elements = disks_ == Disks::fall_back ? stable_in_copies(peer) : early;
  // Nobody may lack anything of a retired id then.
  const Clock retired = peer.document.retired();
  for (const auto& [id, last] : retired) {
    if (std::min(stable.get(id), elements.get(id)) < last) peer.document.restore(id);
  }
  const std::size_t pruned = peer.document.prune(stable, early, elements);
  peer.pruned.join(early);
  peer.forgot |= !early.empty();
  pruned_.join(stable);
  if (disks_ == Disks::fall_back) peer.document.forget_elements(elements);
  if (disks_ == Disks::safe || disks_ == Disks::lost_and_made_up_for) {
    peer.document.forget_elements(stable);
  }
  require(snapshot(peer.document) == before, "forgetting removals changed the state");
  require(peer.document.touch_count() <= touches, "forgetting removals made more of them");
  RC_LOG() << "  " << pruned << " removals forgotten" << std::endl;
}

void World::become(Peer& peer) {
  peer.model.self = new_id();
  peer.document.become(peer.model.self);
}

void World::retire(Peer& peer, unsigned choice) {
  retires_ = true;
  const Snapshot before = snapshot(peer.document);
  const Clock listed = peer.document.clock();
  const Clock retired = peer.document.retired();
  if (choice % 4 == 0 && !retired.empty()) {
    peer.document.restore((retired.begin() + choice / 4 % retired.size())->first);
  } else if (choice % 4 == 1 && !listed.empty()) {
    peer.document.retire((listed.begin() + choice / 4 % listed.size())->first);
  } else {
    // All whose writers are gone.
    for (const auto& [id, last] : listed) {
      const bool present = std::any_of(peers_.begin(), peers_.end(),
                                       [&](const auto& p) { return p->model.self == id; });
      if (!present) peer.document.retire(id);
    }
  }
  require(snapshot(peer.document) == before, "leaving ids out of the clock changed the state");
}

void World::compare(Peer& peer, std::size_t other, unsigned choice) {
  const Document& theirs = this->peer(other).document;
  const std::uint64_t seed = choice;
  const auto by_hash = [&](const Document& document) {
    std::map<std::uint64_t, std::uint64_t> places;
    for (const auto& [place, hash] : document.cell_hashes(seed)) places[hash] = place;
    return places;
  };
  const auto here = by_hash(peer.document);
  const auto there = by_hash(theirs);
  require(here != there || peer.document.hash() == theirs.hash(),
          "cells have the same hashes, and states differ");
  require(here == there || peer.document.clock_with_retired() != theirs.clock_with_retired() ||
              peer.forgot || this->peer(other).forgot,
          "the same is known, nothing is forgotten, and cells have other hashes");
  Peer::Compared& compared = peer.compared.emplace();
  for (const auto& [hash, place] : here) {
    if (!there.contains(hash)) compared.judged.push_back(place);
  }
  for (const auto& [hash, place] : there) {
    if (!here.contains(hash)) compared.wanted.push_back(place);
  }
  compared.other = other;
  compared.ours = peer.document.clock_with_retired();
  compared.theirs = theirs.clock_with_retired();
  compared.listed = theirs.clock();
  compared.seed = seed;
}

void World::join_compared(Peer& peer) {
  if (!peer.compared) return;
  const Peer::Compared compared = *std::exchange(peer.compared, std::nullopt);
  const Peer& from = this->peer(compared.other);
  Clock had = compared.ours;
  had.meet(compared.theirs);
  Clock has = peer.document.clock_with_retired();
  has.meet(compared.theirs);
  if (had != has || !from.document.includes(compared.theirs)) return;
  // Of what it has retired since it had all then, too; unless it had begun anew.
  if (!compared.theirs.includes(from.document.retired())) return;
  const auto seen = from.document.seen_there(peer.document.clock(), peer.document.retired_hash());
  const std::optional<Delta> told = from.document.delta_of(
      compared.wanted, compared.seed, compared.listed, !seen || seen->lacks_retired);
  if (!told) {
    require(retires_ || !compared.theirs.includes(from.pruned) ||
                !from.document.tells_since(compared.listed),
            "a comparison is too old for no reason");
    return;
  }
  Result<Delta> delta = Delta::decode(told->encoded());
  require(delta.ok(), "a delta does not decode");
  delta->judged = compared.judged;
  delta = Delta::decode(delta->encoded());
  require(delta.ok() && delta->judged == compared.judged, "judged places do not come back");
  const bool news =
      !peer.document.clock_with_retired().includes(from.document.clock_with_retired());
  const bool understood =
      !delta->retired.empty() || peer.document.seen_there(delta->clock, delta->retired_hash);
  require(understood || retires_, "nothing is retired, and a clock cannot be told");
  const Result<Applied> joined = peer.document.join(*delta);
  require(joined.ok(), "compared cells were refused");
  if (!understood) {
    require(*joined == Applied::missing, "a clock was taken for what it is not");
    return;
  }
  require(*joined == (news ? Applied::applied : Applied::duplicate) ||
              (!news && !delta->retired.empty()),
          "compared cells were taken for what they are not");
  if (news) peer.pruned.join(compared.theirs);
  peer.forgot |= from.forgot || news;
  merge(peer.model.known, from.model.known);
}

void World::begin_anew(Peer& peer) {
  peer.began_anew = true;
  peer.events.clear();
  for (const auto& p : peers_) {
    if (p.get() == &peer) continue;
    peer.owed[p.get()] = p->document.clock_with_retired();
    p->owed.erase(&peer);
  }
}

void World::lose_disk(Peer& peer, unsigned choice) {
  peer.model.self = new_id();
  peer.model.known.clear();
  peer.document = Document(peer.model.self);
  peer.document.track_changes(true);
  peer.rows.clear();
  peer.header.clear();
  peer.stored.clear();
  peer.pruned = peer.stored_pruned = Clock{};
  peer.forgot = false;
  peer.compared.reset();
  if (disks_ == Disks::lost_and_made_up_for) {
    begin_anew(peer);
    return;
  }
  if (choice % 3 == 0 || backlog_.empty()) return;
  const Sent& sent = pick(backlog_, choice / 3);
  const Result<Applied> joined = peer.document.join(sent.delta);
  require(joined.ok(), "a whole state was refused by one that has nothing");
  if (*joined != Applied::applied) return;
  peer.model.known = sent.known;
  peer.pruned = sent.pruned;
  peer.forgot = true;
}

void World::heal() {
  Peer& first = *peers_[0];
  for (std::size_t i = 1; first.began_anew && i < peers_.size(); ++i) {
    join_delta(first, *peers_[i], report_of(first));
  }
  for (bool more = true; more;) {
    more = false;
    for (std::size_t e = 0; e < events_.size(); ++e) {
      if (first.model.known.contains(e) || !is_subset(history_[e].seen, first.model.known))
        continue;
      apply(first, e);
      more = true;
    }
  }
  require(first.model.known.size() == events_.size(), "an event never had its turn");
  check(first);
  for (std::size_t i = 1; i < peers_.size(); ++i) {
    Peer& peer = *peers_[i];
    if (i % 3 == 1) join_delta(peer, first, report_of(peer));
    if (i % 3 == 2) join_all(peer, first);
    if (i % 3 == 0) join_delta(peer, first, {stable_at(peer), {}});
    check(peer);
  }
  // Now everything is stable. The store keeps what the document does.
  for (const auto& peer : peers_) {
    save(*peer);
  }
  for (const auto& peer : peers_) {
    prune(*peer, 0);
    require(peer->document.touch_count() == 0, "a removal is remembered that everyone has seen");
    check(*peer);
    save(*peer);
    restart(*peer);
    check(*peer);
  }
}

}  // namespace rejoin
