#include "demo/history.h"

#include <nlohmann/json.hpp>

#include "demo/cluster.h"
#include "rejoin/crdt/path.h"

namespace rejoin::demo {
namespace {

using Json = nlohmann::json;

constexpr std::size_t steps_a_request = 1000;

// "/map:sessions/map:s1/map:steps/map:c1/max_register:status" as {"sessions", "s1", "steps", "c1",
// "status"}; nothing when a name is no string.
std::vector<std::string> names_of(const std::string& text) {
  std::vector<std::string> names;
  const auto path = Path::parse(text);
  if (!path) return names;
  for (const Step& step : path->steps()) {
    if (!step.key.is_string()) return {};
    names.emplace_back(step.key.as_string());
  }
  return names;
}

std::int64_t* counter_of(agent::Usage& used, const std::string& name) {
  if (name == "tokens_in") return &used.tokens_in;
  if (name == "tokens_out") return &used.tokens_out;
  if (name == "calls") return &used.calls;
  return nullptr;
}

Result<Dot> dot_of(const Json& name) { return Dot::parse(name.get<std::string>()); }

}  // namespace

Status History::add(const Json& steps) {
  try {
    for (const Json& step : steps) {
      if (const auto gap = step.find("missing"); gap != step.end()) {
        missing_ +=
            gap->at("last").get<std::uint64_t>() - gap->at("first").get<std::uint64_t>() + 1;
        continue;
      }
      HistoryEvent event;
      const auto id = dot_of(step.at("event"));
      if (!id) return id.error();
      event.id = *id;
      event.time_ms = step.at("time_ms").get<std::uint64_t>();
      event.author = step.at("author").get<std::string>();
      event.note = step.at("note").get<std::string>();
      Clock& seen = seen_[id->replica];
      for (const auto& [replica, sequence] : step.at("dependencies").items()) {
        const auto writer = ReplicaId::parse(replica);
        if (!writer) return writer.error();
        seen.advance({*writer, sequence.get<Sequence>()});
      }
      event.seen = seen;
      seen.advance(*id);
      for (const Json& write : step.at("writes")) add_write(write, event);
      numbers_.emplace(*id, events_.size());
      events_.push_back(std::move(event));
    }
  } catch (const Json::exception& error) {
    return make_error(ErrorCode::malformed,
                      std::string("a history that we cannot read: ") + error.what());
  }
  return {};
}

void History::add_write(const Json& write, HistoryEvent& event) {
  const std::string path = write.at("path").get<std::string>();
  const std::string kind = write.at("write").get<std::string>();
  const std::vector<std::string> names = names_of(path);
  const auto is_at = [&](const char* part, std::size_t depth) {
    return names.size() == depth && names[0] == "sessions" && names[2] == part &&
           (event.session.empty() || event.session == names[1]);
  };
  if (is_at("turns", 3) && kind == "insert" && event.turn.empty() &&
      write.at("values").size() == 1) {
    event.turn = write.at("values").front().get<std::string>();
  } else if (is_at("usage", 4) && kind == "add" && counter_of(event.used, names[3]) != nullptr) {
    std::int64_t& total = totals_[{event.id.replica, path}];
    const auto now = write.at("total").get<std::int64_t>();
    *counter_of(event.used, names[3]) += now - total;
    total = now;
  } else if (is_at("steps", 5) && kind == "put" && names[4] == "status") {
    event.steps.push_back({names[3], write.at("value").get<std::int64_t>()});
  } else if (is_at("preferences", 4) && kind == "put") {
    PreferenceSet set{names[3], write.at("value").get<std::string>(), {}};
    for (const Json& name : write.value("replaced", Json::array())) {
      if (const auto dot = dot_of(name)) set.overwrote.push_back(*dot);
    }
    event.preferences.push_back(std::move(set));
  } else {
    event.others.push_back(path);
    return;
  }
  event.session = names[1];
}

std::optional<std::size_t> History::find(const Dot& dot) const {
  const auto at = numbers_.lower_bound(dot);  // an event is known by the last of its dots
  if (at == numbers_.end() || at->first.replica != dot.replica) return std::nullopt;
  return at->second;
}

Result<History> read_history(node::AdminClient& client) {
  History history;
  std::string cursor;
  for (;;) {
    const auto answer = client.call({{"command", "feed"},
                                     {"space", space_name},
                                     {"cursor", cursor},
                                     {"limit", steps_a_request}});
    if (!answer) return answer.error();
    const Json& steps = answer->at("steps");
    if (steps.empty()) return history;
    if (auto ok = history.add(steps); !ok) return ok.error();
    cursor = steps.back().at("cursor").get<std::string>();
  }
}

}  // namespace rejoin::demo
