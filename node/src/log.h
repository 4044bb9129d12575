// The node's log: one line on stderr for each thing that a person should hear of.
#pragma once

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

// `level_name`: trace, debug, info, warn, error or off.
std::function<void(int level, const std::string& line)> make_log(const std::string& node_name,
                                                                 const std::string& level_name);

int log_level_of(Notice::Kind kind);
std::string log_line(const Notice& notice);

}  // namespace rejoin::node
