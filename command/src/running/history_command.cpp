// `rejoin history|why|at|diff`: what a running node knows of the past of a space.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <ctime>
#include <functional>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "command.h"
#include "running_space.h"

namespace rejoin::command {
namespace {

using nlohmann::json;

struct HistoryOptions {
  RunningSpace place;
  std::int64_t limit = 20;
  std::string until;
  std::string version;
  std::string from;
  std::string to = "now";
  bool as_json = false;
};

constexpr const char* versions_help =
    "A version is `now`, a time (2026-11-28T12:00:00Z), an event (its name as `rejoin history`\n"
    "prints it: all that its writer had seen, and the event), `before:` and an event (what its\n"
    "writer knew when it wrote), or a causal token.\n\n";

std::string time_text(const json& event) {
  const std::int64_t millis = event.value("time_ms", std::int64_t{0});
  const auto seconds = static_cast<std::time_t>(millis / 1000);
  std::tm parts{};
  char text[64];
  if (::gmtime_r(&seconds, &parts) == nullptr ||
      std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts) == 0) {
    return std::to_string(millis) + " ms";
  }
  char rest[16];
  std::snprintf(rest, sizeof rest, ".%03dZ", static_cast<int>(millis % 1000));
  return std::string(text) + rest;
}

std::string event_text(const json& event) {
  if (!event.is_object()) return "a write whose event is not here";
  std::string text = time_text(event) + "  " + event.value("event", "");
  if (const std::string author = event.value("author", ""); !author.empty()) {
    text += "  by " + author;
  }
  if (const std::string note = event.value("note", ""); !note.empty()) text += "  (" + note + ")";
  return text;
}

std::string write_text(const json& write) {
  std::string text = write.value("write", "") + " " + write.value("path", "");
  for (const char* key : {"value", "values", "text", "total", "count", "element"}) {
    if (write.contains(key)) text += std::string(" ") + key + " " + write[key].dump();
  }
  return text;
}

// Completes the request by space and path.
int print_answer(const HistoryOptions& options, json request,
                 const std::function<void(const json&)>& print) {
  auto client = options.place.node.connect();
  if (!client) return fail(client.error());
  request["path"] = options.place.path;
  const auto whole = options.place.request(*client, std::move(request));
  if (!whole) return fail(whole.error());
  const auto answer = client->call(*whole);
  if (!answer) return fail(answer.error());
  if (options.as_json) {
    std::cout << answer->dump(2) << std::endl;
  } else {
    print(*answer);
  }
  return exit_done;
}

int run_history(const HistoryOptions& options) {
  json request = {{"command", "history"}};
  request["limit"] = options.limit;
  if (!options.until.empty()) request["until"] = options.until;
  return print_answer(options, request, [&](const json& answer) {
    for (const json& event : answer.value("events", json::array())) {
      std::cout << event_text(event) << "\n";
      for (const json& write : event.value("writes", json::array())) {
        std::cout << "    " << write_text(write) << "\n";
      }
    }
  });
}

int run_why(const HistoryOptions& options) {
  return print_answer(options, {{"command", "why"}}, [&](const json& answer) {
    for (const json& reason : answer.value("reasons", json::array())) {
      std::cout << reason.value("path", "");
      if (reason.contains("at")) {
        std::cout << " [" << reason["at"].dump() << ", " << reason["count"].dump() << " elements]";
      }
      std::cout << " = " << reason.value("value", json()).dump() << "\n    "
                << event_text(reason.value("by", json())) << "\n";
      for (const json& former : reason.value("overwrote", json::array())) {
        std::cout << "    instead of "
                  << (former.contains("value") ? former["value"].dump() : std::string("?")) << ", "
                  << event_text(former.value("by", json())) << "\n";
      }
    }
  });
}

int run_at(const HistoryOptions& options) {
  json request = {{"command", "at"}};
  request["version"] = options.version;
  return print_answer(options, request, [&](const json& answer) {
    std::cout << answer.value("json", json()).dump(2) << "\n";
  });
}

int run_diff(const HistoryOptions& options) {
  json request = {{"command", "diff"}};
  request["from"] = options.from;
  request["to"] = options.to;
  return print_answer(options, request, [&](const json& answer) {
    for (const json& difference : answer.value("differences", json::array())) {
      std::cout << difference.value("path", "") << "\n";
      if (difference.contains("before")) std::cout << "  - " << difference["before"].dump() << "\n";
      if (difference.contains("after")) std::cout << "  + " << difference["after"].dump() << "\n";
    }
  });
}

std::shared_ptr<HistoryOptions> add_options(CLI::App& command) {
  auto options = std::make_shared<HistoryOptions>();
  options->place.add_options(command);
  command.add_flag("--json", options->as_json, "Print the answer as JSON (docs/admin.md)");
  return options;
}

}  // namespace

void add_history_commands(CLI::App& app, int& exit_code) {
  CLI::App* history = app.add_subcommand("history", "Show who wrote what at a path, and when");
  auto options = add_options(*history);
  history->add_option("--limit", options->limit, "The newest so many events")
      ->type_name("N")
      ->capture_default_str();
  history->add_option("--until", options->until, "Only what was part of this version")
      ->type_name("VERSION");
  history->footer(std::string("For spaces with history = \"full\" (docs/history.md).\n\n") +
                  versions_help +
                  "Examples:\n"
                  "  rejoin history --config node.toml /sessions/s1\n"
                  "  rejoin history --config node.toml --limit 1000 --json\n\n"
                  "Exit codes: 0 done, 1 no node answers there or it cannot tell, 2 wrong usage.");
  history->callback([options, &exit_code] { exit_code = run_history(*options); });

  CLI::App* why = app.add_subcommand("why", "Show which events a value is owed to");
  options = add_options(*why);
  why->footer(
      "Each part of what is at the path, the event that wrote it, and what that overwrote.\n\n"
      "Example:\n"
      "  rejoin why --config node.toml /sessions/s1/preferences/register:seat\n\n"
      "Exit codes: 0 done, 1 no node answers there or nothing is at the path, 2 wrong usage.");
  why->callback([options, &exit_code] { exit_code = run_why(*options); });

  CLI::App* at = app.add_subcommand("at", "Show how a path stood at an earlier version");
  options = add_options(*at);
  at->add_option("--version", options->version, "Which version")->type_name("VERSION")->required();
  at->footer(versions_help +
             std::string("Examples:\n"
                         "  rejoin at --config node.toml --version "
                         "2026-11-28T12:00:00Z /sessions/s1\n\n"
                         "Exit codes: 0 done, 1 no node answers there or it does not know that "
                         "version, 2 wrong usage."));
  at->callback([options, &exit_code] { exit_code = run_at(*options); });

  CLI::App* diff = app.add_subcommand("diff", "Show what changed between two versions");
  options = add_options(*diff);
  diff->add_option("--from", options->from, "The earlier version")
      ->type_name("VERSION")
      ->required();
  diff->add_option("--to", options->to, "The later version")
      ->type_name("VERSION")
      ->capture_default_str();
  diff->footer(versions_help +
               std::string("Examples:\n"
                           "  rejoin diff --config node.toml --from "
                           "2026-11-28T12:00:00Z /sessions/s1\n\n"
                           "Exit codes: 0 done, 1 no node answers there or it does not know a "
                           "version, 2 wrong usage."));
  diff->callback([options, &exit_code] { exit_code = run_diff(*options); });
}

}  // namespace rejoin::command
