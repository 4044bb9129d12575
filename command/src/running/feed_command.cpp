// `rejoin feed`: what changes in a space of a running node, one JSON line an event, from where the
// last run stopped.
#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "command.h"
#include "running_space.h"

namespace rejoin::command {
namespace {

using nlohmann::json;

constexpr int steps_a_request = 1000;
constexpr int follow_timeout_ms = 10'000;

struct FeedOptions {
  RunningSpace place;
  std::string cursor;
  std::string cursor_file;
  bool follow = false;
};

// Empty where there is no such file yet.
std::string read_cursor(const std::string& file) {
  std::string cursor;
  std::getline(std::ifstream(file) >> std::ws, cursor);
  return cursor;
}

// A reader finds the former one or this one, whole.
Status write_cursor(const std::string& file, const std::string& cursor) {
  const std::string written = file + ".new";
  std::ofstream out(written, std::ios::trunc);
  out << cursor << "\n";
  out.close();
  if (out && std::rename(written.c_str(), file.c_str()) == 0) return {};
  return make_error(ErrorCode::io,
                    std::string("the cursor cannot be written: ") + std::strerror(errno) +
                        "; choose another place with --cursor-file",
                    file);
}

int run_feed(const FeedOptions& options) {
  std::string cursor = options.cursor;
  if (!options.cursor_file.empty()) cursor = read_cursor(options.cursor_file);
  auto client = options.place.node.connect();
  if (!client) return fail(client.error());
  json request{{"command", "feed"}, {"limit", steps_a_request}};
  auto whole = options.place.request(*client, std::move(request));
  if (!whole) return fail(whole.error());
  while (true) {
    (*whole)["cursor"] = cursor;
    (*whole)["timeout_ms"] = options.follow ? follow_timeout_ms : 0;
    const auto answer = client->call(*whole);
    if (!answer) return fail(answer.error());
    const json steps = answer->value("steps", json::array());
    for (const json& step : steps) {
      std::cout << step.dump(-1, ' ', false, json::error_handler_t::replace) << "\n";
      cursor = step.value("cursor", cursor);
    }
    std::cout.flush();
    if (!std::cout) return fail("the output cannot be written");
    if (!steps.empty() && !options.cursor_file.empty()) {
      if (auto kept = write_cursor(options.cursor_file, cursor); !kept) return fail(kept.error());
    }
    if (steps.empty() && !options.follow) return exit_done;
  }
}

}  // namespace

void add_feed_command(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand(
      "feed", "Print every event of a space of a running node, one JSON line each");
  auto options = std::make_shared<FeedOptions>();
  options->place.node.add_options(*command);
  command
      ->add_option("--space", options->place.space, "The space (needless where the node has one)")
      ->type_name("NAME");
  auto* cursor =
      command->add_option("--from", options->cursor, "Begin behind the line with this cursor")
          ->type_name("CURSOR");
  command
      ->add_option("--cursor-file", options->cursor_file,
                   "Go on where the cursor in this file says, and keep it there")
      ->type_name("FILE")
      ->excludes(cursor);
  command->add_flag("--follow", options->follow, "Wait for more, until interrupted");
  command->footer(
      "For spaces with history = \"full\" (docs/history.md). Events come in an order that "
      "respects\n"
      "what they depend on. The cursor is kept after the lines are written: after a crash some\n"
      "come again, none is left out. A line with `missing` names writes that came without their\n"
      "events: read the state anew.\n\n"
      "Examples:\n"
      "  rejoin feed --config node.toml > events.jsonl\n"
      "  rejoin feed --config node.toml --follow --cursor-file index.cursor | my-indexer\n\n"
      "Exit codes: 0 done, 1 no node answers there or it cannot tell, 2 wrong usage.");
  command->callback([options, &exit_code] { exit_code = run_feed(*options); });
}

}  // namespace rejoin::command
