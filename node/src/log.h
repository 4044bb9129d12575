// The node's log: one line on stderr for each thing that a person should hear of.
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "rejoin/node/core.h"

namespace rejoin::node {

// As spdlog numbers them.
inline constexpr int log_trace = 0;
inline constexpr int log_debug = 1;
inline constexpr int log_info = 2;
inline constexpr int log_warn = 3;
inline constexpr int log_error = 4;

// What one line says. `event` names its kind for programs and is stable; `message` is the sentence
// for people, and says all of it.
struct LogEntry {
  int level = log_info;
  const char* event = "";
  std::string message;
  std::string space = {};  // where it concerns one
  std::string peer = {};   // where it concerns one
  std::chrono::system_clock::time_point time = std::chrono::system_clock::now();
};

using Log = std::function<void(const LogEntry&)>;

// `level_name`: trace, debug, info, warn, error or off. `format`: text or json (docs/operating.md).
Log make_log(const std::string& node_name, const std::string& level_name,
             const std::string& format);

LogEntry log_entry(const Notice& notice);

}  // namespace rejoin::node
