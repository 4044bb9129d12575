// What the requests on the admin socket do: see docs/admin.md.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace rejoin::node {

class Runtime;

inline constexpr std::size_t admin_request_bytes_max = 16u << 20;

// The answer to one request, without the line's end. Never throws; a request that asks to wait
// keeps the calling thread.
std::string answer_admin_request(Runtime& runtime, std::string_view line);
// The answer to a request that was not read.
std::string admin_refusal(std::string_view code, std::string_view message);

}  // namespace rejoin::node
