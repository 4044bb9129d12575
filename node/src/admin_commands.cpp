#include "admin_commands.h"

#include <unistd.h>

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <utility>

#include "admin_history.h"
#include "admin_operations.h"
#include "admin_watch.h"
#include "clock_json.h"
#include "counters.h"
#include "json_fields.h"
#include "metrics.h"
#include "rejoin/crdt/json.h"
#include "runtime.h"

namespace rejoin::node {
namespace {

using nlohmann::json;

constexpr int nesting_max = 100;
constexpr std::size_t children_max = 1000;
constexpr std::int64_t timeout_ms_default = 10000;
constexpr std::int64_t timeout_ms_max = 24 * 3600 * 1000;

// Bounds what a parser, a copy and a dump, which descend level by level, are made to do.
bool nests_too_deep(std::string_view text) {
  int depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      if (++depth > nesting_max) return true;
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return false;
}

json error_json(const Error& error) {
  return {{"code", to_string(error.code)}, {"message", error.message}, {"where", error.where}};
}

// ---- What is said ----

json dot_json(const Dot& dot) {
  if (dot.sequence == 0) return nullptr;
  return {{"replica", dot.replica.to_string()}, {"sequence", dot.sequence}};
}

template <class Counters, std::size_t count>
json counters_json(const Counters& counters, const CounterField<Counters> (&fields)[count]) {
  json object = json::object();
  for (const auto& field : fields) object[field.name] = counters.*field.value;
  return object;
}

json traffic_json(const Runtime& runtime) {
  return counters_json(runtime.traffic(), traffic_counter_fields);
}

json peer_json(const PeerStatus& peer) {
  return {{"name", peer.name},
          {"alive", peer.alive},
          {"silent_ms", peer.was_heard() ? json(peer.silent_millis) : json()},
          {"lag", peer.lag},
          {"applied", clock_json(peer.applied)},
          {"durable", clock_json(peer.durable)}};
}

json storage_json(const StorageStatus& storage) {
  using std::chrono::duration_cast;
  using std::chrono::milliseconds;
  return {{"commits", storage.commits},
          {"bytes", storage.bytes},
          {"writing_ms", duration_cast<milliseconds>(storage.writing).count()},
          {"unwritten_ms", duration_cast<milliseconds>(storage.unwritten).count()},
          {"file_bytes", storage.file_bytes}};
}

json space_json(const SpaceStatus& space) {
  json peers = json::array();
  for (const PeerStatus& peer : space.peers) peers.push_back(peer_json(peer));
  return {{"name", space.name},
          {"durable", space.durable},
          {"replica", space.replica.to_string()},
          {"hash", space.hash.to_string()},
          {"clock", clock_json(space.clock)},
          {"durable_clock", clock_json(space.durable_clock)},
          {"token", CausalToken(space.name, space.clock).to_string()},
          {"cells", space.cells},
          {"touches", space.touches},
          {"waiting_events", space.waiting_events},
          {"peers", std::move(peers)}};
}

// ---- What is asked ----

std::chrono::milliseconds timeout_of(JsonFields& fields) {
  const std::int64_t timeout_ms = fields.integer("timeout_ms", timeout_ms_default);
  if (timeout_ms < 0 || timeout_ms > timeout_ms_max) {
    fields.fail(make_error(ErrorCode::invalid_argument, "\"timeout_ms\" must be between 0 and " +
                                                            std::to_string(timeout_ms_max)));
  }
  return std::chrono::milliseconds(timeout_ms);
}

CausalToken token_of(JsonFields& fields, const char* key) {
  const std::string text = fields.string(key);
  if (!fields.ok()) return {};
  auto token = CausalToken::parse(text);
  if (token) return *std::move(token);
  fields.fail(token.error());
  return {};
}

Dot dot_of(JsonFields& fields) {
  JsonFields parts(fields.any("dot"), "dot");
  const std::string replica = parts.string("replica");
  const std::int64_t sequence = parts.integer("sequence");
  if (auto taken = parts.finish(); !taken) fields.fail(taken.error());
  if (!fields.ok()) return {};
  auto id = ReplicaId::parse(replica);
  if (id && sequence > 0) return Dot{*id, static_cast<Sequence>(sequence)};
  fields.fail(make_error(ErrorCode::invalid_argument, "\"dot\" is none that was ever handed out"));
  return {};
}

// How safe something is to be; what it is is filled in later.
Goal safety_of(JsonFields& fields) {
  JsonFields parts(fields.any("wait"), "wait");
  Goal goal;
  if (parts.has("peers")) {
    goal.kind = Goal::Kind::on_peers;
    const std::int64_t count = parts.integer("peers");
    if (count < 0) parts.fail(make_error(ErrorCode::invalid_argument, "wait: peers is below 0"));
    goal.count = static_cast<std::size_t>(std::max<std::int64_t>(count, 0));
  } else if (parts.has("peer")) {
    goal.kind = Goal::Kind::on_peer;
    goal.peer = parts.string("peer");
  } else if (parts.boolean("durable")) {
    goal.kind = Goal::Kind::durable;
  } else {
    parts.fail(make_error(ErrorCode::invalid_argument, "wait: durable can only be true"));
  }
  if (auto taken = parts.finish(); !taken) fields.fail(taken.error());
  return goal;
}

// ---- The commands: what the answer holds beside "ok" ----

Result<json> status(Runtime& runtime, JsonFields& fields) {
  if (auto taken = fields.finish(); !taken) return taken.error();
  const NodeOptions& options = runtime.options();
  const StorageStatus storage = runtime.storage_status();
  json spaces = json::array();
  for (const SpaceStatus& space : runtime.status()) spaces.push_back(space_json(space));
  return json{{"name", options.name},
              {"cluster", options.cluster},
              {"version", REJOIN_VERSION},
              {"pid", static_cast<std::int64_t>(::getpid())},
              {"listen", runtime.listen_endpoint()},
              {"directory", options.directory},
              {"metrics", runtime.metrics_address()},
              {"set_aside_store", runtime.set_aside_store()},
              {"storage_error", storage.error},
              {"storage", storage_json(storage)},
              {"links_down", runtime.links_down()},
              {"spaces", std::move(spaces)},
              {"counters", counters_json(runtime.counters(), core_counter_fields)},
              {"traffic", traffic_json(runtime)}};
}

Result<json> traffic(Runtime& runtime, JsonFields& fields) {
  if (auto taken = fields.finish(); !taken) return taken.error();
  return traffic_json(runtime);
}

Result<json> metrics(Runtime& runtime, JsonFields& fields) {
  if (auto taken = fields.finish(); !taken) return taken.error();
  return json{{"text", metrics_text(runtime)}};
}

Result<json> health(Runtime& runtime, JsonFields& fields) {
  if (auto taken = fields.finish(); !taken) return taken.error();
  const std::vector<std::string> flaws = flaws_of(runtime);
  return json{{"healthy", flaws.empty()}, {"reasons", flaws}};
}

Result<json> stop(Runtime& runtime, JsonFields& fields) {
  if (auto taken = fields.finish(); !taken) return taken.error();
  if (runtime.request_stop()) return json::object();
  return make_error(ErrorCode::invalid_argument,
                    "this process does not take requests to stop; it decides itself");
}

Result<json> link(Runtime& runtime, JsonFields& fields) {
  const std::string peer = fields.string("peer");
  const bool up = fields.boolean("up");
  if (auto taken = fields.finish(); !taken) return taken.error();
  runtime.set_link(peer, up);
  return json::object();
}

Result<json> connect(Runtime& runtime, JsonFields& fields) {
  const std::string peer = fields.string("peer");
  const std::string endpoint = fields.string("endpoint");
  if (auto taken = fields.finish(); !taken) return taken.error();
  if (auto connected = runtime.connect(peer, endpoint); !connected) return connected.error();
  return json::object();
}

Result<json> members(Runtime& runtime, JsonFields& fields) {
  if (auto taken = fields.finish(); !taken) return taken.error();
  json all = json::array();
  for (const MemberStatus& member : runtime.members()) {
    all.push_back({{"name", member.name},
                   {"endpoint", member.endpoint},
                   {"region", member.region},
                   {"leaf", member.leaf},
                   {"neighbour", member.neighbour},
                   {"life", transport::life_name(member.life)}});
  }
  return json{{"members", std::move(all)}};
}

Result<json> best_node(Runtime& runtime, JsonFields& fields) {
  const std::string session = fields.string("session");
  std::optional<std::string> region;
  if (fields.has("region")) region = fields.string("region");
  if (fields.ok() && session.empty()) {
    fields.fail(make_error(ErrorCode::invalid_argument, "\"session\" is empty; name one"));
  }
  if (auto taken = fields.finish(); !taken) return taken.error();
  json nodes = json::array();
  for (const AffinityCandidate& node : runtime.nodes_for(session, region)) {
    nodes.push_back({{"name", node.name}, {"region", node.region}});
  }
  if (nodes.empty()) {
    return make_error(ErrorCode::not_found,
                      "no member that others can dial is alive, as far as is known here; stay "
                      "where you are, and ask again",
                      session);
  }
  return json{{"nodes", std::move(nodes)}};
}

Result<json> remove_member(Runtime& runtime, JsonFields& fields) {
  const std::string member = fields.string("member");
  const std::string author = fields.string("author", "");
  if (auto taken = fields.finish(); !taken) return taken.error();
  if (auto removed = runtime.remove_member(member, author); !removed) return removed.error();
  return json::object();
}

Result<json> open(Runtime& runtime, JsonFields& fields) {
  const std::string space = fields.string("space");
  const bool durable = fields.boolean("durable", true);
  if (auto taken = fields.finish(); !taken) return taken.error();
  if (auto opened = runtime.open_space(space, SpaceOptions{durable}); !opened) {
    return opened.error();
  }
  return json::object();
}

// The space that a request names, which must be open.
std::string open_space_of(Runtime& runtime, JsonFields& fields) {
  std::string space = fields.string("space");
  if (fields.ok() && !runtime.has_space(space)) {
    fields.fail(make_error(ErrorCode::not_found, "no space \"" + space + "\" is open here"));
  }
  return space;
}

// The field "path", or the root.
NamedPath named_path_of(JsonFields& fields) {
  auto path = NamedPath::parse(fields.string("path", "/"));
  if (path) return *std::move(path);
  if (fields.ok()) fields.fail(path.error());
  return {};
}

Result<json> spaces(Runtime& runtime, JsonFields& fields) {
  if (auto taken = fields.finish(); !taken) return taken.error();
  json all = json::array();
  for (const auto& [name, options] : runtime.spaces()) {
    all.push_back({{"name", name}, {"durable", options.durable}});
  }
  return json{{"spaces", std::move(all)}};
}

// The children of a map whose names begin with something.
Result<json> children(Runtime& runtime, JsonFields& fields) {
  const std::string space = open_space_of(runtime, fields);
  const Path path = fields.path_or_root("path");
  const std::string prefix = fields.string("prefix", "");
  const bool is_map =
      std::ranges::all_of(path.steps(), [](const Step& step) { return step.type == Type::map; });
  if (fields.ok() && !is_map) {
    fields.fail(make_error(ErrorCode::wrong_type, "not a map below maps", path.to_string()));
  }
  if (auto taken = fields.finish(); !taken) return taken.error();
  json all = json::array();
  runtime.read(space, [&](const Document& document) {
    for (const auto& [name, type] : document.root().at(path).children()) {
      if (!name.starts_with(prefix) || all.size() >= children_max) continue;
      all.push_back({{"name", name}, {"type", to_string(type)}});
    }
  });
  return json{{"children", std::move(all)}};
}

Result<json> export_json(Runtime& runtime, JsonFields& fields) {
  const std::string space = open_space_of(runtime, fields);
  const NamedPath path = named_path_of(fields);
  if (auto taken = fields.finish(); !taken) return taken.error();
  std::optional<Result<json>> subtree;
  runtime.read(space, [&](const Document& document) {
    if (const auto found = path.find(document)) subtree.emplace(to_json(document, *found));
  });
  if (!subtree) {
    return make_error(ErrorCode::not_found, "nothing is there in space " + space, path.text());
  }
  if (!*subtree) return subtree->error();
  return json{{"json", std::move(**subtree)}};
}

Result<json> token(Runtime& runtime, JsonFields& fields) {
  const std::string space = open_space_of(runtime, fields);
  if (auto taken = fields.finish(); !taken) return taken.error();
  Clock clock;
  runtime.read(space, [&](const Document& document) { clock = document.clock(); });
  return json{{"token", CausalToken(space, clock).to_string()}};
}

Status wait_for(Runtime& runtime, const CausalToken& token, std::chrono::milliseconds timeout) {
  Goal goal;
  goal.clock = token.clock();
  return runtime.wait(token.space(), goal, timeout);
}

Result<json> wait_token(Runtime& runtime, JsonFields& fields) {
  const CausalToken token = token_of(fields, "token");
  const auto timeout = timeout_of(fields);
  if (auto taken = fields.finish(); !taken) return taken.error();
  if (auto shown = wait_for(runtime, token, timeout); !shown) return shown.error();
  return json::object();
}

Result<json> wait_receipt(Runtime& runtime, JsonFields& fields) {
  const std::string space = open_space_of(runtime, fields);
  Goal goal = safety_of(fields);
  if (fields.has("token")) {
    const CausalToken token = token_of(fields, "token");
    if (fields.ok() && token.space() != space) {
      fields.fail(make_error(ErrorCode::invalid_argument, "\"token\" is one of another space"));
    }
    goal.clock = token.clock();
  } else {
    goal.clock = made_safe_by(dot_of(fields), {});
  }
  const auto timeout = timeout_of(fields);
  if (auto taken = fields.finish(); !taken) return taken.error();
  if (auto safe = runtime.wait(space, goal, timeout); !safe) return safe.error();
  return json::object();
}

using Deadline = std::chrono::steady_clock::time_point;

Deadline deadline_of(JsonFields& fields) {
  return std::chrono::steady_clock::now() + timeout_of(fields);
}

std::chrono::milliseconds left_until(Deadline deadline) {
  return std::max(std::chrono::milliseconds{0},
                  std::chrono::duration_cast<std::chrono::milliseconds>(
                      deadline - std::chrono::steady_clock::now()));
}

// What a commit answers, when it is as safe as it is to be.
json committed_json(Runtime& runtime, const std::string& space, const Committed& committed,
                    std::optional<Goal> safety, Deadline deadline) {
  const Dot dot = committed.event ? committed.event->id() : Dot{};
  json answer{{"dot", dot_json(dot)}, {"token", CausalToken(space, committed.clock).to_string()}};
  if (!safety) return answer;
  safety->clock = made_safe_by(dot, committed.clock);
  if (auto safe = runtime.wait(space, *safety, left_until(deadline)); !safe) {
    answer["error"] = error_json(safe.error());  // the write stands: its dot goes with the error
  }
  return answer;
}

Result<json> apply(Runtime& runtime, JsonFields& fields) {
  const std::string space = open_space_of(runtime, fields);
  const std::string author = fields.string("author", "");
  const std::string note = fields.string("note", "");
  const json& operations = fields.any("ops");
  std::optional<CausalToken> after;
  if (fields.has("after")) after = token_of(fields, "after");
  std::optional<Goal> safety;
  if (fields.has("wait")) safety = safety_of(fields);
  const Deadline deadline = deadline_of(fields);
  if (after && fields.ok() && after->space() != space) {
    fields.fail(make_error(ErrorCode::invalid_argument, "\"after\" is a token of another space"));
  }
  if (auto taken = fields.finish(); !taken) return taken.error();

  if (after) {
    if (auto shown = wait_for(runtime, *after, left_until(deadline)); !shown) return shown.error();
  }
  const auto committed = runtime.transact(space, author, note, [&](Transaction& transaction) {
    return apply_operations(transaction, operations);
  });
  if (!committed) return committed.error();
  return committed_json(runtime, space, *committed, safety, deadline);
}

Result<json> revert(Runtime& runtime, JsonFields& fields) {
  const std::string space = open_space_of(runtime, fields);
  const std::string name = fields.string("event");
  const std::string author = fields.string("author", "");
  const std::string note = fields.string("note", "");
  std::optional<Goal> safety;
  if (fields.has("wait")) safety = safety_of(fields);
  const Deadline deadline = deadline_of(fields);
  if (auto taken = fields.finish(); !taken) return taken.error();
  const auto event = Dot::parse(name);
  if (!event) {
    return make_error(ErrorCode::invalid_argument,
                      "\"" + name +
                          "\" is no event; expected a name such as <32 hexadecimal digits>:7, as "
                          "`history` gives it");
  }
  const auto outcome = runtime.revert(space, *event, author, note);
  if (!outcome) return outcome.error();
  json answer = committed_json(runtime, space, outcome->committed, safety, deadline);
  answer["cells"] = outcome->reverted.cells;
  answer["kept"] = json::array();
  for (const Reverted::Kept& kept : outcome->reverted.kept) {
    answer["kept"].push_back({{"path", kept.path.to_string()}, {"reason", kept.reason}});
  }
  return answer;
}

Result<json> watch(Runtime& runtime, JsonFields& fields, std::unique_ptr<AdminWatch>& watching) {
  const std::string space = open_space_of(runtime, fields);
  NamedPath path = named_path_of(fields);
  const bool values = fields.boolean("values", true);
  if (auto taken = fields.finish(); !taken) return taken.error();
  auto begun = AdminWatch::begin(runtime, space, std::move(path), values);
  if (!begun) return begun.error();
  watching = *std::move(begun);
  return json::object();
}

constexpr std::string_view watch_command = "watch";

// A command of admin_history.h, of the space that the request names.
template <auto answer>
Result<json> look_back(Runtime& runtime, JsonFields& fields) {
  const std::string space = open_space_of(runtime, fields);
  return answer(runtime, space, fields);
}

using Command = Result<json> (*)(Runtime&, JsonFields&);
constexpr std::pair<std::string_view, Command> known_commands[] = {
    {"status", status},
    {"traffic", traffic},
    {"metrics", metrics},
    {"health", health},
    {"stop", stop},
    {"link", link},
    {"connect", connect},
    {"members", members},
    {"best_node", best_node},
    {"remove_member", remove_member},
    {"open", open},
    {"spaces", spaces},
    {"children", children},
    {"export", export_json},
    {"apply", apply},
    {"revert", revert},
    {"token", token},
    {"wait_token", wait_token},
    {"wait_receipt", wait_receipt},
    {"history", look_back<answer_history>},
    {"why", look_back<answer_why>},
    {"at", look_back<answer_at>},
    {"diff", look_back<answer_diff>},
    {"feed", look_back<answer_feed>},
};

Result<json> run_command(Runtime& runtime, const json& request,
                         std::unique_ptr<AdminWatch>& watching) {
  JsonFields fields(request, "request");
  const std::string name = fields.string("command");
  if (fields.has("id")) fields.any("id");
  if (!fields.ok()) return fields.finish().error();
  if (name == watch_command) return watch(runtime, fields, watching);
  for (const auto& [known, command] : known_commands) {
    if (known == name) return command(runtime, fields);
  }
  std::string all(watch_command);
  for (const auto& [known, command] : known_commands) {
    all += ", " + std::string(known);
  }
  return make_error(ErrorCode::invalid_argument, "no command \"" + name + "\"; known are " + all);
}

json answer_to(Runtime& runtime, std::string_view line, json& id,
               std::unique_ptr<AdminWatch>& watching) {
  if (nests_too_deep(line)) {
    return {{"error", error_json(make_error(ErrorCode::malformed, "the request nests too deep"))}};
  }
  const json request = json::parse(line, nullptr, false);
  if (request.is_discarded()) {
    return {{"error", error_json(make_error(ErrorCode::malformed, "the request is not JSON"))}};
  }
  if (request.is_object() && request.contains("id")) id = request["id"];
  Result<json> answer = run_command(runtime, request, watching);
  if (!answer) return {{"error", error_json(answer.error())}};
  return *std::move(answer);
}

}  // namespace

std::string admin_line(const json& json) {
  return json.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string answer_admin_request(Runtime& runtime, std::string_view line,
                                 std::unique_ptr<AdminWatch>& watch) {
  json id;
  json answer;
  try {
    answer = answer_to(runtime, line, id, watch);
  } catch (const std::exception& error) {  // of the JSON library, or out of memory
    answer = {{"error", error_json(make_error(ErrorCode::invalid_argument, error.what()))}};
  }
  answer["ok"] = !answer.contains("error");
  if (!id.is_null()) answer["id"] = std::move(id);
  return admin_line(answer);
}

std::string admin_refusal(std::string_view code, std::string_view message) {
  return admin_line(
      {{"ok", false}, {"error", {{"code", code}, {"message", message}, {"where", ""}}}});
}

}  // namespace rejoin::node
