#include "service_manager.h"

#include <systemd/sd-daemon.h>

#include <cstdint>

namespace rejoin::command::service_manager {
namespace {

// A manager that does not listen is no reason to stop.
void say(const char* words) { static_cast<void>(::sd_notify(0, words)); }

}  // namespace

void say_ready() { say("READY=1"); }
void say_alive() { say("WATCHDOG=1"); }
void say_stopping() { say("STOPPING=1"); }

std::optional<std::chrono::milliseconds> watchdog_limit() {
  std::uint64_t limit_us = 0;
  if (::sd_watchdog_enabled(0, &limit_us) <= 0) return std::nullopt;
  return std::chrono::ceil<std::chrono::milliseconds>(std::chrono::microseconds(limit_us));
}

}  // namespace rejoin::command::service_manager
