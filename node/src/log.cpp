#include "log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <array>
#include <cstdio>
#include <ctime>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

namespace rejoin::node {
namespace {

static_assert(log_trace == spdlog::level::trace && log_info == spdlog::level::info &&
              log_warn == spdlog::level::warn && log_error == spdlog::level::err);
constexpr std::array level_names = {"trace", "debug", "info", "warn", "error"};

// In UTC, to the millisecond, as RFC 3339 writes it.
std::string time_text(std::chrono::system_clock::time_point time) {
  const auto since = std::chrono::floor<std::chrono::milliseconds>(time.time_since_epoch());
  const auto seconds = std::chrono::floor<std::chrono::seconds>(since);
  const std::time_t whole = seconds.count();
  std::tm parts{};
  ::gmtime_r(&whole, &parts);
  char day[32], text[48];
  std::strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &parts);
  std::snprintf(text, sizeof text, "%s.%03dZ", day, static_cast<int>((since - seconds).count()));
  return text;
}

std::string json_line(const std::string& node_name, const LogEntry& entry) {
  nlohmann::ordered_json line{{"time", time_text(entry.time)},
                              {"level", level_names[static_cast<std::size_t>(entry.level)]},
                              {"node", node_name},
                              {"event", entry.event}};
  if (!entry.space.empty()) line["space"] = entry.space;
  if (!entry.peer.empty()) line["peer"] = entry.peer;
  line["message"] = entry.message;
  return line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

struct Telling {
  int level;
  const char* event;
  const char* words;  // empty: says it otherwise
};

Telling telling_of(Notice::Kind kind) {
  switch (kind) {
    case Notice::Kind::divergence:
      return {log_error, "divergence", "states differ under equal clocks"};
    case Notice::Kind::storage_failed:
      return {log_error, "storage_failed", "a write to the store failed and will be retried"};
    case Notice::Kind::replica_id_changed:
      return {log_warn, "replica_id_changed", "took a new replica id"};
    case Notice::Kind::clock_ahead:
      return {log_warn, "clock_ahead", "a clock is too far ahead"};
    case Notice::Kind::malformed_message:
      return {log_warn, "malformed_message", "dropped a malformed message"};
    case Notice::Kind::rejected:
      return {log_warn, "rejected", "not talking to a peer"};
    case Notice::Kind::member_suspected:
      return {log_info, "member_suspected", "a member may be dead"};
    case Notice::Kind::member_dead:
      return {log_warn, "member_dead", "a member is dead"};
    case Notice::Kind::member_alive:
      return {log_info, "member_alive", "a member is alive after all"};
    case Notice::Kind::peer_up:
      return {log_info, "peer_up", ""};
    case Notice::Kind::peer_down:
      return {log_info, "peer_down", ""};
    case Notice::Kind::changed:
      return {log_trace, "changed", ""};
    case Notice::Kind::progress:
      break;
  }
  return {log_trace, "progress", ""};
}

}  // namespace

Log make_log(const std::string& node_name, const std::string& level_name,
             const std::string& format) {
  const bool as_json = format == "json";
  auto sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  auto logger = std::make_shared<spdlog::logger>(node_name, std::move(sink));
  logger->set_pattern(as_json ? "%v" : "%Y-%m-%d %H:%M:%S.%e %l %n: %v");
  logger->set_level(spdlog::level::from_str(level_name));
  logger->flush_on(spdlog::level::warn);
  return [logger, as_json](const LogEntry& entry) {
    const auto level = static_cast<spdlog::level::level_enum>(entry.level);
    if (!logger->should_log(level)) return;
    logger->log(entry.time, spdlog::source_loc{}, level,
                as_json ? json_line(logger->name(), entry) : entry.message);
  };
}

LogEntry log_entry(const Notice& notice) {
  const Telling telling = telling_of(notice.kind);
  LogEntry entry{telling.level, telling.event, telling.words, notice.space, notice.peer};
  if (notice.kind == Notice::Kind::peer_up) {
    entry.message = "peer " + notice.peer + " is up";
  } else if (notice.kind == Notice::Kind::peer_down) {
    entry.message = "peer " + notice.peer + " is silent";
  } else {
    if (!notice.peer.empty()) entry.message += ", peer " + notice.peer;
    if (!notice.space.empty()) entry.message += ", space " + notice.space;
    if (!notice.detail.empty()) entry.message += ": " + notice.detail;
  }
  return entry;
}

}  // namespace rejoin::node
