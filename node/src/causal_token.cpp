// How causal tokens are written: "rj1." and base64 of the space's name, the clock, and a checksum
// that catches a token that was cut or mistyped on its way through clients.
#include "base64url.h"
#include "rejoin/crdt/codec.h"
#include "rejoin/crdt/hash.h"
#include "rejoin/node/node.h"
#include "rejoin/transport/message.h"

namespace rejoin::node {
namespace {

constexpr std::string_view prefix = "rj1.";
constexpr std::size_t checksum_bytes = 4;

std::string checksum(std::string_view body) {
  std::string bytes;
  for (std::uint64_t hash = hash_bytes(body).low; bytes.size() < checksum_bytes; hash >>= 8) {
    bytes.push_back(static_cast<char>(hash & 0xFF));
  }
  return bytes;
}

}  // namespace

std::string CausalToken::to_string() const {
  std::string body;
  Writer out(body);
  out.bytes(space_);
  clock_.encode(out);
  return std::string(prefix) + base64url_encode(body + checksum(body));
}

Result<CausalToken> CausalToken::parse(std::string_view text) {
  const Error malformed =
      make_error(ErrorCode::malformed,
                 "not a causal token; pass on unchanged what CausalToken::to_string gave");
  if (!text.starts_with(prefix)) return malformed;
  const auto bytes = base64url_decode(text.substr(prefix.size()));
  if (!bytes || bytes->size() < checksum_bytes) return malformed;
  const std::string_view body(bytes->data(), bytes->size() - checksum_bytes);
  if (checksum(body) != std::string_view(*bytes).substr(body.size())) return malformed;

  Reader in(body);
  std::string space(in.bytes(transport::name_bytes_max));
  auto clock = Clock::decode(in);
  if (!clock || !in.ok() || !in.at_end() || space.empty()) return malformed;
  return CausalToken(std::move(space), std::move(*clock));
}

}  // namespace rejoin::node
