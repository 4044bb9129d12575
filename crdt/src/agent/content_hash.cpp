#include "rejoin/crdt/agent/content_hash.h"

namespace rejoin::agent {
namespace {

constexpr std::string_view digits = "0123456789abcdef";
constexpr std::string_view letters_and_digits = "0123456789abcdefghijklmnopqrstuvwxyz";

bool consists_of(std::string_view text, std::string_view allowed) {
  return text.find_first_not_of(allowed) == std::string_view::npos;
}

}  // namespace

Result<ContentHash> ContentHash::parse(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon != std::string_view::npos) {
    const std::string_view algorithm = text.substr(0, colon);
    const std::string_view value = text.substr(colon + 1);
    if (!algorithm.empty() && algorithm.size() <= 16 && value.size() >= 32 && value.size() <= 128 &&
        value.size() % 2 == 0 && consists_of(algorithm, letters_and_digits) &&
        consists_of(value, digits)) {
      return ContentHash(text);
    }
  }
  return make_error(ErrorCode::invalid_argument,
                    "a content hash is an algorithm, a colon and 32 to 128 lower-case hexadecimal "
                    "digits, such as sha256:<64 digits>",
                    std::string(text.substr(0, 64)));
}

}  // namespace rejoin::agent
