#include "log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <memory>
#include <utility>

namespace rejoin::node {
namespace {

static_assert(log_trace == spdlog::level::trace && log_info == spdlog::level::info &&
              log_warn == spdlog::level::warn && log_error == spdlog::level::err);

const char* words_for(Notice::Kind kind) {
  switch (kind) {
    case Notice::Kind::divergence:
      return "states differ under equal clocks";
    case Notice::Kind::storage_failed:
      return "a write to the store failed and will be retried";
    case Notice::Kind::replica_id_changed:
      return "took a new replica id";
    case Notice::Kind::clock_ahead:
      return "a clock is too far ahead";
    case Notice::Kind::malformed_message:
      return "dropped a malformed message";
    case Notice::Kind::rejected:
      return "not talking to a peer";
    case Notice::Kind::member_suspected:
      return "a member may be dead";
    case Notice::Kind::member_dead:
      return "a member is dead";
    case Notice::Kind::member_alive:
      return "a member is alive after all";
    case Notice::Kind::peer_up:
    case Notice::Kind::peer_down:
    case Notice::Kind::changed:
    case Notice::Kind::progress:
      break;
  }
  return "";
}

}  // namespace

std::function<void(int level, const std::string& line)> make_log(const std::string& node_name,
                                                                 const std::string& level_name) {
  auto sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  auto logger = std::make_shared<spdlog::logger>(node_name, std::move(sink));
  logger->set_pattern("%Y-%m-%d %H:%M:%S.%e %l %n: %v");
  logger->set_level(spdlog::level::from_str(level_name));
  logger->flush_on(spdlog::level::warn);
  return [logger](int level, const std::string& line) {
    logger->log(static_cast<spdlog::level::level_enum>(level), "{}", line);
  };
}

int log_level_of(Notice::Kind kind) {
  switch (kind) {
    case Notice::Kind::divergence:
    case Notice::Kind::storage_failed:
      return log_error;
    case Notice::Kind::replica_id_changed:
    case Notice::Kind::clock_ahead:
    case Notice::Kind::malformed_message:
    case Notice::Kind::rejected:
    case Notice::Kind::member_dead:
      return log_warn;
    case Notice::Kind::peer_up:
    case Notice::Kind::peer_down:
    case Notice::Kind::member_suspected:
    case Notice::Kind::member_alive:
      return log_info;
    case Notice::Kind::changed:
    case Notice::Kind::progress:
      break;
  }
  return log_trace;
}

std::string log_line(const Notice& notice) {
  if (notice.kind == Notice::Kind::peer_up) return "peer " + notice.peer + " is up";
  if (notice.kind == Notice::Kind::peer_down) return "peer " + notice.peer + " is silent";
  std::string line = words_for(notice.kind);
  if (!notice.peer.empty()) line += ", peer " + notice.peer;
  if (!notice.space.empty()) line += ", space " + notice.space;
  if (!notice.detail.empty()) line += ": " + notice.detail;
  return line;
}

}  // namespace rejoin::node
