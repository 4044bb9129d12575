// Names of content that is kept elsewhere.
#pragma once

#include <compare>
#include <string>
#include <string_view>

#include "rejoin/crdt/result.h"

namespace rejoin::agent {

// "<algorithm>:<digits>", such as "sha256:" and 64 hexadecimal digits. Whoever has the content can
// check it; nothing here does. Ordered bytewise. By default it names nothing.
class ContentHash {
 public:
  ContentHash() = default;
  // The algorithm is 1 to 16 lower-case letters and digits, its value 32 to 128 lower-case
  // hexadecimal digits, two a byte. `invalid_argument` for anything else.
  static Result<ContentHash> parse(std::string_view text);

  const std::string& to_string() const { return text_; }
  bool is_nil() const { return text_.empty(); }
  friend auto operator<=>(const ContentHash&, const ContentHash&) = default;

 private:
  explicit ContentHash(std::string_view text) : text_(text) {}
  std::string text_;
};

}  // namespace rejoin::agent
