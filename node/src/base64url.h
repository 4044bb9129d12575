// Base64 in the URL-safe alphabet, without padding (RFC 4648, section 5).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace rejoin::node {

std::string base64url_encode(std::string_view bytes);
// Nothing when `text` is not exactly what base64url_encode gives for some bytes.
std::optional<std::string> base64url_decode(std::string_view text);

}  // namespace rejoin::node
