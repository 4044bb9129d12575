#include "store/packing.h"

#include <zstd.h>

#include "rejoin/crdt/limits.h"

namespace rejoin {

namespace {

enum Packing : char { plain_bytes = 0, zstd_bytes = 1 };

constexpr std::size_t worth_packing = 64;  // bytes
// What may always be claimed, and how many times the packed size beyond it. Real deltas beyond both
// are sent as they are.
constexpr std::size_t unpacked_always = std::size_t{64} << 20;
constexpr std::size_t unpacked_times = 100;

constexpr int archive_level = 19;

}  // namespace

std::string packed(std::string_view plain, Effort effort) {
  if (plain.size() >= worth_packing) {
    std::string out(1 + ZSTD_compressBound(plain.size()), '\0');
    const std::size_t size =
        ZSTD_compress(out.data() + 1, out.size() - 1, plain.data(), plain.size(),
                      effort == Effort::archive ? archive_level : ZSTD_CLEVEL_DEFAULT);
    const bool plausible = plain.size() <= unpacked_always || plain.size() / unpacked_times <= size;
    if (!ZSTD_isError(size) && size < plain.size() && plausible) {
      out[0] = zstd_bytes;
      out.resize(1 + size);
      out.shrink_to_fit();
      return out;
    }
  }
  std::string out(1, plain_bytes);
  out.append(plain);
  return out;
}

Result<std::string> unpacked(std::string_view bytes, std::string_view subject) {
  const auto malformed = [&](const char* what) {
    return make_error(ErrorCode::malformed, std::string(subject) + ": " + what);
  };
  if (bytes.empty()) return malformed("it is empty");
  const char how = bytes[0];
  bytes.remove_prefix(1);
  if (how == plain_bytes) return std::string(bytes);
  if (how != zstd_bytes) return malformed("it is packed in an unknown way");
  const unsigned long long size = ZSTD_getFrameContentSize(bytes.data(), bytes.size());
  if (size == ZSTD_CONTENTSIZE_ERROR || size == ZSTD_CONTENTSIZE_UNKNOWN) {
    return malformed("it does not unpack");
  }
  if (size > limits::delta_bytes_max ||
      (size > unpacked_always && size / unpacked_times > bytes.size())) {
    return malformed("it claims to unpack to too much");
  }
  std::string plain(static_cast<std::size_t>(size), '\0');
  const std::size_t got = ZSTD_decompress(plain.data(), plain.size(), bytes.data(), bytes.size());
  if (ZSTD_isError(got) || got != plain.size()) return malformed("it does not unpack");
  return plain;
}

}  // namespace rejoin
