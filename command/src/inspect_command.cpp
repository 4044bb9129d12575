// `rejoin inspect`: what the store of a stopped node holds, and whether it is sound.
#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "command.h"
#include "rejoin/crdt/json.h"
#include "rejoin/node/inspect.h"
#include "units.h"

namespace rejoin::command {
namespace {

using nlohmann::json;

struct InspectOptions {
  std::string directory;
  bool as_json = false;
  std::string exported;  // SPACE or SPACE:PATH
};

struct Export {
  std::string space;
  Path path;
};

// The path begins at the first ":/", so that a space's name may have a colon in it.
Export parse_export(const std::string& text) {
  Export out;
  const std::size_t colon = text.find(":/");
  out.space = text.substr(0, colon);
  if (colon == std::string::npos) return out;
  auto path = Path::parse(std::string_view(text).substr(colon + 1));
  if (!path) throw CLI::ValidationError("--export", path.error().to_string());
  out.path = *std::move(path);
  return out;
}

std::string time_text(HybridTime time) {
  if (time == HybridTime{}) return "none";
  const auto seconds = static_cast<std::time_t>(time.millis() / 1000);
  std::tm parts{};
  char text[64];
  if (::gmtime_r(&seconds, &parts) == nullptr ||
      std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts) == 0) {
    return time.to_string();
  }
  char millis[16];
  std::snprintf(millis, sizeof millis, ".%03uZ", static_cast<unsigned>(time.millis() % 1000));
  return std::string(text) + millis;
}

std::uint64_t writes_of(const Clock& clock) {
  std::uint64_t sum = 0;
  for (const auto& [replica, sequence] : clock) sum += sequence;
  return sum;
}

void print(const node::Inspection& store, std::ostream& out) {
  out << store.directory << ": sound, format " << store.format << "\n"
      << "  commits  " << store.commits
      << (store.certain ? ", and none that was acknowledged is missing"
                        : "; UNCERTAIN: the last ones may be missing, and a node that starts here "
                          "will write under new replica ids")
      << "\n"
      << "  disk     " << bytes_text(store.database_bytes) << ", of which "
      << bytes_text(store.free_bytes) << " are free; write-ahead log "
      << bytes_text(store.write_ahead_bytes) << "\n";
  for (const node::InspectedSpace& inspected : store.spaces) {
    const node::StoredSpace& space = inspected.space;
    const Document& document = space.document;
    out << "\nspace " << space.name << "\n"
        << "  replica  " << space.replica.to_string() << "\n"
        << "  hash     " << document.hash().to_string() << "\n"
        << "  holds    " << writes_of(document.clock()) << " writes of " << document.clock().size()
        << " replicas, " << document.cell_count() << " cells, " << document.touch_count()
        << " removals remembered; last local time " << time_text(space.last_time) << "\n"
        << "  stored   " << inspected.stored_cells << " cells in "
        << bytes_text(inspected.stored_cell_bytes) << ", header "
        << bytes_text(inspected.header_bytes) << "\n"
        << "  log      " << inspected.log_events << " events and " << inspected.log_deltas
        << " deltas in " << bytes_text(inspected.log_bytes) << "\n"
        << "  clock\n";
    for (const auto& [replica, sequence] : document.clock()) {
      out << "    " << replica.to_string() << "  " << sequence << "\n";
    }
  }
}

json to_json(const node::Inspection& store) {
  json spaces = json::array();
  for (const node::InspectedSpace& inspected : store.spaces) {
    const node::StoredSpace& space = inspected.space;
    const Document& document = space.document;
    json clock = json::object();
    for (const auto& [replica, sequence] : document.clock()) clock[replica.to_string()] = sequence;
    spaces.push_back({{"name", space.name},
                      {"replica", space.replica.to_string()},
                      {"hash", document.hash().to_string()},
                      {"clock", clock},
                      {"last_time_ms", space.last_time.millis()},
                      {"cells", document.cell_count()},
                      {"touches", document.touch_count()},
                      {"stored_cells", inspected.stored_cells},
                      {"stored_cell_bytes", inspected.stored_cell_bytes},
                      {"header_bytes", inspected.header_bytes},
                      {"log_events", inspected.log_events},
                      {"log_deltas", inspected.log_deltas},
                      {"log_bytes", inspected.log_bytes}});
  }
  return {{"directory", store.directory},
          {"format", store.format},
          {"commits", store.commits},
          {"certain", store.certain},
          {"database_bytes", store.database_bytes},
          {"free_bytes", store.free_bytes},
          {"write_ahead_bytes", store.write_ahead_bytes},
          {"spaces", spaces}};
}

int print_export(const node::Inspection& store, const Export& wanted) {
  for (const node::InspectedSpace& inspected : store.spaces) {
    if (inspected.space.name != wanted.space) continue;
    auto subtree = rejoin::to_json(inspected.space.document, wanted.path);
    if (!subtree) return fail(subtree.error());
    std::cout << subtree->dump(2) << std::endl;
    return exit_done;
  }
  std::string names;
  for (const auto& inspected : store.spaces) {
    names += (names.empty() ? "" : ", ") + inspected.space.name;
  }
  return fail("no space \"" + wanted.space + "\" in " + store.directory +
              (names.empty() ? "; it has none" : "; it has " + names));
}

int run_inspect(const InspectOptions& options) {
  std::optional<Export> wanted;
  if (!options.exported.empty()) wanted = parse_export(options.exported);
  auto store = node::inspect(options.directory);
  if (!store) {
    if (store.error().code != ErrorCode::busy) return fail(store.error());
    return fail(options.directory +
                ": a running node has this store open; ask it with `rejoin status`, or stop it "
                "first");
  }
  if (wanted) return print_export(*store, *wanted);
  if (options.as_json) {
    std::cout << to_json(*store).dump(2) << std::endl;
  } else {
    print(*store, std::cout);
  }
  return exit_done;
}

}  // namespace

void add_inspect_command(CLI::App& app, int& exit_code) {
  CLI::App* command =
      app.add_subcommand("inspect", "Verify the store of a stopped node, and show what it holds");
  auto options = std::make_shared<InspectOptions>();
  command->add_option("directory", options->directory, "The node's directory")
      ->type_name("DIR")
      ->required();
  auto* as_json = command->add_flag("--json", options->as_json, "Print the same as JSON");
  command
      ->add_option("--export", options->exported,
                   "Print a space, or what is at a path in it, as JSON")
      ->type_name("SPACE[:PATH]")
      ->excludes(as_json);
  command->footer(
      "Reads everything, checks it as a starting node would, and changes nothing. A store that a\n"
      "node set aside as damaged can be looked at in the same way.\n\n"
      "Examples:\n"
      "  rejoin inspect /var/lib/rejoin\n"
      "  rejoin inspect /var/lib/rejoin --export sessions > sessions.json\n"
      "  rejoin inspect /var/lib/rejoin --export sessions:/sessions/s1/list:turns\n\n"
      "Exit codes: 0 sound, 1 damaged, in use or not there, 2 wrong usage.");
  command->callback([options, &exit_code] { exit_code = run_inspect(*options); });
}

}  // namespace rejoin::command
