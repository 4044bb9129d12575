// Scopes from TOML.
#include <algorithm>
#include <set>
#include <utility>

#include "check/key_space.h"
#include "rejoin/simulation/explore.h"
#include "rejoin/transport/message.h"
#include "scenario/knobs.h"
#include "scenario/shipped.h"
#include "scenario/toml_reader.h"

namespace rejoin::simulation {

namespace {

// More has no chance to be covered.
constexpr std::size_t nodes_max = 4;
constexpr std::size_t steps_max = 16;  // of a client
constexpr std::uint64_t budget_max = 16;
constexpr std::uint64_t bytes_max = 100'000;

// By the order of ScopeStep::Write.
const std::vector<std::string> write_names = {
    "register", "pair",      "set_add", "set_remove", "remove_wins_add", "remove_wins_remove",
    "count",    "reset",     "enable",  "disable",    "deposit",         "spend",
    "give",     "remove_map"};

std::vector<std::string> map_names() {
  std::vector<std::string> names;
  const KeySpace keys(1);
  for (ContainerIndex i = 0; i < keys.free_containers(); ++i) {
    std::string path;
    for (const auto& step : keys.containers()[i].steps) path += (path.empty() ? "" : "/") + step;
    names.push_back(std::move(path));
  }
  return names;
}

class ScopeReader {
 public:
  ScopeReader(Scope& scope, TomlProblems& problems) : scope_(scope), problems_(problems) {}

  void read(TomlTable& top) {
    top.read("name", scope_.name);
    top.read("description", scope_.description);
    read_nodes(top);
    if (problems_.first) return;
    top.read("name_members", scope_.name_members);
    for (const auto* table : top.tables("before")) scope_.before.push_back(step(*table, "before"));
    some_nodes(top, "away", scope_.away);
    for (const auto* table : top.tables("meanwhile")) {
      scope_.meanwhile.push_back(step(*table, "meanwhile"));
      if (std::ranges::count(scope_.away, scope_.meanwhile.back().at) > 0) {
        problems_.report(table->source(), "meanwhile.at: that node is away");
      }
    }
    for (const auto* table : top.tables("client")) {
      TomlTable client(*table, "client", problems_);
      std::vector<ScopeStep> steps;
      for (const auto* one : client.tables("steps")) steps.push_back(step(*one, "client.steps"));
      if (steps.empty() || steps.size() > steps_max) {
        client.problem("steps", "client.steps: expected 1 to 16 steps");
      }
      client.finish();
      scope_.clients.push_back(std::move(steps));
    }
    budget(top, "crashes", scope_.crashes);
    budget(top, "losses", scope_.losses);
    budget(top, "duplicates", scope_.duplicates);
    budget(top, "timers", scope_.timers);
    some_nodes(top, "crashing", scope_.crashing);
    some_nodes(top, "timed", scope_.timed);
    if (const auto* table = top.table("core")) {
      TomlTable core(*table, "core", problems_);
      read_core_options(core, scope_.core);
      for (const auto& [name, range] : scope_.core) {
        if (range.low != range.high) core.problem(name, "core." + name + ": expected one value");
      }
    }
    top.finish();
  }

 private:
  void read_nodes(TomlTable& top) {
    top.read("nodes", scope_.nodes);
    const std::set<std::string> names(scope_.nodes.begin(), scope_.nodes.end());
    const bool good = std::ranges::all_of(names, [](const std::string& name) {
      return transport::is_valid_name(name) && name.find_first_of(",:>") == std::string::npos;
    });
    if (names.size() != scope_.nodes.size() || names.size() < 2 || names.size() > nodes_max ||
        !good) {
      top.problem("nodes", "nodes: expected 2 to 4 different names without ',', ':' and '>'");
    }
  }

  void some_nodes(TomlTable& top, const std::string& key, std::vector<NodeIndex>& nodes) {
    std::vector<std::string> names;
    top.read(key, names);
    for (const auto& name : names) {
      const auto node = std::ranges::find(scope_.nodes, name);
      if (node == scope_.nodes.end()) {
        top.problem(key, key + ": there is no node \"" + name + '"');
      } else {
        nodes.push_back(static_cast<NodeIndex>(node - scope_.nodes.begin()));
      }
    }
  }

  void budget(TomlTable& top, const std::string& key, std::uint64_t& value) {
    top.read(key, value);
    if (value > budget_max) top.problem(key, key + ": expected at most 16");
  }

  NodeIndex node(TomlTable& table, const std::string& key) {
    int index = 0;
    table.read_choice(key, scope_.nodes, index);
    return static_cast<NodeIndex>(index);
  }

  ScopeStep step(const toml::table& from, const std::string& name) {
    TomlTable table(from, name, problems_);
    ScopeStep step;
    for (const char* key : {"at", "write"}) {
      if (!table.has(key)) table.problem(table.full(key) + ": is missing");
    }
    step.at = node(table, "at");
    int write = 0;
    table.read_choice("write", write_names, write);
    step.write = static_cast<ScopeStep::Write>(write);
    static const std::vector<std::string> maps = map_names();
    int map = 0;
    table.read_choice("map", maps, map);
    step.map = maps[static_cast<std::size_t>(map)];
    std::uint64_t value = 1;
    table.read("value", value);
    step.value = static_cast<std::int64_t>(value);
    table.read("bytes", step.bytes);
    if (step.bytes > bytes_max) {
      table.problem("bytes", table.full("bytes") + ": expected at most 100000");
    }
    if ((step.write == ScopeStep::Write::give) != table.has("to")) {
      table.problem(table.full("to") + ": \"give\", and no other write, says to which node");
    }
    step.to = node(table, "to");
    table.finish();
    return step;
  }

  Scope& scope_;
  TomlProblems& problems_;
};

}  // namespace

Result<Scope> Scope::from_toml(std::string_view text, const std::string& source) {
  TomlProblems problems{source, std::nullopt};
  Scope scope;
  scope.source = source;
  try {
    const toml::table table = toml::parse(text, source);
    TomlTable top(table, "", problems);
    ScopeReader(scope, problems).read(top);
  } catch (const toml::parse_error& error) {
    return make_error(ErrorCode::malformed, std::string(error.description()),
                      source + ':' + std::to_string(error.source().begin.line));
  }
  if (problems.first) return *std::move(problems.first);
  return scope;
}

Result<Scope> Scope::from_toml_file(const std::string& path) {
  const auto text = read_file("scope", path);
  if (!text.ok()) return text.error();
  return from_toml(*text, path);
}

Result<Scope> find_scope(const std::string& name_or_path) {
  const auto path = find_shipped("scope", "rejoin sim explore", name_or_path);
  if (!path.ok()) return path.error();
  return Scope::from_toml_file(*path);
}

Result<std::vector<Scope>> shipped_scopes() {
  return read_shipped<Scope>("scopes", Scope::from_toml_file);
}

}  // namespace rejoin::simulation
