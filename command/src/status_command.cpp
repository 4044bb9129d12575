// `rejoin status`: what a running node holds, and how far its peers are.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdint>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "command.h"
#include "running_node.h"
#include "table.h"

namespace rejoin::command {
namespace {

using nlohmann::json;

struct StatusOptions {
  RunningNode node;
  bool as_json = false;
};

std::string text(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

std::string number(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number_integer()
             ? std::to_string(found->get<std::int64_t>())
             : "?";
}

std::string duration(std::int64_t milliseconds) {
  if (milliseconds < 10'000) return std::to_string(milliseconds) + " ms";
  if (milliseconds < 600'000) return std::to_string(milliseconds / 1000) + " s";
  return std::to_string(milliseconds / 60'000) + " min";
}

// How many writes a clock counts.
std::string writes(const json& object, const char* key) {
  std::int64_t sum = 0;
  const auto found = object.find(key);
  if (found == object.end() || !found->is_object()) return "?";
  for (const auto& [replica, sequence] : found->items()) {
    if (sequence.is_number_integer()) sum += sequence.get<std::int64_t>();
  }
  return std::to_string(sum);
}

std::string heard(const json& peer) {
  const auto silent = peer.find("silent_ms");
  if (silent == peer.end() || !silent->is_number_integer()) return "never heard";
  const std::string ago = duration(silent->get<std::int64_t>()) + " ago";
  return peer.value("alive", false) ? "alive, " + ago : "SILENT, heard " + ago;
}

void print_status(const json& status, std::ostream& out) {
  out << text(status, "name") << " (cluster " << text(status, "cluster") << ", rejoin "
      << text(status, "version") << ", pid " << number(status, "pid") << ")\n"
      << "  listens at  " << text(status, "listen") << "\n"
      << "  store       "
      << (text(status, "directory").empty() ? "none" : text(status, "directory")) << "\n";
  if (const std::string moved = text(status, "set_aside_store"); !moved.empty()) {
    out << "  CORRUPT     the store it had was moved to " << moved << "\n";
  }
  if (const std::string refusal = text(status, "storage_error"); !refusal.empty()) {
    out << "  DISK        commits are in memory only: " << refusal << "\n";
  }
  for (const json& peer : status.value("links_down", json::array())) {
    if (peer.is_string()) out << "  LINK DOWN   " << peer.get<std::string>() << "\n";
  }
  const json traffic = status.value("traffic", json::object());
  const json counters = status.value("counters", json::object());
  out << "  traffic     sent " << number(traffic, "bytes_sent") << " bytes in "
      << number(traffic, "messages_sent") << " messages, received "
      << number(traffic, "bytes_received") << " in " << number(traffic, "messages_received") << "\n"
      << "  events      " << number(counters, "events_committed") << " committed here, "
      << number(counters, "events_applied") << " from peers; " << number(counters, "divergences")
      << " divergences, " << number(counters, "messages_malformed") << " malformed messages\n";

  for (const json& space : status.value("spaces", json::array())) {
    out << "\nspace " << text(space, "name")
        << (space.value("durable", true) ? ", durable" : ", ephemeral") << "\n"
        << "  replica " << text(space, "replica") << "\n"
        << "  hash    " << text(space, "hash") << "\n"
        << "  holds   " << writes(space, "clock") << " writes of "
        << space.value("clock", json::object()).size() << " replicas ("
        << writes(space, "durable_clock") << " durable here), " << number(space, "cells")
        << " cells, " << number(space, "touches") << " removals remembered\n";
    const json peers = space.value("peers", json::array());
    if (peers.empty()) continue;
    Table table({"peer", "heard", "writes", "durable", "lag"});
    for (const json& peer : peers) {
      table.add({text(peer, "name"), heard(peer), writes(peer, "applied"), writes(peer, "durable"),
                 number(peer, "lag")});
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
