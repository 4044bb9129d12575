// Base64 with padding (RFC 4648, section 4): how bytes appear in JSON.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace rejoin {

std::string base64_encode(std::string_view bytes);
// Empty on anything but the one encoding of some bytes.
std::optional<std::string> base64_decode(std::string_view text);

}  // namespace rejoin
