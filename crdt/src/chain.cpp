#include "rejoin/crdt/chain.h"

#include <openssl/evp.h>

#include <memory>

#include "hex.h"
#include "rejoin/crdt/assert.h"
#include "rejoin/crdt/codec.h"
#include "rejoin/crdt/limits.h"
#include "store/effect.h"

namespace rejoin {
namespace {

class Sha256 {
 public:
  Sha256() : context_(EVP_MD_CTX_new()), kind_(EVP_MD_fetch(nullptr, "SHA256", nullptr)) {
    REJOIN_ASSERT(context_ && kind_);
  }
  void begin() { REJOIN_ASSERT(EVP_DigestInit_ex2(context_.get(), kind_.get(), nullptr) == 1); }
  void add(std::string_view bytes) {
    REJOIN_ASSERT(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1);
  }
  Digest end() {
    Digest digest;
    REJOIN_ASSERT(EVP_DigestFinal_ex(context_.get(), digest.bytes.data(), nullptr) == 1);
    return digest;
  }
  Digest of(std::string_view bytes) {
    begin();
    add(bytes);
    return end();
  }

 private:
  struct Free {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
    void operator()(EVP_MD* kind) const { EVP_MD_free(kind); }
  };
  std::unique_ptr<EVP_MD_CTX, Free> context_;
  std::unique_ptr<EVP_MD, Free> kind_;
};

// Looking a hash function up costs more than a short hash.
Sha256& hasher() {
  static thread_local Sha256 kept;
  return kept;
}

// Where the note's contents stand in an event's bytes.
std::size_t note_position(const Event& event) {
  Reader in(event.encoded());
  in.u8();
  in.replica();
  for (int i = 0; i < 3; ++i) in.varint();
  in.bytes(limits::author_bytes_max);
  in.varint();
  return in.position();
}

}  // namespace

std::string Digest::to_string() const { return to_hex(bytes); }

Result<Digest> Digest::parse(std::string_view hex) {
  Digest digest;
  if (!from_hex(hex, digest.bytes)) {
    return make_error(
        ErrorCode::malformed,
        "'" + std::string(hex) + "' is no SHA-256: expected 64 " + "hexadecimal digits");
  }
  return digest;
}

Digest sha256(std::string_view bytes) { return hasher().of(bytes); }

Digest digest_of(const Event& event) {
  std::string parts;
  EventEffects effects(event);
  const std::string_view head = effects.head();
  const std::size_t note = note_position(event);
  Sha256& hash = hasher();
  hash.begin();
  hash.add(head.substr(0, note));
  hash.add(head.substr(note + event.note().size()));
  parts += hash.end().view();
  parts += hash.of(event.note()).view();
  Effect effect;
  while (effects.next(effect)) parts += hash.of(effects.bytes()).view();
  return hash.of(parts);
}

Digest next_link(const Digest& previous, const Digest& event) {
  Sha256& hash = hasher();
  hash.begin();
  hash.add(previous.view());
  hash.add(event.view());
  return hash.end();
}

}  // namespace rejoin
