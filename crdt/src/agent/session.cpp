#include "rejoin/crdt/agent/session.h"

#include <algorithm>
#include <unordered_set>

namespace rejoin::agent {
namespace {

constexpr std::string_view turns_name = "turns";
constexpr std::string_view preferences_name = "preferences";
constexpr std::string_view workflow_name = "steps";
constexpr std::string_view usage_name = "usage";
constexpr std::string_view decisions_name = "decisions";

}  // namespace

Path session_path(std::string_view id) { return Path().map(sessions_map).map(id); }

std::vector<std::string> session_ids(const Document& document) {
  std::vector<std::string> ids;
  for (Child& child : document.root().map(sessions_map).children()) {
    if (child.type == Type::map) ids.push_back(std::move(child.name));
  }
  return ids;
}

SessionView::SessionView(const Document& document, std::string_view id)
    : map_(document.root().map(sessions_map).map(id)) {}

std::vector<Turn> SessionView::turns() const {
  std::vector<Turn> turns;
  std::unordered_set<std::string> ids;
  for (const Value& value : map_.list(turns_name).values()) {
    Turn turn = decode_turn(value);
    if (turn.id.empty() || ids.insert(turn.id).second) turns.push_back(std::move(turn));
  }
  return turns;
}

std::vector<Turn> SessionView::last_turns(std::size_t count) const {
  const ListView list = map_.list(turns_name);
  const std::size_t size = list.size();
  std::vector<Turn> turns;
  std::unordered_set<std::string> ids;
  for (std::size_t index = size - std::min(count, size); index < size; ++index) {
    Turn turn = decode_turn(list.at(index).value());
    if (turn.id.empty() || ids.insert(turn.id).second) turns.push_back(std::move(turn));
  }
  return turns;
}

std::size_t SessionView::turn_entries() const { return map_.list(turns_name).size(); }

PreferencesView SessionView::preferences() const {
  return PreferencesView(map_.map(preferences_name));
}
WorkflowView SessionView::workflow() const { return WorkflowView(map_.map(workflow_name)); }
UsageView SessionView::usage() const { return UsageView(map_.map(usage_name)); }
DecisionsView SessionView::decisions() const { return DecisionsView(map_.map(decisions_name)); }

SessionRef::SessionRef(Transaction& transaction, std::string_view id)
    : SessionRef(transaction.root().map(sessions_map).map(id)) {}

Status SessionRef::append(const Turn& turn) {
  auto encoded = encode_turn(turn);
  if (!encoded) return encoded.error();
  return map_.list(turns_name).push(*encoded);
}

Result<bool> SessionRef::append_once(const Turn& turn) {
  if (turn.id.empty()) {
    return make_error(ErrorCode::invalid_argument,
                      "append_once needs a turn with an id to recognise it by");
  }
  for (const Turn& there : turns()) {
    if (there.id == turn.id) return false;
  }
  if (auto ok = append(turn); !ok) return ok.error();
  return true;
}

PreferencesRef SessionRef::preferences() { return PreferencesRef(map_.map(preferences_name)); }
WorkflowRef SessionRef::workflow() { return WorkflowRef(map_.map(workflow_name)); }
UsageRef SessionRef::usage() { return UsageRef(map_.map(usage_name)); }
DecisionsRef SessionRef::decisions() { return DecisionsRef(map_.map(decisions_name)); }

}  // namespace rejoin::agent
