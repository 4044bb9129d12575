#include "admin_operations.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "agent_operations.h"
#include "json_fields.h"
#include "rejoin/crdt/json.h"

namespace rejoin::node {
namespace {

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
Place place_of(Transaction& transaction, JsonFields& fields, Type otherwise, bool (*fits)(Type)) {
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
    place.parent = transaction.root().at(parent);
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

// Negative numbers come out as huge ones, which the list refuses with its size.
std::size_t position(JsonFields& fields, const char* key) {
  return static_cast<std::size_t>(fields.integer(key));
}

Status set_register(Transaction& transaction, JsonFields& fields) {
  Place place = place_of(transaction, fields, Type::reg, is_register);
  const Value value = fields.value("value");
  if (auto taken = fields.finish(); !taken) return taken;
  return place.parent.reg(place.name, place.type).set(value);
}

Status clear_register(Transaction& transaction, JsonFields& fields) {
  Place place = place_of(transaction, fields, Type::reg, is_register);
  if (auto taken = fields.finish(); !taken) return taken;
  return place.parent.reg(place.name, place.type).clear();
}

Status add_to_counter(Transaction& transaction, JsonFields& fields) {
  Place place = place_of(transaction, fields, Type::counter, is_counter);
  const std::int64_t amount = fields.integer("amount", 1);
  if (auto taken = fields.finish(); !taken) return taken;
  return place.parent.counter(place.name).add(amount);
}

Status reset_counter(Transaction& transaction, JsonFields& fields) {
  Place place = place_of(transaction, fields, Type::counter, is_counter);
  if (auto taken = fields.finish(); !taken) return taken;
  return place.parent.counter(place.name).reset();
}

Status set_flag(Transaction& transaction, JsonFields& fields) {
  Place place = place_of(transaction, fields, Type::enable_flag, is_flag);
  const bool on = fields.boolean("on");
  if (auto taken = fields.finish(); !taken) return taken;
  return place.parent.flag(place.name, place.type).set(on);
}

Status include_element(Transaction& transaction, JsonFields& fields) {
  Place place = place_of(transaction, fields, Type::set, is_set);
  const Value value = fields.value("value");
  if (auto taken = fields.finish(); !taken) return taken;
  return place.parent.set(place.name, place.type).add(value);
}

Status exclude_element(Transaction& transaction, JsonFields& fields) {
  Place place = place_of(transaction, fields, Type::set, is_set);
  const Value value = fields.value("value");
  if (auto taken = fields.finish(); !taken) return taken;
  return place.parent.set(place.name, place.type).remove(value);
}

Status push_to_list(Transaction& transaction, JsonFields& fields) {
  Place place = place_of(transaction, fields, Type::list, is_list_or_log);
  const std::vector<Value> values = one_or_more(fields);
  if (auto taken = fields.finish(); !taken) return taken;
  if (place.type == Type::log) return place.parent.log(place.name).append(values);
  ListRef list = place.parent.list(place.name);
  return list.insert(list.size(), values);
}

Status insert_into_list(Transaction& transaction, JsonFields& fields) {
  Place place = place_of(transaction, fields, Type::list, is_list);
  const std::size_t index = position(fields, "index");
  const std::vector<Value> values = one_or_more(fields);
  if (auto taken = fields.finish(); !taken) return taken;
  return place.parent.list(place.name).insert(index, values);
}

Status erase_from_list(Transaction& transaction, JsonFields& fields) {
  Place place = place_of(transaction, fields, Type::list, is_list);
  const std::size_t index = position(fields, "index");
  const std::size_t count = fields.has("count") ? position(fields, "count") : 1;
  if (auto taken = fields.finish(); !taken) return taken;
  return place.parent.list(place.name).remove(index, count);
}

Status create_map(Transaction& transaction, JsonFields& fields) {
  Place place = place_of(transaction, fields, Type::map, is_map);
  if (auto taken = fields.finish(); !taken) return taken;
  return place.parent.map(place.name).create();
}

Status remove_child(Transaction& transaction, JsonFields& fields) {
  Place place = place_of(transaction, fields, Type::map, is_any);
  if (auto taken = fields.finish(); !taken) return taken;
  return place.parent.remove(place.name, place.type);
}

Status import_json(Transaction& transaction, JsonFields& fields) {
  const Path path = fields.path_or_root("path");
  const nlohmann::json& json = fields.any("json");
  const bool remove_missing = fields.boolean("remove_missing", true);
  if (auto taken = fields.finish(); !taken) return taken;
  return from_json(transaction, path, json, remove_missing);
}

using Operation = Status (*)(Transaction&, JsonFields&);
constexpr std::pair<std::string_view, Operation> known_operations[] = {
    {"set", set_register},        {"clear", clear_register}, {"add", add_to_counter},
    {"reset", reset_counter},     {"flag", set_flag},        {"include", include_element},
    {"exclude", exclude_element}, {"push", push_to_list},    {"insert", insert_into_list},
    {"erase", erase_from_list},   {"create", create_map},    {"remove", remove_child},
    {"import", import_json},
};

// False: nothing of the request is to be written, because it was before.
Result<bool> apply_operation(Transaction& transaction, const nlohmann::json& json,
                             std::size_t number) {
  JsonFields fields(json, "operation " + std::to_string(number));
  const std::string name = fields.string("op");
  if (!fields.ok()) return fields.finish().error();
  for (const auto& [known, operation] : known_operations) {
    if (known != name) continue;
    if (auto applied = operation(transaction, fields); !applied) return applied.error();
    return true;
  }
  const auto outcome = apply_agent_operation(transaction, name, fields);
  if (!outcome) return outcome.error();
  if (*outcome != AgentOutcome::not_ours) return *outcome == AgentOutcome::applied;
  return make_error(ErrorCode::invalid_argument,
                    "operation " + std::to_string(number) + ": \"" + name + "\" is not known here");
}

}  // namespace

Status apply_operations(Transaction& transaction, const nlohmann::json& operations) {
  if (!operations.is_array()) {
    return make_error(ErrorCode::invalid_argument, "\"ops\" must be an array of operations");
  }
  std::size_t number = 0;
  for (const nlohmann::json& operation : operations) {
    const auto applied = apply_operation(transaction, operation, ++number);
    if (!applied) return applied.error();
    if (!*applied) {
      transaction.rollback_to(0);
      break;
    }
  }
  return {};
}

}  // namespace rejoin::node
