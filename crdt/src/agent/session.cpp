#include "rejoin/crdt/agent/session.h"

#include <algorithm>
#include <unordered_set>

namespace rejoin::agent {
namespace {

constexpr std::string_view turns_name = "turns";
constexpr std::string_view summaries_name = "summaries";
constexpr std::string_view attachments_name = "attachments";
constexpr std::string_view participants_name = "participants";
constexpr std::string_view scratchpad_name = "scratchpad";
constexpr std::string_view preferences_name = "preferences";
constexpr std::string_view workflow_name = "steps";
constexpr std::string_view usage_name = "usage";
constexpr std::string_view decisions_name = "decisions";

// Reads turns, of those with one id the first.
class TurnReader {
 public:
  void add(const Value& value) {
    Turn turn = decode_turn(value);
    if (turn.id.empty() || ids_.insert(turn.id).second) turns_.push_back(std::move(turn));
  }
  std::vector<Turn> take() && { return std::move(turns_); }

 private:
  std::vector<Turn> turns_;
  std::unordered_set<std::string> ids_;
};

// Which write put the element there, for life.
Dot dot_at(const ListView& list, std::size_t index) {
  return list.cursor(index, Sticks::right)->element;
}

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
  TurnReader reader;
  for (const Value& value : map_.list(turns_name).values()) reader.add(value);
  return std::move(reader).take();
}

std::vector<Turn> SessionView::last_turns(std::size_t count) const {
  const ListView list = map_.list(turns_name);
  const std::size_t size = list.size();
  TurnReader reader;
  for (std::size_t index = size - std::min(count, size); index < size; ++index) {
    reader.add(list.at(index).value());
  }
  return std::move(reader).take();
}

std::size_t SessionView::turn_entries() const { return map_.list(turns_name).size(); }

Context SessionView::context() const {
  Context context;
  for (Summary& summary : summaries()) {
    if (summary.covers.empty()) continue;
    if (context.summary && context.summary->turns > summary.turns) continue;
    context.summary = std::move(summary);
  }
  const ListView list = map_.list(turns_name);
  TurnReader reader;
  for (std::size_t index = 0; index < list.size(); ++index) {
    if (context.summary && context.summary->covers.includes(dot_at(list, index))) continue;
    reader.add(list.at(index).value());
  }
  context.turns = std::move(reader).take();
  return context;
}

std::vector<Summary> SessionView::summaries() const {
  std::vector<Summary> all;
  for (const Value& value : map_.log(summaries_name).values()) all.push_back(decode_summary(value));
  return all;
}

AttachmentsView SessionView::attachments() const {
  return AttachmentsView(map_.map(attachments_name));
}
ParticipantsView SessionView::participants() const {
  return ParticipantsView(map_.map(participants_name));
}
TextView SessionView::scratchpad() const { return map_.text(scratchpad_name); }
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

Status SessionRef::summarize(const Summary& summary, std::size_t keep) {
  const ListView list = map_.list(turns_name);
  if (list.size() <= keep) {
    return make_error(ErrorCode::out_of_range,
                      "of " + std::to_string(list.size()) +
                          " turns none is left to summarise when " + std::to_string(keep) + " stay",
                      map_.path().to_string());
  }
  Summary written = summary;
  written.covers = Clock();
  written.turns = static_cast<std::int64_t>(list.size() - keep);
  for (std::size_t index = 0; index < list.size() - keep; ++index) {
    written.covers.advance(dot_at(list, index));
  }
  const Result<Value> encoded = encode_summary(written);
  if (!encoded) return encoded.error();
  return map_.log(summaries_name).append(*encoded);
}

AttachmentsRef SessionRef::attachments() { return AttachmentsRef(map_.map(attachments_name)); }
ParticipantsRef SessionRef::participants() { return ParticipantsRef(map_.map(participants_name)); }
TextRef SessionRef::scratchpad() { return map_.text(scratchpad_name); }
PreferencesRef SessionRef::preferences() { return PreferencesRef(map_.map(preferences_name)); }
WorkflowRef SessionRef::workflow() { return WorkflowRef(map_.map(workflow_name)); }
UsageRef SessionRef::usage() { return UsageRef(map_.map(usage_name)); }
DecisionsRef SessionRef::decisions() { return DecisionsRef(map_.map(decisions_name)); }

}  // namespace rejoin::agent
