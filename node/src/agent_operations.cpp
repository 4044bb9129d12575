#include "agent_operations.h"

#include <initializer_list>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "rejoin/crdt/agent/session.h"

namespace rejoin::node {
namespace {

using Json = nlohmann::json;

Error invalid(const std::string& operation, const std::string& message) {
  return make_error(ErrorCode::invalid_argument, operation + ": " + message);
}

// Fields beside "op" and "session".
Status check_fields(const std::string& name, const Json& operation,
                    std::initializer_list<std::string_view> fields) {
  for (const auto& [key, value] : operation.items()) {
    bool known = key == "op" || key == "session";
    for (std::string_view field : fields) known = known || key == field;
    if (!known) return invalid(name, "unknown field \"" + key + "\"");
  }
  return {};
}

Result<std::string> text_field(const std::string& name, const Json& operation, const char* field) {
  const auto found = operation.find(field);
  if (found == operation.end() || !found->is_string() ||
      found->get_ref<const std::string&>().empty()) {
    return invalid(name, "\"" + std::string(field) + "\" must be a string that is not empty");
  }
  return found->get<std::string>();
}

Result<bool> append_turn(agent::SessionRef session, const Json& operation) {
  if (auto ok = check_fields("turn", operation, {"turn", "once"}); !ok) return ok.error();
  const auto record = operation.find("turn");
  if (record == operation.end()) return invalid("turn", "\"turn\" is missing");
  const auto once = operation.find("once");
  if (once != operation.end() && !once->is_boolean()) {
    return invalid("turn", "\"once\" must be true or false");
  }
  const auto turn = agent::turn_from_json(*record);
  if (!turn) return turn.error();
  if (once != operation.end() && once->get<bool>()) return session.append_once(*turn);
  if (auto ok = session.append(*turn); !ok) return ok.error();
  return true;
}

Result<bool> advance_step(agent::SessionRef session, const Json& operation) {
  if (auto ok = check_fields("step", operation, {"step", "status", "detail"}); !ok) {
    return ok.error();
  }
  const auto step = text_field("step", operation, "step");
  if (!step) return step.error();
  const auto status_name = text_field("step", operation, "status");
  if (!status_name) return status_name.error();
  const auto status = agent::parse_step_status(*status_name);
  if (!status) return status.error();
  std::optional<Value> detail;
  if (operation.contains("detail")) {
    const auto text = text_field("step", operation, "detail");
    if (!text) return text.error();
    detail = Value(*text);
  }
  if (auto ok = session.workflow().advance(*step, *status, detail); !ok) return ok.error();
  return true;
}

Result<bool> add_usage(agent::SessionRef session, const Json& operation) {
  if (auto ok = check_fields("usage", operation, {"tokens_in", "tokens_out", "calls"}); !ok) {
    return ok.error();
  }
  agent::Usage used;
  const std::pair<const char*, std::int64_t*> fields[] = {
      {"tokens_in", &used.tokens_in}, {"tokens_out", &used.tokens_out}, {"calls", &used.calls}};
  for (const auto& [field, amount] : fields) {
    const auto found = operation.find(field);
    if (found == operation.end()) continue;
    if (!found->is_number_integer() ||
        (found->is_number_unsigned() &&
         found->get<std::uint64_t>() > std::numeric_limits<std::int64_t>::max())) {
      return invalid("usage", "\"" + std::string(field) + "\" must be a whole number of 64 bits");
    }
    *amount = found->get<std::int64_t>();
  }
  if (auto ok = session.usage().add(used); !ok) return ok.error();
  return true;
}

}  // namespace

bool is_agent_operation(std::string_view name) {
  return name == "turn" || name == "step" || name == "usage";
}

Result<bool> apply_agent_operation(Transaction& transaction, const Json& operation) {
  const std::string name = operation.at("op").get<std::string>();
  const auto id = text_field(name, operation, "session");
  if (!id) return id.error();
  agent::SessionRef session(transaction, *id);
  if (name == "turn") return append_turn(session, operation);
  if (name == "step") return advance_step(session, operation);
  return add_usage(session, operation);
}

}  // namespace rejoin::node
