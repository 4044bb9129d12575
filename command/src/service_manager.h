// Tells systemd, where it started this process as a service of Type=notify, how it goes
// (sd_notify(3)). Nothing anywhere else.
#pragma once

#include <chrono>
#include <optional>

namespace rejoin::command::service_manager {

void say_ready();
void say_alive();  // for the watchdog
void say_stopping();

// After how long a silence the watchdog ends the process; nothing when there is none.
std::optional<std::chrono::milliseconds> watchdog_limit();

}  // namespace rejoin::command::service_manager
