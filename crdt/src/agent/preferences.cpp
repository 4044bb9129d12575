#include "rejoin/crdt/agent/preferences.h"

namespace rejoin::agent {

std::optional<Value> PreferencesView::get(std::string_view name) const {
  return map_.reg(name).get();
}

std::map<std::string, Value> PreferencesView::all() const {
  std::map<std::string, Value> values;
  for (const Child& child : map_.children()) {
    if (child.type != Type::reg) continue;
    if (auto value = map_.reg(child.name).get()) values.emplace(child.name, std::move(*value));
  }
  return values;
}

std::vector<Value> PreferencesView::conflicts(std::string_view name) const {
  std::vector<Value> values;
  for (Sibling& sibling : map_.reg(name).siblings()) values.push_back(std::move(sibling.value));
  return values;
}

Status PreferencesRef::set(std::string_view name, const Value& value) {
  if (name.empty()) {
    return make_error(ErrorCode::invalid_argument, "a preference needs a name");
  }
  return map_.reg(name).set(value);
}

Status PreferencesRef::remove(std::string_view name) { return map_.remove(name, Type::reg); }

}  // namespace rejoin::agent
