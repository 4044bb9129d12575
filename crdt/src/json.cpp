#include "rejoin/crdt/json.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <utility>

#include "base64.h"
#include "rejoin/crdt/assert.h"
#include "rejoin/crdt/limits.h"
#include "utf8.h"

namespace rejoin {
namespace {

using nlohmann::json;

constexpr const char* bytes_member = "$bytes";
constexpr const char* double_member = "$double";
constexpr const char* tree_member = "$tree";

// ---- Values ----

json from_values(const std::vector<Value>& values) {
  json array = json::array();
  for (const Value& value : values) array.push_back(value_to_json(value));
  return array;
}

// The scalar that an object of value_to_json() stands for.
std::optional<Value> wrapped_value(const json& object) {
  if (object.size() != 1 || !object.begin()->is_string()) return std::nullopt;
  const auto& text = object.begin()->get_ref<const std::string&>();
  if (object.begin().key() == bytes_member) {
    const std::optional<std::string> bytes = base64_decode(text);
    return bytes ? std::optional<Value>(Value::bytes(*bytes)) : std::nullopt;
  }
  if (object.begin().key() == double_member) {
    constexpr double infinity = std::numeric_limits<double>::infinity();
    if (text == "nan") return Value(std::numeric_limits<double>::quiet_NaN());
    if (text == "inf") return Value(infinity);
    if (text == "-inf") return Value(-infinity);
  }
  return std::nullopt;
}

bool is_scalar(const json& wanted) {
  return !wanted.is_array() && (!wanted.is_object() || wrapped_value(wanted).has_value());
}

Result<Value> to_value(const json& scalar) {
  switch (scalar.type()) {
    case json::value_t::null:
      return Value();
    case json::value_t::boolean:
      return Value(scalar.get<bool>());
    case json::value_t::number_integer:
      return Value(scalar.get<std::int64_t>());
    case json::value_t::number_unsigned:
      if (scalar.get<std::uint64_t>() > std::uint64_t{std::numeric_limits<std::int64_t>::max()}) {
        return make_error(ErrorCode::out_of_range, "the integer " + scalar.dump() +
                                                       " is beyond 64 bits with a sign; write it "
                                                       "as a double or a string");
      }
      return Value(scalar.get<std::int64_t>());
    case json::value_t::number_float:
      return Value(scalar.get<double>());
    case json::value_t::string:
      return Value(scalar.get_ref<const std::string&>());
    case json::value_t::binary: {
      const auto& binary = scalar.get_binary();
      return Value::bytes({reinterpret_cast<const char*>(binary.data()), binary.size()});
    }
    case json::value_t::object:
      if (std::optional<Value> value = wrapped_value(scalar)) return *std::move(value);
      break;
    case json::value_t::array:
      break;
    case json::value_t::discarded:
      return make_error(ErrorCode::invalid_argument, "the JSON did not parse");
  }
  return make_error(ErrorCode::wrong_type,
                    "an array holds an array, but the elements of a list are scalars and objects; "
                    "use an object with a name for each");
}

Result<std::vector<Value>> to_values(const json& array) {
  std::vector<Value> values;
  values.reserve(array.size());
  for (const json& element : array) {
    Result<Value> value = to_value(element);
    if (!value.ok()) return std::move(value).error();
    values.push_back(*std::move(value));
  }
  return values;
}

// ---- Export ----

json from_map(const MapView& map);

// A node after the other, parents first: as deep as a tree may be, JSON need not nest.
json from_tree(const TreeView& tree) {
  json array = json::array();
  for (const TreeItem& item : tree.items()) {
    json& node = array.emplace_back(json{{"name", item.name}});
    if (!item.parent.empty()) node["parent"] = item.parent;
    json properties = from_map(tree.properties(item.name));
    if (!properties.empty()) node["properties"] = std::move(properties);
  }
  return json{{tree_member, std::move(array)}};
}

json from_list(const ListView& list) {
  json array = from_values(list.values());
  for (std::size_t i = 0; i < array.size(); ++i) {
    if (!array[i].is_null()) continue;
    const Result<MapView> map = list.map(i);
    if (map.ok()) array[i] = from_map(*map);
  }
  return array;
}

bool is_tree(const json& wanted) {
  return wanted.is_object() && wanted.size() == 1 && wanted.contains(tree_member) &&
         wanted[tree_member].is_array();
}

json from_child(const MapView& map, std::string_view name, Type type) {
  switch (type) {
    case Type::map:
      return from_map(map.map(name));
    case Type::list:
      return from_list(map.list(name));
    case Type::log:
      return from_values(map.log(name).values());
    case Type::text:
      return map.text(name).to_string();
    case Type::tree:
      return from_tree(map.tree(name));
    case Type::set:
    case Type::remove_wins_set:
      return from_values(map.set(name, type).elements());
    case Type::reg:
    case Type::max_register:
    case Type::min_register:
      return value_to_json(map.reg(name, type).get().value_or(Value()));
    case Type::multi_register: {
      std::vector<Value> values;
      for (Sibling& sibling : map.reg(name, type).siblings()) {
        values.push_back(std::move(sibling.value));
      }
      std::sort(values.begin(), values.end());
      return from_values(values);
    }
    case Type::counter:
      return map.counter(name).value();
    case Type::bounded_counter:
      return map.bounded_counter(name).value();
    case Type::enable_flag:
    case Type::disable_flag:
      return map.flag(name, type).get();
    case Type::element:
      break;
  }
  assertion_failed("a map's child is no element", __FILE__, __LINE__);
}

json from_map(const MapView& map) {
  json object = json::object();
  for (const Child& child : map.children()) {
    // Children come by name, then type: the first of a name is the one to show.
    if (!object.contains(child.name)) object[child.name] = from_child(map, child.name, child.type);
  }
  return object;
}

// ---- Import ----

// Whether both say the same to the last bit: JSON's own comparison takes 1 for 1.0.
bool is_same(const json& shown, const json& wanted) {
  if (shown.is_array() || wanted.is_array()) {
    return shown.is_array() && wanted.is_array() &&
           std::equal(shown.begin(), shown.end(), wanted.begin(), wanted.end(), is_same);
  }
  if (!is_scalar(shown) || !is_scalar(wanted)) {
    return shown.is_object() && wanted.is_object() && shown.size() == wanted.size() &&
           std::equal(shown.items().begin(), shown.items().end(), wanted.items().begin(),
                      [](const auto& a, const auto& b) {
                        return a.key() == b.key() && is_same(a.value(), b.value());
                      });
  }
  const Result<Value> left = to_value(shown);
  const Result<Value> right = to_value(wanted);
  return left.ok() && right.ok() && *left == *right;
}

Status write_map(MapRef map, const Path& path, const json& wanted, bool remove_missing);

// Inserts `count` elements of `wanted`, scalars side by side as one run.
Status insert_elements(ListRef list, std::size_t at, const json& wanted, std::size_t first,
                       std::size_t count) {
  std::vector<Value> run;
  const auto insert_run = [&] {
    Status status = list.insert(at, run);
    at += run.size();
    run.clear();
    return status;
  };
  for (std::size_t i = first; i < first + count; ++i) {
    if (!wanted[i].is_object() || is_scalar(wanted[i])) {
      Result<Value> value = to_value(wanted[i]);
      if (!value.ok()) return std::move(value).error();
      run.push_back(*std::move(value));
      continue;
    }
    if (Status status = insert_run(); !status.ok()) return status;
    Result<MapRef> map = list.insert_map(at++);
    if (!map.ok()) return std::move(map).error();
    if (Status status = write_map(*map, map->path(), wanted[i], true); !status.ok()) return status;
  }
  return insert_run();
}

// Quadratic: what differs between longer lists is replaced as a whole.
constexpr std::size_t comparisons_max = 1u << 20;
constexpr auto none = static_cast<std::size_t>(-1);

// What becomes an element of a list.
struct Origin {
  std::size_t element = none;  // one that is there
  bool stays = false;          // it need not be moved
};

// Of m elements that are wanted where n are; `is_same(i, j)` compares. Those of a longest common
// subsequence stay, and the others are taken from wherever the same is left.
template <class IsSame>
std::vector<Origin> origins(std::size_t n, std::size_t m, IsSame is_same) {
  std::vector<Origin> result(m);
  if (n == 0 || m == 0 || n > comparisons_max / m) return result;
  // common[i * (m + 1) + j]: length of the longest common subsequence from i and j onward.
  std::vector<std::uint32_t> common((n + 1) * (m + 1));
  for (std::size_t i = n; i-- > 0;) {
    for (std::size_t j = m; j-- > 0;) {
      common[i * (m + 1) + j] =
          is_same(i, j) ? common[(i + 1) * (m + 1) + j + 1] + 1
                        : std::max(common[(i + 1) * (m + 1) + j], common[i * (m + 1) + j + 1]);
    }
  }
  std::vector<bool> taken(n);
  for (std::size_t i = 0, j = 0; i < n && j < m;) {
    if (is_same(i, j)) {
      taken[i] = true;
      result[j++] = {i++, true};
    } else if (common[(i + 1) * (m + 1) + j] >= common[i * (m + 1) + j + 1]) {
      ++i;
    } else {
      ++j;
    }
  }
  for (std::size_t j = 0; j < m; ++j) {
    for (std::size_t i = 0; i < n && result[j].element == none; ++i) {
      if (taken[i] || !is_same(i, j)) continue;
      taken[i] = true;
      result[j].element = i;
    }
  }
  return result;
}

Status write_list(ListRef list, const json& wanted) {
  const json current = from_list(list);
  std::size_t front = 0;
  while (front < current.size() && front < wanted.size() &&
         is_same(current[front], wanted[front])) {
    ++front;
  }
  std::size_t back = 0;
  while (back < current.size() - front && back < wanted.size() - front &&
         is_same(current[current.size() - 1 - back], wanted[wanted.size() - 1 - back])) {
    ++back;
  }
  const std::size_t n = current.size() - front - back;
  const std::size_t m = wanted.size() - front - back;
  const std::vector<Origin> from = origins(n, m, [&](std::size_t i, std::size_t j) {
    return is_same(current[front + i], wanted[front + j]);
  });
  std::vector<bool> used(n);
  for (const Origin& origin : from) {
    if (origin.element != none) used[origin.element] = true;
  }
  for (std::size_t end = n; end > 0;) {
    std::size_t begin = end;
    while (begin > 0 && !used[begin - 1]) --begin;
    if (Status status = list.remove(front + begin, end - begin); !status.ok()) return status;
    end = begin - std::min<std::size_t>(begin, 1);
  }
  // What is between now, by its old index. Up to `at` it is as wanted, but for what is moved later.
  std::vector<std::size_t> now;
  for (std::size_t i = 0; i < n; ++i) {
    if (used[i]) now.push_back(i);
  }
  const auto place = [&](std::size_t i) { return now.begin() + static_cast<std::ptrdiff_t>(i); };
  std::size_t at = 0;
  for (std::size_t j = 0; j < m; ++j) {
    const Origin origin = from[j];
    Status status;
    if (origin.element == none) {
      std::size_t count = 1;
      while (j + count < m && from[j + count].element == none) ++count;
      status = insert_elements(list, front + at, wanted, front + j, count);
      now.insert(place(at), count, none);
      at += count;
      j += count - 1;
    } else if (origin.stays) {
      while (now[at] != origin.element) ++at;
      ++at;
    } else {
      const auto held = std::find(now.begin(), now.end(), origin.element);
      const auto index = static_cast<std::size_t>(held - now.begin());
      if (index >= at) ++at;
      status = list.move(front + index, front + at - 1);
      now.erase(held);
      now.insert(place(at - 1), origin.element);
    }
    if (!status.ok()) return status;
  }
  return {};
}

// Replaces what lies between the longest common beginning and end.
Status write_text(TextRef text, std::string_view wanted) {
  const auto inside = [](std::string_view s, std::size_t i) {
    return i < s.size() && is_utf8_continuation(s[i]);
  };
  const std::string current = text.to_string();
  const std::size_t shorter = std::min(current.size(), wanted.size());
  std::size_t front = 0;
  while (front < shorter && current[front] == wanted[front]) ++front;
  while (inside(current, front) || inside(wanted, front)) --front;
  std::size_t back = 0;
  while (back < shorter - front &&
         current[current.size() - 1 - back] == wanted[wanted.size() - 1 - back]) {
    ++back;
  }
  while (inside(current, current.size() - back) || inside(wanted, wanted.size() - back)) --back;
  const std::size_t at = count_code_points(wanted.substr(0, front));
  const std::size_t gone =
      count_code_points(std::string_view(current).substr(front, current.size() - back - front));
  if (Status status = text.remove(at, gone); !status.ok()) return status;
  return text.insert(at, wanted.substr(front, wanted.size() - back - front));
}

// True when `wanted` goes on where `log` ends: a log keeps what it has.
bool goes_on(const LogView& log, const std::vector<Value>& wanted) {
  const std::vector<Value> current = log.values();
  return current.size() <= wanted.size() &&
         std::equal(current.begin(), current.end(), wanted.begin());
}

Status write_log(LogRef log, const std::vector<Value>& wanted) {
  const auto known = static_cast<std::ptrdiff_t>(log.size());
  return log.append(std::vector<Value>(wanted.begin() + known, wanted.end()));
}

Status write_set(SetRef set, const std::vector<Value>& wanted) {
  for (const Value& element : set.elements()) {
    if (std::find(wanted.begin(), wanted.end(), element) != wanted.end()) continue;
    if (Status status = set.remove(element); !status.ok()) return status;
  }
  for (const Value& element : wanted) {
    if (set.contains(element)) continue;
    if (Status status = set.add(element); !status.ok()) return status;
  }
  return {};
}

Status write_counter(CounterRef counter, std::int64_t wanted) {
  std::int64_t difference = 0;
  if (__builtin_sub_overflow(wanted, counter.value(), &difference)) {
    return make_error(ErrorCode::out_of_range,
                      "a counter cannot change by more than 64 bits with a sign at once");
  }
  return counter.add(difference);
}

Status write_bounded_counter(BoundedCounterRef counter, std::int64_t wanted) {
  std::int64_t difference = 0;
  if (__builtin_sub_overflow(wanted, counter.value(), &difference) ||
      difference == std::numeric_limits<std::int64_t>::min()) {
    return make_error(ErrorCode::out_of_range,
                      "a counter cannot change by more than 64 bits with a sign at once");
  }
  return difference < 0 ? counter.decrement(-difference) : counter.increment(difference);
}

bool is_distinct(std::vector<Value> values) {
  std::sort(values.begin(), values.end());
  return std::adjacent_find(values.begin(), values.end()) == values.end();
}

// The type under which `wanted` is written to a child that is shown with type `shown`.
Type type_for(const json& wanted, std::optional<Type> shown) {
  const bool scalar = is_scalar(wanted);
  const Type plain = scalar              ? Type::reg
                     : wanted.is_array() ? Type::list
                     : is_tree(wanted)   ? Type::tree
                                         : Type::map;
  if (!shown) return plain;
  switch (*shown) {
    case Type::reg:
    case Type::max_register:
    case Type::min_register:
      return scalar ? *shown : plain;
    case Type::multi_register:
      return wanted.is_array() && wanted.size() == 1 && is_scalar(wanted[0]) ? *shown : plain;
    case Type::counter:
    case Type::bounded_counter:
      return wanted.is_number_integer() ? *shown : plain;
    case Type::enable_flag:
    case Type::disable_flag:
      return wanted.is_boolean() ? *shown : plain;
    case Type::set:
    case Type::remove_wins_set:
    case Type::log:
      return wanted.is_array() ? *shown : plain;
    case Type::text:  // there is none without code points
      return wanted.is_string() && wanted != "" ? *shown : plain;
    case Type::map:
    case Type::list:
    case Type::tree:
    case Type::element:
      break;
  }
  return plain;
}

// The array of from_tree(). Nodes are created, moved and, where asked, removed; each stands where
// the array has it.
Status write_tree(TreeRef tree, const Path& path, const json& wanted, bool remove_missing) {
  std::map<std::string, std::size_t> placed;  // children by parent
  std::set<std::string> names;
  for (const json& node : wanted) {
    const auto text = [&](const char* member) -> std::optional<std::string> {
      const auto it = node.find(member);
      if (it == node.end() || !it->is_string()) return std::nullopt;
      return it->get<std::string>();
    };
    const std::optional<std::string> name = node.is_object() ? text("name") : std::nullopt;
    if (!name || name->empty() || (node.contains("parent") && !text("parent")) ||
        (node.contains("properties") && !node["properties"].is_object())) {
      return make_error(
          ErrorCode::wrong_type,
          "a tree is written from an array of objects with a \"name\", and where they "
          "have one a \"parent\" (a name) and \"properties\" (an object)",
          path.to_string());
    }
    if (!names.insert(*name).second) {
      return make_error(ErrorCode::invalid_argument,
                        "the tree has the node \"" + *name + "\" twice", path.to_string());
    }
    const std::string parent = text("parent").value_or("");
    const std::size_t at = placed[parent]++;
    const std::vector<std::string> siblings = tree.children(parent);
    if (at >= siblings.size() || siblings[at] != *name) {
      Status status =
          tree.contains(*name) ? tree.move(*name, parent, at) : tree.create(*name, parent, at);
      if (!status.ok()) return status;
    }
    const json properties = node.value("properties", json::object());
    if (properties.empty() && !tree.properties(*name).exists()) continue;
    Status status =
        write_map(tree.properties(*name), path.child(Type::map, *name), properties, remove_missing);
    if (!status.ok()) return status;
  }
  for (const TreeItem& item : tree.items()) {
    if (!remove_missing || names.contains(item.name) || !tree.contains(item.name)) continue;
    if (Status status = tree.remove(item.name); !status.ok()) return status;
  }
  return {};
}

Status write_as(MapRef map, const std::string& name, Type type, const Path& path,
                const json& wanted, bool remove_missing) {
  switch (type) {
    case Type::map:
      return write_map(map.map(name), path, wanted, remove_missing);
    case Type::list:
      return write_list(map.list(name), wanted);
    case Type::log:
    case Type::set:
    case Type::remove_wins_set: {
      Result<std::vector<Value>> values = to_values(wanted);
      if (!values.ok()) return std::move(values).error();
      return type == Type::log ? write_log(map.log(name), *values)
                               : write_set(map.set(name, type), *values);
    }
    case Type::text:
      return write_text(map.text(name), wanted.get<std::string>());
    case Type::tree:
      return write_tree(map.tree(name), path, wanted[tree_member], remove_missing);
    default:
      break;
  }
  Result<Value> value = to_value(type == Type::multi_register ? wanted[0] : wanted);
  if (!value.ok()) return std::move(value).error();
  if (type == Type::counter) return write_counter(map.counter(name), value->as_integer());
  if (type == Type::bounded_counter) {
    return write_bounded_counter(map.bounded_counter(name), value->as_integer());
  }
  if (type == Type::enable_flag || type == Type::disable_flag) {
    return map.flag(name, type).set(value->as_bool());
  }
  return map.reg(name, type).set(*value);
}

// Writes `wanted` under a name whose existing children are `types`, in ascending order.
Status write_child(MapRef map, const std::string& name, const std::vector<Type>& types,
                   const Path& parent, const json& wanted, bool remove_missing) {
  std::optional<Type> shown;
  if (!types.empty()) shown = types.front();
  Type type = type_for(wanted, shown);
  // Maps and lists find out for themselves what differs.
  const bool says_so =
      shown && *shown != Type::map && is_same(from_child(map, name, *shown), wanted);
  if (says_so) return {};
  if (type == Type::set || type == Type::remove_wins_set) {
    const Result<std::vector<Value>> values = to_values(wanted);
    if (!values.ok() || !is_distinct(*values)) type = Type::list;
  }
  if (type == Type::log) {
    const Result<std::vector<Value>> values = to_values(wanted);
    if (!values.ok() || !goes_on(map.log(name), *values)) type = Type::list;
  }
  if (type == Type::max_register || type == Type::min_register) {
    // Such a register moves in one direction only; where it may not follow, a plain one takes over.
    const Result<Value> value = to_value(wanted);
    const std::optional<Value> current = map.reg(name, type).get();
    if (value.ok() && current) {
      const auto order = compare_numerically(*value, *current);
      if (type == Type::max_register ? order <= 0 : order >= 0) type = Type::reg;
    }
  }
  // Where nothing is left, what else has the name would show.
  const bool leaves_nothing =
      wanted == json::array() || (type == Type::enable_flag && wanted == false);
  if (shown && (*shown != type || leaves_nothing)) {
    for (const Type other : types) {
      if (other == type) continue;
      if (Status status = map.remove(name, other); !status.ok()) return status;
    }
  }
  return write_as(map, name, type, parent.child(type, name), wanted, remove_missing);
}

Status write_map(MapRef map, const Path& path, const json& wanted, bool remove_missing) {
  if (path.depth() >= limits::path_depth_max && !wanted.empty()) {
    return make_error(ErrorCode::limit_exceeded,
                      "the JSON is nested deeper than " + std::to_string(limits::path_depth_max) +
                          " steps from the root",
                      path.to_string());
  }
  const std::vector<Child> children = map.children();
  for (std::size_t i = 0; remove_missing && i < children.size(); ++i) {
    const Child& child = children[i];
    if (wanted.contains(child.name)) continue;
    if (Status status = map.remove(child.name, child.type); !status.ok()) return status;
  }
  // Both are sorted by name.
  auto child = children.begin();
  for (auto it = wanted.begin(); it != wanted.end(); ++it) {
    while (child != children.end() && child->name < it.key()) ++child;
    std::vector<Type> types;
    for (; child != children.end() && child->name == it.key(); ++child) {
      types.push_back(child->type);
    }
    Status status = write_child(map, it.key(), types, path, it.value(), remove_missing);
    if (!status.ok()) {
      Error error = std::move(status).error();
      if (error.where.empty()) {
        error.where = path.child(types.empty() ? type_for(it.value(), {}) : types.front(), it.key())
                          .to_string();
      }
      return error;
    }
  }
  return path.is_root() || map.exists() ? Status() : map.create();
}

}  // namespace

nlohmann::json value_to_json(const Value& value) {
  switch (value.kind()) {
    case Value::Kind::null:
      return nullptr;
    case Value::Kind::boolean:
      return value.as_bool();
    case Value::Kind::integer:
      return value.as_integer();
    case Value::Kind::real: {
      const double v = value.as_real();
      if (std::isnan(v)) return json{{double_member, "nan"}};
      if (std::isinf(v)) return json{{double_member, v < 0 ? "-inf" : "inf"}};
      return v;
    }
    case Value::Kind::string:
      return std::string(value.as_string());
    case Value::Kind::bytes:
      return json{{bytes_member, base64_encode(value.as_bytes())}};
  }
  assertion_failed("known kind", __FILE__, __LINE__);
}

Result<nlohmann::json> to_json(const Document& document, const Path& path) {
  if (!path.is_root() && !document.exists(path)) {
    return make_error(ErrorCode::not_found, "nothing is here", path.to_string());
  }
  if (path.is_root()) return from_map(document.root());
  const Step& last = path.steps().back();
  if (last.type == Type::element) return value_to_json(last.key);
  if (last.type == Type::map) return from_map(document.root().at(path));
  return from_child(document.root().at(path.parent()), last.key.as_string(), last.type);
}

namespace {

// Nothing is left of writes that fail.
template <class Write>
Status whole_or_nothing(Transaction& transaction, Write write) {
  const std::size_t before = transaction.savepoint();
  Status status = write();
  if (!status.ok()) transaction.rollback_to(before);
  return status;
}

}  // namespace

Status from_json(Transaction& transaction, const Path& path, const nlohmann::json& json,
                 bool remove_missing) {
  return from_json(transaction, transaction.root(), path, json, remove_missing);
}

Status from_json(Transaction& transaction, MapRef above, const Path& path,
                 const nlohmann::json& json, bool remove_missing) {
  Path whole = above.path();
  for (const Step& step : path.steps()) {
    if (step.type != Type::map || !step.key.is_string()) {
      return make_error(ErrorCode::invalid_argument, "JSON is imported into a map below maps",
                        path.to_string());
    }
    whole = whole.child(step.type, step.key);
  }
  if (!json.is_object()) {
    return make_error(
        ErrorCode::wrong_type,
        std::string("JSON is imported from an object, and this is of type ") + json.type_name(),
        whole.to_string());
  }
  return whole_or_nothing(transaction,
                          [&] { return write_map(above.at(path), whole, json, remove_missing); });
}

Status insert_json(Transaction& transaction, ListRef list, std::size_t index,
                   const nlohmann::json& elements) {
  REJOIN_ASSERT(elements.is_array());
  return whole_or_nothing(
      transaction, [&] { return insert_elements(list, index, elements, 0, elements.size()); });
}

Result<Value> value_from_json(const json& scalar) { return to_value(scalar); }

}  // namespace rejoin
