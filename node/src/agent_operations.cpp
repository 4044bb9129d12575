#include "agent_operations.h"

#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "rejoin/crdt/agent/session.h"

namespace rejoin::node {
namespace {

Result<AgentOutcome> applied(const Status& status) {
  if (!status) return status.error();
  return AgentOutcome::applied;
}

Result<AgentOutcome> append_turn(agent::SessionRef session, JsonFields& fields) {
  const nlohmann::json& record = fields.any("turn");
  const bool once = fields.boolean("once", false);
  if (auto taken = fields.finish(); !taken) return taken.error();
  const auto turn = agent::turn_from_json(record);
  if (!turn) return turn.error();
  if (!once) return applied(session.append(*turn));
  const auto written = session.append_once(*turn);
  if (!written) return written.error();
  return *written ? AgentOutcome::applied : AgentOutcome::repeated;
}

Result<AgentOutcome> advance_step(agent::SessionRef session, JsonFields& fields) {
  const std::string step = fields.string("step");
  const std::string status_name = fields.string("status");
  std::optional<Value> detail;
  if (fields.has("detail")) detail = fields.value("detail");
  if (auto taken = fields.finish(); !taken) return taken.error();
  const auto status = agent::parse_step_status(status_name);
  if (!status) return status.error();
  const auto advanced = session.workflow().advance(step, *status, detail);
  return applied(advanced ? Status() : advanced.error());
}

Result<AgentOutcome> add_usage(agent::SessionRef session, JsonFields& fields) {
  const agent::Usage used{fields.integer("tokens_in", 0), fields.integer("tokens_out", 0),
                          fields.integer("calls", 0)};
  if (auto taken = fields.finish(); !taken) return taken.error();
  return applied(session.usage().add(used));
}

Result<AgentOutcome> set_preference(agent::SessionRef session, JsonFields& fields) {
  const std::string name = fields.string("name");
  const Value value = fields.value("value");
  if (auto taken = fields.finish(); !taken) return taken.error();
  return applied(session.preferences().set(name, value));
}

using Operation = Result<AgentOutcome> (*)(agent::SessionRef, JsonFields&);
constexpr std::pair<std::string_view, Operation> known_operations[] = {
    {"turn", append_turn},
    {"step", advance_step},
    {"usage", add_usage},
    {"preference", set_preference},
};

}  // namespace

Result<AgentOutcome> apply_agent_operation(Transaction& transaction, std::string_view name,
                                           JsonFields& fields) {
  for (const auto& [known, operation] : known_operations) {
    if (known != name) continue;
    const std::string session = fields.string("session");
    if (fields.ok() && session.empty()) {
      fields.fail(make_error(ErrorCode::invalid_argument, "\"session\" must not be empty"));
    }
    return operation(agent::SessionRef(transaction, session), fields);
  }
  return AgentOutcome::not_ours;
}

}  // namespace rejoin::node
