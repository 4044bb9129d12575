// What the requests on the admin socket do: see docs/admin.md.
#pragma once

#include <cstddef>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace rejoin::node {

class AdminWatch;
class Runtime;

inline constexpr std::size_t admin_request_bytes_max = 16u << 20;

// The answer to one request, without the line's end. Never throws; a request that asks to wait
// keeps the calling thread. One that watches fills `watch`, whose lines follow the answer.
std::string answer_admin_request(Runtime& runtime, std::string_view line,
                                 std::unique_ptr<AdminWatch>& watch);
// As it is written on the connection, without the line's end.
std::string admin_line(const nlohmann::json& json);
// The answer to a request that was not read.
std::string admin_refusal(std::string_view code, std::string_view message);

}  // namespace rejoin::node
