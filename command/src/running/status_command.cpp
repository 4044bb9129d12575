// `rejoin status`: what a running node holds, and how far its peers are.
#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "answer_fields.h"
#include "command.h"
#include "running_node.h"
#include "table.h"
#include "units.h"

namespace rejoin::command {
namespace {

using nlohmann::json;

struct StatusOptions {
  RunningNode node;
  bool as_json = false;
};

std::string number(const json& object, const char* key) {
  return number_text(integer_of(object, key));
}

std::string writes(const json& object, const char* key) {
  return number_text(writes_of(object, key));
}

std::string heard(const json& peer) {
  const auto silent = integer_of(peer, "silent_ms");
  if (!silent) return "never heard";
  const std::string ago = duration_text(*silent) + " ago";
  return flag_of(peer, "alive") ? "alive, " + ago : "SILENT, heard " + ago;
}

void print_status(const json& status, std::ostream& out) {
  const std::string directory = text_of(status, "directory");
  out << text_of(status, "name") << " (cluster " << text_of(status, "cluster") << ", rejoin "
      << text_of(status, "version") << ", pid " << number(status, "pid") << ")\n"
      << "  listens at  " << text_of(status, "listen") << "\n"
      << "  store       " << (directory.empty() ? "none" : directory) << "\n";
  if (const std::string metrics = text_of(status, "metrics"); !metrics.empty()) {
    out << "  metrics     http://" << metrics << "/metrics\n";
  }
  if (const std::string moved = text_of(status, "set_aside_store"); !moved.empty()) {
    out << "  CORRUPT     the store it had was moved to " << moved << "\n";
  }
  if (const std::string refusal = text_of(status, "storage_error"); !refusal.empty()) {
    out << "  DISK        commits are in memory only: " << refusal << "\n";
  }
  for (const std::string& peer : texts_of(status, "links_down")) {
    out << "  LINK DOWN   " << peer << "\n";
  }
  const json traffic = object_of(status, "traffic");
  const json counters = object_of(status, "counters");
  out << "  traffic     sent " << number(traffic, "bytes_sent") << " bytes in "
      << number(traffic, "messages_sent") << " messages, received "
      << number(traffic, "bytes_received") << " in " << number(traffic, "messages_received") << "\n"
      << "  events      " << number(counters, "events_committed") << " committed here, "
      << number(counters, "events_applied") << " from peers; " << number(counters, "divergences")
      << " divergences, " << number(counters, "messages_malformed") << " malformed messages\n";

  for (const json& space : objects_of(status, "spaces")) {
    out << "\nspace " << text_of(space, "name")
        << (flag_of(space, "durable", true) ? ", durable" : ", ephemeral") << "\n"
        << "  replica " << text_of(space, "replica") << "\n"
        << "  hash    " << text_of(space, "hash") << "\n"
        << "  holds   " << writes(space, "clock") << " writes of "
        << object_of(space, "clock").size() << " replicas (" << writes(space, "durable_clock")
        << " durable here), " << number(space, "cells") << " cells, " << number(space, "touches")
        << " removals remembered\n";
    const auto peers = objects_of(space, "peers");
    if (peers.empty()) continue;
    Table table({"peer", "heard", "writes", "durable", "lag"});
    for (const json& peer : peers) {
      table.add({text_of(peer, "name"), heard(peer), writes(peer, "applied"),
                 writes(peer, "durable"), number(peer, "lag")});
    }
    table.print(out, "  ");
  }
}

int run_status(const StatusOptions& options) {
  auto status = options.node.call({{"command", "status"}});
  if (!status) return fail(status.error());
  if (options.as_json) {
    std::cout << status->dump(2) << std::endl;
  } else {
    print_status(*status, std::cout);
  }
  return exit_done;
}

}  // namespace

void add_status_command(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand(
      "status", "Show a running node's spaces, clocks, hashes, peers and how far they lag");
  auto options = std::make_shared<StatusOptions>();
  options->node.add_options(*command);
  command->add_flag("--json", options->as_json, "Print all of it as JSON (docs/admin.md)");
  command->footer(
      "`lag` counts writes here that the peer is not known to have. Equal hashes: equal states.\n\n"
      "Examples:\n"
      "  rejoin status --config examples/node.toml\n"
      "  rejoin status --socket /var/lib/rejoin/admin.sock --json\n\n"
      "Exit codes: 0 done, 1 no node answers there, 2 wrong usage.");
  command->callback([options, &exit_code] { exit_code = run_status(*options); });
}

}  // namespace rejoin::command
