#include "admin_operations.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "agent_operations.h"
#include "json_fields.h"
#include "named_path.h"
#include "rejoin/crdt/json.h"

namespace rejoin::node {
namespace {

// Where operations are done: paths begin at the map.
struct Scope {
  Transaction& transaction;
  MapRef map;
  bool is_root;
};

// A cell and the map that it is a child of.
struct Place {
  MapRef parent;
  std::string name;
  Type type = Type::map;
};

bool is_register(Type type) {
  return type == Type::reg || type == Type::multi_register || type == Type::max_register ||
         type == Type::min_register;
}
bool is_set(Type type) { return type == Type::set || type == Type::remove_wins_set; }
bool is_flag(Type type) { return type == Type::enable_flag || type == Type::disable_flag; }
bool is_list(Type type) { return type == Type::list; }
bool is_list_or_log(Type type) { return is_list(type) || type == Type::log; }
bool is_counter(Type type) { return type == Type::counter; }
bool is_map(Type type) { return type == Type::map; }
bool is_any(Type type) { return type != Type::element; }

// The place that the field "path" names; `fits` says which types the operation is for.
Place place_of(Scope& scope, JsonFields& fields, Type otherwise, bool (*fits)(Type)) {
  Place place;
  const Path path = fields.path("path", otherwise);
  if (!fields.ok()) return place;
  if (path.is_root()) {
    fields.fail(make_error(ErrorCode::invalid_argument, "the path must name a child of the root"));
    return place;
  }
  const Step& last = path.steps().back();
  const Path parent = path.parent();
  const bool below_maps = std::all_of(parent.steps().begin(), parent.steps().end(),
                                      [](const Step& step) { return step.type == Type::map; });
  if (!below_maps || !last.key.is_string()) {
    fields.fail(make_error(ErrorCode::wrong_type, "every step but the last must be a map",
                           path.to_string()));
  } else if (!fits(last.type)) {
    fields.fail(make_error(ErrorCode::wrong_type,
                           "the operation does not apply to a " + std::string(to_string(last.type)),
                           path.to_string()));
  } else {
    place.parent = scope.map.at(parent);
    place.name = std::string(last.key.as_string());
    place.type = last.type;
  }
  return place;
}

// "value": one; "values": several.
std::vector<Value> one_or_more(JsonFields& fields) {
  if (fields.has("values")) return fields.values("values");
  std::vector<Value> values;
  values.push_back(fields.value("value"));
  return values;
}

// The same for a list, which takes objects, too.
nlohmann::json elements(JsonFields& fields) {
  if (!fields.has("values")) return nlohmann::json::array({fields.any("value")});
  const nlohmann::json& values = fields.any("values");
  if (fields.ok() && !values.is_array()) {
    fields.fail(make_error(ErrorCode::invalid_argument, "\"values\" must be an array"));
  }
  return values;
}

// Negative numbers come out as huge ones, which the list refuses with its size.
std::size_t position(JsonFields& fields, const char* key) {
  return static_cast<std::size_t>(fields.integer(key));
}

Status set_register(Scope& scope, JsonFields& fields) {
  Place place = place_of(scope, fields, Type::reg, is_register);
  const Value value = fields.value("value");
  if (auto taken = fields.finish(); !taken) return taken;
  return place.parent.reg(place.name, place.type).set(value);
}

Status clear_register(Scope& scope, JsonFields& fields) {
  Place place = place_of(scope, fields, Type::reg, is_register);
  if (auto taken = fields.finish(); !taken) return taken;
  return place.parent.reg(place.name, place.type).clear();
}

Status add_to_counter(Scope& scope, JsonFields& fields) {
  Place place = place_of(scope, fields, Type::counter, is_counter);
  const std::int64_t amount = fields.integer("amount", 1);
  if (auto taken = fields.finish(); !taken) return taken;
  return place.parent.counter(place.name).add(amount);
}

Status reset_counter(Scope& scope, JsonFields& fields) {
  Place place = place_of(scope, fields, Type::counter, is_counter);
  if (auto taken = fields.finish(); !taken) return taken;
  return place.parent.counter(place.name).reset();
}

Status set_flag(Scope& scope, JsonFields& fields) {
  Place place = place_of(scope, fields, Type::enable_flag, is_flag);
  const bool on = fields.boolean("on");
  if (auto taken = fields.finish(); !taken) return taken;
  return place.parent.flag(place.name, place.type).set(on);
}

Status include_element(Scope& scope, JsonFields& fields) {
  Place place = place_of(scope, fields, Type::set, is_set);
  const Value value = fields.value("value");
  if (auto taken = fields.finish(); !taken) return taken;
  return place.parent.set(place.name, place.type).add(value);
}

Status exclude_element(Scope& scope, JsonFields& fields) {
  Place place = place_of(scope, fields, Type::set, is_set);
  const Value value = fields.value("value");
  if (auto taken = fields.finish(); !taken) return taken;
  return place.parent.set(place.name, place.type).remove(value);
}

Status push_to_list(Scope& scope, JsonFields& fields) {
  Place place = place_of(scope, fields, Type::list, is_list_or_log);
  if (place.type == Type::log) {
    const std::vector<Value> values = one_or_more(fields);
    if (auto taken = fields.finish(); !taken) return taken;
    return place.parent.log(place.name).append(values);
  }
  const nlohmann::json values = elements(fields);
  if (auto taken = fields.finish(); !taken) return taken;
  ListRef list = place.parent.list(place.name);
  return insert_json(scope.transaction, list, list.size(), values);
}

Status insert_into_list(Scope& scope, JsonFields& fields) {
  Place place = place_of(scope, fields, Type::list, is_list);
  const std::size_t index = position(fields, "index");
  const nlohmann::json values = elements(fields);
  if (auto taken = fields.finish(); !taken) return taken;
  return insert_json(scope.transaction, place.parent.list(place.name), index, values);
}

Status move_in_list(Scope& scope, JsonFields& fields) {
  Place place = place_of(scope, fields, Type::list, is_list);
  const std::size_t from = position(fields, "from");
  const std::size_t to = position(fields, "to");
  if (auto taken = fields.finish(); !taken) return taken;
  return place.parent.list(place.name).move(from, to);
}

Status erase_from_list(Scope& scope, JsonFields& fields) {
  Place place = place_of(scope, fields, Type::list, is_list);
  const std::size_t index = position(fields, "index");
  const std::size_t count = fields.has("count") ? position(fields, "count") : 1;
  if (auto taken = fields.finish(); !taken) return taken;
  return place.parent.list(place.name).remove(index, count);
}

Status create_map(Scope& scope, JsonFields& fields) {
  Place place = place_of(scope, fields, Type::map, is_map);
  if (auto taken = fields.finish(); !taken) return taken;
  return place.parent.map(place.name).create();
}

Status remove_child(Scope& scope, JsonFields& fields) {
  Place place = place_of(scope, fields, Type::map, is_any);
  if (auto taken = fields.finish(); !taken) return taken;
  return place.parent.remove(place.name, place.type);
}

Status import_json(Scope& scope, JsonFields& fields) {
  const Path path = fields.path_or_root("path");
  const nlohmann::json& json = fields.any("json");
  const bool remove_missing = fields.boolean("remove_missing", true);
  if (auto taken = fields.finish(); !taken) return taken;
  return from_json(scope.transaction, scope.map, path, json, remove_missing);
}

// Whatever is at the path says `value` afterwards. Where nothing is, a register, a list or a map
// comes to be, or what the path says.
Status put(Scope& scope, JsonFields& fields) {
  const auto named = NamedPath::parse(fields.string("path"));
  if (!fields.ok()) return fields.finish();
  if (!named) return named.error();
  const Path& path = named->path();
  if (path.is_root()) {
    const nlohmann::json& value = fields.any("value");
    if (auto taken = fields.finish(); !taken) return taken;
    return from_json(scope.transaction, scope.map, path, value, true);
  }
  const Type type = path.type();
  if (is_register(type)) return set_register(scope, fields);
  Place place = place_of(scope, fields, Type::map, is_any);
  if (is_flag(type)) {
    const bool on = fields.boolean("value");
    if (auto taken = fields.finish(); !taken) return taken;
    return place.parent.flag(place.name, type).set(on);
  }
  if (is_counter(type)) {
    const std::int64_t number = fields.integer("value");
    if (auto taken = fields.finish(); !taken) return taken;
    CounterRef counter = place.parent.counter(place.name);
    if (auto zero = counter.reset(); !zero) return zero;
    return counter.add(number);
  }
  if (named->is_typed() && !is_map(type) && !is_list(type)) {
    fields.fail(make_error(ErrorCode::wrong_type,
                           "put makes no " + std::string(to_string(type)) +
                               "; without a type in the path it changes the one that is there",
                           path.to_string()));
  }
  const nlohmann::json& value = fields.any("value");
  if (auto taken = fields.finish(); !taken) return taken;
  // As a child of its parent, so that one of another type gives way.
  const bool is_object = value.is_object();
  const nlohmann::json child{{place.name, is_object ? nlohmann::json::object() : value}};
  Status made = from_json(scope.transaction, place.parent, {}, child, false);
  if (!made || !is_object) return made;
  return from_json(scope.transaction, scope.map, path, value, true);
}

Status apply_all(Scope scope, const nlohmann::json& operations);

Status apply_within_element(Scope& scope, JsonFields& fields) {
  Place place = place_of(scope, fields, Type::list, is_list);
  const std::size_t index = position(fields, "index");
  const nlohmann::json& operations = fields.any("ops");
  if (auto taken = fields.finish(); !taken) return taken;
  Result<MapRef> map = place.parent.list(place.name).map(index);
  if (!map) return std::move(map).error();
  return apply_all({scope.transaction, *map, false}, operations);
}

using Operation = Status (*)(Scope&, JsonFields&);
constexpr std::pair<std::string_view, Operation> known_operations[] = {
    {"set", set_register},
    {"clear", clear_register},
    {"add", add_to_counter},
    {"reset", reset_counter},
    {"flag", set_flag},
    {"include", include_element},
    {"exclude", exclude_element},
    {"push", push_to_list},
    {"insert", insert_into_list},
    {"move", move_in_list},
    {"erase", erase_from_list},
    {"within", apply_within_element},
    {"put", put},
    {"create", create_map},
    {"remove", remove_child},
    {"import", import_json},
};

// False: nothing of the request is to be written, because it was before.
Result<bool> apply_operation(Scope& scope, const nlohmann::json& json, std::size_t number) {
  JsonFields fields(json, "operation " + std::to_string(number));
  const std::string name = fields.string("op");
  if (!fields.ok()) return fields.finish().error();
  for (const auto& [known, operation] : known_operations) {
    if (known != name) continue;
    if (auto applied = operation(scope, fields); !applied) return applied.error();
    return true;
  }
  if (scope.is_root) {
    const auto outcome = apply_agent_operation(scope.transaction, name, fields);
    if (!outcome) return outcome.error();
    if (*outcome != AgentOutcome::not_ours) return *outcome == AgentOutcome::applied;
  }
  return make_error(ErrorCode::invalid_argument,
                    "operation " + std::to_string(number) + ": \"" + name + "\" is not known here");
}

Status apply_all(Scope scope, const nlohmann::json& operations) {
  if (!operations.is_array()) {
    return make_error(ErrorCode::invalid_argument, "\"ops\" must be an array of operations");
  }
  std::size_t number = 0;
  for (const nlohmann::json& operation : operations) {
    const auto applied = apply_operation(scope, operation, ++number);
    if (!applied) return applied.error();
    if (!*applied) {
      scope.transaction.rollback_to(0);
      break;
    }
  }
  return {};
}

}  // namespace

Status apply_operations(Transaction& transaction, const nlohmann::json& operations) {
  return apply_all({transaction, transaction.root(), true}, operations);
}

}  // namespace rejoin::node
