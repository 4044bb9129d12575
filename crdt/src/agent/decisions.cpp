#include "rejoin/crdt/agent/decisions.h"

#include <algorithm>
#include <set>
#include <utility>

#include "agent/fields.h"
#include "agent/record.h"

namespace rejoin::agent {
namespace {

using nlohmann::json;

struct ToJson {
  json operator()(const Path& path) const { return {{"path", path.to_string()}}; }
  json operator()(const TurnName& turn) const {
    return {{"session", turn.session}, {"turn", turn.id}};
  }
  json operator()(const Dot& dot) const { return {{"write", dot.full_name()}}; }
  json operator()(const ContentHash& hash) const { return {{"hash", hash.to_string()}}; }
};

std::vector<Evidence> read_evidence(const json& record) {
  std::vector<Evidence> all;
  const auto found = record.find("evidence");
  if (found == record.end() || !found->is_array()) return all;
  for (const json& one : *found) {
    if (!one.is_object()) continue;
    if (one.contains("turn"))
      all.emplace_back(TurnName{text_at(one, "session"), text_at(one, "turn")});
    if (const auto path = Path::parse(text_at(one, "path")); one.contains("path") && path) {
      all.emplace_back(*path);
    }
    if (const auto dot = Dot::parse(text_at(one, "write"))) all.emplace_back(*dot);
    if (const auto hash = ContentHash::parse(text_at(one, "hash"))) all.emplace_back(*hash);
  }
  return all;
}

std::vector<Dot> read_superseded(const json& record) {
  std::vector<Dot> all;
  const auto found = record.find("supersedes");
  if (found == record.end() || !found->is_array()) return all;
  for (const json& name : *found) {
    if (!name.is_string()) continue;
    if (const auto dot = Dot::parse(name.get_ref<const std::string&>())) all.push_back(*dot);
  }
  return all;
}

Decision read_decision(const LogEntry& entry) {
  Decision read;
  read.id = entry.dot;
  read.stands = true;
  const json record = record_of(entry.value);
  if (!record.is_object()) {
    read.choice = foreign_text(entry.value);
    return read;
  }
  read.author = text_at(record, "author");
  read.choice = text_at(record, "choice");
  read.reason = text_at(record, "reason");
  read.evidence = read_evidence(record);
  read.supersedes = read_superseded(record);
  read.time_millis = time_at(record, "time");
  return read;
}

Value encode_decision(const Decision& decision) {
  json record = {{"author", decision.author}, {"choice", decision.choice}};
  if (!decision.reason.empty()) record["reason"] = decision.reason;
  if (decision.time_millis != 0) record["time"] = decision.time_millis;
  for (const Evidence& one : decision.evidence) {
    record["evidence"].push_back(std::visit(ToJson(), one));
  }
  for (const Dot& dot : decision.supersedes) record["supersedes"].push_back(dot.full_name());
  return Value(record.dump());
}

Status check_evidence(const Evidence& evidence) {
  if (const auto* turn = std::get_if<TurnName>(&evidence)) {
    if (auto ok = check_name("the session of a turn that is evidence", turn->session); !ok)
      return ok;
    return check_name("the id of a turn that is evidence", turn->id);
  }
  const auto* dot = std::get_if<Dot>(&evidence);
  const auto* hash = std::get_if<ContentHash>(&evidence);
  if ((dot && dot->sequence == 0) || (hash && hash->is_nil())) {
    return make_error(ErrorCode::invalid_argument,
                      "a write or hash that is evidence names nothing");
  }
  return {};
}

Status check_decision(std::string_view question, const Decision& decision) {
  if (auto ok = check_name("a question", question); !ok) return ok;
  if (auto ok = check_name("a decision's author", decision.author); !ok) return ok;
  if (decision.choice.empty()) {
    return make_error(ErrorCode::invalid_argument, "a decision must say what was decided");
  }
  if (auto ok = check_text("a decision's choice", decision.choice); !ok) return ok;
  if (auto ok = check_text("a decision's reason", decision.reason); !ok) return ok;
  if (auto ok = check_time("a decision's time", decision.time_millis); !ok) return ok;
  for (const Evidence& one : decision.evidence) {
    if (auto ok = check_evidence(one); !ok) return ok;
  }
  return {};
}

}  // namespace

std::vector<std::string> DecisionsView::questions() const {
  std::vector<std::string> all;
  for (Child& child : map_.children()) {
    if (child.type == Type::log) all.push_back(std::move(child.name));
  }
  return all;
}

std::vector<Decision> DecisionsView::history(std::string_view question) const {
  std::vector<Decision> all;
  for (const LogEntry& entry : map_.log(question).entries()) all.push_back(read_decision(entry));
  std::set<Dot> superseded;
  for (const Decision& one : all) superseded.insert(one.supersedes.begin(), one.supersedes.end());
  for (Decision& one : all) one.stands = !superseded.contains(one.id);
  return all;
}

std::vector<Decision> DecisionsView::standing(std::string_view question) const {
  std::vector<Decision> all = history(question);
  std::erase_if(all, [](const Decision& one) { return !one.stands; });
  return all;
}

Result<Dot> DecisionsRef::decide(std::string_view question, const Decision& decision) {
  if (auto ok = check_decision(question, decision); !ok) return ok.error();
  const auto refused = [&](ErrorCode code, std::string message) {
    return make_error(code, std::move(message), map_.path().child(Type::log, question).to_string());
  };
  const std::vector<Decision> before = history(question);
  const std::set<Dot> named(decision.supersedes.begin(), decision.supersedes.end());
  for (const Dot& dot : named) {
    const auto found = std::ranges::find(before, dot, &Decision::id);
    if (found == before.end()) {
      return refused(ErrorCode::not_found, "no decision " + dot.full_name() + " is here");
    }
    if (!found->stands) {
      return refused(ErrorCode::invalid_argument,
                     "decision " + dot.full_name() + " is superseded already");
    }
  }
  for (const Decision& one : before) {
    if (!one.stands || named.contains(one.id)) continue;
    return refused(ErrorCode::invalid_argument, "decision " + one.id.full_name() + " by '" +
                                                    one.author +
                                                    "' stands; supersede it, or leave it");
  }
  LogRef log = map_.log(question);
  if (auto ok = log.append(encode_decision(decision)); !ok) return ok.error();
  return log.at(log.size() - 1)->dot;
}

}  // namespace rejoin::agent
