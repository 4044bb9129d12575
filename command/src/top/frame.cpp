#include "frame.h"

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <tuple>
#include <utility>

#include "running/answer_fields.h"
#include "table.h"
#include "units.h"

namespace rejoin::command::top {
namespace {

using nlohmann::json;

constexpr const char* keys_line = "q quit   tab, arrows: choose a space   h help";
constexpr std::size_t name_width_min = 16;
constexpr std::size_t other_columns_width = 58;  // beside a name, in the widest table
constexpr std::size_t flaws_max = 3;

std::string rate_cell(std::optional<double> rate) { return rate ? rate_text(*rate) : "?"; }

// Of a status: a count in one of its parts.
auto count(const char* part, const char* key) {
  return [=](const json& status) { return integer_of(object_of(status, part), key); };
}

std::string rate_of(const Readings& readings, const char* part, const char* key) {
  return rate_cell(readings.rate(count(part, key)));
}

std::string bytes_rate(const Readings& readings, const char* part, const char* key) {
  const auto rate = readings.rate(count(part, key));
  return rate ? bytes_text(static_cast<std::uint64_t>(std::max(0.0, *rate))) + "/s" : "?";
}

std::string number(const json& object, const char* key) {
  return number_text(integer_of(object, key));
}

const json* space_named(const json& status, const std::string& name) {
  const auto spaces = status.find("spaces");
  if (spaces == status.end() || !spaces->is_array()) return nullptr;
  for (const json& space : *spaces) {
    if (space.is_object() && text_of(space, "name") == name) return &space;
  }
  return nullptr;
}

// ---- The parts ----

void add_node(const Readings& readings, std::vector<Line>& out) {
  const json& status = readings.last()->status;
  const std::string listen = text_of(status, "listen");
  out.push_back({text_of(status, "name") + "   cluster " + text_of(status, "cluster") +
                     "   rejoin " + text_of(status, "version") + "   pid " + number(status, "pid") +
                     "   " + (listen.empty() ? "dials out only" : listen),
                 Style::title});
  if (!readings.trouble().empty()) {
    out.push_back({"NO ANSWER, trying again: " + readings.trouble(), Style::bad});
  } else if (readings.last()->flaws.empty()) {
    out.push_back({"healthy", Style::good});
  }
  std::size_t told = 0;
  for (const std::string& flaw : readings.last()->flaws) {
    if (++told > flaws_max) break;
    out.push_back({"NOT HEALTHY: " + flaw, Style::bad});
  }
}

void add_traffic(const Readings& readings, std::vector<Line>& out) {
  const json& status = readings.last()->status;
  const json counters = object_of(status, "counters");
  out.push_back({"network  out " + bytes_rate(readings, "traffic", "bytes_sent") + ", " +
                 rate_of(readings, "traffic", "messages_sent") + " msg/s   in " +
                 bytes_rate(readings, "traffic", "bytes_received") + ", " +
                 rate_of(readings, "traffic", "messages_received") + " msg/s   dropped " +
                 rate_of(readings, "traffic", "messages_dropped") + "/s"});
  out.push_back({"events   " + rate_of(readings, "counters", "events_committed") +
                 "/s committed here, " + rate_of(readings, "counters", "events_applied") +
                 "/s from peers   divergences " + number(counters, "divergences") +
                 "   malformed " + number(counters, "messages_malformed")});
  if (text_of(status, "directory").empty()) {
    out.push_back({"disk     none"});
    return;
  }
  const json storage = object_of(status, "storage");
  const auto files = integer_of(storage, "file_bytes");
  std::string line = "disk     " + rate_of(readings, "storage", "commits") + " commits/s, " +
                     bytes_rate(readings, "storage", "bytes") + "   files " +
                     (files ? bytes_text(static_cast<std::uint64_t>(*files)) : "?");
  const auto waits = integer_of(storage, "unwritten_ms");
  const bool late = waits && *waits > 1000;
  if (late) line += "   A WRITE WAITS, " + duration_text(*waits);
  out.push_back({std::move(line), late ? Style::bad : Style::plain});
}

// A table of which some rows may be left out when there is no room.
struct Part {
  std::vector<Line> lines;  // the head's first
  std::size_t chosen = 0;   // a row that must be seen

  std::size_t rows() const { return lines.size() - 1; }
};

Part part_of(const Table& table, const std::vector<Style>& styles) {
  Part part;
  for (std::string& text : table.lines()) {
    const std::size_t row = part.lines.size();
    part.lines.push_back({std::move(text), row == 0 ? Style::head : styles[row - 1]});
  }
  return part;
}

Part spaces_part(const Readings& readings, const std::string& chosen, std::size_t name_width) {
  Table table({"space", "writes", "here/s", "peers/s", "cells", "removals", "waiting", "lag"});
  std::vector<Style> styles;
  std::size_t chosen_row = 0;
  for (const json& space : objects_of(readings.last()->status, "spaces")) {
    const std::string name = text_of(space, "name");
    const std::string replica = text_of(space, "replica");
    const auto own = [&](const json& status) -> std::optional<std::int64_t> {
      const json* found = space_named(status, name);
      if (found == nullptr || text_of(*found, "replica") != replica) return std::nullopt;
      return integer_of(object_of(*found, "clock"), replica.c_str()).value_or(0);
    };
    const auto all = [&](const json& status) -> std::optional<std::int64_t> {
      const json* found = space_named(status, name);
      return found == nullptr ? std::nullopt : writes_of(*found, "clock");
    };
    const auto here = readings.rate(own), everywhere = readings.rate(all);
    const std::string of_peers = here && everywhere ? rate_text(*everywhere - *here) : "?";
    std::int64_t lag = 0;
    for (const json& peer : objects_of(space, "peers")) {
      lag = std::max(lag, integer_of(peer, "lag").value_or(0));
    }
    if (name == chosen) chosen_row = styles.size();
    styles.push_back(name == chosen ? Style::chosen : Style::plain);
    table.add({shortened(name, name_width), number_text(writes_of(space, "clock")), rate_cell(here),
               of_peers, number(space, "cells"), number(space, "touches"),
               number(space, "waiting_events"), std::to_string(lag)});
  }
  Part part = part_of(table, styles);
  part.chosen = chosen_row;
  return part;
}

// The worst first: silent ones, then by how far they are behind.
Part peers_part(const json& space, std::size_t name_width) {
  auto peers = objects_of(space, "peers");
  std::ranges::stable_sort(peers, {}, [](const json& peer) {
    return std::tuple(flag_of(peer, "alive"), -integer_of(peer, "lag").value_or(0),
                      text_of(peer, "name"));
  });
  Table table({"peer", "state", "heard", "writes", "durable", "lag"});
  std::vector<Style> styles;
  for (const json& peer : peers) {
    const bool alive = flag_of(peer, "alive");
    const auto silent = integer_of(peer, "silent_ms");
    styles.push_back(alive ? Style::plain : Style::bad);
    table.add({shortened(text_of(peer, "name"), name_width), alive ? "alive" : "SILENT",
               silent ? duration_text(*silent) + " ago" : "never",
               number_text(writes_of(peer, "applied")), number_text(writes_of(peer, "durable")),
               number(peer, "lag")});
  }
  return part_of(table, styles);
}

Part members_part(const std::vector<json>& members, std::size_t name_width) {
  auto sorted = members;
  std::ranges::stable_sort(sorted, {},
                           [](const json& member) { return text_of(member, "life") == "alive"; });
  Table table({"member", "state", "", "endpoint"});
  std::vector<Style> styles;
  for (const json& member : sorted) {
    const std::string life = text_of(member, "life");
    styles.push_back(life == "alive" ? Style::plain : Style::bad);
    table.add({shortened(text_of(member, "name"), name_width), life,
               flag_of(member, "neighbour") ? "neighbour" : "",
               flag_of(member, "leaf") ? "(leaf)" : text_of(member, "endpoint")});
  }
  return part_of(table, styles);
}

// ---- Room ----

// How many rows each part gets, of which each has a head and an empty line before it, too: one
// after the other, in turns, as long as there are lines.
std::vector<std::size_t> shares(const std::vector<Part>& parts, std::size_t lines) {
  const std::size_t heads = 2 * parts.size();
  std::size_t left = lines > heads ? lines - heads : 0;
  std::vector<std::size_t> rows(parts.size());
  for (bool any = true; any && left > 0;) {
    any = false;
    for (std::size_t i = 0; i < parts.size() && left > 0; ++i) {
      if (rows[i] == parts[i].rows()) continue;
      ++rows[i];
      --left;
      any = true;
    }
  }
  return rows;
}

// The head and so many rows, the chosen one among them; the last tells of those that are not there.
void add_part(const Part& part, std::size_t rows, std::vector<Line>& out) {
  out.push_back({});
  out.push_back(part.lines.front());
  if (rows >= part.rows()) {
    out.insert(out.end(), part.lines.begin() + 1, part.lines.end());
    return;
  }
  if (rows == 0) return;
  const std::size_t shown = rows - 1;
  const std::size_t first = shown > 0 && part.chosen >= shown ? part.chosen - shown + 1 : 0;
  for (std::size_t i = 0; i < shown; ++i) out.push_back(part.lines[1 + first + i]);
  out.push_back({"and " + std::to_string(part.rows() - shown) + " more", Style::faint});
}

std::vector<Line> help() {
  std::vector<Line> out;
  out.push_back({"rejoin top: a running node, read over its admin socket", Style::title});
  for (const char* text :
       {"", "q              quit", "tab, down      next space: its peers are shown",
        "up             space before", "h, ?           this help, and back", "",
        "here/s         writes made here in a second", "peers/s        writes that came from peers",
        "removals       remembered until every member has seen them",
        "waiting        events that wait for what they depend on",
        "lag            writes that a peer is not known to have; of a space, the most",
        "writes         of a peer: those that it is known to have",
        "durable        those of them that it has on its disk", "",
        "What to do about what is red: `rejoin health --help`, docs/operating.md"}) {
    out.push_back({text});
  }
  return out;
}

}  // namespace

std::vector<std::string> spaces_in(const Readings& readings) {
  std::vector<std::string> names;
  if (!readings.last()) return names;
  for (const json& space : objects_of(readings.last()->status, "spaces")) {
    names.push_back(text_of(space, "name"));
  }
  return names;
}

std::vector<Line> frame(const Readings& readings, const View& view) {
  std::vector<Line> out;
  if (view.help) {
    out = help();
  } else if (!readings.last()) {
    out.push_back({"rejoin top", Style::title});
    out.push_back({readings.trouble().empty() ? "reading..."
                                              : "NO ANSWER, trying again: " + readings.trouble(),
                   readings.trouble().empty() ? Style::faint : Style::bad});
  } else {
    const std::size_t name_width =
        std::max(name_width_min, view.width - std::min(view.width, other_columns_width));
    add_node(readings, out);
    out.push_back({});
    add_traffic(readings, out);
    const json* chosen = space_named(readings.last()->status, view.space);
    const auto spaces = spaces_in(readings);
    if (chosen == nullptr && !spaces.empty()) {
      chosen = space_named(readings.last()->status, spaces.front());
    }
    std::vector<Part> parts;
    parts.push_back(
        spaces_part(readings, chosen == nullptr ? "" : text_of(*chosen, "name"), name_width));
    if (chosen != nullptr) parts.push_back(peers_part(*chosen, name_width));
    if (!readings.last()->members.empty()) {
      parts.push_back(members_part(readings.last()->members, name_width));
    }
    const std::size_t taken = out.size() + 2;  // with the keys
    const std::size_t everything = 1'000'000;
    const std::size_t room = view.height > taken ? view.height - taken : 0;
    const auto rows = shares(parts, view.height == 0 ? everything : room);
    for (std::size_t i = 0; i < parts.size(); ++i) add_part(parts[i], rows[i], out);
  }
  if (view.height > 0) {
    out.resize(view.height - std::min<std::size_t>(view.height, 1));
    out.push_back({keys_line, Style::faint});
  }
  for (Line& line : out) line.text = shortened(line.text, view.width);
  return out;
}

}  // namespace rejoin::command::top
